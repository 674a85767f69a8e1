"""Prices of many series on one time grid, with holes left as holes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.market.schema import stamps

FloatArray = NDArray[np.float64]

ENOUGH_WEIGHT = 0.8
"""Share of a book's weight that must have a return on a bar for the book to have one."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Values on a common grid of moments.

    Attributes:
        times: Shape (T,), ``datetime64[us]`` in UTC, increasing; each value was known at its time.
        names: Length N; a coin or contract id per column.
        values: Shape (T, N); NaN is *unavailable*.
        step: Distance of two grid moments.
    """

    times: NDArray[np.datetime64]
    names: tuple[str, ...]
    values: FloatArray
    step: timedelta

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.times), len(self.names)):
            raise ValueError(f"values {self.values.shape} do not fit {len(self.times)} times x {len(self.names)} names")

    def column(self, name: str) -> FloatArray:
        """The column of that name, shape (T,)."""
        return self.values[:, self.names.index(name)]

    def select(self, names: Sequence[str]) -> Panel:
        """The named columns, in that order."""
        return Panel(self.times, tuple(names), self.values[:, [self.names.index(n) for n in names]], self.step)

    def last(self, rows: int) -> Panel:
        """The last ``rows`` moments."""
        return Panel(self.times[-rows:], self.names, self.values[-rows:], self.step)

    def returns(self) -> Panel:
        """Simple returns ``p_t / p_{t-1} - 1``; NaN where either price is unavailable. T becomes T - 1."""
        return Panel(self.times[1:], self.names, self.values[1:] / self.values[:-1] - 1.0, self.step)

    @property
    def window(self) -> str:
        """First and last day and the step, for :class:`~stormsail.core.Estimate`."""
        if not len(self.times):
            return "empty"
        hours = int(self.step.total_seconds() // 3600)
        step = f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"
        return f"{str(self.times[0])[:10]}..{str(self.times[-1])[:10]} {step}"


def align(
    frames: Mapping[str, pl.DataFrame],
    *,
    end: datetime,
    step: timedelta,
    length: int,
    tolerance: timedelta = timedelta(hours=4),
    column: str = "close",
) -> Panel:
    """Put series of bars on the grid ``end - (length-1) * step, ..., end`` without filling holes.

    The value at a grid moment is the last one known then, provided it is not older than ``tolerance``; otherwise NaN.

    Args:
        frames: Bars by name, each sorted by ``known_at``.
        end: Last grid moment; the grid is anchored on it.
        step: Grid step.
        length: Number of grid moments.
        tolerance: Oldest acceptable age of a value.
        column: Which column to take.
    """
    last = np.datetime64(end.replace(tzinfo=None), "us")
    width = np.timedelta64(int(step.total_seconds() * 1e6), "us")
    times = last - width * np.arange(length - 1, -1, -1)
    values = np.full((length, len(frames)), np.nan)
    grid = times.view(np.int64)
    oldest = int(tolerance.total_seconds() * 1e6)
    for j, frame in enumerate(frames.values()):
        known = frame.filter(pl.col(column).is_not_null()) if frame[column].null_count() else frame
        if known.is_empty():
            continue
        moments = stamps(known)
        at = np.searchsorted(moments, grid, side="right") - 1
        fresh = (at >= 0) & (grid - moments[np.maximum(at, 0)] <= oldest)
        values[fresh, j] = known[column].to_numpy()[at[fresh]]
    return Panel(times, tuple(frames), values, step)


def book_return(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return of a book with constant weights on each bar, shape (T,).

    Columns without a return on a bar are left out and the rest scaled up, as long as four fifths of the weight are
    known; NaN otherwise.

    Args:
        values: Returns, shape (T, N).
        weights: Shape (N,), adding up to 1.

    >>> book_return(np.array([[0.10, np.nan], [0.10, 0.20]]), np.array([0.9, 0.1])).round(4)
    array([0.1 , 0.11])
    """
    return known_part(values, weights, weights)[0]


def known_part(values: FloatArray, weights: FloatArray, *books: FloatArray) -> tuple[FloatArray, ...]:
    """Returns of several books on the same bars, each scaled as :func:`book_return` scales the one of ``weights``."""
    there = np.isfinite(values)
    known = np.where(there, values, 0.0)
    share = there @ weights / max(float(weights.sum()), 1e-300)
    scale = np.where(share >= ENOUGH_WEIGHT, 1.0 / np.maximum(share, ENOUGH_WEIGHT), np.nan)
    return tuple(np.asarray(known @ book * scale) for book in books)
