"""What a replay was worth: paths through time, and profit split into parts that add up to the last unit.

The paths are worked out from the ledger alone, not carried along by the walk, so they check it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stormsail.core.exact import MONEY_CONTEXT
from stormsail.lab.account import quanta
from stormsail.lab.ledger import ACCOUNT, AMOUNT, CURRENCY, FLOW, ITEM, POSITION_FLOWS, STEP, TICKS, UNITS, Flow
from stormsail.lab.replay import SPOT_PLACES, Replay
from stormsail.market.panel import FloatArray

LAST = Decimal("1e-30")
"""Last decimal of a change of equity; what inverse contracts are worth has no last digit of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Values at each moment of the course, in the currency of account.

    Attributes:
        unhedged: Value of the coins held at the start, shape (T,).
        hedged: Value of everything held, less the cash that was brought in for the hedge, shape (T,).
        sold: Value had everything been sold at the start, shape (T,): constant.
        lots: Position of each leg, shape (T, n).
        cash: Balance of each account and, last, of the holder's own cash, by currency, shape (T, A + 1, C).
        balance, requirement: Margin balance and maintenance of each account at the mark, shape (T, A), in the currency
            it is judged in.
        funding: Funding received so far, shape (T,).
        short: Value short, shape (T,).
    """

    unhedged: FloatArray
    hedged: FloatArray
    sold: FloatArray
    lots: NDArray[np.int64]
    cash: FloatArray
    balance: FloatArray
    requirement: FloatArray
    funding: FloatArray
    short: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """Margin ratio of each account, NaN where it holds nothing, shape (T, A)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(self.balance > 0, self.requirement / self.balance, np.inf)
        return np.where(self.requirement > 0, ratio, np.nan)


def paths(replay: Replay) -> Paths:
    """Work out every path from the ledger."""
    course, books, rows = replay.course, replay.books, replay.ledger
    steps, count, many = len(course.times), len(books.legs), len(books.accounts)
    units = np.zeros((steps, count), dtype=np.int64)
    moved = (rows[:, UNITS] != 0) & np.isin(rows[:, FLOW], POSITION_FLOWS)
    np.add.at(units, (rows[moved, STEP], rows[moved, ITEM]), rows[moved, UNITS])
    lots = np.cumsum(units, axis=0)
    cash = np.zeros((steps, many + 1, len(course.currencies)), dtype=np.int64)
    paid_rows = rows[rows[:, FLOW] != Flow.REFUSED]
    np.add.at(cash, (paid_rows[:, STEP], paid_rows[:, ACCOUNT], paid_rows[:, CURRENCY]), paid_rows[:, AMOUNT])
    settled = np.flatnonzero(books.tape.settles >= 0)
    account_of = np.searchsorted(books.terms.first, np.arange(count), side="right") - 1
    for i in range(count):
        cash[settled, account_of[i], books.terms.currency[i]] += replay.paid[books.tape.settles[settled], i]
    quantum = books.terms.quantum
    held = np.cumsum(cash, axis=0) * quantum
    price = books.tape.close.astype(np.float64)
    inverse = books.terms.inverse
    size = np.where(inverse, -books.terms.unit / price, books.terms.unit * price)
    value = lots * size
    rate = course.worth[:, books.terms.currency]
    balance, requirement = np.zeros((steps, many)), np.zeros((steps, many))
    margin = _maintenance(replay, lots, np.abs(value))
    for a in range(many):
        legs = slice(int(books.terms.first[a]), int(books.terms.first[a + 1]))
        alone = int(books.terms.alone[a])
        if alone >= 0:
            balance[:, a] = held[:, a, alone] + value[:, legs].sum(axis=1)
            requirement[:, a] = margin[:, legs].sum(axis=1)
        else:
            net = held[:, a].copy()
            for i in range(legs.start, legs.stop):
                net[:, books.terms.currency[i]] += value[:, i]
            worth = net * course.worth
            balance[:, a] = np.minimum(worth, worth * books.terms.weight[a]).sum(axis=1)
            requirement[:, a] = (margin[:, legs] * rate[:, legs]).sum(axis=1)
        requirement[:, a] *= books.terms.trigger[a]
    coins = _coins(replay)
    spot = (coins * course.spot).sum(axis=1)
    start = np.array([float(replay.holdings.get(name, Decimal(0))) for name in course.coins])
    all_cash = (held.sum(axis=1) * course.worth).sum(axis=1)
    own = np.array([quanta(replay.pledged.get(name, Decimal(0)), name) for name in course.currencies])
    brought = float(((_brought(replay) - own) * quantum * course.worth[0]).sum())
    hedged = spot + all_cash + (value * rate).sum(axis=1) - brought
    funding = np.zeros(steps)
    funding[settled] = (
        replay.paid * quantum[books.terms.currency] * course.worth[settled][:, books.terms.currency]
    ).sum(axis=1)
    unhedged = course.spot @ start
    short = (np.where(lots < 0, np.abs(value), 0.0) * rate).sum(axis=1)
    return Paths(
        unhedged, hedged, np.full(steps, unhedged[0]), lots, held, balance, requirement, np.cumsum(funding), short
    )


