"""Stablecoins are valued at par; this looks whether the market still does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import numpy as np

from stormsail.core import Finding, Trouble, Unavailable
from stormsail.market.lookup import Lookup
from stormsail.market.schema import Kind, SeriesInfo
from stormsail.market.source import MarketView

TOLERATED = 0.01
"""Distance from par beyond which the value at par is called into question: 1 %."""

_WINDOW = timedelta(days=7)
_DOLLARS = frozenset({"USD", "USDT"})
_AT_PAR = "taken as cash at par, not as exposure"


def peg_findings(view: MarketView, lookup: Lookup, coins: Iterable[str]) -> list[Finding]:
    """What the market says of each stablecoin that is held.

    A coin with a fresh spot series against the dollar or USDT is compared with par: a distance of more than 1 % is
    ``degraded``, with the figure; its value stays at par, because prices in the data are quoted in stablecoins too. A
    coin without such a series, and USDT, which the others are measured in, is noted as taken at par unseen.

    Args:
        view: Market data and the moment.
        lookup: Its index.
        coins: Stablecoins that are held.
    """
    return [_finding(coin, _price(view, lookup, coin)) for coin in sorted(coins)]


def _price(view: MarketView, lookup: Lookup, coin: str) -> tuple[float, str] | Unavailable:
    """The last price in dollars or USDT, and where and when it was known."""
    info = _series(lookup, coin)
    if info is None:
        return Unavailable("no fresh price to check its peg by")
    frame = view.read(info.key, start=view.as_of - _WINDOW)
    closes = frame["close"].to_numpy()
    known = np.flatnonzero(np.isfinite(closes) & (closes > 0))
    if not len(known):
        return Unavailable("no fresh price to check its peg by")
    last = int(known[-1])
    at = f"{info.quote} at {info.key.venue}, {frame['known_at'][last]:%Y-%m-%d %H:%M}"
    return float(closes[last]) / info.multiplier, at


def _series(lookup: Lookup, coin: str) -> SeriesInfo | None:
    found = (
        info
        for info in lookup.fresh
        if info.key.kind is Kind.SPOT and info.asset == coin and info.quote in _DOLLARS - {coin}
    )
    return max(found, key=lambda info: (info.end, info.key), default=None)


def _finding(coin: str, price: tuple[float, str] | Unavailable) -> Finding:
    if isinstance(price, Unavailable):
        return Finding(Trouble.NOTE, coin, f"a stablecoin; {price.reason}", _AT_PAR)
    value, at = price
    if abs(value - 1) <= TOLERATED:
        return Finding(Trouble.NOTE, coin, f"a stablecoin; it stood at {value:.4f} {at}", _AT_PAR)
    way = "below" if value < 1 else "above"
    return Finding(
        Trouble.DEGRADED,
        coin,
        f"{abs(value - 1):.1%} {way} par: it stood at {value:.4f} {at}",
        f"it is still valued at 1; at that price it is worth {value:.1%} of what is shown",
    )
