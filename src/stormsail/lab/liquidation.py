"""An account that no longer meets its requirement, closed by its venue's rule of the day, in exact arithmetic.

Prices go straight from the close before to the bar's extreme, all together; the account is closed at the first
millionth of the way at which its balance is below its requirement. Then, until it stands again:

- the position with the largest requirement is closed first; no venue prints the order, and that is what it would have
  to close soonest;
- how much of it, at what fee, and whether the insurance fund takes it over, is the venue's rule
  (:mod:`stormsail.margin.closeout`), the trade slipping as any other does. In an account judged over several currencies
  it is closed whole, at the venue's fee;
- a go that follows others within the bar closes at least as much of a position as they did together: a venue that
  closes lot by lot is not followed to the last lot;
- once nothing is held, what is owed in one currency is paid out of the others, and the insurance fund pays the rest;
- where the venue's rule was not read everything is closed and what is left is counted as lost, which is the worst it
  could be, and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from stormsail.core import Finding, Payoff, Trouble, Unavailable, times
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.lab import _kernels as kernels
from stormsail.lab.account import amount_of
from stormsail.lab.ledger import Flow
from stormsail.lab.run import Run
from stormsail.margin.account import Position
from stormsail.margin.closeout import close_out
from stormsail.margin.closeout_rules import closeout_rule
from stormsail.margin.types import TierTable
from stormsail.watch.recover import Closed, Loss

FINE = 1 << 20
"""The price of a liquidation is found to a millionth of the bar's move."""

Ticks = Mapping[int, int]


def alive(run: Run, account: int, step: int) -> bool:
    """Whether the account stands at the extremes of the bar, in exact arithmetic."""
    return all(surplus(run, account, _between(run, account, step, up, FINE), step) >= 0 for up in (True, False))


def nets(run: Run, account: int, ticks: Ticks) -> list[Fraction]:
    """What the account has of every currency at whole prices, its positions included, without rounding."""
    books = run.books
    found = [
        Fraction(int(units), 10**places) for units, places in zip(books.state.cash[account], books.places, strict=True)
    ]
    for i in run.held(account):
        found[int(books.terms.currency[i])] += _value(run, i, ticks[i])
    return found


def need(run: Run, leg: int, ticks: int) -> Fraction:
    """Maintenance of a leg's position in the currency it settles in, before the account's trigger."""
    books = run.books
    leg_ = books.legs[leg]
    if books.terms.at_entry[leg]:
        counted = Fraction(int(books.state.entry[leg]), 10 ** books.places[int(books.terms.currency[leg])])
    else:
        counted = abs(_value(run, leg, ticks))
    margin = Fraction(0)
    if leg_.table is not None:
        margin = max(counted * Fraction(t.rate) - Fraction(t.deduction) for t in leg_.table.tiers)
    return margin + (counted * Fraction(leg_.fee) if leg_.counts_fee else 0)


def surplus(run: Run, account: int, ticks: Ticks, step: int) -> Fraction:
    """Balance less requirement at whole prices and the bar's worst prices of currencies, without rounding."""
    books, tape = run.books, run.books.tape
    alone, has = int(books.terms.alone[account]), nets(run, account, ticks)
    trigger = Fraction(books.accounts[account].trigger)
    if alone >= 0:
        return has[alone] - trigger * sum((need(run, i, ticks[i]) for i in run.held(account)), Fraction(0))
    total = Fraction(0)
    for c, net in enumerate(has):
        if net > 0:
            total += net * Fraction(float(tape.worst[step, c])) * Fraction(float(books.terms.weight[account, c]))
        else:
            total += net * Fraction(float(tape.dear[step, c]))
    for i in run.held(account):
        total -= trigger * need(run, i, ticks[i]) * _dear(run, i, step)
    return total


def liquidate(run: Run, account: int, step: int) -> tuple[Loss, ...]:
    """Close what must be closed; what it took from the holder, for the policy to answer."""
    ticks = _first(run, account, step)
    books, name = run.books, run.books.accounts[account].name
    before = {i: int(books.state.lots[i]) for i in run.held(account)}
    again: set[int] = set()
    while (held := run.held(account)) and surplus(run, account, ticks, step) < 0:
        largest = max(held, key=lambda i: (need(run, i, ticks[i]) * _rate(run, account, i, step), -i))
        _close_largest(run, account, largest, ticks, step, largest in again)
        again.add(largest)
    if not run.held(account):
        _pay_debts(run, account, step)
    state = books.state
    state.cleared[account] = -1
    losses = []
    for i, lots in before.items():
        gone = lots - int(state.lots[i])
        if gone:  # what is left of it is let alone until the policy has answered
            run.rule.target[step:, i] = np.nan
        if gone < 0:
            contract = books.legs[i].contract
            quantity = times(Decimal(-gone), contract.lot)
            losses.append(
                Loss(name, contract, quantity, run.price(i, ticks[i]), run.course.moment(step), Closed.LIQUIDATED)
            )
    _tell(run, account, step, ticks, before)
    return tuple(losses)


