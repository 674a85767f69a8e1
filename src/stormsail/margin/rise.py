"""How far a price may rise before more collateral can arrive, by five methods.

Each method returns the rise ``b`` with ``P(max over the top-up span of high / price now - 1 >= b) <= alpha`` as it sees
the world, and carries the chance of every other level (:class:`~stormsail.margin.types.Method`). ``alpha`` is the
chance per top-up span (:attr:`~stormsail.margin.types.Promise.alpha_per_top_up`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stormsail.core import InputError, Unavailable
from stormsail.margin.moves import ENOUGH, Moves
from stormsail.margin.types import Method, UpMove

FloatArray = NDArray[np.float64]

DAY = timedelta(days=1)

SEED = 20_250_831
"""Key of every resampling in this room."""

PATHS = 40_000
"""Paths of a resampling: a chance of 1 in 3,000 rests on a dozen of them."""


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha} is not a chance", cure="give a number between 0 and 1", where="alpha")


def ewma_sigma_daily(moves: Moves, half_life: timedelta = timedelta(days=10)) -> float | Unavailable:
    """Daily volatility now: root of the exponentially weighted mean square log move of a bar, scaled to a day."""
    _, closes = moves.usable()
    if moves.history < DAY:
        return Unavailable("less than a day of bars")
    squares = np.log(closes) ** 2
    ages = np.arange(len(squares) - 1, -1, -1, dtype=np.float64)
    weights = 0.5 ** (ages * (moves.bar / half_life))
    return math.sqrt(float(squares @ weights / weights.sum()) * (DAY / moves.bar))


def reflection(sigma_daily: float, top_up: timedelta, alpha: float) -> Method:
    """Method 1, the reflection principle for driftless Brownian motion of the log price; a lower bound, thin-tailed.

    ``P(max >= b) = 2 (1 - Phi(ln(1 + b) / (sigma sqrt(tau))))``, hence ``b = exp(sigma sqrt(tau) z) - 1`` with
    ``z = Phi^-1(1 - alpha / 2)``. Source: Harrison 1985, "Brownian Motion and Stochastic Flow Systems", ch. 1.

    >>> round(reflection(0.04, timedelta(days=1), 0.01).move, 4)
    0.1085
    """
    from scipy.special import ndtr, ndtri

    _check_alpha(alpha)
    if not (math.isfinite(sigma_daily) and sigma_daily >= 0):
        raise InputError(f"sigma {sigma_daily}", cure="give a finite volatility at or above 0", where="reflection")
    spread = sigma_daily * math.sqrt(top_up / DAY)

    def exceed(rise: float) -> float:
        return 1.0 if rise <= 0 else 0.0 if spread == 0 else float(2.0 * ndtr(-math.log1p(rise) / spread))

    move = math.expm1(spread * float(ndtri(1.0 - alpha / 2.0)))
    return Method(UpMove("reflection", move, f"sigma {sigma_daily:.4f} a day over {top_up / DAY:g} d", 0), exceed)


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Simulated rises, and the chance of each: ``(W_k + w_1) / (W + w_1)``.

    ``W_k`` is the weight of the rises at or above it, ``W`` that of all; the weight of the largest, ``w_1``, is added
    once more on the safe side, which for equal weights gives ``(k + 1) / (n + 1)``. Only the largest, which a rare rise
    rests on, are put in order.

    Attributes:
        every: All rises, shape (P,).
        weights: How often each counts, shape (P,).
        rises: The largest of them, falling, shape (k,).
        chances: The chance of each of those, shape (k,).
        errors: Standard error of each of those chances, shape (k,).
        least: ``w_1 / (W + w_1)``: the chance of a rise beyond all.
    """

    every: FloatArray
    weights: FloatArray
    rises: FloatArray
    chances: FloatArray
    errors: FloatArray
    least: float

    @classmethod
    def of(cls, every: FloatArray, weights: FloatArray, count: int) -> _Sample:
        """The sample with its ``count`` largest (and their equals) in order."""
        edge = np.partition(every, len(every) - count)[len(every) - count]
        top = np.flatnonzero(every >= edge)
        top = top[np.argsort(-every[top], kind="stable")]
        rises, weight = every[top], weights[top]
        whole = float(weights.sum() + weight[0])
        ends = np.append(np.flatnonzero(np.diff(rises)), len(rises) - 1)
        ties = np.repeat(ends, np.diff(ends, prepend=-1))  # equal rises share the chance of the last of them
        chances = ((np.cumsum(weight) + weight[0]) / whole)[ties]
        return cls(
            every, weights, rises, chances, np.sqrt(np.cumsum(weight * weight)) / whole, float(weight[0]) / whole
        )

    @classmethod
    def reaching(cls, every: FloatArray, weights: FloatArray, alpha: float) -> _Sample:
        """The sample with as many in order as ``alpha`` and its error ask for."""
        found = cls.of(every, weights, -(-len(every) // 16))
        enough = found.chances[-1] > alpha + found.errors[-1]
        return found if enough else cls.of(every, weights, len(every))

    def exceed(self, rise: float) -> float:
        """Chance of ``rise``."""
        if rise < self.rises[-1]:
            above = float(self.weights[self.every >= rise].sum())
            return min(1.0, above / float(self.weights.sum()) * (1.0 - self.least) + self.least)
        above_top = int(np.searchsorted(-self.rises, -rise, side="right"))
        return float(min(1.0, self.chances[above_top - 1])) if above_top else self.least

    def count(self, alpha: float) -> int:
        """How many of the largest have together a chance of at most ``alpha``; 0 where it is beyond them."""
        return int(np.searchsorted(self.chances, alpha * (1.0 + 1e-12), side="right"))

    def rise(self, alpha: float) -> float:
        """The smallest rise whose chance stays within ``alpha``, or the largest of all."""
        return max(0.0, float(self.rises[max(self.count(alpha), 1) - 1]))


def _from_sample(
    method: str, maxima: FloatArray, alpha: float, detail: str, n: int, weights: FloatArray | None = None
) -> Method:
    """The smallest sample value whose chance stays within ``alpha``, with the error that drawing so few paths leaves.

    The error is half the distance of the rises at ``alpha`` plus and minus the standard error of that chance.
    """
    equal = np.broadcast_to(1.0, len(maxima))
    sample = _Sample.reaching(np.asarray(maxima, dtype=np.float64), equal if weights is None else weights, alpha)
    move, above = sample.rise(alpha), sample.count(alpha)
    if above < 1:
        detail += f"; the largest of {len(maxima)}, a chance of {alpha:.1e} is beyond them"
    else:
        spread = float(sample.errors[above - 1])
        error = 0.5 * (sample.rise(max(alpha - spread, 0.0)) - sample.rise(min(alpha + spread, 1.0)))
        detail += f"; {move:.1%} +- {error:.1%} by {above} paths beyond"
    return Method(UpMove(method, move, detail, n), sample.exceed)


@lru_cache(maxsize=4)
def draws(seed: int, paths: int, steps: int) -> FloatArray:
    """Uniform numbers of the resampled paths, shape (paths, steps), from a counter-based generator.

    The first number of a path, which says where in the past it starts, is spread evenly over the paths (stratified), so
    that a rare bar of the past comes up as often as its share and not by luck. Every contract is asked with the same
    numbers, so they are kept; no one writes into them.
    """
    uniform = np.random.Generator(np.random.Philox(key=seed)).random((paths, steps))
    uniform[:, 0] = (np.arange(paths) + uniform[:, 0]) / paths
    return uniform


def too_short(moves: Moves, method: str) -> Unavailable | None:
    """Why the history is not enough to resample, or ``None`` if it is."""
    if moves.history >= ENOUGH:
        return None
    days = moves.history / DAY
    return Unavailable(f"{method}: {days:.1f} days of history, {ENOUGH / DAY:g} are needed")


def bootstrap_rise(
    moves: Moves,
    top_up: timedelta,
    alpha: float,
    *,
    paths: int = PATHS,
    mean_block: timedelta = DAY,
    seed: int = SEED,
) -> Method | Unavailable:
    """Method 2: quantile of the largest high of paths drawn from the past in blocks.

    Stationary bootstrap (Politis and Romano 1994): blocks of geometric length with the given mean, wrapped around the
    sample, of pairs (high, close) over the previous close. Keeps volatility clusters as long as a block.

    Returns:
        The rise, or ``Unavailable`` with less than 30 days of usable bars.
    """
    from stormsail.margin._kernels import path_tops

    _check_alpha(alpha)
    short = too_short(moves, "bootstrap")
    if short is not None:
        return short
    highs, closes = moves.usable()
    restart = min(1.0, moves.bar / mean_block)
    maxima = path_tops(draws(seed, paths, moves.steps(top_up)), highs, closes, restart, False)[0]
    detail = f"{paths} paths, mean block {mean_block / timedelta(hours=1):g} h, {moves.window}"
    return _from_sample("bootstrap", maxima, alpha, detail, len(highs))


def from_simulation(maxima: FloatArray, alpha: float, detail: str, weights: FloatArray | None = None) -> Method:
    """Method 3: quantile of simulated largest rises, such as those of a fitted GARCH with t innovations.

    Args:
        maxima: Shape (P,): largest rise of each simulated path within the top-up span.
        alpha: Chance per top-up span.
        detail: The model and its parameters, in one line.
        weights: Shape (P,): how often each path counts; equally by default.
    """
    _check_alpha(alpha)
    if len(maxima) == 0 or not np.isfinite(maxima).all():
        raise InputError("simulated rises are empty or not finite", cure="simulate again", where="simulation")
    return _from_sample("simulation", maxima, alpha, detail, len(maxima), weights)
