"""State of a replay while it runs: the accounts, what the holder has beside them, and what is to be done later.

The modules beside this one are functions of it, one idea each: :mod:`~stormsail.lab.money` moves money,
:mod:`~stormsail.lab.orders` trades, :mod:`~stormsail.lab.liquidation` closes accounts, :mod:`~stormsail.lab.shocks` and
:mod:`~stormsail.lab.ends` are what venues do, :mod:`~stormsail.lab.keeper` asks the policy.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Finding
from stormsail.lab import _kernels as kernels
from stormsail.lab.account import Books
from stormsail.lab.course import Course
from stormsail.lab.ledger import Flow, Ledger
from stormsail.lab.shock import Frozen
from stormsail.market.panel import FloatArray
from stormsail.watch.policy import Policy
from stormsail.watch.roll import Rolling

RESERVE = -1
"""Account number of the holder's own cash in the ledger."""

SPOT_PLACES = 8
"""Coins are counted in hundred-millionths."""

Aim = Callable[[Mapping[str, Decimal]], FloatArray]
"""Lots wanted of every leg at every moment, shape (T, n), for coins held: targets are made anew when coins are sold."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A new plan takes over: collateral is brought to what it asks for, and its targets hold from here.

    Attributes:
        step: Index of the moment.
        deposits: Collateral by account name, in the currency it is sent in.
        reason: For the log.
    """

    step: int
    deposits: Mapping[str, Decimal]
    reason: str


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the event log.

    Attributes:
        when: The moment.
        what: Kind of event: ``warn``, ``top-up``, ``liquidation``, ...
        where: Account, contract or coin.
        reason: Why, with the figures.
    """

    when: datetime
    what: str
    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gain:
    """A realised gain or loss, as a tax rule sees it.

    Attributes:
        when: The moment.
        what: Contract id, or the coin that was sold.
        currency: What it was realised in.
        amount: Proceeds less cost by average cost, before fees; negative for a loss.
        proceeds: What the sale of a coin brought; 0 for a contract.
    """

    when: datetime
    what: str
    currency: str
    amount: Decimal
    proceeds: Decimal = Decimal(0)


Tax = Callable[[Gain], Decimal]
"""Port of a tax rule: the tax due on a gain, in its currency; negative for relief."""


@dataclass(slots=True, eq=False)
class Transfer:
    """Collateral that is on the way from the reserve to an account."""

    arrives: int
    account: int
    currency: int
    units: int


@dataclass(slots=True)
class Run:
    """Everything a replay holds while it runs.

    Attributes:
        course: What the market does.
        books: Accounts in whole numbers.
        policy: How they are kept alive.
        aim: Where targets come from.
        rule: Rebalancing as the compiled walk reads it; ``rule.target`` is what is wanted now.
        ledger, paid: Every movement; funding by settlement and leg.
        coins, free: Coins outside the accounts, and of them those that may be sold, in hundred-millionths.
        posted: Coins of the holdings that were posted as collateral, in hundred-millionths.
        wallet: Cash outside the accounts in smallest units, shape (C,).
        transfer_cost: Cost of one transfer.
        tax: Tax rule, if any.
        costs: What a coin was bought at, for the tax rule.
        interest: Yearly rate on what is owed in a currency.
        collateral, common: Balance put behind a unit of value at the start, by account and over all of them.
        log, findings: What was done, and noticed.
        sent: Transfers on the way.
        frozen: Halts of transfers that have begun.
        woken: Accounts to be asked about at the next look whatever their ratio.
        goes: By leg, the bar it was last closed in by its venue, and lots closed in that bar.
        rolling: Rolls by leg.
        wanted: By leg that is being rolled, the units the hedge wants of it and what takes its place together.
        own: By leg that took another's place, lots the plan wants of it for itself.
        changed: When a leg's coin was last exchanged between perpetual and dated.
    """

    course: Course
    books: Books
    policy: Policy
    aim: Aim
    rule: kernels.Rule
    ledger: Ledger
    paid: NDArray[np.int64]
    coins: dict[str, int]
    free: dict[str, int]
    wallet: NDArray[np.int64]
    transfer_cost: Decimal = Decimal(0)
    tax: Tax | None = None
    costs: Mapping[str, Decimal] = field(default_factory=dict)
    interest: Mapping[str, Decimal] = field(default_factory=dict)
    collateral: dict[int, float] = field(default_factory=dict)
    common: float = 1.0
    posted: dict[str, int] = field(default_factory=dict)
    log: list[Happening] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    due: list[tuple[int, int, Callable[[int], None]]] = field(default_factory=list)
    sent: list[Transfer] = field(default_factory=list)
    frozen: list[Frozen] = field(default_factory=list)
    woken: set[int] = field(default_factory=set)
    goes: dict[int, tuple[int, int]] = field(default_factory=dict)
    rolling: dict[int, Rolling] = field(default_factory=dict)
    wanted: dict[int, Decimal] = field(default_factory=dict)
    own: dict[int, FloatArray] = field(default_factory=dict)
    changed: dict[str, datetime] = field(default_factory=dict)
    counter: int = 0

    def at(self, step: int, act: Callable[[int], None]) -> None:
        """Do something at the end of a bar; nothing if that lies beyond the course."""
        if step < len(self.course.times):
            self.counter += 1
            heapq.heappush(self.due, (step, self.counter, act))

    def after(self, step: int, span: timedelta) -> int:
        """The first bar that ends at least ``span`` after the end of bar ``step``."""
        return step + max(0, -(-span // self.course.step))

    def catch_up(self, step: int) -> None:
        """Do what is due by the end of that bar."""
        while self.due and self.due[0][0] <= step:
            heapq.heappop(self.due)[2](step)

    def note(self, step: int, what: str, where: str, reason: str) -> None:
        """Write a line of the log."""
        self.log.append(Happening(self.course.moment(step), what, where, reason))

    def legs(self, account: int) -> range:
        """Legs of an account."""
        first = self.books.terms.first
        return range(int(first[account]), int(first[account + 1]))

    def held(self, account: int) -> list[int]:
        """Legs in which an account has a position."""
        return [i for i in self.legs(account) if self.books.state.lots[i]]

    def kind(self, leg: int) -> tuple[bool, int, int]:
        """Whether a leg is inverse, and what a lot at one tick is worth."""
        terms = self.books.terms
        return bool(terms.inverse[leg]), int(terms.num[leg]), int(terms.den[leg])

    def value(self, leg: int, lots: int, ticks: int) -> int:
        """Value of a signed position in smallest units, rounded down; at no price too large."""
        inverse, num, den = self.kind(leg)
        return -lots * num // ticks if inverse else lots * ticks * num // den

    def price(self, leg: int, ticks: int) -> float:
        """Ticks as a price."""
        return ticks / float(10.0 ** self.books.digits[leg])

    def share(self, leg: int, step: int, lots: int) -> float:
        """Slippage of trading so many lots at a moment, as a fraction."""
        tape, terms = self.books.tape, self.books.terms
        size = kernels.size_of(lots, int(tape.last[step, leg]), *self.kind(leg))
        return float(tape.slip[step, leg] + tape.impact[step, leg] * np.sqrt(size * terms.quantum[terms.currency[leg]]))

    def judged(self, account: int, step: int) -> tuple[float, float]:
        """Balance and requirement of an account at the end of a bar, in the currency it is judged in."""
        tape = self.books.tape
        worth, price = tape.worth[step], tape.close[step].astype(np.float64)
        balance, needed, _ = kernels.judged(account, price, worth, worth, self.books.terms, self.books.state)
        return float(balance), float(needed)

    def post(
        self, step: int, flow: Flow, account: int, item: int, c: int, cash: int, units: int = 0, ticks: int = 0
    ) -> None:
        """Book a row and move the cash it speaks of."""
        self.ledger.post(step, flow, account, item, c, cash, units, ticks)
        if account == RESERVE:
            self.wallet[c] += cash
        else:
            self.books.state.cash[account, c] += cash

    def holdings(self) -> dict[str, Decimal]:
        """Coins held now outside the accounts."""
        return {asset: Decimal(units).scaleb(-SPOT_PLACES) for asset, units in self.coins.items()}

    def owned(self) -> dict[str, Decimal]:
        """Coins held now, those posted as collateral among them: what targets are made for."""
        return {
            asset: Decimal(units + self.posted.get(asset, 0)).scaleb(-SPOT_PLACES)
            for asset, units in self.coins.items()
        }
