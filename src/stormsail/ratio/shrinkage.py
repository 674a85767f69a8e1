"""Borrowing strength: noisy ratios lean to the mean of their group, the noisier the more."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """Ratios after borrowing.

    Attributes:
        values: Shrunk ratios, shape (N,).
        errors: Their standard errors, shape (N,).
        weights: Weight of the group mean in each, from 0 (own) to 1 (all borrowed), shape (N,).
        mean: The group mean.
        spread: Standard deviation of true ratios across the group.
    """

    values: FloatArray
    errors: FloatArray
    weights: FloatArray
    mean: float
    spread: float


def group_moments(values: FloatArray, errors: FloatArray) -> tuple[float, float]:
    """Mean and spread of the true ratios behind noisy ones: inverse-variance mean, and variance beyond the noise.

    ``spread^2 = max(0, (Q - (N-1)) / (sum w - sum w^2 / sum w))`` with ``w = 1/se^2`` and
    ``Q = sum w (h - mean_w)^2``; the mean is then taken anew with weights ``1/(se^2 + spread^2)``.

    Source: DerSimonian & Laird 1986, Controlled Clinical Trials 7, equations 6-8.
    """
    w = 1.0 / np.square(errors)
    centre = float(w @ values / w.sum())
    excess = float(w @ np.square(values - centre)) - (len(values) - 1)
    room = float(w.sum() - np.square(w).sum() / w.sum())
    spread = math.sqrt(max(0.0, excess / room)) if room > 0.0 else 0.0
    v = 1.0 / (np.square(errors) + spread**2)
    return float(v @ values / v.sum()), spread


def shrink(values: ArrayLike, errors: ArrayLike, *, mean: float | None = None, spread: float | None = None) -> Shrunk:
    """Shrink each ratio to the group mean by ``k_i = se_i^2 / (se_i^2 + spread^2)``: ``h = (1 - k) h_i + k mean``.

    A coin without a ratio (NaN value or error) gets the mean, with the spread as its error. The group is described by
    its own members, or by ``mean`` and ``spread`` where given.

    Args:
        values: Ratios, shape (N,).
        errors: Standard errors, shape (N,).
        mean: Group mean.
        spread: Standard deviation of true ratios in the group.

    Raises:
        InputError: If shapes differ or neither members nor ``mean`` and ``spread`` describe the group.

    Source: Vasicek 1973, Journal of Finance 28, equation 16; Efron & Morris 1975 (empirical Bayes).

    >>> s = shrink([1.0, 2.0], [0.1, 1.0], mean=1.0, spread=1.0)
    >>> s.values.round(3).tolist()
    [1.0, 1.5]
    """
    h = np.asarray(values, dtype=np.float64)
    se = np.asarray(errors, dtype=np.float64)
    if h.ndim != 1 or h.shape != se.shape:
        raise InputError(f"{h.shape} ratios and {se.shape} errors", cure="give one error per ratio")
    own = np.isfinite(h) & np.isfinite(se) & (se > 0.0)
    if mean is None or spread is None:
        if own.sum() < 2:
            raise InputError(f"{int(own.sum())} ratios with errors", cure="give the group's mean and spread")
        mean, spread = group_moments(h[own], se[own])
    weights = np.ones(h.shape)
    total = np.square(se[own]) + spread**2
    weights[own] = np.square(se[own]) / total
    values_out = np.full(h.shape, mean)
    values_out[own] += (1.0 - weights[own]) * (h[own] - mean)
    errors_out = np.full(h.shape, spread)
    errors_out[own] = se[own] * spread / np.sqrt(total)
    return Shrunk(values_out, errors_out, weights, mean, spread)
