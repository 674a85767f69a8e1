"""The plan's book held through the past, beside the coins alone."""

from __future__ import annotations

from typing import cast

import numpy as np

from stormsail.core import Unavailable
from stormsail.market.panel import book_return, known_part
from stormsail.plan.model import CoinReturns
from stormsail.plan.problem import FloatArray
from stormsail.plan.types import History
from stormsail.ratio import effectiveness

__all__ = ["book_return", "held_through"]

FEWEST = 20


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
    alone, hedge = known_part(returns.values, held / value, held / value, short / value)
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
