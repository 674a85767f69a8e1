"""The hedge as a convex programme, written down once: objective, limits, and how to judge any candidate answer.

For held exposure ``w`` (K coins), wanted protection ``c w`` and short notionals ``h >= 0`` of n contracts that map to
coins by ``B`` (K, n), the plan minimises

    0.5 * (lam / V) * [(c w - B h)' Sigma (c w - B h) + h' diag(u) h] - carry' h + cost' |h - h_prev|

subject to ``A h <= b``: capacity, collateral, unlocked coins, venue caps, budget, net delta and floor, one row each.
``Sigma`` is ``L F L' + diag(d)``. Everything is in the portfolio's currency; carry and cost are fractions of notional
over the horizon, and ``Sigma``, ``u`` are variances of returns over the horizon.

Source: Markowitz (1952) mean-variance with the futures of Johnson (1960) and Ederington (1979); transaction costs as
in Boyd et al., "Multi-Period Trading via Convex Optimization" (2017), section 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

RISK_AVERSION = 50.0
"""``lam``: a carry of 1 % over a horizon whose market variance is 5 % moves the hedge by 0.4 % of the portfolio.

High on purpose: what is asked for is protection, and carry may tilt it but not trade it away."""


@dataclass(frozen=True, slots=True, eq=False)
class FactorCovariance:
    """Covariance of coins ``L F L' + diag(d)`` over the horizon.

    Attributes:
        coins: Length K.
        loadings: ``L``, shape (K, m).
        factors: ``F``, shape (m, m), covariance of the factors.
        residual: ``d``, shape (K,), variances of what the factors leave.
    """

    coins: tuple[str, ...]
    loadings: FloatArray
    factors: FloatArray
    residual: FloatArray

    def apply(self, x: FloatArray) -> FloatArray:
        """``Sigma x`` for ``x`` of shape (K,) or (K, n), without forming Sigma."""
        rest = self.residual * x if x.ndim == 1 else self.residual[:, None] * x
        return self.loadings @ (self.factors @ (self.loadings.T @ x)) + rest

    def dense(self) -> FloatArray:
        """Sigma itself, shape (K, K)."""
        return self.loadings @ self.factors @ self.loadings.T + np.diag(self.residual)

    def variance(self, x: FloatArray) -> float:
        """``x' Sigma x``."""
        return float(x @ self.apply(x))


class Limit(StrEnum):
    """The groups of limits a plan obeys."""

    CAPACITY = "capacity"
    COLLATERAL = "collateral"
    COINS = "unlocked coins"
    VENUE = "venue cap"
    BUDGET = "budget"
    DELTA = "net delta"
    FLOOR = "floor"


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Rows ``A h <= b`` with their names; bounds are in the portfolio's currency and finite.

    Attributes:
        groups: Length r.
        names: What each row is about, length r.
        rows: ``A``, shape (r, n).
        bounds: ``b``, shape (r,).
    """

    groups: tuple[Limit, ...]
    names: tuple[str, ...]
    rows: FloatArray
    bounds: FloatArray

    def slack(self, h: FloatArray) -> FloatArray:
        """``b - A h``, shape (r,); negative where a limit is broken."""
        return self.bounds - self.rows @ h

    def hold(self, h: FloatArray, *, tolerance: float = 0.0) -> bool:
        """Whether every limit holds, each within ``tolerance`` (in currency)."""
        return bool(np.all(self.slack(h) >= -tolerance))


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Everything the programme needs; see the module's formula.

    Attributes:
        value: ``V``, the portfolio's value.
        wanted: ``c w``, shape (K,).
        mapping: ``B``, shape (K, n).
        covariance: ``Sigma``.
        basis_variance: ``u``, shape (n,).
        carry: Shape (n,); positive is received by the short.
        cost: Shape (n,); what trading one unit of notional in and out costs.
        limits: ``A h <= b``.
        previous: ``h_prev``, shape (n,), or ``None`` when nothing is held yet.
        risk_aversion: ``lam``.
    """

    value: float
    wanted: FloatArray
    mapping: FloatArray
    covariance: FactorCovariance
    basis_variance: FloatArray
    carry: FloatArray
    cost: FloatArray
    limits: Limits
    previous: FloatArray | None = None
    risk_aversion: float = RISK_AVERSION

    def quadratic(self) -> tuple[FloatArray, FloatArray]:
        """``P`` (n, n) and ``g`` (n,) of the smooth part ``0.5 h'P h + g'h`` (constant left out)."""
        scale = self.risk_aversion / self.value
        spread = self.covariance.apply(self.mapping)
        curve = scale * (self.mapping.T @ spread + np.diag(self.basis_variance))
        return 0.5 * (curve + curve.T), -scale * (spread.T @ self.wanted) - self.carry

    def factored(self) -> tuple[FloatArray, FloatArray]:
        """The same ``P`` in parts: ``rest`` (n, n), zero but for contracts of one coin, and ``G`` (m, n) with
        ``P = rest + G'G``."""
        scale = self.risk_aversion / self.value
        own = self.mapping * self.covariance.residual[:, None]
        rest = scale * (self.mapping.T @ own + np.diag(self.basis_variance))
        level, axes = np.linalg.eigh(self.covariance.factors)
        half = axes * np.sqrt(np.maximum(level, 0.0))
        return rest, math.sqrt(scale) * half.T @ (self.covariance.loadings.T @ self.mapping)

    def objective(self, h: FloatArray) -> float:
        """The objective at ``h`` up to its constant, trading costs included."""
        curve, slope = self.quadratic()
        traded = np.abs(h - (0.0 if self.previous is None else self.previous))
        return float(0.5 * h @ curve @ h + slope @ h + self.cost @ traded)

    def risk_left(self, h: FloatArray) -> float:
        """Standard deviation over the horizon of the part that was to be protected, in currency."""
        rest = self.wanted - self.mapping @ h
        return math.sqrt(self.covariance.variance(rest) + float(h @ (self.basis_variance * h)))