def _first(run: Run, account: int, step: int) -> dict[int, int]:
    """The first prices on the way to an extreme at which the account falls short, rising prices looked at first."""
    up = surplus(run, account, _between(run, account, step, True, FINE), step) < 0
    low, high = 0, FINE
    if surplus(run, account, _between(run, account, step, up, 0), step) < 0:
        high = 0
    while high - low > 1:
        middle = (low + high) // 2
        if surplus(run, account, _between(run, account, step, up, middle), step) < 0:
            high = middle
        else:
            low = middle
    return _between(run, account, step, up, high)


def _between(run: Run, account: int, step: int, up: bool, part: int) -> dict[int, int]:
    """Ticks of each leg held, ``part`` millionths of the way from the close before to the bar's extreme."""
    tape = run.books.tape
    extreme = tape.high if up else tape.low
    found = {}
    for i in run.held(account):
        start = int(tape.close[max(step - 1, 0), i])
        found[i] = max(1, start + (int(extreme[step, i]) - start) * part // FINE)
    return found


def _value(run: Run, leg: int, ticks: int) -> Fraction:
    """Signed value of a position in whole currency."""
    books = run.books
    lots, (inverse, num, den) = int(books.state.lots[leg]), run.kind(leg)
    scale: int = 10 ** books.places[int(books.terms.currency[leg])]
    return Fraction(-lots * num, ticks * scale) if inverse else Fraction(lots * ticks * num, den * scale)


def _dear(run: Run, leg: int, step: int) -> Fraction:
    return Fraction(float(run.books.tape.dear[step, run.books.terms.currency[leg]]))


def _rate(run: Run, account: int, leg: int, step: int) -> Fraction:
    """What turns a leg's requirement into the currency the account is judged in."""
    return Fraction(1) if int(run.books.terms.alone[account]) >= 0 else _dear(run, leg, step)


def _close_largest(run: Run, account: int, leg: int, ticks: Ticks, step: int, again: bool) -> None:
    """Close one position, whole or in part, as its venue does."""
    books, day = run.books, run.course.moment(step).date()
    spec, table = books.accounts[account], books.legs[leg].table
    rule = closeout_rule(spec.venue, day)
    if isinstance(rule, Unavailable):
        _lose_all(run, account, ticks, step, rule.reason)
        return
    lots, others = int(books.state.lots[leg]), [i for i in run.held(account) if i != leg]
    fill = kernels.fill_price(-lots, ticks[leg], run.share(leg, step, lots))
    if int(books.terms.alone[account]) >= 0 and spec.trigger == 1 and table is not None:
        position = position_of(run, leg, ticks[leg], table)
        wallet = _left_by_others(run, account, leg, ticks, position)
        out = close_out(position, wallet, day, fill=_price(run, leg, fill), again=again)
        if isinstance(out, Unavailable):
            _lose_all(run, account, ticks, step, out.reason)
            return
        if not out.taken_over:
            with localcontext(MONEY_CONTEXT):
                asked = int(out.closed / books.legs[leg].contract.lot)
            closed = _at_least(run, leg, asked, step)
            _close(run, account, leg, closed, ticks[leg], fill, Fraction(out.fee) * closed / asked, step)
            return
        if not others:
            _close(run, account, leg, lots, ticks[leg], ticks[leg], Fraction(0), step)
            _write_off(run, account, int(books.terms.alone[account]), step)
            return
    fee = books.legs[leg].contract.taker_fee if rule.fee is None else rule.fee
    size = kernels.size_of(lots, fill, *run.kind(leg))
    c = int(books.terms.currency[leg])
    _close(run, account, leg, lots, ticks[leg], fill, Fraction(fee) * Fraction(int(size), 10 ** books.places[c]), step)


def _at_least(run: Run, leg: int, lots: int, step: int) -> int:
    """Lots closed in this go."""
    at, before = run.goes.get(leg, (step, 0))
    before = before if at == step else 0
    held = int(run.books.state.lots[leg])
    closed = min(max(abs(lots), before), abs(held))
    run.goes[leg] = (step, before + closed)
    return closed if held > 0 else -closed


def _close(
    run: Run, account: int, leg: int, closed: int, ticks: int, fill: int, fee: Fraction, step: int
) -> None:  # fmt: skip
    """Rows of a forced trade at ``fill`` where ``ticks`` values it: the trade, what it slipped, the venue's charge."""
    state, c = run.books.state, int(run.books.terms.currency[leg])
    cash, paid = run.value(leg, closed, ticks), run.value(leg, closed, fill)
    run.post(step, Flow.LIQUIDATION, account, leg, c, cash, -closed, ticks)
    if paid != cash:
        run.post(step, Flow.LIQUIDATION, account, leg, c, paid - cash)
    charge = -int(-fee * 10 ** run.books.places[c] // 1)
    if charge:
        run.post(step, Flow.LIQUIDATION, account, leg, c, -charge)
    lots = int(state.lots[leg])
    state.entry[leg] = kernels.shared(int(state.entry[leg]), abs(lots - closed), abs(lots))
    state.lots[leg] = lots - closed


def position_of(run: Run, leg: int, ticks: int, table: TierTable) -> Position:
    """A leg's position as the margin room knows it."""
    books, spec = run.books, run.books.legs[leg]
    contract, lots = spec.contract, int(books.state.lots[leg])
    quantity = times(Decimal(lots), contract.lot)
    value = amount_of(int(books.state.entry[leg]), run.course.currencies[int(books.terms.currency[leg])])
    with localcontext(MONEY_CONTEXT):
        size = abs(quantity) * contract.size
        entry = size / value if contract.payoff is Payoff.INVERSE else value / size
    fee = spec.fee if spec.counts_fee else Decimal(0)
    return Position(contract, quantity, entry, _price(run, leg, ticks), table, fee, spec.at_entry, spec.settle)


def _left_by_others(run: Run, account: int, leg: int, ticks: Ticks, position: Position) -> Decimal:
    """Wallet behind one position: what the account has, less what the others need and this one's profit."""
    has = nets(run, account, ticks)[int(run.books.terms.alone[account])]
    has -= sum((need(run, i, ticks[i]) for i in run.held(account) if i != leg), Fraction(0))
    with localcontext(MONEY_CONTEXT):
        return Decimal(has.numerator) / Decimal(has.denominator) - position.profit


def _price(run: Run, leg: int, ticks: int) -> Decimal:
    return Decimal(ticks).scaleb(-run.books.digits[leg])


def _lose_all(run: Run, account: int, ticks: Ticks, step: int, reason: str) -> None:
    """Close everything and keep nothing."""
    for i in run.held(account):
        _close(run, account, i, int(run.books.state.lots[i]), ticks[i], ticks[i], Fraction(0), step)
    for c in range(len(run.course.currencies)):
        _write_off(run, account, c, step)
    name = run.books.accounts[account].name
    run.findings.append(Finding(Trouble.UNAVAILABLE, f"liquidation {name}", reason, "what was left is counted as lost"))


def _write_off(run: Run, account: int, c: int, step: int) -> None:
    """The insurance fund keeps what is left of a currency, or pays what is missing."""
    held = int(run.books.state.cash[account, c])
    if held:
        run.post(step, Flow.LIQUIDATION, account, -1, c, -held)


def _pay_debts(run: Run, account: int, step: int) -> None:
    """Pay what is owed in one currency out of the others, in the course's order; the insurance fund pays the rest."""
    cash, worth, alone = run.books.state.cash[account], run.course.worth[step], int(run.books.terms.alone[account])
    for c in np.flatnonzero(cash < 0).tolist():
        for d in range(len(cash)) if alone < 0 else ():
            owed, has = -int(cash[c]), int(cash[d])
            if owed <= 0 or has <= 0:
                continue
            rate = Fraction(float(worth[c])) / Fraction(float(worth[d]))
            rate *= Fraction(10 ** run.books.places[d], 10 ** run.books.places[c])
            given = min(has, -int(-owed * rate // 1))
            run.post(step, Flow.LIQUIDATION, account, -1, d, -given)
            run.post(step, Flow.LIQUIDATION, account, -1, c, min(owed, int(given / rate)))
        if cash[c] < 0:
            _write_off(run, account, c, step)


def _tell(run: Run, account: int, step: int, ticks: Ticks, before: Mapping[int, int]) -> None:
    books, name = run.books, run.books.accounts[account].name
    left = [
        f"{amount_of(int(books.state.cash[account, c]), currency):,.2f} {currency}"
        for c, currency in enumerate(run.course.currencies)
        if books.state.cash[account, c]
    ]
    stays = [books.legs[i].contract.symbol for i in run.held(account)]
    told = f"{', '.join(stays)} kept in part or whole" if stays else f"{', '.join(left) or 'nothing'} left"
    moved = max((ticks[i] / books.tape.close[max(step - 1, 0), i] - 1 for i in before), key=abs)
    run.note(step, "liquidation", name, f"balance fell to maintenance, prices {moved:+.1%} within the bar; {told}")
    when = f"{run.course.moment(step):%Y-%m-%d %H:%M}"
    how = "liquidated in part" if stays else "liquidated"
    run.findings.append(Finding(Trouble.NAKED, name, f"{how} on {when}", "its coins are unprotected"))
