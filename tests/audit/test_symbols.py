"""Unknown symbols are all named, with what may have been meant."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from stormsail.audit.symbols import check_symbols
from stormsail.core import Holding, Portfolio, UnknownSymbolError
from stormsail.market.schema import Kind
from tests.support import bars, info_of, random_walk


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


def test_a_coin_that_begins_later_in_the_data_is_said_to() -> None:
    start = datetime(2021, 8, 2, tzinfo=UTC)
    later = info_of(bars(random_walk(48, seed=1), start=start), Kind.SPOT, "AVAXUSDT")
    with pytest.raises(UnknownSymbolError) as caught:
        check_symbols(portfolio("AVAX", "SOL"), Known(), [later])
    text = str(caught.value)
    assert f"1 unknown symbol: AVAX (it begins on {later.start:%Y-%m-%d} in this data)" in text
    assert "decide on a day when they are known" in text
