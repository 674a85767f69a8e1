"""Plans made as time goes on, each with what was known then: the walk-forward part of a backtest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from stormsail.audit.tolerance import Tolerance
from stormsail.core import Finding, InputError, Portfolio, StormsailError, Trouble
from stormsail.instruments.types import VenueRecord
from stormsail.margin.types import MarginMode
from stormsail.market.source import MarketSource, MarketView
from stormsail.plan import make_plan
from stormsail.plan.types import HedgePlan


class Shelf(Protocol):
    """Keeps plans that were made, so that a run that was broken off does not make them again."""

    def take(self, when: datetime, after: HedgePlan | None) -> HedgePlan | None:
        """The plan of that moment made from the same input and after the same plan, if it is kept."""
        ...

    def keep(self, plan: HedgePlan, after: HedgePlan | None) -> None:
        """Keep a plan made after another."""
        ...


class NoShelf:
    """Keeps nothing."""

    def take(self, when: datetime, after: HedgePlan | None) -> HedgePlan | None:
        """Nothing."""
        return None

    def keep(self, plan: HedgePlan, after: HedgePlan | None) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Plans in order, and what was noticed on the way.

    Attributes:
        plans: By rising moment; at least one.
        findings: Plans that could not be made, and why.
    """

    plans: tuple[HedgePlan, ...]
    findings: tuple[Finding, ...]


def moments(start: datetime, end: datetime, every: timedelta | None) -> tuple[datetime, ...]:
    """When a plan is made: at ``start``, and every ``every`` before ``end``.

    Raises:
        InputError: If ``end`` is not after ``start``.
    """
    if end <= start:
        raise InputError(
            f"{end:%Y-%m-%d %H:%M} is not after {start:%Y-%m-%d %H:%M}", cure="end later, or start earlier",
            where="--end",
        )  # fmt: skip
    if every is None:
        return (start,)
    return tuple(start + every * k for k in range(-(-(end - start) // every)))


def plans_forward(
    portfolio: Portfolio,
    source: MarketSource,
    tolerance: Tolerance,
    *,
    venues: Mapping[str, VenueRecord],
    when: tuple[datetime, ...],
    mode: MarginMode = MarginMode.CROSS,
    shelf: Shelf | None = None,
    tell: Callable[[int, int], None] = lambda made, of: None,
) -> Forward:
    """Make a plan at every moment, each with the data known then and the plan before it in force.

    A later plan that cannot be made leaves the one in force, which is told; without a first one there is nothing to
    run. A coin without a price at the first moment has no part in any plan: its value at the start is not known, so it
    can be in none of the values that are compared.

    Args:
        portfolio: What is held throughout.
        source: Market data; every plan sees it as of its own moment.
        tolerance: What is wanted.
        venues: Due-diligence records.
        when: Moments, rising.
        mode: Cross or isolated margin.
        shelf: Where plans are kept.
        tell: Called with the number of plans made, and of how many.

    Raises:
        StormsailError: If the first plan cannot be made.
    """
    shelf = shelf or NoShelf()
    plans: list[HedgePlan] = []
    findings: list[Finding] = []
    for count, moment in enumerate(when, 1):
        before = plans[-1] if plans else None
        plan = shelf.take(moment, before)
        if plan is None:
            try:
                plan = make_plan(
                    portfolio, MarketView(source, moment), tolerance, venues=venues, mode=mode,
                    previous=before,
                )  # fmt: skip
            except StormsailError as error:
                if before is None:
                    raise
                findings.append(
                    Finding(
                        Trouble.DEFER, f"plan of {moment:%Y-%m-%d}", str(error), "the plan before it stays in force"
                    )
                )
                tell(count, len(when))
                continue
            shelf.keep(plan, before)
        if before is None:
            portfolio = _priced(portfolio, plan)
        plans.append(plan)
        tell(count, len(when))
    return Forward(tuple(plans), tuple(findings))


def _priced(portfolio: Portfolio, plan: HedgePlan) -> Portfolio:
    """The portfolio without the coins that the plan could not price."""
    missing = {gone.asset for gone in plan.exposure.unpriced}
    if not missing:
        return portfolio
    return replace(portfolio, holdings=tuple(h for h in portfolio.holdings if h.asset not in missing))
