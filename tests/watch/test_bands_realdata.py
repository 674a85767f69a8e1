"""The band on real prices: a short of BTC for nine altcoins, its width taken from the first half, judged in the second.

The figures are those of the page on policies.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stormsail.plan.problem import RISK_AVERSION
from stormsail.watch._kernels import rebalanced
from stormsail.watch.bands import cube_root

pytestmark = pytest.mark.realdata

COINS = ["SOL", "LINK", "DOT", "ADA", "XRP", "LTC", "UNI", "AAVE", "ATOM"]
COST = 0.0007
YEAR = 365 * 24


@pytest.fixture(scope="module")
def paths(real_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Units of BTC worth as much as the coins, and BTC's price, hourly from 2023-01 to 2025-06."""
    start = datetime(2023, 1, 1, tzinfo=UTC)
    spot = pl.read_parquet(real_data / "spot_close_1h_binance.parquet").filter(pl.col("symbol").is_in(COINS))
    wide = spot.pivot(on="symbol", index="ts", values="close")
    btc = pl.read_parquet(real_data / "perp_1h_binance.parquet").filter(pl.col("symbol") == "BTC")
    both = wide.join(btc.select("ts", pl.col("close").alias("BTC")), on="ts").filter(pl.col("ts") >= start)
    rows = both.drop_nulls().sort("ts")
    value = rows.select(pl.col(c) / pl.col(c).first() for c in COINS).to_numpy().mean(axis=1)
    price = rows["BTC"].to_numpy()
    return value / price / (value[0] / price[0]), price


def yearly(target: np.ndarray, price: np.ndarray, width: float, every: int = 1) -> float:
    """Cost of trading and half the weighted variance of standing off, a year, as a fraction of value."""
    held, traded, off = target[0], 0.0, np.zeros(len(target))
    for t, wanted in enumerate(target.tolist()):
        now = rebalanced(held, wanted, width, True) if t % every == 0 else held
        traded += abs(now - held) / wanted
        held = now
        off[t] = held / wanted - 1
    moves = np.diff(np.log(price))
    return float((COST * traded + RISK_AVERSION / 2 * ((off[:-1] * moves) ** 2).sum()) * YEAR / len(target))


def test_a_width_from_the_past_is_close_to_the_best_of_the_future(paths: tuple[np.ndarray, np.ndarray]) -> None:
    target, price = paths
    half = len(target) // 2

    def deviation(path: np.ndarray) -> float:
        return float(np.diff(np.log(path[:half])).std() * np.sqrt(YEAR))

    width = cube_root(COST, deviation(target), deviation(price), RISK_AVERSION)
    assert width == pytest.approx(0.0272, abs=5e-5)
    later, prices = target[half:], price[half:]
    law = yearly(later, prices, width)
    best = min(yearly(later, prices, w) for w in (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05))
    assert law < 1.03 * best
    told = [law, yearly(later, prices, 0.0), yearly(later, prices, 0.0, every=24), yearly(later, prices, 0.10)]
    assert [round(100 * x, 2) for x in told] == [0.47, 2.29, 0.95, 1.56]