def _maintenance(replay: Replay, lots: NDArray[np.int64], notional: FloatArray) -> FloatArray:
    """Maintenance of each leg at the mark, shape (T, n); what is counted at entry is taken at the mark here."""
    terms = replay.books.terms
    lines = notional[:, :, None] * terms.rate - terms.taken
    return np.where(lots != 0, np.maximum(lines.max(axis=2), 0.0) + terms.charged * notional, 0.0)


def _coins(replay: Replay) -> FloatArray:
    """Coins held at each moment, shape (T, K)."""
    course, rows = replay.course, replay.ledger
    change = np.zeros((len(course.times), len(course.coins)))
    sold = rows[rows[:, FLOW] == Flow.SPOT]
    np.add.at(change, (sold[:, STEP], sold[:, ITEM]), sold[:, UNITS] / 10.0**SPOT_PLACES)
    own = [replay.holdings.get(name, Decimal(0)) - replay.pledged.get(name, Decimal(0)) for name in course.coins]
    return np.array([float(q) for q in own]) + np.cumsum(change, axis=0)


def _brought(replay: Replay) -> NDArray[np.int64]:
    """Cash brought in at the start, by currency, in smallest units."""
    rows = replay.ledger
    total = np.zeros(len(replay.course.currencies), dtype=np.int64)
    deposits = rows[rows[:, FLOW] == Flow.DEPOSIT]
    np.add.at(total, deposits[:, CURRENCY], deposits[:, AMOUNT])
    return total


@dataclass(frozen=True, slots=True)
class Attribution:
    """Where the change of equity came from, exact, in the currency of account; gains are positive.

    Attributes:
        spot: Change of the value of the coins, sold or held.
        hedge: Profit of the contracts had they moved with their coins' spot price alone.
        basis: The rest of the contracts' price profit: futures moving against spot.
        funding: Funding received.
        fees: Fees paid.
        slippage: What fills cost beyond the last price.
        transfers: Cost of moving collateral.
        liquidation: What venues kept of liquidated accounts and what closing them slipped, less what insurance funds
            paid.
        deleveraging: What forced buy-backs cost beyond the mark.
        lost: Written off with venues that are gone.
        currency: Gain on cash and open profit from the moves of their currencies.
        tax: Tax, where a rule books it.
        interest: Interest paid on what was owed.
        change: Change of equity to the thirtieth decimal, worked out from what is held at the end, not from the parts.
    """

    spot: Decimal
    hedge: Decimal
    basis: Decimal
    funding: Decimal
    fees: Decimal
    slippage: Decimal
    transfers: Decimal
    liquidation: Decimal
    deleveraging: Decimal
    lost: Decimal
    currency: Decimal
    tax: Decimal
    interest: Decimal
    change: Decimal

    PARTS = (
        "spot", "hedge", "basis", "funding", "fees", "slippage", "transfers", "liquidation", "deleveraging", "lost",
        "currency", "tax", "interest",
    )  # fmt: skip

    @property
    def total(self) -> Decimal:
        """Sum of the parts; equal to ``change``, to the thirtieth decimal."""
        with localcontext(MONEY_CONTEXT):
            return sum((getattr(self, name) for name in self.PARTS), Decimal(0)).quantize(LAST)


