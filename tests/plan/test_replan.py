"""The re-plan: the whole decision where nothing moved, every limit kept where something did."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit import Tolerance
from stormsail.core import InfeasibleError, InputError, to_float
from stormsail.margin.types import MarginMode
from stormsail.plan import make_plan
from stormsail.plan.prepare import Prepared, prepare
from stormsail.plan.problem import FloatArray, Limit
from stormsail.plan.replan import Replanned, Replanner
from stormsail.plan.settle import settle
from stormsail.plan.solver import solve
from stormsail.plan.survey import survey

from .market import AS_OF, portfolio, source

WISHES = {
    "usual": Tolerance(coverage=0.3),
    "cash": Tolerance(coverage=0.6, collateral=Decimal(3_000)),
    "budget": Tolerance(coverage=0.5, budget=Decimal(20)),
    "floor": Tolerance(coverage=0.6, floor=Decimal(36_000)),
    "all": Tolerance(coverage=1.0),
}
MODES = (MarginMode.CROSS, MarginMode.ISOLATED)


@cache
def prepared(wish: str, without: tuple[str, ...] = ("CCC",)) -> Prepared:
    data = source(without=without)
    return prepare(survey(portfolio(data), data.view(AS_OF), WISHES[wish], venues=load_venues()))


@cache
def replanner(wish: str, mode: MarginMode) -> Replanner:
    made = prepared(wish)
    return Replanner(made.desk, settle(made.desk, made.keeper, mode), mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wish", WISHES)
def test_at_the_same_prices_the_orders_are_those_of_the_whole_decision(wish: str, mode: MarginMode) -> None:
    planner = replanner(wish, mode)
    book = planner.book
    again = planner.at(np.ones(len(planner.coins)))
    settled = [(s.contract.id, s.quantity(int(k)), s.price, s.notional(int(k)))
               for s, k in zip(book.steps, book.lots, strict=True) if k > 0]  # fmt: skip
    assert [(o.contract.id, o.quantity, o.price, o.notional) for o in again.orders] == settled
    assert settled
    assert again.need == pytest.approx(book.need, rel=1e-9)
    np.testing.assert_allclose(again.notionals, book.worth, rtol=1e-12)


def test_it_is_the_plan_of_the_same_portfolio() -> None:
    data = source()
    held, view, venues = portfolio(data), data.view(AS_OF), load_venues()
    plan = make_plan(held, view, WISHES["usual"], venues=venues)
    planner = Replanner.of(held, view, WISHES["usual"], venues=venues)
    again = planner.at(np.ones(len(planner.coins)))
    assert {o.contract.id: o.quantity for o in again.orders} == {o.contract.id: o.quantity for o in plan.orders}
    protected = sum(row.direct + row.proxy for row in plan.coverage)
    assert again.coverage == pytest.approx(protected / plan.exposure.risky_value, rel=1e-9)


def check_limits(planner: Replanner, wish: str, factors: FloatArray, found: Replanned) -> None:
    desk, tolerance = prepared(wish).desk, WISHES[wish]
    value = desk.value + float((desk.held * (factors - 1.0)).sum())
    slack = 1e-6
    np.testing.assert_allclose(found.held, desk.held * factors)
    np.testing.assert_allclose(found.wanted, tolerance.coverage * found.held)
    assert (found.notionals <= desk.reach.capacity(found.wanted) + slack).all()
    assert desk.beta @ desk.short(found.notionals) <= desk.beta @ found.wanted + tolerance.max_net_delta * (
        desk.beta @ found.held
    ) + slack  # fmt: skip
    for venue, amount in found.need.items():
        assert amount <= desk.caps[venue] / desk.value * value
    assert sum(found.need.values()) <= desk.cash + slack
    if tolerance.budget is not None:
        assert (desk.cost - desk.carry) @ found.notionals <= float(tolerance.budget) + slack
    if tolerance.floor is not None:
        kept = value - desk.fall @ found.held + (desk.fall @ desk.mapping + desk.carry - desk.cost) @ found.notionals
        assert kept >= float(tolerance.floor) - slack
    assert (found.direct + found.proxy <= found.wanted + slack).all()
    for order in found.orders:
        assert order.quantity % order.contract.lot == 0
        assert order.price % order.contract.tick == 0
        assert order.notional >= order.contract.min_notional
        assert order.notional == order.contract.notional(order.quantity, order.price)


@settings(max_examples=60, deadline=None)
@given(
    wish=st.sampled_from(sorted(WISHES)),
    mode=st.sampled_from(MODES),
    moves=st.lists(st.floats(-0.7, 0.7), min_size=7, max_size=7),
)
def test_every_limit_holds_at_any_price(wish: str, mode: MarginMode, moves: list[float]) -> None:
    planner = replanner(wish, mode)
    factors = np.exp(np.array(moves))
    assert len(factors) == len(planner.coins)
    try:
        found = planner.at(factors)
    except InfeasibleError:
        assert wish in {"floor", "budget"}
        return
    check_limits(planner, wish, factors, found)
    assert planner.at(factors).orders == found.orders


@pytest.mark.parametrize("wish", ["usual", "cash", "floor", "all"])
def test_it_solves_the_programme_written_down_anew(wish: str) -> None:
    planner, desk = replanner(wish, MarginMode.CROSS), prepared(wish).desk
    factors = np.exp(np.random.Generator(np.random.Philox(key=5)).normal(0, 0.05, len(planner.coins)))
    held = desk.held * factors
    wanted = desk.tolerance.coverage * held
    grown = float((held - desk.held).sum())
    value = desk.value + grown
    moved = replace(
        desk,
        value=value,
        risky=desk.risky + grown,
        held=held,
        wanted=wanted,
        capacity=desk.reach.capacity(wanted),
        caps={venue: cap / desk.value * value for venue, cap in desk.caps.items()},
    )
    limits = planner.book.problem.limits
    rates = next(
        (
            row
            for row, group in zip(limits.rows, limits.groups, strict=True)
            if group in (Limit.COLLATERAL, Limit.VENUE)
        ),
        np.zeros(len(desk.terms)),
    )
    used = limits.bounds[: len(desk.terms)] > 0
    problem = moved.problem(rates, allowed=np.where(used, moved.capacity, 0.0))
    anew = solve(problem).h
    found = planner.at(factors)
    # whole lots cost the objective no more than one lot less of each short does, and next to nothing otherwise
    lots = np.array([to_float(t.contract.notional(t.contract.lot, t.price)) for t in desk.terms])
    fewer = problem.objective(np.maximum(anew - 1.1 * lots, 0.0)) - problem.objective(anew)
    assert problem.objective(found.notionals) - problem.objective(anew) < fewer + 2e-5 * value
    assert problem.limits.hold(found.notionals, tolerance=1e-6)


def test_more_is_short_of_what_rose() -> None:
    planner = replanner("usual", MarginMode.CROSS)
    factors = np.ones(len(planner.coins))
    factors[planner.coins.index("AAA")] = 1.5
    before, after = planner.at(np.ones(len(factors))), planner.at(factors)
    first = {o.contract.base: float(o.notional) for o in before.orders}
    then = {o.contract.base: float(o.notional) for o in after.orders}
    # not quite by half: the venue's cap binds, and grows with the whole portfolio only
    assert 1.4 * first["AAA"] < then["AAA"] <= 1.5 * first["AAA"]
    assert then["EEE"] == pytest.approx(first["EEE"], rel=0.05)


@pytest.mark.parametrize("bad", [np.ones(3), np.full(7, np.nan), np.zeros(7), -np.ones(7)])
def test_factors_that_are_not_prices_are_refused(bad: FloatArray) -> None:
    with pytest.raises(InputError, match="positive numbers"):
        replanner("usual", MarginMode.CROSS).at(bad)
