"""Contracts that end: a dated one is settled at its averaged price, a delisted one at its last mark."""

from __future__ import annotations

import numpy as np

from stormsail.lab import _kernels as kernels
from stormsail.lab.ledger import Flow
from stormsail.lab.run import Run
from stormsail.market.delivery import delivery_window


def settle(run: Run, leg: int, step: int) -> None:
    """Settle a contract for good; the venue charges its taker fee on a delivery and nothing on a delisting."""
    state, terms = run.books.state, run.books.terms
    lots, account = int(state.lots[leg]), run.books.account_of(leg)
    run.rule.target[step:, leg] = np.nan
    if not lots:
        return
    contract, c = run.books.legs[leg].contract, int(terms.currency[leg])
    ticks = _price(run, leg, step)
    cash = run.value(leg, lots, ticks)
    run.post(step, Flow.DELIVERY, account, leg, c, cash, -lots, ticks)
    size = max(abs(cash), abs(run.value(leg, -lots, ticks)))
    fee = -(-size * int(terms.fee[leg]) // kernels.RATE) if contract.expiry else 0
    if fee:
        run.post(step, Flow.FEE, account, leg, c, -fee)
    state.lots[leg] = state.entry[leg] = 0
    why = "expired" if contract.expiry else "delisted"
    run.note(step, why, contract.id, f"settled at {run.price(leg, ticks):g}; nothing is short of it now")


def _price(run: Run, leg: int, step: int) -> int:
    """Ticks of settlement: the mean of the coin's price over the averaging window, prices moving straight between two
    moments; the last mark of a delisted contract, or where the coin has no price."""
    contract, course = run.books.legs[leg].contract, run.course
    mark = int(run.books.tape.close[step, leg])
    if contract.expiry is None or contract.base not in course.coins or not step:
        return mark
    k = course.coins.index(contract.base)
    now, before = course.spot[step, k], course.spot[step - 1, k]
    window = min(delivery_window(contract.venue, course.moment(step)), course.step)
    mean = now - (now - before) * (window / course.step) / 2.0
    return max(1, round(float(mean) * 10.0 ** run.books.digits[leg]))
