"""How far a coin goes in a storm, and the rule that says so.

A coin whose bars of then are not at hand moves by this rule, which is told with the figure:

1. the storm names the coin: that move;
2. it names alts, and the coin is one: ``log(1+m) = log(1+alts) * b / b_group``, with ``b`` the coin's beta to BTC in
   falls (rises for a rise), ``b_group`` the median of the portfolio's alts, and the quotient kept within the spread of
   alts in that storm;
3. it names BTC: ``log(1+m) = b * log(1+BTC)``;
4. else the coin does not move.

Between keyframes prices go straight in logarithms, hour by hour. What the coin's own beta alone would have made of
BTC's move at that hour stands beside it as a check.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from stormsail.core import Unavailable
from stormsail.core.symbol import is_alt
from stormsail.lab.bygone import Then
from stormsail.lab.scenario import ALTS, Scenario
from stormsail.market.panel import FloatArray
from stormsail.plan.types import HedgePlan


@dataclass(frozen=True, slots=True)
class CoinMove:
    """How far a coin goes, and why.

    Attributes:
        asset: Symbol.
        extreme: Its largest move from the first moment on hourly closes, as a fraction.
        end: Its move at the end.
        recorded: Whether it is the path it took then.
        how: The rule, with its figures.
        check: What its beta alone makes of BTC's move at the same hour; NaN where its beta is unknown.
    """

    asset: str
    extreme: float
    end: float
    recorded: bool
    how: str
    check: float


@dataclass(frozen=True, slots=True)
class Betas:
    """Betas to BTC of one coin, NaN where unknown."""

    down: float
    up: float

    def of(self, move: float) -> float:
        """The beta for a move of BTC in that direction."""
        return self.down if move < 0 else self.up


def betas_of(plan: HedgePlan) -> dict[str, Betas]:
    """Betas of the plan's coins; the usual one stands where that of a direction is unknown."""
    found = {}
    for row in plan.exposure.assets:
        if row.is_cash:
            continue
        usual = _value(row.risk.beta_btc)
        down, up = (_value(b) for b in (row.risk.beta_down, row.risk.beta_up))
        found[row.asset] = Betas(usual if math.isnan(down) else down, usual if math.isnan(up) else up)
    return found


def _value(maybe: object) -> float:
    return math.nan if isinstance(maybe, Unavailable) else float(maybe.value)  # type: ignore[attr-defined]  # an Estimate


def log_move(
    asset: str, moves: Mapping[str, float], betas: Mapping[str, Betas], spread: tuple[float, float]
) -> tuple[float, str]:
    """Logarithmic move of a coin at a keyframe, and the rule that made it.

    >>> round(math.expm1(log_move("SOL", {"BTC": -0.2}, {"SOL": Betas(1.5, 1.2)}, (0.5, 2.0))[0]), 3)
    -0.284
    """
    if asset in moves:
        return math.log1p(moves[asset]), "named by the storm"
    beta = betas.get(asset, Betas(math.nan, math.nan))
    if is_alt(asset) and ALTS in moves:
        group = [b.of(moves[ALTS]) for name, b in betas.items() if is_alt(name)]
        known = [b for b in group if b > 0]
        own = beta.of(moves[ALTS])
        if not known or not own > 0:
            return math.log1p(moves[ALTS]), f"as the median alt, {moves[ALTS]:+.0%}; its beta is unknown"
        least, most = spread
        times = min(max(own / median(known), least), most)
        return math.log1p(moves[ALTS]) * times, f"the median alt's {moves[ALTS]:+.0%}, times {times:.2f} for its beta"
    btc = moves.get("BTC", 0.0)
    if not btc:
        return 0.0, "not moved by this storm"
    slope = beta.of(btc)
    if math.isnan(slope):
        return math.log1p(btc), f"as BTC, {btc:+.0%}; its beta is unknown"
    side = "falls" if btc < 0 else "rises"
    return slope * math.log1p(btc), f"beta of {slope:.2f} in {side}, times BTC's {btc:+.0%}"


def _drawn(asset: str, scenario: Scenario, betas: Mapping[str, Betas]) -> tuple[FloatArray, str]:
    """Factor on the first price at each hour, shape (hours + 1,), and the rule at the largest move."""
    found = [log_move(asset, frame.moves, betas, scenario.spread) for frame in scenario.keyframes]
    hours = [frame.hour for frame in scenario.keyframes]
    logs = np.interp(np.arange(scenario.hours + 1), hours, [log for log, _ in found])
    return np.exp(logs), max(found, key=lambda f: abs(f[0]))[1]


def path_of(
    asset: str, scenario: Scenario, betas: Mapping[str, Betas], then: Then | None
) -> tuple[FloatArray, CoinMove]:
    """Factor on a coin's first price at each hour, shape (hours + 1,), and how it came about."""
    if then is not None and asset in then.paths:
        path, how, recorded = then.paths[asset], "the path it took then", True
    elif then is not None and is_alt(asset) and asset not in scenario.assets and then.alts is not None:
        path, how, recorded = then.alts, f"no bars of it; the median path of {then.n_alts} alts then", False
    else:
        path, how = _drawn(asset, scenario, betas)
        recorded = False
    far = int(np.argmax(np.abs(np.log(path))))
    check = _check(asset, far, scenario, betas, then)
    return path, CoinMove(asset, float(path[far] - 1.0), float(path[-1] - 1.0), recorded, how, check)


def _check(asset: str, at: int, scenario: Scenario, betas: Mapping[str, Betas], then: Then | None) -> float:
    """What the coin's beta makes of BTC's move at that hour."""
    known = then is not None and "BTC" in then.paths
    path = then.paths["BTC"] if then is not None and known else _drawn("BTC", scenario, betas)[0]
    btc = float(path[at] - 1.0)
    slope = 1.0 if asset == "BTC" else betas[asset].of(btc) if asset in betas else math.nan
    return math.expm1(slope * math.log1p(btc))
