"""A source that reads each series once: for the length of one computation, and no longer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from stormsail.market.schema import SeriesInfo, SeriesKey
from stormsail.market.source import MarketSource, MarketView


class ReadOnce:
    """A :class:`~stormsail.market.source.MarketSource` that keeps what it has read of another.

    A later request for the same series with the same end and no earlier start is cut from what is kept. Make one for a
    computation and drop it after: it does not notice when the source changes.
    """

    def __init__(self, source: MarketSource) -> None:
        self._source = source
        self._catalogue: tuple[SeriesInfo, ...] | None = None
        self._kept: dict[tuple[SeriesKey, datetime], tuple[datetime | None, pl.DataFrame]] = {}

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
            for key, frame in self._source.read(missing, start=start, end=end).items():
                self._kept[key, end] = start, frame
        return {key: self._cut(key, start, end) for key in keys}

    def _holds(self, key: SeriesKey, start: datetime | None, end: datetime) -> bool:
        if (key, end) not in self._kept:
            return False
        first = self._kept[key, end][0]
        return first is None or (start is not None and start >= first)

    def _cut(self, key: SeriesKey, start: datetime | None, end: datetime) -> pl.DataFrame:
        first, frame = self._kept[key, end]
        if start is None or start == first or frame.is_empty():
            return frame
        return frame.slice(int(frame["known_at"].search_sorted(start, side="left")))


def read_once(view: MarketView) -> MarketView:
    """The same view over a source that reads each series once."""
    return view if isinstance(view.source, ReadOnce) else MarketView(ReadOnce(view.source), view.as_of)
