"""Whether the market data knows what the portfolio holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol

from stormsail.core import STABLECOINS, Portfolio, UnknownSymbolError, nearest, split_multiplier
from stormsail.market.schema import PRICE_KINDS, SeriesInfo


class Symbols(Protocol):
    """What is asked of a lookup: every symbol the data has ever known."""

    def all_symbols(self) -> Collection[str]:
        """Coins with any series, alive or not."""
        ...


def check_symbols(portfolio: Portfolio, lookup: Symbols, held: Iterable[SeriesInfo] = ()) -> None:
    """Refuse a portfolio with symbols that the data has never known; stablecoins are cash and always known.

    Args:
        portfolio: What is held.
        lookup: What was known at the moment of the decision.
        held: All series of the source, also those that begin later: read for the error's words, and for nothing else.

    Raises:
        UnknownSymbolError: Naming every unknown symbol, each with the day it begins or the nearest known ones.
    """
    known = frozenset(lookup.all_symbols())
    unknown = [asset for asset in portfolio.assets if asset not in known and asset not in STABLECOINS]
    if not unknown:
        return
    begins = _begins(held)
    hints = [f"{asset} ({begins.get(asset) or _hint(asset, known)})" for asset in unknown]
    plural = "s" if len(unknown) > 1 else ""
    later = "decide on a day when they are known, or leave them out; " if begins.keys() & set(unknown) else ""
    raise UnknownSymbolError(
        f"{len(unknown)} unknown symbol{plural}: {', '.join(hints)}",
        cure=f"{later}correct the symbols, or fetch data that holds them",
        where=portfolio.name,
    )


def _begins(held: Iterable[SeriesInfo]) -> dict[str, str]:
    """For each coin, in words, the day of its first price in the source."""
    first: dict[str, datetime] = {}
    for info in held:
        if info.key.kind in PRICE_KINDS:
            first[info.asset] = min(first.get(info.asset, info.start), info.start)
    return {asset: f"it begins on {start:%Y-%m-%d} in this data" for asset, start in first.items()}


def _hint(asset: str, known: frozenset[str]) -> str:
    base, multiplier = split_multiplier(asset)
    if multiplier > 1 and base in known:
        return f"a contract of {multiplier} {base}: write {base} and multiply the quantity by {multiplier}"
    close = nearest(asset, known)
    return f"did you mean {' or '.join(close)}?" if close else "nothing like it is known"
