"""The plan's book held through the past, beside the coins alone."""

from __future__ import annotations

from typing import cast

import numpy as np

from stormsail.core import Unavailable
from stormsail.plan.model import CoinReturns
from stormsail.plan.problem import FloatArray
from stormsail.plan.types import History
from stormsail.ratio import effectiveness

FEWEST = 20
ENOUGH_WEIGHT = 0.8


def book_return(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return of a book with constant weights, adding up to 1, on each bar; shape (T,).

    Coins without a return on a bar are left out and the rest scaled up, as long as four fifths of the weight are
    known; NaN otherwise.
    """
    return _both(values, weights, np.zeros(len(weights)))[0]


def _both(values: FloatArray, held: FloatArray, short: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns of coins and of what is short of them, on the same coins and scaled alike."""
    there = np.isfinite(values)
    known = np.where(there, values, 0.0)
    share = there @ held / max(float(held.sum()), 1e-300)
    scale = np.where(share >= ENOUGH_WEIGHT, 1.0 / np.maximum(share, ENOUGH_WEIGHT), np.nan)
    return known @ held * scale, known @ short * scale


def held_through(returns: CoinReturns, held: FloatArray, short: FloatArray) -> History | Unavailable:
    """Cumulative value of coins alone and of coins with the hedge, both at today's weights, renewed every bar.

    The hedge's returns are those of the coins its contracts are about: basis and funding are not in it.

    Args:
        returns: Of K coins.
        held: Value held, shape (K,).
        short: Value short, shape (K,).
    """
    value = float(held.sum())
    if value <= 0:
        return Unavailable("nothing is held")
    alone, hedge = _both(returns.values, held / value, short / value)
    rows = np.isfinite(alone)
    if rows.sum() < FEWEST:
        return Unavailable(f"{int(rows.sum())} bars with enough coins known, {FEWEST} needed")
    together = alone[rows] - hedge[rows]
    times = returns.panel.times[rows]
    stamp = 10 if returns.bars_per_day == 1 else 16
    return History(
        times=tuple(str(t)[:stamp] for t in times),
        unhedged=cast("tuple[float, ...]", tuple(np.cumprod(1.0 + alone[rows]).tolist())),
        hedged=cast("tuple[float, ...]", tuple(np.cumprod(1.0 + together).tolist())),
        effectiveness=effectiveness(
            alone[rows], together, f"{str(times[0])[:10]}..{str(times[-1])[:10]} in sample for the weights"
        ),
    )
