"""Whole accounts on real brackets and real mark prices: fast and exact agree at every moment looked at."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal as D
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stormsail.core import Contract, Payoff, Tenor, Unavailable, from_float
from stormsail.margin.account import Position
from stormsail.margin.checks import account_checks, compile_account
from stormsail.margin.factor import contract_liquidation, liquidation_factor
from stormsail.margin.haircuts import haircuts
from stormsail.margin.pool import Account, equity, free_equity, requirement
from stormsail.margin.tiers import tier_table
from stormsail.margin.types import TierTable, Unliquidatable

BRACKETS, FIRST = date(2025, 4, 30), datetime(2025, 5, 1, tzinfo=UTC)


def contract(coin: str) -> Contract:
    name = f"{coin}USDT"
    return Contract("binance", name, coin.removeprefix("1000"), "USDT", Tenor.PERPETUAL, Payoff.LINEAR, D(1),
                    D("0.001"), D("1e-12"), D(5), D("0.0002"), D("0.0005"))  # fmt: skip


def real_table(raw: pl.DataFrame, coin: str) -> TierTable:
    rows = raw.filter(pl.col("base") == coin).select(
        pl.lit(datetime(2025, 4, 30, tzinfo=UTC)).dt.cast_time_unit("us").alias("known_at"),
        "tier", pl.col("min_notional").alias("floor"), pl.col("max_notional").alias("cap"),
        pl.col("maint_margin_rate").alias("maintenance_rate"), "max_leverage",
        pl.col("cum_maint_amount").alias("deduction"),
    )  # fmt: skip
    found = tier_table(rows, contract(coin), BRACKETS)
    assert isinstance(found, TierTable)
    return found


@pytest.mark.realdata
def test_four_months_of_marks_on_real_brackets(real_data: Path) -> None:
    """20 shorts of 200,000 USDT each from 2025-05-01, behind BTC and cash, hour by hour to the end of August."""
    marks = pl.read_parquet(real_data / "mark_1h_binance.parquet").filter(pl.col("ts") >= FIRST)
    wide = marks.pivot(on="symbol", index="ts", values="high").sort("ts").drop_nulls()
    coins = [c for c in wide.columns if c != "ts"]
    raw = pl.read_parquet(real_data / "margin_tiers_binance.parquet").filter(
        (pl.col("snapshot_date") == BRACKETS) & (pl.col("quote") == "USDT") & ~pl.col("symbol").str.contains("-")
    )
    prices = wide.select(coins).to_numpy().astype(np.float64)
    legs = []
    for coin, first in zip(coins, prices[0], strict=True):
        mark = from_float(first)
        legs.append(Position(contract(coin), -D(200_000) / mark, mark, mark, real_table(raw, coin)))
    cut = haircuts("binance", BRACKETS)
    assert not isinstance(cut, Unavailable)
    btc = from_float(prices[0][coins.index("BTC")])
    account = Account("binance", (("BTC", D(8)), ("USDT", D(500_000))), tuple(legs), cut)
    worth = {"BTC": btc, "USDT": D(1)}
    compiled = compile_account(account, worth)
    coin_prices = np.tile(compiled.prices, (len(prices), 1))
    coin_prices[:, compiled.assets.index("BTC")] = prices[:, coins.index("BTC")]
    found = account_checks(compiled, prices, coin_prices)
    assert len(found.equity) > 2_900
    due = found.equity <= found.requirement
    assert due.any() and not due.all()
    assert np.array_equal(due, found.up == 1.0)
    for row in range(0, len(prices), 53):
        there = replace(account, positions=tuple(
            replace(p, mark=from_float(x)) for p, x in zip(legs, prices[row], strict=True)
        ))  # fmt: skip
        now = worth | {"BTC": from_float(prices[row][coins.index("BTC")])}
        assert found.equity[row] == pytest.approx(float(equity(there, now)), abs=1e-3)
        assert found.requirement[row] == pytest.approx(float(requirement(there, now)), rel=1e-9)
        if abs(free_equity(there, now)) < 1:
            continue
        for fast, up in ((found.up[row], True), (found.down[row], False)):
            exact = liquidation_factor(there, now, up=up)
            none = math.inf if up else 0.0
            assert fast == pytest.approx(none if isinstance(exact, Unliquidatable) else float(exact), rel=1e-9)
        end = contract_liquidation(there, now, legs[row % len(legs)].contract.id)
        assert isinstance(end, D)
        assert found.ends[row, row % len(legs)] == pytest.approx(float(end), rel=1e-9)
