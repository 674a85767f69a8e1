"""Compiled loops of this room: paths drawn from history, and running maxima."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormsail.market._kernels import next_row

FloatArray = NDArray[np.float64]


@njit("float64[:, :](float64[:, :], float64[:], float64[:], float64, boolean)", cache=True, nogil=True)
def path_tops(draws: FloatArray, highs: FloatArray, closes: FloatArray, restart: float, every: bool) -> FloatArray:
    """Largest high so far of each stationary-bootstrap path, relative to its start.

    ``draws`` holds one uniform per path and step, ``restart`` is the chance of a new block. With ``every`` step the
    shape is (steps, paths), else only the last step is kept: (1, paths).
    """
    paths, steps = draws.shape
    n = highs.shape[0]
    out = np.empty((steps if every else 1, paths))
    for i in range(paths):
        at = next_row(draws[i, 0], 0, n, 1.0)
        level = 1.0
        top = 1.0
        for j in range(steps):
            if j > 0:
                at = next_row(draws[i, j], at, n, restart)
            reach = level * highs[at]
            top = max(top, reach)
            level *= closes[at]
            if every:
                out[j, i] = top - 1.0
        if not every:
            out[0, i] = top - 1.0
    return out


@njit("float64[:](float64[:], float64[:], int64)", cache=True, nogil=True)
def block_rises(highs: FloatArray, closes: FloatArray, steps: int) -> FloatArray:
    """Largest rise within each full block of ``steps`` consecutive bars, from the close before it; NaN breaks a block.

    ``highs`` and ``closes`` are ratios to the close before; NaN where that close is not one bar old.
    """
    n = highs.shape[0]
    out = np.empty(n // steps)
    count = 0
    i = 0
    while i + steps <= n:
        level = 1.0
        top = 1.0
        whole = True
        for j in range(i, i + steps):
            if np.isnan(highs[j]) or np.isnan(closes[j]):
                whole = False
                i = j + 1
                break
            reach = level * highs[j]
            top = max(top, reach)
            level *= closes[j]
        if whole:
            out[count] = top - 1.0
            count += 1
            i += steps
    return out[:count]
