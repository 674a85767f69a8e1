"""A later plan takes over: collateral goes where it asks for it, and positions to what it wants, at once."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from stormsail.lab.account import amount_of, quanta
from stormsail.lab.money import money_of, move, post_coins, spare
from stormsail.lab.orders import order
from stormsail.lab.run import RESERVE, Run, Turn


def turn(run: Run, plan: Turn, step: int) -> None:
    """Take back what accounts have beyond the plan, then send what they lack, then trade.

    A contract whose account stays short of collateral is wanted only in the proportion it has.
    """
    run.note(step, "plan", "portfolio", plan.reason)
    run.rule.target[step:] = run.aim(run.owned())[step:]
    for memory in (run.rolling, run.wanted, run.own):
        memory.clear()
    for a, c, gap in sorted(_gaps(run, plan, step), key=lambda g: g[2]):
        if gap < 0:
            back = min(-gap, int(run.books.state.cash[a, c]))
            if back > 0:
                move(run, step, a, RESERVE, c, back)
        elif gap > 0:
            _fund(run, a, c, gap, step)
    for i in range(len(run.books.legs)):
        wanted = run.rule.target[step, i]
        if not np.isnan(wanted):
            order(run, i, int(wanted) - int(run.books.state.lots[i]), step, plan.reason)


def _gaps(run: Run, plan: Turn, step: int) -> list[tuple[int, int, int]]:
    """Account, currency and smallest units by which the plan's collateral exceeds the balance; coins that were posted
    stay."""
    found = []
    for a, spec in enumerate(run.books.accounts):
        currency = money_of(run, a)
        c = run.course.currencies.index(currency)
        if run.books.state.dead[a]:
            run.rule.target[step:, run.legs(a)] = np.nan
        else:
            alone = int(run.books.terms.alone[a]) >= 0
            balance = run.judged(a, step)[0] / (1.0 if alone else float(run.course.worth[step, c]))
            wanted = quanta(plan.deposits.get(spec.name, Decimal(0)), currency)
            gap = wanted - int(balance / run.books.terms.quantum[c])
            found.append((a, c, max(gap, 0) if alone and currency in run.course.coins else gap))
    return found


def _fund(run: Run, account: int, c: int, gap: int, step: int) -> None:
    name = run.course.currencies[c]
    if name in run.course.coins and int(run.books.terms.alone[account]) >= 0:
        moved = post_coins(run, account, gap, step)
    elif (moved := min(gap, spare(run, c))) > 0:
        move(run, step, RESERVE, account, c, moved)
    if moved < gap:
        lacking = amount_of(gap - moved, name)
        run.note(step, "short of cash", run.books.accounts[account].name, f"{lacking:,.2f} missing in the reserve")
        balance = max(run.judged(account, step)[0], 0.0)
        run.rule.target[step:, run.legs(account)] *= balance / max(balance + float(lacking), 1e-9)
