"""Liquidation while a plan is held: by hand, and on an invented market in which one coin goes through the roof."""

from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit.tolerance import Tolerance
from stormsail.core import to_float
from stormsail.lab import hold
from stormsail.lab.held import _Account, maintenance_path
from stormsail.margin.tiers import build_table, maintenance
from stormsail.margin.types import MarginMode
from stormsail.market.schema import Kind
from stormsail.plan import HedgePlan, make_plan
from tests.plan.market import AS_OF, portfolio, source
from tests.support import MemorySource

TABLE = build_table(
    "x",
    date(2024, 1, 1),
    [(Decimal(100), Decimal("0.01"), Decimal(50)), (Decimal(1000), Decimal("0.05"), Decimal(10))],
    "by hand",
)


def account(notionals: list[float], collateral: float, highs: list[list[float]]) -> _Account:
    high = np.array(highs)
    value = high * np.array(notionals)
    needed = sum(maintenance_path(column, TABLE) for column in value.T)
    return _Account("x", collateral, np.array(notionals), high, high, needed, np.zeros(len(high)))


def test_maintenance_has_its_deduction() -> None:
    # 1 % of the first 100, 5 % of what lies above: a flat 5 % would ask 10 of 200
    np.testing.assert_allclose(maintenance_path(np.array([50.0, 100.0, 200.0]), TABLE), [0.5, 1.0, 6.0])


@given(st.floats(0.01, 5000))
def test_the_path_is_the_brackets(value: float) -> None:
    exact = to_float(maintenance(Decimal(str(value)), TABLE))
    assert maintenance_path(np.array([value]), TABLE)[0] == pytest.approx(exact, rel=1e-9)


def test_the_same_two_shorts_pooled_and_alone() -> None:
    rise, flat = [1.0, 1.2, 1.5], [1.0, 1.0, 0.9]
    both = list(map(list, zip(rise, flat, strict=True)))
    # pooled: 100 posted behind 100 and 100; at 1.5 and 0.9 it is 100 - 50 + 10 = 60, against 1 + 0.05 * 50 + 0.9
    profit, dead = account([100.0, 100.0], 100.0, both).run()
    assert dead is None
    np.testing.assert_allclose(profit, [0.0, -20.0, -40.0])
    # alone: 50 posted behind the first, of which nothing is left at 1.5; the other keeps its 50 and its gain
    profit, dead = account([100.0], 50.0, [[x] for x in rise]).run()
    assert dead == 2
    np.testing.assert_allclose(profit, [0.0, -20.0, -50.0])
    profit, dead = account([100.0], 50.0, [[x] for x in flat]).run()
    assert dead is None
    np.testing.assert_allclose(profit, [0.0, 0.0, 10.0])


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
