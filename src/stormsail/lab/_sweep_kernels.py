"""What came of a walk, from its ledger: value at the end, deepest fall, and sums by kind of movement, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True, error_model="numpy")
def outcome(
    rows: Ints,
    paid: Ints,
    settles: Ints,
    close: Ints,
    inverse: Flags,
    unit: Floats,
    currency: Ints,
    quantum: Floats,
    worth: Floats,
    spot: Floats,
    every: int,
    sums: Floats,
) -> tuple[float, float]:
    """Value of coins, cash and positions at the end, and its deepest fall from a peak as a fraction.

    Args:
        rows: The ledger: bar, flow, account, item, currency, amount, units, ticks.
        paid: Funding by settlement and contract, smallest units.
        settles: Index of the settlement at each bar, -1 for none.
        close: Mark in ticks, shape (T, n).
        inverse, unit, currency: Of each contract.
        quantum: Size of the smallest unit of each currency.
        worth: Price of each currency, shape (T, C).
        spot: Worth of the coins held, less what is not to be counted, shape (T,).
        every: Bars between two looks at the value; the last bar is looked at too.
        sums: Added to: worth moved by each flow when it moved, by its number; index 4 is funding.
    """
    count, steps = len(unit), len(spot)
    lots, cash = np.zeros(count), np.zeros(len(quantum))
    at, peak, fall, value = 0, 0.0, 0.0, 0.0
    for t in range(steps):
        while at < len(rows) and rows[at, 0] <= t:
            c, amount = rows[at, 4], rows[at, 5] * quantum[rows[at, 4]]
            cash[c] += amount
            sums[rows[at, 1]] += amount * worth[t, c]
            if rows[at, 6] != 0 and rows[at, 1] != 14 and rows[at, 3] >= 0:
                lots[rows[at, 3]] += rows[at, 6]
            at += 1
        if settles[t] >= 0:
            for i in range(count):
                amount = paid[settles[t], i] * quantum[currency[i]]
                cash[currency[i]] += amount
                sums[4] += amount * worth[t, currency[i]]
        if t % every == 0 or t == steps - 1:
            value = spot[t]
            for c in range(len(quantum)):
                value += cash[c] * worth[t, c]
            for i in range(count):
                mark = -1.0 / close[t, i] if inverse[i] else float(close[t, i])
                value += lots[i] * unit[i] * mark * worth[t, currency[i]]
            peak = max(peak, value)
            fall = max(fall, 1.0 - value / peak)
    return value, fall
