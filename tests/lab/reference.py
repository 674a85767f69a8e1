"""The account kept slowly: whole numbers and fractions, one idea after the other, written from the definitions.

What a venue does to an account on a course, for targets that are followed by hold, clock or band: no compiled code, no
arrays, no float where money is decided. The rows it returns are those of the ledger; funding is kept apart, as there.

The few floats are those of the definitions: targets and the band around them, and slippage, which is a statistic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cache

import numpy as np

from stormsail.core import Payoff, Unavailable
from stormsail.lab.account import Leg, MarginAccount, places_of
from stormsail.lab.course import Course
from stormsail.lab.ledger import Flow
from stormsail.margin.account import Position
from stormsail.margin.closeout import close_out
from stormsail.margin.closeout_rules import closeout_rule
from stormsail.margin.haircuts import haircuts
from stormsail.market.delivery import delivery_window
from stormsail.watch.policy import Follow, Rebalance

Row = tuple[int, int, int, int, int, int, int, int]
PARTS = 2**20
RATE = 10**9


def down(x: Fraction) -> int:
    """The whole number at or below."""
    return x.numerator // x.denominator


def up(x: Fraction) -> int:
    """The whole number at or above."""
    return -down(-x)


@dataclass
class Held:
    """One leg: what is held of it, and its value at entry in smallest units."""

    leg: Leg
    account: int
    column: int
    currency: int
    places: int
    digits: int
    lots: int = 0
    entry: int = 0

    def value(self, lots: int, ticks: int) -> Fraction:
        """Signed value in smallest units: of a linear or quanto contract lots times price, of an inverse one minus the
        coins its face is worth."""
        if self.leg.contract.payoff is Payoff.INVERSE:
            return -self.face * lots * 10**self.digits / ticks
        return self.face * lots * ticks / 10**self.digits

    def __post_init__(self) -> None:
        contract, table = self.leg.contract, self.leg.table
        self.face = Fraction(contract.size) * Fraction(contract.lot) * 10**self.places
        self.tiers = [(Fraction(t.cap), Fraction(t.rate), Fraction(t.deduction)) for t in table.tiers] if table else []

    def ticks(self, price: float) -> int:
        """A price in ticks."""
        return max(1, round(float(price) * 10.0**self.digits))

    def fill(self, change: int, ticks: int, share: float) -> int:
        """Ticks paid: worse by the slippage, to the whole tick that is worse."""
        return math.ceil(ticks * (1.0 + share)) if change > 0 else max(math.floor(ticks * (1.0 - share)), 1)

    def maintenance(self, ticks: int) -> Fraction:
        """Maintenance in whole currency: the bracket's rate less its deduction, and the closing fee where it counts."""
        counted = Fraction(self.entry) if self.leg.at_entry else abs(self.value(self.lots, ticks))
        counted /= 10**self.places
        margin = Fraction(0)
        if self.tiers:
            _, rate, deduction = next((t for t in self.tiers if counted <= t[0]), self.tiers[-1])
            margin = counted * rate - deduction
        return margin + (counted * Fraction(self.leg.fee) if self.leg.counts_fee else 0)


@dataclass
class Book:
    """What the reference returns."""

    rows: list[Row]
    paid: dict[tuple[int, int], int]
    held: list[Held]
    cash: list[list[int]]
    deaths: list[tuple[int, int, int]] = field(default_factory=list)


