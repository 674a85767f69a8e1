"""The programme of one small portfolio, compiled: no matrices are handed over, no memory is kept.

It is the programme of :mod:`stormsail.plan.problem` in fractions of the portfolio's risky value, for n contracts on m
coins and r joint limits: ``min 0.5 h'Ph + g'h`` with ``A h <= b`` and ``0 <= h <= room``. It is solved by a
predictor-corrector interior-point method whose only linear system is ``P + A'WA + diag`` of size n.

Source: Mehrotra, "On the implementation of a primal-dual interior point method" (1992); Nocedal and Wright, "Numerical
Optimization" (2006), algorithm 16.4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

FACTORS = 3
UNIT = 100_000_000
"""Money is counted in hundred-millionths."""

CENT = 1_000_000
"""Of which a cent has this many."""

BY_COLLATERAL, BY_VENUE, BY_DELTA, UNSOLVED = 1, 2, 4, 8
"""Bits of what held a portfolio back; the last says that the targets are only near their best."""

STEPS = 60
GAP = 1e-13
"""Mean product of slack and price at which the answer is good enough, in the objective over ``lam``."""

MISS = 1e-10
BACK = 0.995
"""Share of the way to the nearest limit that a step may go."""


class Table(NamedTuple):
    """A market snapshot in arrays: K coins, n contracts sorted by coin, v venues.

    Attributes:
        price, residual, beta: Of each coin, shape (K,); ``beta`` is not below 0.
        loadings: Shape (K, 3).
        factors: Shape (3, 3).
        major: Whether a coin's contracts may stand for others, shape (K,).
        first: Contracts of coin k are ``first[k]`` up to ``first[k + 1]``, shape (K + 1,).
        venue: Of each contract, shape (n,).
        volume, basis, net, rate: Most short by volume in currency, NaN where unknown; variance of the basis; cost less
            carry; collateral per unit; shape (n,).
        lot_units, lot_cash, lot_delta: Worth, collateral and market beta of one lot, rounded up, in hundred-millionths.
        least: Fewest lots of an order, shape (n,).
        caps: Share of the portfolio that may be posted at each venue, shape (v,).
        averse: ``lam``.
        slack: Net short allowed beyond what is wanted, as a share of what is held.
    """

    price: FloatArray
    residual: FloatArray
    beta: FloatArray
    loadings: FloatArray
    factors: FloatArray
    major: BoolArray
    first: IntArray
    venue: IntArray
    volume: FloatArray
    basis: FloatArray
    net: FloatArray
    rate: FloatArray
    lot_units: IntArray
    lot_cash: IntArray
    lot_delta: IntArray
    least: IntArray
    caps: FloatArray
    averse: float
    slack: float


class Small(NamedTuple):
    """One portfolio's programme: m coins, q contracts sorted by coin, r limits ``A h <= b``; fractions of its value.

    Attributes:
        wanted: Shape (m,).
        loadings: Shape (m, 3).
        factors: Shape (3, 3).
        residual: Shape (m,).
        first: Shape (m + 1,).
        price: ``(cost - carry) / lam``, shape (q,).
        basis: Shape (q,).
        room: Most that may be short, shape (q,).
        rows: ``A``, shape (r, q).
        bounds: ``b``, shape (r,), positive.
    """

    wanted: FloatArray
    loadings: FloatArray
    factors: FloatArray
    residual: FloatArray
    first: IntArray
    price: FloatArray
    basis: FloatArray
    room: FloatArray
    rows: FloatArray
    bounds: FloatArray


@njit(cache=True, nogil=True)
def _curve(small: Small, which: IntArray, coin: IntArray) -> tuple[FloatArray, FloatArray]:
    """``P`` and ``g`` over ``lam`` for the contracts ``which``; ``coin`` is of every contract."""
    n, m = which.shape[0], small.wanted.shape[0]
    z, p = np.zeros(FACTORS), np.zeros(FACTORS)
    for k in range(m):
        for a in range(FACTORS):
            z[a] += small.loadings[k, a] * small.wanted[k]
    lean = np.empty((n, FACTORS))
    for a in range(FACTORS):
        for b in range(FACTORS):
            p[a] += small.factors[a, b] * z[b]
    curve, slope = np.empty((n, n)), np.empty(n)
    for i in range(n):
        k = coin[which[i]]
        slope[i] = small.price[which[i]] - small.residual[k] * small.wanted[k]
        for a in range(FACTORS):
            slope[i] -= small.loadings[k, a] * p[a]
            lean[i, a] = 0.0
            for b in range(FACTORS):
                lean[i, a] += small.loadings[k, b] * small.factors[b, a]
        for j in range(i + 1):
            other = coin[which[j]]
            total = small.residual[k] if other == k else 0.0
            for a in range(FACTORS):
                total += lean[i, a] * small.loadings[other, a]
            curve[i, j] = total
            curve[j, i] = total
        curve[i, i] += small.basis[which[i]]
    return curve, slope


@njit(cache=True, nogil=True)
def _factor(a: FloatArray) -> None:
    """Cholesky: the lower half of ``a`` becomes its factor."""
    n = a.shape[0]
    for j in range(n):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        a[j, j] = math.sqrt(max(a[j, j], 1e-300))
        for i in range(j + 1, n):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]


@njit(cache=True, nogil=True)
def _solve(a: FloatArray, x: FloatArray) -> None:
    """``x`` becomes the solution for it, with the factor ``a``."""
    n = a.shape[0]
    for i in range(n):
        for k in range(i):
            x[i] -= a[i, k] * x[k]
        x[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= a[k, i] * x[k]
        x[i] /= a[i, i]


@njit(cache=True, nogil=True)
def _apply(rows: FloatArray, h: FloatArray, out: FloatArray) -> None:
    """``G h`` for ``G = [A; I; -I]``."""
    r, n = rows.shape
    for i in range(r):
        out[i] = 0.0
        for j in range(n):
            out[i] += rows[i, j] * h[j]
    for j in range(n):
        out[r + j] = h[j]
        out[r + n + j] = -h[j]


@njit(cache=True, nogil=True)
def _apply_back(rows: FloatArray, y: FloatArray, out: FloatArray) -> None:
    """``out += G' y``."""
    r, n = rows.shape
    for j in range(n):
        for i in range(r):
            out[j] += rows[i, j] * y[i]
        out[j] += y[r + j] - y[r + n + j]


