"""Helpers for tests: an in-memory market source and short ways to make series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from stormsail.core import split_multiplier
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey, conform, empty
from stormsail.market.source import MarketView

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class MemorySource:
    """A market source made of frames in memory: ``MemorySource({info: frame, ...})``."""

    def __init__(self, series: Mapping[SeriesInfo, pl.DataFrame], name: str = "memory") -> None:
        self.name = name
        self.infos = dict(sorted((info.key, info) for info in series))
        self.frames = {info.key: conform(frame, info.key.kind, where=str(info.key)) for info, frame in series.items()}
        if len(self.infos) != len(series):
            raise ValueError("two series have the same key")

    def catalogue(self) -> tuple[SeriesInfo, ...]:
        return tuple(self.infos.values())

    def read(
        self, keys: Sequence[SeriesKey], *, start: datetime | None, end: datetime
    ) -> dict[SeriesKey, pl.DataFrame]:
        return {key: self._rows(key, start, end) for key in keys}

    def _rows(self, key: SeriesKey, start: datetime | None, end: datetime) -> pl.DataFrame:
        frame = self.frames.get(key)
        if frame is None:
            return empty(key.kind)
        inside = pl.col("known_at") <= end
        return frame.filter(inside if start is None else inside & (pl.col("known_at") >= start))

    def view(self, as_of: datetime | None = None) -> MarketView:
        """A view at ``as_of``, by default when the last row of all was known."""
        return MarketView(self, as_of or max(info.end for info in self.infos.values()))

    def scrambled_after(self, as_of: datetime, seed: int = 1) -> MemorySource:
        """The same source with nonsense in every number that was known only after ``as_of``."""
        rng = np.random.Generator(np.random.Philox(key=seed))
        return MemorySource({i: _scramble(self.frames[i.key], as_of, rng) for i in self.infos.values()}, self.name)


def _scramble(frame: pl.DataFrame, as_of: datetime, rng: np.random.Generator) -> pl.DataFrame:
    later = pl.col("known_at") > as_of
    floats = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    noise = {name: pl.Series(name, rng.lognormal(0.0, 3.0, frame.height)) for name in floats}
    return frame.with_columns(pl.when(later).then(noise[name]).otherwise(pl.col(name)).alias(name) for name in floats)


def info_of(
    frame: pl.DataFrame,
    kind: Kind,
    symbol: str,
    *,
    venue: str = "binance",
    asset: str | None = None,
    bar: timedelta | None = None,
    quote: str = "USDT",
    expiry: datetime | None = None,
) -> SeriesInfo:
    """The description of a frame; ``asset`` and multiplier follow from the symbol unless given."""
    base, multiplier = split_multiplier(symbol.removesuffix("USDT"))
    stamps = frame["known_at"]
    start, end = stamps.min(), stamps.max()
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    key = SeriesKey(kind, venue, symbol)
    return SeriesInfo(key, asset or base, multiplier, start, end, frame.height, bar, "test", quote, expiry)


def bars(
    close: ArrayLike,
    *,
    start: datetime = START,
    bar: timedelta = HOUR,
    spread: float = 0.0,
    volume: float = 1e6,
) -> pl.DataFrame:
    """Bars with the given closes, the first opening at ``start``; each opens at the close before it.

    High and low lie ``spread`` (a fraction) beyond open and close.
    """
    closes = np.asarray(close, dtype=np.float64)
    opens = np.concatenate([closes[:1], closes[:-1]])
    stamps = [start + bar * (i + 1) for i in range(len(closes))]
    return conform(
        pl.DataFrame(
            {
                "known_at": pl.Series(stamps, dtype=pl.Datetime("us", "UTC")),
                "open": opens,
                "high": np.fmax(opens, closes) * (1 + spread),
                "low": np.fmin(opens, closes) * (1 - spread),
                "close": closes,
                "quote_volume": np.full(len(closes), volume),
            }
        ),
        Kind.SPOT,
        where="test",
    )


def funding(rates: ArrayLike, *, start: datetime = START, hours: float = 8.0) -> pl.DataFrame:
    """Settled funding every ``hours``, the first at ``start``."""
    values = np.asarray(rates, dtype=np.float64)
    stamps = [start + timedelta(hours=hours) * i for i in range(len(values))]
    return conform(
        pl.DataFrame(
            {
                "known_at": pl.Series(stamps, dtype=pl.Datetime("us", "UTC")),
                "rate_per_interval": values,
                "interval_hours": np.full(len(values), hours),
            }
        ),
        Kind.FUNDING,
        where="test",
    )


def random_walk(n: int, *, seed: int, volatility: float = 0.01, first: float = 100.0) -> NDArray[np.float64]:
    """A price path of ``n`` values with independent normal log returns."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    steps = np.concatenate([[0.0], rng.normal(0.0, volatility, n - 1)])
    return np.asarray(first * np.exp(np.cumsum(steps)))
