"""Counting numbers in even bins: whole numbers that add up exactly, and quantiles read from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bins:
    """``count`` even bins from ``low`` to ``high``; the first and last also take what lies beyond them.

    >>> bins = Bins(0.0, 1.0, 4)
    >>> bins.count(np.array([-3.0, 0.3, 0.3, 0.9])).tolist()
    [1, 2, 0, 1]
    """

    low: float
    high: float
    size: int

    @property
    def width(self) -> float:
        """Of one bin."""
        return (self.high - self.low) / self.size

    @property
    def middles(self) -> FloatArray:
        """Middle of each bin, shape (size,)."""
        return np.asarray(self.low + (np.arange(self.size) + 0.5) * self.width, dtype=np.float64)

    def count(self, values: NDArray[np.floating]) -> Counts:
        """How many of the values lie in each bin, shape (size,)."""
        at = np.floor((values.astype(np.float64) - self.low) / self.width)
        return np.bincount(np.clip(at, 0, self.size - 1).astype(np.int64), minlength=self.size)

    def quantile(self, counts: Counts, level: float) -> float:
        """Lower edge of the bin in which the share ``level`` of the values is reached: at most a bin's width below the
        quantile.
        """
        at = int(np.searchsorted(np.cumsum(counts), level * counts.sum(), side="left"))
        return self.low + min(at, self.size - 1) * self.width
