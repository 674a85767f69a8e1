"""An invented market for tests of the whole plan: coins with known betas, their perpetuals, funding and volume."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl

from stormsail.core import Holding, Portfolio
from stormsail.market.schema import Kind
from tests.support import MemorySource, bars, funding, info_of

BETAS = {"BTC": 1.0, "ETH": 1.1, "AAA": 1.2, "BBB": 1.4, "CCC": 0.9, "DDD": 1.6, "EEE": 1.3}
BAR = timedelta(hours=4)
DAYS = 420
START = datetime(2024, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=400)
PRICES = {"BTC": 50_000.0, "ETH": 2_500.0, "AAA": 10.0, "BBB": 0.5, "CCC": 120.0, "DDD": 0.00002, "EEE": 3.0}


def closes(seed: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.Generator(np.random.Philox(key=seed))
    n = DAYS * 6
    market = rng.standard_t(5, n) * 0.008
    found = {}
    for coin, beta in BETAS.items():
        own = rng.standard_t(5, n) * (0.002 if coin in {"BTC", "ETH"} else 0.006)
        found[coin] = PRICES[coin] * np.exp(np.cumsum(beta * market + own))
    return found


def source(
    *, without: tuple[str, ...] = (), volume: float | None = 5e7, inverse: tuple[str, ...] = (), paid: float = 0.0001
) -> MemorySource:
    """Spot and perpetuals of every coin; coins in ``without`` have no perpetual; no volume is known if it is None.

    Coins in ``inverse`` have a coin-margined perpetual as well, whose mean funding is ``paid``.
    """
    traded = 0.0 if volume is None else volume / 6
    rng = np.random.Generator(np.random.Philox(key=99))
    series = {}
    for coin, path in closes().items():
        frame = bars(path, start=START, bar=BAR, spread=0.002, volume=traded)
        series[info_of(frame, Kind.SPOT, coin, asset=coin, bar=BAR)] = frame
        if coin in without:
            continue
        basis = 1 + rng.normal(0, 0.0003, len(path))
        perpetual = bars(path * basis, start=START, bar=BAR, spread=0.002, volume=traded)
        series[info_of(perpetual, Kind.PERPETUAL, f"{coin}USDT", bar=BAR)] = perpetual
        rates = 0.0001 + rng.normal(0, 0.00005, DAYS * 3)
        rated = funding(rates, start=START)
        series[info_of(rated, Kind.FUNDING, f"{coin}USDT")] = rated
    for coin in inverse:
        rng = np.random.Generator(np.random.Philox(key=[17, list(BETAS).index(coin)]))
        path = closes()[coin]
        own = bars(path * (1 + rng.normal(0, 0.0003, len(path))), start=START, bar=BAR, spread=0.002, volume=traded)
        series[info_of(own, Kind.INVERSE, f"{coin}USD_PERP", asset=coin, bar=BAR, quote="USD")] = own
        settled = funding(paid + rng.normal(0, 0.00005, DAYS * 3), start=START)
        series[info_of(settled, Kind.FUNDING, f"{coin}USD_PERP", asset=coin, quote="USD")] = settled
    if volume is None:
        hidden = pl.lit(None, pl.Float64).alias("quote_volume")
        series = {i: f.with_columns(hidden) if "quote_volume" in f.columns else f for i, f in series.items()}
    return MemorySource(series)


def portfolio(source: MemorySource, each: float = 10_000.0, coins: tuple[str, ...] = tuple(BETAS)[2:]) -> Portfolio:
    holdings = []
    for coin in coins:
        frame = next(f for k, f in source.frames.items() if k.kind is Kind.SPOT and k.symbol == coin)
        price = frame.filter(pl.col("known_at") <= AS_OF)["close"][-1]
        holdings.append(Holding(coin, Decimal(f"{each / price:.5g}")))
    return Portfolio(tuple(holdings), name="invented")
