"""From series in a source to tidy prices per one coin on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from stormsail.core import Finding, Trouble, format_span
from stormsail.market.once import tidied
from stormsail.market.panel import Panel, align
from stormsail.market.schema import SeriesInfo
from stormsail.market.source import MarketView

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_AGE = timedelta(hours=4)
_PRICES = ("open", "high", "low", "close")


def grid_end(moment: datetime, step: timedelta) -> datetime:
    """The last whole step not after ``moment``, counted from 1970-01-01 00:00 UTC: 00:00 for days.

    >>> grid_end(datetime(2024, 8, 3, 17, 30, tzinfo=UTC), timedelta(days=1)).isoformat()
    '2024-08-03T00:00:00+00:00'
    """
    return _EPOCH + ((moment - _EPOCH) // step) * step


def load_bars(
    view: MarketView, info: SeriesInfo, *, start: datetime | None = None
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Tidied bars of one price series, prices per one coin (divided by the multiplier), volume unchanged.

    Args:
        view: Source and moment.
        info: Which price series.
        start: First moment wanted; all history by default.
    """
    frame, findings = tidied(view, (info,), start=start)[info.key]
    return per_coin(frame, info), findings


def per_coin(frame: pl.DataFrame, info: SeriesInfo) -> pl.DataFrame:
    """Bars of a series with prices per one coin: divided by the multiplier; volume is unchanged."""
    if info.multiplier == 1:
        return frame
    return frame.with_columns(pl.col(name) / info.multiplier for name in _PRICES)


def load_panel(
    view: MarketView, series: Mapping[str, SeriesInfo], *, step: timedelta, length: int
) -> tuple[Panel, tuple[Finding, ...]]:
    """Closes per one coin of several series on one grid, tidied and aligned, with holes left as holes.

    The grid ends at the last whole step for which any of the series has data. The value at a grid moment is the last
    close known then, if it is younger than half a step and than four hours: an older one would make a return of zero
    out of a hole.

    Args:
        view: Source and moment.
        series: Name of the column to its series; the kinds may differ.
        step: Grid step.
        length: Number of grid moments.

    Returns:
        Panel of shape (length, len(series)), columns in the order of ``series``, and what was found in the rows used.
    """
    span = (length + 1) * step
    frames, findings = _tidied(view, series, view.as_of - span, step)
    last = _last(frames)
    if last is None or last < view.as_of - 2 * step:
        # Recording ended earlier than the moment of the decision: the whole grid lies further back.
        frames, findings = _tidied(view, series, None if last is None else last - span, step)
        last = _last(frames)
    end = grid_end(last or view.as_of, step)
    panel = align(frames, end=end, step=step, length=length, tolerance=min(_LONGEST_AGE, step / 2))
    per_unit = np.array([float(info.multiplier) for info in series.values()])
    return Panel(panel.times, panel.names, panel.values / per_unit, step), findings


def _last(frames: Mapping[str, pl.DataFrame]) -> datetime | None:
    return max((frame["known_at"][-1] for frame in frames.values() if not frame.is_empty()), default=None)


def _tidied(
    view: MarketView, series: Mapping[str, SeriesInfo], start: datetime | None, step: timedelta
) -> tuple[dict[str, pl.DataFrame], tuple[Finding, ...]]:
    by_key = tidied(view, sorted(set(series.values())), start=start)
    frames: dict[str, pl.DataFrame] = {}
    findings: list[Finding] = []
    for name, info in series.items():
        frames[name], found = by_key[info.key]
        findings.extend((*_too_coarse(info, step), *found))
    return frames, tuple(dict.fromkeys(findings))


def _too_coarse(info: SeriesInfo, step: timedelta) -> tuple[Finding, ...]:
    if info.bar is None or info.bar <= step:
        return ()
    cause = f"bars of {format_span(info.bar)} on a grid of {format_span(step)}"
    return (Finding(Trouble.DEGRADED, str(info.key), cause, "the moments between stay holes"),)
