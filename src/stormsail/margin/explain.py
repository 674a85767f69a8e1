"""Everything this room knows about one account on one day, as values to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext

from stormsail.core import Finding, Unavailable
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.account import Position
from stormsail.margin.adl import AdlRule, Holder, adl_rule, score
from stormsail.margin.closeout_rules import CloseoutRule, closeout_rule
from stormsail.margin.factor import contract_bankruptcy, contract_liquidation, liquidation_factor
from stormsail.margin.liquidation import margin_notional
from stormsail.margin.pool import Account, equity, margin_ratio, price_of, requirement, unified_ratio
from stormsail.margin.rules import MarginRule, rule_for
from stormsail.margin.tiers import tier_index
from stormsail.margin.types import Unliquidatable

Prices = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class ExplainedPosition:
    """One position of an account. Amounts are in ``position.asset``.

    Attributes:
        position: The position, with its notional, profit and requirement.
        tier: Index of its bracket at the mark price.
        liquidation: Mark price at which this contract alone, everything else as it is, liquidates the account.
        bankruptcy: The same for the account's equity to be gone.
        liquidation_tier: Index of the bracket at the liquidation price.
        distance: Move from the mark to the liquidation price as a fraction, positive for a rise.
        adl: Rank score by the venue's formula, the account's equity behind it; higher is deleveraged sooner. What
            others hold is known to the venue alone, so the place in the queue is not.
    """

    position: Position
    tier: int
    liquidation: Decimal | Unliquidatable
    bankruptcy: Decimal | Unliquidatable
    liquidation_tier: int | Unliquidatable
    distance: Decimal | Unliquidatable
    adl: Decimal | Unavailable


@dataclass(frozen=True, slots=True)
class ExplainedAccount:
    """One account. Amounts are in the unit of account.

    Attributes:
        account: What was asked about.
        on: Day of the rules.
        equity: Adjusted equity, after haircuts.
        requirement: Maintenance margin.
        ratio: Requirement over equity; liquidation at ``1 / account.trigger``.
        unified: Equity over requirement, as portfolio margin counts.
        up, down: Common factors on all coin prices that liquidate the account.
        positions: In the account's order.
        rule: How maintenance is counted, since when, and where that was read.
        closing: What a liquidation does.
        deleveraging: How winners are ranked.
        findings: What had to be assumed.
    """

    account: Account
    on: date
    equity: Decimal
    requirement: Decimal
    ratio: Decimal
    unified: Decimal
    up: Decimal | Unliquidatable
    down: Decimal | Unliquidatable
    positions: tuple[ExplainedPosition, ...]
    rule: MarginRule
    closing: CloseoutRule | Unavailable
    deleveraging: AdlRule | Unavailable
    findings: tuple[Finding, ...]


def explain_account(account: Account, prices: Prices, on: date) -> ExplainedAccount:
    """Equity, requirement, ratios, liquidating moves, and each position's liquidation, bankruptcy, bracket and rank.

    Args:
        account: Balances, loans and positions at their marks. Positions carry how maintenance is counted; build them
            with :func:`~stormsail.margin.rules.ruled_position` to have the venue's rule of the day.
        prices: Price of every asset of the account in the unit of account.
        on: Day whose rules hold.

    Raises:
        UnavailableError: If a price is missing.

    >>> from stormsail.core import Contract, Payoff, Tenor
    >>> from stormsail.margin.haircuts import one_coin
    >>> from stormsail.margin.rules import ruled_position
    >>> from stormsail.margin.tiers import flat_table
    >>> d, day = Decimal, date(2025, 6, 1)
    >>> sol = Contract("binance", "SOLUSDT", "SOL", "USDT", Tenor.PERPETUAL, Payoff.LINEAR, d(1), d(1), d("0.01"), d(5),
    ...                d("0.0002"), d("0.0005"))
    >>> short, _ = ruled_position(sol, d(-100), d(170), d(150), flat_table(sol, day, d("0.01"), "example"), day)
    >>> told = explain_account(Account("binance", (("USDT", d(8500)),), (short,), one_coin("binance", "USDT", day)),
    ...                        {"USDT": d(1)}, day)
    >>> told.equity, told.requirement, told.positions[0].liquidation, told.positions[0].bankruptcy
    (Decimal('10500'), Decimal('150.00'), Decimal('252.47'), Decimal('255.00'))
    """
    rule, findings = rule_for(account.venue, on)
    ranking = adl_rule(account.venue, on)
    held = equity(account, prices)
    return ExplainedAccount(
        account=account,
        on=on,
        equity=held,
        requirement=requirement(account, prices),
        ratio=margin_ratio(account, prices),
        unified=unified_ratio(account, prices),
        up=liquidation_factor(account, prices, up=True),
        down=liquidation_factor(account, prices, up=False),
        positions=tuple(_position(account, prices, p, held, ranking) for p in account.positions),
        rule=rule,
        closing=closeout_rule(account.venue, on),
        deleveraging=ranking,
        findings=findings,
    )


def _position(
    account: Account, prices: Prices, position: Position, held: Decimal, ranking: AdlRule | Unavailable
) -> ExplainedPosition:
    contract = position.contract
    end = contract_liquidation(account, prices, contract.id)
    distance: Decimal | Unliquidatable
    tier: int | Unliquidatable
    if isinstance(end, Unliquidatable):
        tier = distance = end
    else:
        with localcontext(MONEY_CONTEXT):
            distance = end / position.mark - 1
        worst = position.entry if position.at_entry else max(end, contract.tick)
        tier = tier_index(margin_notional(contract, position.quantity, worst), position.table)
    return ExplainedPosition(
        position=position,
        tier=tier_index(position.notional, position.table),
        liquidation=end,
        bankruptcy=contract_bankruptcy(account, prices, contract.id),
        liquidation_tier=tier,
        distance=distance,
        adl=_rank(position, held, price_of(position.asset, prices, account.venue), ranking),
    )


def _rank(position: Position, held: Decimal, worth: Decimal, ranking: AdlRule | Unavailable) -> Decimal | Unavailable:
    if isinstance(ranking, Unavailable):
        return ranking
    with localcontext(MONEY_CONTEXT):
        behind = held / worth
    if behind <= max(Decimal(0), position.profit):
        return Unavailable("there is no equity besides this position's profit to rank it by")
    return score(Holder(position.contract.id, position, behind), ranking.ranking)
