"""The paper broker: figures by hand, the book before the law, and the same tick as the compiled walk."""

from __future__ import annotations

from decimal import Decimal as D

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import InputError, Payoff, Unavailable
from stormsail.execution.paper import HALF_SPREAD, cost_share, fill, fill_ticks, slip_share
from stormsail.lab import _kernels
from stormsail.market.book import Side
from tests.strategies import contracts
from tests.watch.support import contract

NONE = Unavailable("no order book")
BOOK = pl.DataFrame(
    {"side": ["bid", "bid", "ask", "ask"], "price": [99.0, 98.0, 101.0, 103.0], "quantity": [10.0, 10.0, 10.0, 10.0]}
)


def test_a_linear_sale_by_hand():
    """100 units at 20.00 with 0.12 %: 19.976 becomes 19.97, 3 of slippage, 0.05 % of 1,997 of fee."""
    sold = fill(contract(), D(-100), D("20.00"), 0.0012)
    assert (sold.price, sold.slippage, sold.fee, sold.currency) == (D("19.97"), D("3.00"), D("0.998500"), "USDT")
    assert cost_share(sold) == pytest.approx(3.9985 / 2000)
    assert fill(contract(), D(100), D("20.00"), 0.0012).price == D("20.03")


def test_an_inverse_purchase_is_counted_in_coins():
    """10 contracts of 100 USD: 0.1 coins at 10,000, and at 10,100 a hundredth part less."""
    coin = contract(payoff=Payoff.INVERSE, size="100", lot="1")
    bought = fill(coin, D(10), D(10_000), 0.01)
    assert bought.currency == "AAA"
    assert float(bought.slippage) == pytest.approx(0.1 - 1000 / 10_100)
    assert float(bought.fee) == pytest.approx(1000 / 10_100 * 0.0005)


def test_the_book_if_it_is_deep_enough_else_the_law():
    """Buying 2,020 of the asks: 10 at 101, the rest at 103; the mid is 100."""
    known = {"daily_volume": 1e6, "daily_volatility": 0.05}
    coins = 10 + (2020 - 1010) / 103
    assert slip_share(2020, Side.BUY, book=BOOK, **known) == pytest.approx(2020 / coins / 100 - 1)
    assert slip_share(990, Side.SELL, book=BOOK, **known) == pytest.approx(0.01)
    law = HALF_SPREAD + 0.05 * 0.1
    assert slip_share(10_000, Side.BUY, book=BOOK, **known) == pytest.approx(law)
    assert slip_share(10_000, Side.SELL, book=NONE, **known) == pytest.approx(law)
    assert slip_share(0.0, Side.SELL, book=NONE, **known) == 0.0


def test_nothing_is_put_in_place_of_what_is_not_known():
    for figures in [(NONE, 0.05), (1e6, NONE), (float("nan"), 0.05), (1e6, 0.0)]:
        got = slip_share(10.0, Side.BUY, book=NONE, daily_volume=figures[0], daily_volatility=figures[1])
        assert isinstance(got, Unavailable)


@pytest.mark.parametrize(
    ("quantity", "price", "share"),
    [("0", "20", 0.1), ("0.05", "20", 0.1), ("1", "0.001", 0.1), ("1", "20", -0.1), ("1", "20", 1.0)],
)
def test_what_cannot_be_filled_is_refused(quantity, price, share):
    with pytest.raises(InputError):
        fill(contract(), D(quantity), D(price), share)
    with pytest.raises(InputError, match="quanto"):
        fill(contract(payoff=Payoff.QUANTO), D(1), D(20), 0.0)


@given(st.booleans(), st.integers(1, 10**9), st.floats(0.0, 0.5))
def test_the_compiled_walk_fills_at_the_same_tick(buying, ticks, share):
    compiled = _kernels.fill_price(1 if buying else -1, ticks, share)
    assert int(np.int64(compiled)) == fill_ticks(buying, ticks, share)


@given(
    contracts((Payoff.LINEAR, Payoff.INVERSE)),
    st.integers(-1000, 1000).filter(bool),
    st.integers(1, 10**6),
    st.floats(0, 0.3),
)
def test_a_fill_is_never_better_than_its_reference(traded, count, ticks, share):
    done = fill(traded, count * traded.lot, ticks * traded.tick, share)
    assert (done.price - done.reference) * count >= 0 or ticks == 1
    assert done.price >= traded.tick
    assert done.price % traded.tick == 0
    assert done.slippage >= 0
    assert done.fee > 0
