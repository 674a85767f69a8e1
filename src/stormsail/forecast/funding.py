"""What a short will receive by waiting: funding of perpetuals forecast, basis of dated contracts locked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import InputError, Unavailable, years
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.market.funding import daily_funding

FloatArray = NDArray[np.float64]

LONG = 90
"""Days of the mean that funding returns to."""

RECENT = 3
"""Days of the recent level (one day for horizons up to three)."""

PERSISTENCE = 0.87
"""Daily persistence of funding's distance from its mean that a coin is given before its own history speaks."""

PRIOR_HORIZONS = 15.0
"""Weight of that persistence, in independent horizons."""

USUAL = 0.05
FEWEST_CUT = 3
"""Days beyond the 5 % and 95 % quantiles of the known past, at least three on each side, count as those quantiles."""

FADE = 0.5 ** (3.0 / 5.0)
"""Share of what lies beyond the usual that is left a day later: a half-life of five settlements of eight hours.

The slow end of what was measured: 2 to 5 settlements on Binance and BitMEX (autocorrelation of 0.77 to 0.86 per
settlement of eight hours, own measurement).
"""

ENOUGH = 30
"""Days of history below which a forecast says that it is thin."""

FEWEST = 5
"""Days of history below which there is no forecast."""

STALE = timedelta(days=3)
"""Age of the last settled day beyond which there is no forecast."""

WORST_PER_DAY = -0.0006
BEST_PER_DAY = 0.0017
"""5 % and 95 % quantiles of one day's funding: 61 coins on Binance, 2019-09 to 2025-08, own measurement.

Held for every day of a horizon they are wider than the measured quantiles of its sum (30 days: -1.3 % and +5.1 %).
"""

YIELD_SD_PER_DAY = 0.01
"""Standard deviation of one day's change of the annualised basis that is assumed where none is given.

Measured in the calm of July 2025 on Binance's BTC and ETH December contracts: 0.004 (own measurement).
"""

ROLLED_SHARE = 0.5
"""Share of today's annualised basis that is expected of the contracts a dated short is rolled into.

Halfway to none: a basis returns to its mean, which differs by the year.
"""

_DAY = timedelta(days=1)
_Z95 = 1.6448536269514722
_PATHS = 2000
_BLOCK = 10
_SEED = 20_250_831


def daily_series(frame: pl.DataFrame, as_of: datetime) -> tuple[FloatArray, datetime | None]:
    """Funding of every whole UTC day known at ``as_of``, oldest first; NaN where a day is not wholly known.

    Args:
        frame: Funding in the market schema, sorted by ``known_at``; later rows are not used.
        as_of: Moment of the decision.

    Returns:
        Shape (D,), and the end of its last day; empty and ``None`` without a whole day.
    """
    days = daily_funding(frame.filter(pl.col("known_at") <= as_of)).filter(
        pl.col("rate_per_day").is_finite() & (pl.col("known_at") <= as_of)
    )
    if days.is_empty():
        return np.empty(0), None
    number = days["known_at"].dt.epoch("d").to_numpy()
    series = np.full(int(number[-1] - number[0]) + 1, np.nan)
    series[number - number[0]] = days["rate_per_day"].to_numpy()
    return series, datetime.fromtimestamp(int(number[-1]) * 86_400, UTC)


def trailing_mean(values: FloatArray, length: int) -> FloatArray:
    """Mean of the last ``length`` entries at each one, from at least four fifths of them (fewer at the start); (D,)."""
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(0, end - length)
    n = count[end] - count[start]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: FloatArray = np.where((n > 0) & (n >= 0.8 * (end - start)), (total[end] - total[start]) / n, np.nan)
    return mean


def usual(series: FloatArray) -> FloatArray:
    """The series with its rarest days held at the 5 % and 95 % quantiles (winsorised), at least three on each side.

    >>> float(usual(np.r_[np.full(50, 0.0003), -0.15, np.full(49, 0.0003)]).min())
    0.0003
    """
    known = series[np.isfinite(series)]
    share = min(0.25, max(USUAL, FEWEST_CUT / len(known)))
    low, high = np.quantile(known, [share, 1.0 - share])
    return np.asarray(np.clip(series, low, high))


