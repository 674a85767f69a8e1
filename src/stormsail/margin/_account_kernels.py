"""Compiled account checks: equity, requirement and the nearest crossings of many price vectors.

A position is measured in ``y``: its price, or the reciprocal for an inverse contract. Its profit is ``slope (y - y0)``
in its asset, its notional ``|slope| y``. A factor ``t`` moves ``y`` by ``t ** power`` and the asset by ``t ** level``;
all polynomials are lines, so Newton's method ends on the crossing (see :mod:`stormsail.margin.curve`).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@njit("int64(float64, int64, int64, float64[:])", cache=True)
def bracket(notional: float, first: int, last: int, caps: FloatArray) -> int:
    """Index of the bracket of ``notional`` among ``first .. last``; the last one beyond the last cap."""
    at = first
    while at < last and notional > caps[at]:
        at += 1
    return at


@njit(
    "void(float64, int64, int64[:], float64[:], int64[:], int64[:], float64[:], int64[:], int64[:], float64[:],"
    " float64[:], float64[:], float64[:, :], float64[:], float64, float64, float64[:])",
    cache=True,
)
def piece(
    t: float,
    limit: int,
    which: IntArray,
    notional: FloatArray,
    power: IntArray,
    level: IntArray,
    worth: FloatArray,
    first: IntArray,
    last: IntArray,
    caps: FloatArray,
    rates: FloatArray,
    taken: FloatArray,
    purse: FloatArray,
    share: FloatArray,
    rest0: float,
    rest1: float,
    out: FloatArray,
) -> None:
    """Level and slope of free equity's line at ``t`` (``limit`` 0), beyond everything (1), or just above zero (-1)."""
    a, b = rest0, rest1
    for i in range(purse.shape[0]):
        c0, c1 = purse[i, 0], purse[i, 1]
        if limit == 0:
            sign = c0 + c1 * t
        elif limit > 0:
            sign = c1 if c1 != 0.0 else c0
        else:
            sign = c0 if c0 != 0.0 else c1
        k = share[i] if sign > 0.0 else 1.0
        a += k * c0
        b += k * c1
    for j in range(which.shape[0]):
        i = which[j]
        if power[i] == 0:
            at = bracket(notional[i], first[i], last[i], caps)
        elif limit != 0:
            at = last[i] if (limit > 0) == (power[i] > 0) else first[i]
        else:
            at = bracket(notional[i] * t if power[i] > 0 else notional[i] / t, first[i], last[i], caps)
        need = notional[i] * rates[at] * worth[i]
        if power[i] + level[i] == 0:
            a -= need
        else:
            b -= need
        if level[i] == 0:
            a += taken[at] * worth[i]
        else:
            b += taken[at] * worth[i]
    out[0] = a
    out[1] = b


@njit(
    "float64(boolean, int64[:], float64[:], int64[:], int64[:], float64[:], int64[:], int64[:], float64[:],"
    " float64[:], float64[:], float64[:, :], float64[:], float64, float64)",
    cache=True,
)
def crossing(
    up: bool,
    which: IntArray,
    notional: FloatArray,
    power: IntArray,
    level: IntArray,
    worth: FloatArray,
    first: IntArray,
    last: IntArray,
    caps: FloatArray,
    rates: FloatArray,
    taken: FloatArray,
    purse: FloatArray,
    share: FloatArray,
    rest0: float,
    rest1: float,
) -> float:
    """The nearest crossing above or below 1; ``inf`` or 0 where there is none, 1 where free equity is gone already."""
    line = np.empty(2)
    piece(
        1.0, 0, which, notional, power, level, worth, first, last, caps, rates, taken, purse, share, rest0, rest1, line
    )
    if line[0] + line[1] <= 0.0:
        return 1.0
    end = 1 if up else -1
    piece(1.0, end, which, notional, power, level, worth, first, last, caps, rates, taken, purse, share, rest0, rest1,
          line)  # fmt: skip
    if up and line[1] >= 0.0:
        return np.inf
    if not up and line[0] >= 0.0:
        return 0.0
    t = float(-line[0] / line[1])
    while True:
        piece(t, 0, which, notional, power, level, worth, first, last, caps, rates, taken, purse, share, rest0, rest1,
              line)  # fmt: skip
        # beyond the crossing the line leads back to it; where rounding says otherwise, this is the crossing
        if not (line[1] < 0.0 if up else line[1] > 0.0):
            return t
        closer = float(-line[0] / line[1])
        if not (closer < t if up else closer > t):
            return t
        t = closer


