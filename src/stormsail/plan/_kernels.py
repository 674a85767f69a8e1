"""Compiled loops of this room: adding lots, one after another, where the objective falls most."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STRIDE = 1_024
"""A contract that could use fewer lots than this gets them one at a time."""


@njit("boolean(float64[::1], float64[::1], float64, float64)", cache=True)
def _fits(slack: FloatArray, row: FloatArray, step: float, tolerance: float) -> bool:
    """Whether every limit holds after one more ``step``; ``row`` is the contract's share of each limit."""
    for r in range(slack.shape[0]):  # noqa: SIM110  # numba compiles no all() of a generator
        if slack[r] - row[r] * step < -tolerance:
            return False
    return True


@njit("float64(float64, float64, float64, float64, float64[::1], float64[::1])", cache=True)
def _room(pull: float, bend: float, cost: float, owed: float, slack: FloatArray, row: FloatArray) -> float:
    """Notional of one contract that could be added at a gain if nothing else moved, within every limit.

    ``pull`` and ``bend`` are the slope and curvature of the smooth part; up to ``owed`` adding saves the cost of
    closing what is held already, beyond it costs.
    """
    slope = pull - cost if owed > 0.0 else pull + cost
    if slope >= 0.0:
        return 0.0
    most = owed if owed > 0.0 else np.inf
    if bend > 0.0:
        most = min(most, -slope / bend)
    for r in range(slack.shape[0]):
        if row[r] > 0.0:
            most = min(most, slack[r] / row[r])
    return most


@njit(
    "int64[::1](float64[:, ::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[::1],"
    " float64[::1], int64[::1], int64[::1], float64, float64)",
    cache=True,
)
def add_lots(
    curve: FloatArray,
    slope: FloatArray,
    cost: FloatArray,
    held: FloatArray,
    columns: FloatArray,
    bounds: FloatArray,
    lot: FloatArray,
    least: IntArray,
    start: IntArray,
    noise: float,
    tolerance: float,
) -> IntArray:
    """Lots after every gainful addition that no limit forbids, for ``0.5 h'Ph + g'h + cost'|h - held|``, ``A h <= b``.

    One lot at a time (from nothing: the venue's minimum), each time where the objective falls most; ties go to the
    first contract. Where a contract alone could use at least ``STRIDE`` lots it first takes half of them at once, so
    that the number of steps does not grow with the fineness of the lots.

    Args:
        curve: ``P``, shape (n, n), symmetric.
        slope: ``g``, shape (n,).
        cost: Of trading one unit, shape (n,).
        held: What is short already, shape (n,).
        columns: ``A`` transposed, shape (n, r).
        bounds: ``b``, shape (r,).
        lot: Worth of a lot, shape (n,).
        least: Fewest lots of an order, shape (n,).
        start: Lots to begin with, shape (n,); they keep every limit.
        noise: Falls of the objective up to this are none.
        tolerance: By which a limit may be missed in the last digits.
    """
    n = start.shape[0]
    lots = start.copy()
    h = lots * lot
    pull = slope.copy()
    slack = bounds.copy()
    for i in range(n):
        for j in range(n):
            pull[i] += curve[i, j] * h[j]
        for r in range(slack.shape[0]):
            slack[r] -= columns[i, r] * h[i]
    tried = np.empty(n, dtype=np.bool_)
    gain = np.empty(n)
    striding = True
    while True:
        chosen = -1
        count = 1
        if striding:
            best = 0.0
            for i in range(n):
                if lots[i] == 0:
                    continue
                room = _room(pull[i], curve[i, i], cost[i], held[i] - h[i], slack, columns[i])
                many = int(min(room / lot[i], 1e15)) // 2
                if many < STRIDE // 2:
                    continue
                step = many * lot[i]
                fall = pull[i] * step + 0.5 * curve[i, i] * step * step
                fall += cost[i] * (abs(h[i] + step - held[i]) - abs(h[i] - held[i]))
                if fall < best and fall < -noise and _fits(slack, columns[i], step, tolerance):
                    best, chosen, count = fall, i, many
            if chosen < 0:
                striding = False
                continue
        else:
            for i in range(n):
                step = lot[i] if lots[i] > 0 else least[i] * lot[i]
                gain[i] = pull[i] * step + 0.5 * curve[i, i] * step * step
                gain[i] += cost[i] * (abs(h[i] + step - held[i]) - abs(h[i] - held[i]))
                tried[i] = gain[i] >= -noise
            while chosen < 0:
                best_gain = 0.0
                at = -1
                for i in range(n):
                    if not tried[i] and gain[i] < best_gain:
                        best_gain, at = gain[i], i
                if at < 0:
                    return lots
                tried[at] = True
                step = lot[at] if lots[at] > 0 else least[at] * lot[at]
                if _fits(slack, columns[at], step, tolerance):
                    chosen = at
            if lots[chosen] == 0:
                count = least[chosen]
        step = count * lot[chosen]
        lots[chosen] += count
        h[chosen] = lots[chosen] * lot[chosen]
        for j in range(n):
            pull[j] += curve[chosen, j] * step
        for r in range(slack.shape[0]):
            slack[r] -= columns[chosen, r] * step
