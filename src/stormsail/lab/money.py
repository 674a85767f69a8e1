"""Moving money: between the reserve and the accounts, and out of coins. Every move is rows that cancel."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np

from stormsail.lab.account import amount_of, quanta
from stormsail.lab.ledger import Flow
from stormsail.lab.run import RESERVE, SPOT_PLACES, Run, Transfer

SALE_COST = Fraction(15, 10_000)
"""Fee and slippage of selling coins, as a fraction."""


def money_of(run: Run, account: int) -> str:
    """The currency collateral is sent in."""
    spec = run.books.accounts[account]
    return spec.currency or next(iter(spec.deposit), "USDT")


def spare(run: Run, currency: int) -> int:
    """What the reserve has of a currency beyond what is on the way, in smallest units."""
    return max(0, int(run.wallet[currency]) - sum(s.units for s in run.sent if s.currency == currency))


def move(run: Run, step: int, source: int, goal: int, currency: int, amount: int) -> None:
    """Two rows that cancel, and the cost of sending, borne by what arrives."""
    cost = min(amount, quanta(run.transfer_cost, run.course.currencies[currency]))
    run.post(step, Flow.TRANSFER, source, -1, currency, -amount)
    run.post(step, Flow.TRANSFER, goal, -1, currency, amount)
    if cost:
        run.post(step, Flow.TRANSFER_COST, goal, -1, currency, -cost)


def take(run: Run, account: int, amount: int, step: int) -> int:
    """Move up to ``amount`` smallest units from the reserve to an account at once; returns what was moved."""
    c = run.course.currencies.index(money_of(run, account))
    moved = min(amount, spare(run, c))
    if moved > 0:
        move(run, step, RESERVE, account, c, moved)
    return max(moved, 0)


def send(run: Run, account: int, amount: Decimal, step: int) -> None:
    """Send from the reserve; it arrives after the ladder's latency, later if transfers are halted."""
    latency = run.policy.ladder.latency if run.policy.ladder else timedelta(0)
    currency = money_of(run, account)
    c = run.course.currencies.index(currency)
    units = min(quanta(amount, currency), spare(run, c))
    if units <= 0:
        return
    arrives, venue = run.after(step, latency), run.books.accounts[account].venue
    for halt in run.frozen:
        if halt.venue in (None, venue) and halt.when <= run.course.moment(step) < halt.until:
            arrives = max(arrives, run.course.index_of(halt.until))
    sent = Transfer(arrives, account, c, units)
    run.sent.append(sent)
    run.at(arrives, lambda now: _arrive(run, sent, now))


def halt_sent(run: Run, venue: str | None, until: int) -> None:
    """A halt that begins keeps what is on the way to its venue: it arrives when it ends."""
    for sent in run.sent:
        if venue in (None, run.books.accounts[sent.account].venue):
            sent.arrives = max(sent.arrives, until)


def _arrive(run: Run, sent: Transfer, step: int) -> None:
    if sent.arrives > step:  # halted on the way
        run.at(sent.arrives, lambda now: _arrive(run, sent, now))
        return
    run.sent.remove(sent)
    name = run.books.accounts[sent.account].name
    if run.books.state.dead[sent.account]:
        run.note(step, "returned", name, "the account is gone; the transfer came back")
        return
    move(run, step, RESERVE, sent.account, sent.currency, sent.units)
    currency = run.course.currencies[sent.currency]
    run.note(step, "arrived", name, f"{amount_of(sent.units, currency):,.2f} {currency}")
    run.woken.add(sent.account)


def post_coins(run: Run, account: int, amount: int, step: int) -> int:
    """Post coins of the holdings that are free as collateral, at once; returns what was posted.

    In the ledger the coin turns into the currency of its own name at its price of the moment, then is sent.
    """
    asset = money_of(run, account)
    k, c = run.course.coins.index(asset), run.course.currencies.index(asset)
    units = min(amount, run.free.get(asset, 0), run.coins.get(asset, 0))
    if units <= 0:
        return 0
    run.post(step, Flow.SPOT, RESERVE, k, c, units, -units)
    run.coins[asset] -= units
    run.free[asset] -= units
    run.posted[asset] = run.posted.get(asset, 0) + units
    move(run, step, RESERVE, account, c, units)
    return units


def sell(run: Run, asset: str, units: int, step: int, reason: str) -> None:
    """Sell coins at the moment's price; the proceeds join the reserve, and targets are made anew for what is left.

    What had been reduced below its target already stays as it is, as far as the coins that are left want it; what had
    grown beyond it, or takes another's place, shrinks in proportion.
    """
    units = min(units, run.free.get(asset, 0))
    if units <= 0:
        return
    before = run.aim(run.owned())
    k, c = run.course.coins.index(asset), run.course.currencies.index("USDT")
    price = Fraction(float(run.course.spot[step, k]))
    value = int(Fraction(units, 10**SPOT_PLACES) * price * 10 ** run.books.places[c])
    run.post(step, Flow.SPOT, RESERVE, k, c, value, -units)
    run.post(step, Flow.FEE, RESERVE, -1 - k, c, -_up(value * SALE_COST))
    run.coins[asset] -= units
    run.free[asset] -= units
    run.note(step, "sold", asset, f"{Decimal(units).scaleb(-SPOT_PLACES):f} at {float(price):g}: {reason}")
    fresh, wanted = run.aim(run.owned())[step:], run.rule.target[step:]
    planned, left = before[step:], run.coins[asset] / (run.coins[asset] + units)
    own = np.array([left if leg.contract.base == asset else 1.0 for leg in run.books.legs])
    with np.errstate(divide="ignore", invalid="ignore"):
        shrunk = wanted * np.where(planned != 0, fresh / planned, own)
    reduced = np.sign(wanted) * np.fmin(np.abs(wanted), np.abs(fresh))
    within = (planned != 0) & (np.abs(wanted) <= np.abs(planned))
    run.rule.target[step:] = np.where(np.isnan(wanted), np.nan, np.where(within, reduced, shrunk))


def _up(value: Fraction) -> int:
    return -int(-value // 1)
