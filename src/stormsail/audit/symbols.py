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


def check_symbols(portfolio: Portfolio, lookup: Symbols, held: Iterable[SeriesInfo] = ()) -> dict[str, datetime]:
    """Refuse a portfolio with symbols that the data does not know; stablecoins are cash and always known.

    A coin that begins only after the moment of the decision is no misspelling: it is told apart, with the moment of
    its first price, so that the rest can be judged without it. Where nothing else is held there is no rest.

    Args:
        portfolio: What is held.
        lookup: What was known at the moment of the decision.
        held: All series of the source, also those that begin later: read to tell what begins later, and for nothing
            else.

    Returns:
        The first moment of each coin that begins later, sorted by coin.

    Raises:
        UnknownSymbolError: Naming every unknown symbol with the nearest known ones; or, where no coin is left, every
            coin with the day on which it begins.
    """
    known = frozenset(lookup.all_symbols())
    missing = [asset for asset in portfolio.assets if asset not in known and asset not in STABLECOINS]
    begins = _begins(held, frozenset(missing))
    unknown = [asset for asset in missing if asset not in begins]
    if not unknown and len(begins) < len(portfolio.assets):
        return begins
    hints = [f"{asset} ({_hint(asset, known)})" for asset in unknown] or [
        f"{asset} (it begins on {start:%Y-%m-%d} in this data)" for asset, start in begins.items()
    ]
    cure = "correct the symbols, or fetch data that holds them"
    raise UnknownSymbolError(
        f"{len(hints)} unknown symbol{'s' if len(hints) > 1 else ''}: {', '.join(hints)}",
        cure=cure if unknown else f"decide on a day when they are known, or leave them out; {cure}",
        where=portfolio.name,
    )


def _begins(held: Iterable[SeriesInfo], coins: frozenset[str]) -> dict[str, datetime]:
    """The moment of the first price of each of these coins in the source, sorted by coin."""
    first: dict[str, datetime] = {}
    for info in held:
        if info.asset in coins and info.key.kind in PRICE_KINDS:
            first[info.asset] = min(first.get(info.asset, info.start), info.start)
    return dict(sorted(first.items()))


def _hint(asset: str, known: frozenset[str]) -> str:
    base, multiplier = split_multiplier(asset)
    if multiplier > 1 and base in known:
        return f"a contract of {multiplier} {base}: write {base} and multiply the quantity by {multiplier}"
    close = nearest(asset, known)
    return f"did you mean {' or '.join(close)}?" if close else "nothing like it is known"
