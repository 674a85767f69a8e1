"""Out-of-sample effectiveness of one set of instruments on many targets at once.

The ratio is the ``ewma_shrunk`` one (zero-mean exponential moments, decay 0.97, leant half to the equal split), learnt
from the days before the one tested. Intervals are by the delta method with a Newey-West variance, which for hundreds of
pairs takes the place of the bootstrap that the contest for the portfolio uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Unavailable
from stormsail.market.panel import FloatArray
from stormsail.ratio.contest import window_text
from stormsail.ratio.effectiveness import MINIMUM, described, figures
from stormsail.ratio.estimators import DECAY, SHRINK
from stormsail.ratio.types import MaybeEffectiveness

MIN_TRAIN = 60
LAGS = 5
_NORMAL = 1.959963984540054  # the 97.5 % quantile of the normal law


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
    from stormsail.ratio._kernels import shrunk_walks

    hedged, ratios = shrunk_walks(np.ascontiguousarray(y), np.ascontiguousarray(x), DECAY, SHRINK, min_train)
    return Walks(hedged, ratios)


def effects_of(y: FloatArray, hedged: FloatArray, times: NDArray[np.datetime64]) -> tuple[MaybeEffectiveness, ...]:
    """Effectiveness of each hedge on the days it was tested.

    ``1 - Var(hedged) / Var(unhedged)``; the interval is normal with the Newey-West variance (5 lags) of
    ``((1 - HE) (u^2 - Var u) - (e^2 - Var e)) / Var u``.

    Args:
        y: Unhedged returns, shape (T, N).
        hedged: Hedged returns, NaN on days not tested, shape (T, N).
        times: Moments of the returns, shape (T,).

    Source: Ederington 1979; Newey & West 1987.
    """
    windows: dict[tuple[float, float], str] = {}
    found: list[MaybeEffectiveness] = []
    for row in figures(y, hedged, LAGS):
        n, first, last, variance, value, error = (float(v) for v in row[:6])
        if n < MINIMUM:
            found.append(Unavailable(f"{n:.0f} days to test on, {MINIMUM} needed"))
            continue
        if not variance > 0.0:
            found.append(Unavailable("its returns do not move"))
            continue
        if (first, last) not in windows:
            windows[first, last] = window_text(times[int(first) : int(last) + 1])
        half = _NORMAL * error
        found.append(described(row, value - half, min(1.0, value + half), windows[first, last]))
    return tuple(found)


def effectiveness_of(y: FloatArray, hedged: FloatArray, times: NDArray[np.datetime64]) -> MaybeEffectiveness:
    """:func:`effects_of` one hedge; arrays of shape (T,)."""
    return effects_of(y[:, None], hedged[:, None], times)[0]
