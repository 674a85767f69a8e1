"""A small invented market and venue records for the tests of this room."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np

from stormsail.core import Evidence, Sourced
from stormsail.instruments.types import Rule, VenueRecord
from stormsail.market.schema import Kind, SeriesInfo
from tests.support import DAY, MemorySource, bars, funding, info_of

OPENED = date(2019, 1, 1)
FIRST = datetime(2023, 1, 1, tzinfo=UTC)


def fact(value: Any, as_of: date = OPENED) -> Sourced[Any]:
    return Sourced(value, "test", as_of, Evidence.MEASURED)


def rule(name: str, start: date = OPENED, **values: Any) -> Rule:
    return Rule(name, start, "test page", Evidence.VENUE_DOC, MappingProxyType(values))


def venue(key: str = "binance", status: str = "active", **facts: Any) -> VenueRecord:
    """A venue that scores well, with default rules."""
    known = {
        "status": fact(status),
        "incidents": fact(()),
        "collateral_proof": fact({"method": "on-chain"}),
        "insurance_fund": fact({"usd": 1e9}),
        "oracle": fact({"design": "several sources"}),
        "oracle_incidents": fact(()),
        "adl": fact({"ranking": True}),
        "control": fact({"who": "company"}),
        "halts": fact(()),
        "liquidity": fact({"daily_volume_usd": 1e10}),
    }
    rules = {
        "funding": (rule("funding", formula="f", baseline_rate_per_interval=0.0001, interval_hours=8),),
        "fees": (rule("fees", taker=Decimal("0.0005"), maker=Decimal("0.0002")),),
        "defaults": (
            rule(
                "defaults",
                min_notional=Decimal(5),
                lot_value=Decimal(1),
                tick_digits=5,
                inverse_size={"BTC": Decimal(100), "other": Decimal(10)},
            ),
        ),
    }
    return VenueRecord(key, key.title(), "exchange", status, known | facts, rules)


def factor_market(
    days: int = 400, alts: int = 14, seed: int = 7, *, spot: bool = True, beta: float = 1.3
) -> tuple[MemorySource, dict[str, Any]]:
    """BTC, ETH and alts driven by a market factor and an alt factor, with perpetuals, some spot, and funding."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    market = rng.normal(0, 0.03, days)
    season = rng.normal(0, 0.03, days)
    returns = {"BTC": market, "ETH": 1.1 * market + 0.3 * season + rng.normal(0, 0.01, days)}
    for i in range(alts):
        returns[f"ALT{i:02d}"] = beta * market + season + rng.normal(0, 0.02, days)
    series: dict[SeriesInfo, Any] = {}
    for i, (asset, r) in enumerate(returns.items()):
        price = 10.0 * (i + 1) * np.cumprod(1 + r)
        perpetual = price * (1 + rng.normal(0, 0.0005, days))
        frame = bars(perpetual, start=FIRST, bar=DAY, volume=1e8 / (i + 1))
        series[info_of(frame, Kind.PERPETUAL, f"{asset}USDT", bar=DAY)] = frame
        if spot and i % 2 == 0:
            held = bars(price, start=FIRST, bar=DAY, volume=1e7)
            series[info_of(held, Kind.SPOT, asset, bar=DAY)] = held
    paid = funding(np.full(days * 3, 0.0001), start=FIRST)
    series[info_of(paid, Kind.FUNDING, "BTCUSDT")] = paid
    return MemorySource(series), returns


LAST = FIRST + 400 * DAY
SPAN = timedelta(days=30)
