"""How much risk a hedge removed, with an interval that respects dependence between days."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import InputError, Unavailable
from stormsail.market.resample import MEAN_BLOCK, SEED, generator, stationary_indices
from stormsail.ratio.types import Effectiveness, MaybeEffectiveness

FloatArray = NDArray[np.float64]

MINIMUM = 20
"""Fewest observations on which effectiveness is stated."""

DRAWS = 1000
"""Bootstrap samples behind an interval."""

TAIL = 0.05
"""Share of the days that count as the worst."""

_CHUNK = 2_000_000


def shortfall(returns: FloatArray, share: float = TAIL) -> float:
    """Expected shortfall: mean loss over the worst ``share`` of the returns (rounded up), a positive fraction.

    >>> shortfall(np.array([-0.10, 0.02, 0.01, 0.03]), 0.25)
    0.1
    """
    count = math.ceil(share * len(returns) - 1e-9)
    return float(-np.partition(returns, count - 1)[:count].mean())


def variance_reduction(unhedged: FloatArray, hedged: FloatArray) -> float:
    """Hedging effectiveness ``1 - Var(hedged) / Var(unhedged)`` (Ederington 1979)."""
    return float(1.0 - hedged.var() / unhedged.var())


def _relative(before: float, after: float) -> float:
    return 1.0 - after / before if before > 0.0 else math.nan


def bootstrap_interval(
    unhedged: FloatArray, hedged: FloatArray, *, seed: int = SEED, mean_block: float = MEAN_BLOCK, draws: int = DRAWS
) -> FloatArray:
    """95 % stationary-bootstrap intervals of effectiveness.

    Args:
        unhedged: Shape (n,).
        hedged: Shape (n, m): several hedges of the same exposure, judged on the same draws.
        seed: Key of the counter-based generator.
        mean_block: Mean block length in observations.
        draws: Number of samples.

    Returns:
        Shape (m, 2): low and high, the 2.5 % and 97.5 % quantiles over the draws.
    """
    from stormsail.ratio._kernels import resampled_moments

    n, m = hedged.shape
    values = np.column_stack([unhedged - unhedged.mean(), hedged - hedged.mean(axis=0)])
    reduction = np.empty((draws, m))
    size = max(1, _CHUNK // n)
    source = generator(seed)
    for start in range(0, draws, size):
        count = min(size, draws - start)
        rows = stationary_indices(n, count, mean_block=mean_block, seed=source)
        variance = resampled_moments(values, rows)[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            reduction[start : start + count] = 1.0 - variance[:, 1:] / variance[:, :1]
    return np.nanquantile(reduction, [0.025, 0.975], axis=0).T


def figures(unhedged: FloatArray, hedged: FloatArray, lags: int = 0) -> FloatArray:
    """Figures of many hedges at once; see :func:`stormsail.ratio._kernels.hedge_figures`.

    Args:
        unhedged: Returns of each exposure, shape (T, N); NaN is unavailable.
        hedged: Returns of each after its hedge, shape (T, N).
        lags: Autocovariances in the standard error.
    """
    from stormsail.ratio._kernels import hedge_figures

    return np.asarray(hedge_figures(unhedged, hedged, TAIL, lags), dtype=np.float64)


def described(row: FloatArray, low: float, high: float, window: str) -> Effectiveness:
    """One row of :func:`figures`, shape (11,), with its interval, as :class:`Effectiveness`."""
    return Effectiveness(
        value=float(row[4]),
        low=low,
        high=high,
        es_95_cut=_relative(float(row[6]), float(row[7])),
        worst_day_unhedged=float(row[8]),
        worst_day_hedged=float(row[9]),
        value_worst_days=float(row[10]),
        n=int(row[0]),
        window=window,
    )


def measure(unhedged: FloatArray, hedged: FloatArray, interval: FloatArray, window: str) -> Effectiveness:
    """Assemble :class:`Effectiveness` of complete arrays (n,) and a known interval (2,)."""
    row = figures(unhedged[:, None], hedged[:, None])[0]
    return described(row, float(interval[0]), float(interval[1]), window)


def effectiveness(
    unhedged: ArrayLike,
    hedged: ArrayLike,
    window: str,
    *,
    seed: int = SEED,
    mean_block: float = MEAN_BLOCK,
    draws: int = DRAWS,
) -> MaybeEffectiveness:
    """Effectiveness of a hedge from out-of-sample returns before and after it.

    ``value_worst_days`` is ``1 - sum hedged^2 / sum unhedged^2`` over the worst 5 % of unhedged days: about zero, not
    about their mean, because the mean of bad days is itself the loss.

    Args:
        unhedged: Returns of the exposure, shape (n,).
        hedged: Returns of exposure and hedge together, on the same days and the same value, shape (n,).
        window: First and last day and bar, such as ``2024-01-01..2024-12-31 1d``.
        seed: Key of the counter-based generator.
        mean_block: Mean block length in observations (5 for days).
        draws: Bootstrap samples.

    Returns:
        The measures, or unavailable with fewer than 20 complete observations or an exposure that does not move.

    Raises:
        InputError: If the two have different lengths.

    Source: Ederington 1979; interval after Politis & Romano 1994.
    """
    u = np.asarray(unhedged, dtype=np.float64)
    h = np.asarray(hedged, dtype=np.float64)
    if u.ndim != 1 or u.shape != h.shape:
        raise InputError(f"unhedged {u.shape} and hedged {h.shape} differ", cure="give both on the same days")
    whole = np.isfinite(u) & np.isfinite(h)
    u, h = u[whole], h[whole]
    if len(u) < MINIMUM:
        return Unavailable(f"{len(u)} out-of-sample observations, {MINIMUM} needed")
    if not u.std() > 0.0:
        return Unavailable("the exposure did not move in the window")
    interval = bootstrap_interval(u, h[:, None], seed=seed, mean_block=mean_block, draws=draws)[0]
    return measure(u, h, interval, window)
