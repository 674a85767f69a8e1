"""Solve the programme with Clarabel: set up once, solved again and again with new figures.

The variables are the n short notionals, the m factor exposures of the hedge (which keeps ``P`` sparse) and, where
something is held already, n trades. Numbers are scaled to a tenth of the portfolio's value, so that all are of order
one, and handed over with presolve off, one thread and fixed settings: the same input gives the same bits.

Source: Goulart and Chen, "Clarabel: An interior-point solver for conic programs with quadratic objectives" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormsail.core import NumericalError
from stormsail.plan.infeasible import explain_infeasible
from stormsail.plan.problem import FloatArray, Limits, Problem

_SOLVED = frozenset({"Solved", "AlmostSolved"})
_INFEASIBLE = frozenset({"PrimalInfeasible", "AlmostPrimalInfeasible"})


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What the programme answers.

    Attributes:
        h: Short notionals, shape (n,).
        shadow: Shadow price of each limit row, shape (r,): by how much the objective would fall for one more unit.
        iterations: Of the interior-point method.
    """

    h: FloatArray
    shadow: FloatArray
    iterations: int


def solve(problem: Problem) -> Solution:
    """Solve once.

    Raises:
        InfeasibleError: If no plan satisfies every limit; the cause names the limits that fight.
        NumericalError: If the solver gives up.
    """
    return Programme().solve(problem)


class Programme:
    """A programme that keeps its solver: problems of the same shape reuse its memory and its symbolic work."""

    def __init__(self) -> None:
        self._frame: _Frame | None = None
        self._solver: Any = None

    def solve(self, problem: Problem) -> Solution:
        """Solve ``problem``, updating the numbers of the last one where the shape is the same.

        Raises:
            InfeasibleError: If no plan satisfies every limit; the cause names the limits that fight.
            NumericalError: If the solver gives up.
        """
        n, r = len(problem.carry), len(problem.limits.bounds)
        if n == 0:
            return Solution(np.zeros(0), np.zeros(r), 0)
        numbers = _numbers(problem)
        if self._frame is not None and self._frame.fits(numbers):
            curve, matrix = self._frame.fill(numbers)
            self._solver.update(P=curve, q=numbers.slope, A=matrix, b=numbers.bounds)
        else:
            self._frame = _Frame.of(numbers)
            self._solver = _set_up(numbers)
        answer = self._answer(problem.limits)
        unit = problem.value / 10.0
        h = np.maximum(np.asarray(answer.x[:n]) * unit, 0.0)
        first = numbers.equal + n
        return Solution(h, np.asarray(answer.z[first : first + r]), int(answer.iterations))

    def again(self, problem: Problem, slope: FloatArray, bounds: FloatArray, value: float) -> FloatArray:
        """Solve the last problem with another value, linear part and bounds; short notionals, shape (n,).

        Numbers are handed over in tenths of the value, in which the curve and the rows of the limits do not change with
        it: so only two vectors are new.

        Args:
            problem: The one solved last, with nothing held already.
            slope: Linear part of the objective with the trading cost in it, shape (n,).
            bounds: Of the limits, shape (r,).
            value: The portfolio's value now.

        Raises:
            InfeasibleError: If no plan satisfies every limit.
            NumericalError: If the solver gives up.
        """
        n, unit = len(slope), value / 10.0
        if n == 0:
            return np.zeros(0)
        factors = len(problem.covariance.factors)
        self._solver.update(
            q=np.concatenate([slope, np.zeros(factors)]), b=np.concatenate([np.zeros(factors + n), bounds / unit])
        )
        limits = problem.limits
        answer = self._answer(Limits(limits.groups, limits.names, limits.rows, bounds))
        return np.maximum(np.asarray(answer.x[:n]) * unit, 0.0)

    def _answer(self, limits: Limits) -> Any:
        answer = self._solver.solve()
        status = str(answer.status)
        if status in _INFEASIBLE:
            raise explain_infeasible(limits)
        if status not in _SOLVED:
            raise NumericalError(
                f"the solver stopped with {status} after {answer.iterations} iterations",
                cure="check the portfolio for values many orders of magnitude apart",
                where="plan",
            )
        return answer


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers:
    """The scaled programme ``min 0.5 x'P x + q'x`` with ``A x = b`` in the first ``equal`` rows, ``A x <= b`` below."""

    curve: FloatArray
    slope: FloatArray
    matrix: FloatArray
    bounds: FloatArray
    equal: int


def _numbers(problem: Problem) -> _Numbers:
    n, unit = len(problem.carry), problem.value / 10.0
    rest, factor = problem.factored()
    m = len(factor)
    trades = 0 if problem.previous is None else n
    columns = n + m + trades
    curve = np.zeros((columns, columns))
    curve[:n, :n] = np.triu(rest) * unit
    curve[n : n + m, n : n + m] = np.eye(m)
    wish = problem.risk_aversion / problem.value * (problem.mapping.T @ problem.covariance.apply(problem.wanted))
    slope = np.concatenate([-wish - problem.carry, np.zeros(m)])
    limits = problem.limits.rows
    one = np.eye(n)
    rows = np.zeros((m + n + len(limits) + 2 * trades, columns))
    rows[:m, :n] = factor * np.sqrt(unit)
    rows[:m, n : n + m] = -np.eye(m)
    rows[m : m + n, :n] = -one
    rows[m + n : m + n + len(limits), :n] = limits
    bounds = np.concatenate([np.zeros(m + n), problem.limits.bounds / unit])
    if problem.previous is None:
        slope[:n] += problem.cost
        return _Numbers(curve, slope, rows, bounds, m)
    # |h - held| <= t, with t as n more variables
    held, last = problem.previous / unit, m + n + len(limits)
    rows[last : last + n, :n], rows[last : last + n, n + m :] = one, -one
    rows[last + n :, :n], rows[last + n :, n + m :] = -one, -one
    slope = np.concatenate([slope, problem.cost])
    return _Numbers(curve, slope, rows, np.concatenate([bounds, held, -held]), m)


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """Where the numbers are not zero: what a solver that is set up once cannot change. Transposed, by columns."""

    curve: NDArray[np.bool_]
    matrix: NDArray[np.bool_]

    @classmethod
    def of(cls, numbers: _Numbers) -> _Frame:
        return cls(numbers.curve.T != 0, numbers.matrix.T != 0)

    def fits(self, numbers: _Numbers) -> bool:
        return np.array_equal(self.curve, numbers.curve.T != 0) and np.array_equal(self.matrix, numbers.matrix.T != 0)

    def fill(self, numbers: _Numbers) -> tuple[FloatArray, FloatArray]:
        return numbers.curve.T[self.curve], numbers.matrix.T[self.matrix]


def _set_up(numbers: _Numbers) -> Any:
    import clarabel
    from scipy.sparse import csc_matrix

    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.presolve_enable = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-9
    cones = [clarabel.NonnegativeConeT(len(numbers.bounds) - numbers.equal)]
    if numbers.equal:
        cones.insert(0, clarabel.ZeroConeT(numbers.equal))
    return clarabel.DefaultSolver(
        csc_matrix(numbers.curve), numbers.slope, csc_matrix(numbers.matrix), numbers.bounds, cones, settings
    )
