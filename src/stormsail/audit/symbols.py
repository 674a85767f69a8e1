"""Whether the market data knows what the portfolio holds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from stormsail.core import STABLECOINS, Portfolio, UnknownSymbolError, nearest, split_multiplier


class Symbols(Protocol):
    """What is asked of a lookup: every symbol the data has ever known."""

    def all_symbols(self) -> Collection[str]:
        """Coins with any series, alive or not."""
        ...


def check_symbols(portfolio: Portfolio, lookup: Symbols) -> None:
    """Refuse a portfolio with symbols that the data has never known; stablecoins are cash and always known.

    Raises:
        UnknownSymbolError: Naming every unknown symbol, each with the nearest known ones.
    """
    known = frozenset(lookup.all_symbols())
    unknown = [asset for asset in portfolio.assets if asset not in known and asset not in STABLECOINS]
    if not unknown:
        return
    hints = [f"{asset} ({_hint(asset, known)})" for asset in unknown]
    plural = "s" if len(unknown) > 1 else ""
    raise UnknownSymbolError(
        f"{len(unknown)} unknown symbol{plural}: {', '.join(hints)}",
        cure="correct the symbols, or fetch data that holds them",
        where=portfolio.name,
    )


def _hint(asset: str, known: frozenset[str]) -> str:
    base, multiplier = split_multiplier(asset)
    if multiplier > 1 and base in known:
        return f"a contract of {multiplier} {base}: write {base} and multiply the quantity by {multiplier}"
    close = nearest(asset, known)
    return f"did you mean {' or '.join(close)}?" if close else "nothing like it is known"
