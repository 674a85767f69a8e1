"""The one schema of market data: which kinds of series exist and what columns each has.

Every row is stamped ``known_at``: the moment its content could first be known. For a bar that is its close, for a
funding settlement the settlement, for a margin tier the day it came into force.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import SchemaError

TIME = pl.Datetime("us", "UTC")


class Kind(StrEnum):
    """Kinds of series, which are also the folders of a store."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    INVERSE = "inverse"
    DATED = "dated"
    MARK = "mark"
    INDEX = "index"
    FUNDING = "funding"
    BOOK = "book"
    TIERS = "tiers"
    CONTRACTS = "contracts"


PRICE_KINDS = frozenset({Kind.SPOT, Kind.PERPETUAL, Kind.INVERSE, Kind.DATED, Kind.MARK, Kind.INDEX})
"""Kinds that hold price bars."""

BARS: dict[str, pl.DataType] = {
    "known_at": TIME,
    "open": pl.Float64(),
    "high": pl.Float64(),
    "low": pl.Float64(),
    "close": pl.Float64(),
    "quote_volume": pl.Float64(),
}
"""Bars: prices per coin or contract as the venue quotes them; volume in quote currency; null is *unavailable*."""

FUNDING: dict[str, pl.DataType] = {"known_at": TIME, "rate_per_interval": pl.Float64(), "interval_hours": pl.Float64()}
"""Settled funding: rate for the interval that ended at ``known_at`` (positive: longs pay shorts), and its length."""

BOOK: dict[str, pl.DataType] = {
    "known_at": TIME,
    "side": pl.String(),
    "level": pl.Int32(),
    "price": pl.Float64(),
    "quantity": pl.Float64(),
}
"""Order book snapshots: ``bid`` or ``ask``, level 0 is best, quantity in base coins."""

TIERS: dict[str, pl.DataType] = {
    "known_at": TIME,
    "tier": pl.Int32(),
    "floor": pl.Float64(),
    "cap": pl.Float64(),
    "maintenance_rate": pl.Float64(),
    "max_leverage": pl.Float64(),
    "deduction": pl.Float64(),
}
"""Maintenance-margin brackets by notional; ``deduction`` is the venue's cumulative amount."""

CONTRACTS: dict[str, pl.DataType] = {
    "known_at": TIME,
    "symbol": pl.String(),
    "base": pl.String(),
    "quote": pl.String(),
    "tenor": pl.String(),
    "payoff": pl.String(),
    "size": pl.String(),
    "lot": pl.String(),
    "tick": pl.String(),
    "min_notional": pl.String(),
    "maker_fee": pl.String(),
    "taker_fee": pl.String(),
    "expiry": TIME,
    "origin": pl.String(),
}
"""Contract metadata; exact numbers are strings and become ``Decimal``."""

_COLUMNS: dict[Kind, dict[str, pl.DataType]] = {
    **dict.fromkeys(PRICE_KINDS, BARS),
    Kind.FUNDING: FUNDING,
    Kind.BOOK: BOOK,
    Kind.TIERS: TIERS,
    Kind.CONTRACTS: CONTRACTS,
}


def columns(kind: Kind) -> dict[str, pl.DataType]:
    """Column names and types of a kind, in order."""
    return _COLUMNS[kind]


def empty(kind: Kind) -> pl.DataFrame:
    """A frame of that kind without rows."""
    return pl.DataFrame(schema=columns(kind))


def stamps(frame: pl.DataFrame) -> NDArray[np.int64]:
    """``known_at`` of every row in microseconds since 1970, without a copy where the frame is in one piece."""
    return frame["known_at"].to_numpy().view(np.int64)


def conform(frame: pl.DataFrame, kind: Kind, *, where: str) -> pl.DataFrame:
    """Cast ``frame`` to the schema of ``kind`` and sort it by time; missing optional columns become null.

    Raises:
        SchemaError: If the time column or every value column is missing, or a type cannot be cast.
    """
    wanted = columns(kind)
    if frame.schema == wanted and not frame["known_at"].null_count() and frame["known_at"].is_sorted():
        return frame
    if "known_at" not in frame.columns or not (set(wanted) - {"known_at"}) & set(frame.columns):
        raise SchemaError(
            f"columns {frame.columns} do not hold {kind.value} data",
            cure=f"give at least known_at and one of {sorted(set(wanted) - {'known_at'})}",
            where=where,
        )
    try:
        cast = frame.select(
            pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in wanted.items()
        )
    except pl.exceptions.PolarsError as error:
        raise SchemaError(
            f"a column has the wrong type: {error}", cure=f"use the types {wanted}", where=where
        ) from error
    return cast.sort("known_at", maintain_order=True)


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """Names one series: its kind, the venue, and the venue's own symbol (spot: the coin).

    Where a source holds several series of one thing, the symbol carries a suffix after ``@`` that tells them apart.

    >>> str(SeriesKey(Kind.PERPETUAL, "binance", "BTCUSDT"))
    'perpetual/binance/BTCUSDT'
    >>> SeriesKey(Kind.PERPETUAL, "binance", "BTCUSDT@4h").contract
    'BTCUSDT'
    """

    kind: Kind
    venue: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.kind.value}/{self.venue}/{self.symbol}"

    @property
    def contract(self) -> str:
        """The venue's symbol without the suffix that tells several series of it apart."""
        return self.symbol.partition("@")[0]


@dataclass(frozen=True, slots=True, order=True)
class SeriesInfo:
    """What a source holds of one series.

    Attributes:
        key: Which series.
        asset: The coin it is about, without multiplier.
        multiplier: Coins per quoted unit (1000 for 1000PEPE).
        start: First ``known_at``.
        end: Last ``known_at``.
        rows: Number of rows.
        bar: Length of a bar; ``None`` for kinds without bars.
        origin: Where the data came from.
        quote: Currency of the price.
        expiry: Settlement of a dated contract.
    """

    key: SeriesKey
    asset: str
    multiplier: int
    start: datetime
    end: datetime
    rows: int
    bar: timedelta | None
    origin: str
    quote: str = "USDT"
    expiry: datetime | None = None
