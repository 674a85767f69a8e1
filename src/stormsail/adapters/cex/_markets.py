"""Which of a venue's markets are about the wanted coins, and what series they become."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stormsail.adapters.cex._client import Client
from stormsail.adapters.cex._frames import moment
from stormsail.adapters.cex._table import Cex, Shape, coin_of
from stormsail.market.schema import Kind

_QUOTES = {Shape.SPOT: ("USDT", "USDC", "USD"), Shape.LINEAR: ("USDT", "USDC", "USD"), Shape.INVERSE: ("USD",)}
"""Quote currencies in order of preference; the first that a coin has is taken."""


def shapes_of(kinds: Collection[Kind]) -> frozenset[Shape]:
    """Markets that the wanted kinds are read from.

    Coin-margined contracts, their funding and their books come only with :attr:`Kind.INVERSE`, because on some venues
    they are another service.

    >>> sorted(shapes_of({Kind.SPOT, Kind.FUNDING})), sorted(shapes_of({Kind.INVERSE}))
    ([<Shape.LINEAR: 'linear'>, <Shape.SPOT: 'spot'>], [<Shape.INVERSE: 'inverse'>])
    """
    found = {Shape.SPOT} if Kind.SPOT in kinds else set()
    if Kind.INVERSE in kinds:
        found.add(Shape.INVERSE)
    if set(kinds) - {Kind.SPOT, Kind.INVERSE, Kind.INDEX}:
        found.add(Shape.LINEAR)
    return frozenset(found)


def serves(kind: Kind, listing: Listing) -> bool:
    """Whether series of that kind are read from that market."""
    if kind is Kind.SPOT or listing.shape is Shape.SPOT:
        return kind is Kind.SPOT and listing.shape is Shape.SPOT
    if kind in (Kind.PERPETUAL, Kind.INVERSE):
        wanted = Shape.LINEAR if kind is Kind.PERPETUAL else Shape.INVERSE
        return listing.expiry is None and listing.shape is wanted
    if kind in (Kind.DATED, Kind.FUNDING):
        return (listing.expiry is not None) == (kind is Kind.DATED)
    return kind is not Kind.INDEX


@dataclass(frozen=True, slots=True)
class Listing:
    """One market of a venue.

    Attributes:
        client: Who is asked about it.
        unified: ccxt's name.
        symbol: The venue's own symbol; for spot, the coin.
        coin: The coin, without multiplier.
        multiplier: Coins per quoted unit.
        shape: Spot, linear or inverse.
        quote: Currency of its price.
        expiry: Settlement, if it ends.
        market: ccxt's description.
    """

    client: Client
    unified: str
    symbol: str
    coin: str
    multiplier: int
    shape: Shape
    quote: str
    expiry: datetime | None
    market: Mapping[str, Any]


def listings(cex: Cex, client: Client, shapes: Collection[Shape], coins: Collection[str]) -> list[Listing]:
    """Live markets of the wanted shapes and coins, one quote currency per coin and shape, sorted by symbol."""
    found = [
        listing
        for market in client.exchange.markets.values()
        if market["active"] is not False
        for listing in _listing(cex, client, market)
        if listing.shape in shapes and listing.coin in coins
    ]
    best: dict[tuple[str, Shape], int] = {}
    for one in found:
        rank = _QUOTES[one.shape].index(one.quote)
        best[one.coin, one.shape] = min(rank, best.get((one.coin, one.shape), rank))
    chosen = [one for one in found if _QUOTES[one.shape].index(one.quote) == best[one.coin, one.shape]]
    return sorted(chosen, key=lambda one: (one.shape, one.symbol))


def _listing(cex: Cex, client: Client, market: Mapping[str, Any]) -> Iterable[Listing]:
    shape = _shape(market)
    if shape is None or market["quote"] not in _QUOTES[shape]:
        return
    base = str(market.get("baseName") or market["base"])
    coin, multiplier = coin_of(base)
    symbol = coin if shape is Shape.SPOT else base if cex.names_by_base else str(market["id"])
    expiry = moment(market["expiry"]) if market.get("expiry") else None
    yield Listing(client, market["symbol"], symbol, coin, multiplier, shape, market["quote"], expiry, market)


def _shape(market: Mapping[str, Any]) -> Shape | None:
    if market["spot"]:
        return Shape.SPOT
    if not (market["swap"] or market["future"]):
        return None
    return Shape.LINEAR if market["linear"] else Shape.INVERSE if market["inverse"] else None
