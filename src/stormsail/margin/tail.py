"""Method 4: the tail beyond what was seen, by peaks over a threshold."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormsail.core import InputError, Unavailable
from stormsail.margin.moves import Moves
from stormsail.margin.rise import SEED
from stormsail.margin.types import Method, UpMove

FloatArray = NDArray[np.float64]

FEWEST_PEAKS = 20
FEWEST_BLOCKS = 60
REFITS = 200
SHAPES = (-0.5, 0.5)
"""Bounds of the tail's shape. Beyond 0.5 the tail has no variance and 20 to 50 peaks, of which one decides, say nothing
of a chance ten times rarer than theirs; below -0.5 the moments are not normal (Hosking and Wallis 1987).
"""


def block_maxima(moves: Moves, top_up: timedelta) -> FloatArray:
    """Largest rise within each of the consecutive, non-overlapping top-up spans of the history, shape (B,)."""
    from stormsail.margin._kernels import block_rises

    found: FloatArray = block_rises(moves.highs, moves.closes, moves.steps(top_up))
    return found


def fit_pareto(excesses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shape and scale of the generalised Pareto distribution by probability-weighted moments, unbounded.

    With the sorted excesses ``y_1 <= ... <= y_k``, ``p_j = (j - 0.35) / k``, ``b0 = mean(y)`` and
    ``b1 = mean((1 - p_j) y_j)``: ``xi = 2 - b0 / (b0 - 2 b1)`` and ``beta = 2 b0 b1 / (b0 - 2 b1)``; always ``xi < 1``.

    Args:
        excesses: Shape (..., k), not negative; fitted along the last axis.

    Source: Hosking and Wallis 1987, "Parameter and quantile estimation for the generalized Pareto distribution",
    Technometrics 29, 339-349.

    >>> xi, beta = fit_pareto(-np.log1p(-(np.arange(1, 2001) - 0.5) / 2000))
    >>> bool(abs(xi) < 0.01 and abs(beta - 1) < 0.01)
    True
    """
    ordered = np.sort(excesses, axis=-1)
    k = ordered.shape[-1]
    weight = 1.0 - (np.arange(1, k + 1) - 0.35) / k
    first = ordered.mean(axis=-1)
    second = (ordered * weight).mean(axis=-1)
    spread = np.maximum(first - 2.0 * second, 1e-300)
    return np.asarray(2.0 - first / spread), np.asarray(2.0 * first * second / spread)


def bounded_pareto(excesses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """:func:`fit_pareto` with the shape held within :data:`SHAPES`; where it is, the mean sets ``beta = b0 (1 - xi)``.

    >>> xi, beta = bounded_pareto(np.r_[np.full(20, 0.01), 9.0])
    >>> float(xi), round(float(beta), 4)
    (0.5, 0.219)
    """
    xi, beta = fit_pareto(excesses)
    held = np.clip(xi, *SHAPES)
    return held, np.where(held == xi, beta, excesses.mean(axis=-1) * (1.0 - held))


def pareto_survival(excess: float, xi: FloatArray, beta: FloatArray) -> FloatArray:
    """``P(Y > y) = (1 + xi y / beta)^(-1/xi)``, the exponential at ``xi = 0``, and 0 beyond a finite end."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        curved = np.maximum(1.0 + xi * excess / beta, 0.0) ** (-1.0 / xi)
        flat = np.exp(-excess / beta)
    return np.asarray(np.where(np.abs(xi) < 1e-9, flat, curved))


@lru_cache(maxsize=16)
def _picks(seed: int, k: int) -> NDArray[np.int64]:
    """Which of ``k`` peaks each refit sees, shape (refits, k): the same for every contract; no one writes into it."""
    return np.random.Generator(np.random.Philox(key=seed)).integers(0, k, (REFITS, k))


def pareto_tail(maxima: FloatArray, alpha: float, *, seed: int = SEED) -> Method | Unavailable:
    """Rise whose chance beyond the threshold, averaged over bootstrapped fits, is ``alpha``.

    The threshold is the 95 % quantile of the block maxima, lowered where needed to leave 20 peaks. The peaks are
    resampled 200 times and the distribution refitted each time; the chance of a rise is the *mean* of the fits'
    chances, so that not knowing ``xi`` makes the tail heavier instead of being ignored (the predictive distribution).
    The shape of each fit is held within :data:`SHAPES`. Where the answer lies below the threshold, the sample itself
    gives it.

    Args:
        maxima: Shape (B,): largest rises of non-overlapping top-up spans, see :func:`block_maxima`.
        alpha: Chance per top-up span.
        seed: Key of the resampling.

    Returns:
        The rise, or ``Unavailable`` with fewer than 60 blocks.

    Source: Pickands 1975; McNeil, Frey and Embrechts 2015, "Quantitative Risk Management", sec. 5.2.
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha} is not a chance", cure="give a number between 0 and 1", where="alpha")
    ordered = np.sort(np.asarray(maxima, dtype=np.float64))
    n = len(ordered)
    if n < FEWEST_BLOCKS:
        return Unavailable(f"pareto tail: {n} blocks of history, {FEWEST_BLOCKS} are needed")
    k = max(FEWEST_PEAKS, n // 20)
    threshold = float(ordered[n - k - 1])
    excesses = ordered[n - k :] - threshold
    xi, beta = bounded_pareto(excesses[_picks(seed, k)])
    share = k / n

    def exceed(rise: float) -> float:
        if rise <= threshold:
            return float((n - np.searchsorted(ordered, rise, side="left")) / n)
        return share * float(pareto_survival(rise - threshold, xi, beta).mean())

    move = float(ordered[n - int(alpha * n)]) if alpha >= share else _rise_of(exceed, threshold, alpha)
    detail = f"{k} peaks over {threshold:.3f} of {n} blocks, xi {float(np.median(xi)):.2f} (median of {REFITS} refits)"
    return Method(UpMove("pareto", move, detail, n), exceed)


def _rise_of(exceed: Callable[[float], float], low: float, alpha: float) -> float:
    """Smallest rise above ``low`` with a chance of at most ``alpha``, to a part in 1e12 (or 1e-15).

    Doubling brackets it. The chord of ``ln chance`` over ``ln rise``, nearly straight in a tail, says where to look
    next (false position; Illinois: Dowell and Jarratt 1971); the bracket is halved where a chance of 0 has no chord.
    """
    high = max(2.0 * low, 1e-6)
    after = exceed(high)
    while after > alpha:
        low, high = high, 2.0 * high
        after = exceed(high)
    up, down, last = math.log(exceed(low) / alpha), _gap(after, alpha), 0
    while high - low > max(1e-12 * high, 1e-15):
        middle = 0.5 * (low + high)
        if low > 0 and math.isfinite(down):
            chord = low * (high / low) ** (up / (up - down))
            middle = chord if low < chord < high else middle
        gap = _gap(exceed(middle), alpha)
        if gap > 0:
            low, up, down, last = middle, gap, 0.5 * down if last > 0 else down, 1
        else:
            high, down, up, last = middle, gap, 0.5 * up if last < 0 else up, -1
    return high


def _gap(chance: float, alpha: float) -> float:
    return math.log(chance / alpha) if chance > 0 else -math.inf
