"""Standard errors of dependent data: Newey-West and the stationary bootstrap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stormsail.core import InputError

FloatArray = NDArray[np.float64]

SEED = 20_250_831
"""Key of the counter-based generator wherever no other is given."""

MEAN_BLOCK = 5.0
"""Mean length of a bootstrap block, in observations."""


def newey_west_lags(n: int) -> int:
    """Number of autocovariances kept: ``floor(4 (n/100)^(2/9))`` (Newey & West 1994, Bartlett kernel).

    >>> newey_west_lags(100), newey_west_lags(365)
    (4, 5)
    """
    return max(0, min(n - 1, math.floor(4.0 * math.pow(n / 100.0, 2.0 / 9.0))))


def long_run_covariance(scores: FloatArray, lags: int | None = None) -> FloatArray:
    """Newey-West covariance of the *sum* of ``scores``: ``G_0 + sum_j (1 - j/(L+1)) (G_j + G_j')``.

    ``G_j = sum_t s_t s_{t-j}'``, not centred (scores of an estimator add up to zero by themselves).

    Args:
        scores: Shape (T, k).
        lags: L; by :func:`newey_west_lags` where none is given.

    Returns:
        Shape (k, k), positive semidefinite.

    Source: Newey & West 1987, Econometrica 55, equation 5.
    """
    n = len(scores)
    last = newey_west_lags(n) if lags is None else lags
    total = scores.T @ scores
    for j in range(1, last + 1):
        gamma = scores[j:].T @ scores[:-j]
        total += (1.0 - j / (last + 1.0)) * (gamma + gamma.T)
    return np.asarray(total, dtype=np.float64)


def hac_errors(influence: FloatArray, lags: int | None = None) -> FloatArray:
    """Standard errors of estimates from their influence: ``estimate - truth ~ sum_t influence_t``; (T, k) -> (k,)."""
    return np.sqrt(np.maximum(np.diag(long_run_covariance(influence, lags)), 0.0))


def generator(seed: int = SEED) -> np.random.Generator:
    """A counter-based generator: the same key gives the same numbers on every machine."""
    return np.random.Generator(np.random.Philox(key=seed))


def stationary_indices(
    n: int,
    draws: int,
    *,
    mean_block: float = MEAN_BLOCK,
    length: int | None = None,
    seed: int | np.random.Generator = SEED,
) -> NDArray[np.int64]:
    """Rows that the stationary bootstrap draws from ``n`` rows: blocks of geometric length, wrapped at the end.

    Args:
        n: Number of rows to draw from.
        draws: Number of samples.
        mean_block: Mean block length, at least 1.
        length: Rows per sample; ``n`` where none is given.
        seed: Key of a counter-based generator, or a generator to draw on from.

    Returns:
        Shape (draws, length), values in ``[0, n)``.

    Raises:
        InputError: If there are no rows or a block is shorter than one row.

    Source: Politis & Romano 1994, JASA 89, section 2.
    """
    from stormsail.ratio._kernels import stationary_walk

    if n < 1 or mean_block < 1.0:
        raise InputError(f"{n} rows in blocks of {mean_block}", cure="give at least one row and blocks of at least 1")
    source = seed if isinstance(seed, np.random.Generator) else generator(seed)
    return stationary_walk(source.random((draws, length or n)), n, 1.0 / mean_block)
