"""A fleet with the whole programme for every portfolio: the same shards, all limits, a hundred times slower or more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from stormsail.audit import Tolerance
from stormsail.core import Holding, Portfolio, StormsailError, Tenor, Unavailable, from_float
from stormsail.instruments.types import VenueRecord
from stormsail.lab.fleet import FleetPlans, FleetShard, Status
from stormsail.margin.types import MarginMode
from stormsail.market.once import read_once
from stormsail.market.source import MarketView
from stormsail.plan.types import HedgePlan

_UNITS = Decimal("0.00000001")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class PlanInFull:
    """Plans a shard with :func:`~stormsail.plan.decide.make_plan`, one portfolio after the other.

    Attributes:
        view: The market; workers elsewhere must find its source under the same path.
        tolerance: What is wanted; a portfolio's own coverage and collateral come before it.
        venues: Gives the due-diligence records by venue key; called where the work is done, as records cannot be sent.
        mode: Cross or isolated margin.
    """

    view: MarketView
    tolerance: Tolerance
    venues: Callable[[], Mapping[str, VenueRecord]]
    mode: MarginMode = MarginMode.CROSS

    def __call__(self, shard: FleetShard) -> FleetPlans:
        """Plan each portfolio; one that cannot be planned is refused with the error's own words."""
        view, venues = read_once(self.view), self.venues()
        made = [self._one(view, venues, shard, i) for i in range(len(shard.names))]
        orders = [(i, plan, o) for i, plan in enumerate(made) if isinstance(plan, HedgePlan) for o in plan.orders]
        posted = {
            (i, p.contract): p.collateral
            for i, plan in enumerate(made)
            if isinstance(plan, HedgePlan)
            for account in plan.margins
            for p in account.positions
        }
        steps = {o.contract.id: o.contract.lot for _, _, o in orders}
        ids = sorted(steps)
        wanted = np.where(np.isnan(shard.coverage), self.tolerance.coverage, shard.coverage)
        return FleetPlans(
            names=shard.names,
            status=tuple(_status(plan) for plan in made),
            reason=tuple(_reason(plan) for plan in made),
            value=np.array([p.exposure.value if isinstance(p, HedgePlan) else np.nan for p in made]),
            coverage=np.array([_coverage(p) for p in made]),
            wanted=wanted,
            cost=np.array([_cost(p) for p in made]),
            portfolio=np.array([i for i, _, _ in orders], dtype=np.int64),
            contract=np.array([ids.index(o.contract.id) for _, _, o in orders], dtype=np.int64),
            contracts=tuple(ids),
            steps=tuple(steps[name] for name in ids),
            lots=np.array([int(o.quantity / o.contract.lot) for _, _, o in orders], dtype=np.int64),
            notional=np.array([round(o.notional / _UNITS) for _, _, o in orders], dtype=np.int64),
            collateral=np.array([int(posted[i, o.contract.id] / _CENT) for i, _, o in orders], dtype=np.int64),
            carry=np.array([_carry(plan, o.contract.id, o.contract.tenor) for _, plan, o in orders]),
        )

    def _one(self, view: MarketView, venues: Mapping[str, VenueRecord], shard: FleetShard, i: int) -> HedgePlan | str:
        from stormsail.plan.decide import make_plan

        if i in shard.faults:
            return shard.faults[i]
        try:
            wish = wish_of(shard, i, self.tolerance)
            return make_plan(portfolio_of(shard, i), view, wish, venues=venues, mode=self.mode)
        except StormsailError as error:
            return f"{error.code} {error.cause}"
        except ValueError as error:
            return str(error)


def portfolio_of(shard: FleetShard, number: int) -> Portfolio:
    """One portfolio of a shard, its holdings sorted.

    Raises:
        ValueError: If a holding has no symbol or no quantity.
        PortfolioError: As the portfolio itself.
    """
    rows = range(int(shard.start[number]), int(shard.start[number + 1]))
    holdings = sorted(_holding(shard, row) for row in rows)
    return Portfolio(tuple(Holding(asset, quantity) for asset, quantity in holdings), name=shard.names[number])


def wish_of(shard: FleetShard, number: int, tolerance: Tolerance) -> Tolerance:
    """The tolerance with a portfolio's own coverage and collateral, where it has them.

    Raises:
        ToleranceError: If its coverage is no share.
    """
    if not np.isnan(shard.coverage[number]):
        tolerance = replace(tolerance, coverage=float(shard.coverage[number]))
    if shard.collateral[number] >= 0:
        tolerance = replace(tolerance, collateral=Decimal(int(shard.collateral[number])) * _CENT)
    return tolerance


def _holding(shard: FleetShard, row: int) -> tuple[str, Decimal]:
    at = int(shard.symbol[row])
    if at < 0:
        raise ValueError("a holding without a symbol")
    return shard.symbols[at], from_float(float(shard.quantity[row]))


def _status(plan: HedgePlan | str) -> Status:
    if isinstance(plan, str):
        return Status.REFUSED
    return Status.PLANNED if plan.orders else Status.NOTHING


def _reason(plan: HedgePlan | str) -> str:
    if isinstance(plan, str):
        return plan
    missing = [f"{gone.asset} left out: {gone.value.reason}" for gone in plan.exposure.unpriced]
    return "; ".join([*(f"held back by {told}" for told in plan.binding), *missing])


def _coverage(plan: HedgePlan | str) -> float:
    if isinstance(plan, str):
        return float("nan")
    value = sum(c.value for c in plan.coverage)
    return sum(c.direct + c.proxy for c in plan.coverage) / value if value > 0 else 0.0


def _cost(plan: HedgePlan | str) -> float:
    if isinstance(plan, str):
        return 0.0
    slip = plan.cost.slippage
    return -plan.cost.fees - (0.0 if isinstance(slip, Unavailable) else slip)


def _carry(plan: HedgePlan, contract: str, tenor: Tenor) -> float:
    funding, basis, _, _ = plan.cost.by_contract[contract]
    found = funding if tenor is Tenor.PERPETUAL else basis
    return float("nan") if isinstance(found, Unavailable) else float(found)
