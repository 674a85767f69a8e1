"""A statistical number with its error, its sample and its origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from stormsail.core.finding import Unavailable


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic and everything needed to judge it.

    Attributes:
        value: The point estimate (unit stated by ``method``; fractions, never percent).
        error: Standard error in the unit of ``value``; ``None`` where none can be given.
        n: Number of observations.
        window: First and last day of the sample and the bar, such as ``2024-01-01..2024-12-31 1d``.
        method: The definition, in words or as a formula.
        borrowed_from: The group a young coin borrowed strength from, if it did.

    >>> e = Estimate(1.44, 0.10, 250, "2024-01-01..2024-09-07 1d", "OLS slope on BTC")
    >>> tuple(round(x, 3) for x in e.interval())
    (1.244, 1.636)
    """

    value: float
    error: float | None
    n: int
    window: str
    method: str
    borrowed_from: str | None = None

    def interval(self, z: float = 1.959963984540054) -> tuple[float, float]:
        """Normal interval ``value -+ z * error``; NaN bounds where no error is known."""
        half = math.nan if self.error is None else z * self.error
        return self.value - half, self.value + half


Maybe: TypeAlias = Estimate | Unavailable
