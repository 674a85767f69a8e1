"""Unknown symbols are all named, with what may have been meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from stormsail.audit.symbols import check_symbols
from stormsail.core import Holding, Portfolio, UnknownSymbolError
from stormsail.market.schema import Kind, SeriesInfo
from tests.support import bars, info_of, random_walk


class Known:
    def all_symbols(self) -> tuple[str, ...]:
        return ("ETH", "LUNA", "PEPE", "SOL")


def portfolio(*assets: str) -> Portfolio:
    return Portfolio(tuple(Holding(a, Decimal(1)) for a in assets), name="mine")


def test_known_symbols_and_stablecoins_pass() -> None:
    assert check_symbols(portfolio("SOL", "LUNA", "USDT", "DAI"), Known()) == {}


def test_every_unknown_symbol_is_named() -> None:
    with pytest.raises(UnknownSymbolError) as caught:
        check_symbols(portfolio("1000PEPE", "ETHH", "SOL", "ZZZZ"), Known())
    text = str(caught.value)
    assert text.startswith("E111 mine: 3 unknown symbols: 1000PEPE (a contract of 1000 PEPE: write PEPE and multiply")
    assert "ETHH (did you mean ETH?)" in text and "ZZZZ (nothing like it is known)" in text


START = datetime(2021, 8, 2, tzinfo=UTC)


def begins(symbol: str, start: datetime = START) -> SeriesInfo:
    return info_of(bars(random_walk(48, seed=1), start=start), Kind.SPOT, symbol)


def test_a_coin_that_begins_later_is_told_apart_by_its_first_price() -> None:
    later = begins("AVAXUSDT")
    other = begins("AVAX", START + timedelta(days=9))
    assert check_symbols(portfolio("AVAX", "SOL"), Known(), [other, later, begins("DOT")]) == {"AVAX": later.start}
    assert check_symbols(portfolio("AVAX", "USDT"), Known(), [later]) == {"AVAX": later.start}


def test_where_no_coin_is_left_each_is_named_with_its_day() -> None:
    later = [begins("AVAXUSDT"), begins("DOT")]
    with pytest.raises(UnknownSymbolError) as caught:
        check_symbols(portfolio("AVAX", "DOT"), Known(), later)
    text = str(caught.value)
    assert "2 unknown symbols: AVAX (it begins on 2021-08-02 in this data), DOT (it begins on" in text
    assert "decide on a day when they are known" in text


def test_a_symbol_that_never_begins_is_an_error_beside_one_that_does() -> None:
    with pytest.raises(UnknownSymbolError) as caught:
        check_symbols(portfolio("AVAX", "ETHH", "SOL"), Known(), [begins("AVAXUSDT")])
    assert "1 unknown symbol: ETHH (did you mean ETH?)" in str(caught.value)
    assert "AVAX" not in str(caught.value)
