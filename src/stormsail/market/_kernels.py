"""Compiled loops of this room: deterministic and single-threaded."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@nb.njit(cache=True, nogil=True, inline="always")
def next_row(uniform: float, at: int, n: int, chance: float) -> int:
    """The row of the stationary bootstrap after ``at``: a new block where the uniform is below ``chance``, else on.

    Below ``chance``, ``u / chance`` is uniform again and picks the block's first row; others go on by one, around the
    end. With ``chance`` 1 every row is drawn anew.
    """
    if uniform < chance:
        return min(n - 1, int(uniform / chance * n))
    return at + 1 if at + 1 < n else 0


@nb.njit(cache=True, nogil=True)
def stationary_walk(uniforms: FloatArray, n: int, chance: float) -> IntArray:
    """Rows of the stationary bootstrap from one uniform per step; shape (draws, length)."""
    draws, length = uniforms.shape
    out = np.empty((draws, length), np.int64)
    for d in range(draws):
        at = next_row(uniforms[d, 0], 0, n, 1.0)
        out[d, 0] = at
        for i in range(1, length):
            at = next_row(uniforms[d, i], at, n, chance)
            out[d, i] = at
    return out
