"""Standard errors of dependent data, after Newey and West."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


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
