"""The plainest rival of a plan: every coin against its own perpetual, one to one, as far as coverage was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, localcontext

from stormsail.core import Payoff, Tenor, Unavailable, ceil_to, floor_to, from_float, plus, times, to_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.instruments.types import Route, VenueRecord
from stormsail.instruments.universe import day_of, universe
from stormsail.margin.liquidation import isolated
from stormsail.margin.tiers import maintenance
from stormsail.margin.types import CollateralRequirement, Liquidation, MarginMode
from stormsail.market.lookup import Lookup
from stormsail.market.source import MarketSource, MarketView
from stormsail.plan.cost import fee
from stormsail.plan.terms import Terms, contract_terms
from stormsail.plan.types import Coverage, HedgePlan, Order, PositionMargin, VenueMargin, weakest

_CENT = Decimal("0.01")


def naive_plan(plan: HedgePlan, source: MarketSource, venues: Mapping[str, VenueRecord]) -> HedgePlan | Unavailable:
    """The plan with its orders and accounts replaced by those of hedging one to one.

    Each coin is shorted by its own linear perpetual (of several the one with the largest volume), as many coins as the
    coverage asks for, rounded down to lots. An account posts as much collateral for each unit of short as the plan does
    (the survived rise and a tenth more where the plan posts no cash), so that only the choice of shorts differs. Cost,
    failures and effectiveness are left as the plan's own and mean nothing here.

    Args:
        plan: Whose rival is wanted.
        source: Market data; only what was known at the plan's moment is read.
        venues: Due-diligence records.

    Returns:
        The rival, or why there is none.
    """
    view = MarketView(source, plan.as_of)
    lookup = Lookup.of(view)
    wanted = {row.asset: row.wanted for row in plan.coverage if row.wanted > 0}
    own = [
        c
        for c in universe(view, venues, plan.tolerance.venues, lookup)
        if c.base in wanted and c.tenor is Tenor.PERPETUAL and c.payoff is Payoff.LINEAR
    ]
    terms, _ = contract_terms(view, lookup, own, venues, {}, plan.tolerance.horizon, day_of(plan.as_of))
    best: dict[str, Terms] = {}
    for each in sorted(terms.values(), key=lambda t: (-_volume(t), t.contract.id)):
        best.setdefault(each.contract.base, each)
    prices = {row.asset: row.price for row in plan.exposure.assets}
    pairs = [(best[a], _order(best[a], wanted[a] / prices[a])) for a in sorted(best)]
    made = [(term, order) for term, order in pairs if order is not None]
    if not made:
        return Unavailable("no coin had a perpetual of its own")
    rate = _rate(plan)
    groups = {venue: [p for p in made if p[0].contract.venue == venue] for venue in _venues(made)}
    margins = tuple(_account(venue, group, rate) for venue, group in groups.items())
    direct = {order.contract.base: to_float(order.notional) for _, order in made}
    return replace(
        plan,
        orders=tuple(order for _, order in made),
        margins=margins,
        coverage=tuple(_covered(row, direct.get(row.asset, 0.0)) for row in plan.coverage),
    )


def _volume(terms: Terms) -> float:
    return 0.0 if isinstance(terms.volume, Unavailable) else terms.volume


def _venues(made: list[tuple[Terms, Order]]) -> list[str]:
    return sorted({term.contract.venue for term, _ in made})


def _order(terms: Terms, coins: float) -> Order | None:
    contract = terms.contract
    with localcontext(MONEY_CONTEXT):
        quantity = floor_to(from_float(coins) / contract.size, contract.lot)
    notional = contract.notional(quantity, terms.price)
    if quantity <= 0 or notional < contract.min_notional:
        return None
    slip = terms.slippage(to_float(notional))
    return Order(
        contract=contract, quantity=quantity, price=terms.price, notional=notional, protects=(contract.base,),
        route=Route.DIRECT, fee=fee(contract, notional),
        slippage=slip if isinstance(slip, Unavailable) else round(times(notional, from_float(slip)), 4),
    )  # fmt: skip


def _rate(plan: HedgePlan) -> Decimal:
    """Cash posted for each unit of short."""
    short = plus(margin.notional for margin in plan.margins if margin.coins is None)
    cash = plus(margin.cash for margin in plan.margins)
    with localcontext(MONEY_CONTEXT):
        return cash / short if short and cash else from_float(plan.tolerance.survive) + Decimal("0.1")


def _account(venue: str, group: list[tuple[Terms, Order]], rate: Decimal) -> VenueMargin:
    positions = tuple(_position(term, order, rate) for term, order in group)
    first = weakest(positions)
    return VenueMargin(
        venue=venue, mode=MarginMode.CROSS, notional=plus(order.notional for _, order in group),
        collateral=plus(p.collateral for p in positions), cap=plus(p.collateral for p in positions),
        rise=first.rise, requirement=first.requirement, positions=positions,
    )  # fmt: skip


def _position(terms: Terms, order: Order, rate: Decimal) -> PositionMargin:
    posted = ceil_to(times(order.notional, rate), _CENT)
    contract = terms.contract
    end = isolated(contract, -order.quantity, order.price, posted, terms.table)
    rise = to_float(end.price / order.price) - 1.0 if isinstance(end, Liquidation) else float("inf")
    return PositionMargin(
        contract=contract.id, collateral=posted, initial=posted,
        maintenance=maintenance(order.notional, terms.table), liquidation=end, rise=rise,
        requirement=CollateralRequirement(contract.id, rise, "as posted", (), 0.0, to_float(rate), 0.0, ()),
        table=terms.table,
    )  # fmt: skip


def _covered(row: Coverage, direct: float) -> Coverage:
    return replace(row, direct=direct, proxy=0.0, uncovered=max(0.0, row.value - direct), reason="")
