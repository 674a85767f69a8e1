"""A small deck with round figures, and fleets of invented portfolios for it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np

from stormsail.audit import Tolerance
from stormsail.core import Contract, Payoff, Tenor
from stormsail.lab.deck import Deck, Leg
from stormsail.lab.fleet import FleetShard
from stormsail.margin.types import Tier, TierTable
from stormsail.plan.problem import FactorCovariance

COINS = ("AAA", "BBB", "BTC", "CCC", "DDD", "EEE", "ETH")
PRICES = np.array([10.0, 0.5, 50_000.0, 120.0, 0.00002, 3.0, 2_500.0])
LOADINGS = np.array(
    [[0.5, 0.6, 1.0], [0.3, 0.9, 1.2], [1, 0, 0], [0.4, 0.4, 0.7], [0.2, 1.1, 1.5], [0.6, 0.5, 0.9], [0, 1, 0]],
    dtype=float,
)
FACTORS = np.array([[0.03, 0.033, 0.001], [0.033, 0.055, -0.002], [0.001, -0.002, 0.012]])
TABLE = TierTable(
    "invented",
    date(2020, 1, 1),
    (Tier(Decimal(0), Decimal(10**9), Decimal("0.01"), Decimal(0), Decimal(50)),),
    "invented",
)
RESIDUAL = np.array([0.02, 0.03, 1e-8, 0.015, 0.06, 0.025, 1e-8])


def leg(venue: str, coin: str, price: str, lot: str, *, carry: float, rate: float, capacity: float = 1e7) -> Leg:
    contract = Contract(
        venue, f"{coin}USDT", coin, "USDT", Tenor.PERPETUAL, Payoff.LINEAR, Decimal(1), Decimal(lot),
        Decimal("1e-8"), Decimal(5), Decimal("0.0002"), Decimal("0.0005"),
    )  # fmt: skip
    worth = Decimal(price) * Decimal(lot) * 10**8
    assert worth == int(worth)
    least = -(-Decimal(5) * 10**8 // worth)
    counted = 0.0 if math.isnan(carry) else carry
    grid = Decimal(price), Decimal(lot), int(worth), int(least)
    return Leg(contract, *grid, capacity, carry, counted, 0.0013, rate, TABLE)


def deck(**changes: object) -> Deck:
    legs = (
        leg("alpha", "AAA", "10", "0.1", carry=0.004, rate=1.0),
        leg("beta", "AAA", "10.01", "0.01", carry=0.001, rate=1.1, capacity=20_000.0),
        leg("alpha", "BBB", "0.5", "1", carry=-0.03, rate=1.2),
        leg("alpha", "BTC", "50000", "0.0001", carry=0.003, rate=0.4),
        leg("beta", "CCC", "120", "0.001", carry=float("nan"), rate=0.9),
        leg("alpha", "DDD", "0.00002", "1000", carry=0.006, rate=1.5),
        leg("alpha", "ETH", "2500", "0.001", carry=0.003, rate=0.5),
        leg("beta", "ETH", "2501", "0.01", carry=0.002, rate=0.55),
    )
    values: dict[str, object] = {
        "as_of": datetime(2025, 8, 1, tzinfo=UTC),
        "source": "invented",
        "tolerance": Tolerance(),
        "coins": COINS,
        "prices": PRICES,
        "covariance": FactorCovariance(COINS, LOADINGS, FACTORS, RESIDUAL),
        "beta": (LOADINGS @ FACTORS)[:, 0] / FACTORS[0, 0],
        "legs": legs,
        "caps": {"alpha": 0.3, "beta": 0.2},
        "missing": {"OLD": "every series of OLD ended"},
        "symbols": (*sorted((*COINS, "OLD")),),
        "findings": (),
    }
    return Deck(**(values | changes))  # type: ignore[arg-type]  # tests change single fields by name


def fleet(many: int, seed: int = 1, *, mean: float = 9.0) -> FleetShard:
    """Portfolios of 1 to 7 coins."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    sizes = rng.integers(1, len(COINS) + 1, many)
    symbol = np.concatenate([rng.permutation(len(COINS))[:n] for n in sizes]).astype(np.int64)
    return FleetShard(
        names=tuple(f"p{i}" for i in range(many)),
        start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        symbols=COINS,
        symbol=symbol,
        quantity=rng.lognormal(mean, 1.5, len(symbol)) / PRICES[symbol],
        coverage=np.where(rng.random(many) < 0.3, rng.uniform(0.1, 1.0, many), np.nan),
        collateral=np.where(rng.random(many) < 0.3, rng.integers(0, 2_000_000, many), -1),
        faults={},
    )
