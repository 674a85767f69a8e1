"""What one bar did: its high and its close over the close before, for one contract or for a book of shorts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import InputError, SchemaError, UnavailableError

FloatArray = NDArray[np.float64]


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
        kept = np.isfinite(self.highs) & np.isfinite(self.closes)
        return self.highs[kept], self.closes[kept]

    def before(self, moment: np.datetime64) -> Moves:
        """The moves known at ``moment``."""
        end = int(np.searchsorted(self.times, moment, side="right"))
        return Moves(self.times[:end], self.highs[:end], self.closes[:end], self.bar)

    @property
    def history(self) -> timedelta:
        """Length of the usable sample: usable bars times bar length."""
        return self.bar * len(self.usable()[0])

    @property
    def window(self) -> str:
        """First and last day, bar, and how many bars were left out."""
        hours = self.bar.total_seconds() / 3600
        lost = max(0, len(self.times) - 1 - len(self.usable()[0]))
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


def book_moves(frames: Mapping[str, pl.DataFrame], weights: Mapping[str, float], bar: timedelta | None = None) -> Moves:
    """Moves of a book of shorts held in today's value weights: ``sum w_i`` of each contract's high and close ratio.

    Every past bar is read as if the book had stood at today's weights when it began, so a path drawn from these moves
    rebalances each bar; over a top-up span the difference to fixed quantities is of second order. The joint high adds
    the highs of the contracts as if all were reached at once, which can only overstate the rise. A bar counts only
    where every contract has one: the book is as young as its youngest contract.

    Args:
        frames: Bars by contract id.
        weights: Short value by contract id, positive; scaled to add up to 1.
        bar: Bar length, as in :func:`bar_moves`.

    Raises:
        InputError: If a weight is not positive or has no frame.
        UnavailableError: If the contracts have no bar in common.
    """
    total = sum(weights.values())
    for name, weight in weights.items():
        if weight <= 0 or name not in frames:
            raise InputError(
                f"weight {weight}, bars {'given' if name in frames else 'missing'}",
                cure="give a positive weight and bars for every contract of the book",
                where=name,
            )
    names = sorted(weights)
    parts = [bar_moves(frames[name], bar) for name in names]
    if len({part.bar for part in parts}) > 1:
        raise InputError("contracts have bars of different lengths", cure="give bars of one length", where="book")
    common = parts[0].times
    for part in parts[1:]:
        common = np.intersect1d(common, part.times, assume_unique=True)
    if len(common) < 2:
        raise UnavailableError("the contracts have no bars in common", cure="judge them one by one", where="book")
    highs = np.zeros(len(common))
    closes = np.zeros(len(common))
    for name, part in zip(names, parts, strict=True):
        at = np.searchsorted(part.times, common)
        highs += weights[name] / total * part.highs[at]
        closes += weights[name] / total * part.closes[at]
    return Moves(common, highs, closes, parts[0].bar)
