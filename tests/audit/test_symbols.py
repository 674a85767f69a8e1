"""Unknown symbols are all named, with what may have been meant."""

from __future__ import annotations

from decimal import Decimal

import pytest

from stormsail.audit.symbols import check_symbols
from stormsail.core import Holding, Portfolio, UnknownSymbolError


class Known:
    def all_symbols(self) -> tuple[str, ...]:
        return ("ETH", "LUNA", "PEPE", "SOL")


def portfolio(*assets: str) -> Portfolio:
    return Portfolio(tuple(Holding(a, Decimal(1)) for a in assets), name="mine")


def test_known_symbols_and_stablecoins_pass() -> None:
    check_symbols(portfolio("SOL", "LUNA", "USDT", "DAI"), Known())


def test_every_unknown_symbol_is_named() -> None:
    with pytest.raises(UnknownSymbolError) as caught:
        check_symbols(portfolio("1000PEPE", "ETHH", "SOL", "ZZZZ"), Known())
    text = str(caught.value)
    assert text.startswith("E111 mine: 3 unknown symbols: 1000PEPE (a contract of 1000 PEPE: write PEPE and multiply")
    assert "ETHH (did you mean ETH?)" in text and "ZZZZ (nothing like it is known)" in text
