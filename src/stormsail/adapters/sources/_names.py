"""How venues spell their contracts, as far as data files depart from it."""

from __future__ import annotations

from stormsail.core import SchemaError

QUOTES = ("USDT", "USDC", "BUSD", "USD", "BTC")
"""Quote currencies by which a pair written in one word ends; the longer spelling is tried first."""

_PERPETUALS: dict[str, tuple[str, str]] = {
    "binance": ("{}USDT", "{}USD_PERP"),
    "bybit": ("{}USDT", "{}USD"),
    "okx": ("{}-USDT-SWAP", "{}-USD-SWAP"),
    "gate": ("{}_USDT", "{}_USD"),
    "htx": ("{}-USDT", "{}-USD"),
    "kucoin": ("{}USDTM", "{}USDM"),
    "mexc": ("{}_USDT", "{}_USD"),
}
_XBT = frozenset({"kucoin"})
"""Venues of the table above that call Bitcoin XBT."""


def split_pair(pair: str) -> tuple[str, str]:
    """Split a pair written in one word into base and quote.

    >>> split_pair("1000PEPEUSDT"), split_pair("ETHBTC")
    (('1000PEPE', 'USDT'), ('ETH', 'BTC'))
    """
    for quote in QUOTES:
        if pair.endswith(quote) and len(pair) > len(quote):
            return pair.removesuffix(quote), quote
    raise SchemaError(f"{pair!r} names no pair", cure=f"end it with one of {', '.join(QUOTES)}", where="symbol")


def linear_symbol(venue: str, asset: str, *, inverse: bool = False) -> str:
    """The venue's own symbol of the perpetual of a coin, linear in USDT or, with ``inverse``, settled in the coin.

    >>> linear_symbol("okx", "BTC"), linear_symbol("binance", "ETH", inverse=True), linear_symbol("kucoin", "BTC")
    ('BTC-USDT-SWAP', 'ETHUSD_PERP', 'XBTUSDTM')
    """
    pattern = _PERPETUALS[venue][inverse]
    return pattern.format("XBT" if venue in _XBT and asset == "BTC" else asset)


def contract_of(venue: str, contract: str, asset: str) -> str:
    """The venue's symbol for a contract that a file spells ``BTC-PERP``; other spellings are the venue's already.

    Where Bybit's ``-PERP`` and its USDT perpetual are both on file (2023) their rates are the same to the digit, so
    the spelling means the USDT contract.
    """
    return linear_symbol(venue, asset) if contract.endswith("-PERP") and venue in _PERPETUALS else contract