@njit(cache=True, nogil=True)
def _reach(x: FloatArray, dx: FloatArray) -> float:
    """Largest step up to 1 that keeps ``x + step dx`` from falling below 0."""
    step = 1.0
    for i in range(x.shape[0]):
        if dx[i] < 0.0:
            step = min(step, -x[i] / dx[i])
    return step


@njit(cache=True, nogil=True)
def minimum(
    curve: FloatArray, slope: FloatArray, rows: FloatArray, bounds: FloatArray
) -> tuple[FloatArray, FloatArray, bool]:
    """``h`` that minimises ``0.5 h'Ph + g'h`` with ``G h <= bounds``, the price of each limit, and whether it is exact.

    Args:
        curve: ``P``, shape (n, n), positive definite.
        slope: ``g``, shape (n,).
        rows: ``A``, shape (r, n); ``G = [A; I; -I]``.
        bounds: Shape (r + 2n,).
    """
    r, n = rows.shape
    many = r + 2 * n
    h, out, y, s = np.empty(n), np.empty(many), np.empty(many), np.empty(many)
    for j in range(n):
        h[j] = 0.5 * bounds[r + j]
    _apply(rows, h, out)
    for i in range(many):
        s[i] = max(bounds[i] - out[i], 0.1 * bounds[i], 1e-3)
        y[i] = 1e-3 / s[i]
    system, short, dual = np.empty((n, n)), np.empty(many), np.empty(n)
    dh, ds, dy, cross = np.empty(n), np.empty(many), np.empty(many), np.empty(many)
    for _ in range(STEPS):
        worst, gap = 0.0, 0.0
        for j in range(n):
            dual[j] = slope[j]
            for k in range(n):
                dual[j] += curve[j, k] * h[k]
        _apply_back(rows, y, dual)
        _apply(rows, h, out)
        for i in range(many):
            short[i] = out[i] + s[i] - bounds[i]
            gap += s[i] * y[i]
            worst = max(worst, abs(short[i]))
        for j in range(n):
            worst = max(worst, abs(dual[j]))
        gap /= many
        if gap <= GAP and worst <= MISS:
            return h, y[:r], True
        for j in range(n):
            for k in range(j + 1):
                system[j, k] = curve[j, k]
                for i in range(r):
                    system[j, k] += rows[i, j] * rows[i, k] * y[i] / s[i]
            system[j, j] += y[r + j] / s[r + j] + y[r + n + j] / s[r + n + j]
        _factor(system)
        aim = 0.0
        for corrected in range(2):
            for i in range(many):
                cross[i] = s[i] * y[i] + (ds[i] * dy[i] - aim if corrected else 0.0)
                out[i] = (y[i] * short[i] - cross[i]) / s[i]
            for j in range(n):
                dh[j] = dual[j]
            _apply_back(rows, out, dh)
            for j in range(n):
                dh[j] = -dh[j]
            _solve(system, dh)
            _apply(rows, dh, out)
            for i in range(many):
                ds[i] = -short[i] - out[i]
                dy[i] = -(cross[i] + y[i] * ds[i]) / s[i]
            if not corrected:
                a, b, next_gap = _reach(s, ds), _reach(y, dy), 0.0
                for i in range(many):
                    next_gap += (s[i] + a * ds[i]) * (y[i] + b * dy[i])
                aim = gap * (next_gap / many / gap) ** 3
        step = min(_reach(s, ds), _reach(y, dy))
        step = step if step >= 1.0 else BACK * step
        for j in range(n):
            h[j] += step * dh[j]
        for i in range(many):
            s[i] += step * ds[i]
            y[i] += step * dy[i]
    return h, y[:r], gap <= 1e-9 and worst <= 1e-7


