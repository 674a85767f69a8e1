"""The basis part of a replay: known carry and residual, against hand-made cases and against the attribution."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.adapters.sources.directory import DirectorySource
from stormsail.core import Contract, Payoff, Tenor
from stormsail.lab.account import Leg, MarginAccount
from stormsail.lab.basis import PLACES, split_basis
from stormsail.lab.course import Course, record
from stormsail.lab.replay import Replay, replay
from stormsail.lab.result import attribute
from stormsail.market.resample import generator
from stormsail.market.source import MarketView
from stormsail.watch.policy import Follow, Policy, Rebalance

START = datetime(2025, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
D = Decimal


def contract(symbol: str, tenor: Tenor, *, hours: int | None = None, payoff: Payoff = Payoff.LINEAR) -> Contract:
    inverse = payoff is Payoff.INVERSE
    return Contract(
        "binance", symbol, "BTC", "USD" if inverse else "USDT", tenor, payoff, D(100) if inverse else D(1),
        D(1) if inverse else D("0.001"), D("0.1"), D(5), D(0), D(0),
        None if hours is None else START + hours * HOUR,
    )  # fmt: skip


def course(spot: np.ndarray, prices: dict[Contract, np.ndarray], ends: list[int] | None = None) -> Course:
    steps, n = len(spot), len(prices)
    last = np.column_stack(list(prices.values()))
    currencies = ("BTC", "USDT")
    worth = np.column_stack([spot, np.ones(steps)])
    flat = np.zeros((steps, n))
    return Course(
        times=np.datetime64(START.replace(tzinfo=None), "us") + np.timedelta64(3_600_000_000, "us") * np.arange(steps),
        contracts=tuple(prices), coins=("BTC",), currencies=currencies, last=last, mark=last, high=last, low=last,
        rate=flat, settles=flat.astype(bool), tradable=np.ones((steps, n), bool),
        ends=np.array(ends or [steps] * n), half_spread=flat, impact=flat, spot=spot[:, None], worth=worth, worst=worth,
    )  # fmt: skip


def held(market: Course, targets: np.ndarray, *, inverse: bool = False) -> Replay:
    """Short by ``targets`` (lots, shape (T, n)), followed at every bar."""
    deposit = {"BTC": D(1000)} if inverse else {"USDT": D(100_000_000)}
    legs = tuple(Leg(c, None, D(0), most=D(5_000) if inverse else D(10)) for c in market.contracts)
    account = MarginAccount("binance", "binance", legs, deposit, currency=next(iter(deposit)))
    policy = Policy(rebalance=Rebalance(follow=Follow.CLOCK), ladder=None, roll=None, switch=None)
    return replay(market, (account,), {"BTC": D(2000)}, lambda now: targets.astype(float), policy)


def test_cash_and_carry_held_to_the_end_is_all_known() -> None:
    dated = contract("BTCUSDT_250702", Tenor.DATED, hours=24)
    spot = np.linspace(100_000, 80_000, 25)
    left = np.arange(24, -1, -1)
    market = course(spot, {dated: spot + 1_200.0 * left / 24})
    split = split_basis(held(market, np.full((25, 1), -2_000.0)))
    assert (split.known, split.residual) == (D(2_400), D(0))  # two coins, 1,200 each


def test_what_the_basis_does_beyond_its_path_is_residual() -> None:
    dated = contract("BTCUSDT_250703", Tenor.DATED, hours=48)
    spot = np.full(25, 100_000.0)
    basis = np.full(25, 1_000.0)
    basis[-1] = 1_300.0
    split = split_basis(held(course(spot, {dated: spot + basis}), np.full((25, 1), -1_000.0)))
    assert (split.known, split.residual) == (D(500), D(-800))  # half of the time is over, and 300 were lost


def test_closing_half_keeps_half_the_pace_and_a_new_lot_brings_its_own() -> None:
    dated = contract("BTCUSDT_250702", Tenor.DATED, hours=24)
    spot = np.full(13, 100_000.0)
    basis = np.array([2_400.0] * 4 + [1_600.0] * 9)
    lots = np.array([-2_000.0] * 4 + [-1_000.0] * 4 + [-2_000.0] * 5)[:, None]
    split = split_basis(held(course(spot, {dated: spot + basis}), lots))
    # 4 h of two coins at 100 an hour, then one at 100; from hour 8 another at 1600 / 16 h = 100.
    assert split.known == 4 * 200 + 4 * 100 + 4 * 200
    assert split.total == 2 * 800  # the fall of 800 came while both were held


def test_turning_from_short_to_long_starts_anew() -> None:
    dated = contract("BTCUSDT_250702", Tenor.DATED, hours=24)
    spot = np.full(13, 100_000.0)
    lots = np.array([-1_000.0] * 6 + [1_000.0] * 7)[:, None]
    split = split_basis(held(course(spot, {dated: spot + 1_800.0}), lots))
    assert split.known == 6 * D(75) - 6 * D(100)
    assert split.total == 0


def test_a_perpetual_is_all_residual() -> None:
    own = contract("BTCUSDT", Tenor.PERPETUAL)
    spot = np.linspace(100_000, 90_000, 25)
    split = split_basis(held(course(spot, {own: spot + 50.0 * (np.arange(25) % 2)}), np.full((25, 1), -1_000.0)))
    assert split.known == 0
    assert split.by_contract["binance:BTCUSDT"].residual == split.residual


def test_an_inverse_contract_earns_its_basis_in_coin() -> None:
    dated = contract("BTCUSD_250702", Tenor.DATED, hours=24, payoff=Payoff.INVERSE)
    spot = np.full(25, 50_000.0)
    futures = spot * (1 + 0.01 * np.arange(24, -1, -1) / 24)
    run = held(course(spot, {dated: futures}), np.full((25, 1), -500.0), inverse=True)
    split = split_basis(run)
    exact = Fraction(500 * 100) * (Fraction(1, 50_000) - Fraction(1, 50_500)) * 50_000
    # The coin counts hundred-millionths: what lies below them is residual.
    assert float(split.known) == pytest.approx(float(exact), abs=1e-9)
    assert abs(split.residual) < D("0.001")


@settings(max_examples=25)
@given(st.integers(1, 10_000), st.booleans())
def test_the_parts_add_up_to_the_attribution_whatever_is_traded(key: int, inverse: bool) -> None:
    payoff = Payoff.INVERSE if inverse else Payoff.LINEAR
    near = contract("BTC_NEAR", Tenor.DATED, hours=30, payoff=payoff)
    far = contract("BTC_FAR", Tenor.DATED, hours=500, payoff=payoff)
    forever = contract("BTC_PERP", Tenor.PERPETUAL, payoff=payoff)
    draw = generator(key)
    spot = 60_000.0 * np.exp(np.cumsum(0.01 * draw.standard_normal(41)))
    left = np.maximum(30 - np.arange(41), 0) / 30
    prices = {
        near: spot * (1 + 0.01 * left * (1 + 0.2 * draw.standard_normal(41))),
        far: spot * (1.02 + 0.002 * draw.standard_normal(41)),
        forever: spot * (1 + 0.0005 * draw.standard_normal(41)),
    }
    lots = np.round(draw.uniform(-2_000, 500, (41, 3)))
    lots[30:, 0] = 0
    run = held(course(spot, prices, [30, 41, 41]), lots, inverse=inverse)
    split, whole = split_basis(run), attribute(run)
    assert abs(split.total - whole.basis) <= 3 * D(1).scaleb(-PLACES)
    assert split.known + split.residual == split.total
    assert split.by_contract["binance:BTC_PERP"].known == 0
    assert sum(p.known for p in split.by_contract.values()) == split.known
    assert whole.total == pytest.approx(whole.change, abs=D("1e-30"))


def test_delivered_at_spot_a_short_has_received_the_basis_of_entry_whatever_happened_between() -> None:
    dated = contract("BTCUSDT_250702", Tenor.DATED, hours=24)
    draw = generator(5)
    spot = np.round(60_000.0 * np.exp(np.cumsum(0.01 * draw.standard_normal(31))))
    basis = np.round(1_200.0 * np.maximum(24 - np.arange(31), 0) / 24 * (1 + draw.standard_normal(31)))
    basis[0] = 1_200.0
    targets = np.where(np.arange(31) < 24, -1_000.0, 0.0)[:, None]
    split = split_basis(held(course(spot, {dated: spot + basis}, [24]), targets))
    assert (split.known, split.residual) == (D(1_200), D(0))


@pytest.mark.realdata
def test_a_month_of_the_december_contract(real_data: Path) -> None:
    """July 2025, one BTC short: basis was earned by plan, while it widened by more than that."""
    view = MarketView(DirectorySource(real_data), datetime(2025, 7, 31, 20, tzinfo=UTC))
    dated = replace(contract("BTCUSDT_251226", Tenor.DATED, hours=1), expiry=datetime(2025, 12, 26, 8, tzinfo=UTC))
    own = contract("BTCUSDT", Tenor.PERPETUAL)
    start = datetime(2025, 7, 2, tzinfo=UTC)
    market = record(view, (dated, own), ("BTC",), start=start)
    run = held(market, np.tile([-1_000.0, -1_000.0], (len(market.times), 1)))
    split, whole = split_basis(run), attribute(run)
    assert abs(split.total - whole.basis) < D("1e-15")
    first, days = market.last[0, 0] - market.spot[0, 0], (dated.expiry - start) / timedelta(days=1)  # type: ignore[operator]
    gone = (view.as_of - start) / timedelta(days=1)
    part = split.by_contract["binance:BTCUSDT_251226"]
    assert float(part.known) == pytest.approx(first * gone / days, abs=1e-6)
    assert float(part.total) == pytest.approx(first - (market.last[-1, 0] - market.spot[-1, 0]), abs=1e-4)
    assert part.residual < -part.known < 0
    assert abs(split.by_contract["binance:BTCUSDT"].residual) < 100
