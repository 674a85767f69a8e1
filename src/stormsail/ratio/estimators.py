"""Named estimators of hedge ratios, simplest first.

Every estimator turns returns of the exposure ``y`` (T,) and of the instruments ``X`` (T, k) into ratios ``h`` (k,),
where a positive ratio is short: the hedged return is ``y - X h``. Ratios of returns apply to *values*. Rows in which
anything is unavailable are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import InputError, NumericalError, UnavailableError
from stormsail.ratio.errors import hac_errors
from stormsail.ratio.types import HedgeRatio, UnitRatio, ValueRatio

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

WINDOW = 120
"""Observations behind a least-squares ratio."""

DECAY = 0.97
"""Weight kept from one observation to the next by the exponential estimators."""

SHRINK = 0.5
"""Weight of the prior in ``ewma_shrunk``."""


@dataclass(frozen=True, slots=True)
class Estimator:
    """One way to a hedge ratio.

    Attributes:
        name: Its name in tables and plans.
        formula: Its definition, in one line.
        path: ``(y, X, ends, prior) -> (M, k)``: the ratios known after the first ``ends[i]`` rows (rising).
        influence: ``(y, X, prior) -> (T, k)``: each row's share in the error of the last ratio; NaN if not estimated.
    """

    name: str
    formula: str
    path: Callable[[FloatArray, FloatArray, IntArray, FloatArray], FloatArray]
    influence: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def equal_split(k: int) -> FloatArray:
    """Ratio 1 split equally over ``k`` instruments: the naive hedge and the default prior."""
    return np.full(k, 1.0 / k)


def _linear_influence(y: FloatArray, x: FloatArray, h: FloatArray, weight: FloatArray, centre: bool) -> FloatArray:
    """``w_t x_t e_t (X'WX)^-1`` for weighted least squares with or without intercept."""
    share = weight / weight.sum()
    u = x - share @ x if centre else x
    e = y - x @ h
    e = e - share @ e if centre else e
    bread = np.linalg.pinv((u * weight[:, None]).T @ u, hermitian=True)
    return np.asarray((u * (weight * e)[:, None]) @ bread, dtype=np.float64)


def _at_end(y: FloatArray) -> IntArray:
    return np.array([len(y)], dtype=np.int64)


def _naive_path(y: FloatArray, x: FloatArray, ends: IntArray, prior: FloatArray) -> FloatArray:
    return np.tile(equal_split(x.shape[1]), (len(ends), 1))


def _naive_influence(y: FloatArray, x: FloatArray, prior: FloatArray) -> FloatArray:
    return np.full(x.shape, np.nan)


def _ols_path(y: FloatArray, x: FloatArray, ends: IntArray, prior: FloatArray) -> FloatArray:
    from stormsail.ratio._kernels import window_path

    return np.asarray(window_path(y, x, ends, WINDOW, False), dtype=np.float64)


def _recent(y: FloatArray) -> FloatArray:
    weight = np.zeros(len(y))
    weight[-WINDOW:] = 1.0
    return weight


def _ols_influence(y: FloatArray, x: FloatArray, prior: FloatArray) -> FloatArray:
    h = _ols_path(y, x, _at_end(y), prior)[0]
    used = slice(max(0, len(y) - WINDOW), None)
    out = np.zeros(x.shape)
    out[used] = _linear_influence(y[used], x[used], h, np.ones(len(y[used])), centre=True)
    return out


def _ewma_path(y: FloatArray, x: FloatArray, ends: IntArray, prior: FloatArray) -> FloatArray:
    from stormsail.ratio._kernels import ewma_path

    return np.asarray(ewma_path(y, x, ends, DECAY), dtype=np.float64)


def _ewma_influence(y: FloatArray, x: FloatArray, prior: FloatArray) -> FloatArray:
    weight = DECAY ** np.arange(len(y) - 1, -1, -1, dtype=np.float64)
    return _linear_influence(y, x, _ewma_path(y, x, _at_end(y), prior)[0], weight, centre=False)


def _shrunk_path(y: FloatArray, x: FloatArray, ends: IntArray, prior: FloatArray) -> FloatArray:
    return (1.0 - SHRINK) * _ewma_path(y, x, ends, prior) + SHRINK * prior


def _shrunk_influence(y: FloatArray, x: FloatArray, prior: FloatArray) -> FloatArray:
    return (1.0 - SHRINK) * _ewma_influence(y, x, prior)


def _combination_path(y: FloatArray, x: FloatArray, ends: IntArray, prior: FloatArray) -> FloatArray:
    return (_naive_path(y, x, ends, prior) + _ewma_path(y, x, ends, prior) + _ols_path(y, x, ends, prior)) / 3.0


def _combination_influence(y: FloatArray, x: FloatArray, prior: FloatArray) -> FloatArray:
    return (_ewma_influence(y, x, prior) + _ols_influence(y, x, prior)) / 3.0


def _down_path(y: FloatArray, x: FloatArray, ends: IntArray, prior: FloatArray) -> FloatArray:
    from stormsail.ratio._kernels import window_path

    return np.asarray(window_path(y, x, ends, WINDOW, True), dtype=np.float64)


def _down_influence(y: FloatArray, x: FloatArray, prior: FloatArray) -> FloatArray:
    weight = _recent(y) * (x.sum(axis=1) < 0.0)
    return _linear_influence(y, x, _down_path(y, x, _at_end(y), prior)[0], weight, centre=False)


ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(
    {
        e.name: e
        for e in (
            Estimator("naive", "ratio 1, split equally over the instruments", _naive_path, _naive_influence),
            Estimator("ols", f"S_FF^-1 S_Fs with intercept, {WINDOW} observations", _ols_path, _ols_influence),
            Estimator("ewma", f"S_FF^-1 S_Fs about zero, weights {DECAY}^age", _ewma_path, _ewma_influence),
            Estimator("ewma_shrunk", f"{1 - SHRINK} ewma + {SHRINK} prior", _shrunk_path, _shrunk_influence),
            Estimator("combination", "mean of naive, ewma and ols", _combination_path, _combination_influence),
            Estimator("down", f"through the origin, falling days of {WINDOW}", _down_path, _down_influence),
        )
    }
)
"""The estimators by falling simplicity, ``naive`` first (Ederington 1979; RiskMetrics 1996; Vasicek 1973)."""


def clean(y: ArrayLike, x: ArrayLike) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """``y`` (T,) and ``X`` (T, k) without incomplete rows, and the mask (T,) of the rows kept.

    Raises:
        InputError: If the shapes do not fit.
    """
    target = np.asarray(y, dtype=np.float64)
    columns = np.asarray(x, dtype=np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    if target.ndim != 1 or columns.ndim != 2 or len(columns) != len(target) or columns.shape[1] == 0:
        raise InputError(
            f"returns of shape {target.shape} do not fit instruments of shape {columns.shape}",
            cure="give y of shape (T,) and X of shape (T, k)",
        )
    whole = np.isfinite(target) & np.isfinite(columns).all(axis=1)
    return np.ascontiguousarray(target[whole]), np.ascontiguousarray(columns[whole]), whole


def find(name: str) -> Estimator:
    """The estimator of that name.

    Raises:
        InputError: If there is none.
    """
    try:
        return ESTIMATORS[name]
    except KeyError:
        raise InputError(f"no estimator {name!r}", cure=f"use one of {', '.join(ESTIMATORS)}") from None


def prior_of(prior: ArrayLike | None, k: int) -> FloatArray:
    """The prior as an array of ``k`` ratios; the equal split where none is given."""
    return equal_split(k) if prior is None else np.broadcast_to(np.asarray(prior, dtype=np.float64), (k,)).copy()


def estimate(name: str, y: ArrayLike, x: ArrayLike, *, prior: ArrayLike | None = None) -> FloatArray:
    """Ratios by one estimator: ``y`` (T,), ``X`` (T, k) -> (k,); NaN where they do not exist.

    >>> x = np.array([0.01, -0.02, 0.03, 0.01])
    >>> estimate("ewma", 1.5 * x, x).round(12).tolist()
    [1.5]
    """
    target, columns, _ = clean(y, x)
    ratios = find(name).path(target, columns, _at_end(target), prior_of(prior, columns.shape[1]))
    return np.asarray(ratios[0], dtype=np.float64)


def fit(
    target: str,
    y: ArrayLike,
    instruments: Sequence[str],
    x: ArrayLike,
    estimator: str = "naive",
    *,
    window: str = "",
    prior: ArrayLike | None = None,
    borrowed_from: str | None = None,
) -> HedgeRatio:
    """Ratios with their standard errors.

    Errors are Newey-West on the estimator's influence (for ``ols`` the textbook sandwich; exponential weights enter as
    weighted least squares); the prior counts as known. ``naive`` has none.

    Args:
        target: What is hedged.
        y: Its returns, shape (T,).
        instruments: Names, length k.
        x: Their returns, shape (T, k).
        estimator: Name in :data:`ESTIMATORS`.
        window: First and last day and bar, for the record.
        prior: Ratios that ``ewma_shrunk`` leans to, shape (k,); the equal split where none is given.
        borrowed_from: Name of the group the prior came from.

    Raises:
        UnavailableError: If there are not more rows than ratios (``naive`` needs none).
        NumericalError: If the instruments do not move.
    """
    rows, columns, _ = clean(y, x)
    k = columns.shape[1]
    method = find(estimator)
    if len(instruments) != k:
        raise InputError(f"{len(instruments)} names for {k} instruments", cure="name every column of X")
    if estimator != "naive" and len(rows) <= k + 1:
        raise UnavailableError(
            f"{len(rows)} complete observations of {target} with {', '.join(instruments)}",
            cure="give more history or use the naive ratio",
            where=target,
        )
    lean = prior_of(prior, k)
    values = method.path(rows, columns, _at_end(rows), lean)[0]
    if not np.isfinite(values).all():
        raise NumericalError(
            f"{estimator} has no ratio of {target} to {', '.join(instruments)}: the instruments do not move",
            cure="leave the instrument out or use the naive ratio",
            where=target,
        )
    errors = np.full(k, np.nan) if estimator == "naive" else hac_errors(method.influence(rows, columns, lean))
    return HedgeRatio(
        target=target,
        instruments=tuple(instruments),
        values=tuple(ValueRatio(float(v)) for v in values),
        errors=tuple(float(e) for e in errors),
        estimator=estimator,
        n=len(rows),
        window=window,
        borrowed_from=borrowed_from,
    )


def minimum_variance_units(spot_changes: ArrayLike, futures_changes: ArrayLike) -> tuple[UnitRatio, ...]:
    """Ratios of *units* from price changes: least squares of spot changes (T,) on futures changes (T, k).

    For one futures contract ``h* = rho sd_S / sd_F``. Changes give units, returns give values; the types differ.

    Source: Johnson 1960; Ederington 1979; Hull, Options, Futures and Other Derivatives, chapter 3.
    """
    from stormsail.ratio._kernels import window_path

    y, x, _ = clean(spot_changes, futures_changes)
    if len(y) <= x.shape[1] + 1:
        raise UnavailableError(f"{len(y)} complete price changes", cure="give more history")
    return tuple(UnitRatio(float(h)) for h in window_path(y, x, _at_end(y), len(y), False)[0])
