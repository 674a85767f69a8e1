"""Solve the programme with Clarabel: set up once, solved again and again with new figures.

The problem is reduced to the n contracts (dense ``P``), scaled to a tenth of the portfolio's value so that all numbers
are of order one, and handed over with presolve off, one thread and fixed settings: the same input gives the same bits.

Source: Goulart and Chen, "Clarabel: An interior-point solver for conic programs with quadratic objectives" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stormsail.core import NumericalError
from stormsail.plan.infeasible import explain_infeasible
from stormsail.plan.problem import FloatArray, Problem

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
        self._shape: tuple[tuple[int, int], bytes, bytes] | None = None
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
        curve, slope, matrix, bounds = _data(problem)
        shape = (matrix.shape, matrix.indices.tobytes(), matrix.indptr.tobytes())
        if shape == self._shape:
            self._solver.update(P=curve, q=slope, A=matrix.data, b=bounds)
        else:
            self._solver = _set_up(n, curve, slope, matrix, bounds)
            self._shape = shape
        answer = self._solver.solve()
        status = str(answer.status)
        if status in _INFEASIBLE:
            raise explain_infeasible(problem.limits)
        if status not in _SOLVED:
            raise NumericalError(
                f"the solver stopped with {status} after {answer.iterations} iterations",
                cure="check the portfolio for values many orders of magnitude apart",
                where="plan",
            )
        unit = problem.value / 10.0
        h = np.maximum(np.asarray(answer.x[:n]) * unit, 0.0)
        return Solution(h, np.asarray(answer.z[n : n + r]), int(answer.iterations))


def _data(problem: Problem) -> tuple[FloatArray, FloatArray, Any, FloatArray]:
    """Scaled numbers: P (its upper triangle by columns), q, sparse A and b, as in ``A x + s = b, s >= 0``."""
    from scipy.sparse import csc_matrix

    n, unit = len(problem.carry), problem.value / 10.0
    curve, slope = problem.quadratic()
    upper = (curve * unit).T[np.tril_indices(n)]
    one = np.eye(n)
    rows = np.vstack([-one, problem.limits.rows])
    bounds = np.concatenate([np.zeros(n), problem.limits.bounds / unit])
    if problem.previous is None:
        return upper, slope + problem.cost, csc_matrix(rows), bounds
    # |h - held| <= t, with t as n more variables
    held = problem.previous / unit
    rows = np.block([[rows, np.zeros_like(rows)], [one, -one], [-one, -one]])
    return upper, np.concatenate([slope, problem.cost]), csc_matrix(rows), np.concatenate([bounds, held, -held])


def _set_up(n: int, curve: FloatArray, slope: FloatArray, matrix: Any, bounds: FloatArray) -> Any:
    import clarabel
    from scipy.sparse import csc_matrix

    columns = matrix.shape[1]
    starts = np.concatenate([np.arange(n + 1).cumsum(), np.full(columns - n, n * (n + 1) // 2)])
    inside = np.concatenate([np.arange(j + 1) for j in range(n)])
    quadratic = csc_matrix((curve, inside, starts), shape=(columns, columns))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.presolve_enable = False
    settings.max_threads = 1
    settings.iterative_refinement_max_iter = 2
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-9
    return clarabel.DefaultSolver(quadratic, slope, matrix, bounds, [clarabel.NonnegativeConeT(len(bounds))], settings)
