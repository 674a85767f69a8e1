"""How an asset moves with BTC, ETH and the other alts: on all days, on up and down days, and in the tail."""

from __future__ import annotations

import math

import numpy as np

from stormsail.audit.measures import quantile_error
from stormsail.audit.sample import FloatArray, Sample
from stormsail.core import Estimate, Maybe, Unavailable

TAIL_SHARE = 0.02
MIN_TAIL_BARS = 5
MIN_INDEX_COINS = 5


def beta(sample: Sample, factor: FloatArray, name: str) -> Maybe:
    """Least-squares slope ``cov(r, f) / var(f)`` with intercept and a HAC error.

    Error: Newey and West (1987), eq. 5, Bartlett weights, ``floor(4 (n/100)^(2/9))`` lags (Newey and West 1994) and
    the factor ``n / (n - 2)``.

    Args:
        sample: Returns of the asset.
        factor: Returns of the factor on the same grid, shape (T,); NaN is unavailable.
        name: What the factor is, for the method.

    >>> import numpy as np
    >>> f = np.array([0.01, -0.02, 0.03, 0.01, -0.01])
    >>> beta(Sample(1.5 * f + 0.001, 1, "demo"), f, "BTC").value
    1.5
    """
    y, x = sample.pairs(factor)
    n = len(y)
    if n < 3:
        return Unavailable(f"{n} returns in common with {name}, 3 are needed")
    dx = x - x.mean()
    spread = float(dx @ dx)
    if spread <= 0:
        return Unavailable(f"{name} did not move")
    slope = float(dx @ y) / spread
    residual = (y - y.mean()) - slope * dx
    error = math.sqrt(hac_variance(dx * residual) * n / (n - 2)) / spread
    method = f"least-squares slope of {sample.bar_name} returns on {name}, HAC error"
    return Estimate(slope, error, n, sample.window, method)


def hac_variance(score: FloatArray) -> float:
    """Long-run variance of a sum of scores, ``G_0 + 2 sum_l (1 - l/(L+1)) G_l`` with ``G_l = sum_t u_t u_{t-l}``.

    >>> import numpy as np
    >>> hac_variance(np.array([1.0, -1.0, 1.0]))
    3.0
    """
    n = len(score)
    lags = min(int(4 * (n / 100) ** (2 / 9)), n - 1) if n > 3 else 0
    total = float(score @ score)
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(score[lag:] @ score[:-lag])
    return max(total, 0.0)


def side_beta(sample: Sample, factor: FloatArray, name: str, *, up: bool) -> Maybe:
    """Slope through the origin on the bars where the factor rose (``up``) or fell: ``sum r f / sum f^2``.

    Ang, Chen and Xing (2006) condition on the side of the market; through the origin the slope is the ratio a hedge
    of that side needs. Error after White (1980): ``sqrt(sum f^2 e^2) / sum f^2``.
    """
    y, x = sample.pairs(factor)
    side = x > 0 if up else x < 0
    y, x = y[side], x[side]
    word = "rose" if up else "fell"
    if len(x) < 3:
        return Unavailable(f"{name} {word} on {len(x)} bars, 3 are needed")
    square = float(x @ x)
    slope = float(x @ y) / square
    error = math.sqrt(float(np.sum((x * (y - slope * x)) ** 2))) / square
    method = f"sum(r f)/sum(f^2) on {sample.bar_name} bars when {name} {word}"
    return Estimate(slope, error, len(x), sample.window, method)


def tail_ratio(sample: Sample, factor: FloatArray, name: str = "BTC") -> Maybe:
    """Median of ``r / f`` on the worst 2 % of the factor's bars (falls only; at least five of them).

    Error of the median: Maritz and Jarrett (1978).
    """
    y, x = sample.pairs(factor)
    count = int(TAIL_SHARE * len(x) + 1e-9)
    worst = np.argsort(x, kind="stable")[:count]
    worst = worst[x[worst] < 0]
    if len(worst) < MIN_TAIL_BARS:
        return Unavailable(f"{len(worst)} bars in the worst {TAIL_SHARE:.0%} of {name}, {MIN_TAIL_BARS} are needed")
    ratios = np.sort(y[worst] / x[worst])
    method = f"median return over {name}'s on its worst {TAIL_SHARE:.0%} of {sample.bar_name} bars"
    return Estimate(float(np.median(ratios)), quantile_error(ratios, 0.5), len(ratios), sample.window, method)


def alt_index(returns: FloatArray, leave_out: int | None = None) -> FloatArray:
    """Equal-weight mean return of the coins that traded on each bar, without the coin at ``leave_out``.

    A coin counts on a bar exactly if it has a return there, so the index holds coins that died later and not those
    that were born later. NaN where fewer than five coins are left.

    Args:
        returns: Shape (T, N); NaN is unavailable.
        leave_out: Column that is being explained, or ``None``.
    """
    there = np.isfinite(returns)
    total = np.where(there, returns, 0.0).sum(axis=1)
    count = there.sum(axis=1)
    if leave_out is not None:
        total = total - np.where(there[:, leave_out], returns[:, leave_out], 0.0)
        count = count - there[:, leave_out]
    return np.where(count >= MIN_INDEX_COINS, total / np.maximum(count, 1), np.nan)
