from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Contract, Payoff, Tenor, profit


def contract(**changes):
    base = {
        "venue": "binance", "symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "tenor": Tenor.PERPETUAL,
        "payoff": Payoff.LINEAR, "size": Decimal(1), "lot": Decimal("0.001"), "tick": Decimal("0.1"),
        "min_notional": Decimal(5), "maker_fee": Decimal("0.0002"), "taker_fee": Decimal("0.0005"),
    }  # fmt: skip
    return Contract(**(base | changes))


def test_a_short_linear_contract_gains_what_the_coin_falls():
    assert profit(contract(), Decimal(-2), Decimal(30000), Decimal(27000)) == Decimal(6000)


def test_a_thousand_pepe_contract_is_a_thousand_coins():
    pepe = contract(symbol="1000PEPEUSDT", base="PEPE", size=Decimal(1000))
    assert pepe.notional(Decimal(5), Decimal("0.00001")) == Decimal("0.05")
    assert profit(pepe, Decimal(-5), Decimal("0.00001"), Decimal("0.000008")) == Decimal("0.010")


def test_an_inverse_contract_pays_in_coin():
    inverse = contract(payoff=Payoff.INVERSE, size=Decimal(100), quote="USD")
    # 100 contracts of 100 USD short from 20,000 to 10,000: 10,000 * (1/10,000 - 1/20,000) = 0.5 BTC
    assert profit(inverse, Decimal(-100), Decimal(20000), Decimal(10000)) == Decimal("0.5")
    assert inverse.notional(Decimal(-100), Decimal(12345)) == Decimal(10000)


prices = st.integers(min_value=1, max_value=10**6).map(Decimal)


@given(st.integers(min_value=1, max_value=1000), prices, prices)
def test_a_coin_and_a_short_inverse_contract_on_its_value_stay_the_same_in_dollars(coins, entry, later):
    """Q coins backing a short of Q * S0 dollars are worth Q * S0 dollars at every price."""
    inverse = contract(payoff=Payoff.INVERSE, size=Decimal(1), quote="USD")
    held = Decimal(coins) + profit(inverse, -Decimal(coins) * entry, entry, later)
    assert abs(held * later - Decimal(coins) * entry) < Decimal("1e-25") * later * coins * entry


@given(prices, prices, st.sampled_from([Payoff.LINEAR, Payoff.INVERSE, Payoff.QUANTO]))
def test_long_and_short_of_the_same_contract_cancel(entry, later, payoff):
    c = contract(payoff=payoff)
    assert profit(c, Decimal(3), entry, later) + profit(c, Decimal(-3), entry, later) == 0


def test_quanto_pays_per_point_in_the_settlement_coin():
    quanto = contract(payoff=Payoff.QUANTO, size=Decimal("0.000001"), base="ETH")
    assert profit(quanto, Decimal(-1000), Decimal(2000), Decimal(1800)) == Decimal("0.2")


@given(prices, st.decimals(min_value=1, max_value=10**9, places=2))
def test_quantity_for_a_notional_has_that_notional(price, notional):
    for payoff in (Payoff.LINEAR, Payoff.INVERSE):
        c = contract(payoff=payoff, size=Decimal(10))
        assert abs(c.notional(c.quantity_for(notional, price), price) - notional) < Decimal("1e-30") * notional


def test_a_dated_contract_needs_an_expiry_and_a_perpetual_must_not_have_one():
    with pytest.raises(ValueError, match="expiry"):
        contract(tenor=Tenor.DATED)
    with pytest.raises(ValueError, match="expiry"):
        contract(expiry=datetime(2025, 12, 26, 8, tzinfo=UTC))


def test_a_size_of_zero_is_refused():
    with pytest.raises(ValueError, match="size must be positive"):
        contract(size=Decimal(0))


@pytest.mark.parametrize(
    ("symbol", "coins"),
    [
        ("1000PEPEUSDT", 1000),
        ("1MBABYDOGEUSDT", 1_000_000),
        ("1000SHIB-USDT", 1000),
        ("1INCHUSDT", 1),
        ("BTCUSD_PERP", 1),
    ],
)
def test_a_price_on_the_screen_may_be_of_many_coins(symbol: str, coins: int) -> None:
    one = Decimal(1)
    made = Contract("v", symbol, "X", "USDT", Tenor.PERPETUAL, Payoff.LINEAR, one, one, one, one, one, one)
    assert made.coins_quoted == coins