@njit(cache=True, nogil=True)
def targets(small: Small) -> tuple[FloatArray, BoolArray, bool]:
    """Shorts, shape (q,), that are best among those within every limit; which limits hold them back, shape (r,); and
    whether they were found exactly. Contracts without room are left out."""
    q, r = small.price.shape[0], small.bounds.shape[0]
    which, coin, n = np.empty(q, dtype=np.int64), np.empty(q, dtype=np.int64), 0
    for k in range(small.wanted.shape[0]):
        for j in range(small.first[k], small.first[k + 1]):
            coin[j] = k
            if small.room[j] > 0.0:
                which[n] = j
                n += 1
    found, tight = np.zeros(q), np.zeros(r, dtype=np.bool_)
    if n == 0:
        return found, tight, True
    which = which[:n]
    curve, slope = _curve(small, which, coin)
    rows, bounds = np.empty((r, n)), np.zeros(r + 2 * n)
    bounds[:r] = small.bounds
    for j in range(n):
        bounds[r + j] = small.room[which[j]]
        for i in range(r):
            rows[i, j] = small.rows[i, which[j]]
    h, price, sure = minimum(curve, slope, rows, bounds)
    shrink = 1.0
    for j in range(n):
        found[which[j]] = min(max(h[j], 0.0), small.room[which[j]])
    for i in range(r):
        used = 0.0
        for j in range(n):
            used += rows[i, j] * found[which[j]]
        tight[i] = price[i] > small.bounds[i] - used and price[i] > 1e-8
        if used > small.bounds[i]:
            shrink = min(shrink, small.bounds[i] / used)
    return found * shrink, tight, sure
