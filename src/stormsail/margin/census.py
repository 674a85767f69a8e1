"""The floor table measured anew from the bars of many contracts, up to any day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from stormsail.core import InputError
from stormsail.margin.floor import FLOOR_HOURS, FloorTable, RiseClass
from stormsail.margin.moves import Moves

LEVELS = (0.99, 0.999)


def rises(moves: Moves, span: timedelta) -> NDArray[np.float64]:
    """Largest rise within ``span`` from the close of each bar, shape (starts,); starts before a hole are left out.

    Spans overlap, which leaves their quantiles unbiased and their errors larger than their number suggests.
    """
    steps = moves.steps(span)
    starts = len(moves.closes) - steps + 1
    if starts < 1:
        return np.empty(0)
    level, top = np.ones(starts), np.ones(starts)
    for step in range(steps):
        top = np.maximum(top, level * moves.highs[step : step + starts])
        level = level * moves.closes[step : step + starts]
    whole = np.isfinite(level) & np.isfinite(top)
    return np.asarray(top[whole] - 1.0)


def floor_census(moves: Mapping[str, Moves], kinds: Mapping[str, RiseClass]) -> FloorTable:
    """Rises reached in 1 % and in 0.1 % of spans, by class: BTC, ETH and SOL by themselves, ``alt`` the median alt,
    ``young alt`` the worst tenth of alts.

    Args:
        moves: Bar moves by contract, known at the moment of the measurement.
        kinds: Class of each contract once settled.

    Raises:
        InputError: If a class has no contract with a whole span of seven days.
    """
    table: dict[RiseClass, list[tuple[float, float]]] = {kind: [] for kind in RiseClass}
    for hours in FLOOR_HOURS:
        seen = {name: rises(m, timedelta(hours=hours)) for name, m in moves.items()}
        found = {name: np.quantile(r, LEVELS) for name, r in sorted(seen.items()) if len(r)}
        for kind in RiseClass:
            row = RiseClass.ALT if kind is RiseClass.YOUNG else kind
            group = [q for name, q in found.items() if kinds[name] is row]
            if not group:
                raise InputError(f"no contract of class {row}", cure="give its bars", where="floor census")
            often, rarely = np.quantile(np.array(group), 0.9 if kind is RiseClass.YOUNG else 0.5, axis=0)
            table[kind].append((float(often), float(rarely)))
    return {kind: tuple(pairs) for kind, pairs in table.items()}
