"""Ten coins with a perpetual each through five years of hours: what the races of backtests run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np

from stormsail.core import Contract, Payoff, Tenor
from stormsail.lab.account import Leg, MarginAccount
from stormsail.lab.course import Course
from stormsail.lab.sweep import Setting
from stormsail.margin.tiers import build_table
from stormsail.watch.policy import HOLD, AfterLoss, Follow, Lost, Policy, Rebalance

D = Decimal
HOURS, COINS = 43_800, 10
START = datetime(2020, 1, 1, tzinfo=UTC)
DEPOSIT = D(10_000_000)
VALUE = 100_000.0
BRACKETS = [
    (D(cap), D(rate), 1 / (2 * D(rate)))
    for cap, rate in (("50000", "0.005"), ("250000", "0.01"), ("1000000", "0.025"), ("1e12", "0.05"))
]


def _policy(rebalance: Rebalance) -> Policy:
    return Policy(rebalance, ladder=None, roll=None, after_loss=AfterLoss(Lost.NOTHING))


POLICIES = {
    "held": HOLD,
    "daily": _policy(Rebalance(Follow.CLOCK, timedelta(days=1))),
    "band": _policy(Rebalance(Follow.BAND, timedelta(hours=1), 0.05)),
}
"""Opened and held; set to its target every day; looked at every hour and kept within 5 % of its target."""


def contracts() -> tuple[Contract, ...]:
    """A linear perpetual for each coin, with lots small enough for daily changes."""
    return tuple(
        Contract("binance", f"C{i}USDT", f"C{i}", "USDT", Tenor.PERPETUAL, Payoff.LINEAR, D(1), D("0.001"), D("0.0001"),
                 D(5), D("0.0002"), D("0.0005"))
        for i in range(COINS)
    )  # fmt: skip


def course() -> Course:
    """Fat-tailed hours of a market and of the coins themselves; funding every eight hours."""
    rng = np.random.Generator(np.random.Philox(key=21))
    market = rng.standard_t(5, HOURS) * 0.004
    own = rng.standard_t(5, (HOURS, COINS)) * 0.004
    moves = market[:, None] * rng.uniform(0.8, 1.6, COINS) + own
    spot = 100.0 * np.exp(np.cumsum(moves - moves.mean(axis=0), axis=0))
    last = np.round(spot * (1.0 + rng.normal(0, 3e-4, spot.shape)), 4)
    mark = np.round(spot * (1.0 + rng.normal(0, 2e-4, spot.shape)), 4)
    swing = np.abs(rng.normal(0, 0.003, (2, HOURS, COINS)))
    settles = np.zeros((HOURS, COINS), dtype=bool)
    settles[8::8] = True
    rate = np.where(settles, np.round(rng.normal(1e-4, 2e-4, (HOURS, COINS)), 8), 0.0)
    one = np.ones((HOURS, 1))
    hours = np.timedelta64(3_600_000_000, "us") * np.arange(HOURS)
    return Course(
        times=np.datetime64(START.replace(tzinfo=None), "us") + hours, contracts=contracts(),
        coins=tuple(f"C{i}" for i in range(COINS)), currencies=("USDT",), last=last, mark=mark,
        high=mark * (1.0 + swing[0]), low=mark * (1.0 - swing[1]), rate=rate, settles=settles,
        tradable=np.ones((HOURS, COINS), dtype=bool), ends=np.full(COINS, HOURS),
        half_spread=np.full((HOURS, COINS), 1e-4), impact=np.full((HOURS, COINS), 1e-6), spot=spot,
        worth=one, worst=one,
    )  # fmt: skip


def accounts() -> tuple[MarginAccount, ...]:
    """One cross account that holds all ten shorts."""
    legs = tuple(
        Leg(c, build_table(c.id, date(2020, 1, 1), BRACKETS, "benchmark"), c.taker_fee, most=D(100_000))
        for c in contracts()
    )
    return (MarginAccount("binance", "binance", legs, {"USDT": DEPOSIT}, currency="USDT"),)


def holdings(market: Course) -> dict[str, Decimal]:
    """Coins worth the same at the start."""
    return {coin: D(str(round(VALUE / market.spot[0, k], 3))) for k, coin in enumerate(market.coins)}


def targets(market: Course) -> np.ndarray:
    """Lots: shorts of the coins times a hedge ratio that changes slowly, as estimated betas do, shape (T, n)."""
    rng = np.random.Generator(np.random.Philox(key=22))
    ratio = np.exp(np.cumsum(rng.normal(0, 0.002, (HOURS, COINS)), axis=0) * 0.3)
    units = np.array([float(q) for q in holdings(market).values()])
    return -units * np.clip(ratio, 0.5, 1.5) / 0.001


def aim(market: Course) -> Callable[[Mapping[str, Decimal]], np.ndarray]:
    """The same whatever is held."""
    wanted = targets(market)
    return lambda held: wanted


def settings() -> list[Setting]:
    """Sixteen hedge ratios by sixteen band widths, looked at every hour."""
    return [
        Setting(ratio, Rebalance(Follow.BAND, timedelta(hours=1), width))
        for ratio in np.linspace(0.25, 1.0, 16).tolist()
        for width in np.linspace(0.02, 0.2, 16).tolist()
    ]
