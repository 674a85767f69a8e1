"""What the adapter knows of each venue beyond the unified interface of ccxt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stormsail.core import ConfigError, nearest, split_multiplier


class Shape(StrEnum):
    """The three kinds of market a client can serve."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"


class Paging(StrEnum):
    """In which direction a venue's funding history is read.

    ``forward``: rows from ``since`` on, oldest first. ``backward``: the newest rows up to ``until``.
    """

    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True, slots=True)
class Door:
    """One ccxt client of a venue.

    Attributes:
        exchange: Its id in ccxt.
        shapes: What it serves.
        options: ccxt options, so that only the needed markets are loaded.
    """

    exchange: str
    shapes: frozenset[Shape]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cex:
    """How a venue is read.

    Attributes:
        venue: Key of the venue in this project.
        doors: Its ccxt clients.
        bars: Bars to ask for at once; never more than the venue gives, so that no page can have a hole.
        funding: Settlements to ask for at once.
        paging: Direction of the funding history.
        public_tiers: Whether margin tiers can be read without a key.
        coin_volume: Whether ccxt's bar volume is known to be in coins; where it is not, volume is unavailable.
        names_by_base: Whether a contract is named by its base because the venue's id is only a number.
    """

    venue: str
    doors: tuple[Door, ...]
    bars: int = 200
    funding: int = 100
    paging: Paging = Paging.FORWARD
    public_tiers: bool = False
    coin_volume: bool = False
    names_by_base: bool = False


_ALL = frozenset(Shape)
_FUTURES = frozenset({Shape.LINEAR, Shape.INVERSE})
_LINEAR = frozenset({Shape.LINEAR})


def _one(exchange: str, shapes: frozenset[Shape]) -> tuple[Door, ...]:
    return (Door(exchange, shapes),)


_BINANCE = (
    Door("binance", frozenset({Shape.SPOT}), {"fetchMarkets": {"types": ["spot"]}}),
    Door("binanceusdm", _LINEAR, {"fetchMarkets": {"types": ["linear"]}}),
    Door("binancecoinm", frozenset({Shape.INVERSE}), {"fetchMarkets": {"types": ["inverse"]}}),
)
_BYBIT = tuple(Door("bybit", frozenset({shape}), {"fetchMarkets": {"types": [shape.value]}}) for shape in Shape)

# Binance: klines and funding 1000 rows in any weight class (developers.binance.com, USD-M market data, 2025); tiers
# (leverageBracket) need a key. Bybit v5: kline 1000 and funding 200 rows, both newest first (bybit-exchange.github.io,
# 2025); risk limits are public. Limits of the others are the smallest that their documentation or ccxt states.
VENUES: dict[str, Cex] = {
    cex.venue: cex
    for cex in (
        Cex("binance", _BINANCE, bars=1000, funding=1000, coin_volume=True),
        Cex("bybit", _BYBIT, 1000, 200, Paging.BACKWARD, public_tiers=True, coin_volume=True),
        Cex("bingx", _one("bingx", _FUTURES | {Shape.SPOT}), bars=500),
        Cex("weex", _one("weex", _FUTURES | {Shape.SPOT}), bars=100),
        Cex("mexc", _one("mexc", _ALL), bars=500),
        Cex("okx", _one("okx", _ALL), bars=100, public_tiers=True, coin_volume=True),
        Cex("deribit", _one("deribit", _FUTURES), bars=500),
        Cex("hyperliquid", _one("hyperliquid", _LINEAR), bars=500, funding=500, coin_volume=True, names_by_base=True),
        Cex("dydx", _one("dydx", _LINEAR), 100, 100, Paging.BACKWARD, coin_volume=True),
    )
}
"""Venues that can be read, by key. Binance and Bybit are tested against a server of their protocol."""


def venue_of(name: str) -> Cex:
    """The venue of that key.

    Raises:
        ConfigError: If it cannot be read; the nearest names are given.
    """
    found = VENUES.get(name.lower())
    if found is None:
        like = ", ".join(nearest(name, (key.upper() for key in VENUES))).lower()
        raise ConfigError(
            f"{name!r} is not a venue that can be read", cure=f"choose from {like or ', '.join(VENUES)}", where="venue"
        )
    return found


def coin_of(base: str) -> tuple[str, int]:
    """The coin and the multiplier of a market's base; Hyperliquid writes ``k`` for a thousand.

    >>> coin_of("1000PEPE"), coin_of("kPEPE"), coin_of("KAVA")
    (('PEPE', 1000), ('PEPE', 1000), ('KAVA', 1))
    """
    if base.startswith("k") and base[1:].isupper():
        return base[1:], 1000
    return split_multiplier(base.upper())
