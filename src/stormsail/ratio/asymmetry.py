"""Beta on rising and on falling days, and whether the two really differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import Estimate, Unavailable
from stormsail.market.resample import MEAN_BLOCK, SEED, stationary_indices
from stormsail.ratio.estimators import clean

FloatArray = NDArray[np.float64]

FEWEST_EACH = 10
"""Fewest rising, and fewest falling, observations."""

DRAWS = 1000


@dataclass(frozen=True, slots=True)
class AsymmetricBeta:
    """Betas by the sign of the market's move.

    Attributes:
        up: ``sum x y / sum x^2`` over rows with ``x > 0``.
        down: The same over rows with ``x < 0``.
        up_interval, down_interval: 95 % stationary-bootstrap intervals.
        difference: ``down - up``; positive: the coin falls harder than it rises.
        difference_interval: Its interval, from the same draws.
    """

    up: Estimate
    down: Estimate
    up_interval: tuple[float, float]
    down_interval: tuple[float, float]
    difference: Estimate
    difference_interval: tuple[float, float]

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference leaves out zero."""
        low, high = self.difference_interval
        return low > 0.0 or high < 0.0


def _sides(y: FloatArray, x: FloatArray) -> FloatArray:
    """Up and down beta of each row of (draws, n) arrays; shape (2, draws); NaN without moves of that sign."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack(
            [
                np.where(side, x * y, 0.0).sum(axis=-1) / np.where(side, x * x, 0.0).sum(axis=-1)
                for side in (x > 0, x < 0)
            ]
        )


def asymmetric_beta(
    y: ArrayLike, x: ArrayLike, window: str = "", *, seed: int = SEED, mean_block: float = MEAN_BLOCK
) -> AsymmetricBeta | Unavailable:
    """Semi-betas about zero with block-bootstrap errors; (T,) and (T,).

    For stress sizing, not for the hedge itself: out of sample a ratio from falling days alone hedges worse than least
    squares.

    Returns:
        The report; unavailable with fewer than ten rising or ten falling observations.

    Source: Ang, Chen & Xing 2006 (downside beta), here about zero; intervals after Politis & Romano 1994.
    """
    rows, columns, _ = clean(y, x)
    market = columns[:, 0]
    counts = (int((market > 0).sum()), int((market < 0).sum()))
    if min(counts) < FEWEST_EACH:
        return Unavailable(f"{counts[0]} rising and {counts[1]} falling observations, {FEWEST_EACH} of each needed")
    up, down = (float(v) for v in _sides(rows, market))
    at = stationary_indices(len(rows), DRAWS, mean_block=mean_block, seed=seed)
    drawn = _sides(rows[at], market[at])
    drawn = np.vstack([drawn, drawn[1] - drawn[0]])
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=1)
    error = np.nanstd(drawn, axis=1, ddof=1)
    sides = {"rising": (up, counts[0]), "falling": (down, counts[1]), "falling less rising": (down - up, len(rows))}
    estimates = [
        Estimate(value, float(error[i]), size, window, f"sum xy / sum x^2, {name}")
        for i, (name, (value, size)) in enumerate(sides.items())
    ]
    intervals = [(float(low[i]), float(high[i])) for i in range(3)]
    return AsymmetricBeta(
        up=estimates[0],
        down=estimates[1],
        difference=estimates[2],
        up_interval=intervals[0],
        down_interval=intervals[1],
        difference_interval=intervals[2],
    )