@njit(
    "void(float64[:, :], float64[:, :], float64[:], int64[:], float64[:], boolean[:], int64[:], float64[:], int64[:],"
    " int64[:], int64[:], float64[:], float64[:], float64[:], float64[:], float64[:], int64[:], float64, float64,"
    " int64[:], int64[:], int64[:], float64[:, :], float64[:, :])",
    cache=True,
    nogil=True,
)
def check_all(
    marks: FloatArray,
    prices: FloatArray,
    slope: FloatArray,
    asset: IntArray,
    entry: FloatArray,
    at_entry: NDArray[np.bool_],
    inverse: IntArray,
    caps: FloatArray,
    first: IntArray,
    last: IntArray,
    power: IntArray,
    rates: FloatArray,
    taken: FloatArray,
    share: FloatArray,
    balance: FloatArray,
    loan: FloatArray,
    moving: IntArray,
    loan_rate: float,
    trigger: float,
    group: IntArray,
    starts: IntArray,
    rising: IntArray,
    out: FloatArray,
    ends: FloatArray,
) -> None:
    """For each row of ``marks`` and ``prices``: equity, requirement, factor up, factor down into ``out``, and the price
    at which each contract alone liquidates the account into ``ends``."""
    n, m = slope.shape[0], balance.shape[0]
    everything = np.arange(n)
    notional, worth, now, spare = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    level, own, alone, still = (
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.zeros(n, np.int64)
    )  # fmt: skip
    net = np.empty(m)
    purse, one = np.empty((m, 2)), np.empty((1, 2))
    one_share = np.empty(1)
    for s in range(marks.shape[0]):
        owed = 0.0
        for k in range(m):
            net[k] = balance[k] - loan[k]
            purse[k, 0] = purse[k, 1] = 0.0
            owed += loan[k] * prices[s, k]
            purse[k, moving[k]] += net[k] * prices[s, k]
        needed = loan_rate * owed
        rest0 = rest1 = 0.0
        for k in range(m):
            if moving[k]:
                rest1 -= trigger * loan_rate * loan[k] * prices[s, k]
            else:
                rest0 -= trigger * loan_rate * loan[k] * prices[s, k]
        for i in range(n):
            k = asset[i]
            p = prices[s, k]
            now[i] = 1.0 / marks[s, i] if inverse[i] else marks[s, i]
            gain = slope[i] * (now[i] - entry[i])
            net[k] += gain
            level[i] = moving[k]
            purse[k, power[i] + level[i]] += slope[i] * now[i] * p
            purse[k, level[i]] -= slope[i] * entry[i] * p
            notional[i] = abs(slope[i]) * (entry[i] if at_entry[i] else now[i])
            own[i] = 0 if at_entry[i] else power[i]
            alone[i] = 0 if at_entry[i] else 1
            worth[i] = p * trigger
            at = bracket(notional[i], first[i], last[i], caps)
            spare[i] = (notional[i] * rates[at] - taken[at]) * p
            needed += spare[i]
        held = 0.0
        for k in range(m):
            held += min(net[k], net[k] * share[k]) * prices[s, k]
        out[s, 0] = held
        out[s, 1] = needed
        for side in range(2):
            out[s, 2 + side] = crossing(side == 0, everything, notional, own, level, worth, first, last, caps, rates,
                                        taken, purse, share, rest0, rest1)  # fmt: skip
        free = held - trigger * needed
        for g in range(starts.shape[0] - 1):
            legs = group[starts[g] : starts[g + 1]]
            k = asset[legs[0]]
            base, slope_now, mine = net[k], 0.0, 0.0
            for i in legs:
                base -= slope[i] * now[i]
                slope_now += slope[i] * now[i]
                mine += spare[i]
            p = prices[s, k]
            one[0, 0] = base * p
            one[0, 1] = slope_now * p
            one_share[0] = share[k]
            others = free - min(net[k], net[k] * share[k]) * p + trigger * mine
            up = rising[g] == 1
            t = crossing(up != (inverse[legs[0]] == 1), legs, notional, alone, still, worth, first, last, caps, rates,
                         taken, one, one_share, others, 0.0)  # fmt: skip
            mark = marks[s, legs[0]]
            if inverse[legs[0]]:
                ends[s, g] = mark / t if t > 0.0 else np.inf
            else:
                ends[s, g] = mark * t
