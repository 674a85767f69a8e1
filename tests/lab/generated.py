"""Accounts and courses made at random from a seed, to be hard on whoever keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal as D

import numpy as np
from numpy.random import Generator, Philox

from stormsail.core import Contract, Payoff, Tenor
from stormsail.lab.account import Leg, MarginAccount
from stormsail.lab.course import Course, moment_of
from stormsail.margin.tiers import build_table
from stormsail.margin.types import TierTable
from stormsail.watch.policy import Follow, Rebalance

BARS = 26
VENUES = ("binance", "bybit", "okx", "hyperliquid", "dydx", "deribit", "gate")
MONEY = ("BTC", "ETH", "USDC", "USDT")
START = np.datetime64("2024-03-01T05", "us")
HOUR = np.timedelta64(3_600_000_000, "us")


@dataclass(frozen=True)
class Case:
    """What a replay is given."""

    course: Course
    accounts: tuple[MarginAccount, ...]
    target: np.ndarray
    rebalance: Rebalance
    half_width: float


def case(seed: int) -> Case:
    """One course with a few accounts."""
    draw = Generator(Philox(key=20_240_000 + seed))
    times = START + HOUR * np.arange(BARS)
    worth = _worth(draw)
    worst = np.minimum(worth, np.vstack([worth[:1], worth[:-1]])) * (1 - draw.choice([0.0, 0.03], worth.shape))
    contracts: list[Contract] = []
    paths: list[np.ndarray] = []
    accounts, targets = [], []
    for a in range(draw.integers(1, 4)):
        account, wanted = _account(draw, a, contracts, paths, worth)
        accounts.append(account)
        targets += wanted
    arrays = [np.column_stack(rows) for rows in zip(*paths, strict=True)]
    last, mark, high, low, rate, settles, tradable = arrays
    ends = np.array([_end(draw, c, tradable[:, j]) for j, c in enumerate(contracts)])
    follow = Follow(str(draw.choice(["hold", "clock", "band"])))
    rebalance = Rebalance(follow, timedelta(hours=int(draw.integers(1, 7))), None if draw.random() < 0.5 else 0.07,
                          bool(draw.random() < 0.5))  # fmt: skip
    shape = last.shape
    course = Course(
        times=times, contracts=tuple(contracts), coins=("BTC", "ETH"), currencies=MONEY, last=last, mark=mark,
        high=high, low=low, rate=rate, settles=settles.astype(bool), tradable=tradable.astype(bool), ends=ends,
        half_spread=np.full(shape, 1e-4), impact=draw.choice([0.0, 1e-6, 1e-5], shape),
        spot=worth[:, :2] * np.exp(draw.normal(0, 1e-3, (BARS, 2))), worth=worth, worst=worst,
    )  # fmt: skip
    width = float(draw.choice([0.0, 0.02, 0.05, 0.2]))
    return Case(course, tuple(accounts), np.column_stack(targets), rebalance, width)


def _worth(draw: Generator) -> np.ndarray:
    sd = np.array([0.02, 0.03, 0.003, 0.003]) * draw.choice([0.0, 1.0, 3.0])
    walk = np.exp(np.cumsum(draw.normal(0, 1, (BARS, 4)) * sd, axis=0))
    return np.array([40_000.0, 2_500.0, 1.0, 1.0]) * walk


def _path(draw: Generator, first: float) -> tuple[np.ndarray, ...]:
    """Prices with jumps, extremes around them, funding now and then; some are listed later."""
    sd = draw.choice([0.005, 0.03, 0.12])
    steps = draw.normal(draw.choice([-1, 0, 1]) * sd / 3, sd, BARS)
    steps += draw.choice([0.0, 0.0, 0.7, -0.5]) * (np.arange(BARS) == draw.integers(2, BARS))
    last = first * np.exp(np.cumsum(steps))
    mark = last * np.exp(draw.normal(0, 1e-3, BARS) * draw.choice([0, 1]))
    before = np.concatenate([mark[:1], mark[:-1]])
    wick = np.abs(draw.normal(0, sd, (2, BARS))) * (draw.random((2, BARS)) < 0.7)
    high, low = np.maximum(mark, before) * (1 + wick[0]), np.minimum(mark, before) / (1 + wick[1])
    settles = (np.arange(BARS) + 5) % draw.choice([1, 4, 8]) == 0
    rate = np.where(settles, draw.normal(1e-4, 1e-3, BARS), 0.0)
    rate[settles & (draw.random(BARS) < 0.05)] = np.nan
    tradable = draw.random(BARS) > draw.choice([0.0, 0.1])
    if draw.random() < 0.1:
        gone = slice(0, int(draw.integers(1, 9)))
        for prices in (last, mark, high, low):
            prices[gone] = np.nan
        tradable[gone], settles[gone] = False, False
    return last, mark, high, low, rate, settles, tradable


def _end(draw: Generator, contract: Contract, tradable: np.ndarray) -> int:
    """When a contract is settled for good; after that it is not traded."""
    end = BARS
    if contract.expiry is not None:
        end = int(np.searchsorted(START + HOUR * np.arange(BARS), np.datetime64(contract.expiry.replace(tzinfo=None))))
    elif draw.random() < 0.1:
        end = int(draw.integers(9, BARS))
    tradable[end:] = False
    return end


def _table(draw: Generator, contract: str, value: float) -> TierTable:
    """Brackets around the value that will be held."""
    rates, cap = np.sort(draw.choice([0.004, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2], 4)), value * draw.choice([0.1, 0.6])
    rows = []
    for k, rate in enumerate(rates):
        room = D(10**12) if k == 3 else D(f"{cap:.3g}")
        rows.append((room, D(str(rate)), D(max(int(0.8 / rate), 1))))
        cap *= 2.5
    return build_table(contract, date(2020, 1, 1), rows, "generated")


def _account(
    draw: Generator, a: int, contracts: list[Contract], paths: list[np.ndarray], worth: np.ndarray
) -> tuple[MarginAccount, list[np.ndarray]]:
    """One account, with its targets, sized so that a large move ends it."""
    venue, name = str(draw.choice(VENUES)), f"account {a}"
    several = draw.random() < 0.4
    money = str(draw.choice(MONEY))
    legs, targets, value_in_account = [], [], 0.0
    for _ in range(int(draw.choice([1, 1, 2, 3]))):
        pays = str(draw.choice(MONEY)) if several else money
        j = len(contracts)
        contract, first = _contract(draw, venue, pays, j)
        contracts.append(contract)
        paths.append(_path(draw, first))
        rate = float(worth[0, MONEY.index(pays)])
        value = float(draw.choice([300.0, 5_000.0, 2e5])) / rate
        units = value * (first if contract.payoff is Payoff.INVERSE else 1.0) / (
            float(contract.size) * (1.0 if contract.payoff is Payoff.INVERSE else first)
        )  # fmt: skip
        lots = max(units / float(contract.lot), 1.0)
        twice = not several and draw.random() < 0.15  # both sides of one contract
        for side in (-1.0, 1.0) if twice else (draw.choice([-1.0, -1.0, -1.0, 1.0]),):
            table = None if draw.random() < 0.04 else _table(draw, contract.id, value)
            legs.append(
                Leg(
                    contract,
                    table,
                    contract.taker_fee,
                    counts_fee=bool(draw.random() < 0.2),
                    at_entry=bool(draw.random() < 0.2),
                    most=D(int(units * 3) + 1) if units > 1 else D(1),
                    settle=pays if contract.payoff is Payoff.QUANTO else "",
                )
            )
            targets.append(_target(draw, side * lots))
            value_in_account += value * rate
    weight = {m: float(draw.choice([1.0, 0.95, 0.5])) for m in MONEY} if several and draw.random() < 0.7 else {}
    posted = value_in_account * float(draw.choice([0.04, 0.08, 0.15, 0.4, 1.2]))
    kinds = [str(m) for m in draw.choice(MONEY, 2, replace=False)] if several else [money]
    deposit = {m: D(f"{posted / len(kinds) / float(worth[0, MONEY.index(m)]):.6f}") for m in kinds}
    trigger = D("1.05") if draw.random() < 0.1 else D(1)
    return MarginAccount(name, venue, tuple(legs), deposit, weight, None if several else money, trigger), targets


def _contract(draw: Generator, venue: str, pays: str, j: int) -> tuple[Contract, float]:
    """A contract that pays in a currency, and its first price."""
    coin = pays in ("BTC", "ETH")
    payoff = (Payoff.INVERSE if draw.random() < 0.7 else Payoff.QUANTO) if coin else Payoff.LINEAR
    payoff = Payoff.QUANTO if not coin and draw.random() < 0.1 else payoff
    base = pays if payoff is Payoff.INVERSE else str(draw.choice(["BTC", "ETH", "AAA"]))
    known = {"BTC": 40_000.0, "ETH": 2_500.0}
    first = known[base] if base in known else float(10.0 ** draw.uniform(-4, 4.5))
    size = D(str(draw.choice(["1", "1000", "0.01"])))
    if payoff is Payoff.QUANTO:
        size = D(str(draw.choice(["0.001", "0.000001"])))
    if payoff is Payoff.INVERSE:
        size = D(str(draw.choice(["1", "10", "100"])))
    expiry = None
    if payoff is not Payoff.QUANTO and draw.random() < 0.15:
        expiry = moment_of(START + HOUR * int(draw.integers(8, BARS + 5)))
    quote = "USD" if payoff is Payoff.INVERSE else ("USDT" if payoff is Payoff.QUANTO else pays)
    scale = 0 if payoff is Payoff.INVERSE else int(np.floor(np.log10(300.0 / (first * float(size)))))
    lot, least = D(1).scaleb(scale - int(draw.integers(0, 3))), D(str(draw.choice(["0", "5", "100"])))
    fee = D(str(draw.choice(["0", "0.0004", "0.00055"])))
    tenor = Tenor.PERPETUAL if expiry is None else Tenor.DATED
    return Contract(venue, f"C{j}", base, quote, tenor, payoff, size, lot if payoff is not Payoff.INVERSE else D(1),
                    D("0.0000001"), least, fee, fee, expiry), first  # fmt: skip


def _target(draw: Generator, lots: float) -> np.ndarray:
    """Lots wanted through time: steady, drifting, jumping to the other side, or left alone for a while."""
    path = lots * np.exp(np.cumsum(draw.normal(0, draw.choice([0.0, 0.02, 0.2]), BARS)))
    if draw.random() < 0.1:
        path[int(draw.integers(3, BARS)) :] *= draw.choice([0.0, -1.0])
    if draw.random() < 0.1:
        path[int(draw.integers(1, BARS)) :] = np.nan
    return path