def attribute(replay: Replay) -> Attribution:
    """Split the change of equity, exactly.

    A contract's profit is what its trades moved and what it is worth at the end, in the currency it settles in, turned
    into the currency of account at the end; ``hedge`` is the same with the coin's spot price in the place of the
    contract's. Everything else is a row of the ledger at the price its currency had then; what a currency's own move
    did to balances afterwards is ``currency``. The change is worked out from final balances, positions and coins.
    """
    course, books, rows = replay.course, replay.books, replay.ledger
    last = len(course.times) - 1
    positions = (rows[:, UNITS] != 0) & np.isin(rows[:, FLOW], POSITION_FLOWS)
    worth = Worth(replay)
    price = worth.at_end(rows[positions])
    hedge = Fraction(0)
    for row in rows[positions]:
        hedge += worth.contract(int(row[ITEM]), -int(row[UNITS]), worth.spot_of(row))
    for i in np.flatnonzero(books.state.lots):
        held, mark = int(books.state.lots[i]), Fraction(int(books.tape.close[last, i]), 10 ** books.digits[i])
        price += worth.contract(int(i), held, mark)
        hedge += worth.contract(int(i), held, worth.spot_at(int(i), last))
    rest = rows[~positions & (rows[:, FLOW] != Flow.REFUSED)]
    parts = {flow: worth.then(rest[rest[:, FLOW] == flow]) for flow in Flow}
    settled = worth.funding_rows()
    pledged = worth.pledged()
    moved = worth.since(rest) + worth.since(settled) - pledged
    return Attribution(
        spot=_decimal(_spot_change(replay, worth) + pledged),
        hedge=_decimal(hedge),
        basis=_decimal(price - hedge),
        funding=_decimal(worth.then(settled)),
        fees=_decimal(parts[Flow.FEE]),
        slippage=_decimal(parts[Flow.SLIPPAGE]),
        transfers=_decimal(parts[Flow.TRANSFER_COST] + parts[Flow.TRANSFER]),
        liquidation=_decimal(parts[Flow.LIQUIDATION]),
        deleveraging=_decimal(parts[Flow.ADL]),
        lost=_decimal(parts[Flow.LOSS]),
        currency=_decimal(moved),
        tax=_decimal(parts[Flow.TAX]),
        interest=_decimal(parts[Flow.BORROW]),
        change=_decimal(_equity_at_end(replay, worth) - _equity_at_start(replay)).quantize(LAST, context=MONEY_CONTEXT),
    )


class Worth:
    """Prices of a replay as fractions, and sums of ledger rows at them."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.books, self.course = replay.books, replay.course
        self.last = len(self.course.times) - 1
        self.constant = [
            bool((self.course.worth[:, c] == self.course.worth[0, c]).all()) for c in range(len(self.course.currencies))
        ]

    def of(self, c: int, step: int) -> Fraction:
        """Price of one smallest unit of a currency at a moment."""
        scale: int = 10 ** self.books.places[c]
        return Fraction(float(self.course.worth[step, c])) / scale

    def _sum(self, rows: NDArray[np.int64], price: Callable[[int, int], Fraction]) -> Fraction:
        total = Fraction(0)
        for c in np.unique(rows[:, CURRENCY]):
            mine = rows[rows[:, CURRENCY] == c]
            if self.constant[c]:
                total += sum(mine[:, AMOUNT].tolist()) * price(int(c), 0)
            else:
                total += sum((int(r[AMOUNT]) * price(int(c), int(r[STEP])) for r in mine), Fraction(0))
        return total

    def then(self, rows: NDArray[np.int64]) -> Fraction:
        """Sum of rows at the prices their currencies had."""
        return self._sum(rows, self.of)

    def at_end(self, rows: NDArray[np.int64]) -> Fraction:
        """Sum of rows at the last prices of their currencies."""
        return self._sum(rows, lambda c, _: self.of(c, self.last))

    def since(self, rows: NDArray[np.int64]) -> Fraction:
        """What the currencies of the rows gained from then to the end."""
        return self.at_end(rows) - self.then(rows)

    def contract(self, i: int, lots: int, price: Fraction) -> Fraction:
        """Value of a position at a price, turned into the currency of account at the end; not rounded."""
        terms, c = self.books.terms, int(self.books.terms.currency[i])
        unit = Fraction(int(terms.num[i]), int(terms.den[i]))
        scale: int = 10 ** self.books.digits[i]
        if terms.inverse[i]:
            return -lots * unit / (price * scale) * self.of(c, self.last)
        return lots * unit * price * scale * self.of(c, self.last)

    def spot_at(self, i: int, step: int) -> Fraction:
        """Spot price of a contract's coin; its own mark where the coin is not in the course."""
        base = self.books.legs[i].contract.base
        if base in self.course.coins:
            return Fraction(float(self.course.spot[step, self.course.coins.index(base)]))
        return Fraction(int(self.books.tape.close[step, i]), 10 ** self.books.digits[i])

    def spot_of(self, row: NDArray[np.int64]) -> Fraction:
        """Spot price beside a trade; beside a liquidation within a bar, moved as far as the contract's price was."""
        i, step = int(row[ITEM]), int(row[STEP])
        spot = self.spot_at(i, step)
        if row[FLOW] == Flow.LIQUIDATION:
            return spot * Fraction(int(row[TICKS]), int(self.books.tape.close[step, i]))
        return spot

    def funding_rows(self) -> NDArray[np.int64]:
        """Funding as rows of the ledger."""
        return funding_rows(self.replay)

    def pledged(self) -> Fraction:
        """What coins gained that were posted out of the holdings."""
        total = Fraction(0)
        for name, amount in self.replay.pledged.items():
            c = self.course.currencies.index(name)
            total += quanta(amount, name) * (self.of(c, self.last) - self.of(c, 0))
        return total


