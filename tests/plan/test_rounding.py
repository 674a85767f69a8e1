"""Whole lots: every limit holds, twice is once, and little is lost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.core import Contract, InfeasibleError, Payoff, Tenor
from stormsail.plan.problem import Problem, build_limits
from stormsail.plan.rounding import Pull, Step, notionals, round_book, whole_lots
from stormsail.plan.solver import solve

from .problems import random_problem


def contract(
    i: int, *, lot: str = "0.1", tick: str = "0.01", least: str = "5", payoff: Payoff = Payoff.LINEAR
) -> Contract:
    return Contract(
        "v0",
        f"K{i}",
        f"C{i}",
        "USDT",
        Tenor.PERPETUAL,
        payoff,
        Decimal(100 if payoff is Payoff.INVERSE else 1),
        Decimal("1" if payoff is Payoff.INVERSE else lot),
        Decimal(tick),
        Decimal(least),
        Decimal("0.0002"),
        Decimal("0.0005"),
    )


def steps_of(seed: int, n: int) -> list[Step]:
    rng = np.random.Generator(np.random.Philox(key=seed + 999))
    lots, mins = ["0.001", "0.1", "1", "10"], ["5", "100", "1500"]
    return [
        Step.of(
            contract(i, lot=lots[rng.integers(4)], least=mins[rng.integers(3)]),
            Decimal(str(round(float(rng.uniform(0.5, 300)), 2))),
        )
        for i in range(n)
    ]


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 9), previous=st.booleans(), tight=st.sampled_from([0.3, 1.0]))
def test_every_limit_holds_and_rounding_twice_is_rounding_once(seed: int, n: int, previous: bool, tight: float) -> None:
    problem = random_problem(seed, n=n, previous=previous, tight=tight)
    steps = steps_of(seed, n)
    try:
        target = solve(problem).h
        lots = round_book(problem, target, steps)
    except InfeasibleError:
        return
    worth = np.array([float(x) for x in notionals(lots, steps)])
    assert problem.limits.hold(worth, tolerance=1e-9 * problem.value)
    for k, step in zip(lots, steps, strict=True):
        assert k == 0 or step.notional(int(k)) >= step.contract.min_notional
        assert step.quantity(int(k)) % step.contract.lot == 0
        assert step.price % step.contract.tick == 0
    np.testing.assert_array_equal(round_book(problem, worth, steps), lots)
    np.testing.assert_array_equal(round_book(problem, target, steps), lots)


def test_fine_lots_lose_almost_nothing() -> None:
    problem = random_problem(4)
    steps = [Step.of(contract(i, lot="0.001"), Decimal("2.5")) for i in range(8)]
    target = solve(problem).h
    worth = np.array([float(x) for x in notionals(round_book(problem, target, steps), steps)])
    assert problem.objective(worth) - problem.objective(target) < 1e-5 * problem.value


def test_an_order_below_the_minimum_is_dropped_or_raised() -> None:
    base = random_problem(1, n=1, k=1)
    free = build_limits(1, names=("x",), capacity=np.array([1e9]))
    problem = replace(
        base, limits=free, carry=np.zeros(1), cost=np.zeros(1), wanted=np.array([60.0]), mapping=np.ones((1, 1))
    )
    step = Step.of(contract(0, lot="1", least="100"), Decimal("1"))
    # 60 is nearer to 100 than to 0 in squared distance: raised
    assert round_book(problem, np.array([60.0]), [step]).tolist() == [100]
    low = replace(problem, wanted=np.array([40.0]))
    assert round_book(low, np.array([40.0]), [step]).tolist() == [0]
    capped = replace(problem, limits=build_limits(1, names=("x",), capacity=np.array([80.0])))
    assert round_book(capped, np.array([60.0]), [step]).tolist() == [0]


def test_a_floor_that_cutting_down_would_break_is_mended() -> None:
    base = random_problem(1, n=1, k=1)
    limits = build_limits(
        1, names=("x",), capacity=np.array([1e4]), relief=np.array([0.3]), needed_relief=30.0
    )  # needs 100 of short
    problem = replace(base, limits=limits, wanted=np.array([100.0]), mapping=np.ones((1, 1)))
    step = Step.of(contract(0, lot="7", least="5"), Decimal("1"))
    assert round_book(problem, np.array([100.0]), [step]).tolist() == [15]
    tight = replace(
        problem,
        limits=build_limits(1, names=("x",), capacity=np.array([101.0]), relief=np.array([0.3]), needed_relief=30.0),
    )
    with pytest.raises(InfeasibleError, match="whole lots"):
        round_book(tight, np.array([100.0]), [step])


def test_inverse_lots_are_dollars() -> None:
    step = Step.of(contract(0, payoff=Payoff.INVERSE, tick="0.1"), Decimal("50000"))
    assert step.lot_value == 100
    assert step.notional(3) == 300


def one_by_one(problem: Problem, lots: np.ndarray, lot: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Lots added one at a time, each where the objective falls most, by trying every contract."""
    tolerance = 1e-12 * float(np.abs(problem.limits.bounds).max(initial=1.0))
    while True:
        now = problem.objective(lots * lot)
        best, chosen = now - 1e-12 * problem.value, None
        for i in range(len(lots)):
            trial = lots.copy()
            trial[i] = lots[i] + 1 if lots[i] else least[i]
            after = problem.objective(trial * lot)
            if after < best and problem.limits.hold(trial * lot, tolerance=tolerance):
                best, chosen = after, trial
        if chosen is None:
            return lots
        lots = chosen


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 6), previous=st.booleans())
def test_lots_are_added_where_the_objective_falls_most(seed: int, n: int, previous: bool) -> None:
    problem = random_problem(seed, n=n, previous=previous)
    lot = np.random.Generator(np.random.Philox(key=seed)).uniform(0.005, 0.05, n) * problem.value
    least = np.array([1 + i % 3 for i in range(n)])
    curve, slope = problem.quadratic()
    held = np.zeros(n) if problem.previous is None else problem.previous
    pull = Pull(curve, slope, problem.cost, held, problem.value)
    start = np.zeros(n, dtype=np.int64)
    if not problem.limits.hold(start * lot):
        return
    found = whole_lots(problem.limits, pull, start * lot, lot, least)
    np.testing.assert_array_equal(found, one_by_one(problem, start, lot, least))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 6))
def test_very_fine_lots_end_where_no_lot_more_would_help(seed: int, n: int) -> None:
    problem = random_problem(seed, n=n)
    lot, least = np.full(n, 2e-7 * problem.value), np.ones(n, dtype=np.int64)
    curve, slope = problem.quadratic()
    pull = Pull(curve, slope, problem.cost, np.zeros(n), problem.value)
    target = 0.9 * solve(problem).h
    if not problem.limits.hold(np.floor(target / lot) * lot):
        return
    lots = whole_lots(problem.limits, pull, target, lot, least)
    assert problem.limits.hold(lots * lot, tolerance=1e-9 * problem.value)
    assert (lots >= np.floor(target / lot * (1 - 1e-9))).all()
    np.testing.assert_array_equal(lots, one_by_one(problem, lots, lot, least))