def _lasting_share(distance: FloatArray, outcome: FloatArray, days: int) -> float:
    """Share of the distance from the mean that lasts over the horizon: least squares through 0, shrunk to the prior."""
    prior = PERSISTENCE * (1.0 - PERSISTENCE**days) / (days * (1.0 - PERSISTENCE))
    both = np.isfinite(distance) & np.isfinite(outcome)
    power = float(distance[both] @ distance[both])
    if not power > 0.0:
        return prior
    own = float(distance[both] @ outcome[both]) / power
    weight = float(both.sum()) / days
    return min(1.0, max(0.0, (weight * own + PRIOR_HORIZONS * prior) / (weight + PRIOR_HORIZONS)))


def _ahead(series: FloatArray, days: int) -> FloatArray:
    """Mean of the ``days`` that follow each one, NaN where they are not over; (D,)."""
    outcome = np.full(len(series), np.nan)
    if len(series) > days:
        outcome[:-days] = trailing_mean(series, days)[days:]
    return outcome


def _simulated_errors(series: FloatArray, mean: float, days: int) -> FloatArray:
    """Horizon sums around their expectation of an AR(1) driven by blocks of its own past shocks; shape (paths,)."""
    known = np.isfinite(series[1:]) & np.isfinite(series[:-1])
    past, now = series[:-1][known] - mean, series[1:][known] - mean
    power = float(past @ past)
    rho = min(0.99, max(0.0, float(past @ now) / power)) if power > 0.0 else 0.0
    shocks = now - rho * past
    shocks = shocks - shocks.mean()
    generator = np.random.Generator(np.random.Philox(key=_SEED))
    start = generator.integers(0, len(shocks), (_PATHS, -(-days // _BLOCK)))
    rows = (start[:, :, None] + np.arange(_BLOCK)).reshape(_PATHS, -1)[:, :days] % len(shocks)
    lasting = (1.0 - rho ** np.arange(days, 0, -1)) / (1.0 - rho)
    return np.asarray(shocks[rows] @ lasting, dtype=np.float64)


def _band(series: FloatArray, mean: float, errors: FloatArray, days: int) -> tuple[float, float]:
    """5 % and 95 % of the horizon sum around its forecast: the wider of past errors and simulation, each side."""
    low, high = np.quantile(_simulated_errors(series, mean, days), [0.05, 0.95])
    if len(errors) >= max(ENOUGH, days):
        past_low, past_high = np.quantile(errors, [0.05, 0.95])
        low, high = min(low, past_low), max(high, past_high)
    return min(0.0, float(low)), max(0.0, float(high))


@dataclass(frozen=True, slots=True)
class SumForecast:
    """Forecast of the sum of a daily series over a horizon.

    Attributes:
        expected: Point forecast.
        low, high: 5 % and 95 % quantiles.
        share: Share of the recent distance from the mean that is expected to last, on average over the horizon.
        widened: Factor by which the band was widened for lack of history and parts of a day.
    """

    expected: float
    low: float
    high: float
    share: float
    widened: float


def forecast_sum(series: FloatArray, length: float) -> SumForecast:
    """Forecast the sum of the next ``length`` days of a daily series; see :func:`forecast_carry` for the formula.

    Args:
        series: Shape (D,), oldest first, at least five known days; NaN is *unavailable*.
        length: Horizon in days.
    """
    days = max(1, round(length))
    tame = usual(series)
    span = 1 if days <= RECENT else RECENT
    mean, level = trailing_mean(tame, LONG), trailing_mean(tame, span)
    excess = trailing_mean(series, span) - level
    mean[-1] = anchor = float(np.nanmean(tame[-LONG:]))
    share = _lasting_share(level - mean, _ahead(tame, days) - mean, days)
    fading = FADE * (1.0 - FADE**days) / (1.0 - FADE)
    errors = days * (_ahead(series, days) - mean - share * (level - mean)) - fading * excess
    below, above = _band(series, anchor, errors[np.isfinite(errors)], days)
    known = np.isfinite(level[-1])
    recent, beyond = (float(level[-1]), float(excess[-1])) if known else (anchor, 0.0)
    expected = length * (anchor + share * (recent - anchor)) + fading * (length / days) * beyond
    widened = math.sqrt(max(1.0, LONG / int(np.isfinite(series).sum()))) * math.sqrt(length / days)
    return SumForecast(expected, expected + widened * below, expected + widened * above, share, widened)


def forecast_carry(
    frame: pl.DataFrame,
    horizon: timedelta,
    *,
    as_of: datetime,
    cap_per_day: float | None = None,
    floor_per_day: float | None = None,
) -> MaybeCarry:
    """Funding a short receives over ``horizon``, as a fraction of notional, from settlements known at ``as_of``.

    ``days * (m + phi (z - m)) + e (rho + rho^2 + ... + rho^days)``: ``m`` is the mean of the last 90 days and ``z``
    that of the last three (one for horizons up to three days), both with rare days held at what is usual
    (:func:`usual`); ``phi`` is the share of the distance that lasted over such a horizon before, shrunk to an
    Ornstein-Uhlenbeck process of persistence 0.87 a day; ``e`` is what the last days lay beyond the usual, which fades
    within days (:data:`FADE`). So a storm is neither taken for a new mean nor for something that lasts.

    The band is the wider, on each side, of the 5 % and 95 % quantiles of past errors of this forecast and of sums
    simulated from blocks of past shocks. With fewer than 90 days it is widened by ``sqrt(90 / n)``.

    Args:
        frame: Funding in the market schema; later rows are not used.
        horizon: How long the short is held.
        as_of: Moment of the decision.
        cap_per_day: Most that can settle in a day, if the venue has a cap.
        floor_per_day: Least that can settle in a day (negative).

    Returns:
        The forecast; unavailable with fewer than five whole days or if the last one is older than three days.

    Raises:
        InputError: If the horizon is not positive.

    Source: Uhlenbeck & Ornstein 1930 (mean reversion); direct multi-step regression as in Marcellino, Stock & Watson
    2006. Shrinkage as in Vasicek 1973.
    """
    length = horizon / _DAY
    if not length > 0.0:
        raise InputError(f"horizon {horizon}", cure="give a positive horizon", where="horizon")
    series, last = daily_series(frame, as_of)
    n = int(np.isfinite(series).sum())
    if last is None or n < FEWEST:
        return Unavailable(f"{n} whole days of funding, {FEWEST} needed")
    if as_of - last > STALE:
        return Unavailable(f"funding ends {last:%Y-%m-%d}")
    forecast = forecast_sum(series, length)
    widest = (
        -math.inf if floor_per_day is None else floor_per_day * length,
        math.inf if cap_per_day is None else cap_per_day * length,
    )
    expected, low, high = (min(max(v, widest[0]), widest[1]) for v in (forecast.expected, forecast.low, forecast.high))
    thin = f"; only {n} days of history, band widened {forecast.widened:.1f} times" if n < ENOUGH else ""
    kept = f"{forecast.share:.2f} of the recent distance from it, what is rare fading"
    method = f"90-day mean and {kept}, {n} days of settled funding{thin}"
    return CarryForecast(expected, low, high, horizon, method, n)


def baseline_carry(rate_per_interval: float, interval_hours: float, horizon: timedelta) -> CarryForecast:
    """Funding assumed at a venue's baseline where no history is at hand; says that it is an assumption.

    Expected is ``rate * horizon / interval``. The stated worst case is -0.06 % a day and the best +0.17 % a day for the
    whole horizon: the 5 % and 95 % quantiles of a day's funding over 61 coins (:data:`WORST_PER_DAY`).

    >>> baseline_carry(0.0001, 8, timedelta(days=30)).expected
    0.009
    """
    if not interval_hours > 0.0:
        raise InputError(f"interval of {interval_hours} hours", cure="give a positive interval", where="funding")
    days = horizon / _DAY
    expected = rate_per_interval * (horizon / timedelta(hours=interval_hours))
    return CarryForecast(
        expected=expected,
        low=min(expected, WORST_PER_DAY * days),
        high=max(expected, BEST_PER_DAY * days),
        horizon=horizon,
        method=f"assumed: venue baseline {rate_per_interval:.4%} per {interval_hours:g}h, no history at hand",
        n=0,
        assumed=True,
    )


def dated_carry(
    futures_price: float,
    spot_price: float,
    expiry: datetime,
    as_of: datetime,
    horizon: timedelta,
    *,
    yield_sd_per_day: float = YIELD_SD_PER_DAY,
) -> CarryForecast:
    """What a short of a dated contract receives as its price meets spot, as a fraction of spot value.

    Held to expiry the short locks ``F/S - 1`` and low, expected and high are one number. Closed after ``horizon``,
    before expiry, it has received its share in time, ``(F/S - 1) * horizon / remaining``, give or take what the
    annualised basis of the days still left moved: ``1.645 * yield_sd_per_day * sqrt(days held) * years left``.

    Held longer than the contract lives, the short is rolled into bases nobody knows. The part to expiry is locked; of
    the rest half of today's annualised basis is expected (:data:`ROLLED_SHARE`), give or take what that basis may have
    moved by the middle of the rest: ``1.645 * yield_sd_per_day * sqrt(days to there) * years of the rest``.

    Args:
        futures_price: Price of the contract per coin.
        spot_price: Price of the coin.
        expiry: Settlement.
        as_of: Moment of the decision.
        horizon: How long the short is held.
        yield_sd_per_day: Standard deviation of one day's change of the annualised basis.

    Raises:
        InputError: If a price is not positive, or the contract has expired.

    Source: Hull, Options, Futures and Other Derivatives, chapters 3 and 5 (basis risk; convergence).

    >>> end = datetime(2025, 12, 26, 8, tzinfo=UTC)
    >>> round(dated_carry(102.0, 100.0, end, end - timedelta(days=60), timedelta(days=30)).expected, 6)
    0.01
    """
    remaining = expiry - as_of
    if not (futures_price > 0.0 and spot_price > 0.0) or remaining <= timedelta(0) or horizon <= timedelta(0):
        raise InputError(
            f"futures {futures_price}, spot {spot_price}, {remaining} to expiry, horizon {horizon}",
            cure="give positive prices, a contract that still trades and a positive horizon",
        )
    basis = futures_price / spot_price - 1.0
    if horizon >= remaining:
        return _locked(basis, remaining, horizon, yield_sd_per_day)
    expected = basis * (horizon / remaining)
    band = _Z95 * yield_sd_per_day * math.sqrt(horizon / _DAY) * years(remaining - horizon)
    method = f"basis {basis:.2%} earned pro rata over {remaining / _DAY:.0f} days, band for closing before expiry"
    return CarryForecast(expected, expected - band, expected + band, horizon, method, 1)


def _locked(basis: float, remaining: timedelta, horizon: timedelta, yield_sd_per_day: float) -> CarryForecast:
    """The basis to expiry, and a guess with a wide band for what lies beyond."""
    locked = f"basis {basis:.2%} locked to expiry in {remaining / _DAY:.0f} days"
    rest = horizon - remaining
    if not rest:
        return CarryForecast(basis, basis, basis, horizon, locked, 1)
    annual = basis / years(remaining)
    expected = basis + ROLLED_SHARE * annual * years(rest)
    band = _Z95 * yield_sd_per_day * math.sqrt((remaining + rest / 2) / _DAY) * years(rest)
    rolled = f"the {rest / _DAY:.0f} days after it at half of today's {annual:.2%} a year, give or take {band:.2%}"
    return CarryForecast(expected, expected - band, expected + band, horizon, f"{locked}, {rolled}", 1)
