"""Where a price series changes its unit or its coin, told apart from a crash."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from stormsail.market.panel import FloatArray

STEP = 4.0
"""Smallest factor of a redenomination: a little below 5, so that five for one is found in a moving market too."""

REUSED_STEP = 3.0
"""Smallest factor of a re-used ticker."""

REUSED_GAP = timedelta(days=30)
"""Shortest silence before a ticker counts as re-used."""

NEIGHBOURS = 10
"""Bars on either side whose moves a step is compared with."""

CALM = 3.0
"""How many times larger (in logarithms) than its neighbours a step must be."""

_CONFIRM = 5
_INTERRUPTION = timedelta(days=1)
_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Break:
    """One break.

    Attributes:
        row: First row of the new series.
        factor: New price over old price.
        kind: ``redenomination`` or ``re-used ticker``.
    """

    row: int
    factor: float
    kind: str


def find_breaks(times: NDArray[np.int64], opens: FloatArray | None, closes: FloatArray) -> tuple[Break, ...]:
    """Breaks of one series by the rules stated in :mod:`stormsail.market.quality`, in order of time.

    Args:
        times: Shape (T,), microseconds, increasing.
        opens: Shape (T,) or ``None`` if the series has closes only; a NaN open is replaced by the close of its bar.
        closes: Shape (T,), positive or NaN; rows without a close are passed over.
    """
    rows = np.flatnonzero(~np.isnan(closes))
    if len(rows) == len(closes):
        return _find(times, opens, closes)
    found = _find(times[rows], None if opens is None else opens[rows], closes[rows])
    return tuple(replace(b, row=int(rows[b.row])) for b in found)


def _find(times: NDArray[np.int64], opens: FloatArray | None, closes: FloatArray) -> tuple[Break, ...]:
    if len(closes) < 2:
        return ()
    first = closes[1:] if opens is None else np.where(np.isnan(opens[1:]), closes[1:], opens[1:])
    ratio = first / closes[:-1]
    suspects = np.flatnonzero((ratio >= REUSED_STEP) | (ratio <= 1.0 / REUSED_STEP))
    if not len(suspects):
        return ()
    usual = int(np.median(np.diff(times))) * _US
    found = (_judge(int(i) + 1, float(ratio[i]), times, closes, usual) for i in suspects)
    return tuple(b for b in found if b is not None)


def _judge(row: int, factor: float, times: NDArray[np.int64], closes: FloatArray, usual: timedelta) -> Break | None:
    silence = timedelta(microseconds=int(times[row] - times[row - 1]))
    if silence > REUSED_GAP:
        return Break(row, factor, "re-used ticker")
    step = abs(math.log(factor))
    if step < math.log(STEP) or not _stays(row, factor, closes):
        return None
    resumed_higher = factor > 1.0 and silence - usual > _INTERRUPTION
    if not resumed_higher and step < CALM * _largest_move_near(row, closes):
        return None
    return Break(row, factor, "redenomination")


def _stays(row: int, factor: float, closes: FloatArray) -> bool:
    """Whether the next closes lie on the new side, by more than half the step in logarithms."""
    after = float(np.median(closes[row : row + _CONFIRM]))
    return math.log(after / float(closes[row - 1])) / math.log(factor) > 0.5


def _largest_move_near(row: int, closes: FloatArray) -> float:
    before = np.diff(np.log(closes[max(row - 1 - NEIGHBOURS, 0) : row]))
    after = np.diff(np.log(closes[row : row + 1 + NEIGHBOURS]))
    moves = np.abs(np.concatenate([before, after]))
    return float(moves.max(initial=0.0))
