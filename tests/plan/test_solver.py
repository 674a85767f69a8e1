"""The programme against cvxpy, its speed, and its word when the limits fight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stormsail.core import InfeasibleError
from stormsail.plan.infeasible import explain_infeasible, fighting_limits
from stormsail.plan.problem import Limit, Problem, build_limits
from stormsail.plan.solver import Programme, solve

from .problems import random_problem


def oracle(problem: Problem) -> tuple[float, np.ndarray]:
    import cvxpy as cp

    n = len(problem.carry)
    unit = problem.value / 10
    h = cp.Variable(n, nonneg=True)
    sigma = problem.covariance
    half = np.linalg.cholesky(sigma.factors + 1e-15 * np.eye(len(sigma.factors)))
    rest = problem.wanted / unit - problem.mapping @ h
    risk = (
        cp.sum_squares(half.T @ (sigma.loadings.T @ rest))
        + cp.sum_squares(cp.multiply(np.sqrt(sigma.residual), rest))
        + cp.sum_squares(cp.multiply(np.sqrt(problem.basis_variance), h))
    )
    held = np.zeros(n) if problem.previous is None else problem.previous / unit
    objective = 0.5 * problem.risk_aversion * unit / problem.value * risk
    objective = objective - problem.carry @ h + problem.cost @ cp.abs(h - held)
    model = cp.Problem(cp.Minimize(objective), [problem.limits.rows @ h <= problem.limits.bounds / unit])
    model.solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    if model.status != "optimal":
        return np.inf, np.zeros(n)
    return problem.objective(np.maximum(h.value * unit, 0)), h.value * unit


@pytest.mark.parametrize("seed", range(12))
def test_same_optimum_as_cvxpy(seed: int) -> None:
    problem = random_problem(seed, previous=seed % 2 == 1)
    best, _ = oracle(problem)
    if not np.isfinite(best):
        with pytest.raises(InfeasibleError):
            solve(problem)
        return
    answer = solve(problem)
    assert problem.objective(answer.h) == pytest.approx(best, rel=1e-6, abs=1e-6 * problem.value)
    assert problem.limits.hold(answer.h, tolerance=1e-6 * problem.value)


@pytest.mark.parametrize("previous", [False, True])
def test_solving_again_equals_solving_anew(previous: bool) -> None:
    programme = Programme()
    problem = random_problem(3, previous=previous)
    programme.solve(problem)
    changed = replace(problem, wanted=problem.wanted * 1.07, carry=problem.carry - 0.001)
    np.testing.assert_allclose(programme.solve(changed).h, solve(changed).h, atol=1e-4 * problem.value)


def test_the_same_input_gives_the_same_bits() -> None:
    first, second = solve(random_problem(5)), solve(random_problem(5))
    assert first.h.tobytes() == second.h.tobytes()


def test_one_coin_closed_form() -> None:
    # min 0.5 lam/V s^2 (w-h)^2 - carry h + cost h  =>  h = w + (carry - cost) V / (lam s^2)
    base = random_problem(1, n=1, k=1)
    loose = build_limits(1, names=("x",), capacity=np.array([1e9]))
    problem = replace(base, limits=loose, basis_variance=np.zeros(1), mapping=np.ones((1, 1)))
    variance = problem.covariance.variance(np.ones(1))
    wanted = problem.wanted[0] + (problem.carry[0] - problem.cost[0]) * problem.value / (
        problem.risk_aversion * variance
    )
    assert solve(problem).h[0] == pytest.approx(wanted, rel=1e-6)


def test_a_shadow_price_is_what_one_more_unit_is_worth() -> None:
    problem = random_problem(2, tight=0.3)
    answer = solve(problem)
    row = int(np.argmax(answer.shadow))
    assert answer.shadow[row] > 1e-5
    step = 1e-3 * problem.value
    bounds = problem.limits.bounds.copy()
    bounds[row] += step
    more = solve(replace(problem, limits=replace(problem.limits, bounds=bounds)))
    gain = problem.objective(answer.h) - problem.objective(more.h)
    assert gain / step == pytest.approx(answer.shadow[row], rel=0.05)


def test_fighting_limits_are_named_with_what_would_help() -> None:
    limits = build_limits(
        2,
        names=("a", "b"),
        capacity=np.array([1000.0, 1000.0]),
        cash_rate=np.array([0.5, 0.5]),
        collateral=100.0,
        running_cost=np.array([0.01, 0.01]),
        budget=50.0,
        relief=np.array([0.3, 0.3]),
        needed_relief=90.0,
    )
    # 90 of relief needs 300 of short, which needs 150 of collateral: 50 more; or relief 60: 30 less
    fight = fighting_limits(limits)
    assert set(fight) == {Limit.COLLATERAL, Limit.FLOOR}
    assert fight[Limit.COLLATERAL] == pytest.approx(50.0, abs=1e-6)
    assert fight[Limit.FLOOR] == pytest.approx(30.0, abs=1e-6)
    problem = replace(
        random_problem(1, n=2, k=2), limits=limits, value=1000.0, wanted=np.array([500.0, 500.0]), mapping=np.eye(2)
    )
    with pytest.raises(InfeasibleError, match=r"collateral .* against floor .* raise collateral by 50") as caught:
        solve(problem)
    assert "lower the floor by 30, or lower survive" in str(caught.value)


def test_limits_that_agree_do_not_fight() -> None:
    assert fighting_limits(random_problem(1).limits) == {}


def test_a_cure_has_a_figure_only_where_the_limit_is_money() -> None:
    limits = build_limits(
        1, names=("a",), capacity=np.array([1000.0]), delta=np.array([2.0]), delta_cap=100.0,
        relief=np.array([0.5]), needed_relief=40.0,
    )  # fmt: skip
    with pytest.raises(InfeasibleError) as caught:
        raise explain_infeasible(limits)
    assert "raise coverage or max_net_delta, or lower the floor by 15, or lower survive" in str(caught.value)
