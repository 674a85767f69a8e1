"""What one bar did: its high and its close over the close before, for one contract or for a book of shorts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import InputError, SchemaError, Unavailable

FloatArray = NDArray[np.float64]

ENOUGH = timedelta(days=30)
"""History below which a resampled past says nothing about a rare rise."""


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Bar moves in time order.

    Attributes:
        times: Shape (T,): end of each bar, ``datetime64[us]`` in UTC.
        highs: Shape (T,): high over the previous close; NaN where the previous close is not exactly one bar old.
        closes: Shape (T,): close over the previous close, NaN likewise.
        bar: Length of a bar.
    """

    times: NDArray[np.datetime64]
    highs: FloatArray
    closes: FloatArray
    bar: timedelta

    def steps(self, span: timedelta) -> int:
        """Bars in ``span``, at least one; a part of a bar counts as a whole."""
        return max(1, -(-span // self.bar))

    def usable(self) -> tuple[FloatArray, FloatArray]:
        """Highs and closes without the bars that follow a hole."""
        kept = self._known()
        return self.highs[kept], self.closes[kept]

    def _known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.highs) & np.isfinite(self.closes)

    def before(self, moment: np.datetime64) -> Moves:
        """The moves known at ``moment``."""
        end = int(np.searchsorted(self.times, moment, side="right"))
        return Moves(self.times[:end], self.highs[:end], self.closes[:end], self.bar)

    @property
    def history(self) -> timedelta:
        """Length of the usable sample: usable bars times bar length."""
        return self.bar * int(np.count_nonzero(self._known()))

    @property
    def window(self) -> str:
        """First and last day, bar, and how many bars were left out."""
        hours = self.bar.total_seconds() / 3600
        lost = max(0, len(self.times) - 1 - int(np.count_nonzero(self._known())))
        holes = f", {lost} bars after holes left out" if lost else ""
        if not len(self.times):
            return "empty"
        return f"{str(self.times[0])[:10]}..{str(self.times[-1])[:10]} {hours:g}h{holes}"


def bar_moves(frame: pl.DataFrame, bar: timedelta | None = None) -> Moves:
    """Moves of one contract from its bars (columns ``known_at``, ``high``, ``close``; mark price where there is one).

    Liquidation looks at the mark price, so mark bars are the right input; last-price bars overstate wicks and serve
    where no mark history exists. A bar after a hole is left out rather than read as one large move.

    Args:
        frame: Sorted bars.
        bar: Bar length; by default the commonest distance of two stamps.

    Raises:
        SchemaError: If a column is missing or stamps do not increase.
        InputError: If there are fewer than two bars and no ``bar`` is given.
    """
    missing = {"known_at", "high", "close"} - set(frame.columns)
    if missing:
        raise SchemaError(f"no column {sorted(missing)[0]}", cure="give known_at, high and close", where="bars")
    times = frame["known_at"].dt.replace_time_zone(None).cast(pl.Datetime("us")).to_numpy()
    gaps = np.diff(times).astype(np.int64)
    if (gaps <= 0).any():
        raise SchemaError("time stamps do not increase", cure="sort the bars and drop duplicates", where="bars")
    if bar is None:
        if len(gaps) == 0:
            raise InputError("fewer than two bars", cure="give more history or the bar length", where="bars")
        sizes, counts = np.unique(gaps, return_counts=True)
        bar = timedelta(microseconds=int(sizes[np.argmax(counts)]))
    close = frame["close"].to_numpy().astype(np.float64)
    high = np.fmax(frame["high"].to_numpy().astype(np.float64), close)
    highs = np.full(len(times), np.nan)
    closes = np.full(len(times), np.nan)
    together = gaps == round(bar / timedelta(microseconds=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        highs[1:] = np.where(together, high[1:] / close[:-1], np.nan)
        closes[1:] = np.where(together, close[1:] / close[:-1], np.nan)
    bad = ~(np.isfinite(highs) & np.isfinite(closes) & (closes > 0))
    highs[bad] = np.nan
    closes[bad] = np.nan
    return Moves(times, highs, closes, bar)


def coarsened(moves: Moves, bar: timedelta) -> Moves:
    """The same moves on longer bars; a long bar counts only if all of its short ones are known.

    Args:
        moves: Moves on bars that divide ``bar``.
        bar: The longer length.
    """
    count = bar // moves.bar
    if count <= 1:
        return moves
    width = round(bar / timedelta(microseconds=1))
    group = -(-moves.times.astype(np.int64) // width)
    names, first, size = np.unique(group, return_index=True, return_counts=True)
    full = size == count
    rows = first[full][:, None] + np.arange(count)
    closes, highs = moves.closes[rows], moves.highs[rows]
    level = np.cumprod(closes, axis=1)
    top = (level / closes * highs).max(axis=1)
    times = (names[full] * width).astype("datetime64[us]")
    return Moves(times, top, level[:, -1], bar)


def book_moves(parts: Sequence[Moves], values: FloatArray) -> tuple[Moves | Unavailable, tuple[int, ...]]:
    """Moves of a book of shorts held in today's value weights: ``sum w_i`` of each contract's high and close ratio.

    Every past bar is read as if the book had stood at today's weights when it began, so a path drawn from these moves
    rebalances each bar; over a top-up span the difference to fixed quantities is of second order. The joint high adds
    the highs of the contracts as if all were reached at once, which can only overstate the rise. Bars are brought to
    the coarsest length among the contracts, and one counts only where every contract has one. Contracts with less than
    30 days, or less than half of the longest history, are represented by the rest of the book.

    Args:
        parts: Moves of each contract.
        values: Short value of each, shape (n,), positive.

    Returns:
        The moves, unavailable where no contract has 30 days or they have no bar in common; and the positions in
        ``parts`` of the contracts that the others stand for.

    Raises:
        InputError: If a value is not positive.
    """
    if not (values > 0).all():
        raise InputError("a short of the book is worth nothing", cure="leave it out of the book", where="book")
    longest = max((part.history for part in parts), default=timedelta(0))
    fit = [i for i, part in enumerate(parts) if part.history >= max(ENOUGH, 0.5 * longest)]
    left = tuple(sorted(set(range(len(parts))) - set(fit)))
    if not fit:
        return Unavailable("no contract of the book has 30 days of history"), left
    bar = max(parts[i].bar for i in fit)
    even = [coarsened(parts[i], bar) for i in fit]
    common = even[0].times
    for part in even[1:]:
        if not np.array_equal(common, part.times):  # usually all are recorded on the same bars
            common = np.intersect1d(common, part.times, assume_unique=True)
    if not len(common):
        return Unavailable("the contracts of the book have no bar in common"), left
    weights = values[fit] / values[fit].sum()
    highs, closes = np.zeros(len(common)), np.zeros(len(common))
    for weight, part in zip(weights, even, strict=True):
        at = slice(None) if len(part.times) == len(common) else np.searchsorted(part.times, common)
        highs += weight * part.highs[at]
        closes += weight * part.closes[at]
    return Moves(common, highs, closes, bar), left
