"""The policy's hands: what the holder sees at the end of a bar, what the policy of :mod:`stormsail.watch` answers, and
its acts carried out. Nothing here chooses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

import numpy as np

from stormsail.core import InputError, Unavailable, from_float, times, to_float, years
from stormsail.lab.account import amount_of, quanta
from stormsail.lab.money import money_of, move, sell, send, spare, take
from stormsail.lab.orders import follow, keep_down, order
from stormsail.lab.run import RESERVE, SPOT_PLACES, Run
from stormsail.watch.acts import Act, SellSpot, TopUp, Trade, Warn, Withdraw
from stormsail.watch.ladder import rungs, tend
from stormsail.watch.policy import Lost
from stormsail.watch.recover import Loss, recover
from stormsail.watch.sight import AccountSight, HeldShort, Offer, Sight

LOOK_BACK = timedelta(days=30)
"""The forecast carry of a perpetual is the mean of what it settled over this span."""


def account_sight(run: Run, account: int, step: int) -> AccountSight:
    """One account as its owner sees it at the end of a bar."""
    books = run.books
    spec, alone = books.accounts[account], int(books.terms.alone[account])
    balance, needed = run.judged(account, step)
    coming = sum(
        to_float(amount_of(s.units, run.course.currencies[s.currency]))
        * (1.0 if alone >= 0 else float(books.tape.worth[step, s.currency]))
        for s in run.sent
        if s.account == account
    )
    currency = run.course.currencies[alone] if alone >= 0 else run.course.account
    shorts = tuple(position_sight(run, i, step) for i in run.legs(account))
    return AccountSight(spec.name, spec.venue, currency, balance, needed, coming, shorts)


def sight(run: Run, step: int, accounts: Sequence[int]) -> Sight:
    """What the holder sees: the named accounts, everything that could be shorted, the reserve and the coins."""
    course = run.course
    reserve = {name: amount_of(spare(run, c), name) for c, name in enumerate(course.currencies)}
    reserve.setdefault(course.account, reserve.get("USDT", Decimal(0)))
    return Sight(
        now=course.moment(step),
        accounts=tuple(account_sight(run, a, step) for a in accounts),
        reserve=reserve,
        spot={coin: float(course.spot[step, k]) for k, coin in enumerate(course.coins)},
        held=run.holdings(),
        sellable={coin: Decimal(units).scaleb(-SPOT_PLACES) for coin, units in run.free.items()},
        offers=offers(run, step),
    )


def offers(run: Run, step: int) -> tuple[Offer, ...]:
    """Every contract of every account that lives.

    Room is counted at the balance a unit of value had behind it at the start, in the account or in all together, where
    less; and never beyond the venue's initial margin.
    """
    found = []
    for a, spec in enumerate(run.books.accounts):
        if run.books.state.dead[a]:
            continue
        balance = run.judged(a, step)[0]
        for i in run.legs(a):
            leg = run.books.legs[i]
            rate = max(min(run.collateral.get(a, run.common), run.common), float(run.books.terms.initial[i]))
            short = sum(short_value(run, k, step) for k in run.legs(a))
            found.append(
                Offer(
                    account=spec.name,
                    contract=leg.contract,
                    price=run.price(i, int(run.books.tape.last[step, i])),
                    room=max(balance / rate - short, 0.0) if rate > 0 else 0.0,
                    carry=carry(run, i, step),
                    held=times(leg.contract.lot, Decimal(int(run.books.state.lots[i]))),
                    tradable=bool(run.books.tape.open[step, i]),
                )
            )
    return tuple(found)


def short_value(run: Run, leg: int, step: int, lots: float | None = None) -> float:
    """Absolute value of a position, or of so many lots, in what its account is judged in."""
    terms, price = run.books.terms, float(run.books.tape.close[step, leg])
    held = abs(float(run.books.state.lots[leg]) if lots is None else lots) * float(terms.unit[leg])
    value = held / price if terms.inverse[leg] else held * price
    alone = int(terms.alone[run.books.account_of(leg)])
    return value if alone >= 0 else value * float(run.books.tape.worth[step, terms.currency[leg]])


def carry(run: Run, leg: int, step: int) -> float | Unavailable:
    """Yearly carry for a short by what is known: a dated contract's annual basis, a perpetual's mean funding."""
    contract, course, column = run.books.legs[leg].contract, run.course, run.books.columns[leg]
    if contract.expiry is not None:
        span = contract.expiry - course.moment(step)
        if contract.base not in course.coins or span <= timedelta(0):
            return Unavailable("no spot price beside it, or it has ended")
        spot = course.spot[step, course.coins.index(contract.base)]
        return float((course.last[step, column] / spot - 1.0) / years(span))
    begin = max(0, step - LOOK_BACK // course.step)
    rates = course.rate[begin : step + 1, column][course.settles[begin : step + 1, column]]
    if len(rates) < 3 or not np.isfinite(rates).all():
        return Unavailable("no funding is known of the last days")
    return float(rates.sum() / years(course.step * (step - begin))) if step > begin else Unavailable("no span yet")


def climb(run: Run, step: int) -> None:
    """Ask the ladder about every account past a rung or reached by a transfer, carry out what it says, and set the
    next rungs."""
    ladder = run.policy.ladder
    if ladder is None:
        return
    asked, falling = [], set()
    upper, lower = run.rule.upper, run.rule.lower
    for a in range(len(run.books.accounts)):
        if run.books.state.dead[a]:
            upper[a], lower[a] = np.inf, -1.0
            continue
        seen = account_sight(run, a, step)
        if not run.held(a):  # wait for it to be opened again; an empty one in debt would wake at every bar
            upper[a], lower[a] = ladder.warn if seen.balance > 0 else np.inf, -1.0
            continue
        ratio = seen.ratio
        if a not in run.woken and lower[a] <= ratio <= upper[a] and (lower[a] >= 0 or upper[a] < np.inf):
            continue
        asked.append(a)
        if lower[a] >= 0 and ratio < lower[a]:
            falling.add(run.books.accounts[a].name)
    run.woken.clear()
    if not asked:
        return
    carry_out(run, tend(ladder, sight(run, step, asked), falling=frozenset(falling)), step)
    for a in asked:
        upper[a], lower[a] = rungs(ladder, account_sight(run, a, step))


def answer(run: Run, account: int, losses: Sequence[Loss], step: int) -> None:
    """Do what the policy says about shorts a venue has closed, after its latency."""
    if run.policy.after_loss.then is Lost.NOTHING:
        return
    for loss in losses:
        run.at(run.after(step, run.policy.after_loss.latency), lambda now, loss=loss: _recover(run, account, loss, now))  # type: ignore[misc]  # mypy takes the default for a second argument


def carry_out(run: Run, acts: Iterable[Act], step: int) -> set[int]:
    """Carry out what a policy asks for; the legs that were traded."""
    names = {spec.name: a for a, spec in enumerate(run.books.accounts)}
    touched = set()
    for act in acts:
        match act:
            case Warn(where, reason):
                run.note(step, "warn", where, reason)
            case TopUp(where, currency, amount, reason):
                run.note(step, "top-up", where, f"{amount:,.2f} {currency}: {reason}")
                send(run, names[where], amount, step)
            case Withdraw(where, currency, amount, reason):
                _withdraw(run, names[where], amount, step, f"{amount:,.2f} {currency}: {reason}")
            case Trade(where, contract, quantity, reason):
                leg = leg_of(run, names[where], contract)
                lots = int(quantity / run.books.legs[leg].contract.lot)
                if order(run, leg, lots, step, reason):
                    touched.add(leg)
            case SellSpot(asset, quantity, reason):
                sell(run, asset, int(quantity.scaleb(SPOT_PLACES)), step, reason)
            case _:
                raise InputError(
                    f"{act} cannot be carried out here", cure="use a policy of this release", where="policy"
                )
    for leg in sorted(touched):
        keep_down(run, leg, step)
    return touched


def leg_of(run: Run, account: int, contract: str) -> int:
    """The leg of an account that is this contract; where both sides of it are held apart, the short one, since policies
    speak of shorts."""
    mine = [i for i in run.legs(account) if run.books.legs[i].contract.id == contract]
    return min(mine, key=lambda i: (int(run.books.state.lots[i]), i))


def position_sight(run: Run, leg: int, step: int, target: Decimal | None = None) -> HeldShort:
    """One position as its owner sees it; what a leg that is let alone should be is what is held of it, unless told."""
    contract, wanted = run.books.legs[leg].contract, run.rule.target[step, leg]
    held = times(contract.lot, Decimal(int(run.books.state.lots[leg])))
    if target is None:
        target = held if np.isnan(wanted) else times(contract.lot, Decimal(int(wanted)))
    return HeldShort(
        contract=contract,
        quantity=held,
        price=run.price(leg, int(run.books.tape.last[step, leg])),
        target=target,
        tradable=bool(run.books.tape.open[step, leg]),
        carry=carry(run, leg, step),
    )


def _withdraw(run: Run, account: int, amount: Decimal, step: int, told: str) -> None:
    currency = money_of(run, account)
    c = run.course.currencies.index(currency)
    units = min(quanta(amount, currency), int(run.books.state.cash[account, c]))
    if units > 0:
        run.note(step, "withdraw", run.books.accounts[account].name, told)
        move(run, step, account, RESERVE, c, units)


def _recover(run: Run, account: int, loss: Loss, step: int) -> None:
    """Short again or sell, as :func:`~stormsail.watch.recover.recover` says; before shorting again the reserve sends
    the collateral a short of that size had at the start, as far as it goes."""
    if run.policy.after_loss.then is Lost.REHEDGE and not run.books.state.dead[account]:
        leg = leg_of(run, account, loss.contract.id)
        lots = float(loss.quantity / loss.contract.lot)
        held = sum(short_value(run, k, step) for k in run.legs(account)) + short_value(run, leg, step, lots)
        missing = held * run.collateral.get(account, 1.0) - run.judged(account, step)[0]
        if missing > 0:
            currency = money_of(run, account)
            take(run, account, quanta(from_float(missing), currency), step)
    done = recover(run.policy.after_loss, loss, sight(run, step, [account]))
    for leg in sorted(carry_out(run, done.acts, step)):
        follow(run, leg, step)
    for finding in done.findings:
        run.note(step, "naked", finding.subject, finding.cause)
        run.findings.append(finding)


def note_collateral(run: Run) -> None:
    """Remember the balance behind a unit of value wanted at the start, of each account that wants any and of all."""
    wanted, balances, values = np.nan_to_num(run.rule.target[0]), 0.0, 0.0
    for a in range(len(run.books.accounts)):
        alone = int(run.books.terms.alone[a])
        worth = float(run.course.worth[0, alone]) if alone >= 0 else 1.0
        value = sum(short_value(run, i, 0, float(wanted[i])) for i in run.legs(a))
        balance = run.judged(a, 0)[0]
        if value > 0 and balance > 0:
            run.collateral[a] = balance / value
            balances, values = balances + balance * worth, values + value * worth
    run.common = balances / values if values > 0 else 1.0
