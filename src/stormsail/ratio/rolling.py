"""Rolling betas of many assets on one market, exact at every bar."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import InputError

FloatArray = NDArray[np.float64]

_LANES = 8
_SMALL = 200_000


def _tile(
    returns: FloatArray, market: FloatArray, window: int, least: int, out: FloatArray, first: int, last: int
) -> None:
    """Fill columns ``first .. last-1`` of ``out``: together if all are complete, else one by one."""
    from stormsail.ratio._kernels import rolling_lane, rolling_sparse

    if least < window or not rolling_lane(returns, market, window, out, first, last):
        for j in range(first, last):
            rolling_sparse(np.ascontiguousarray(returns[:, j]), market, window, least, out[:, j])


def rolling_beta(
    returns: ArrayLike,
    market: ArrayLike,
    window: int,
    *,
    least: int | None = None,
    out: FloatArray | None = None,
    threads: int | None = None,
) -> FloatArray:
    """Least-squares slope (with intercept) of every asset on the market over the last ``window`` bars.

    ``beta_t = sum (x - mean x)(y - mean y) / sum (x - mean x)^2`` over the rows ``t-window+1 .. t``. A row counts for
    an asset where its return and the market's are both finite. Every asset is computed by itself, in one order, so
    the result does not depend on the number of threads.

    Args:
        returns: Shape (T, N); NaN is *unavailable*.
        market: Shape (T,).
        window: Bars per window, at least 2.
        least: Fewest rows that must count, ``window`` where none is given: then any hole gives NaN.
        out: Array (T, N) to fill, to save the time its memory costs; a new one where none is given.
        threads: Number of threads; as many as processors where none is given, one for small inputs.

    Returns:
        Shape (T, N); NaN with fewer than ``least`` rows or a market that did not move.

    Raises:
        InputError: If shapes do not fit or the window is out of range.

    >>> x = np.array([0.01, -0.02, 0.03, 0.01])
    >>> rolling_beta(np.column_stack([2 * x, -x]), x, 3)[2:].round(9).tolist()
    [[2.0, -1.0], [2.0, -1.0]]
    """
    y = np.ascontiguousarray(returns, dtype=np.float64)
    x = np.ascontiguousarray(market, dtype=np.float64)
    fewest = window if least is None else least
    if y.ndim != 2 or x.shape != y.shape[:1] or not 2 <= fewest <= window:
        raise InputError(
            f"returns {y.shape}, market {x.shape}, window {window}, least {fewest}",
            cure="give returns (T, N), a market (T,) and 2 <= least <= window",
        )
    if out is None:
        out = np.empty(y.shape)
    elif out.shape != y.shape or out.dtype != np.float64:
        raise InputError(f"out is {out.dtype}{out.shape}", cure=f"give a float64 array {y.shape}")
    workers = threads or (1 if y.size < _SMALL else os.cpu_count() or 1)
    tiles = [(start, min(y.shape[1], start + _LANES)) for start in range(0, y.shape[1], _LANES)]
    if workers == 1:
        for tile in tiles:
            _tile(y, x, window, fewest, out, *tile)
        return out
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(_tile, y, x, window, fewest, out, *tile) for tile in tiles]:
            done.result()
    return out
