"""A plan and its policy taken through a course: the account as the venue would have kept it.

The compiled walk (:mod:`stormsail.lab._kernels`) goes from bar to bar; it stops where something must be decided, and
the modules beside this one decide: in exact arithmetic where a float is too coarse, by the policy where margin runs
short, by the venue's rule where an account is liquidated. Policies are the functions of :mod:`stormsail.watch`; the
lab gives them a clock and a paper broker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from stormsail.core import Finding, InputError, Trouble
from stormsail.lab import _kernels as kernels
from stormsail.lab.account import Books, MarginAccount, open_books, quanta
from stormsail.lab.charges import TaxBook, charge_interest, midnights
from stormsail.lab.course import Course
from stormsail.lab.ends import settle
from stormsail.lab.keeper import answer, climb, note_collateral
from stormsail.lab.ledger import Flow, IntArray, Ledger
from stormsail.lab.liquidation import alive, liquidate
from stormsail.lab.rolls import schedule as schedule_rolls
from stormsail.lab.run import RESERVE, SPOT_PLACES, Aim, Gain, Happening, Run, Tax, Turn
from stormsail.lab.shock import Shock
from stormsail.lab.shocks import strike
from stormsail.lab.turn import turn
from stormsail.market.panel import FloatArray
from stormsail.watch.policy import Follow, Policy

__all__ = ["RESERVE", "SPOT_PLACES", "Aim", "Gain", "Happening", "Replay", "Tax", "Turn", "replay"]


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
    transfer_cost: Decimal = Decimal(0),
    interest: Mapping[str, Decimal] | None = None,
    tax: Tax | None = None,
    costs: Mapping[str, Decimal] | None = None,
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
        transfer_cost: Cost of each transfer, in its currency.
        interest: Yearly rate on what an account of several currencies owes in one of them, by currency; none by
            default.
        tax: Asked for the tax on every realised gain; none by default.
        costs: Price at which each coin was bought, for ``tax``; the first price of the course by default.
        tell: Called with the bar that has been reached, for a progress bar.

    Returns:
        Everything that happened.

    Raises:
        InputError: If accounts, holdings or the course do not fit together.
    """
    books = open_books(course, accounts)
    count, steps = len(books.legs), len(course.times)
    target = np.array(aim(holdings), dtype=np.float64, order="F")  # bands are followed along time
    if target.shape != (steps, count):
        raise ValueError(f"targets have shape {target.shape}, not {(steps, count)}")
    pledged = _pledged(course, accounts, holdings)
    coins = {
        asset: int((amount - pledged.get(asset, Decimal(0))).scaleb(SPOT_PLACES)) for asset, amount in holdings.items()
    }
    free = coins if sellable is None else {a: int(q.scaleb(SPOT_PLACES)) for a, q in sellable.items()}
    settlements = int(books.tape.settles.max(initial=-1)) + 1
    run = Run(
        course=course, books=books, policy=policy, aim=aim, rule=rule_of(course, books, policy, target, half_width),
        ledger=Ledger(), paid=np.zeros((settlements, count), dtype=np.int64), coins=dict(coins),
        free={a: min(units, coins.get(a, 0)) for a, units in free.items()},
        posted={a: int(q.scaleb(SPOT_PLACES)) for a, q in pledged.items()}, wallet=_wallet(course, reserve or {}),
        transfer_cost=transfer_cost, tax=tax, costs=costs or {}, interest=interest or {},
    )  # fmt: skip
    go(run, shocks, turns, tell)
    _missing_funding(run)
    return Replay(
        course=course, books=books, ledger=run.ledger.filled.copy(), paid=run.paid, holdings=dict(holdings),
        reserve=dict(reserve or {}), pledged=pledged, coins=run.holdings(), wallet=run.wallet, log=tuple(run.log),
        findings=(*course.findings, *books.findings, *dict.fromkeys(run.findings)),
    )  # fmt: skip


def go(
    run: Run,
    shocks: Iterable[Shock] = (),
    turns: Sequence[Turn] = (),
    tell: Callable[[int], None] = lambda step: None,
) -> None:
    """Take a run that has not begun to the end of its course; arguments as in :func:`replay`."""
    _book_deposits(run)
    _schedule(run, shocks, turns)
    _walk(run, tell)


