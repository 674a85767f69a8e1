import pytest

from stormsail.core import STABLECOINS, nearest, split_multiplier
from stormsail.core.symbol import MAJORS, PEGGED, is_alt


@pytest.mark.parametrize(
    ("symbol", "coin", "count"),
    [
        ("1000SHIB", "SHIB", 1000), ("10000LADYS", "LADYS", 10000),
        ("1000000MOG", "MOG", 10**6), ("1MBABYDOGE", "BABYDOGE", 10**6),
        ("1INCH", "1INCH", 1), ("1000X", "X", 1000), ("BTC", "BTC", 1), ("100", "100", 1),
    ],
)  # fmt: skip
def test_the_multiplier_in_a_contract_name_is_told_from_a_coin_that_begins_with_a_digit(symbol, coin, count):
    assert split_multiplier(symbol) == (coin, count)


def test_nearest_finds_the_slip_of_a_finger():
    assert nearest("SLO", ["SOL", "SNX", "BTC"])[0] == "SOL"
    assert nearest("XQQZZ", ["BTC"]) == ()


def test_an_alt_is_what_nothing_else_prices():
    assert all(is_alt(coin) for coin in ("SOL", "LUNA", "1INCH", "AAVE", "MATIC"))
    assert not any(is_alt(coin) for coin in {*MAJORS, *STABLECOINS, *PEGGED})
    assert {"WBTC", "STETH", "BNSOL", "USDE", "EUR", "XAU", "PAXG", "BTCDOM", "DEFI"} <= PEGGED
