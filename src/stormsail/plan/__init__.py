"""The decision: a convex programme, its limits, its cost, and the plan one can read and sign."""

from stormsail.plan.decide import make_plan
from stormsail.plan.survey import Survey, survey
from stormsail.plan.types import (
    SCHEMA_VERSION,
    Cost,
    Coverage,
    FailureMode,
    Fan,
    HedgePlan,
    History,
    Insurance,
    Order,
    PositionMargin,
    TenorAdvice,
    VenueMargin,
)

__all__ = [
    "SCHEMA_VERSION",
    "Cost",
    "Coverage",
    "FailureMode",
    "Fan",
    "HedgePlan",
    "History",
    "Insurance",
    "Order",
    "PositionMargin",
    "Survey",
    "TenorAdvice",
    "VenueMargin",
    "make_plan",
    "survey",
]
