"""Out-of-sample effectiveness of one set of instruments on many targets at once.

The ratio is the ``ewma_shrunk`` one (zero-mean exponential moments, decay 0.97, leant half to the equal split), learnt
from the days before the one tested. Intervals are by the delta method with a Newey-West variance, which for hundreds of
pairs takes the place of the bootstrap that the contest for the portfolio uses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Unavailable
from stormsail.market.panel import FloatArray
from stormsail.ratio.contest import window_text
from stormsail.ratio.effectiveness import MINIMUM, measure
from stormsail.ratio.estimators import DECAY, SHRINK
from stormsail.ratio.types import MaybeEffectiveness

MIN_TRAIN = 60
LAGS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Walks:
    """Hedged returns of many targets.

    Attributes:
        hedged: ``y - X h`` on tested days, NaN elsewhere, shape (T, N).
        ratios: Ratios as of the end, shape (N, k); NaN with fewer than 60 days.
    """

    hedged: FloatArray
    ratios: FloatArray


def walk_many(y: FloatArray, x: FloatArray, *, min_train: int = MIN_TRAIN) -> Walks:
    """Walk the shrunk exponential ratio forward for every target.

    A day on which a target or an instrument is unavailable is left out for that target: it neither teaches nor tests.

    Args:
        y: Returns of the targets, shape (T, N).
        x: Returns of the instruments, shape (T, k).
        min_train: Days learnt from before the first one tested.
    """
    t, n = y.shape
    k = x.shape[1]
    hedged = np.full((t, n), np.nan)
    seen = np.zeros(n, dtype=np.int64)
    xx, xy = np.zeros((n, k, k)), np.zeros((n, k))
    ratios = np.full((n, k), np.nan)
    valid: NDArray[np.bool_] = np.isfinite(y) & np.isfinite(x).all(axis=1, keepdims=True)
    products = np.einsum("ti,tj->tij", x, x)
    for row in range(t):
        ok = valid[row]
        ready = ok & (seen >= min_train)
        if ready.any():
            hedged[row, ready] = y[row, ready] - _ratios(xx[ready], xy[ready]) @ x[row]
        xx[ok] = DECAY * xx[ok] + products[row]
        xy[ok] = DECAY * xy[ok] + y[row, ok, None] * x[row]
        seen[ok] += 1
    known = seen >= min_train
    if known.any():
        ratios[known] = _ratios(xx[known], xy[known])
    return Walks(hedged, ratios)


def _ratios(xx: FloatArray, xy: FloatArray) -> FloatArray:
    """``(1 - s) S_xx^-1 S_xy + s / k`` for each target; shapes (n, k, k), (n, k)."""
    k = xy.shape[1]
    if k == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(xx[:, :, 0] > 0, xy / xx[:, :, 0], 0.0)
    else:
        slope = (np.linalg.pinv(xx, hermitian=True) @ xy[:, :, None])[:, :, 0]
    return np.asarray((1.0 - SHRINK) * slope + SHRINK / k, dtype=np.float64)


def effectiveness_of(y: FloatArray, hedged: FloatArray, times: NDArray[np.datetime64]) -> MaybeEffectiveness:
    """Effectiveness of one hedge on the days it was tested.

    ``1 - Var(hedged) / Var(unhedged)``; the interval is normal with the Newey-West variance (5 lags) of
    ``((1 - HE) (u^2 - Var u) - (e^2 - Var e)) / Var u``.

    Args:
        y: Unhedged returns, shape (T,).
        hedged: Hedged returns, NaN on days not tested, shape (T,).
        times: Moments of the returns, shape (T,).

    Source: Ederington 1979; Newey & West 1987.
    """
    rows = np.isfinite(y) & np.isfinite(hedged)
    u, e, days = y[rows], hedged[rows], times[rows]
    if len(u) < MINIMUM:
        return Unavailable(f"{len(u)} days to test on, {MINIMUM} needed")
    variance = float(u.var())
    if not variance > 0.0:
        return Unavailable("its returns do not move")
    value = 1.0 - float(e.var()) / variance
    uu, ee = np.square(u - u.mean()), np.square(e - e.mean())
    influence = ((1.0 - value) * (uu - uu.mean()) - (ee - ee.mean())) / variance
    half = 1.959963984540054 * math.sqrt(max(0.0, _long_run(influence)) / len(u))
    return measure(u, e, np.array([value - half, min(1.0, value + half)]), window_text(days))


def _long_run(values: FloatArray) -> float:
    """Newey-West variance of a mean-zero series, Bartlett weights, 5 lags."""
    total = float(values @ values)
    for lag in range(1, min(LAGS, len(values) - 1) + 1):
        total += 2.0 * (1.0 - lag / (LAGS + 1)) * float(values[lag:] @ values[:-lag])
    return total / len(values)
