"""How the accounts of a plan, or a single position, stand: now, after a move, and after a top-up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, localcontext

from stormsail.core import STABLECOINS, Contract, Finding, Payoff, Trouble, plus
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.account import Position
from stormsail.margin.explain import ExplainedAccount, explain_account
from stormsail.margin.factor import liquidation_factor
from stormsail.margin.haircuts import Haircuts
from stormsail.margin.pool import Account, equity, free_equity, margin_ratio, requirement
from stormsail.margin.rules import Basis, rule_for, ruled_position
from stormsail.margin.types import CollateralRequirement, MarginMode, TierTable, Unliquidatable

ADDED = Decimal("0.25")
"""Top-up that is tried where no amount is named, as a share of the collateral."""


@dataclass(frozen=True, slots=True)
class Held:
    """One position as it is asked about.

    Attributes:
        contract: What is held.
        quantity: Signed contract units.
        entry: Average entry price.
        mark: Mark price.
        table: Its brackets.
    """

    contract: Contract
    quantity: Decimal
    entry: Decimal
    mark: Decimal
    table: TierTable


@dataclass(frozen=True, slots=True)
class Question:
    """One account as it is asked about.

    Attributes:
        name: Venue, or the contract of an isolated position.
        venue: Venue key.
        mode: Cross or isolated.
        asset: What is posted.
        collateral: How much of it.
        price: What one of it is worth in the unit of account.
        held: Its positions.
        requirement: What the collateral rule asked for it, if it comes from a plan.
    """

    name: str
    venue: str
    mode: MarginMode
    asset: str
    collateral: Decimal
    price: Decimal
    held: tuple[Held, ...]
    requirement: CollateralRequirement | None = None


@dataclass(frozen=True, slots=True)
class After:
    """An account after something happened to it. Amounts are in the unit of account.

    Attributes:
        what: What happened, as a number: the move of all coin prices as a fraction, or the collateral added.
        equity, requirement, ratio: As in :class:`~stormsail.margin.explain.ExplainedAccount`.
        alive: Whether it still stands.
        up: Common factor on coin prices, from there, that liquidates it.
        missing: Equity that would have to be added for it to stand; 0 where it does.
    """

    what: Decimal
    equity: Decimal
    requirement: Decimal
    ratio: Decimal
    alive: bool
    up: Decimal | Unliquidatable
    missing: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    """One account, explained.

    Attributes:
        question: What was asked.
        explained: Everything the margin rules say of it now.
        moved: After the move of all coin prices, if one was asked for.
        added: After a top-up.
        findings: What had to be assumed.
    """

    question: Question
    explained: ExplainedAccount
    moved: After | None
    added: After
    findings: tuple[Finding, ...]


def stand(question: Question, on: date, *, move: Decimal | None = None, added: Decimal | None = None) -> Standing:
    """Explain one account.

    Args:
        question: The account.
        on: Day whose rules hold.
        move: Move of every coin's price to try, as a fraction above -1.
        added: Collateral to add, in what the account holds; a quarter of what is there by default.
    """
    account, prices, findings = _account(question, on)
    explained = explain_account(account, prices, on)
    moved = None if move is None else _after(*_moved(account, prices, move), move)
    with localcontext(MONEY_CONTEXT):
        more = question.collateral * ADDED if added is None else added
        (asset, held), *rest = account.balances
        topped = replace(account, balances=((asset, held + more), *rest))
    return Standing(
        question, explained, moved, _after(topped, prices, more), tuple(dict.fromkeys((*findings, *explained.findings)))
    )


def _account(question: Question, on: date) -> tuple[Account, dict[str, Decimal], list[Finding]]:
    rule, found = rule_for(question.venue, on)
    positions, findings = list[Position](), list(found)
    for held in question.held:
        if held.table.assumed:
            findings.append(
                Finding(
                    Trouble.DEGRADED, f"margin {held.contract.id}", "its brackets are not known",
                    "a strict stand-in table is assumed",
                )
            )  # fmt: skip
        if question.mode is MarginMode.ISOLATED:
            position, _ = ruled_position(held.contract, held.quantity, held.entry, held.mark, held.table, on)
        else:
            counted = rule.counts_fee and rule.basis is Basis.MARK
            fee = held.contract.taker_fee if counted else Decimal(0)
            position = Position(held.contract, held.quantity, held.entry, held.mark, held.table, fee)
        positions.append(position)
    assets = dict.fromkeys([question.asset, *(p.asset for p in positions)])
    prices = {asset: Decimal(1) for asset in assets if asset in STABLECOINS | {"USD"}}
    prices |= {p.asset: p.mark for p in positions if p.contract.payoff is Payoff.INVERSE}
    prices[question.asset] = question.price
    shares = Haircuts(question.venue, on, tuple((a, Decimal(1)) for a in assets), "single-asset mode: no haircut")
    account = Account(question.venue, ((question.asset, question.collateral),), tuple(positions), shares)
    return account, prices, findings


def _moved(account: Account, prices: dict[str, Decimal], move: Decimal) -> tuple[Account, dict[str, Decimal]]:
    with localcontext(MONEY_CONTEXT):
        factor = 1 + move
        positions = tuple(replace(p, mark=p.mark * factor) for p in account.positions)
        after = {a: p if a in STABLECOINS | {"USD"} else p * factor for a, p in prices.items()}
    return replace(account, positions=positions), after


def _after(account: Account, prices: dict[str, Decimal], what: Decimal) -> After:
    free = free_equity(account, prices)
    return After(
        what=what,
        equity=equity(account, prices),
        requirement=requirement(account, prices),
        ratio=margin_ratio(account, prices),
        alive=free > 0,
        up=liquidation_factor(account, prices, up=True),
        missing=max(Decimal(0), -free),
    )


def short_value(question: Question) -> Decimal:
    """Value short in an account, in quote currency."""
    return plus(h.contract.notional(abs(h.quantity), h.mark) for h in question.held if h.quantity < 0)
