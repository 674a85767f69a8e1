"""After a venue has closed a short, and when margin runs short: what the policy says is what is done."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D

import numpy as np
import pytest

from stormsail.lab.account import MarginAccount
from stormsail.lab.course import Course
from stormsail.lab.replay import Replay, replay
from stormsail.lab.result import paths
from stormsail.lab.shock import Deleveraged, VenueGone
from stormsail.watch.policy import AfterLoss, Follow, Ladder, Lost, Policy, Rebalance
from tests.lab.courses import contract, course, leg

WIDE = {"warn": 0.35, "top_up": 0.5, "top_up_to": 0.2, "reduce": 0.7, "reduce_to": 0.4, "close": 0.9}
"""Rungs far apart, for round figures."""

STEPS = 12
BTC = contract("BTC", venue="bybit")
AWAY = contract("BTC", venue="okx")


def policy(then: Lost, ladder: Ladder | None = None) -> Policy:
    return Policy(Rebalance(Follow.BAND, half_width=0.02), ladder, None, None, AfterLoss(then, timedelta(hours=3)))


def run_with(market: Course, then: Policy, *, both: bool = False, deposit: str = "600", **more: object) -> Replay:
    accounts = [MarginAccount("here", "bybit", (leg(BTC),), {"USDT": D(deposit)}, currency="USDT")]
    wanted = np.full((STEPS, 2 if both else 1), -100.0)
    if both:
        accounts.append(MarginAccount("there", "okx", (leg(AWAY),), {"USDT": D(600)}, currency="USDT"))
        wanted[:, 1] = -10.0
    return replay(market, accounts, {"BTC": D(12)}, lambda coins: wanted * float(coins["BTC"] / 12), then, **more)  # type: ignore[arg-type]


def falling() -> Course:
    price = np.concatenate([[100.0, 100.0], np.full(STEPS - 2, 60.0)])
    return course({BTC: price, AWAY: price}, spot={"BTC": price})


def deleveraged(market: Course) -> Deleveraged:
    return Deleveraged(market.moment(3), "bybit", 0.5, 0.01)


def test_deleveraged_and_short_again_after_its_latency() -> None:
    market = falling()
    run = run_with(market, policy(Lost.REHEDGE), shocks=[deleveraged(market)])
    lots = paths(run).lots[:, 0]
    assert lots[2] == -100
    assert (lots[3:6] == -50).all()
    assert (lots[6:] == -100).all()


def test_deleveraged_and_the_coins_sold() -> None:
    market = falling()
    run = run_with(market, policy(Lost.SELL), shocks=[deleveraged(market)])
    assert run.coins["BTC"] == D(7)  # the five that half the short protected
    assert [line.when for line in run.log if line.what == "sold"] == [market.moment(6)]
    assert paths(run).lots[-1, 0] == -50


def test_deleveraged_and_nothing_done() -> None:
    market = falling()
    run = run_with(market, policy(Lost.NOTHING), shocks=[deleveraged(market)])
    assert (paths(run).lots[3:, 0] == -50).all()
    assert run.coins["BTC"] == D(12)


def test_a_venue_gone_and_short_again_at_the_other() -> None:
    """There is room at the other account for what its collateral carries at the rate it began with."""
    market = falling()
    run = run_with(market, policy(Lost.REHEDGE), both=True, shocks=[VenueGone(market.moment(3), "bybit")])
    lots = paths(run).lots
    assert (lots[3:, 0] == 0).all()
    assert lots[-1, 1] < lots[2, 1] == -10
    assert lots[-1, 1] >= -110
    assert run.books.state.cash[0].tolist() == [0]


def test_liquidated_and_short_again_with_collateral_from_the_reserve() -> None:
    price = np.concatenate([[100.0, 100.0], np.full(STEPS - 2, 160.0)])
    market = course({BTC: price, AWAY: price}, spot={"BTC": price})
    run = run_with(market, policy(Lost.REHEDGE), reserve={"USDT": D(5000)})
    lots = paths(run).lots[:, 0]
    assert lots[2] == 0
    assert lots[5] == -100
    # what a short of that value had behind it at the start: 600 on 1,000
    assert run.books.state.cash[0, 0] / 1e6 - 1600 == pytest.approx(960, abs=2)
    assert {line.what for line in run.log} >= {"liquidation", "trade"}


def test_liquidated_and_the_reserve_is_empty() -> None:
    price = np.concatenate([[100.0, 100.0], np.full(STEPS - 2, 160.0)])
    market = course({BTC: price, AWAY: price}, spot={"BTC": price})
    run = run_with(market, policy(Lost.REHEDGE))
    assert paths(run).lots[-1, 0] == 0
    assert any(line.what == "naked" for line in run.log)


def test_a_short_moves_to_the_account_with_room_before_it_is_reduced() -> None:
    price = np.concatenate([[100.0, 100.0], np.full(STEPS - 2, 152.0)])
    market = course({BTC: price, AWAY: price}, spot={"BTC": price})
    ladder = Ladder(**WIDE, move=True, latency=timedelta(hours=30))
    run = run_with(market, policy(Lost.NOTHING, ladder), both=True)
    lots = paths(run).lots
    assert lots[-1, 0] > -100
    assert lots[-1, 1] < -10
    assert any("moves here" in line.reason for line in run.log)


def test_reduced_and_sold_together_it_stays_reduced() -> None:
    """Coins that a reduced short protected are sold; what is wanted of it from then on is what is held."""
    price = np.concatenate([[100.0, 100.0], np.full(STEPS - 2, 152.0)])
    market = course({BTC: price, AWAY: price}, spot={"BTC": price})
    run = run_with(market, policy(Lost.NOTHING, Ladder(**WIDE, with_spot=True)), deposit="610")
    lots = paths(run).lots[:, 0]
    assert -100 < lots[2] < 0
    assert (lots[2:] == lots[2]).all()
    assert run.coins["BTC"] == pytest.approx(D(12) - D(100 + int(lots[2])) / 10)
