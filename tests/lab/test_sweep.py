"""A sweep is many replays: the same values, whatever the number of threads."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D

import numpy as np
import pytest

from stormsail.core import InputError
from stormsail.lab.account import MarginAccount
from stormsail.lab.course import Course
from stormsail.lab.replay import replay
from stormsail.lab.result import paths
from stormsail.lab.sweep import Setting, Swept, sweep
from stormsail.watch.policy import AfterLoss, Follow, Lost, Policy, Rebalance
from tests.lab.courses import contract, course, leg

HOLDINGS = {"AAA": D(100), "BBB": D(250)}
SETTINGS = [
    Setting(ratio, Rebalance(follow, timedelta(hours=hours), width))
    for ratio, follow, hours, width in (
        (1.0, Follow.HOLD, 1, None), (0.5, Follow.CLOCK, 24, None), (1.0, Follow.CLOCK, 6, None),
        (0.8, Follow.BAND, 1, 0.02), (1.0, Follow.BAND, 1, 0.1), (3.0, Follow.BAND, 1, 0.05),
        (3.0, Follow.CLOCK, 24, None),
    )
]  # fmt: skip


def market() -> Course:
    """Two coins through 600 hours; the second one doubles."""
    rng = np.random.Generator(np.random.Philox(key=5))
    steps = rng.normal(0, 0.008, (600, 2))
    steps[300:320, 1] += 0.035
    prices = np.round(100 * np.exp(np.cumsum(steps, axis=0)), 2)
    kinds = contract("AAA", fee="0.0005"), contract("BBB", fee="0.0005")
    rate = np.where(np.arange(600) % 8 == 0, 1e-4, 0.0)
    return course(
        dict(zip(kinds, prices.T, strict=True)), rate=dict.fromkeys(kinds, rate), spread=1e-4,
        high=dict(zip(kinds, prices.T * 1.01, strict=True)),
    )  # fmt: skip


def accounts(of: Course) -> tuple[MarginAccount, ...]:
    return (
        MarginAccount("binance", "binance", tuple(leg(c) for c in of.contracts), {"USDT": D(60_000)}, currency="USDT"),
    )


def targets() -> np.ndarray:
    rng = np.random.Generator(np.random.Philox(key=6))
    return -np.array([1000.0, 2500.0]) * np.exp(np.cumsum(rng.normal(0, 0.01, (600, 2)), axis=0))


@pytest.fixture(scope="module")
def swept() -> Swept:
    of = market()
    return sweep(of, accounts(of), HOLDINGS, targets(), SETTINGS)


def test_each_setting_is_the_replay_of_that_setting(swept: Swept) -> None:
    of = market()
    for k, setting in enumerate(SETTINGS):
        policy = Policy(setting.rebalance, ladder=None, roll=None, after_loss=AfterLoss(Lost.NOTHING))
        wanted = targets() * setting.ratio
        done = replay(of, accounts(of), HOLDINGS, lambda held, wanted=wanted: wanted, policy)
        path = paths(done)
        looks = np.append(path.hedged[::24], path.hedged[-1])
        assert swept.end[k] == pytest.approx(path.hedged[-1], rel=1e-12, abs=1e-8)
        assert swept.fall[k] == pytest.approx((1 - looks / np.maximum.accumulate(looks)).max(), abs=1e-12)
        assert swept.funding[k] == pytest.approx(path.funding[-1], rel=1e-12)
        assert swept.trades[k] == (done.ledger[:, 1] == 1).sum()
        costs = done.ledger[np.isin(done.ledger[:, 1], (2, 3)), 5].sum() / 1e6
        assert swept.costs[k] == pytest.approx(costs, rel=1e-12)
        assert swept.liquidations[k] == sum(line.what == "liquidation" for line in done.log)


def test_too_much_is_liquidated_and_what_fits_is_not(swept: Swept) -> None:
    assert swept.liquidations[-1] > 0
    assert swept.liquidations[1] == 0


@pytest.mark.parametrize("threads", [1, 3, 50])
def test_the_number_of_threads_changes_nothing(swept: Swept, threads: int) -> None:
    of = market()
    again = sweep(of, accounts(of), HOLDINGS, targets(), SETTINGS, threads=threads)
    for name in ("end", "fall", "costs", "funding", "trades", "liquidations"):
        assert getattr(swept, name).tobytes() == getattr(again, name).tobytes()


def test_what_cannot_be_swept_is_said() -> None:
    of = market()
    pledged = (MarginAccount("binance", "binance", tuple(leg(c) for c in of.contracts), {"AAA": D(1)}),)
    with pytest.raises(InputError, match="not recorded"):
        sweep(of, accounts(of), {"CCC": D(1)}, targets(), SETTINGS)
    with pytest.raises((InputError, ValueError)):
        sweep(of, pledged, HOLDINGS, targets(), SETTINGS)
    with pytest.raises(ValueError, match="shape"):
        sweep(of, accounts(of), HOLDINGS, targets()[1:], SETTINGS)
