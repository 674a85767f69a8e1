"""Volatility: exponentially weighted and realised."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import YEAR, Estimate, Maybe, Unavailable

FloatArray = NDArray[np.float64]

FEWEST = 20
"""Fewest returns on which a volatility is stated."""


def ewma_variance(returns: ArrayLike, decay: float = 0.97) -> FloatArray:
    """Variance forecast for the *next* bar after each one: weighted mean of squared returns, weights ``decay^age``.

    Args:
        returns: Shape (T,), oldest first; a NaN is passed over and ages nothing.
        decay: Weight kept from one bar to the next.

    Returns:
        Shape (T,); NaN before the first known return.

    Source: J.P. Morgan, RiskMetrics Technical Document, 4th edition 1996, section 5.2.
    """
    from stormsail.forecast._kernels import ewma_squares

    return np.asarray(ewma_squares(np.ascontiguousarray(returns, dtype=np.float64), decay), dtype=np.float64)


def ewma_volatility(
    returns: ArrayLike, bar: timedelta = timedelta(days=1), *, decay: float = 0.97, window: str = ""
) -> Maybe:
    """Annualised exponentially weighted volatility for the next bar.

    The error is that of a normal standard deviation with the weights' effective sample ``(1 + decay)/(1 - decay)``, or
    the sample itself where it is shorter: ``sigma / sqrt(2 n)``.

    Args:
        returns: Shape (T,).
        bar: Length of a bar; a year has 365 days.
        decay: Weight kept from one bar to the next.
        window: First and last day and bar, for the record.
    """
    path = ewma_variance(returns, decay)
    n = int(np.isfinite(np.asarray(returns, dtype=np.float64)).sum())
    if n < FEWEST:
        return Unavailable(f"{n} returns, {FEWEST} needed")
    sigma = math.sqrt(float(path[-1]) * (YEAR / bar))
    effective = min(float(n), (1.0 + decay) / (1.0 - decay))
    return Estimate(sigma, sigma / math.sqrt(2.0 * effective), n, window, f"exponentially weighted, {decay} per bar")


def realised_volatility(returns: ArrayLike, bar: timedelta = timedelta(hours=1), *, window: str = "") -> Maybe:
    """Annualised realised volatility ``sqrt(mean r^2 * bars per year)``; error ``sqrt((2/3) sum r^4) / sum r^2 / 2``.

    Args:
        returns: Shape (T,); NaN is left out.
        bar: Length of a bar.
        window: First and last day and bar, for the record.

    Source: Andersen, Bollerslev, Diebold & Labys 2003; error from Barndorff-Nielsen & Shephard 2002, theorem 1.
    """
    r = np.asarray(returns, dtype=np.float64)
    r = r[np.isfinite(r)]
    if len(r) < FEWEST:
        return Unavailable(f"{len(r)} returns, {FEWEST} needed")
    squares = float(r @ r)
    sigma = math.sqrt(squares / len(r) * (YEAR / bar))
    error = 0.5 * sigma * math.sqrt(2.0 / 3.0 * float((r**4).sum())) / squares if squares > 0.0 else None
    return Estimate(sigma, error, len(r), window, "realised: root of the mean squared return")
