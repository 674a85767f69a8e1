"""Perpetual or dated: the funding that may come against the basis that is locked."""

from __future__ import annotations

import math
from datetime import timedelta

from stormsail.core import Tenor, Unavailable, format_span
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.plan.types import TenorAdvice

CAUTION = 0.5
"""Weight of the worst 5 % against the expectation when two carries are compared."""


def worth(carry: CarryForecast, cost: float) -> float:
    """What a carry is worth to someone who dislikes its bad end: midway between expected and worst 5 %, less costs."""
    return (1.0 - CAUTION) * carry.expected + CAUTION * carry.low - cost


def rolls_needed(horizon: timedelta, life: timedelta) -> int:
    """Times a dated contract of that remaining life must be replaced within the horizon.

    >>> rolls_needed(timedelta(days=180), timedelta(days=80)), rolls_needed(timedelta(days=30), timedelta(days=80))
    (2, 0)
    """
    return max(math.ceil(horizon / life) - 1, 0)


def advise(
    perpetual: MaybeCarry,
    dated: MaybeCarry,
    *,
    horizon: timedelta,
    perpetual_cost: float,
    dated_cost: float,
    life: timedelta | None = None,
    roll_cost: float = 0.0,
    about: str = "BTC",
) -> TenorAdvice:
    """Compare the two over the horizon; all figures are fractions of notional.

    Each is worth the mean of its expectation and its worst 5 %, less what trading it costs: a locked basis has a narrow
    band when held to expiry and a wide one when left early, funding the other way round, so a short dip and a long
    bear market can get different answers.

    Args:
        perpetual: Funding forecast of the perpetual.
        dated: Basis of the dated contract over the horizon.
        horizon: How long protection is wanted.
        perpetual_cost: Fees and slippage in and out.
        dated_cost: The same for the dated contract.
        life: Time to the dated contract's expiry.
        roll_cost: Fees and slippage of one roll.
        about: Coin the comparison was made on.
    """
    if isinstance(dated, Unavailable):
        return TenorAdvice(Tenor.PERPETUAL, perpetual, dated, f"Perpetual: {dated.reason}.")
    rolls = rolls_needed(horizon, life) if life else 0
    fixed = worth(dated, dated_cost + rolls * roll_cost)
    told_dated = f"a dated {about} contract {_told(dated)}"
    if rolls:
        told_dated += f" and must be rolled {rolls} time{'s' if rolls > 1 else ''} at {roll_cost:.2%} each"
    if isinstance(perpetual, Unavailable):
        reason = f"Dated: funding is not known ({perpetual.reason}); {told_dated}."
        return TenorAdvice(Tenor.DATED, perpetual, dated, reason)
    floating = worth(perpetual, perpetual_cost)
    choice = Tenor.DATED if fixed > floating else Tenor.PERPETUAL
    reason = (
        f"{choice.value.capitalize()}: over {format_span(horizon)} the perpetual {_told(perpetual)}, {told_dated}. "
        f"Midway between expected and worst, less costs, that is {floating:+.2%} against {fixed:+.2%}."
    )
    return TenorAdvice(choice, perpetual, dated, reason)


def _told(carry: CarryForecast) -> str:
    verb = "pays the short" if carry.expected >= 0 else "costs the short"
    return f"{verb} {abs(carry.expected):.2%} expected and {carry.low:+.2%} in the worst 5 %"