class Reference:
    """A course, accounts, and targets."""

    def __init__(
        self, course: Course, accounts: Sequence[MarginAccount], target: np.ndarray, rebalance: Rebalance,
        digits: Sequence[int], half_width: float,
    ) -> None:  # fmt: skip
        self.course, self.accounts, self.rebalance = course, accounts, rebalance
        self.width = half_width if rebalance.half_width is None else rebalance.half_width
        ids = [c.id for c in course.contracts]
        self.held: list[Held] = []
        for a, account in enumerate(accounts):
            for leg in account.legs:
                money = leg.currency
                self.held.append(
                    Held(
                        leg,
                        a,
                        ids.index(leg.contract.id),
                        course.currencies.index(money),
                        places_of(money),
                        digits[len(self.held)],
                    )
                )
        self.places = [places_of(name) for name in course.currencies]
        self.cash = [
            [int(account.deposit.get(name, Decimal(0)) * 10 ** places_of(name)) for name in course.currencies]
            for account in accounts
        ]
        self.target = target.copy()
        self.rows: list[Row] = []
        self.paid: dict[tuple[int, int], int] = {}
        self.deaths: list[tuple[int, int, int]] = []
        self.closed_in_bar: dict[tuple[int, int], int] = {}
        self.settlements = {
            int(t): s
            for s, t in enumerate(np.flatnonzero(course.settles[:, [h.column for h in self.held]].any(axis=1)))
        }

    # --- the words of the account ---

    def mine(self, a: int) -> list[tuple[int, Held]]:
        """Positions of an account."""
        return [(i, h) for i, h in enumerate(self.held) if h.account == a and h.lots]

    @cache  # noqa: B019  one short life
    def weight(self, a: int, c: int) -> Fraction:
        """Share of a currency that counts."""
        account, name = self.accounts[a], self.course.currencies[c]
        if account.weight:
            return Fraction(float(account.weight.get(name, 1.0)))
        listed = haircuts(account.venue, self.course.moment(0).date())
        if isinstance(listed, Unavailable):
            return Fraction(1 if name in ("USDT", "USDC", "USD") else 0)
        return Fraction(float(listed.rate(name)))

    def net(self, a: int, c: int, ticks: dict[int, int]) -> Fraction:
        """What an account has of a currency, open positions included, in whole currency."""
        units = Fraction(self.cash[a][c])
        units += sum((h.value(h.lots, ticks[i]) for i, h in self.mine(a) if h.currency == c), Fraction(0))
        return units / 10 ** self.places[c]

    def worst(self, t: int, c: int) -> Fraction:
        """Lowest price of a currency within the bar."""
        return Fraction(float(self.course.worst[t, c]))

    def dear(self, t: int, c: int) -> Fraction:
        """Highest price of a currency known within the bar: at its ends, or the lowest if that is higher."""
        course = self.course
        return Fraction(
            max(float(course.worth[t, c]), float(course.worth[max(t - 1, 0), c]), float(course.worst[t, c]))
        )

    def surplus(self, a: int, t: int, ticks: dict[int, int], *, calm: bool = False) -> Fraction:
        """Balance less requirement; ``calm`` at the bar's end, else at the worst prices of currencies within it."""
        account = self.accounts[a]
        return self.balance(a, t, ticks, calm=calm) - Fraction(account.trigger) * sum(
            (h.maintenance(ticks[i]) * self.rate(a, h, t, calm=calm) for i, h in self.mine(a)), Fraction(0)
        )

    def balance(self, a: int, t: int, ticks: dict[int, int], *, calm: bool = False) -> Fraction:
        """Margin balance in the currency the account is judged in."""
        account, course = self.accounts[a], self.course
        if account.currency is not None:
            return self.net(a, course.currencies.index(account.currency), ticks)
        total = Fraction(0)
        for c in range(len(course.currencies)):
            now, net = Fraction(float(course.worth[t, c])), self.net(a, c, ticks)
            low, high = (now, now) if calm else (self.worst(t, c), self.dear(t, c))
            total += net * low * self.weight(a, c) if net > 0 else net * high
        return total

    def rate(self, a: int, h: Held, t: int, *, calm: bool = False) -> Fraction:
        """What turns a leg's requirement into the currency the account is judged in."""
        if self.accounts[a].currency is not None:
            return Fraction(1)
        return Fraction(float(self.course.worth[t, h.currency])) if calm else self.dear(t, h.currency)

    def ticks_at(self, a: int, t: int, up_: bool, part: int) -> dict[int, int]:
        """Prices ``part`` millionths of the way from the close before to the bar's extreme."""
        course, found = self.course, {}
        for i, h in self.mine(a):
            start = h.ticks(course.mark[max(t - 1, 0), h.column])
            extreme = (max if up_ else min)(course.high[t, h.column] if up_ else course.low[t, h.column],
                                            course.mark[t, h.column])  # fmt: skip
            found[i] = max(1, start + down(Fraction((h.ticks(extreme) - start) * part, PARTS)))
        return found

    def post(self, t: int, flow: Flow, a: int, i: int, c: int, cash: int, units: int = 0, ticks: int = 0) -> None:
        """A row, and the cash it moves."""
        self.rows.append((t, int(flow), a, i, c, cash, units, ticks))
        self.cash[a][c] += cash

    # --- a bar ---

    def run(self) -> Book:
        """Every bar in turn."""
        for a, cash in enumerate(self.cash):
            for c, units in enumerate(cash):
                if units:
                    self.rows.append((0, int(Flow.DEPOSIT), a, -1, c, units, 0, 0))
        for t in range(len(self.course.times)):
            self.judge(t)
            self.fund(t)
            self.rebalance_all(t)
            self.end(t)
        return Book(self.rows, self.paid, self.held, self.cash, self.deaths)

    def judge(self, t: int) -> None:
        """Every account at its highs, then at its lows; looked at from the first again whenever one was closed."""
        again = True
        while again:
            again = False
            for a in range(len(self.accounts)):
                for up_ in (True, False):
                    if self.mine(a) and self.surplus(a, t, self.ticks_at(a, t, up_, PARTS)) < 0:
                        self.liquidate(a, t, up_)
                        again = True
                        break
                if again:
                    break

    def liquidate(self, a: int, t: int, up_: bool) -> None:
        """Close what the venue closes, at the first price that is too bad."""
        low, high = 0, PARTS
        if self.surplus(a, t, self.ticks_at(a, t, up_, 0)) < 0:
            high = 0
        while high - low > 1:
            middle = (low + high) // 2
            short = self.surplus(a, t, self.ticks_at(a, t, up_, middle)) < 0
            low, high = (low, middle) if short else (middle, high)
        ticks = self.ticks_at(a, t, up_, high)
        self.deaths.append((t, a, high))
        before, again = {i: h.lots for i, h in self.mine(a)}, set()
        while self.mine(a) and self.surplus(a, t, ticks) < 0:
            needs = [(h.maintenance(ticks[i]) * self.rate(a, h, t), -i) for i, h in self.mine(a)]
            i = -max(needs)[1]
            self.close_one(a, i, t, ticks, i in again)
            again.add(i)
        if not self.mine(a):
            self.pay_debts(a, t)
        for i, lots in before.items():
            if self.held[i].lots != lots:
                self.target[t:, i] = np.nan

    def close_one(self, a: int, i: int, t: int, ticks: dict[int, int], again: bool) -> None:
        """The position with the largest requirement, by its venue's rule."""
        account, h, day = self.accounts[a], self.held[i], self.course.moment(t).date()
        rule = closeout_rule(account.venue, day)
        if isinstance(rule, Unavailable):
            self.lose_all(a, t, ticks)
            return
        others = [(k, o) for k, o in self.mine(a) if k != i]
        worse = h.fill(-h.lots, ticks[i], self.share(h, h.lots, t))
        if account.currency is not None and account.trigger == 1 and h.leg.table is not None:
            position = self.position(h, ticks[i])
            left = self.net(a, h.currency, ticks) - sum((o.maintenance(ticks[k]) for k, o in others), Fraction(0))
            wallet = decimal(left - Fraction(position.profit))
            out = close_out(position, wallet, day, fill=Decimal(worse).scaleb(-h.digits), again=again)
            if isinstance(out, Unavailable):
                self.lose_all(a, t, ticks)
                return
            if not out.taken_over:
                asked = int(out.closed / h.leg.contract.lot)
                done = self.closed_in_bar.get((t, i), 0)  # the goes of a bar double
                lots = min(max(abs(asked), done), abs(h.lots))
                self.closed_in_bar[t, i] = done + lots
                share = Fraction(lots, abs(asked))
                self.close(a, i, t, lots if h.lots > 0 else -lots, ticks[i], worse, Fraction(out.fee) * share)
                return
            if not others:
                self.close(a, i, t, h.lots, ticks[i], ticks[i], Fraction(0))
                self.write_off(a, h.currency, t)
                return
        fee = Fraction(h.leg.contract.taker_fee if rule.fee is None else rule.fee)
        size = Fraction(up(abs(h.value(h.lots, worse))), 10**h.places)
        self.close(a, i, t, h.lots, ticks[i], worse, size * fee)

    def position(self, h: Held, ticks: int) -> Position:
        """A leg as the margin room knows it."""
        contract = h.leg.contract
        quantity, paid = contract.lot * h.lots, decimal(Fraction(h.entry, 10**h.places))
        size = decimal(Fraction(abs(quantity)) * Fraction(contract.size))
        entry = divide(size, paid) if contract.payoff is Payoff.INVERSE else divide(paid, size)
        assert h.leg.table is not None
        return Position(contract, quantity, entry, Decimal(ticks).scaleb(-h.digits), h.leg.table,
                        h.leg.fee if h.leg.counts_fee else Decimal(0), h.leg.at_entry, h.leg.settle)  # fmt: skip

    def close(self, a: int, i: int, t: int, closed: int, ticks: int, fill: int, fee: Fraction) -> None:
        """A forced trade."""
        h = self.held[i]
        cash, paid = down(h.value(closed, ticks)), down(h.value(closed, fill))
        self.post(t, Flow.LIQUIDATION, a, i, h.currency, cash, -closed, ticks)
        if paid != cash:
            self.post(t, Flow.LIQUIDATION, a, i, h.currency, paid - cash)
        if fee:
            self.post(t, Flow.LIQUIDATION, a, i, h.currency, -up(fee * 10**h.places))
        h.entry = down(Fraction(h.entry * abs(h.lots - closed), abs(h.lots)))
        h.lots -= closed

    def lose_all(self, a: int, t: int, ticks: dict[int, int]) -> None:
        """Nobody knows what the venue leaves: nothing."""
        for i, h in self.mine(a):
            self.close(a, i, t, h.lots, ticks[i], ticks[i], Fraction(0))
        for c in range(len(self.course.currencies)):
            self.write_off(a, c, t)

    def write_off(self, a: int, c: int, t: int) -> None:
        """The insurance fund takes what is there, or pays what is missing."""
        if self.cash[a][c]:
            self.post(t, Flow.LIQUIDATION, a, -1, c, -self.cash[a][c])

    def pay_debts(self, a: int, t: int) -> None:
        """What is owed is paid out of the other currencies, the rest by the insurance fund."""
        count = range(len(self.course.currencies))
        for c in [c for c in count if self.cash[a][c] < 0]:
            for d in count if self.accounts[a].currency is None else ():
                owed, has = -self.cash[a][c], self.cash[a][d]
                if owed <= 0 or has <= 0:
                    continue
                unit_c = Fraction(float(self.course.worth[t, c])) / 10 ** self.places[c]
                unit_d = Fraction(float(self.course.worth[t, d])) / 10 ** self.places[d]
                given = min(has, up(owed * unit_c / unit_d))
                brought = min(owed, down(given * unit_d / unit_c))
                self.post(t, Flow.LIQUIDATION, a, -1, d, -given)
                self.post(t, Flow.LIQUIDATION, a, -1, c, brought)
            if self.cash[a][c] < 0:
                self.write_off(a, c, t)

    def fund(self, t: int) -> None:
        """Funding settles: shorts receive a positive rate; rounded against the holder, the notional first."""
        if t not in self.settlements:
            return
        for i, h in enumerate(self.held):
            rate = float(self.course.rate[t, h.column])
            if not h.lots or not self.course.settles[t, h.column] or not math.isfinite(rate):
                continue
            whole = round(rate * RATE)
            if not whole:
                continue
            size = abs(h.value(h.lots, h.ticks(self.course.mark[t, h.column])))
            if (h.lots < 0) == (whole > 0):
                amount = down(Fraction(down(size) * abs(whole), RATE))
            else:
                amount = -up(Fraction(up(size) * abs(whole), RATE))
            self.cash[h.account][h.currency] += amount
            if amount:
                self.paid[self.settlements[t], i] = amount

    def rebalance_all(self, t: int) -> None:
        """Positions follow their targets."""
        every = max(1, self.rebalance.every // self.course.step)
        if t and (self.rebalance.follow is Follow.HOLD or t % every):
            return
        for i, h in enumerate(self.held):
            wanted = self.wanted(h, float(self.target[t, i]))
            if wanted is None or wanted == h.lots or not self.course.tradable[t, h.column]:
                continue
            change, last = wanted - h.lots, h.ticks(self.course.last[t, h.column])
            size = up(abs(h.value(change, last)))
            contract = h.leg.contract
            least = contract.min_notional * 10**h.places if contract.payoff is Payoff.LINEAR else 0
            if size < least and wanted:
                continue
            if abs(wanted) > abs(h.lots) and not self.affordable(h, wanted, t):
                self.rows.append((t, int(Flow.REFUSED), h.account, i, h.currency, 0, change, last))
                continue
            fill = h.fill(change, last, self.share(h, change, t))
            self.trade(t, i, h, change, last, fill)

    def wanted(self, h: Held, target: float) -> int | None:
        """Whole lots wanted, never more than the target."""
        if math.isnan(target):
            return None
        width = self.width if self.rebalance.follow is Follow.BAND else 0.0
        reach = abs(target) * width
        if h.lots and target - reach <= h.lots <= target + reach:
            return h.lots
        edge = target
        if h.lots and self.rebalance.to_edge:
            edge = target + reach if h.lots > target else target - reach
        return math.trunc(edge)

    def affordable(self, h: Held, wanted: int, t: int) -> bool:
        """Whether the account has the initial margin of everything with the change made, at the marks."""
        a = h.account
        marks = {i: o.ticks(self.course.mark[t, o.column]) for i, o in enumerate(self.held)
                 if np.isfinite(self.course.mark[t, o.column])}  # fmt: skip
        asked = Fraction(0)
        for i, o in enumerate(self.held):
            lots = wanted if o is h else o.lots
            if o.account != a or not lots:
                continue
            share = Fraction(1) / Fraction(o.leg.table.tiers[0].max_leverage) if o.leg.table else Fraction(0)
            asked += abs(o.value(lots, marks[i])) / 10**o.places * share * self.rate(a, o, t, calm=True)
        return asked <= self.balance(a, t, marks, calm=True)

    def share(self, h: Held, lots: int, t: int) -> float:
        """Slippage as a fraction."""
        size = up(abs(h.value(lots, h.ticks(self.course.last[t, h.column]))))
        quantum = 10.0**-h.places
        return float(self.course.half_spread[t, h.column] + self.course.impact[t, h.column] * np.sqrt(size * quantum))

    def trade(self, t: int, i: int, h: Held, change: int, last: int, fill: int) -> None:
        """The trade at the last price, what the fill cost beyond it, and the fee on what was filled."""
        cash, paid = down(h.value(-change, last)), down(h.value(-change, fill))
        size = up(abs(h.value(change, fill)))
        self.post(t, Flow.TRADE, h.account, i, h.currency, cash, change, last)
        if paid != cash:
            self.post(t, Flow.SLIPPAGE, h.account, i, h.currency, paid - cash, 0, fill)
        fee = up(size * Fraction(int(h.leg.fee * RATE), RATE))
        if fee:
            self.post(t, Flow.FEE, h.account, i, h.currency, -fee, 0, fill)
        now = h.lots + change
        if h.lots == 0 or h.lots * change > 0:
            h.entry += size
        elif h.lots * now > 0:
            h.entry = down(Fraction(h.entry * abs(now), abs(h.lots)))
        else:
            h.entry = up(abs(h.value(now, fill)))
        h.lots = now

    def end(self, t: int) -> None:
        """Contracts that are settled for good at the end of this bar."""
        for i, h in enumerate(self.held):
            if int(self.course.ends[h.column]) != t:
                continue
            self.target[t:, i] = np.nan
            if not h.lots:
                continue
            contract = h.leg.contract
            ticks = self.delivery(h, t) if contract.expiry is not None else h.ticks(self.course.mark[t, h.column])
            self.post(t, Flow.DELIVERY, h.account, i, h.currency, down(h.value(h.lots, ticks)), -h.lots, ticks)
            fee = up(up(abs(h.value(h.lots, ticks))) * Fraction(int(h.leg.fee * RATE), RATE))
            if contract.expiry is not None and fee:
                self.post(t, Flow.FEE, h.account, i, h.currency, -fee)
            h.lots = h.entry = 0

    def delivery(self, h: Held, t: int) -> int:
        """Mean spot price over the averaging window, prices moving straight between two moments."""
        course, contract = self.course, h.leg.contract
        if contract.base not in course.coins or t == 0:
            return h.ticks(course.mark[t, h.column])
        k = course.coins.index(contract.base)
        window = min(delivery_window(contract.venue, course.moment(t)), course.step)
        now, before = course.spot[t, k], course.spot[t - 1, k]
        return h.ticks(now - (now - before) * (window / course.step) / 2.0)


def decimal(x: Fraction) -> Decimal:
    """Fifty digits."""
    return divide(Decimal(x.numerator), Decimal(x.denominator))


def divide(x: Decimal, y: Decimal) -> Decimal:
    """Fifty digits."""
    from decimal import localcontext

    with localcontext() as context:
        context.prec = 50
        return x / y
