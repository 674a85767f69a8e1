"""A fleet through history with the whole programme: for each portfolio what ``stormsail backtest`` does for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from stormsail.audit import Tolerance
from stormsail.core import StormsailError
from stormsail.instruments.types import VenueRecord
from stormsail.lab.backtest import run
from stormsail.lab.fleet import FleetShard
from stormsail.lab.fleet_backtest import Fate, FleetRun, Reserve, figures_of, reserve_of
from stormsail.lab.fleet_full import portfolio_of, wish_of
from stormsail.lab.forward import moments, plans_forward
from stormsail.market.once import ReadOnce
from stormsail.market.source import MarketSource
from stormsail.plan.types import HedgePlan
from stormsail.watch.policy import Policy


@dataclass(frozen=True, slots=True)
class RunInFull:
    """Runs a shard with :func:`stormsail.lab.backtest.run`, one portfolio after the other.

    Attributes:
        source: Market data; workers elsewhere must find it under the same path.
        tolerance: What is wanted; a portfolio's own coverage and collateral come before it.
        policy: How plans are kept alive; its ``replan`` says how often one is made.
        start, end: First and last moment.
        venues: Gives the due-diligence records by venue key; called where the work is done.
        reserve: As in :func:`~stormsail.lab.fleet_backtest.run_shard`.
    """

    source: MarketSource
    tolerance: Tolerance
    policy: Policy
    start: datetime
    end: datetime
    venues: Callable[[], Mapping[str, VenueRecord]]
    reserve: Reserve = None

    def __call__(self, shard: FleetShard) -> tuple[FleetRun, ...]:
        """Run each portfolio; one that cannot be run is told with the error's own words."""
        source, venues = ReadOnce(self.source), self.venues()
        return tuple(self._one(source, venues, shard, i) for i in range(len(shard.names)))

    def _one(self, source: MarketSource, venues: Mapping[str, VenueRecord], shard: FleetShard, i: int) -> FleetRun:
        name = shard.names[i]
        if i in shard.faults:
            return FleetRun(name, Fate.REFUSED, shard.faults[i])
        when = moments(self.start, self.end, self.policy.replan)
        try:
            portfolio, wish = portfolio_of(shard, i), wish_of(shard, i, self.tolerance)
            forward = plans_forward(portfolio, source, wish, venues=venues, when=when)
        except StormsailError as error:
            return FleetRun(name, Fate.REFUSED, f"{error.code} {error.cause}")
        except ValueError as error:
            return FleetRun(name, Fate.REFUSED, str(error))
        first, many = forward.plans[0], len(forward.plans)
        value = sum(row.value for row in first.exposure.assets if not row.is_cash)
        cash = None if self.reserve is None else {"USDT": reserve_of(self.reserve, value)}
        try:
            figures = figures_of(run(forward, source, self.policy, end=self.end, reserve=cash).replay)
        except StormsailError as error:
            return FleetRun(name, Fate.FAILED, f"{error.code} {error.cause}", many, _coverage(first))
        fate = Fate.RAN if any(plan.orders for plan in forward.plans) else Fate.NOTHING
        return FleetRun(name, fate, _reason(first, forward.findings), many, _coverage(first), figures)


def _coverage(plan: HedgePlan) -> float:
    value = sum(row.value for row in plan.coverage)
    return sum(row.direct + row.proxy for row in plan.coverage) / value if value > 0 else 0.0


def _reason(plan: HedgePlan, findings: tuple[object, ...]) -> str:
    missing = [f"{gone.asset} left out: {gone.value.reason}" for gone in plan.exposure.unpriced]
    return "; ".join([*(f"held back by {told}" for told in plan.binding), *missing, *map(str, findings)])
