"""Asset symbols, the multiplier some contracts carry in their name, and the nearest known symbol to a wrong one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_MULTIPLIER = re.compile(r"(?P<count>1(?:0{3,7})|1M)(?P<base>[A-Z][A-Z0-9]*)")
DOZEN = 12
STABLECOINS = frozenset({"USDT", "USDC", "BUSD", "TUSD", "FDUSD", "USDP", "DAI", "USD"})
"""Symbols valued as cash; they are collateral, not exposure."""

MAJORS = ("BTC", "ETH")
"""The two coins that everything else is measured against."""

_MONEY = {
    "AUD", "BRL", "EUR", "GBP", "TRY", "AEUR", "PAXG", "XAUT", "XAU", "XAG", "UST", "USTC", "SUSD", "USDD", "USDE",
    "USDS", "USD1", "GUSD", "LUSD", "FRAX", "PYUSD", "RLUSD",
}  # fmt: skip
_WRAPPED = {
    "WBTC", "BTCB", "CBBTC", "TBTC", "WETH", "BETH", "WBETH", "STETH", "WSTETH", "RETH", "CBETH", "BNSOL",
    "JITOSOL", "MSOL",
}  # fmt: skip
_INDICES = {"BTCDOM", "DEFI", "ALL", "FOOTBALL", "BLUEBIRD"}
PEGGED = frozenset(_MONEY | _WRAPPED | _INDICES)
"""Symbols whose price follows money, metal, another coin or an index of coins; they are no alts."""


def is_alt(symbol: str) -> bool:
    """Whether a coin's price is its own: neither cash, nor BTC or ETH, nor tied to something else.

    >>> [is_alt(symbol) for symbol in ("SOL", "BTC", "USDC", "WBTC", "PAXG")]
    [True, False, False, False, False]
    """
    return symbol not in MAJORS and symbol not in STABLECOINS and symbol not in PEGGED


def split_multiplier(symbol: str) -> tuple[str, int]:
    """Split a contract's base into the coin and how many of it one unit stands for.

    ``1000PEPE`` is a thousand PEPE and ``1MBABYDOGE`` a million BABYDOGE; ``1INCH`` is a coin of its own.

    >>> split_multiplier("1000PEPE"), split_multiplier("1INCH"), split_multiplier("1MBABYDOGE")
    (('PEPE', 1000), ('1INCH', 1), ('BABYDOGE', 1000000))
    """
    match = _MULTIPLIER.fullmatch(symbol)
    if not match:
        return symbol, 1
    return match["base"], 1_000_000 if match["count"] == "1M" else int(match["count"])


def nearest(symbol: str, known: Iterable[str], *, limit: int = 3) -> tuple[str, ...]:
    """Known symbols most like ``symbol``, best first.

    >>> nearest("ETHH", ["BTC", "ETH", "ETC"])
    ('ETH',)
    """
    pool = sorted(set(known))
    return tuple(difflib.get_close_matches(symbol.upper(), pool, n=limit, cutoff=0.6))


def suggest(name: str, known: Iterable[str]) -> str:
    """A cure for a misspelt name: the nearest known one, or the first dozen there are.

    >>> suggest("binanse", ["binance", "bybit"]), suggest("xyz", ["binance", "bybit"])
    ('did you mean binance?', 'known: binance, bybit')
    """
    pool = {each.upper(): each for each in sorted(known)}
    near = nearest(name, pool)
    if near:
        return f"did you mean {pool[near[0]]}?"
    names = list(pool.values())
    more = f" and {len(names) - DOZEN} more" if len(names) > DOZEN else ""
    return "known: " + ", ".join(names[:DOZEN]) + more
