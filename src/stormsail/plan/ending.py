"""Shorts that are settled before the horizon ends, and what is naked if nobody rolls them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from stormsail.plan.types import FailureMode


@dataclass(frozen=True, slots=True)
class Ending:
    """A short that is settled before the horizon ends.

    Attributes:
        contract: Which.
        expiry: When it is settled.
        notional: Value short.
        pays: What it pays in the fall, which is lost without it.
    """

    contract: str
    expiry: datetime
    notional: float
    pays: float


def not_rolled(ending: Sequence[Ending], survive: float) -> FailureMode:
    """What is lost if nobody rolls them and the fall comes after the last has ended.

    Args:
        ending: The shorts, at least one.
        survive: Fall of the portfolio in the event.
    """
    order = sorted(ending, key=lambda e: (e.expiry, e.contract))
    told = ", ".join(f"{e.contract} on {e.expiry:%Y-%m-%d}" for e in order)
    worth, loss = sum(e.notional for e in order), sum(e.pays for e in order)
    return FailureMode(
        "not rolled in time",
        f"Shorts of {worth:,.0f} are settled before the horizon ends ({told}). Not rolled, what they protect is naked "
        f"from {order[0].expiry:%Y-%m-%d}: when the portfolio falls by {survive:.0%} after that, {loss:,.0f} is lost "
        "that they would have paid.",
        loss,
        "Roll each a few days before it ends: buy it back and short the next one, or the perpetual, as large.",
    )
