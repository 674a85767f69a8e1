"""Many settings of one hedge on one course, in threads that share the prices.

The course is translated once. Every setting is the same replay as any other, with the same driver, on state of its own;
threads take settings in order and write their results in their own places, so their number changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from stormsail.core import InputError, to_float
from stormsail.lab._kernels import State
from stormsail.lab.account import Books, MarginAccount, open_books
from stormsail.lab.course import Course
from stormsail.lab.ledger import Flow, Ledger
from stormsail.lab.replay import go, rule_of
from stormsail.lab.run import SPOT_PLACES, Run
from stormsail.market.panel import FloatArray
from stormsail.watch.policy import AfterLoss, Lost, Policy, Rebalance

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to keep a hedge.

    Attributes:
        ratio: Share of the targets that is held short.
        rebalance: When positions follow.
    """

    ratio: float = 1.0
    rebalance: Rebalance = field(default_factory=Rebalance)


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """What came of each setting; arrays have one entry for each, money is in the currency of account.

    Attributes:
        settings: As given.
        end: Value of the coins and of all that the hedge brought at the end, the deposits left out.
        fall: Deepest fall of that value from a peak, looked at once a day, as a fraction.
        costs: Fees and slippage (negative), at what their currency was worth at the time.
        funding: Received (negative: paid), likewise.
        trades: Number of trades.
        liquidations: Times an account was liquidated, in part or whole.
    """

    settings: tuple[Setting, ...]
    end: FloatArray
    fall: FloatArray
    costs: FloatArray
    funding: FloatArray
    trades: NDArray[np.int64]
    liquidations: NDArray[np.int64]


def sweep(
    course: Course,
    accounts: Sequence[MarginAccount],
    holdings: Mapping[str, Decimal],
    targets: FloatArray,
    settings: Sequence[Setting],
    *,
    threads: int = 2,
    half_width: FloatArray | float = 0.05,
) -> Swept:
    """Replay every setting; a liquidated account stays closed, nothing is topped up or rolled.

    Args:
        course: What the market does.
        accounts: Margin accounts with their deposits in cash; coins of the holdings are not pledged here.
        holdings: Coins held throughout.
        targets: Lots wanted at ratio 1, shape (T, n).
        settings: What is compared.
        threads: At work at the same time; results do not depend on it.
        half_width: Half the no-trade band of each leg, where a setting leaves it open.

    Raises:
        InputError: If coins are posted as collateral, or a coin is not in the course.
        ValueError: If the targets do not fit the accounts.
    """
    books = open_books(course, accounts)
    wanted = np.asfortranarray(targets, dtype=np.float64)
    if wanted.shape != (len(course.times), len(books.legs)):
        raise ValueError(f"targets have shape {wanted.shape}, not {(len(course.times), len(books.legs))}")
    brought = float((books.state.cash * books.terms.quantum * course.worth[0]).sum())
    spot = _worth_of(course, accounts, holdings) - brought
    found = np.zeros((4, len(settings)))
    counts = np.zeros((2, len(settings)), dtype=np.int64)

    def work(share: range) -> None:
        settlements = int(books.tape.settles.max(initial=-1)) + 1
        paid = np.zeros((settlements, wanted.shape[1]), dtype=np.int64)
        room = _Room(Ledger(), np.empty_like(wanted), paid)
        for k in share:
            found[:, k], counts[:, k] = _one(course, books, holdings, wanted, spot, settings[k], half_width, room)

    many = max(1, min(threads, len(settings)))
    with ThreadPoolExecutor(many) as pool:
        list(pool.map(work, [range(k * len(settings) // many, (k + 1) * len(settings) // many) for k in range(many)]))
    return Swept(tuple(settings), *found, *counts)


@dataclass(slots=True)
class _Room:
    """Memory a thread uses again for each of its settings; ``target`` holds those at ``ratio``, NaN for none."""

    ledger: Ledger
    target: FloatArray
    paid: NDArray[np.int64]
    ratio: float = float("nan")


def _one(
    course: Course,
    books: Books,
    holdings: Mapping[str, Decimal],
    wanted: FloatArray,
    spot: FloatArray,
    setting: Setting,
    half_width: FloatArray | float,
    room: _Room,
) -> tuple[tuple[float, ...], tuple[int, int]]:
    """Value, fall, costs and funding; trades and liquidations of one setting."""
    from stormsail.lab._sweep_kernels import outcome

    if room.ratio != setting.ratio:
        np.multiply(wanted, setting.ratio, out=room.target)
    room.paid[:], room.ledger.used = 0, 0
    policy = Policy(setting.rebalance, ladder=None, roll=None, after_loss=AfterLoss(Lost.NOTHING))
    coins = {asset: int(amount.scaleb(SPOT_PLACES)) for asset, amount in holdings.items()}
    run = Run(
        course=course, books=replace(books, state=_fresh(books.state)), policy=policy,
        aim=lambda held: wanted * setting.ratio, rule=rule_of(course, books, policy, room.target, half_width),
        ledger=room.ledger, paid=room.paid, coins=coins, free=dict(coins),
        wallet=np.zeros(len(course.currencies), dtype=np.int64),
    )  # fmt: skip
    go(run)
    untouched = not run.log and bool((course.ends >= len(course.times)).all())
    room.ratio = setting.ratio if untouched else float("nan")
    tape, terms = books.tape, books.terms
    sums = np.zeros(len(Flow))
    end, fall = outcome(
        room.ledger.filled, room.paid, tape.settles, tape.close, terms.inverse, terms.unit, terms.currency,
        terms.quantum, tape.worth, spot, max(1, DAY // course.step), sums,
    )  # fmt: skip
    flows = room.ledger.filled[:, 1]
    return (
        (end, fall, float(sums[Flow.FEE] + sums[Flow.SLIPPAGE]), float(sums[Flow.FUNDING])),
        (int((flows == Flow.TRADE).sum()), sum(line.what == "liquidation" for line in run.log)),
    )


def _fresh(state: State) -> State:
    return State(state.lots.copy(), state.entry.copy(), state.cash.copy(), state.dead.copy(), state.cleared.copy())


def _worth_of(course: Course, accounts: Sequence[MarginAccount], holdings: Mapping[str, Decimal]) -> FloatArray:
    """Worth of the coins at every moment, shape (T,)."""
    spot = np.zeros(len(course.times))
    for asset, amount in holdings.items():
        if asset not in course.coins:
            raise InputError("not recorded in this course", cure="record the course with it", where=asset)
        if any(asset in account.deposit for account in accounts):
            raise InputError("coins as collateral are not swept", cure="give deposits in cash", where=asset)
        spot += to_float(amount) * course.spot[:, course.coins.index(asset)]
    return spot
