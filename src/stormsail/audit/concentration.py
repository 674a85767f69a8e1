"""How few things the portfolio really holds."""

from __future__ import annotations

import numpy as np

from stormsail.audit.sample import FloatArray
from stormsail.core import Estimate, Maybe, Unavailable


def herfindahl(weights: FloatArray) -> float:
    """Sum of squared shares of the total; its inverse is the number of equal positions as concentrated.

    >>> import numpy as np
    >>> herfindahl(np.array([1.0, 1.0, 2.0]))
    0.375
    """
    shares = weights / weights.sum()
    return float(shares @ shares)


def mean_correlation(returns: FloatArray, window: str, least: int) -> Maybe:
    """Mean of the pairwise correlations of returns, each over the bars both coins have.

    The error is the standard error of a mean over coins rather than pairs (jackknife by coin), because pairs that
    share a coin are not independent.

    Args:
        returns: Shape (T, N); NaN is unavailable.
        window: For the estimate.
        least: Smallest number of common bars for a pair to count.
    """
    matrix, shared = pairwise_correlation(returns, least)
    upper = np.triu_indices(matrix.shape[0], 1)
    pairs = matrix[upper]
    known = np.isfinite(pairs)
    if not known.any():
        return Unavailable(f"no two coins have {least} returns in common")
    value = float(pairs[known].mean())
    error = _jackknife(matrix)
    n = int(shared[upper][known].min())
    method = f"mean of {int(known.sum())} pairwise correlations, error by leaving out one coin at a time"
    return Estimate(value, error, n, window, method)


def pairwise_correlation(returns: FloatArray, least: int) -> tuple[FloatArray, FloatArray]:
    """Correlations over common bars and the number of those, each (N, N); NaN where fewer than ``least``."""
    there = np.isfinite(returns).astype(np.float64)
    centre = np.where(there.sum(axis=0) > 0, np.nansum(returns, axis=0) / np.maximum(there.sum(axis=0), 1), 0.0)
    r = np.where(there > 0, returns - centre, 0.0)
    count = there.T @ there
    safe = np.maximum(count, 1.0)
    mean = (r.T @ there) / safe  # [i, j]: mean of i over the bars it shares with j
    variance = ((r * r).T @ there) / safe - mean**2
    covariance = (r.T @ r) / safe - mean * mean.T
    scale = np.sqrt(np.maximum(variance, 0.0) * np.maximum(variance.T, 0.0))
    enough = (count >= max(least, 2)) & (scale > 0)
    out = np.full(count.shape, np.nan)
    out[enough] = np.clip(covariance[enough] / scale[enough], -1.0, 1.0)
    return out, count


def _jackknife(matrix: FloatArray) -> float | None:
    """Jackknife error of the mean off-diagonal entry; ``None`` with fewer than three coins."""
    size = matrix.shape[0]
    off = matrix.copy()
    np.fill_diagonal(off, np.nan)
    there = np.isfinite(off)
    filled = np.where(there, off, 0.0)
    total, count = filled.sum(), there.sum()
    left = count - 2 * there.sum(axis=1)
    usable = left > 0
    if size < 3 or usable.sum() < 3:
        return None
    means = (total - 2 * filled.sum(axis=1))[usable] / left[usable]
    k = len(means)
    return float(np.sqrt((k - 1) / k * np.sum((means - means.mean()) ** 2)))
