from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Unavailable
from stormsail.market.book import (
    Side,
    expected_slippage,
    half_spread,
    latest_book,
    mid_price,
    slippage_from_book,
    square_root_impact,
)
from stormsail.market.schema import Kind, conform
from tests.support import START


def _book(bids: list[tuple[float, float]], asks: list[tuple[float, float]], hours: float = 0) -> pl.DataFrame:
    rows = [("bid", i, p, q) for i, (p, q) in enumerate(bids)] + [("ask", i, p, q) for i, (p, q) in enumerate(asks)]
    frame = pl.DataFrame(rows, schema=["side", "level", "price", "quantity"], orient="row").with_columns(
        known_at=pl.lit(START + timedelta(hours=hours))
    )
    return conform(frame, Kind.BOOK, where="test")


BOOK = _book([(99.0, 1.0), (98.0, 10.0)], [(101.0, 1.0), (103.0, 10.0)])


def test_walking_the_levels_by_hand() -> None:
    assert mid_price(BOOK) == 100.0
    assert half_spread(BOOK) == pytest.approx(0.01)
    assert slippage_from_book(BOOK, Side.BUY, 50.0) == pytest.approx(0.01)
    # 101 at 101, the other 309 at 103: four coins for 410.
    assert slippage_from_book(BOOK, "buy", 410.0) == pytest.approx(410.0 / 4 / 100 - 1, abs=1e-12)
    # 99 at 99, 196 at 98: three coins for 295.
    assert slippage_from_book(BOOK, "sell", 295.0) == pytest.approx(1 - 295.0 / 3 / 100, abs=1e-12)


def test_a_book_that_runs_out_is_unavailable() -> None:
    assert slippage_from_book(BOOK, "sell", 99 + 980) == pytest.approx(1 - (1079 / 11) / 100)
    assert slippage_from_book(BOOK, "sell", 1080.0) == Unavailable("the order book shows 1,079 of 1,080")


def test_a_crossed_or_one_sided_book_prices_nothing() -> None:
    assert isinstance(slippage_from_book(_book([(102.0, 1.0)], [(101.0, 1.0)]), "buy", 1.0), Unavailable)
    assert isinstance(half_spread(_book([], [(101.0, 1.0)])), Unavailable)
    with pytest.raises(ValueError, match="notional must be positive"):
        slippage_from_book(BOOK, "buy", 0.0)


@given(
    st.lists(st.tuples(st.floats(0.0001, 0.5), st.floats(0.01, 100)), min_size=1, max_size=20),
    st.floats(0.001, 0.999),
    st.floats(0.001, 0.999),
)
def test_a_larger_order_never_costs_less_and_never_more_than_the_last_level(
    levels: list[tuple[float, float]], one: float, other: float
) -> None:
    asks = sorted((100 * (1 + away), size) for away, size in levels)
    book = _book([(99.99, 1.0)], asks)
    depth = sum(p * q for p, q in asks)
    small, large = (slippage_from_book(book, "buy", share * depth) for share in sorted((one, other)))
    spread, mid = half_spread(book), mid_price(book)
    assert isinstance(small, float)
    assert isinstance(large, float)
    assert isinstance(spread, float)
    assert isinstance(mid, float)
    assert spread - 1e-9 <= small <= large + 1e-9
    assert large <= asks[-1][0] / mid - 1 + 1e-9


def test_the_latest_snapshot_not_after_the_moment() -> None:
    both = pl.concat([_book([(99, 1)], [(101, 1)], 0), _book([(89, 1)], [(91, 1)], 2)])
    first = latest_book(both, START + timedelta(hours=1))
    assert isinstance(first, pl.DataFrame)
    assert mid_price(first) == 100.0
    second = latest_book(both, START + timedelta(hours=3))
    assert isinstance(second, pl.DataFrame)
    assert mid_price(second) == 90.0
    assert latest_book(both, START - timedelta(hours=1)) == Unavailable("no order book")
    old = latest_book(both, START + timedelta(hours=4))
    assert old == Unavailable("last order book is of 2024-01-01 02:00, older than 1h")


def test_square_root_law() -> None:
    one = square_root_impact(1e4, 1e8, 0.04)
    assert one == pytest.approx(0.0004)
    assert square_root_impact(4e4, 1e8, 0.04) == pytest.approx(2 * one)
    assert square_root_impact(1e4, 1e8, 0.04, coefficient=0.5) == pytest.approx(one / 2)
    with pytest.raises(ValueError, match="volume must be positive"):
        square_root_impact(1.0, 0.0, 0.04)


@pytest.mark.realdata
def test_recorded_books_of_bitcoin_and_ether(real_data: Path) -> None:
    raw = pl.scan_parquet(real_data / "l2_snapshots.parquet").filter(pl.col("venue") == "binance_usdm").collect()
    frame = raw.rename({"ts": "known_at", "qty": "quantity"})
    for symbol, widest in (("BTCUSDT", 1e-5), ("ETHUSDT", 1e-5)):
        books = conform(frame.filter(pl.col("symbol") == symbol), Kind.BOOK, where=symbol)
        book = latest_book(books, books["known_at"][-1])
        assert isinstance(book, pl.DataFrame)
        spread = half_spread(book)
        assert isinstance(spread, float)
        assert 0 < spread < widest
        costs = [slippage_from_book(book, "sell", n) for n in (1e3, 1e4, 1e5, 1e6)]
        assert all(isinstance(c, float) for c in costs)
        assert np.all(np.diff(np.array(costs, dtype=float)) >= -1e-12)
        assert float(str(costs[-1])) < 1e-3
        assert isinstance(slippage_from_book(book, "sell", 1e9), Unavailable)


def test_expected_slippage_reads_the_book_first_then_volume_then_nothing() -> None:
    unknown = Unavailable("not known")
    book = _book([(99.0, 1.0)], [(101.0, 1.0)])
    shallow = expected_slippage(99.0, book=book, daily_volume=unknown, daily_volatility=unknown)
    assert shallow == pytest.approx(0.01)
    deep = expected_slippage(1e4, book=book, daily_volume=1e6, daily_volatility=0.05)
    assert deep == expected_slippage(1e4, book=unknown, daily_volume=1e6, daily_volatility=0.05) == pytest.approx(0.005)
    for volume, sigma in ((unknown, 0.05), (1e6, unknown), (0.0, 0.05), (1e6, float("nan"))):
        assert isinstance(expected_slippage(1e4, book=book, daily_volume=volume, daily_volatility=sigma), Unavailable)
    assert expected_slippage(0.0, book=unknown, daily_volume=unknown, daily_volatility=unknown) == 0.0
