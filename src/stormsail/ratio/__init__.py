"""How much: hedge ratios, their errors, and the contest between them."""

from stormsail.ratio.asymmetry import AsymmetricBeta, asymmetric_beta
from stormsail.ratio.contest import contest
from stormsail.ratio.covariance import (
    Covariance,
    ewma_covariance,
    sample_covariance,
    shrink_to_constant_correlation,
    shrink_to_identity,
)
from stormsail.ratio.effectiveness import effectiveness
from stormsail.ratio.errors import hac_errors, newey_west_lags
from stormsail.ratio.estimators import ESTIMATORS, Estimator, estimate, fit, minimum_variance_units
from stormsail.ratio.rolling import rolling_beta
from stormsail.ratio.shrinkage import Shrunk, shrink
from stormsail.ratio.types import (
    Contest,
    ContestRow,
    Effectiveness,
    HedgeRatio,
    MaybeEffectiveness,
    UnitRatio,
    ValueRatio,
)
from stormsail.ratio.worked import beta_hedge_notional, contracts_needed, hedged_fall, ratio_from_correlation

__all__ = [
    "ESTIMATORS",
    "AsymmetricBeta",
    "Contest",
    "ContestRow",
    "Covariance",
    "Effectiveness",
    "Estimator",
    "HedgeRatio",
    "MaybeEffectiveness",
    "Shrunk",
    "UnitRatio",
    "ValueRatio",
    "asymmetric_beta",
    "beta_hedge_notional",
    "contest",
    "contracts_needed",
    "effectiveness",
    "estimate",
    "ewma_covariance",
    "fit",
    "hac_errors",
    "hedged_fall",
    "minimum_variance_units",
    "newey_west_lags",
    "ratio_from_correlation",
    "rolling_beta",
    "sample_covariance",
    "shrink",
    "shrink_to_constant_correlation",
    "shrink_to_identity",
]
