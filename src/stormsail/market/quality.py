"""What is wrong with a series, and what is done about it: rows are dropped or history is cut, nothing is ever filled.

The rules, in the order they are applied to price bars:

1. *Duplicates.* Rows that agree are one row; of rows that disagree about one moment the first is kept.
2. *Impossible prices.* A row with a price that is zero, negative or not a number, or with high below low, is dropped.
3. *Breaks.* Where the unit of the price changed or the ticker was given to another coin, what came before is cut off.
4. *Gaps, wicks, standing prices, age.* Reported and left as they are.

A break is looked for where nobody traded: between a close and the next open (the next close where opens are not
known). A *redenomination* is a step there by a factor of four or more, up or down, which the median of the next five
closes confirms, and which is at least three times (in logarithms) any move between neighbouring bars within ten bars
on either side, or which is upward over an interruption of more than a day. A crash, however deep, moves in many bars,
one opening where the last one closed, and so does a squeeze: neither is a break. A *re-used ticker* is a step by a
factor of three or more across a gap of more than thirty days.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import Finding, Trouble
from stormsail.market.breaks import Break, find_breaks
from stormsail.market.schema import PRICE_KINDS, Kind, SeriesInfo, stamps
from stormsail.market.signs import PRICES, Bars, age_of, count_of, gaps, max_age, moment, standing, usual_step, wicks
from stormsail.market.source import MarketView

__all__ = ["max_age", "tidy", "verify"]

_BATCH = 50
_ACCRUING = frozenset({Kind.FUNDING})


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
        frame, impossible = _drop_no_numbers(frame, subject)
        if frame.is_empty():
            return frame, (*findings, *impossible)
        return frame, (*findings, *impossible, *age_of(frame, info, as_of, timedelta(hours=8)))
    bars = Bars.of(frame)
    sound, impossible = _drop_impossible(frame, bars, subject)
    if sound.is_empty():
        return sound, (*findings, *impossible)
    bars = bars if sound is frame else Bars.of(sound)
    frame, broken = _cut(sound, bars, subject)
    bars = bars if frame is sound else Bars.of(frame)
    bar = info.bar or usual_step(bars.times)
    return frame, (
        *findings,
        *impossible,
        *broken,
        *gaps(bars.times, bar, subject),
        *wicks(bars, subject),
        *standing(bars, bar, subject),
        *age_of(frame, info, as_of, bar),
    )


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if frame["known_at"].is_sorted() else frame.sort("known_at", maintain_order=True)


def _drop_repeats(frame: pl.DataFrame, subject: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    once = frame.unique(maintain_order=True)
    gone = frame.height - once.height
    if not gone:
        return frame, ()
    return once, (Finding(Trouble.NOTE, subject, f"{count_of(gone, 'row')} held more than once", "one of each kept"),)


def _drop_duplicates(frame: pl.DataFrame, subject: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    if (np.diff(stamps(frame)) != 0).all():
        return frame, ()
    frame, findings = _drop_repeats(frame, subject)
    first = frame.unique("known_at", keep="first", maintain_order=True)
    conflicts = frame.height - first.height
    if not conflicts:
        return first, findings
    return first, (
        *findings,
        Finding(Trouble.DEGRADED, subject, f"{count_of(conflicts, 'row')} at odds with an earlier one", "first kept"),
    )


def _drop_impossible(frame: pl.DataFrame, bars: Bars, subject: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    bad = np.zeros(frame.height, dtype=np.bool_)
    for name, values in zip(PRICES, (bars.open, bars.high, bars.low, bars.close), strict=True):
        # The first test settles the usual case in two passes; NaN fails it.
        if values is not None and not (values.min() > 0.0 and values.max() < np.inf):
            # A null (not given) is allowed; NaN and numbers that are not positive are not.
            bad |= ~((values > 0.0) & (values < np.inf)) & ~frame[name].is_null().to_numpy()
    if bars.high is not None and bars.low is not None:
        bad |= bars.high < bars.low
    count = int(bad.sum())
    if not count:
        return frame, ()
    cause = f"{count_of(count, 'row')} with an impossible price, the first at {moment(bars.times[bad.argmax()])}"
    return frame.filter(~bad), (Finding(Trouble.DEGRADED, subject, cause, "dropped"),)


def _drop_no_numbers(frame: pl.DataFrame, subject: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    numbers = frame.filter(pl.col("rate_per_interval").is_finite())
    gone = frame.height - numbers.height
    if not gone:
        return frame, ()
    return numbers, (Finding(Trouble.DEGRADED, subject, f"{count_of(gone, 'row')} without a rate", "dropped"),)


def _cut(frame: pl.DataFrame, bars: Bars, subject: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    breaks = find_breaks(bars.times, bars.open, bars.close)
    if not breaks:
        return frame, ()
    return frame.slice(breaks[-1].row), tuple(_break_finding(b, bars.times, subject) for b in breaks)


def _break_finding(found: Break, times: NDArray[np.int64], subject: str) -> Finding:
    factor = found.factor if found.factor >= 1 else 1.0 / found.factor
    cause = f"{found.kind} at {moment(times[found.row])}: price {'x' if found.factor >= 1 else '/'} {factor:,.4g}"
    return Finding(Trouble.DEGRADED, subject, cause, "the history before it is cut off")


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
    for done, (info, frame) in enumerate(_each(view, infos), start=1):
        found.extend(tidy(frame, info, view.as_of)[1])
        if progress:
            progress(done, len(infos))
    return tuple(found)


def _each(view: MarketView, infos: Sequence[SeriesInfo]) -> Iterator[tuple[SeriesInfo, pl.DataFrame]]:
    """Every series with its rows, read in batches of one kind: sources are quicker at many than at one."""
    for start in range(0, len(infos), _BATCH):
        batch = infos[start : start + _BATCH]
        for _, same in itertools.groupby(batch, key=lambda info: info.key.kind):
            held = list(same)
            frames = view.read_many([info.key for info in held])
            yield from ((info, frames[info.key]) for info in held)
