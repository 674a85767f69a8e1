"""How much: hedge ratios, their errors, and the contest between them."""

from stormsail.ratio.contest import contest
from stormsail.ratio.effectiveness import effectiveness
from stormsail.ratio.estimators import ESTIMATORS, estimate, fit, minimum_variance_units
from stormsail.ratio.types import (
    Contest,
    ContestRow,
    Effectiveness,
    HedgeRatio,
    MaybeEffectiveness,
    UnitRatio,
    ValueRatio,
)
from stormsail.ratio.worked import beta_hedge_notional, hedged_fall

__all__ = [
    "ESTIMATORS",
    "Contest",
    "ContestRow",
    "Effectiveness",
    "HedgeRatio",
    "MaybeEffectiveness",
    "UnitRatio",
    "ValueRatio",
    "beta_hedge_notional",
    "contest",
    "effectiveness",
    "estimate",
    "fit",
    "hedged_fall",
    "minimum_variance_units",
]
