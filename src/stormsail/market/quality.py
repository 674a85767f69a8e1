"""What is wrong with a series, and what is done about it: rows are dropped or history is cut, nothing is ever filled.

The rules, in the order they are applied to price bars:

1. *Duplicates.* Rows that agree are one row; of rows that disagree about one moment the first is kept.
2. *Impossible prices.* A row with a price that is zero, negative or not a number, or with high below low, is dropped.
3. *Breaks.* Where the unit of the price changed or the ticker was given to another coin, what came before is cut off.
4. *Gaps, wicks, age.* Reported and left as they are.

A break is looked for where nobody traded: between a close and the next open (the next close where opens are not
known). A *redenomination* is a step there by a factor of four or more, up or down, which the median of the next five
closes confirms, and which is at least three times (in logarithms) any move between neighbouring bars within ten bars
on either side, or which is upward over an interruption of more than a day. A crash, however deep, moves in many bars,
one opening where the last one closed, and so does a squeeze: neither is a break. A *re-used ticker* is a step by a
factor of three or more across a gap of more than thirty days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import Finding, Trouble, format_span
from stormsail.market.breaks import Break, find_breaks
from stormsail.market.panel import FloatArray
from stormsail.market.schema import PRICE_KINDS, Kind, SeriesInfo
from stormsail.market.source import MarketView

DELISTED_AFTER = timedelta(days=7)
"""A series silent for longer is taken to have ended for good."""

WICK = 0.25
"""How far beyond its own body and both neighbours a bar must reach to be called a wick."""

_PRICES = ("open", "high", "low", "close")
_DAY = timedelta(days=1)
_US = timedelta(microseconds=1)
_ACCRUING = frozenset({Kind.FUNDING})


def max_age(bar: timedelta | None) -> timedelta:
    """Age from which a series is stale: two bars, and at least a day."""
    return max(2 * bar, _DAY) if bar else _DAY


@dataclass(frozen=True, slots=True)
class _Bars:
    """Columns of a frame as arrays; times in microseconds, a missing column is ``None``."""

    times: NDArray[np.int64]
    open: FloatArray | None
    high: FloatArray | None
    low: FloatArray | None
    close: FloatArray

    @classmethod
    def of(cls, frame: pl.DataFrame) -> _Bars:
        known = {name: _array(frame[name]) for name in _PRICES}
        times = frame["known_at"].to_physical().to_numpy()
        close = known["close"] if known["close"] is not None else np.full(len(times), np.nan)
        return cls(times, known["open"], known["high"], known["low"], close)


def _array(column: pl.Series) -> FloatArray | None:
    if column.null_count() == len(column):
        return None
    values: FloatArray = column.to_numpy()
    return values


def tidy(frame: pl.DataFrame, info: SeriesInfo, as_of: datetime) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Apply the rules of this module to one series before anything is estimated from it.

    Args:
        frame: Rows in the schema of ``info.key.kind``, known at ``as_of``.
        info: What the series is.
        as_of: Moment of the decision, from which age is counted.

    Returns:
        The rows that may be used, sorted by time, and what was found; the order of findings is fixed.
    """
    subject = str(info.key)
    if frame.is_empty():
        return frame, (Finding(Trouble.UNAVAILABLE, subject, "no rows", "left out"),)
    if info.key.kind not in PRICE_KINDS | _ACCRUING:
        return _drop_repeats(frame, subject)
    frame, findings = _drop_duplicates(_in_order(frame), subject)
    if info.key.kind in _ACCRUING:
        return frame, (*findings, *_age(frame, info, as_of, timedelta(hours=8)))
    frame, impossible = _drop_impossible(frame, subject)
    if frame.is_empty():
        return frame, (*findings, *impossible)
    frame, broken = _cut(frame, subject)
    bars = _Bars.of(frame)
    bar = info.bar or _usual_step(bars.times)
    return frame, (
        *findings,
        *impossible,
        *broken,
        *_gaps(bars.times, bar, subject),
        *_wicks(bars, subject),
        *_age(frame, info, as_of, bar),
    )


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if frame["known_at"].is_sorted() else frame.sort("known_at", maintain_order=True)


