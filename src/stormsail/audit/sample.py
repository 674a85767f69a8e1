"""Returns ready to be measured: without holes, with the length of their bar and the window they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MIN_OBSERVATIONS = 60
"""Returns below which a coin borrows from its group."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Simple returns on a grid of equal bars; NaN is *unavailable*.

    Attributes:
        returns: Shape (T,).
        bars_per_day: 1 for daily bars, 24 for hourly ones.
        window: First and last day and the bar.
    """

    returns: FloatArray
    bars_per_day: int
    window: str

    @property
    def known(self) -> FloatArray:
        """The returns that are there, shape (n,)."""
        return self.returns[np.isfinite(self.returns)]

    @property
    def n(self) -> int:
        """How many returns are there."""
        return int(np.isfinite(self.returns).sum())

    @property
    def per_year(self) -> int:
        """Bars in a year of 365 days."""
        return 365 * self.bars_per_day

    @property
    def root_day(self) -> float:
        """Factor from the spread of one bar to that of a day, ``sqrt(bars_per_day)``."""
        return math.sqrt(self.bars_per_day)

    @property
    def bar_name(self) -> str:
        """``daily`` or ``hourly``."""
        return {1: "daily", 24: "hourly"}.get(self.bars_per_day, f"1/{self.bars_per_day}-day")

    def scaled(self, method: str) -> str:
        """``method``, with the scaling to days said where the bars are shorter."""
        if self.bars_per_day == 1:
            return method
        return f"{method}; {self.bar_name} returns scaled to a day by sqrt({self.bars_per_day})"

    def pairs(self, other: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Own and other returns on the bars where both are there, each of shape (n,)."""
        both = np.isfinite(self.returns) & np.isfinite(other)
        return self.returns[both], other[both]
