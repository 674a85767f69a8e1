"""Who dies, when, and what is lost: on an invented market in which chosen shorts leap by a chosen rise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache

import numpy as np
import polars as pl
import pytest

from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit.tolerance import Tolerance
from stormsail.core import to_float
from stormsail.lab import Held, hold
from stormsail.margin.types import MarginMode
from stormsail.market.schema import Kind
from stormsail.plan import HedgePlan, make_plan
from stormsail.plan.types import VenueMargin
from stormsail.report.format import money
from stormsail.report.text_margin import collateral_section
from tests.plan.market import AS_OF, BETAS, portfolio, source
from tests.support import MemorySource

CALM, END = AS_OF + timedelta(days=2), AS_OF + timedelta(days=4)
LEAP = CALM + timedelta(hours=4)
JUMP = 1.9
"""A rise that liquidates any account here, and less than what data rules take for a new unit of the price."""

PRICES = ("open", "high", "low", "close")
AWAY = ("DDD", "EEE")
"""Coins whose perpetuals trade at a second venue too."""


@cache
def calm() -> MemorySource:
    data = source()
    series = {info: data.frames[key] for key, info in data.infos.items()}
    for info, frame in list(series.items()):
        if info.asset in AWAY and info.key.kind in (Kind.PERPETUAL, Kind.FUNDING):
            series[replace(info, key=replace(info.key, venue="bybit"))] = frame
    return MemorySource(series)


def leaping(venue: str, coins: tuple[str, ...], rise: float) -> MemorySource:
    """Every perpetual stands still from the decision on; those of ``coins`` at ``venue`` leap after ``CALM``."""
    data, series = calm(), {}
    for key, info in data.infos.items():
        frame = data.frames[key]
        if key.kind is Kind.PERPETUAL:
            last = frame.filter(pl.col("known_at") <= AS_OF)["close"][-1]
            after = last * (1.0 + rise * (info.asset in coins and key.venue == venue))
            moved = pl.when(pl.col("known_at") > CALM).then(after).otherwise(last)
            frame = frame.with_columns(
                pl.when(pl.col("known_at") > AS_OF).then(moved).otherwise(pl.col(name)).alias(name) for name in PRICES
            )
        series[info] = frame
    return MemorySource(series)


def through(plan: HedgePlan, venue: str, coins: tuple[str, ...], rise: float) -> Held:
    return hold(plan, leaping(venue, coins, rise).view(END))


@cache
def planned(mode: MarginMode) -> HedgePlan:
    data = calm()
    wish = Tolerance(coverage=0.3, venues=("binance",))
    return make_plan(portfolio(data), data.view(AS_OF), wish, venues=load_venues(), mode=mode)


@cache
def at_two_venues() -> HedgePlan:
    """The cross plan with the shorts on ``AWAY`` moved to a second venue, with a third of the cash."""
    plan = planned(MarginMode.CROSS)
    (margin,) = plan.margins
    orders = tuple(
        replace(o, contract=replace(o.contract, venue="bybit")) if o.contract.base in AWAY else o for o in plan.orders
    )
    there = {o.contract.symbol for o in orders if o.contract.venue == "bybit"}
    assert len(there) == 2 < len(orders)

    def account(venue: str, cash: Decimal) -> VenueMargin:
        mine = [p for p in margin.positions if (p.contract.partition(":")[2] in there) is (venue == "bybit")]
        positions = tuple(replace(p, contract=f"{venue}:{p.contract.partition(':')[2]}") for p in mine)
        notional = sum((o.notional for o in orders if o.contract.venue == venue), Decimal(0))
        return replace(margin, venue=venue, positions=positions, collateral=cash, notional=notional)

    third = round(margin.collateral / 3, 2)
    return replace(
        plan, orders=orders, margins=(account("binance", margin.collateral - third), account("bybit", third))
    )


def charge(held: Held, plan: HedgePlan) -> float:
    """Funding the shorts that lived received, as a share of their value; a check on the size of what is left over."""
    return held.funding / sum(to_float(o.notional) for o in plan.orders)


@pytest.mark.parametrize("coin", [c for c in BETAS if c not in ("BTC", "ETH")])
def test_an_isolated_short_dies_with_its_own_collateral_and_no_other(coin: str) -> None:
    plan = planned(MarginMode.ISOLATED)
    held = through(plan, "binance", (coin,), JUMP)
    (margin,) = plan.margins
    dead = next(p for p in margin.positions if p.contract == f"binance:{coin}USDT")
    others = {p.collateral for p in margin.positions if p is not dead}
    assert dead.collateral not in others  # so that no other could be taken for it
    assert held.liquidated == {dead.contract: LEAP}
    assert held.lost == -to_float(dead.collateral)
    # the others stand where they were sold, within a tick: price profit is the collateral that is gone, and no more
    order = next(o for o in plan.orders if o.contract.base == coin)
    fee = -to_float(order.contract.taker_fee) * to_float(order.notional)
    gone = -to_float(dead.collateral) - dead_funding(plan, held, coin) - fee
    assert held.shorts == pytest.approx(gone, abs=2.0)  # slippage is not counted here
    np.testing.assert_array_less(np.diff(held.hedged[-3:] - held.unhedged[-3:]), 5.0)


def dead_funding(plan: HedgePlan, held: Held, coin: str) -> float:
    """Funding the short received before it died: it went with the account."""
    data, order = leaping("binance", (coin,), JUMP), next(o for o in plan.orders if o.contract.base == coin)
    frame = next(f for k, f in data.frames.items() if k.kind is Kind.FUNDING and k.symbol == f"{coin}USDT")
    alive = frame.filter((pl.col("known_at") > AS_OF) & (pl.col("known_at") <= CALM))
    return float(alive["rate_per_interval"].sum()) * to_float(order.notional)


def test_an_isolated_short_dies_at_the_rise_the_plan_names() -> None:
    plan = planned(MarginMode.ISOLATED)
    (margin,) = plan.margins
    for position in margin.positions:
        coin = position.contract.partition(":")[2].removesuffix("USDT")
        assert not through(plan, "binance", (coin,), position.rise * 0.98).liquidated
        assert list(through(plan, "binance", (coin,), position.rise * 1.02).liquidated) == [position.contract]


def test_a_cross_account_is_liquidated_at_the_common_rise_the_plan_names() -> None:
    plan = planned(MarginMode.CROSS)
    (margin,) = plan.margins
    everything = tuple(BETAS)
    alive = through(plan, "binance", everything, margin.rise * 0.98)
    assert not alive.liquidated and alive.lost == 0.0
    assert alive.shorts == pytest.approx(-0.98 * margin.rise * to_float(margin.notional), rel=1e-3)
    held = through(plan, "binance", everything, margin.rise * 1.02)
    assert held.liquidated == {"binance": LEAP}
    # the venue closes until the account stands: never more than the collateral is gone, and most of it is
    assert -1.0 <= (held.shorts + held.funding + held.fees) / to_float(margin.collateral) < -0.9


def test_a_cross_account_dies_whole_in_a_leap() -> None:
    plan = planned(MarginMode.CROSS)
    (margin,) = plan.margins
    held = through(plan, "binance", tuple(BETAS), JUMP)
    assert held.lost == -to_float(margin.collateral)
    assert held.shorts + held.funding + held.fees == pytest.approx(-to_float(margin.collateral), abs=1e-3)
    # from then on the coins are naked: what is left of the hedge is the lost collateral, whatever comes
    gone = held.hedged - held.unhedged
    dead = int(np.searchsorted(held.times, np.datetime64(LEAP.replace(tzinfo=None), "us")))
    np.testing.assert_allclose(gone[dead:], -to_float(margin.collateral), atol=1e-3)
    assert abs(gone[dead - 1] - held.fees) < 0.01 * to_float(margin.notional)


@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_of_two_cross_accounts_the_one_whose_shorts_leap_dies(venue: str) -> None:
    plan = at_two_venues()
    mine = next(m for m in plan.margins if m.venue == venue)
    other = next(m for m in plan.margins if m.venue != venue)
    assert mine.collateral != other.collateral
    held = through(plan, venue, tuple(BETAS), JUMP)
    assert held.liquidated == {venue: LEAP}
    assert held.lost == -to_float(mine.collateral)
    assert held.shorts + held.funding == pytest.approx(-to_float(mine.collateral), abs=0.003 * to_float(other.notional))
    assert charge(held, plan) < 0.003


def test_one_leap_that_would_kill_an_isolated_short_is_borne_by_the_pool() -> None:
    alone, pooled = planned(MarginMode.ISOLATED), planned(MarginMode.CROSS)
    (margin,) = alone.margins
    first = margin.weakest
    coin = first.contract.partition(":")[2].removesuffix("USDT")
    leap = first.rise * 1.05
    assert list(through(alone, "binance", (coin,), leap).liquidated) == [first.contract]
    assert not through(pooled, "binance", (coin,), leap).liquidated


def test_the_page_names_the_first_to_die_and_what_goes_with_it() -> None:
    plan = planned(MarginMode.ISOLATED)
    (margin,) = plan.margins
    first = min(margin.positions, key=lambda p: (p.rise, p.contract))
    said = " ".join(collateral_section(plan).lead)
    assert f"The first to be liquidated is {first.contract}, if it rises by {first.rise:.1%}".replace("%", " %") in said
    assert f"it loses its {money(first.collateral, 'USD')} and the others keep theirs" in said
    assert "all its shorts rise together" not in said
    cross = " ".join(collateral_section(planned(MarginMode.CROSS)).lead)
    assert "all its shorts rise together" in cross and "keep theirs" not in cross
