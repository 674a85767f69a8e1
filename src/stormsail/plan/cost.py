"""What a hedge costs or earns over the horizon: funding or basis, fees both ways, slippage both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from stormsail.core import Contract, Tenor, Unavailable, times, to_float
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.plan.types import Cost


@dataclass(frozen=True, slots=True)
class ContractCost:
    """Cost of one short over the horizon, in quote currency; received is positive.

    Attributes:
        contract: Which contract.
        carry: Expected funding (perpetual) or basis (dated).
        carry_low: The same in the worst 5 %.
        fees: Opening and closing, never positive.
        slippage: Opening and closing, never positive; unavailable without book and volume.
        notes: What is assumed or unavailable.
    """

    contract: Contract
    carry: float
    carry_low: float
    fees: float
    slippage: float | Unavailable
    notes: tuple[str, ...]


def fee(contract: Contract, notional: Decimal) -> Decimal:
    """Taker fee of one trade, exact: ``notional * taker_fee``."""
    return times(notional, contract.taker_fee)


def contract_cost(
    contract: Contract, notional: Decimal, carry: MaybeCarry, slippage: float | Unavailable
) -> ContractCost:
    """Cost of shorting ``notional`` over the forecast's horizon and closing again.

    Args:
        contract: What is shorted.
        notional: Value short, positive.
        carry: Forecast per unit of notional.
        slippage: Of one way, as a fraction of notional.
    """
    value = to_float(notional)
    notes: list[str] = []
    if isinstance(carry, CarryForecast):
        expected, low = carry.expected * value, carry.low * value
        if carry.assumed:
            notes.append(f"carry is {carry.method}")
    else:
        expected = low = 0.0
        notes.append(f"carry is unavailable and left out, {carry.reason}")
    if isinstance(slippage, Unavailable):
        notes.append(f"slippage is unavailable and left out, {slippage.reason}")
    fees = -to_float(2 * fee(contract, notional))
    slipped = slippage if isinstance(slippage, Unavailable) else -2.0 * value * slippage
    return ContractCost(contract, expected, low, fees, slipped, tuple(notes))


def total_cost(parts: Sequence[ContractCost]) -> Cost:
    """Sum of the parts; the worst 5 % are added up as if they came together, which is the dearest case."""
    rows: dict[str, tuple[float, float, float, float]] = {}
    low = 0.0
    for part in parts:
        dated = part.contract.tenor is Tenor.DATED
        slipped = 0.0 if isinstance(part.slippage, Unavailable) else part.slippage
        rows[part.contract.id] = (0.0 if dated else part.carry, part.carry if dated else 0.0, part.fees, slipped)
        low += 0.0 if dated else part.carry_low
    funding, basis, fees, slippage = (sum(row[i] for row in rows.values()) for i in range(4))
    return Cost(
        funding=funding,
        funding_low=low,
        basis=basis,
        fees=fees,
        slippage=slippage,
        total=funding + basis + fees + slippage,
        total_low=low + basis + fees + slippage,
        by_contract=rows,
        notes=_told(parts),
    )


def _told(parts: Sequence[ContractCost]) -> tuple[str, ...]:
    """Each kind of note once, with the contracts it is about."""
    about: dict[str, list[str]] = {}
    for part in parts:
        for note in part.notes:
            about.setdefault(note, []).append(part.contract.id)
    return tuple(f"{note} ({_those(ids, len(parts))})" for note, ids in about.items())


def _those(ids: Sequence[str], known: int) -> str:
    if len(ids) == 1:
        return ids[0]
    return f"all {known} contracts" if len(ids) == known else f"{len(ids)} contracts: {', '.join(ids)}"
