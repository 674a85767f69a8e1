"""How high the price of a short (or of a book of shorts) may have been by each hour from now: quantiles for a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Unavailable
from stormsail.margin.moves import Moves
from stormsail.margin.rise import DAY, SEED, draws, too_short

FloatArray = NDArray[np.float64]

LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, eq=False)
class RiseFan:
    """Quantiles of the running maximum of the rise.

    Attributes:
        hours: Shape (H,): hours from now, the first one bar away.
        levels: Shape (L,): probability levels, increasing.
        rises: Shape (L, H): by level, the rise reached at most by then; never falls along either axis.
    """

    hours: FloatArray
    levels: tuple[float, ...]
    rises: FloatArray


def rise_fan(
    moves: Moves,
    horizon: timedelta,
    *,
    levels: Sequence[float] = LEVELS,
    paths: int = 2_000,
    mean_block: timedelta = DAY,
    seed: int = SEED,
) -> RiseFan | Unavailable:
    """Quantiles over time of the largest high so far, on the paths of the stationary bootstrap.

    Args:
        moves: Bar moves of a contract or a book.
        horizon: How far to look.
        levels: Probability levels.
        paths: Number of paths.
        mean_block: Mean block length.
        seed: Key of the draws.

    Returns:
        The fan, or ``Unavailable`` with less than 30 days of usable bars.
    """
    from stormsail.margin._kernels import path_tops

    short = too_short(moves, "fan")
    if short is not None:
        return short
    highs, closes = moves.usable()
    steps = moves.steps(horizon)
    tops = path_tops(draws(seed, paths, steps), highs, closes, min(1.0, moves.bar / mean_block), True)
    wanted = tuple(sorted(levels))
    hours = np.arange(1, steps + 1, dtype=np.float64) * (moves.bar / timedelta(hours=1))
    return RiseFan(
        np.asarray(hours, dtype=np.float64), wanted, np.asarray(np.quantile(tops, wanted, axis=1), dtype=np.float64)
    )
