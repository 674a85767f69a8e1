"""Joint paths: log-normal closed forms, an account kept in double precision on the same numbers, cuts, and a plan."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit.tolerance import Tolerance
from stormsail.core import InputError, to_float
from stormsail.lab.distribution import (
    VALUE,
    Book,
    JointSpec,
    Short,
    ends_of,
    merge_joint,
    run_joint,
    simulate_joint,
)
from stormsail.lab.envelope import Envelope
from stormsail.lab.paths import PassageSpec, simulate
from stormsail.lab.random import students, words
from stormsail.lab.walk import Walk
from stormsail.plan import make_plan
from stormsail.plan.problem import FactorCovariance
from tests.plan.market import AS_OF, portfolio, source

TWO = Envelope((0.01, 0.03), (0.0, 0.022))
SPEC = JointSpec(
    coins=("BTC", "A", "B"),
    values=(0.0, 60.0, 30.0),
    loadings=((0.02, 0.0), (0.024, 0.01), (0.018, 0.02)),
    residual=(0.0, 0.015, 0.02),
    books=(
        Book("one", 9.0, (Short(0, 30.0, TWO, 1e-4), Short(1, 20.0, Envelope.flat(0.02)))),
        Book("two", 4.0, (Short(2, 10.0, TWO, -2e-4),)),
    ),
    steps=13,
    cash=10.0,
    nu_factor=4.0,
    nu_residual=5.0,
    seed=11,
    stream=3,
)


def test_accounts_agree_with_double_precision_on_the_same_numbers() -> None:
    n, width = 4_000, 5
    x, paid = np.zeros((3, n)), np.zeros((2, n))
    dead = np.zeros((2, n), int)
    lowest = np.full((2, n), np.inf)
    load, residual = np.array(SPEC.loadings), np.array(SPEC.residual)[:, None]
    for t in range(SPEC.steps):
        drawn = [words(SPEC.seed, SPEC.stream, 0, n, (t // 2) * width + j)[2 * (t % 2) :] for j in range(width)]
        z = np.array([students(w[0], w[1], 4.0 if j < 2 else 5.0) for j, w in enumerate(drawn)], dtype=np.float64)
        x += load @ z[:2] + residual * z[2:]
        price = np.exp(x)
        spot = 60 * price[1] + 30 * price[2] + 10
        hedged = spot.copy()
        for a, book in enumerate(SPEC.books):
            profit, needed = np.zeros(n), np.zeros(n)
            for s in book.shorts:
                lines = [r * price[s.coin] - d for r, d in zip(s.envelope.rates, s.envelope.deductions, strict=True)]
                needed += s.notional * np.maximum(np.max(lines, axis=0), 0)
                paid[a] += s.funding * s.notional * price[s.coin]
                profit += s.notional * (1 - price[s.coin])
            fails = book.collateral + profit + paid[a] <= needed
            dead[a] = np.where(fails & (dead[a] == 0), t + 1, dead[a])
            hedged += np.where(dead[a] == 0, profit + paid[a], -book.collateral)
        lowest = np.minimum(lowest, [spot, hedged])
    ends, found = ends_of(SPEC, 0, n)
    agree = (found == dead).all(axis=0)
    assert agree.mean() > 0.999  # a price may lie on the barrier to the last digit of single precision
    assert (dead > 0).any(axis=1).all()
    wanted = np.array([spot, hedged, *lowest]) / 100
    np.testing.assert_allclose(ends[:, agree], wanted[:, agree], rtol=2e-5, atol=2e-5)


@settings(max_examples=10)
@given(st.lists(st.integers(1, 1_499), max_size=4, unique=True))
def test_any_cut_gives_the_same_bits(cuts: list[int]) -> None:
    whole = run_joint(SPEC, 0, 1_500)
    ends = [0, *sorted(cuts), 1_500]
    parts = [run_joint(SPEC, a, b - a) for a, b in pairwise(ends)][::-1]
    joined = parts[0]
    for part in parts[1:]:
        joined = merge_joint(joined, part)
    assert joined.spans == whole.spans
    assert joined.any_dead == whole.any_dead
    np.testing.assert_array_equal(joined.values, whole.values)
    np.testing.assert_array_equal(joined.dead, whole.dead)


def test_threads_do_not_matter_and_overlaps_are_refused() -> None:
    one, two = simulate_joint(SPEC, 10_000), simulate_joint(SPEC, 10_000, workers=2)
    np.testing.assert_array_equal(one.counts.values, two.counts.values)
    np.testing.assert_array_equal(one.counts.dead, two.counts.dead)
    with pytest.raises(InputError, match="counted twice"):
        merge_joint(run_joint(SPEC, 0, 10), run_joint(SPEC, 5, 10))
    with pytest.raises(InputError, match="different"):
        merge_joint(run_joint(SPEC, 0, 10), run_joint(replace(SPEC, seed=4), 10, 10))


def test_one_normal_coin_is_log_normal() -> None:
    spec = JointSpec(("A",), (1.0,), ((0.03,),), (0.04,), (), 16, nu_factor=math.inf, nu_residual=math.inf)
    n = 200_000
    found = simulate_joint(spec, n, workers=2)
    for level in (0.01, 0.1, 0.5, 0.9, 0.99):
        at = found.unhedged(level)
        below = stats.norm.cdf(math.log(at) / (0.05 * 4)), stats.norm.cdf(math.log(at + VALUE.width) / (0.05 * 4))
        error = 4 * math.sqrt(level * (1 - level) / n)
        assert below[0] - error < level < below[1] + error
        assert found.hedged(level) == at  # no book, no hedge
        assert found.lowest_unhedged(level) <= at


def test_covariance_of_coins_is_that_of_the_factors() -> None:
    wide = replace(SPEC, values=(0.0, 1.0, 0.0), cash=0.0, books=(), nu_factor=math.inf, nu_residual=math.inf)
    a, b = (
        np.log(ends_of(replace(wide, values=v), 0, 100_000)[0][0].astype(np.float64))
        for v in ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    )
    load = np.array(SPEC.loadings)
    for got, wanted in (
        (a.var(), load[1] @ load[1] + 0.015**2),
        (b.var(), load[2] @ load[2] + 0.02**2),
        (np.cov(a, b)[0, 1], load[1] @ load[2]),
    ):
        assert got == pytest.approx(13 * wanted, rel=0.02)


def test_a_single_isolated_short_dies_as_often_as_in_the_passage() -> None:
    n = 100_000
    book = Book("x", 0.2, (Short(0, 1.0, TWO),))
    joint = simulate_joint(JointSpec(("A",), (1.0,), ((0.0,),), (0.02,), (book,), 60, nu_residual=4.0), n, workers=2)
    alone = simulate(PassageSpec(Walk(0.02**2, nu=4.0, bridge=False), 60, 0.2, TWO), n, workers=2)
    one, other = joint.liquidated(0), alone.liquidated
    assert one.error is not None
    assert abs(one.value - other.value) < 3 * math.sqrt(2) * one.error
    assert joint.any_liquidated == one.value


def test_a_full_hedge_that_lives_leaves_nothing_to_chance() -> None:
    book = Book("x", 5.0, (Short(0, 1.0, Envelope.flat(0.0)),))
    found = simulate_joint(JointSpec(("A",), (1.0,), ((0.01,),), (0.02,), (book,), 20), 5_000)
    assert found.any_liquidated == 0.0
    assert found.hedged(0.001) == pytest.approx(1.0, abs=2 * VALUE.width)
    assert found.hedged(0.999) == pytest.approx(1.0, abs=2 * VALUE.width)


def test_a_plan_becomes_joint_paths() -> None:
    market = source()
    plan = make_plan(portfolio(market), market.view(AS_OF), Tolerance(), venues=load_venues())
    coins = tuple(
        sorted({a.asset for a in plan.exposure.assets if not a.is_cash} | {o.contract.base for o in plan.orders})
    )
    k = len(coins)
    covariance = FactorCovariance(
        coins, np.column_stack([np.ones(k), np.zeros(k)]), np.diag([0.03, 0.0]), np.full(k, 0.01)
    )
    spec = JointSpec.of(plan, covariance, 30, nu_factor=5.0)
    assert spec.value == pytest.approx(plan.exposure.value)
    assert sum(b.collateral for b in spec.books) == pytest.approx(sum(to_float(m.collateral) for m in plan.margins))
    assert sum(s.notional for b in spec.books for s in b.shorts) == pytest.approx(
        sum(to_float(o.notional) for o in plan.orders)
    )
    assert np.sum(np.square(spec.loadings), axis=1) * 30 == pytest.approx(np.full(k, 0.03))
    found = simulate_joint(spec, 20_000, workers=2)
    assert found.hedged(0.01) > found.unhedged(0.01)
    assert found.hedged(0.99) < found.unhedged(0.99)
    with pytest.raises(InputError, match="no covariance"):
        JointSpec.of(plan, replace(covariance, coins=("ZZZ", *coins[1:])), 30)


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"values": (1.0,)},
        {"residual": (0.0, -1.0, 0.0)},
        {"nu_factor": 1.0},
        {"values": (0.0, 0.0, -11.0)},
        {"books": (Book("x", 1.0, (Short(3, 1.0, TWO),)),)},
    ],
)
def test_nonsense_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InputError):
        replace(SPEC, **bad)  # type: ignore[arg-type]  # wrong on purpose