def _walk(run: Run, tell: Callable[[int], None]) -> None:
    """From the first bar to the last: within a bar, liquidations, then funding and rebalancing, then what is due, then
    the ladder."""
    step, end, book = 0, len(run.course.times) - 1, TaxBook(run) if run.tax else None
    while step <= end:
        stop = min(end, run.due[0][0]) if run.due else end
        stop = step if book else max(stop, step)
        code, at, account, run.ledger.used = kernels.walk(
            step, stop, run.books.tape, run.books.terms, run.rule, run.books.state, run.paid, run.ledger.rows,
            run.ledger.used,
        )  # fmt: skip
        tell(at)
        if code == kernels.FULL:
            run.ledger.grow()
            step = at
        elif code == kernels.DOUBT and alive(run, account, at):
            run.books.state.cleared[account] = at
            step = at
        elif code in (kernels.DOUBT, kernels.LIQUIDATION):
            answer(run, account, liquidate(run, account, at), at)
            step = at
        else:
            run.catch_up(at)
            climb(run, at)
            run.catch_up(at)
            if book:
                book.settle(at)
            step = at + 1


def _schedule(run: Run, shocks: Iterable[Shock], turns: Sequence[Turn]) -> None:
    """What is known beforehand to happen, in the order in which it does within a bar."""
    course, steps = run.course, len(run.course.times)

    def struck(event: Shock, now: int) -> None:
        for account, losses in strike(run, event, now):
            answer(run, account, losses, now)

    schedule_rolls(run)
    for leg, column in enumerate(run.books.columns):
        if course.ends[column] < steps:
            run.at(int(course.ends[column]), lambda now, leg=leg: settle(run, leg, now))  # type: ignore[misc]  # default
    for plan in turns:
        run.at(plan.step, lambda now, plan=plan: turn(run, plan, now))  # type: ignore[misc]  # default
    for event in shocks:
        run.at(course.index_of(event.when), lambda now, event=event: struck(event, now))  # type: ignore[misc]  # default
    if run.interest and any(int(a) < 0 for a in run.books.terms.alone):
        for step in midnights(run):
            run.at(step, lambda now: charge_interest(run, now))
    if run.policy.ladder is not None:
        run.rule.upper[:] = run.policy.ladder.warn
    note_collateral(run)
    once = run.policy.rebalance.follow is Follow.HOLD
    then = "never opened: the policy trades once" if once else "opened once it is listed"
    for i, leg_ in enumerate(run.books.legs):
        if np.nan_to_num(run.rule.target[0, i]) != 0 and not run.books.tape.open[0, i]:
            run.findings.append(Finding(Trouble.NAKED, leg_.contract.id, "wanted before it can be traded", then))


def _book_deposits(run: Run) -> None:
    """First rows of the ledger: what was brought in."""
    cash = run.books.state.cash
    for a, c in np.argwhere(cash).tolist():
        run.ledger.post(0, Flow.DEPOSIT, a, -1, c, int(cash[a, c]))
    for c in np.flatnonzero(run.wallet).tolist():
        run.ledger.post(0, Flow.DEPOSIT, RESERVE, -1, c, int(run.wallet[c]))


def _wallet(course: Course, reserve: Mapping[str, Decimal]) -> IntArray:
    """The reserve in smallest units by currency.

    Raises:
        InputError: If a currency has no price in the course, or an amount is negative.
    """
    wallet = np.zeros(len(course.currencies), dtype=np.int64)
    for currency, amount in reserve.items():
        if currency not in course.currencies:
            raise InputError(
                f"{currency} has no price in the course", cure="name it among the currencies recorded", where="reserve"
            )
        if amount < 0:
            raise InputError(f"a reserve of {amount:f} {currency}", cure="give 0 or more", where="reserve")
        wallet[course.currencies.index(currency)] = quanta(amount, currency)
    return wallet


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


def rule_of(
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
    events = np.minimum.accumulate(np.where(looks, np.arange(steps), steps)[::-1])[::-1].astype(np.int64)
    many = len(books.accounts)
    return kernels.Rule(
        due=due, events=events, watch=watch, target=target, half_width=width, to_edge=follow.to_edge,
        upper=np.full(many, np.inf), lower=np.full(many, -1.0),
    )  # fmt: skip


def _missing_funding(run: Run) -> None:
    """Name the settlements whose rate is not known."""
    tape = run.books.tape
    unknown = (tape.rate[tape.settles >= 0] == kernels.MISSING).sum(axis=0)
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
