"""Which file of a data directory holds which series, and how its columns become the common schema.

In these files ``ts`` is the opening of a bar, so a bar is known at ``ts + bar``; funding is known when it settles.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from stormsail.adapters.sources._names import QUOTES, contract_of, linear_symbol, split_pair
from stormsail.core import split_multiplier
from stormsail.market.schema import TIME, Kind, SeriesKey

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
Ident = tuple[str, ...]


class Named(NamedTuple):
    """What the identifying columns of a row say about its series."""

    key: SeriesKey
    asset: str
    multiplier: int = 1
    quote: str = "USDT"
    expiry: datetime | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How one file is read.

    Attributes:
        file: Name of the file.
        ident: Columns that together identify a series within it.
        needs: All columns it must have.
        name: From the values of ``ident`` to the series, or ``None`` if this layout does not speak of that row.
        rows: Adds ``known_at`` and the columns of the kind to a lazy scan, and keeps ``ident``.
        bar: Length of a bar, if it holds bars.
    """

    file: str
    ident: tuple[str, ...]
    needs: tuple[str, ...]
    name: Callable[[Ident], Named | None]
    rows: Callable[[pl.LazyFrame], pl.LazyFrame]
    bar: timedelta | None = None


def _bars(bar: timedelta, volume: str | None = None) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    """Bars opening at ``ts``; ``volume`` in base units is valued at the close, as no average price is given."""

    def rows(frame: pl.LazyFrame) -> pl.LazyFrame:
        frame = frame.with_columns((pl.col("ts").cast(TIME) + bar).alias("known_at"))
        if volume is None:
            return frame
        return frame.with_columns((pl.col(volume).cast(pl.Float64) * pl.col("close")).alias("quote_volume"))

    return rows


def _funding(rate: str) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    def rows(frame: pl.LazyFrame) -> pl.LazyFrame:
        settled = frame.filter(pl.col(rate).is_not_null())
        return settled.with_columns(
            pl.col("ts").cast(TIME).dt.round("1s").alias("known_at"), pl.col(rate).alias("rate_per_interval")
        )

    return rows


