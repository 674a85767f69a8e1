"""The decision: a convex programme, its limits, its cost, and the plan one can read and sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from stormsail.plan.decide import make_plan

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
    "TenorAdvice",
    "VenueMargin",
    "make_plan",
]


def __getattr__(name: str) -> Any:
    """``make_plan`` brings the solver with it, so it is read only when asked for; the types come at once."""
    if name != "make_plan":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from stormsail.plan.decide import make_plan

    return make_plan
