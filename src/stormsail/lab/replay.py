"""A plan and its policy taken through a course: the account as the venue would have kept it.

The compiled walk (:mod:`stormsail.lab._kernels`) goes from bar to bar; it stops where something must be decided, and
this module decides: in exact arithmetic where a float is too coarse, by the policy where margin runs short, by the
venue's rule where an account is liquidated. Policies are the functions of :mod:`stormsail.watch`; nothing here chooses.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Finding, InputError, Trouble
from stormsail.lab import _kernels as kernels
from stormsail.lab.account import Books, MarginAccount, amount_of, open_books, quanta
from stormsail.lab.course import Course
from stormsail.lab.ledger import Flow, IntArray, Ledger
from stormsail.lab.shock import Deleveraged, Frozen, Shock, VenueGone
from stormsail.market.delivery import delivery_window
from stormsail.market.panel import FloatArray
from stormsail.watch.acts import Act, SellSpot, TopUp, Trade, Warn, Withdraw
from stormsail.watch.ladder import respond, rungs
from stormsail.watch.policy import Follow, Lost, Policy
from stormsail.watch.sight import AccountSight, HeldShort

RESERVE = -1
"""Account number of the holder's own cash in the ledger."""

SPOT_PLACES = 8
"""Coins are counted in hundred-millionths."""

_FINE = 1 << 20
"""The price at which an account is liquidated is found to a millionth of the bar's move."""


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


