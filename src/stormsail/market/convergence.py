"""How a basis goes to nothing: the part known on the day of entry, and the residual that nobody knew.

The known part is that of the forecast (:func:`stormsail.forecast.funding.dated_carry`): the basis of entry falls in
proportion to time, ``b0 * left / left0``, to exactly 0 at expiry. A basis that keeps its implied rate instead runs
along ``exp(r * left) - 1``; the two differ by at most ``b0^2 / 8``, 1 basis point for a basis of 3 %. What the
basis did beyond that is residual. A perpetual has no end: all of its basis is residual, and funding is its known part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from stormsail.core import YEAR, Estimate, InputError, Unavailable
from stormsail.market.beside import years_left
from stormsail.market.panel import FloatArray, Panel

HORIZONS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
WORST = 0.01
"""Share of horizons that are worse than the worst figure."""

FEWEST = 20
"""Fewest changes behind a standard deviation, and fewest horizons that do not overlap behind a measured one."""

SHORTEST = timedelta(days=1)
"""With less left, an annualised basis is mostly rounding: such moments say nothing of its persistence."""

UNIT_ROOT = -2.86
"""5 % value of the statistic of Dickey & Fuller (1979) with an intercept, large samples."""

_Z99 = 2.3263478740408408


@dataclass(frozen=True, slots=True)
class HorizonRisk:
    """Residual of the basis over a horizon, as a fraction of the coin's value.

    Attributes:
        horizon: How long the short is held.
        sd: Standard deviation.
        worst: What the residual brings a short in the worst 1 %: negative.
        n: Overlapping horizons that were measured.
        method: ``measured``, or how it follows from shorter ones.
    """

    horizon: timedelta
    sd: float
    worst: float
    n: int
    method: str


@dataclass(frozen=True, slots=True)
class Convergence:
    """How the basis of one contract has behaved.

    Attributes:
        level: Basis at the last moment, ``F / S - 1``.
        left: Time to expiry then; ``None`` for a perpetual.
        locked: What a short opened then and held to expiry receives, equal to ``level``; unavailable for a perpetual,
            whose known part is its funding.
        earned: What a short opened at the first moment had received by plan at the last, ``b0 * (1 - left / left0)``.
        residual: What it had received beyond that.
        sd: Standard deviation of the residual from one moment to the next.
        persistence: AR(1) coefficient per step of what returns to its mean: the annualised basis, a perpetual's basis.
        half_life: Time in which half of a distance from the mean is gone.
        horizons: By horizon.
    """

    level: float
    left: timedelta | None
    locked: float | Unavailable
    earned: float
    residual: float
    sd: Estimate | Unavailable
    persistence: Estimate | Unavailable
    half_life: timedelta | Unavailable
    horizons: tuple[HorizonRisk | Unavailable, ...]


def known_path(basis: float, left: FloatArray) -> FloatArray:
    """The path a basis must take to 0 at expiry: ``basis * left / left[0]``; shape (T,).

    Args:
        basis: At entry, ``F / S - 1``.
        left: Time to expiry at each moment, any unit, the first positive; shape (T,).

    Raises:
        InputError: If nothing is left at entry.

    Source: Hull, Options, Futures and Other Derivatives, section 2.4 (convergence of futures price to spot price); the
    amortisation in proportion to time is this project's choice.

    >>> known_path(0.03, np.array([90.0, 60.0, 0.0])).round(12).tolist()
    [0.03, 0.02, 0.0]
    """
    if not (len(left) and left[0] > 0):
        raise InputError("a contract that has ended", cure="enter before expiry", where="left")
    return np.asarray(basis * (np.maximum(left, 0.0) / left[0]))


def residual_path(basis: FloatArray, left: FloatArray | None) -> FloatArray:
    """What a short entered at the first moment has received beyond the known part: known path less basis; (T,).

    At expiry both are 0, so nothing is left of it. Received is positive.

    Args:
        basis: ``F / S - 1`` at each moment, the first known, shape (T,).
        left: Time to expiry, shape (T,); ``None`` for a perpetual.
    """
    if left is None:
        return np.asarray(basis[0] - basis)
    return np.asarray(known_path(float(basis[0]), left) - basis)


def residual_over(basis: FloatArray, left: FloatArray | None, steps: int) -> FloatArray:
    """Residual of a short entered anew at each moment and held ``steps``; shape (T - steps,).

    ``b_t l_{t+k} / l_t - b_{t+k}``, ``l`` being the time left; NaN where a price is unavailable or the contract ended.
    """
    share: FloatArray | float = 1.0
    if left is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(left[:-steps] > 0, np.maximum(left[steps:], 0.0) / left[:-steps], np.nan)
    return np.asarray(basis[:-steps] * share - basis[steps:])


def convergence(
    prices: Panel, *, expiry: datetime | None, horizons: Sequence[timedelta] = HORIZONS
) -> Convergence | Unavailable:
    """How the basis of a contract has behaved.

    Args:
        prices: Two columns, the contract and its coin's spot, on one grid.
        expiry: Settlement; ``None`` for a perpetual.
        horizons: Over which the residual is told.

    Returns:
        The behaviour; unavailable without a moment at which both prices are known.

    Raises:
        InputError: If the panel has another number of columns.
    """
    if len(prices.names) != 2:
        raise InputError(f"{len(prices.names)} columns", cure="give the contract and spot", where="prices")
    basis = prices.values[:, 0] / prices.values[:, 1] - 1.0
    left = years_left(prices, expiry)
    if left is not None:
        basis = np.where(left > 0, basis, np.nan)
    rows = np.flatnonzero(np.isfinite(basis))
    if not len(rows):
        return Unavailable("no moment at which contract and spot are both known")
    basis = basis[rows[0] : rows[-1] + 1]
    left = None if left is None else left[rows[0] : rows[-1] + 1]
    window = Panel(prices.times[rows[[0, -1]]], ("basis",), np.zeros((2, 1)), prices.step).window
    steady, shortest = basis, 0.0
    if left is not None:
        shortest = SHORTEST / YEAR
        steady = np.where(left >= shortest, basis / np.maximum(left, shortest), np.nan)
    fit = _ar1(steady, window)
    path = residual_path(basis, left)
    return Convergence(
        level=float(basis[-1]),
        left=None if left is None else float(left[-1]) * YEAR,
        locked=Unavailable("a perpetual locks nothing; funding is its known part")
        if left is None
        else float(basis[-1]),
        earned=0.0 if left is None else float(basis[0] * (1.0 - left[-1] / left[0])),
        residual=float(path[-1]),
        sd=_sd(residual_over(basis, left, 1), window) if len(basis) > 1 else Unavailable("one moment"),
        persistence=fit if isinstance(fit, Unavailable) else fit.phi,
        half_life=_half_life(fit, prices.step),
        horizons=tuple(_over(basis, left, horizon, prices.step, fit) for horizon in horizons),
    )


def _sd(residuals: FloatArray, window: str) -> Estimate | Unavailable:
    known = residuals[np.isfinite(residuals)]
    if len(known) < FEWEST:
        return Unavailable(f"{len(known)} changes of the basis, {FEWEST} needed")
    sd = float(np.std(known, ddof=1))
    return Estimate(sd, sd / math.sqrt(2 * len(known)), len(known), window, "deviation of the residual of one step")


@dataclass(frozen=True, slots=True)
class _Persistence:
    """AR(1) of a series: coefficient, deviation of its shocks, and whether a return to the mean is seen at all."""

    phi: Estimate
    noise: float
    returns: bool


def _ar1(values: FloatArray, window: str) -> _Persistence | Unavailable:
    """AR(1) with intercept by least squares over neighbours that are both known.

    The bias towards 0 of short samples is taken back by ``(1 + 3 phi) / n`` (Kendall 1954), up to the boundary of 1.
    A return to the mean is seen where ``(phi - 1) / error`` lies below the 5 % value of Dickey & Fuller (1979).
    """
    both = np.isfinite(values[:-1]) & np.isfinite(values[1:])
    x, y = values[:-1][both], values[1:][both]
    n = len(x)
    if n < FEWEST:
        return Unavailable(f"{n} neighbouring moments, {FEWEST} needed")
    dx, dy = x - x.mean(), y - y.mean()
    power = float(dx @ dx)
    if not power > 0.0:
        return Unavailable("the basis did not move")
    phi = float(dx @ dy) / power
    noise = math.sqrt(float(((dy - phi * dx) ** 2).sum()) / (n - 2))
    error = noise / math.sqrt(power)
    unbiased = min(phi + (1.0 + 3.0 * phi) / n, max(phi, 1.0))
    method = "AR(1) with intercept per step, bias of short samples taken back (Kendall 1954)"
    return _Persistence(Estimate(unbiased, error, n, window, method), noise, phi - 1.0 < UNIT_ROOT * error)


def _half_life(fit: _Persistence | Unavailable, step: timedelta) -> timedelta | Unavailable:
    """``ln 2 / -ln phi`` steps."""
    if isinstance(fit, Unavailable):
        return fit
    if not fit.returns or fit.phi.value >= 1.0:
        return Unavailable("a return to a mean cannot be told from none in this window")
    if fit.phi.value <= 0.0:
        return Unavailable("it swings from side to side; a half-life has no meaning")
    return timedelta(seconds=round(math.log(0.5) / math.log(fit.phi.value) * step.total_seconds()))


def _spread(fit: _Persistence, steps: int) -> float:
    """Deviation of what the process moves in ``steps``: ``noise * sqrt(2 (1 - phi^k) / (1 - phi^2))``; a random walk
    where no return is seen."""
    rate = min(max(fit.phi.value, 0.0), 1.0) if fit.returns else 1.0
    return fit.noise * math.sqrt(steps if rate == 1.0 else 2.0 * (1.0 - rate**steps) / (1.0 - rate**2))


def _over(
    basis: FloatArray,
    left: FloatArray | None,
    horizon: timedelta,
    step: timedelta,
    fit: _Persistence | Unavailable,
) -> HorizonRisk | Unavailable:
    """Measured where twenty horizons fit side by side, else what the AR(1) implies of it."""
    steps = max(round(horizon / step), 1)
    if left is not None and left[-1] * YEAR <= horizon:
        return Unavailable("the contract ends first, where nothing is left of the residual")
    found = residual_over(basis, left, steps) if steps < len(basis) else np.empty(0)
    known = found[np.isfinite(found)]
    if len(known) >= FEWEST * steps:
        sd, worst = float(np.std(known, ddof=1)), float(np.quantile(known, WORST))
        return HorizonRisk(horizon, sd, min(worst, 0.0), len(known), "measured")
    if isinstance(fit, Unavailable):
        return fit
    later = 1.0 if left is None else max(float(left[-1]) - horizon / YEAR, 0.0)
    sd = _spread(fit, steps) * later
    kind = "AR(1)" if fit.returns else "a random walk"
    method = f"{kind} carried on and a normal tail: fewer than {FEWEST} horizons are known"
    return HorizonRisk(horizon, sd, -_Z99 * sd, len(known), method)
