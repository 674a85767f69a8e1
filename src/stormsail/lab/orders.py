"""The paper broker of a replay: an order fills at the moment's price, slipped, for its fee."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from stormsail.core import times
from stormsail.lab import _kernels as kernels
from stormsail.lab.ledger import Flow
from stormsail.lab.run import Run


def order(run: Run, leg: int, lots: int, step: int, reason: str) -> bool:
    """Trade so many lots at the end of a bar; whether that was possible. What is wanted of the leg stays as it is."""
    books, tape, terms, state = run.books, run.books.tape, run.books.terms, run.books.state
    if not lots or not tape.open[step, leg] or state.dead[books.account_of(leg)]:
        return False
    last, contract = int(tape.last[step, leg]), books.legs[leg].contract
    while run.ledger.used + 3 > len(run.ledger.rows):
        run.ledger.grow()
    run.ledger.used = kernels.trade(
        step, books.account_of(leg), leg, int(terms.currency[leg]), lots, Flow.TRADE, last,
        kernels.fill_price(lots, last, run.share(leg, step, lots)), (*run.kind(leg), int(terms.fee[leg])), state.lots,
        state.entry, state.cash, run.ledger.rows, run.ledger.used,
    )  # fmt: skip
    run.note(step, "trade", contract.id, f"{times(contract.lot, Decimal(lots)):+f}: {reason}")
    return True


def follow(run: Run, leg: int, step: int) -> None:
    """Let what is wanted of a leg go on from what is held, moving as the plan's target does; constant where the plan
    wants nothing of it."""
    held = int(run.books.state.lots[leg])
    plan = run.aim(run.owned())[step:, leg]
    if held and np.isfinite(plan[0]) and plan[0] * held > 0:
        run.rule.target[step:, leg] = plan * (held / plan[0])
    else:
        run.rule.target[step:, leg] = held


def keep_down(run: Run, leg: int, step: int) -> None:
    """Let no more be wanted of a leg than is held after the policy has reduced it, and no less after it has grown."""
    held, wanted = int(run.books.state.lots[leg]), float(run.rule.target[step, leg])
    if np.isnan(wanted) or wanted == held:
        return
    if wanted * held > 0:
        run.rule.target[step:, leg] *= held / wanted
    else:
        run.rule.target[step:, leg] = held
