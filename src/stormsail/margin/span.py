"""One isolated linear short through one top-up span: in which bar it was liquidated, if it was."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Contract, from_float, times
from stormsail.margin.liquidation import isolated
from stormsail.margin.types import Liquidation, TierTable

_TICK = Decimal("1e-9")


def liquidated(
    contract: Contract,
    notional: Decimal,
    rate: float,
    table: TierTable,
    highs: NDArray[np.float64],
    paid: NDArray[np.float64],
) -> int | None:
    """First bar of the span whose high reaches the liquidation price, or ``None``.

    Prices are ratios to the price at the start of the span; the liquidation price is the exact one
    (:func:`~stormsail.margin.liquidation.isolated`) of a short of ``notional`` backed by ``rate * notional`` less the
    funding paid so far, the bar's own included.

    Args:
        contract: A linear contract; only its payoff counts.
        notional: Absolute value at the start.
        rate: Collateral per unit of notional.
        table: Brackets in force.
        highs: Shape (T,): high of each bar over the price at the start.
        paid: Shape (T,): funding paid up to the end of each bar, as a fraction of ``notional``; negative if received.
    """
    unit = replace(contract, size=Decimal(1), tick=_TICK)
    for bar, (high, spent) in enumerate(zip(highs, paid, strict=True)):
        backing = times(notional, from_float(rate - float(spent)))
        at = isolated(unit, -notional, Decimal(1), backing, table)
        if isinstance(at, Liquidation) and from_float(float(high)) >= at.price:
            return bar
    return None
