"""Basis: how far a futures price stands from spot, per year, and how much it moves."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np

from stormsail.core import YEAR, Unavailable
from stormsail.market.panel import FloatArray

_YEAR_DAYS = YEAR / timedelta(days=1)


def annual_basis(futures: float, spot: float, days: float) -> float:
    """Simple annual basis ``(F/S - 1) * 365 / days``; positive is earned by a short held to expiry.

    Args:
        futures: Price of the dated contract, per coin.
        spot: Spot price of the coin.
        days: Days to expiry.

    Raises:
        ValueError: If a price or ``days`` is not positive.

    Source: Hull, Options, Futures and Other Derivatives, ch. 3 (basis) and ch. 5 (cash and carry).

    >>> round(annual_basis(102.0, 100.0, 73), 6)
    0.1
    """
    _check(futures, spot, days)
    return (futures / spot - 1.0) * _YEAR_DAYS / days


def implied_rate(futures: float, spot: float, days: float) -> float:
    """Continuously compounded annual rate in the futures price: ``ln(F/S) * 365 / days``.

    Raises:
        ValueError: If a price or ``days`` is not positive.

    Source: Hull, Options, Futures and Other Derivatives, eq. 5.3 (``F = S e^{(r-q)T}``).
    """
    _check(futures, spot, days)
    return math.log(futures / spot) * _YEAR_DAYS / days


def _check(futures: float, spot: float, days: float) -> None:
    for name, value in (("futures price", futures), ("spot price", spot), ("days to expiry", days)):
        if not value > 0:
            raise ValueError(f"{name} must be positive, not {value}")


def basis_changes(futures: FloatArray, spot: FloatArray) -> FloatArray:
    """Changes of the relative basis ``b_t = F_t / S_t - 1`` from one grid moment to the next.

    Args:
        futures: Shape (T,), a panel column per coin.
        spot: Shape (T,), on the same grid.

    Returns:
        Shape (T - 1,); NaN where a price is unavailable.
    """
    return np.diff(futures / spot - 1.0)


def basis_sd(futures: FloatArray, spot: FloatArray, *, least: int = 20) -> float | Unavailable:
    """Standard deviation (one degree of freedom) of the basis changes: the risk that is left at ratio 1.

    Args:
        futures: Shape (T,).
        spot: Shape (T,).
        least: Fewest changes that make a deviation.

    Returns:
        A fraction of the price per grid step, or why there is none.
    """
    changes = basis_changes(futures, spot)
    known = changes[np.isfinite(changes)]
    if len(known) < least:
        return Unavailable(f"{len(known)} changes of the basis, {least} needed")
    return float(np.std(known, ddof=1))