def build_limits(
    n: int,
    *,
    capacity: FloatArray,
    names: tuple[str, ...],
    cash_rate: FloatArray | None = None,
    collateral: float = math.inf,
    coins: tuple[str, ...] = (),
    coin_rate: FloatArray | None = None,
    coin_free: FloatArray | None = None,
    venues: tuple[str, ...] = (),
    venue_rate: FloatArray | None = None,
    venue_cap: FloatArray | None = None,
    running_cost: FloatArray | None = None,
    budget: float = math.inf,
    delta: FloatArray | None = None,
    delta_cap: float = math.inf,
    relief: FloatArray | None = None,
    needed_relief: float = -math.inf,
) -> Limits:
    """Write every limit as a row; limits that are infinite are left out.

    Args:
        n: Number of contracts.
        capacity: Most that may be short of each, shape (n,).
        names: Contract ids, length n.
        cash_rate: Collateral per unit of short, shape (n,).
        collateral: Cash there is.
        coins: Names of the coins that back inverse shorts, length m.
        coin_rate: Value of each coin posted per unit of short, shape (m, n); 0 for all but its own inverse contracts.
        coin_free: Value of each coin that may be posted, shape (m,).
        venues: Venue keys, length v.
        venue_rate: Collateral per unit of short at each venue, shape (v, n); 0 where a contract trades elsewhere.
        venue_cap: Most collateral that may be posted at each venue, shape (v,).
        running_cost: ``cost - carry`` per unit, shape (n,).
        budget: Largest expected cost.
        delta: Market beta of one unit short, shape (n,).
        delta_cap: Most beta that may be short.
        relief: What one unit short pays after the fall to be survived, costs off, shape (n,).
        needed_relief: What the hedge must pay then so that the floor holds.
    """
    groups: list[Limit] = []
    labels: list[str] = []
    rows: list[FloatArray] = []
    bounds: list[float] = []

    def add(group: Limit, label: str, row: FloatArray | None, bound: float) -> None:
        if row is not None and math.isfinite(bound):
            groups.append(group)
            labels.append(label)
            rows.append(np.asarray(row, dtype=np.float64))
            bounds.append(float(bound))

    unit = np.eye(n)
    for i, label in enumerate(names):
        add(Limit.CAPACITY, label, unit[i], capacity[i])
    add(Limit.COLLATERAL, "collateral", cash_rate, collateral)
    if coin_rate is not None and coin_free is not None:
        for k, coin in enumerate(coins):
            add(Limit.COINS, coin, coin_rate[k], coin_free[k])
    if venue_rate is not None and venue_cap is not None:
        for v, venue in enumerate(venues):
            add(Limit.VENUE, venue, venue_rate[v], venue_cap[v])
    add(Limit.BUDGET, "budget", running_cost, budget)
    add(Limit.DELTA, "net delta", delta, delta_cap)
    add(Limit.FLOOR, "floor", None if relief is None else -relief, -needed_relief)
    return Limits(
        tuple(groups), tuple(labels), np.vstack(rows) if rows else np.zeros((0, n)), np.array(bounds, dtype=np.float64)
    )
