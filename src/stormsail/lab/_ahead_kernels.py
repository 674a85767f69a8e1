"""How far the walk may go without looking: for each bar ahead, the balance an account needs there to be left alone, and
for each contract the next bar at which its position leaves its band.

While what is held does not change, neither does that balance, however the cash moves. So it is worked out for many bars
at once, contract by contract along time, which processors do many bars at a time; then it is only compared.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormsail.watch._kernels import rebalanced

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

WARY = 2e-9
"""A bar is passed over if it is safe by this share of all at stake: more than where floats no longer decide."""

FARTHEST = 512
"""Bars looked ahead at once."""

_LANES = 32


@njit(cache=True, nogil=True, error_model="numpy")
def add_demand(
    i: int,
    lots: int,
    sign: float,
    start: int,
    stop: int,
    price: Floats,
    unit: Floats,
    cap: Floats,
    rate: Floats,
    taken: Floats,
    ratio: float,
    out: Floats,
    a: int,
    known: int,
) -> None:
    """Add what a position demands of the balance of its account at the bars from ``start`` to ``stop``: ``ratio`` times
    its requirement, a margin for rounding, and its loss.

    The requirement is that of the bracket at ``start`` and of its neighbours; the demand is infinite beyond them.

    Args:
        i: Its contract.
        lots: Held.
        sign: 1, or -1 to take the demand away again.
        price: Prices, shape (T, n); fastest if contiguous along time.
        unit: What a lot at one tick is worth, shape (n,).
        cap, rate, taken: Brackets, shape (n, B).
        out: Demand of account ``a`` at bar ``known + b`` in ``out[a, b]``.
    """
    size = lots * unit[i]
    first, k = abs(size) * price[start, i], 0
    while first > cap[i, k]:
        k += 1
    down, up = max(k - 1, 0), min(k + 1, cap.shape[1] - 1)
    bottom, low, high, top = cap[i, down - 1] if down > 0 else -1.0, cap[i, down], cap[i, k], cap[i, up]
    slope, less = rate[i, k] * ratio, taken[i, k] * ratio
    slope_down, less_down = rate[i, down] * ratio, taken[i, down] * ratio
    slope_up, less_up = rate[i, up] * ratio, taken[i, up] * ratio
    to = np.uint64(i), np.uint64(a)
    shift = np.uint64(start - known)
    begin = np.uint64(start)
    for b in range(np.uint64(stop - start)):
        value = size * price[begin + b, to[0]]
        notional = abs(value)
        need = slope * notional - less
        need = slope_down * notional - less_down if notional <= low else need
        need = slope_up * notional - less_up if notional > high else need
        demand = sign * (need + WARY * notional - value)
        out[to[1], shift + b] += np.inf if (notional > top) | (notional <= bottom) else demand


@njit(cache=True, nogil=True, error_model="numpy")
def next_astray(
    i: int,
    lots: int,
    start: int,
    stop: int,
    target: Floats,
    due: Flags,
    width: float,
    to_edge: bool,
    last: Ints,
    unit: float,
    least: float,
) -> int:
    """First bar from ``start`` at which a position is due and would be changed by an order that is large enough; -1 if
    there is none before ``stop``.

    Args:
        i: Its contract.
        lots: Held.
        target: Lots wanted, shape (T, n).
        due: Whether positions are looked at, shape (T,).
        width, to_edge: The band.
        last: Ticks a trade is made at, shape (T, n).
        unit: What a lot at one tick is worth.
        least: Worth of the smallest order.
    """
    held, small = float(lots), least * (1.0 - WARY)
    column = np.uint64(i)
    for block in range(start, stop, _LANES):
        found = 0
        begin, end = np.uint64(block), np.uint64(min(block + _LANES, stop))
        for b in range(begin, end):
            wanted = np.trunc(rebalanced(held, target[b, column], width, to_edge))
            worth = abs(wanted - held) * last[b, column] * unit
            moves = ((wanted > held) | (wanted < held)) & ((worth >= small) | (wanted == 0.0))
            found += 1 if due[b] & moves else 0
        if found:
            for b in range(begin, end):
                wanted = np.trunc(rebalanced(held, target[b, column], width, to_edge))
                worth = abs(wanted - held) * last[b, column] * unit
                moves = ((wanted > held) | (wanted < held)) & ((worth >= small) | (wanted == 0.0))
                if due[b] & moves:
                    return int(b)
    return -1
