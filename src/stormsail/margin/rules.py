"""Which venue charges maintenance how, and since when.

Every liquidation formula read so far is one of two: maintenance at the *mark* price (with or without the closing fee),
or maintenance fixed at the *entry* price. A rule says which, with its first day and the page it was read on; the newest
rule not after the day of the question holds. What differs by venue beyond that is the bracket table itself; venues
that publish leverages or size-dependent rates have a builder in :mod:`stormsail.margin.venue_tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from stormsail.core import Contract, Finding, Trouble
from stormsail.margin.account import Position
from stormsail.margin.liquidation import isolated, isolated_at_entry
from stormsail.margin.types import MaybeLiquidation, TierTable


class Basis(StrEnum):
    """The price at which maintenance margin is counted."""

    MARK = "mark"
    ENTRY = "entry"


@dataclass(frozen=True, slots=True)
class MarginRule:
    """How a venue decides on liquidation.

    Attributes:
        venue: Venue key.
        effective_from: First day it is known to hold.
        basis: Price at which maintenance is counted.
        counts_fee: Whether the taker fee of closing is added to the maintenance margin.
        source: Page and its date.
    """

    venue: str
    effective_from: date
    basis: Basis
    counts_fee: bool
    source: str


RULES: tuple[MarginRule, ...] = (
    MarginRule(
        "binance", date(2020, 8, 14), Basis.MARK, False, "binance.com/support/faq/b3c689c1f50a44cabb3a84e663b81d93"
    ),
    MarginRule(
        "bybit", date(2020, 3, 1), Basis.ENTRY, False, "bybit.com/help-center Liquidation-Price-USDT-Contract, 2024-09"
    ),
    MarginRule(
        "bybit", date(2025, 9, 2), Basis.MARK, False, "bybit.com/help-center The New Margin Calculation, 2025-09-18"
    ),
    MarginRule("okx", date(2022, 6, 17), Basis.MARK, True, "okx.com/help-center/6997123251341, 2024-04-04"),
    MarginRule("gate", date(2023, 7, 2), Basis.MARK, True, "gate.com staff answer, 2023-07-02"),
    MarginRule(
        "hyperliquid", date(2023, 6, 1), Basis.MARK, False, "hyperliquid.gitbook.io/hyperliquid-docs Margin tiers"
    ),
    MarginRule(
        "deribit", date(2024, 1, 1), Basis.MARK, False, "support.deribit.com/hc/en-us/articles/25944738177565"
    ),
    MarginRule("dydx", date(2023, 10, 26), Basis.MARK, False, "help.dydx.trade, maintenance margin fraction by market"),
)  # fmt: skip
"""By venue, then by first day.

Only Bybit's 2025-09-02 is a day the venue itself states. The others are the date of the page (Binance, OKX, Gate) or,
where the page has none (Bybit's older rule, Hyperliquid, Deribit, dYdX), roughly when such contracts began there.
"""

FALLBACK = "binance"


def rule_for(venue: str, on: date) -> tuple[MarginRule, tuple[Finding, ...]]:
    """The rule of ``venue`` on that day, and what had to be assumed to name one.

    An unknown venue gets the commonest rule (maintenance at mark, as Binance); a day before the first known rule gets
    that first rule. Both come with a finding.

    >>> rule_for("bybit", date(2025, 9, 1))[0].basis, rule_for("bybit", date(2025, 9, 2))[0].basis
    (<Basis.ENTRY: 'entry'>, <Basis.MARK: 'mark'>)
    """
    known = [rule for rule in RULES if rule.venue == venue]
    if not known:
        rule, _ = rule_for(FALLBACK, on)
        cause = f"no liquidation rule is known for {venue}"
        return rule, (Finding(Trouble.DEGRADED, f"margin {venue}", cause, "maintenance at mark price assumed"),)
    held = [rule for rule in known if rule.effective_from <= on]
    if held:
        return held[-1], ()
    first = known[0]
    cause = f"the oldest rule known is of {first.effective_from}"
    return first, (Finding(Trouble.NOTE, f"margin {venue}", cause, f"it is applied to {on} as well"),)


def liquidation(
    contract: Contract, quantity: Decimal, entry: Decimal, collateral: Decimal, table: TierTable, on: date
) -> tuple[MaybeLiquidation, tuple[Finding, ...]]:
    """Liquidation of an isolated position by the rule its venue had on that day.

    Arguments as in :func:`~stormsail.margin.liquidation.isolated`; the fee counted is the contract's taker fee.
    """
    rule, findings = rule_for(contract.venue, on)
    if rule.basis is Basis.ENTRY:
        return isolated_at_entry(contract, quantity, entry, collateral, table), findings
    fee = contract.taker_fee if rule.counts_fee else Decimal(0)
    return isolated(contract, quantity, entry, collateral, table, fee=fee), findings


def ruled_position(
    contract: Contract,
    quantity: Decimal,
    entry: Decimal,
    mark: Decimal,
    table: TierTable,
    on: date,
    settle: str = "",
) -> tuple[Position, tuple[Finding, ...]]:
    """A position whose maintenance is counted as its venue counted it on that day.

    Arguments as the attributes of :class:`~stormsail.margin.account.Position`.
    """
    rule, findings = rule_for(contract.venue, on)
    fee = contract.taker_fee if rule.counts_fee and rule.basis is Basis.MARK else Decimal(0)
    return Position(contract, quantity, entry, mark, table, fee, rule.basis is Basis.ENTRY, settle), findings