def _tiers(frame: pl.LazyFrame) -> pl.LazyFrame:
    # A snapshot bears only a date, and a date means the end of that day.
    return frame.with_columns(
        (pl.col("snapshot_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + DAY).alias("known_at"),
        pl.col("min_notional").alias("floor"),
        pl.col("max_notional").alias("cap"),
        pl.col("maint_margin_rate").alias("maintenance_rate"),
        pl.col("cum_maint_amount").alias("deduction"),
    )


_COIN_MARGINED_USD = {"BTCUSD_PERP": 100.0, "ETHUSD_PERP": 10.0}


def _books(frame: pl.LazyFrame) -> pl.LazyFrame:
    # Coin-margined books count contracts of a fixed value in USD; the schema counts coins.
    usd = pl.col("symbol").replace_strict(_COIN_MARGINED_USD, default=None, return_dtype=pl.Float64)
    coins = pl.when(pl.col("kind") == "perp_inverse").then(pl.col("qty") * usd / pl.col("price"))
    return frame.with_columns(
        pl.col("ts").cast(TIME).alias("known_at"), coins.otherwise(pl.col("qty")).alias("quantity")
    )


def _spot(suffix: str = "") -> Callable[[Ident], Named | None]:
    def name(ident: Ident) -> Named | None:
        return Named(SeriesKey(Kind.SPOT, "binance", ident[0] + suffix), ident[0])

    return name


def _linear(kind: Kind, suffix: str = "") -> Callable[[Ident], Named | None]:
    """Binance USD-M contracts named by their base, such as ``1000PEPE``."""

    def name(ident: Ident) -> Named | None:
        asset, multiplier = split_multiplier(ident[0])
        return Named(SeriesKey(kind, "binance", f"{ident[0]}USDT{suffix}"), asset, multiplier)

    return name


def _contract_5m(ident: Ident) -> Named | None:
    """Binance USD-M contracts named in full; a dated one carries its day and settles at 08:00 UTC."""
    pair, _, day = ident[0].partition("_")
    base, quote = split_pair(pair)
    asset, multiplier = split_multiplier(base)
    if not day:
        return Named(SeriesKey(Kind.PERPETUAL, "binance", f"{pair}@5m"), asset, multiplier, quote)
    return Named(SeriesKey(Kind.DATED, "binance", ident[0]), asset, multiplier, quote, settlement(day))


def settlement(day: str) -> datetime:
    """Settlement of a Binance dated contract from its six digits: 08:00 UTC of that day.

    >>> settlement("251226").isoformat()
    '2025-12-26T08:00:00+00:00'
    """
    return datetime.strptime(day, "%y%m%d").replace(hour=8, tzinfo=UTC)


def _funding_elsewhere(ident: Ident) -> Named | None:
    venue, contract, asset = ident
    symbol = contract_of(venue, contract, asset)
    return Named(SeriesKey(Kind.FUNDING, venue, symbol), asset, quote="USD" if symbol.endswith("USD") else "USDT")


def _three_venues(want: str) -> Callable[[Ident], Named | None]:
    """``want`` is ``bars`` or ``funding``: the file holds both side by side."""

    def name(ident: Ident) -> Named | None:
        venue, asset, what = ident
        if what == "spot":
            return Named(SeriesKey(Kind.SPOT, venue, f"{asset}@8h"), asset) if want == "bars" else None
        inverse = what == "perp_coinm"
        symbol, quote = linear_symbol(venue, asset, inverse=inverse), "USD" if inverse else "USDT"
        if want == "funding":
            return Named(SeriesKey(Kind.FUNDING, venue, symbol), asset, quote=quote)
        kind = Kind.INVERSE if inverse else Kind.PERPETUAL
        return Named(SeriesKey(kind, venue, f"{symbol}@8h"), asset, quote=quote)

    return name


_TIER = re.compile(r"(?P<base>[A-Z0-9]+?)/(?P<quote>[A-Z]+)(?::[A-Z]+(?:-(?P<day>\d{6}))?)?")


def _tier_symbol(ident: Ident) -> Named | None:
    """``SOL/USDT``, ``SOL/USDT:USDT``, ``BTC/USDT:USDT-250926`` and the venue's own ``BTCUSDT_220325``."""
    match = _TIER.fullmatch(ident[0])
    if match:
        base, quote, day = match["base"], match["quote"], match["day"]
    else:
        pair, _, day = ident[0].partition("_")
        if not pair.endswith(QUOTES):
            return None
        base, quote = split_pair(pair)
    asset, multiplier = split_multiplier(base)
    symbol = f"{base}{quote}" + (f"_{day}" if day else "")
    return Named(SeriesKey(Kind.TIERS, "binance", symbol), asset, multiplier, quote, settlement(day) if day else None)


def _book(ident: Ident) -> Named | None:
    venue, symbol, what = ident
    place = venue.partition("_")[0]
    base, quote = split_pair(symbol.removesuffix("_PERP").replace("-", ""))
    asset, multiplier = split_multiplier(base)
    return Named(SeriesKey(Kind.BOOK, place, asset if what == "spot" else symbol), asset, multiplier, quote)


_OHLC = ("symbol", "ts", "open", "high", "low", "close")
_IN_3 = ("venue", "symbol", "kind")
_THREE = "spot_perp_funding_8h_3venues_2023_2024.parquet"

LAYOUTS: tuple[Layout, ...] = (
    Layout("spot_1h_binance.parquet", ("symbol",), (*_OHLC, "volume"), _spot(), _bars(HOUR, "volume"), HOUR),
    Layout("spot_close_1h_binance.parquet", ("symbol",), ("symbol", "ts", "close"), _spot("@close"), _bars(HOUR), HOUR),
    Layout("spot_1d_binance_2021_2022.parquet", ("symbol",), (*_OHLC, "quote_volume"), _spot("@1d"), _bars(DAY), DAY),
    Layout(
        "perp_1h_binance.parquet",
        ("symbol",),
        (*_OHLC, "volume"),
        _linear(Kind.PERPETUAL),
        _bars(HOUR, "volume"),
        HOUR,
    ),
    Layout(
        "perp_4h_binance.parquet",
        ("symbol",),
        (*_OHLC, "quote_volume"),
        _linear(Kind.PERPETUAL, "@4h"),
        _bars(4 * HOUR),
        4 * HOUR,
    ),
    Layout(
        "mark_1h_binance.parquet",
        ("symbol",),
        ("symbol", "ts", "high", "low", "close"),
        _linear(Kind.MARK),
        _bars(HOUR),
        HOUR,
    ),
    Layout(
        "perp_dated_5m_binance_2025-07.parquet",
        ("symbol",),
        ("symbol", "ts", "close"),
        _contract_5m,
        _bars(timedelta(minutes=5)),
        timedelta(minutes=5),
    ),
    Layout("funding_binance.parquet", ("symbol",), ("symbol", "ts", "rate"), _linear(Kind.FUNDING), _funding("rate")),
    Layout(
        "funding_multi_venue.parquet",
        ("venue", "contract", "symbol"),
        ("venue", "contract", "symbol", "ts", "rate"),
        _funding_elsewhere,
        _funding("rate"),
    ),
    Layout(
        _THREE, _IN_3, ("kind", "venue", *_OHLC, "volume"), _three_venues("bars"), _bars(8 * HOUR, "volume"), 8 * HOUR
    ),
    Layout(_THREE, _IN_3, (*_IN_3, "ts", "funding_rate"), _three_venues("funding"), _funding("funding_rate")),
    Layout(
        "margin_tiers_binance.parquet",
        ("symbol",),
        ("snapshot_date", "symbol", "tier", "min_notional", "max_notional", "maint_margin_rate", "cum_maint_amount"),
        _tier_symbol,
        _tiers,
    ),
    Layout("l2_snapshots.parquet", _IN_3, (*_IN_3, "ts", "side", "level", "price", "qty"), _book, _books),
)
"""Every layout that is understood; where two hold the same row, the earlier prevails."""