Aim = Callable[[Mapping[str, Decimal]], FloatArray]
"""Lots wanted of every leg at every moment, shape (T, n), for coins held: targets are made anew when coins are sold."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What happened, complete: everything else is computed from it (:mod:`stormsail.lab.result`).

    Attributes:
        course: What the market did.
        books: Accounts, with their final state.
        ledger: Every movement except funding, shape (rows, 8).
        paid: Funding by settlement and leg, smallest units, shape (S, n).
        holdings: Coins held at the start, exact.
        reserve: Cash outside the accounts at the start, by currency.
        pledged: Coins of the holdings that were posted as collateral; they are not in ``coins``.
        coins: Coins outside the accounts at the end, exact.
        wallet: Cash outside the accounts at the end, smallest units by currency, shape (C,).
        log: What was done and why, in order.
        findings: What was noticed.
    """

    course: Course
    books: Books
    ledger: IntArray
    paid: IntArray
    holdings: Mapping[str, Decimal]
    reserve: Mapping[str, Decimal]
    pledged: Mapping[str, Decimal]
    coins: Mapping[str, Decimal]
    wallet: IntArray
    log: tuple[Happening, ...]
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Run:
    """State of a replay while it runs."""

    course: Course
    books: Books
    policy: Policy
    aim: Aim
    rule: kernels.Rule
    ledger: Ledger
    paid: IntArray
    coins: dict[str, int]
    free: dict[str, int]
    wallet: NDArray[np.int64]
    charge: Mapping[str, Decimal]
    transfer_cost: Decimal
    log: list[Happening] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    due: list[tuple[int, int, Callable[[int], None]]] = field(default_factory=list)
    sent: list[tuple[int, int, int, int]] = field(default_factory=list)
    frozen: list[Frozen] = field(default_factory=list)
    counter: int = 0

    # --- what is to be done later ------------------------------------------------------------------------------

    def at(self, step: int, act: Callable[[int], None]) -> None:
        """Do something at the end of a bar; nothing if that lies beyond the course."""
        if step < len(self.course.times):
            self.counter += 1
            heapq.heappush(self.due, (step, self.counter, act))

    def after(self, step: int, span: timedelta) -> int:
        """The first bar that ends at least ``span`` after the end of bar ``step``."""
        return step + max(0, -(-span // self.course.step))

    def note(self, step: int, what: str, where: str, reason: str) -> None:
        """Write a line of the log."""
        self.log.append(Happening(self.course.moment(step), what, where, reason))

    # --- the walk ----------------------------------------------------------------------------------------------

    def walk(self, tell: Callable[[int], None]) -> None:
        """From the first bar to the last."""
        step, end = 0, len(self.course.times) - 1
        while step <= end:
            stop = min([end, self.due[0][0] if self.due else end])
            code, at, account, self.ledger.used = kernels.walk(
                step, max(stop, step), self.books.tape, self.books.terms, self.rule, self.books.state, self.paid,
                self.ledger.rows, self.ledger.used,
            )  # fmt: skip
            tell(at)
            if code == kernels.FULL:
                self.ledger.grow()
                step = at
                continue
            if code == kernels.DOUBT and self._alive(account, at):
                self.books.state.cleared[account] = at
                step = at
                continue
            if code in (kernels.DOUBT, kernels.LIQUIDATION):
                self._liquidate(account, at)
                step = at
                continue
            while self.due and self.due[0][0] <= at:
                heapq.heappop(self.due)[2](at)
            if code == kernels.RUNG or self.policy.ladder is not None:
                self._climb(at)
            step = at + 1

    # --- liquidation -------------------------------------------------------------------------------------------

    def _legs(self, account: int) -> range:
        first = self.books.terms.first
        return range(int(first[account]), int(first[account + 1]))

    def _exact(self, account: int, ticks: Mapping[int, int], worth: FloatArray) -> Fraction:
        """Balance less requirement of an account at whole prices, without rounding."""
        books, terms, state = self.books, self.books.terms, self.books.state
        alone = int(terms.alone[account])
        total = Fraction(0)
        for c, places in enumerate(books.places):
            held = Fraction(int(state.cash[account, c]), 10**places)
            if alone >= 0:
                total += held if c == alone else 0
            elif held:
                value = held * Fraction(float(worth[c]))
                total += min(value, value * Fraction(float(terms.weight[account, c])))
        for i in self._legs(account):
            lots = int(state.lots[i])
            if not lots:
                continue
            c = int(terms.currency[i])
            unit = Fraction(int(terms.num[i]), int(terms.den[i])) / 10 ** books.places[c]
            notional = abs(lots) * unit / ticks[i] if terms.inverse[i] else abs(lots) * unit * ticks[i]
            value = (-notional if lots > 0 else notional) if terms.inverse[i] else (notional if lots > 0 else -notional)
            leg = books.legs[i]
            counted = Fraction(int(state.entry[i]), 10 ** books.places[c]) if terms.at_entry[i] else notional
            margin = Fraction(0)
            if leg.table is not None:
                lines = (counted * Fraction(t.rate) - Fraction(t.deduction) for t in leg.table.tiers)
                margin = max(lines)
            if leg.counts_fee:
                margin += counted * Fraction(leg.fee)
            rate = Fraction(1) if alone >= 0 else Fraction(float(worth[c]))
            total += (value - margin) * rate
        return total

    def _between(self, account: int, step: int, up: bool, part: int) -> dict[int, int]:
        """Ticks of each leg ``part`` millionths of the way from the close before to the bar's extreme."""
        tape, before = self.books.tape, max(step - 1, 0)
        extreme = tape.high if up else tape.low
        found = {}
        for i in self._legs(account):
            start = int(tape.close[before, i])
            found[i] = max(1, start + ((int(extreme[step, i]) - start) * part) // _FINE)
        return found

    def _alive(self, account: int, step: int) -> bool:
        """Whether the account stands at the extremes of the bar, in exact arithmetic."""
        worst = self.books.tape.worst[step]
        sides = (True, False)
        return all(self._exact(account, self._between(account, step, up, _FINE), worst) >= 0 for up in sides)

    def _liquidate(self, account: int, step: int) -> None:
        """The venue closes the account at the first prices on the way to the extreme at which it falls short."""
        worst = self.books.tape.worst[step]
        sides = (True, False)
        up = next(u for u in sides if self._exact(account, self._between(account, step, u, _FINE), worst) < 0)
        low, high = 0, _FINE
        if self._exact(account, self._between(account, step, up, 0), worst) < 0:
            high = 0
        while high - low > 1:
            middle = (low + high) // 2
            if self._exact(account, self._between(account, step, up, middle), worst) < 0:
                high = middle
            else:
                low = middle
        ticks = self._between(account, step, up, high)
        name = self.books.accounts[account].name
        lost = self._close_out(account, step, ticks)
        moved = max(ticks[i] / self.books.tape.close[max(step - 1, 0), i] - 1 for i in ticks)
        self.note(step, "liquidation", name, f"balance fell to maintenance, prices {moved:+.1%} within the bar; {lost}")
        self.findings.append(
            Finding(
                Trouble.NAKED,
                name,
                f"liquidated on {self.course.moment(step):%Y-%m-%d %H:%M}",
                "its coins are unprotected",
            )
        )
        self._lost(account, step)

    def _close_out(self, account: int, step: int, ticks: Mapping[int, int]) -> str:
        """Close every position at ``ticks``; the venue keeps its charge, the fund pays what is missing."""
        terms, state, ledger = self.books.terms, self.books.state, self.ledger
        venue = self.books.accounts[account].venue
        share = self.charge.get(venue, Decimal(1))
        for i in self._legs(account):
            lots = int(state.lots[i])
            if not lots:
                continue
            c = int(terms.currency[i])
            cash = kernels.value_of(lots, ticks[i], bool(terms.inverse[i]), int(terms.num[i]), int(terms.den[i]))
            ledger.post(step, Flow.LIQUIDATION, account, i, c, cash, -lots, ticks[i])
            state.cash[account, c] += cash
            charge = min(max(int(state.cash[account, c]), 0), int(abs(cash) * share))
            if charge:
                ledger.post(step, Flow.LIQUIDATION, account, i, c, -charge)
                state.cash[account, c] -= charge
            state.lots[i] = state.entry[i] = 0
        told = []
        for c, currency in enumerate(self.course.currencies):
            held = int(state.cash[account, c])
            if held < 0:  # a gap beyond bankruptcy is the insurance fund's
                ledger.post(step, Flow.LIQUIDATION, account, -1, c, -held)
                state.cash[account, c] = 0
            if held:
                told.append(f"{max(amount_of(held, currency), Decimal(0)):,.2f} {currency} left")
        return ", ".join(told) or "nothing left"

    # --- after a venue has closed a short ----------------------------------------------------------------------

    def _lost(self, account: int, step: int) -> None:
        """Leave the account's legs alone, and do what the policy says after its latency."""
        for i in self._legs(account):
            self.rule.target[step:, i] = np.nan
        then = self.policy.after_loss
        if then.then is Lost.NOTHING:
            return
        legs = list(self._legs(account))
        self.at(self.after(step, then.latency), lambda now: self._recover(account, legs, now))

    def _recover(self, account: int, legs: Sequence[int], step: int) -> None:
        if self.policy.after_loss.then is Lost.SELL:
            for i in legs:
                asset = self.books.legs[i].contract.base
                if self.free.get(asset, 0) > 0:
                    self._sell(asset, self.free[asset], step, "its hedge was closed by the venue")
            return
        missing = self._first_need(account, legs, step)
        sent = self._take(account, missing, step)
        if sent < missing:
            self.note(step, "naked", self.books.accounts[account].name, "the reserve cannot carry the short again")
        share = min(1.0, sent / missing) if missing else 1.0
        if share <= 0:
            return
        wanted = self.aim(self.holdings())[step:, legs] * share
        for n, i in enumerate(legs):
            leg = self.books.legs[i].contract
            change = (int(np.nan_to_num(wanted[0, n])) - int(self.books.state.lots[i])) * leg.lot
            self._order(
                account, leg.id, change, step, f"short again after the venue closed it, {share:.0%} of the target"
            )
        self.rule.target[step:, legs] = wanted

    def _first_need(self, account: int, legs: Sequence[int], step: int) -> int:
        """Collateral the account had for its targets at the start, in proportion to the value wanted now."""
        currency = self._money(account)
        c = self.course.currencies.index(currency)
        terms, tape = self.books.terms, self.books.tape
        aim = self.aim(self.holdings())
        posted = quanta(self.books.accounts[account].deposit.get(currency, Decimal(0)), currency)

        def value(at: int) -> float:
            return float(sum(abs(aim[at, i]) * terms.unit[i] * tape.close[at, i] for i in legs if not terms.inverse[i]))

        first = value(0)
        wanted = posted * value(step) / first if first else 0.0
        return max(0, int(wanted) - int(self.books.state.cash[account, c]))

    def _take(self, account: int, amount: int, step: int) -> int:
        """Move up to ``amount`` smallest units from the reserve to an account at once; returns what was moved."""
        c = self.course.currencies.index(self._money(account))
        moved = min(amount, int(self.wallet[c]))
        if moved > 0:
            self._move(step, RESERVE, account, c, moved)
        return moved

    # --- money -------------------------------------------------------------------------------------------------

    def _money(self, account: int) -> str:
        """The currency collateral is sent in."""
        spec = self.books.accounts[account]
        return spec.currency or next(iter(spec.deposit), "USDT")

    def _move(self, step: int, source: int, goal: int, c: int, amount: int) -> None:
        """Two rows that cancel, and the cost of sending."""
        cost = min(amount, quanta(self.transfer_cost, self.course.currencies[c]))
        for account, change in ((source, -amount), (goal, amount)):
            self.ledger.post(step, Flow.TRANSFER, account, -1, c, change)
            self._add(account, c, change)
        if cost:
            self.ledger.post(step, Flow.TRANSFER_COST, goal, -1, c, -cost)
            self._add(goal, c, -cost)

    def _add(self, account: int, c: int, change: int) -> None:
        if account == RESERVE:
            self.wallet[c] += change
        else:
            self.books.state.cash[account, c] += change

    def _send(self, account: int, currency: str, amount: Decimal, step: int) -> None:
        """Send from the reserve; it arrives after the ladder's latency, later if transfers are halted."""
        latency = self.policy.ladder.latency if self.policy.ladder else timedelta(0)
        c = self.course.currencies.index(currency)
        units = min(quanta(amount, currency), int(self.wallet[c]) - sum(u for _, a, k, u in self.sent if k == c))
        if units <= 0:
            return
        arrives = self.after(step, latency)
        for halt in self.frozen:
            if (
                halt.venue in (None, self.books.accounts[account].venue)
                and halt.when <= self.course.moment(step) < halt.until
            ):
                arrives = max(arrives, self.course.index_of(halt.until))
        entry = (arrives, account, c, units)
        self.sent.append(entry)

        def arrive(now: int) -> None:
            self.sent.remove(entry)
            if self.books.state.dead[account]:
                self.note(
                    now, "returned", self.books.accounts[account].name, "the account is gone; the transfer came back"
                )
                return
            self._move(now, RESERVE, account, c, units)
            self.note(
                now, "arrived", self.books.accounts[account].name, f"{amount_of(units, currency):,.2f} {currency}"
            )

        self.at(arrives, arrive)

    # --- coins -------------------------------------------------------------------------------------------------

    def holdings(self) -> dict[str, Decimal]:
        """Coins held now."""
        return {asset: Decimal(units).scaleb(-SPOT_PLACES) for asset, units in self.coins.items()}

    def _sell(self, asset: str, units: int, step: int, reason: str) -> None:
        """Sell coins at the moment's price; the proceeds join the reserve. Fee and slippage are those assumed."""
        units = min(units, self.free.get(asset, 0))
        if units <= 0:
            return
        k = self.course.coins.index(asset)
        c = self.course.currencies.index("USDT")
        price = Fraction(float(self.course.spot[step, k]))
        value = int(Fraction(units, 10**SPOT_PLACES) * price * 10 ** self.books.places[c])
        cost = -int(-value * Fraction(15, 10_000))
        self.ledger.post(step, Flow.SPOT, RESERVE, k, c, value, -units)
        self.ledger.post(step, Flow.FEE, RESERVE, -1 - k, c, -cost)
        self.wallet[c] += value - cost
        self.coins[asset] -= units
        self.free[asset] -= units
        self.note(step, "sold", asset, f"{Decimal(units).scaleb(-SPOT_PLACES):f} at {float(price):g}: {reason}")
        fresh = self.aim(self.holdings())
        alive = ~np.isnan(self.rule.target[step])
        self.rule.target[step:, alive] = fresh[step:, alive]

    def turn(self, plan: Turn, step: int) -> None:
        """Let a new plan take over: take back what accounts have beyond it, then send what they lack, and trade."""
        self.note(step, "plan", "portfolio", plan.reason)
        aim = self.aim(self.holdings())
        self.rule.target[step:] = aim[step:]
        terms, state = self.books.terms, self.books.state
        gaps = []
        for a, spec in enumerate(self.books.accounts):
            if state.dead[a]:
                self.rule.target[step:, self._legs(a)] = np.nan
                continue
            c = self.course.currencies.index(self._money(a))
            if int(terms.alone[a]) >= 0 and self.course.currencies[c] in self.course.coins:
                continue  # coins stay where they are
            price = self.books.tape.close[step].astype(np.float64)
            worth = self.books.tape.worth[step]
            balance, _, _ = kernels.judged(a, price, worth, worth, terms, state)
            wanted = plan.deposits.get(spec.name, Decimal(0))
            gaps.append((a, c, quanta(wanted, self.course.currencies[c]) - int(balance / terms.quantum[c])))
        for a, c, gap in sorted(gaps, key=lambda g: g[2]):
            if gap < 0:
                spare = min(-gap, int(state.cash[a, c]))
                if spare > 0:
                    self._move(step, a, RESERVE, c, spare)
            elif gap > 0:
                moved = min(gap, int(self.wallet[c]))
                if moved > 0:
                    self._move(step, RESERVE, a, c, moved)
                if moved < gap:
                    lacking = amount_of(gap - moved, self.course.currencies[c])
                    self.note(
                        step, "short of cash", self.books.accounts[a].name, f"{lacking:,.2f} missing in the reserve"
                    )
                    share = float(self._worth(a, step) / max(self._worth(a, step) + float(lacking), 1e-9))
                    self.rule.target[step:, self._legs(a)] *= share
        for i, leg in enumerate(self.books.legs):
            wanted_lots = self.rule.target[step, i]
            if not np.isnan(wanted_lots):
                change = int(wanted_lots) - int(state.lots[i])
                kept = self.rule.target[step:, i].copy()
                self._order(self.books.account_of(i), leg.contract.id, change * leg.contract.lot, step, plan.reason)
                self.rule.target[step:, i] = kept

    def _worth(self, account: int, step: int) -> float:
        """Margin balance of an account at the mark."""
        price = self.books.tape.close[step].astype(np.float64)
        worth = self.books.tape.worth[step]
        balance, _, _ = kernels.judged(account, price, worth, worth, self.books.terms, self.books.state)
        return max(float(balance), 0.0)

    # --- the ladder --------------------------------------------------------------------------------------------

    def sight_of(self, account: int, step: int) -> AccountSight:
        """The account as its owner sees it at the end of a bar."""
        books, terms = self.books, self.books.terms
        price = books.tape.close[step].astype(np.float64)
        worth = books.tape.worth[step]
        balance, needed, _ = kernels.judged(account, price, worth, worth, terms, books.state)
        alone = int(terms.alone[account])
        currency = self.course.currencies[alone] if alone >= 0 else self.course.account
        shorts = []
        for i in self._legs(account):
            contract = books.legs[i].contract
            wanted = self.rule.target[step, i]
            shorts.append(
                HeldShort(
                    contract=contract,
                    quantity=int(books.state.lots[i]) * contract.lot,
                    price=float(books.tape.last[step, i]) / 10.0 ** books.digits[i],
                    target=Decimal(0) if np.isnan(wanted) else int(wanted) * contract.lot,
                    tradable=bool(books.tape.open[step, i]),
                )
            )
        coming = sum(
            float(amount_of(u, self.course.currencies[c])) * (1.0 if alone >= 0 else float(books.tape.worth[step, c]))
            for _, a, c, u in self.sent
            if a == account
        )
        spec = books.accounts[account]
        return AccountSight(spec.name, spec.venue, currency, float(balance), float(needed), coming, tuple(shorts))

    def _climb(self, step: int) -> None:
        """Ask the ladder about every account past a rung, carry out what it says, and set the next rungs."""
        ladder = self.policy.ladder
        if ladder is None:
            return
        for a in range(len(self.books.accounts)):
            if self.books.state.dead[a] or not any(self.books.state.lots[i] for i in self._legs(a)):
                self.rule.upper[a], self.rule.lower[a] = np.inf, -1.0
                continue
            seen = self.sight_of(a, step)
            if self.rule.lower[a] <= seen.ratio <= self.rule.upper[a] and self.rule.upper[a] < np.inf:
                continue
            currency = self._money(a)
            c = self.course.currencies.index(currency)
            spare = int(self.wallet[c]) - sum(u for _, _, k, u in self.sent if k == c)
            for act in respond(ladder, seen, amount_of(max(spare, 0), currency)):
                self._do(a, act, step)
            self.rule.upper[a], self.rule.lower[a] = rungs(ladder, self.sight_of(a, step))

    def _do(self, account: int, act: Act, step: int) -> None:
        """Carry out one act of the policy."""
        match act:
            case Warn(where, reason):
                self.note(step, "warn", where, reason)
            case TopUp(where, currency, amount, reason):
                self.note(step, "top-up", where, f"{amount:,.2f} {currency}: {reason}")
                self._send(account, self._money(account), amount, step)
            case Withdraw(where, currency, amount, reason):
                c = self.course.currencies.index(self._money(account))
                units = min(quanta(amount, self._money(account)), int(self.books.state.cash[account, c]))
                if units > 0:
                    self.note(step, "withdraw", where, f"{amount:,.2f} {currency}: {reason}")
                    self._move(step, account, RESERVE, c, units)
            case Trade(_, contract, quantity, reason):
                self._order(account, contract, quantity, step, reason)
            case SellSpot(asset, quantity, reason):
                self._sell(asset, int(quantity.scaleb(SPOT_PLACES)), step, reason)
            case _:
                raise InputError(
                    f"{act} cannot be carried out here", cure="use a policy of this release", where="policy"
                )

    def _order(self, account: int, contract: str, quantity: Decimal, step: int, reason: str) -> None:
        """Trade at the moment's price, and scale what is wanted of the contract from now on."""
        books, tape, terms, state = self.books, self.books.tape, self.books.terms, self.books.state
        i = next(k for k in self._legs(account) if books.legs[k].contract.id == contract)
        change = int(quantity / books.legs[i].contract.lot)
        if not change or not tape.open[step, i]:
            return
        held = int(state.lots[i])
        last, c = int(tape.last[step, i]), int(terms.currency[i])
        kind = (bool(terms.inverse[i]), int(terms.num[i]), int(terms.den[i]), int(terms.fee[i]))
        size = abs(kernels.value_of(change, last, *kind[:3])) * terms.quantum[c]
        share = float(tape.slip[step, i] + tape.impact[step, i] * np.sqrt(size))
        while self.ledger.used + 3 > len(self.ledger.rows):
            self.ledger.grow()
        self.ledger.used = kernels.trade(
            step, account, i, c, change, Flow.TRADE, last, kernels.fill_price(change, last, share), kind, state.lots,
            state.entry, state.cash, self.ledger.rows, self.ledger.used,
        )  # fmt: skip
        self.note(step, "trade", contract, f"{quantity:+f}: {reason}")
        if held:
            self.rule.target[step:, i] *= (held + change) / held

    # --- shocks and ends ---------------------------------------------------------------------------------------

    def shock(self, event: Shock, step: int) -> None:
        """Let a shock happen at the end of a bar."""
        for a, spec in enumerate(self.books.accounts):
            if isinstance(event, Frozen) or spec.venue != event.venue or self.books.state.dead[a]:
                continue
            if isinstance(event, VenueGone):
                self._gone(a, event, step)
            else:
                self._deleverage(a, event, step)
        if isinstance(event, Frozen):
            self.frozen.append(event)
            self.note(step, "halt", event.venue or "all venues", event.reason)

    def _gone(self, account: int, event: VenueGone, step: int) -> None:
        """Everything at the venue is lost; the ledger closes the positions at the mark and writes all of it off."""
        terms, state, tape = self.books.terms, self.books.state, self.books.tape
        for i in self._legs(account):
            lots = int(state.lots[i])
            if lots:
                c, ticks = int(terms.currency[i]), int(tape.close[step, i])
                cash = kernels.value_of(lots, ticks, bool(terms.inverse[i]), int(terms.num[i]), int(terms.den[i]))
                self.ledger.post(step, Flow.LOSS, account, i, c, cash, -lots, ticks)
                state.cash[account, c] += cash
                state.lots[i] = state.entry[i] = 0
        told = []
        for c, currency in enumerate(self.course.currencies):
            held = int(state.cash[account, c])
            if held > 0:
                self.ledger.post(step, Flow.LOSS, account, -1, c, -held)
                state.cash[account, c] = 0
                told.append(f"{amount_of(held, currency):,.2f} {currency}")
        state.dead[account] = True
        name = self.books.accounts[account].name
        self.note(step, "venue gone", name, f"{event.reason}; lost {', '.join(told) or 'nothing'}")
        self._lost(account, step)

    def _deleverage(self, account: int, event: Deleveraged, step: int) -> None:
        """The venue buys back a share of each short in profit."""
        terms, state, tape = self.books.terms, self.books.state, self.books.tape
        hit = []
        for i in self._legs(account):
            lots, ticks = int(state.lots[i]), int(tape.close[step, i])
            contract = self.books.legs[i].contract
            if lots >= 0 or event.contract not in (None, contract.id):
                continue
            c = int(terms.currency[i])
            kind = (bool(terms.inverse[i]), int(terms.num[i]), int(terms.den[i]))
            value = abs(kernels.value_of(lots, ticks, *kind))
            gain = value > state.entry[i] if terms.inverse[i] else value < state.entry[i]
            closed = -(-abs(lots) * round(event.share * 1_000_000) // 1_000_000)
            if not gain or not closed:
                continue
            dearer = max(ticks, int(np.ceil(ticks * (1.0 + event.worse))))
            cash = kernels.value_of(-closed, ticks, *kind)
            paid = kernels.value_of(-closed, dearer, *kind)
            self.ledger.post(step, Flow.ADL, account, i, c, cash, closed, ticks)
            if paid != cash:
                self.ledger.post(step, Flow.ADL, account, i, c, paid - cash)
            state.cash[account, c] += paid
            state.entry[i] = kernels.shared(int(state.entry[i]), abs(lots) - closed, abs(lots))
            state.lots[i] = lots + closed
            self.rule.target[step:, i] = lots + closed
            hit.append(i)
            self.note(step, "deleveraged", contract.id, f"{event.share:.0%} of the short bought back: {event.reason}")
        if hit and self.policy.after_loss.then is not Lost.NOTHING:
            self.at(self.after(step, self.policy.after_loss.latency), lambda now: self._recover(account, hit, now))

    def settle(self, leg: int, step: int) -> None:
        """Settle a contract for good: at expiry at the averaged price, on delisting at its last mark."""
        state, terms, tape = self.books.state, self.books.terms, self.books.tape
        lots, account = int(state.lots[leg]), self.books.account_of(leg)
        self.rule.target[step:, leg] = np.nan
        if not lots:
            return
        contract, c = self.books.legs[leg].contract, int(terms.currency[leg])
        ticks = self._delivery(leg, step)
        kind = (bool(terms.inverse[leg]), int(terms.num[leg]), int(terms.den[leg]))
        cash = kernels.value_of(lots, ticks, *kind)
        self.ledger.post(step, Flow.DELIVERY, account, leg, c, cash, -lots, ticks)
        fee = -kernels.part(-abs(cash), int(terms.fee[leg]), kernels.RATE) if contract.expiry else 0
        if fee:
            self.ledger.post(step, Flow.FEE, account, leg, c, -fee)
        state.cash[account, c] += cash - fee
        state.lots[leg] = state.entry[leg] = 0
        why = "expired" if contract.expiry else "delisted"
        self.note(
            step, why, contract.id, f"settled at {ticks / 10.0 ** self.books.digits[leg]:g}; nothing is short of it now"
        )
        del tape

    def _delivery(self, leg: int, step: int) -> int:
        """Ticks of settlement: the mean of the coin's price over the averaging window, prices moving straight between
        two moments; the last mark of a delisted contract."""
        contract = self.books.legs[leg].contract
        mark = int(self.books.tape.close[step, leg])
        if contract.expiry is None or contract.base not in self.course.coins or not step:
            return mark
        k = self.course.coins.index(contract.base)
        now, before = self.course.spot[step, k], self.course.spot[step - 1, k]
        window = min(delivery_window(contract.venue, self.course.moment(step)), self.course.step)
        mean = now - (now - before) * (window / self.course.step) / 2.0
        return max(1, round(float(mean) * 10.0 ** self.books.digits[leg]))


def replay(
    course: Course,
    accounts: Sequence[MarginAccount],
    holdings: Mapping[str, Decimal],
    aim: Aim,
    policy: Policy,
    *,
    reserve: Mapping[str, Decimal] | None = None,
    sellable: Mapping[str, Decimal] | None = None,
    shocks: Iterable[Shock] = (),
    turns: Sequence[Turn] = (),
    half_width: FloatArray | float = 0.05,
    charge: Mapping[str, Decimal] | None = None,
    transfer_cost: Decimal = Decimal(0),
    tell: Callable[[int], None] = lambda step: None,
) -> Replay:
    """Take accounts and their policy through a course.

    Args:
        course: What the market does.
        accounts: Margin accounts with their deposits.
        holdings: Coins held, exact.
        aim: Lots wanted of every leg at every moment, given the coins held.
        policy: When positions follow, and what is done when margin runs short.
        reserve: Cash outside the accounts, by currency.
        sellable: Coins that may be sold; all by default.
        shocks: What venues do beyond prices.
        turns: Moments at which a new plan takes over.
        half_width: Half the no-trade band of each leg, where the policy leaves it open.
        charge: Share of the notional each venue keeps of a liquidated account; all that is left by default.
        transfer_cost: Cost of each transfer, in its currency.
        tell: Called with the bar that has been reached, for a progress bar.

    Returns:
        Everything that happened.
    """
    books = open_books(course, accounts)
    count, steps = len(books.legs), len(course.times)
    target = np.ascontiguousarray(aim(holdings), dtype=np.float64).copy()
    if target.shape != (steps, count):
        raise ValueError(f"targets have shape {target.shape}, not {(steps, count)}")
    reserve = reserve or {}
    wallet = np.zeros(len(course.currencies), dtype=np.int64)
    for currency, amount in reserve.items():
        wallet[course.currencies.index(currency)] = quanta(amount, currency)
    pledged = _pledged(course, accounts, holdings)
    coins = {
        asset: int((amount - pledged.get(asset, Decimal(0))).scaleb(SPOT_PLACES)) for asset, amount in holdings.items()
    }
    free = coins if sellable is None else {a: int(q.scaleb(SPOT_PLACES)) for a, q in sellable.items()}
    ladder = policy.ladder
    rule = _rule(course, books, policy, target, half_width)
    settlements = int(books.tape.settles.max(initial=-1)) + 1
    run = _Run(
        course=course, books=books, policy=policy, aim=aim, rule=rule, ledger=Ledger(),
        paid=np.zeros((settlements, count), dtype=np.int64), coins=dict(coins), free=dict(free), wallet=wallet,
        charge=charge or {}, transfer_cost=transfer_cost,
    )  # fmt: skip
    for a in range(len(accounts)):
        for c in np.flatnonzero(books.state.cash[a]):
            run.ledger.post(0, Flow.DEPOSIT, a, -1, int(c), int(books.state.cash[a, c]))
    for c in np.flatnonzero(wallet):
        run.ledger.post(0, Flow.DEPOSIT, RESERVE, -1, int(c), int(wallet[c]))
    for leg, column in enumerate(books.columns):
        if course.ends[column] < steps:
            run.at(int(course.ends[column]), lambda now, leg=leg: run.settle(leg, now))  # type: ignore[misc]
    for plan in turns:
        run.at(plan.step, lambda now, plan=plan: run.turn(plan, now))  # type: ignore[misc]
    for event in shocks:
        run.at(course.index_of(event.when), lambda now, event=event: run.shock(event, now))  # type: ignore[misc]
    if ladder is not None:
        run.rule.upper[:] = ladder.warn
    run.walk(tell)
    _missing_funding(run)
    return Replay(
        course=course, books=books, ledger=run.ledger.filled.copy(), paid=run.paid, holdings=dict(holdings),
        reserve=dict(reserve), pledged=pledged, coins=run.holdings(), wallet=run.wallet, log=tuple(run.log),
        findings=(*course.findings, *dict.fromkeys(run.findings)),
    )  # fmt: skip


def _pledged(course: Course, accounts: Sequence[MarginAccount], holdings: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Coins posted as collateral out of the holdings.

    Raises:
        InputError: If more is posted than held.
    """
    found: dict[str, Decimal] = {}
    for account in accounts:
        for currency, amount in account.deposit.items():
            if currency in holdings and currency in course.coins:
                found[currency] = found.get(currency, Decimal(0)) + amount
    for asset, amount in found.items():
        if amount > holdings[asset]:
            raise InputError(
                f"{amount:f} are posted and {holdings[asset]:f} are held", cure="post fewer coins", where=asset
            )
    return found


def _rule(
    course: Course, books: Books, policy: Policy, target: FloatArray, half_width: FloatArray | float
) -> kernels.Rule:
    """The policy's rebalancing as the compiled walk reads it."""
    steps, count = target.shape
    follow = policy.rebalance
    due = np.zeros(steps, dtype=bool)
    due[0] = True
    width = np.zeros(count)
    if follow.follow is not Follow.HOLD:
        due[:: max(1, follow.every // course.step)] = True
    if follow.follow is Follow.BAND:
        width[:] = half_width if follow.half_width is None else follow.half_width
    watch = follow.follow is Follow.BAND and bool((width > 0).all())
    looks = (books.tape.settles >= 0) | (due & (not watch))
    looks[0] = True
    events = np.full(steps, steps, dtype=np.int64)
    following = steps
    for t in range(steps - 1, -1, -1):
        following = t if looks[t] else following
        events[t] = following
    many = len(books.accounts)
    return kernels.Rule(
        due=due, events=events, watch=watch, target=target, half_width=width, to_edge=follow.to_edge,
        upper=np.full(many, np.inf), lower=np.full(many, -1.0),
    )  # fmt: skip


def _missing_funding(run: _Run) -> None:
    """Name the settlements whose rate is not known."""
    unknown = (run.books.tape.rate == kernels.MISSING).sum(axis=0)
    for i in np.flatnonzero(unknown):
        leg = run.books.legs[i].contract.id
        run.findings.append(
            Finding(
                Trouble.UNAVAILABLE,
                f"funding {leg}",
                f"{int(unknown[i])} settlements without a rate",
                "left out of the result",
            )
        )