def _drop_repeats(frame: pl.DataFrame, subject: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    once = frame.unique(maintain_order=True)
    gone = frame.height - once.height
    if not gone:
        return frame, ()
    return once, (Finding(Trouble.NOTE, subject, f"{gone} rows are there twice", "one of each is kept"),)


def _drop_duplicates(frame: pl.DataFrame, subject: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    times = frame["known_at"].to_physical().to_numpy()
    if not (np.diff(times) == 0).any():
        return frame, ()
    frame, findings = _drop_repeats(frame, subject)
    first = frame.unique("known_at", keep="first", maintain_order=True)
    conflicts = frame.height - first.height
    if not conflicts:
        return first, findings
    return first, (
        *findings,
        Finding(Trouble.DEGRADED, subject, f"{conflicts} rows contradict an earlier row", "the first is kept"),
    )


def _drop_impossible(frame: pl.DataFrame, subject: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    bars = _Bars.of(frame)
    bad = np.zeros(frame.height, dtype=np.bool_)
    for name, values in zip(_PRICES, (bars.open, bars.high, bars.low, bars.close), strict=True):
        # The first test settles the usual case in two passes; NaN fails it.
        if values is not None and not (values.min() > 0.0 and values.max() < np.inf):
            # A null (not given) is allowed; NaN and numbers that are not positive are not.
            bad |= ~((values > 0.0) & (values < np.inf)) & ~frame[name].is_null().to_numpy()
    if bars.high is not None and bars.low is not None:
        bad |= bars.high < bars.low
    count = int(bad.sum())
    if not count:
        return frame, ()
    cause = f"{count} rows with an impossible price, the first at {_moment(bars.times[bad.argmax()])}"
    return frame.filter(~bad), (Finding(Trouble.DEGRADED, subject, cause, "dropped"),)


def _cut(frame: pl.DataFrame, subject: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    bars = _Bars.of(frame)
    breaks = find_breaks(bars.times, bars.open, bars.close)
    if not breaks:
        return frame, ()
    return frame.slice(breaks[-1].row), tuple(_break_finding(b, bars.times, subject) for b in breaks)


def _break_finding(found: Break, times: NDArray[np.int64], subject: str) -> Finding:
    factor = found.factor if found.factor >= 1 else 1.0 / found.factor
    cause = f"{found.kind} at {_moment(times[found.row])}: price {'x' if found.factor >= 1 else '/'} {factor:,.4g}"
    return Finding(Trouble.DEGRADED, subject, cause, "the history before it is cut off")


def _gaps(times: NDArray[np.int64], bar: timedelta, subject: str) -> tuple[Finding, ...]:
    steps = np.diff(times)
    width = bar // _US
    holes = steps[steps > 1.5 * width]
    if not len(holes):
        return ()
    longest = timedelta(microseconds=int(holes.max()))
    missing = int(np.rint(holes / width - 1.0).sum())
    serious = longest > 3 * _DAY or missing > 0.01 * len(times)
    start = _moment(times[int(steps.argmax())])
    cause = f"{len(holes)} gaps, {missing} bars missing, the longest {format_span(longest)} from {start}"
    return (Finding(Trouble.DEGRADED if serious else Trouble.NOTE, subject, cause, "left as holes"),)


def _usual_step(times: NDArray[np.int64]) -> timedelta:
    return timedelta(microseconds=int(np.median(np.diff(times)))) if len(times) > 1 else _DAY


def _wicks(bars: _Bars, subject: str) -> tuple[Finding, ...]:
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
    cause = f"{count} single-bar wicks, the largest {reach[worst]:.0%} at {_moment(bars.times[at[worst]])}"
    return (Finding(Trouble.NOTE, subject, cause, "kept: a mark price may not have followed"),)


def _age(frame: pl.DataFrame, info: SeriesInfo, as_of: datetime, bar: timedelta) -> tuple[Finding, ...]:
    last = frame["known_at"][-1]
    age = as_of - last
    if age <= max_age(bar):
        return ()
    expired = info.expiry is not None and last <= info.expiry <= as_of
    what = "expired" if expired else "ended, perhaps delisted," if age > DELISTED_AFTER else "is late:"
    cause = f"{what} last row {last:%Y-%m-%d %H:%M}, {format_span(timedelta(hours=age // timedelta(hours=1)))} ago"
    return (Finding(Trouble.UNAVAILABLE, str(info.key), cause, "not used for prices now"),)


def _moment(microseconds: np.int64) -> str:
    return str(np.datetime64(int(microseconds), "us"))[:16].replace("T", " ")


def verify(view: MarketView, *, progress: Callable[[int, int], None] | None = None) -> tuple[Finding, ...]:
    """Look through every series of the catalogue.

    Args:
        view: Source and moment.
        progress: Called with (series done, series in all).

    Returns:
        Findings sorted by series; within one series in the order of the rules.
    """
    infos = view.catalogue()
    found: list[Finding] = []
    for done, info in enumerate(infos, start=1):
        found.extend(tidy(view.read(info.key), info, view.as_of)[1])
        if progress:
            progress(done, len(infos))
    return tuple(found)
