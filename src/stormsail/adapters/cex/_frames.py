"""From ccxt's structures to the common schema."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from stormsail.core import VenueError
from stormsail.market.funding import true_intervals
from stormsail.market.schema import BARS, BOOK, CONTRACTS, FUNDING, TIERS

Candle = tuple[float, ...]


def moment(milliseconds: float) -> datetime:
    """A moment from milliseconds since 1970."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def milliseconds(when: datetime) -> int:
    """Milliseconds since 1970."""
    return round(when.timestamp() * 1000)


def bars(candles: Sequence[Candle], bar: timedelta, *, volume: bool, where: str) -> pl.DataFrame:
    """Bars from rows of opening time (ms), open, high, low, close, volume in coins.

    Args:
        candles: Rows in time order.
        bar: Length of a bar; a bar is known at its close.
        volume: Whether the volume is in coins and can be valued; otherwise it is unavailable.
        where: For the error.

    Raises:
        VenueError: If a price is not a positive number, or the close lies outside low and high.
    """
    for row in candles:
        prices = row[1:5]
        if not all(math.isfinite(p) and p > 0 for p in prices) or not row[3] <= row[4] <= row[2]:
            raise VenueError(
                f"a bar that cannot be: {moment(row[0]):%Y-%m-%d %H:%M} {prices}", cure="fetch again later", where=where
            )
    stamps = [moment(row[0]) + bar for row in candles]
    columns = {name: [row[i] for row in candles] for i, name in enumerate(("open", "high", "low", "close"), 1)}
    value = [row[5] * row[4] if volume else None for row in candles]
    return pl.DataFrame({"known_at": stamps, **columns, "quote_volume": value}, schema=BARS)


def funding(rows: Sequence[tuple[int, float]]) -> pl.DataFrame:
    """Settled funding from rows of time (ms) and rate; times are rounded to the second, as venues are a bit late."""
    stamps = [moment(round(row[0] / 1000) * 1000) for row in rows]
    data = {"known_at": stamps, "rate_per_interval": [row[1] for row in rows], "interval_hours": [None] * len(rows)}
    return true_intervals(pl.DataFrame(data, schema=FUNDING))


def book(answer: Mapping[str, Any], known_at: datetime, coins: float | None) -> pl.DataFrame:
    """One snapshot of an order book.

    Args:
        answer: ccxt's order book.
        known_at: When it was read.
        coins: Coins of the quoted kind per unit of quantity; ``None`` where a unit is one unit of quote currency
            (inverse contracts of one dollar), so that quantity is divided by price.
    """
    rows = [
        (known_at, side, level, price, quantity / price if coins is None else quantity * coins)
        for side, entries in (("ask", answer["asks"]), ("bid", answer["bids"]))
        for level, (price, quantity) in enumerate((float(e[0]), float(e[1])) for e in entries)
    ]
    return pl.DataFrame(rows, schema=BOOK, orient="row")


def tiers(answer: Sequence[Mapping[str, Any]], known_at: datetime) -> pl.DataFrame:
    """Margin brackets; the venue's cumulative amount is taken where it is told (``cum`` or ``mmDeduction``).

    Bybit leaves it blank in the bracket that begins at zero, where by its formula nothing is deducted
    (bybit-exchange.github.io, v5/market/risk-limit, 2025).
    """
    rows = [
        (
            known_at,
            int(tier["tier"]),
            _float(tier["minNotional"]),
            _float(tier["maxNotional"]),
            _float(tier["maintenanceMarginRate"]),
            _float(tier["maxLeverage"]),
            _deduction(tier),
        )
        for tier in answer
    ]
    return pl.DataFrame(rows, schema=TIERS, orient="row")


def _deduction(tier: Mapping[str, Any]) -> float | None:
    told = tier["info"].get("cum", tier["info"].get("mmDeduction"))
    return 0.0 if told == "" and _float(tier["minNotional"]) == 0.0 else _float(told)


def contract(
    market: Mapping[str, Any], symbol: str, coin: str, multiplier: int, known_at: datetime, origin: str
) -> pl.DataFrame:
    """Metadata of one contract; ``size`` of a linear one is in coins without multiplier, of an inverse one in quote."""
    unit = _exact(market["contractSize"])
    linear = bool(market["linear"])
    row = {
        "known_at": known_at,
        "symbol": symbol,
        "base": coin,
        "quote": market["quote"],
        "tenor": "perpetual" if market["swap"] else "dated",
        "payoff": "linear" if linear else "inverse",
        "size": None if unit is None else _text(Decimal(unit) * (multiplier if linear else 1)),
        "lot": _exact(market["precision"]["amount"]),
        "tick": _exact(market["precision"]["price"]),
        "min_notional": _least(market),
        "maker_fee": _exact(market["maker"]),
        "taker_fee": _exact(market["taker"]),
        "expiry": moment(market["expiry"]) if market["expiry"] else None,
        "origin": origin,
    }
    return pl.DataFrame([row], schema=CONTRACTS)


def _least(market: Mapping[str, Any]) -> str | None:
    """Smallest order value: ccxt's, or what Bybit states beside its lots, or the smallest inverse order in quote."""
    stated = market["limits"]["cost"]["min"] or (market["info"].get("lotSizeFilter") or {}).get("minNotionalValue")
    least, unit = _exact(market["limits"]["amount"]["min"]), _exact(market["contractSize"])
    if stated is None and market["inverse"] and least is not None and unit is not None:
        return _text(Decimal(least) * Decimal(unit))
    return _exact(stated)


def _exact(value: object) -> str | None:
    """A number as plain decimal digits.

    >>> _exact(1e-07), _exact("0.10"), _exact(1000.0), _exact(None)
    ('0.0000001', '0.1', '1000', None)
    """
    return None if value is None or value == "" else _text(Decimal(str(value)))


def _text(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _float(value: object) -> float | None:
    return None if value is None or value == "" else float(str(value))
