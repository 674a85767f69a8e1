"""What venues do to an account beyond what prices do: vanish with it, buy winners back, halt transfers."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from stormsail.core import Finding, Trouble, Unavailable, times
from stormsail.lab import _kernels as kernels
from stormsail.lab.account import amount_of
from stormsail.lab.ledger import Flow
from stormsail.lab.liquidation import position_of
from stormsail.lab.money import halt_sent
from stormsail.lab.run import Run
from stormsail.lab.shock import Deleveraged, Frozen, Shock, VenueGone
from stormsail.margin.adl import Holder, adl_rule, score
from stormsail.watch.recover import Closed, Loss

_PARTS = 1_000_000
"""Shares are whole millionths."""


def strike(run: Run, event: Shock, step: int) -> tuple[tuple[int, tuple[Loss, ...]], ...]:
    """Let a shock happen at the end of a bar; what it took from which accounts."""
    if isinstance(event, Frozen):
        run.frozen.append(event)
        halt_sent(run, event.venue, run.course.index_of(event.until))
        run.note(step, "halt", event.venue or "all venues", event.reason)
        return ()
    struck = []
    for a, spec in enumerate(run.books.accounts):
        if spec.venue == event.venue and not run.books.state.dead[a]:
            losses = _gone(run, a, event, step) if isinstance(event, VenueGone) else _deleverage(run, a, event, step)
            struck.append((a, losses))
    return tuple(struck)


def _gone(run: Run, account: int, event: VenueGone, step: int) -> tuple[Loss, ...]:
    """Everything at the venue is lost; the ledger closes the positions at the mark and writes all of it off.

    Nobody pays back what was owed there either: a debt is written off beside what is left.
    """
    terms, state, losses = run.books.terms, run.books.state, []
    name = run.books.accounts[account].name
    for i in run.held(account):
        lots, ticks = int(state.lots[i]), int(run.books.tape.close[step, i])
        run.post(step, Flow.LOSS, account, i, int(terms.currency[i]), run.value(i, lots, ticks), -lots, ticks)
        state.lots[i] = state.entry[i] = 0
        if lots < 0:
            losses.append(_loss(run, i, -lots, ticks, step, Closed.VENUE_GONE))
    told = []
    for c, currency in enumerate(run.course.currencies):
        held = int(state.cash[account, c])
        if held:
            run.post(step, Flow.LOSS, account, -1, c, -held)
            told.append(f"{amount_of(held, currency):,.2f} {currency}")
    state.dead[account] = True
    run.rule.target[step:, run.legs(account)] = np.nan
    run.note(step, "venue gone", name, f"{event.reason}; lost {', '.join(told) or 'nothing'}")
    return tuple(losses)


def _deleverage(run: Run, account: int, event: Deleveraged, step: int) -> tuple[Loss, ...]:
    """The venue buys back shorts in profit: the same share of each, or the same share of all from the top of its
    ranking."""
    terms, state, tape, losses = run.books.terms, run.books.state, run.books.tape, []
    for i, closed in _shares(run, account, event, step):
        lots, ticks = int(state.lots[i]), int(tape.close[step, i])
        c, contract = int(terms.currency[i]), run.books.legs[i].contract
        dearer = max(ticks, int(np.ceil(ticks * (1.0 + event.worse))))
        cash, paid = run.value(i, -closed, ticks), run.value(i, -closed, dearer)
        run.post(step, Flow.ADL, account, i, c, cash, closed, ticks)
        if paid != cash:
            run.post(step, Flow.ADL, account, i, c, paid - cash)
        state.entry[i] = kernels.shared(int(state.entry[i]), abs(lots) - closed, abs(lots))
        state.lots[i] = lots + closed
        run.rule.target[step:, i] = lots + closed
        losses.append(_loss(run, i, closed, dearer, step, Closed.DELEVERAGED))
        share = closed / abs(lots)
        run.note(step, "deleveraged", contract.id, f"{share:.0%} of the short bought back: {event.reason}")
    return tuple(losses)


def _shares(run: Run, account: int, event: Deleveraged, step: int) -> list[tuple[int, int]]:
    """Lots to be bought back of each short in profit, at least one of what is hit."""
    shorts = [i for i in run.held(account) if _in_profit(run, i, event, step)]
    share = round(event.share * _PARTS)
    ranked = _ranked(run, account, shorts, step) if event.ranked else None
    if ranked is None:
        return [(i, -(-abs(int(run.books.state.lots[i])) * share // _PARTS)) for i in shorts if share]
    close, currency = run.books.tape.close[step], run.books.terms.currency
    worth = run.course.worth[step]
    value = {i: abs(run.books.terms.unit[i] * worth[currency[i]]) for i in shorts}
    value = {i: v / close[i] if run.books.terms.inverse[i] else v * close[i] for i, v in value.items()}
    left = sum(value[i] * abs(int(run.books.state.lots[i])) for i in shorts) * share / _PARTS
    found = []
    for i in ranked:
        lots = min(abs(int(run.books.state.lots[i])), int(np.ceil(left / value[i] - 1e-9)))
        if lots > 0:
            found.append((i, lots))
            left -= lots * value[i]
    return found


def _in_profit(run: Run, leg: int, event: Deleveraged, step: int) -> bool:
    lots, contract = int(run.books.state.lots[leg]), run.books.legs[leg].contract
    if lots >= 0 or event.contract not in (None, contract.id):
        return False
    value = abs(run.value(leg, lots, int(run.books.tape.close[step, leg])))
    entry = int(run.books.state.entry[leg])
    return value > entry if run.books.terms.inverse[leg] else value < entry


def _ranked(run: Run, account: int, shorts: list[int], step: int) -> list[int] | None:
    """Shorts by the venue's ranking of that day, first to be closed first; ``None`` where it is not known."""
    spec, tape = run.books.accounts[account], run.books.tape
    rule = adl_rule(spec.venue, run.course.moment(step).date())
    reason = rule.reason if isinstance(rule, Unavailable) else "the account's equity is not positive"
    balance = Decimal(repr(run.judged(account, step)[0]))
    tables = {i: table for i in shorts if (table := run.books.legs[i].table) is not None}
    if isinstance(rule, Unavailable) or balance <= 0 or len(tables) < len(shorts):
        run.findings.append(
            Finding(Trouble.UNAVAILABLE, f"deleveraging {spec.name}", reason, "every short in profit is hit alike")
        )
        return None
    scores = {}
    for i, table in tables.items():
        position = position_of(run, i, int(tape.close[step, i]), table)
        equity = max(balance, position.profit * Decimal("1.000001"))  # another currency's balance may be the smaller
        scores[i] = score(Holder(run.books.legs[i].contract.id, position, equity), rule.ranking)
    return sorted(shorts, key=lambda i: (-scores[i], run.books.legs[i].contract.id))


def _loss(run: Run, leg: int, lots: int, ticks: int, step: int, how: Closed) -> Loss:
    contract = run.books.legs[leg].contract
    name = run.books.accounts[run.books.account_of(leg)].name
    quantity = times(Decimal(lots), contract.lot)
    return Loss(name, contract, quantity, run.price(leg, ticks), run.course.moment(step), how)
