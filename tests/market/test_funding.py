from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given

from stormsail.core import Contract, Payoff, Tenor, profit
from stormsail.market.funding import annual_rate, daily_funding, funding_cash, held_funding, true_intervals
from stormsail.market.schema import Kind, conform
from tests.strategies import contracts, prices, quantities, rates
from tests.support import START, funding


def _at(hours: list[float], rate: float = 0.0001) -> pl.DataFrame:
    return conform(
        pl.DataFrame(
            {"known_at": [START + timedelta(hours=h) for h in hours], "rate_per_interval": [rate] * len(hours)},
            schema_overrides={"rate_per_interval": pl.Float64},
        ),
        Kind.FUNDING,
        where="test",
    )


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([0, 8, 16, 24], [8, 8, 8, 8]),
        ([0, 8, 16, 20, 22, 23, 24], [8, 8, 8, 4, 2, 1, 1]),
        ([0, 8, 24, 32], [None, 8, None, 8]),
        ([0, 4, 8, 16, 20, 24], [4, 4, 4, None, 4, 4]),
        ([0, 8, 12, 16], [None, 8, 4, 4]),
        ([0, 8], [8, 8]),
        ([0], [None]),
        ([], []),
        ([0, 8.001, 16], [8, 8, 8]),
        ([0, 3, 6], [None, None, None]),
    ],
)
def test_the_interval_of_a_row_is_the_distance_to_the_row_before(
    hours: list[float], expected: list[float | None]
) -> None:
    assert true_intervals(_at(hours))["interval_hours"].to_list() == expected


def test_a_rate_is_annualised_by_its_own_interval() -> None:
    assert annual_rate(0.0001, 8) == pytest.approx(0.1095, abs=1e-15)
    assert annual_rate(-0.02, 2) == pytest.approx(-87.6, abs=1e-12)


def _contract(payoff: Payoff, size: str) -> Contract:
    one = Decimal(1)
    return Contract("v", "X", "X", "USD", Tenor.PERPETUAL, payoff, Decimal(size), one, one, one, one, one)


def test_funding_cash_to_the_digit() -> None:
    # Long 10 BTC at mark 60,000 and 0.01 %: pays 60 USDT.
    assert funding_cash(_contract(Payoff.LINEAR, "1"), Decimal(10), Decimal(60000), Decimal("0.0001")) == Decimal("-60")
    # Short 500 contracts of 100 USD at mark 50,000 and 0.01 %: receives 50,000 / 50,000 * 0.0001 BTC.
    got = funding_cash(_contract(Payoff.INVERSE, "100"), Decimal(-500), Decimal(50000), Decimal("0.0001"))
    assert got == Decimal("0.0001")
    # 1000PEPE quoted per thousand coins: price is per coin times size.
    got = funding_cash(_contract(Payoff.LINEAR, "1000"), Decimal(-3), Decimal("0.00001"), Decimal("-0.02"))
    assert got == Decimal("-0.0006")


@given(contracts(), quantities, prices, rates)
def test_what_a_short_receives_a_long_pays(
    contract: Contract, quantity: Decimal, price: Decimal, rate: Decimal
) -> None:
    cash = funding_cash(contract, quantity, price, rate)
    assert cash == funding_cash(contract, quantity.copy_negate(), price, rate).copy_negate()
    assert cash * quantity * rate <= 0


@given(contracts((Payoff.LINEAR,)), quantities, prices, rates)
def test_funding_costs_a_linear_long_what_a_fall_by_the_rate_would(
    contract: Contract, quantity: Decimal, price: Decimal, rate: Decimal
) -> None:
    assert funding_cash(contract, quantity, price, rate) == profit(contract, quantity, price, price * (1 - rate))


def test_a_day_ends_with_the_settlement_at_midnight() -> None:
    frame = funding([0.0001, 0.0002, 0.0003, 0.0004, 0.0005, 0.0006, 0.0007], start=START)
    days = daily_funding(frame)
    assert days["known_at"].to_list() == [START + timedelta(days=i) for i in range(3)]
    # The first day holds only the settlement that ended it: its rate is not known.
    assert days["rate_per_day"].to_list() == [None, pytest.approx(0.0009), pytest.approx(0.0018)]
    assert days["settlements"].to_list() == [1, 3, 3]


def test_a_day_with_a_lost_settlement_is_unavailable() -> None:
    assert daily_funding(_at([0, 8, 16, 24, 32, 48, 56, 64, 72]))["rate_per_day"].is_null().to_list() == [
        True,
        False,
        True,
        False,
    ]


def test_only_settlements_after_the_opening_and_up_to_the_end_count() -> None:
    frame = funding(np.arange(10) / 1e4, start=START)
    rates = held_funding(frame, START + timedelta(hours=8), START + timedelta(hours=24))
    assert rates.tolist() == pytest.approx([0.0002, 0.0003])
    assert held_funding(frame, START + timedelta(days=30), START + timedelta(days=31)).shape == (0,)


def _binance(path: Path, symbol: str) -> pl.DataFrame:
    raw = pl.scan_parquet(path / "funding_binance.parquet").filter(pl.col("symbol") == symbol).collect()
    return conform(raw.rename({"ts": "known_at", "rate": "rate_per_interval"}), Kind.FUNDING, where=symbol)


@pytest.mark.realdata
def test_solana_in_november_2022(real_data: Path) -> None:
    frame = true_intervals(_binance(real_data, "SOL"))
    week = frame.filter(
        pl.col("known_at").is_between(datetime(2022, 11, 6, tzinfo=UTC), datetime(2022, 11, 14, tzinfo=UTC), "left")
    )
    assert week.height == 60
    assert week["rate_per_interval"].sum() == pytest.approx(-0.2855, abs=5e-5)
    worst = week.filter((pl.col("rate_per_interval") == -0.02) & (pl.col("interval_hours") == 2))
    assert worst["known_at"].dt.strftime("%d %H").to_list() == ["10 06", "10 08", "10 10", "10 12"]
    rates = held_funding(frame, datetime(2022, 11, 5, 23, tzinfo=UTC), datetime(2022, 11, 13, 23, tzinfo=UTC))
    assert rates.sum() == pytest.approx(-0.2855, abs=5e-5)
    assert set(week["interval_hours"].to_list()) == {8.0, 4.0, 2.0}


@pytest.mark.realdata
def test_bitcoin_shorts_received_funding_year_by_year(real_data: Path) -> None:
    days = daily_funding(_binance(real_data, "BTC"))
    # A day belongs to the year it lies in, not to the midnight that ends it.
    year = (pl.col("known_at") - timedelta(microseconds=1)).dt.year().alias("year")
    by_year = dict(days.group_by(year).agg(pl.col("rate_per_day").sum()).sort("year").iter_rows())
    expected = {2020: 0.172, 2021: 0.306, 2022: 0.042, 2023: 0.079, 2024: 0.120}
    assert {y: by_year[y] for y in expected} == pytest.approx(expected, abs=1.5e-3)
