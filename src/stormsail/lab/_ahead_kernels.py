"""How far the walk may go without looking: for each bar ahead, the balance an account needs there to be left alone.

While what is held does not change, neither does that balance, however the cash moves. So it is worked out once for many
bars, contract by contract along time, which processors do many bars at a time, and then only compared.
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


@njit(cache=True, nogil=True, error_model="numpy")
def _demand(size: float, price: Floats, cap: float, floor: float, rate: float, taken: float, out: Floats) -> None:
    """Add what a position of ``size`` per tick demands of the balance: requirement, a margin for rounding, its loss."""
    for b in range(len(out)):
        value = size * price[b]
        notional = abs(value)
        demand = notional * (rate + WARY) - taken - value
        out[b] += np.inf if (notional > cap) | (notional < floor) else demand


@njit(cache=True, nogil=True, error_model="numpy")
def _astray(
    lots: int,
    target: Floats,
    due: Flags,
    width: float,
    to_edge: bool,
    last: Ints,
    unit: float,
    least: float,
    out: Floats,
) -> None:
    """Demand everything of the bars at which a position would be changed by an order that is large enough."""
    held = float(lots)
    for b in range(len(out)):
        wanted = np.trunc(rebalanced(held, target[b], width, to_edge))
        worth = abs(wanted - held) * last[b] * unit
        moves = ((wanted > held) | (wanted < held)) & ((worth >= least) | (wanted == 0.0))
        out[b] = np.inf if due[b] & moves else out[b]


@njit(cache=True, nogil=True, error_model="numpy")
def demands(
    start: int,
    begin: int,
    end: int,
    high: Floats,
    low: Floats,
    unit: Floats,
    cap: Floats,
    rate: Floats,
    taken: Floats,
    trigger: float,
    upper: float,
    watch: bool,
    due: Flags,
    target: Floats,
    width: Floats,
    to_edge: bool,
    last: Ints,
    least: Floats,
    lots: Ints,
    out: Floats,
    spare: Floats,
) -> None:
    """Balance at or below which an account of linear contracts must be looked at closely, for the bars from ``start``.

    It is what maintenance or the upper rung demands, with all prices at their highs or all at their lows, whichever is
    more; infinite where a notional leaves the bracket it has at ``start``, and where a position is outside its band. It
    only decides where to look closely.

    Args:
        start: First bar.
        begin, end: Contracts of the account.
        high, low: Extremes of the mark, shape (T, n); fastest if contiguous along time.
        unit: What a lot at one tick is worth, shape (n,).
        cap, rate, taken: Brackets, shape (n, B).
        trigger: Balance over requirement below which it is liquidated.
        upper: Margin ratio above which its holder is woken.
        watch: Whether bands are looked at: at bars that are ``due``, around ``target``, of half ``width``.
        last: What a trade is made at, shape (T, n).
        least: Worth of the smallest order, shape (n,).
        lots: Held, shape (n,).
        out: Written here, one for each bar ahead, shape (m,).
        spare: As long; scratch.
    """
    stop = start + len(out)
    long, short = False, False
    for i in range(begin, end):
        long |= lots[i] > 0
        short |= lots[i] < 0
    # The rung is compared at the close: within the extremes for each contract, but not for longs against shorts.
    unclear = upper <= 0.0 or (long and short and upper < np.inf)
    out[:] = np.inf if unclear and (long or short) else -np.inf
    for side in range(2):
        if not (long or (short and side == 0)):
            continue
        price = low if side else high
        for ratio in (trigger, trigger / upper):
            if ratio == 0.0:
                continue
            spare[:] = 0.0
            for i in range(begin, end):
                if lots[i] == 0:
                    continue
                size, k = lots[i] * unit[i], 0
                while abs(size) * price[start, i] > cap[i, k]:
                    k += 1
                floor = cap[i, k - 1] if k > 0 else -1.0
                _demand(size, price[start:stop, i], cap[i, k], floor, rate[i, k] * ratio, taken[i, k] * ratio, spare)
            for b in range(len(out)):
                out[b] = max(out[b], spare[b])
    if watch:
        for i in range(begin, end):
            _astray(
                lots[i], target[start:stop, i], due[start:stop], width[i], to_edge, last[start:stop, i], unit[i],
                least[i] * (1.0 - WARY), out,
            )  # fmt: skip
