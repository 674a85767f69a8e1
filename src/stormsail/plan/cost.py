"""What a hedge costs or earns over the horizon: funding or basis, fees both ways, slippage both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from stormsail.core import Contract, Tenor, Unavailable, times, to_float
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.plan.types import Cost, MaybeFigure


@dataclass(frozen=True, slots=True)
class ContractCost:
    """Cost of one short over the horizon, in quote currency; received is positive.

    Attributes:
        contract: Which contract.
        carry: Expected funding (perpetual) or basis (dated); unavailable without a forecast.
        carry_low: The same in the worst 5 %.
        fees: Opening, rolling and closing, never positive.
        slippage: Opening, rolling and closing, never positive; unavailable without book and volume.
        notes: What is assumed or unavailable.
    """

    contract: Contract
    carry: MaybeFigure
    carry_low: MaybeFigure
    fees: float
    slippage: MaybeFigure
    notes: tuple[str, ...]


def fee(contract: Contract, notional: Decimal) -> Decimal:
    """Taker fee of one trade, exact: ``notional * taker_fee``."""
    return times(notional, contract.taker_fee)


def contract_cost(
    contract: Contract, notional: Decimal, carry: MaybeCarry, slippage: MaybeFigure, *, rolls: int = 0
) -> ContractCost:
    """Cost of shorting ``notional`` over the forecast's horizon and closing again.

    Args:
        contract: What is shorted.
        notional: Value short, positive.
        carry: Forecast per unit of notional.
        slippage: Of one way, as a fraction of notional.
        rolls: Times it is replaced within the horizon, each a closing and an opening.
    """
    ways = 2 + 2 * rolls
    value = to_float(notional)
    notes: list[str] = []
    expected: MaybeFigure
    low: MaybeFigure
    if isinstance(carry, CarryForecast):
        expected, low = carry.expected * value, carry.low * value
        if carry.assumed:
            notes.append(f"carry is {carry.method}")
    else:
        expected = low = carry
        notes.append(f"carry is unavailable and left out, {carry.reason}")
    if isinstance(slippage, Unavailable):
        notes.append(f"slippage is unavailable and left out, {slippage.reason}")
    fees = -to_float(ways * fee(contract, notional))
    slipped: MaybeFigure = slippage if isinstance(slippage, Unavailable) else -ways * value * slippage
    return ContractCost(contract, expected, low, fees, slipped, tuple(notes))


def total_cost(parts: Sequence[ContractCost]) -> Cost:
    """Sum of the parts; the worst 5 % are added up as if they came together, which is the dearest case."""
    perpetual = [p for p in parts if p.contract.tenor is Tenor.PERPETUAL]
    dated = [p for p in parts if p.contract.tenor is Tenor.DATED]
    funding, funding_low = _sum([p.carry for p in perpetual]), _sum([p.carry_low for p in perpetual])
    basis, basis_low = _sum([p.carry for p in dated]), _sum([p.carry_low for p in dated])
    slippage = _sum([p.slippage for p in parts])
    fees = sum((p.fees for p in parts), 0.0)
    rest = fees + _known(slippage)
    return Cost(
        funding=funding,
        funding_low=funding_low,
        basis=basis,
        fees=fees,
        slippage=slippage,
        total=_known(funding) + _known(basis) + rest,
        total_low=_known(funding_low) + _known(basis_low) + rest,
        by_contract={
            p.contract.id: (0.0, p.carry, p.fees, p.slippage)
            if p.contract.tenor is Tenor.DATED
            else (p.carry, 0.0, p.fees, p.slippage)
            for p in parts
        },
        notes=_told(parts),
        left_out=tuple(
            f"{name} of {missing} of {len(figures)} contracts" if missing < len(figures) else name
            for name, figures in (
                ("funding", [p.carry for p in perpetual]),
                ("basis", [p.carry for p in dated]),
                ("slippage", [p.slippage for p in parts]),
            )
            if (missing := sum(isinstance(figure, Unavailable) for figure in figures))
        ),
    )


def _sum(figures: Sequence[MaybeFigure]) -> MaybeFigure:
    """Sum of those that are known; unavailable, for the first one's reason, if there are some and none is known."""
    known = [figure for figure in figures if not isinstance(figure, Unavailable)]
    return sum(known, 0.0) if known or not figures else figures[0]


def _known(figure: MaybeFigure) -> float:
    return 0.0 if isinstance(figure, Unavailable) else figure


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
    if len(ids) == known == 2:
        return "both contracts"
    return f"all {known} contracts" if len(ids) == known else f"{len(ids)} contracts: {', '.join(ids)}"
