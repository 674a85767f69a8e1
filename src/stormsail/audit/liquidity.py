"""How long it would take to sell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from stormsail.audit.measures import quantile_error
from stormsail.audit.sample import FloatArray
from stormsail.core import Estimate, Maybe, Unavailable
from stormsail.market.schema import stamps

VOLUME_DAYS = 30
MIN_VOLUME_DAYS = 10
WHOLE_DAY = 0.8
_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def daily_volume(bars: pl.DataFrame, as_of: datetime, bar: timedelta | None, origin: str) -> Maybe:
    """Median quote volume of a day over the last 30 days, in the quote currency.

    Days are 24 hours counted back from ``as_of``. A day counts if at least 80 % of its bars carry a volume; ten such
    days are needed. Error of the median: Maritz and Jarrett (1978).

    Args:
        bars: Bars with ``known_at`` and ``quote_volume``.
        as_of: Moment of the audit; later bars are not read.
        bar: Length of a bar; ``None`` means a day.
        origin: Name of the series, for the method.
    """
    per_day = max(round(timedelta(days=1) / (bar or timedelta(days=1))), 1)
    age = (_microseconds(as_of) - stamps(bars)) // _DAY
    quoted = bars["quote_volume"].to_numpy()
    recent = (age >= 0) & (age < VOLUME_DAYS) & np.isfinite(quoted)
    count = np.bincount(age[recent], minlength=VOLUME_DAYS)
    total: FloatArray = np.bincount(age[recent], weights=quoted[recent], minlength=VOLUME_DAYS).astype(np.float64)
    volume = np.sort(total[count >= WHOLE_DAY * per_day])
    if len(volume) < MIN_VOLUME_DAYS:
        reason = f"{len(volume)} of {VOLUME_DAYS} days have a volume, {MIN_VOLUME_DAYS} are needed"
        return Unavailable(f"{origin}: {reason}")
    first = as_of - timedelta(days=VOLUME_DAYS)
    return Estimate(
        float(np.median(volume)),
        quantile_error(volume, 0.5),
        len(volume),
        f"{first:%Y-%m-%d}..{as_of:%Y-%m-%d} 1d",
        f"median daily quote volume of {origin}",
    )


def days_to_exit(value: float, volume: Maybe, share: float) -> Maybe:
    """Days to sell ``value`` when no more than ``share`` of a day's volume is taken: ``value / (share volume)``.

    >>> v = Estimate(2_000_000.0, 200_000.0, 30, "demo", "median")
    >>> days_to_exit(1_000_000, v, 0.1).value
    5.0
    """
    if isinstance(volume, Unavailable):
        return Unavailable(f"volume is unavailable ({volume.reason})")
    if volume.value <= 0:
        return Unavailable("nothing was traded on a median day")
    days = value / (share * volume.value)
    error = None if volume.error is None else days * volume.error / volume.value
    return Estimate(days, error, volume.n, volume.window, f"value / ({share:g} x {volume.method})")


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
