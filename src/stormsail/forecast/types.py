"""What may come, with the error of saying so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from stormsail.core import Unavailable


@dataclass(frozen=True, slots=True)
class CarryForecast:
    """What a short position is expected to earn by holding it, as a fraction of notional over the horizon.

    Attributes:
        expected: Positive is received by the short (positive funding, or a futures price above spot).
        low: The worst 5 % from the short's side.
        high: The best 5 %.
        horizon: Length of time.
        method: How it was made.
        n: Observations behind it; 0 for an assumption.
        assumed: Whether it rests on a venue's baseline and not on data.
    """

    expected: float
    low: float
    high: float
    horizon: timedelta
    method: str
    n: int
    assumed: bool = False


MaybeCarry = CarryForecast | Unavailable
