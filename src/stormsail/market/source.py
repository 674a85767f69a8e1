"""The port through which market data enters, and the only door the domain reads it through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import polars as pl

from stormsail.core import LookAheadError
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey


class MarketSource(Protocol):
    """Something that holds market data; adapters implement it."""

    @property
    def name(self) -> str:
        """A name for reports, without secrets."""
        ...

    def catalogue(self) -> tuple[SeriesInfo, ...]:
        """Every series held, sorted by key."""
        ...

    def read(
        self, keys: Sequence[SeriesKey], *, start: datetime | None, end: datetime
    ) -> dict[SeriesKey, pl.DataFrame]:
        """Rows with ``start <= known_at <= end`` of each key (all of one kind), in the schema of the kind.

        A key that is not held, or has no row in the span, maps to an empty frame.
        """
        ...


@dataclass(frozen=True, slots=True)
class MarketView:
    """Market data as it was known at ``as_of``; no later row can be read through it.

    Attributes:
        source: Where the data comes from.
        as_of: The moment of the decision, UTC.
    """

    source: MarketSource
    as_of: datetime

    def catalogue(self, kind: Kind | None = None) -> tuple[SeriesInfo, ...]:
        """Series with at least one row known at ``as_of``; their ``end`` is cut to ``as_of``.

        ``rows`` is the source's own count and may include later rows; no estimate may use it.
        """
        return tuple(
            replace(info, end=min(info.end, self.as_of))
            for info in self.source.catalogue()
            if info.start <= self.as_of and (kind is None or info.key.kind is kind)
        )

    def read_many(self, keys: Sequence[SeriesKey], *, start: datetime | None = None) -> dict[SeriesKey, pl.DataFrame]:
        """Rows of several series of one kind known at ``as_of``."""
        frames = self.source.read(keys, start=start, end=self.as_of)
        return {key: self._known(frame) for key, frame in frames.items()}

    def _known(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows known at ``as_of``, whatever the source gave; usually it gave no others."""
        latest = frame["known_at"].max()
        if latest is None or latest <= self.as_of:  # type: ignore[operator]  # max of a time column is a datetime
            return frame
        return frame.filter(pl.col("known_at") <= self.as_of)

    def read(self, key: SeriesKey, *, start: datetime | None = None) -> pl.DataFrame:
        """Rows of one series known at ``as_of``."""
        return self.read_many([key], start=start)[key]

    def earlier(self, as_of: datetime) -> MarketView:
        """The same source seen from an earlier moment.

        Raises:
            LookAheadError: If ``as_of`` is later than this view's.
        """
        if as_of > self.as_of:
            raise LookAheadError(
                f"a view of {self.as_of:%Y-%m-%d %H:%M} was asked for {as_of:%Y-%m-%d %H:%M}",
                cure="open a new view on the source for the later moment",
            )
        return MarketView(self.source, as_of)
