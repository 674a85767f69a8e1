"""A source that reads and tidies each series once: for the length of one computation, and no longer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from stormsail.core import Finding
from stormsail.market.quality import tidy
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey, stamps
from stormsail.market.source import MarketSource, MarketView

DEPTH = timedelta(days=732)
"""A request of more than two days is read this far back: a longer one for the same series is bound to follow."""

Tidied = tuple[pl.DataFrame, tuple[Finding, ...]]

_GLANCE = timedelta(days=2)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


class ReadOnce:
    """A :class:`~stormsail.market.source.MarketSource` that keeps what it has read of another.

    A later request for the same series with the same end and no earlier start is cut from what is kept; what is kept
    for one end never answers for another, so nothing later is seen. Make one for a computation and drop it after: it
    does not notice when the source changes.
    """

    def __init__(self, source: MarketSource) -> None:
        self._source = source
        self._catalogue: tuple[SeriesInfo, ...] | None = None
        self._kept: dict[tuple[SeriesKey, datetime], tuple[datetime | None, pl.DataFrame]] = {}
        self._tidied: dict[tuple[SeriesKey, datetime | None, datetime], Tidied] = {}

    @property
    def name(self) -> str:
        """Name of the source behind it."""
        return self._source.name

    def catalogue(self) -> tuple[SeriesInfo, ...]:
        """The catalogue of the source behind it."""
        if self._catalogue is None:
            self._catalogue = self._source.catalogue()
        return self._catalogue

    def read(
        self, keys: Sequence[SeriesKey], *, start: datetime | None, end: datetime
    ) -> dict[SeriesKey, pl.DataFrame]:
        """Rows of each key, read from the source only where they are not kept."""
        missing = [key for key in keys if not self._holds(key, start, end)]
        if missing:
            first = start if start is None or end - start <= _GLANCE else min(start, end - DEPTH)
            for key, frame in self._source.read(missing, start=first, end=end).items():
                self._kept[key, end] = first, frame
        return {key: self._cut(key, start, end) for key in keys}

    def tidied(self, infos: Sequence[SeriesInfo], *, start: datetime | None, end: datetime) -> dict[SeriesKey, Tidied]:
        """Rows of each series known from ``start`` to ``end``, tidied as of ``end``, and what was found in them."""
        missing = [info for info in infos if (info.key, start, end) not in self._tidied]
        for info, frame in _read(MarketView(self, end), missing, start):
            self._tidied[info.key, start, end] = tidy(frame, info, end)
        return {info.key: self._tidied[info.key, start, end] for info in infos}

    def _holds(self, key: SeriesKey, start: datetime | None, end: datetime) -> bool:
        if (key, end) not in self._kept:
            return False
        first = self._kept[key, end][0]
        return first is None or (start is not None and start >= first)

    def _cut(self, key: SeriesKey, start: datetime | None, end: datetime) -> pl.DataFrame:
        first, frame = self._kept[key, end]
        if start is None or start == first or frame.is_empty():
            return frame
        row = int(np.searchsorted(stamps(frame), (start - _EPOCH) // _US, side="left"))
        return frame.slice(row) if row else frame


def _read(
    view: MarketView, infos: Iterable[SeriesInfo], start: datetime | None
) -> Iterable[tuple[SeriesInfo, pl.DataFrame]]:
    """Every series with its rows, read kind by kind."""
    by_kind: defaultdict[Kind, list[SeriesInfo]] = defaultdict(list)
    for info in infos:
        by_kind[info.key.kind].append(info)
    for same in by_kind.values():
        frames = view.read_many([info.key for info in same], start=start)
        yield from ((info, frames[info.key]) for info in same)


def read_once(view: MarketView) -> MarketView:
    """The same view over a source that reads each series once."""
    return view if isinstance(view.source, ReadOnce) else MarketView(ReadOnce(view.source), view.as_of)


def tidied(view: MarketView, infos: Sequence[SeriesInfo], *, start: datetime | None = None) -> dict[SeriesKey, Tidied]:
    """Tidied rows of each series as known at the moment of ``view``, and what was found in them.

    A view of :func:`read_once` remembers them.

    Args:
        view: Source and moment.
        infos: Which series; the kinds may differ.
        start: First moment wanted; all history by default.
    """
    if isinstance(view.source, ReadOnce):
        return view.source.tidied(infos, start=start, end=view.as_of)
    return {info.key: tidy(frame, info, view.as_of) for info, frame in _read(view, infos, start)}
