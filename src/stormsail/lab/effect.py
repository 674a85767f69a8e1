"""What protection removed of a path's risk: variance, tail and fall, each with an interval from resampled history.

All paths lie on the same moments and are judged on the same value, that of the coins unprotected::

    u_t = (U_t - U_{t-1}) / U_{t-1}        h_t = (H_t - H_{t-1}) / U_{t-1}

so a hedged path, a sold one and one hedged 1:1 are compared without the value of one flattering the other. A resampled
history draws whole blocks of (u, h) pairs and rebuilds both paths: ``U*_t = U*_{t-1} (1 + u*_t)`` and
``H*_t = H*_{t-1} + h*_t U*_{t-1}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import InputError, Unavailable
from stormsail.market.resample import MEAN_BLOCK, SEED, generator, stationary_indices

FloatArray = NDArray[np.float64]

TAIL = 0.05
"""Share of the moments that count as the worst."""

MINIMUM = 20
"""Fewest changes of value on which a reduction is stated."""

DRAWS = 1000
"""Resampled histories behind an interval."""

_CHUNK = 500_000


@dataclass(frozen=True, slots=True)
class Reduction:
    """Share of a risk that protection removed: 1 is all of it, below 0 it added risk.

    Attributes:
        unhedged, hedged: The risk without and with protection.
        value: ``1 - hedged / unhedged``; NaN where there was nothing to remove.
        low, high: 2.5 % and 97.5 % quantiles over the resampled histories.
    """

    unhedged: float
    hedged: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What protection removed.

    Attributes:
        variance: Of the changes of value.
        es95: Of the mean loss over the worst 5 % of moments, each path's own.
        drawdown: Of the deepest fall from a peak, as a fraction of the peak.
        n: Changes of value.
        block: Mean length of a block in moments.
    """

    variance: Reduction
    es95: Reduction
    drawdown: Reduction
    n: int
    block: float


MaybeEffect = Effect | Unavailable


def effect(
    unhedged: ArrayLike, hedged: ArrayLike, *, block: float = MEAN_BLOCK, draws: int = DRAWS, seed: int = SEED
) -> MaybeEffect:
    """Compare one protected path with the unprotected one.

    Args:
        unhedged: Values without protection, shape (T,), positive.
        hedged: Values with it at the same moments, shape (T,).
        block: Mean length of a resampled block in moments; long enough for shocks to stay together (24 for hours).
        draws: Resampled histories.
        seed: Key of the counter-based generator.

    Returns:
        The reductions, or unavailable with fewer than 20 changes or a value that does not move.

    Raises:
        InputError: If the paths differ in length, a value is missing, or an unhedged one is not positive.

    Source: Ederington 1979 (variance); stationary bootstrap of Politis & Romano 1994.

    >>> path = 100.0 * np.cumprod(1.0 + 0.01 * np.sin(np.arange(40.0)))
    >>> found = effect(path, 50.0 + path / 2.0, draws=50)
    >>> round(found.variance.value, 9), round(found.es95.value, 9)
    (0.75, 0.5)
    """
    return effects(unhedged, {"": hedged}, block=block, draws=draws, seed=seed)[""]


def effects(
    unhedged: ArrayLike,
    rivals: Mapping[str, ArrayLike],
    *,
    block: float = MEAN_BLOCK,
    draws: int = DRAWS,
    seed: int = SEED,
) -> dict[str, MaybeEffect]:
    """Compare several protected paths with the unprotected one, on the same resampled histories.

    Args:
        unhedged: As in :func:`effect`.
        rivals: Name to values, each shape (T,): hedged, hedged 1:1, sold.
        block, draws, seed: As in :func:`effect`.

    Raises:
        InputError: As in :func:`effect`.
    """
    base = np.asarray(unhedged, dtype=np.float64)
    paths = {name: np.asarray(values, dtype=np.float64) for name, values in rivals.items()}
    for name, path in paths.items():
        if base.ndim != 1 or path.shape != base.shape:
            raise InputError(
                f"{path.shape} values beside {base.shape} unhedged ones", cure="give both at the same moments",
                where=name or None,
            )  # fmt: skip
        if not np.isfinite(path).all():
            raise InputError("a value is missing", cure="give the paths where all are known", where=name or None)
    if not (base > 0).all():
        raise InputError("an unhedged value is not positive", cure="give a path of positive values")
    n = len(base) - 1
    if n < MINIMUM:
        return dict.fromkeys(paths, Unavailable(f"{n} changes of value, {MINIMUM} needed"))
    if not np.diff(base).any():
        return dict.fromkeys(paths, Unavailable("the unprotected value did not move"))
    changes = np.column_stack([np.diff(path) for path in (base, *paths.values())]) / base[:-1, None]
    start = np.array([path[0] for path in (base, *paths.values())]) / base[0]
    risks = _risks(changes[None], start)[0]
    drawn = _resampled(changes, start, block, draws, seed)
    return {name: _effect(risks, drawn, k, n, block) for k, name in enumerate(paths, 1)}


def _risks(changes: FloatArray, start: FloatArray) -> FloatArray:
    """Variance, shortfall and fall of m paths in each of D histories.

    Args:
        changes: Relative to the unhedged value before, the unhedged path first, shape (D, n, m).
        start: First values, the unhedged being 1, shape (m,).

    Returns:
        Shape (D, 3, m).
    """
    worst = math.ceil(TAIL * changes.shape[1] - 1e-9)
    tail = np.partition(changes, worst - 1, axis=1)[:, :worst].mean(axis=1)
    grown = np.cumprod(1.0 + changes[:, :, 0], axis=1)
    before = np.concatenate([np.ones((len(changes), 1)), grown[:, :-1]], axis=1)
    values = start + np.cumsum(changes * before[:, :, None], axis=1)
    peaks = np.maximum(np.maximum.accumulate(values, axis=1), start)
    fall = np.maximum((1.0 - values / peaks).max(axis=1), 0.0)
    return np.stack([changes.var(axis=1), -tail, fall], axis=1)


def _resampled(changes: FloatArray, start: FloatArray, block: float, draws: int, seed: int) -> FloatArray:
    """:func:`_risks` of resampled histories, shape (draws, 3, m)."""
    n, source = len(changes), generator(seed)
    size = max(1, _CHUNK // changes.size)
    parts = []
    for first in range(0, draws, size):
        rows = stationary_indices(n, min(size, draws - first), mean_block=block, seed=source)
        parts.append(_risks(changes[rows], start))
    return np.concatenate(parts)


def _effect(risks: FloatArray, drawn: FloatArray, k: int, n: int, block: float) -> Effect:
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = np.where(drawn[:, :, 0] > 0, 1.0 - drawn[:, :, k] / drawn[:, :, 0], np.nan)
    variance, es95, drawdown = (_reduction(risks[i, 0], risks[i, k], cut[:, i]) for i in range(3))
    return Effect(variance, es95, drawdown, n, block)


def _reduction(before: float, after: float, cut: FloatArray) -> Reduction:
    known = cut[np.isfinite(cut)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (math.nan, math.nan)
    value = 1.0 - after / before if before > 0 else math.nan
    return Reduction(float(before), float(after), float(value), float(low), float(high))