def funding_rows(replay: Replay) -> NDArray[np.int64]:
    """Funding payments as rows of the ledger, in order of time, shape (rows, 8)."""
    books = replay.books
    at = np.flatnonzero(books.tape.settles >= 0)
    s, i = np.nonzero(replay.paid)
    rows = np.zeros((len(s), 8), dtype=np.int64)
    rows[:, STEP], rows[:, FLOW], rows[:, ITEM] = at[s], Flow.FUNDING, i
    rows[:, ACCOUNT] = np.searchsorted(books.terms.first, i, side="right") - 1
    rows[:, CURRENCY], rows[:, AMOUNT] = books.terms.currency[i], replay.paid[s, i]
    rows[:, TICKS] = books.tape.close[at[s], i]
    return rows


def _spot_change(replay: Replay, worth: Worth) -> Fraction:
    """Value of the coins at the end and of those sold, less that of the coins at the start; pledged coins apart."""
    course, rows = replay.course, replay.ledger
    total = worth.then(rows[rows[:, FLOW] == Flow.SPOT])
    for k, name in enumerate(course.coins):
        first = Fraction(replay.holdings.get(name, Decimal(0))) - Fraction(replay.pledged.get(name, Decimal(0)))
        total += Fraction(replay.coins.get(name, Decimal(0))) * Fraction(float(course.spot[-1, k]))
        total -= first * Fraction(float(course.spot[0, k]))
    return total


def _equity_at_end(replay: Replay, worth: Worth) -> Fraction:
    """Coins, balances and positions as they stand, valued at the last prices."""
    course, books, last = replay.course, replay.books, worth.last
    total = Fraction(0)
    for k, name in enumerate(course.coins):
        total += Fraction(replay.coins.get(name, Decimal(0))) * Fraction(float(course.spot[-1, k]))
    for c in range(len(course.currencies)):
        total += (sum(books.state.cash[:, c].tolist()) + int(replay.wallet[c])) * worth.of(c, last)
    for i in np.flatnonzero(books.state.lots):
        mark = Fraction(int(books.tape.close[last, i]), 10 ** books.digits[i])
        total += worth.contract(int(i), int(books.state.lots[i]), mark)
    return total


def _equity_at_start(replay: Replay) -> Fraction:
    """Coins not pledged, deposits and reserve, valued at the first prices."""
    course = replay.course
    total = Fraction(0)
    for k, name in enumerate(course.coins):
        own = Fraction(replay.holdings.get(name, Decimal(0))) - Fraction(replay.pledged.get(name, Decimal(0)))
        total += own * Fraction(float(course.spot[0, k]))
    brought = _brought(replay)
    for c, places in enumerate(replay.books.places):
        total += Fraction(int(brought[c]), 10**places) * Fraction(float(course.worth[0, c]))
    return total


def _decimal(value: Fraction) -> Decimal:
    """A fraction as a decimal of fifty digits."""
    with localcontext(MONEY_CONTEXT):
        return Decimal(value.numerator) / Decimal(value.denominator)
