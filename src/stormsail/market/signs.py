"""What a series shows that is reported and left as it is: holes, wicks, a price standing still, its age."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import Finding, Trouble, format_span
from stormsail.market.panel import FloatArray
from stormsail.market.schema import SeriesInfo, stamps

DELISTED_AFTER = timedelta(days=7)
"""A series silent for longer is taken to have ended for good."""

WICK = 0.25
"""How far beyond its own body and both neighbours a bar must reach to be called a wick."""

PRICES = ("open", "high", "low", "close")
_DAY = timedelta(days=1)
_US = timedelta(microseconds=1)


def max_age(bar: timedelta | None) -> timedelta:
    """Age from which a series is stale: two bars, and at least a day."""
    return max(2 * bar, _DAY) if bar else _DAY


@dataclass(frozen=True, slots=True)
class Bars:
    """Columns of a frame as arrays; times in microseconds, a missing column is ``None``."""

    times: NDArray[np.int64]
    open: FloatArray | None
    high: FloatArray | None
    low: FloatArray | None
    close: FloatArray

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Bars:
        """The arrays of a frame of bars; a null becomes NaN."""
        known = {name: _array(frame[name]) for name in PRICES}
        times = stamps(frame)
        close = known["close"] if known["close"] is not None else np.full(len(times), np.nan)
        return cls(times, known["open"], known["high"], known["low"], close)


def _array(column: pl.Series) -> FloatArray | None:
    if column.null_count() == len(column):
        return None
    values: FloatArray = column.to_numpy()
    return values


def gaps(times: NDArray[np.int64], bar: timedelta, subject: str) -> tuple[Finding, ...]:
    """Holes: neighbours more than one and a half bars apart; serious from three days or one bar in a hundred on."""
    steps = np.diff(times)
    width = bar // _US
    holes = steps[steps > 1.5 * width]
    if not len(holes):
        return ()
    longest = timedelta(microseconds=int(holes.max()))
    missing = int(np.rint(holes / width - 1.0).sum())
    serious = longest > 3 * _DAY or missing > 0.01 * len(times)
    start = moment(times[int(steps.argmax())])
    cause = (
        f"{count_of(len(holes), 'gap')}, {count_of(missing, 'bar')} missing, the longest {_span(longest)} from {start}"
    )
    return (Finding(Trouble.DEGRADED if serious else Trouble.NOTE, subject, cause, "left as holes"),)


def usual_step(times: NDArray[np.int64]) -> timedelta:
    """Median distance of neighbours; a day where there is only one row."""
    return timedelta(microseconds=int(np.median(np.diff(times)))) if len(times) > 1 else _DAY


def wicks(bars: Bars, subject: str) -> tuple[Finding, ...]:
    """Bars reaching far beyond their own open and close and beyond both neighbours, back within one bar."""
    if bars.high is None or bars.low is None or bars.open is None or len(bars.close) < 3:
        return ()
    high, low, opens, close = bars.high, bars.low, bars.open, bars.close
    far = (high > (1.0 + WICK) * close) | (low < (1.0 - WICK) * close)
    at = np.flatnonzero(far[1:-1]) + 1
    top = np.maximum.reduce([opens[at], close[at], high[at - 1], high[at + 1]])
    floor = np.minimum.reduce([opens[at], close[at], low[at - 1], low[at + 1]])
    reach = np.fmax(high[at] / top - 1.0, 1.0 - low[at] / floor)
    wick = reach > WICK
    count = int(wick.sum())
    if not count:
        return ()
    worst = int(np.nanargmax(reach))
    cause = f"{count_of(count, 'single-bar wick')}, the largest {reach[worst]:.0%} at {moment(bars.times[at[worst]])}"
    return (Finding(Trouble.NOTE, subject, cause, "kept: a mark price may not have followed"),)


def standing(bars: Bars, bar: timedelta, subject: str) -> tuple[Finding, ...]:
    """Stretches of at least a day and three bars without any change of the close."""
    least = max(3, math.ceil(_DAY / bar))
    moved = bars.close[1:] != bars.close[:-1]
    if len(moved) - np.count_nonzero(moved) < least:
        return ()
    edges = np.flatnonzero(np.concatenate([[True], moved, [True]]))
    runs = np.diff(edges)
    count = int((runs > least).sum())
    if not count:
        return ()
    longest = int(runs.argmax())
    cause = f"price stands still {_times(count)}, the longest for {count_of(int(runs[longest]), 'bar')}"
    where = f" from {moment(bars.times[edges[longest]])}"
    return (Finding(Trouble.NOTE, subject, cause + where, "kept: nobody traded, or the recording stood still"),)


def age_of(frame: pl.DataFrame, info: SeriesInfo, as_of: datetime, bar: timedelta) -> tuple[Finding, ...]:
    """Whether the series is too old at ``as_of``: late, ended or expired."""
    last = frame["known_at"][-1]
    age = as_of - last
    if age <= max_age(bar):
        return ()
    expired = info.expiry is not None and last <= info.expiry <= as_of
    what = "expired" if expired else "ended, perhaps delisted," if age > DELISTED_AFTER else "is late:"
    cause = f"{what} last row {last:%Y-%m-%d %H:%M}, {_span(age)} ago"
    return (Finding(Trouble.UNAVAILABLE, str(info.key), cause, "not used for prices now"),)


def count_of(number: int, noun: str) -> str:
    """A number and its noun, with an *s* where there are several."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _span(span: timedelta) -> str:
    """Whole days from three days on, else hours and minutes."""
    return format_span(span // _DAY * _DAY if span >= 3 * _DAY else span)


def moment(microseconds: np.int64) -> str:
    """A moment in microseconds since 1970, to the minute."""
    return str(np.datetime64(int(microseconds), "us"))[:16].replace("T", " ")
