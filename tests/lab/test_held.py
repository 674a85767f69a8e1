"""Liquidation while a plan is held: by hand, and on an invented market in which one coin goes through the roof."""

from datetime import timedelta
from functools import cache

import polars as pl
import pytest

from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit.tolerance import Tolerance
from stormsail.core import to_float
from stormsail.lab import hold
from stormsail.margin.types import MarginMode
from stormsail.market.schema import Kind
from stormsail.plan import HedgePlan, make_plan
from tests.plan.market import AS_OF, portfolio, source
from tests.support import MemorySource


@cache
def wild() -> MemorySource:
    """AAA stands at three times its price from the fifth day after the decision on."""
    calm = source()  # spot stays where it is: only the short is under test
    late = pl.col("known_at") > AS_OF + timedelta(days=5)
    prices = ("open", "high", "low", "close")
    series = {}
    for key, info in calm.infos.items():
        frame = calm.frames[key]
        if key.kind is Kind.PERPETUAL and key.symbol.startswith("AAA"):
            frame = frame.with_columns(pl.when(late).then(pl.col(name) * 3).otherwise(pl.col(name)) for name in prices)
        series[info] = frame
    return MemorySource(series)


@cache
def planned(mode: MarginMode) -> HedgePlan:
    return make_plan(portfolio(wild()), wild().view(AS_OF), Tolerance(coverage=0.3), venues=load_venues(), mode=mode)


def test_an_isolated_short_dies_alone() -> None:
    plan = planned(MarginMode.ISOLATED)
    held = hold(plan, wild().view(AS_OF + timedelta(days=10)))
    (margin,) = plan.margins
    dead = next(p for p in margin.positions if "AAA" in p.contract)
    assert list(held.liquidated) == [dead.contract]
    assert held.liquidated[dead.contract] == AS_OF + timedelta(days=5, hours=4)
    assert held.lost == -to_float(dead.collateral)
    # the rest is the price profit of the others, by hand
    end, rest = AS_OF + timedelta(days=10), 0.0
    for order in plan.orders:
        if order.contract.id != dead.contract:
            frame = next(
                f for k, f in wild().frames.items() if k.symbol == order.contract.symbol and "close" in f.columns
            )
            last = frame.filter(pl.col("known_at") <= end)["close"][-1]
            rest += to_float(order.notional) * (1 - last / to_float(order.price))
    dead_funding = -to_float(dead.collateral) - (held.shorts - rest)
    assert held.shorts == pytest.approx(rest - to_float(dead.collateral), abs=0.002 * to_float(dead.collateral))
    assert abs(dead_funding) < 0.002 * to_float(dead.collateral)


def test_under_cross_margin_the_whole_account_stands_behind_it() -> None:
    plan = planned(MarginMode.CROSS)
    held = hold(plan, wild().view(AS_OF + timedelta(days=10)))
    assert not held.liquidated
    assert held.lost == 0.0


def test_isolated_accounts_are_told_by_their_weakest_short() -> None:
    plan = planned(MarginMode.ISOLATED)
    (margin,) = plan.margins
    first = min(margin.positions, key=lambda p: p.rise)
    assert margin.rise == first.rise
    assert margin.requirement == first.requirement
    assert margin.requirement.subject == first.contract
    assert list(plan.fans) == [first.contract]
    squeeze = next(f for f in plan.failures if f.name == "squeeze beyond the collateral")
    assert squeeze.loss == to_float(first.collateral)
    assert first.contract in squeeze.what
