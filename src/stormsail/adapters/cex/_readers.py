"""How each kind of series is read from one market: a frame, or in words why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import polars as pl

from stormsail.adapters.cex import _frames, _pages
from stormsail.adapters.cex._markets import Listing
from stormsail.adapters.cex._table import Cex, Paging, Shape
from stormsail.market.schema import Kind

HOUR = timedelta(hours=1)
_HOUR_MS = 3_600_000
_BEFORE = timedelta(hours=24)
"""How much earlier funding is read, so that the first interval wanted is the distance to a settlement before it."""
_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Span:
    """First and last ``known_at`` wanted, and the moment of asking."""

    start: datetime
    end: datetime
    now: datetime


Reader: TypeAlias = Callable[[Cex, Listing, Span], pl.DataFrame | str]


def _bars(mark: bool) -> Reader:
    def read(cex: Cex, one: Listing, span: Span) -> pl.DataFrame | str:
        exchange = one.client.exchange
        if mark and not one.client.offers("fetchMarkOHLCV"):
            return "the venue's mark price has no public history"
        extra = {"price": "mark"} if mark else {}
        step = _HOUR_MS
        first = -(-_frames.milliseconds(span.start - HOUR) // step) * step
        last = _frames.milliseconds(span.end) // step * step

        def page(since: int, until: int, limit: int) -> list[_frames.Candle]:
            def ask() -> list[_frames.Candle]:
                rows = exchange.fetch_ohlcv(one.unified, "1h", since, limit, {**extra, "until": until})
                return [(int(row[0]), *(float(x) for x in row[1:5]), float(row[5] or 0.0)) for row in rows]

            return one.client.call(f"bars of {one.symbol}", ask)

        candles = _pages.windows(page, lambda row: int(row[0]), first, last, step, cex.bars)
        candles = _pages.once(((int(row[0]), row) for row in candles), f"bars of {cex.venue}:{one.symbol}")
        if not candles:
            return "no bars in the span"
        where = f"{cex.venue}:{one.symbol}"
        return _frames.bars(candles, HOUR, volume=cex.coin_volume and not mark, where=where)

    return read


def _funding(cex: Cex, one: Listing, span: Span) -> pl.DataFrame | str:
    exchange = one.client.exchange
    if not one.client.offers("fetchFundingRateHistory"):
        return "the venue's funding has no public history"

    def ask(since: int | None, limit: int, extra: dict[str, Any]) -> list[tuple[int, float]]:
        def request() -> list[tuple[int, float]]:
            rows = exchange.fetch_funding_rate_history(one.unified, since, limit, extra)
            return [(int(row["timestamp"]), float(row["fundingRate"])) for row in rows]

        return one.client.call(f"funding of {one.symbol}", request)

    first = _frames.milliseconds(span.start - _BEFORE)
    last = _frames.milliseconds(span.end) + 1
    if cex.paging is Paging.FORWARD:
        rows = _pages.forward(lambda since, n: ask(since, n, {}), _first, first, last, cex.funding)
    else:
        rows = _pages.backward(lambda until, n: ask(None, n, {"until": until}), _first, first, last, cex.funding)
    settled = _pages.once(((row[0], row) for row in rows), f"funding of {cex.venue}:{one.symbol}")
    frame = _frames.funding(settled).filter(pl.col("known_at") >= span.start)
    return "no settlement in the span" if frame.is_empty() else frame


def _first(row: tuple[int, float]) -> int:
    return row[0]


def _book(cex: Cex, one: Listing, span: Span) -> pl.DataFrame | str:
    answer = one.client.call(
        f"book of {one.symbol}", lambda: _levels(one.client.exchange.fetch_order_book(one.unified, _DEPTH))
    )
    if not answer["asks"] or not answer["bids"]:
        return "a side of the order book is empty"
    size = float(one.market["contractSize"] or 1.0)
    if one.shape is Shape.INVERSE:
        answer = {side: [(price, n * size) for price, n in entries] for side, entries in answer.items()}
        return _frames.book(answer, span.now, None)
    return _frames.book(answer, span.now, size)


def _levels(answer: Any) -> dict[str, list[tuple[float, float]]]:
    return {side: [(float(entry[0]), float(entry[1])) for entry in answer[side]] for side in ("asks", "bids")}


def _tiers(cex: Cex, one: Listing, span: Span) -> pl.DataFrame | str:
    if not cex.public_tiers:
        return "the venue shows margin tiers only to holders of a key"
    exchange = one.client.exchange
    return one.client.call(
        f"tiers of {one.symbol}",
        lambda: _frames.tiers(exchange.fetch_market_leverage_tiers(one.unified), span.now),
    )


def _contract(cex: Cex, one: Listing, span: Span) -> pl.DataFrame | str:
    origin = f"{cex.venue} public interface, read through ccxt {one.client.version}; fees by its table"
    return _frames.contract(one.market, one.symbol, one.coin, one.multiplier, span.now, origin)


READERS: dict[Kind, Reader] = {
    **dict.fromkeys((Kind.SPOT, Kind.PERPETUAL, Kind.INVERSE, Kind.DATED), _bars(mark=False)),
    Kind.MARK: _bars(mark=True),
    Kind.FUNDING: _funding,
    Kind.BOOK: _book,
    Kind.TIERS: _tiers,
    Kind.CONTRACTS: _contract,
}
