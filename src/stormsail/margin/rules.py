"""Which venue charges maintenance how, and since when.

Every liquidation formula read so far is one of two: maintenance at the *mark* price (with or without the closing fee),
or maintenance fixed at the *entry* price. A rule says which, with its first day and the page it was read on; the newest
rule not after the day of the question holds. What differs by venue beyond that is the bracket table itself, so venues
that publish leverages or size-dependent rates have a table builder here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from enum import StrEnum

from stormsail.core import Contract, Finding, Payoff, Trouble, Unavailable
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.liquidation import isolated, isolated_at_entry
from stormsail.margin.tiers import OPEN_END, build_table
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


def half_initial_table(
    contract: Contract, as_of: date, brackets: Sequence[tuple[Decimal, Decimal]], source: str
) -> TierTable:
    """A table from ``(cap, max_leverage)``: maintenance is half the initial margin at the largest leverage.

    Source: Hyperliquid docs, "Margin tiers": rate of a tier = (1 / max leverage) / 2, deductions by continuity.

    >>> from stormsail.core import Tenor
    >>> d = Decimal
    >>> c = Contract("hyperliquid", "BTC", "BTC", "USDC", Tenor.PERPETUAL, Payoff.LINEAR, d(1), d("0.00001"), d(1),
    ...              d(10), d("0.00015"), d("0.00045"))
    >>> half_initial_table(c, date(2025, 6, 1), [(d(150_000_000), d(40)), (OPEN_END, d(20))], "docs").tiers[1].deduction
    Decimal('1875000.0000')
    """
    with localcontext(MONEY_CONTEXT):
        rows = [(cap, 1 / (2 * leverage), leverage) for cap, leverage in brackets]
    return build_table(contract.id, as_of, rows, source)


_DERIBIT: dict[str, tuple[Decimal, Decimal]] = {
    "BTC": (Decimal("0.01"), Decimal("0.00005")),
    "SOL": (Decimal("0.02"), Decimal("0.000005")),
}


def deribit_table(contract: Contract, quantity: Decimal, as_of: date) -> TierTable | Unavailable:
    """Deribit's maintenance for a position of this size: a base rate plus a step per coin, so the rate depends on the
    size in coins and not on the price.

    BTC: 1 % + 0.005 % per BTC; SOL: 2 % + 0.0005 % per SOL; initial margin is one (two) per cent more. Source:
    support.deribit.com 25944738177565, "Linear Perpetual" (examples: 25 BTC 1.125 %, 350 BTC 2.75 %).

    Returns:
        One bracket, or ``Unavailable`` for coins whose rates were not read and for inverse contracts, whose size in
        coins moves with the price.
    """
    if contract.base not in _DERIBIT or contract.payoff is Payoff.INVERSE:
        return Unavailable(f"Deribit's margin rates of {contract.symbol} were not read")
    base, step = _DERIBIT[contract.base]
    with localcontext(MONEY_CONTEXT):
        maintenance = base + step * abs(quantity) * contract.size
        leverage = 1 / (maintenance + base)
    return build_table(
        contract.id, as_of, [(OPEN_END, maintenance, leverage)], "support.deribit.com 25944738177565 Linear Perpetual"
    )
