"""From a portfolio to a plan: the rooms below, called in the order a person would think."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from stormsail.audit import Tolerance
from stormsail.core import Finding, Portfolio, Tenor, Trouble, plus, to_float
from stormsail.instruments.types import VenueRecord
from stormsail.instruments.universe import day_of
from stormsail.margin.types import MarginMode
from stormsail.market.source import MarketView
from stormsail.plan.accounts import fans, venue_margins
from stormsail.plan.basis_risk import basis_failure, book_basis
from stormsail.plan.coin_failures import CoinStake
from stormsail.plan.cost import total_cost
from stormsail.plan.coverage import coverage_rows, split_cover
from stormsail.plan.desk import Desk
from stormsail.plan.effect import planned_effectiveness
from stormsail.plan.ending import Ending
from stormsail.plan.failures import AtVenue, Stake, Storm, failure_modes
from stormsail.plan.history import held_through
from stormsail.plan.insurance import MEAN_BLOCK_DAYS, horizon_returns, insurance
from stormsail.plan.orders import binding_limits, costs_of, coverage_reasons, orders_of
from stormsail.plan.origins import origins
from stormsail.plan.prepare import prepare
from stormsail.plan.problem import FloatArray
from stormsail.plan.settle import Settled, settle
from stormsail.plan.survey import Progress, Survey, survey
from stormsail.plan.tails import per_coin
from stormsail.plan.tenor import ends_within, roll_findings
from stormsail.plan.terms import Terms
from stormsail.plan.types import Cost, FailureMode, HedgePlan, Insurance, PostedCoins, VenueMargin


def make_plan(
    portfolio: Portfolio,
    view: MarketView,
    tolerance: Tolerance,
    *,
    venues: Mapping[str, VenueRecord],
    mode: MarginMode = MarginMode.CROSS,
    previous: HedgePlan | None = None,
    progress: Progress | None = None,
) -> HedgePlan:
    """Decide how to protect ``portfolio``.

    Args:
        portfolio: What is held.
        view: The market as known at the moment of the decision.
        tolerance: What is wanted, and with what means.
        venues: Due-diligence records by venue key.
        mode: Cross margin judges a venue's book as a whole, isolated each short alone.
        previous: The plan in force; changing it costs, so the new one stays near it.
        progress: Told the name of each step.

    Returns:
        The plan. Where nothing can be hedged its orders are empty and a finding says why.

    Raises:
        InfeasibleError: If limits contradict each other; the cause names them with figures.
        StormsailError: As the rooms below raise them.
    """
    tell = progress or (lambda step: None)
    known = survey(portfolio, view, tolerance, venues=venues, progress=progress)
    tell("contracts")
    made = prepare(known)
    view, desk, day = known.view, made.desk, day_of(known.view.as_of)
    tell("collateral and programme")
    book = settle(desk, made.keeper, mode, _previous(previous, desk))
    margins, found_margins = venue_margins(desk, book, mode, day)
    tell("cost and failures")
    direct, proxy = split_cover(desk.wanted, desk.short(book.worth), desk.beta)
    basis = book_basis(
        view,
        known.lookup,
        desk,
        book.worth,
        proxy=proxy,
        stand_in=np.maximum(desk.short(book.worth) - direct, 0.0),
        contests=known.contests,
        cash=to_float(plus(m.cash for m in margins)),
        bars_per_day=known.returns.bars_per_day,
    )
    cost = replace(total_cost(costs_of(desk, book, view.as_of)), basis_risk=basis)
    with_contract = frozenset(t.contract.base for t in desk.terms)
    priced_by = {a.asset: a.priced_by for a in known.exposure.assets}
    planned, naive = planned_effectiveness(view, desk, known.returns, book.worth, priced_by, _winner(known))
    shorts = [t for t, lots in zip(desk.terms, book.lots, strict=True) if lots > 0]
    rolled = roll_findings(shorts, view.as_of, tolerance.horizon)
    findings = (
        *known.findings,
        *made.findings,
        *rolled,
        *book.findings,
        *found_margins,
        *_nothing(known, book),
    )
    return HedgePlan(
        as_of=view.as_of,
        data_end=known.exposure.data_end,
        source=view.source.name,
        portfolio=portfolio,
        tolerance=tolerance,
        exposure=known.exposure,
        shortlist=known.shortlist,
        contests=known.contests,
        advice=made.advice,
        orders=orders_of(desk, book, direct),
        margins=margins,
        cost=cost,
        insurance=_insured(known, desk, book, margins, cost, direct + proxy),
        failures=_failures(known, desk, book, margins, direct, proxy, also=basis_failure(basis)),
        coverage=coverage_rows(
            [a.asset for a in known.exposure.assets if not a.is_cash and a.asset in desk.coins],
            desk.coins,
            desk.held,
            desk.wanted,
            direct,
            proxy,
            coverage_reasons(desk, book, direct, proxy, with_contract),
        ),
        effectiveness=planned,
        effectiveness_naive=naive,
        binding=binding_limits(desk, book),
        venues=tuple(sorted(known.scores.values(), key=lambda s: (-s.score, s.venue))),
        history=held_through(known.returns, desk.held, desk.short(book.worth)),
        fans=fans(desk, book, margins),
        findings=tuple(dict.fromkeys(findings)),
        origins=origins(known, desk, book, {a.asset: a.price_origin for a in known.exposure.assets}),
    )


def _previous(plan: HedgePlan | None, desk: Desk) -> FloatArray | None:
    """What the plan in force is short, at today's prices."""
    if plan is None:
        return None
    held = {o.contract.id: o.quantity for o in plan.orders}
    return np.array(
        [
            to_float(t.contract.notional(held[t.contract.id], t.price)) if t.contract.id in held else 0.0
            for t in desk.terms
        ]
    )


def _winner(known: Survey) -> str:
    return known.contests[0].winner if known.contests else "naive"


def _nothing(known: Survey, book: Settled) -> tuple[Finding, ...]:
    if (book.lots > 0).any():
        return ()
    if known.exposure.risky_value <= 0:
        cause = "only stablecoins and cash are held" + (" beside what has no price" if known.exposure.unpriced else "")
        return (Finding(Trouble.NOTE, "plan", cause, "there is nothing to hedge"),)
    return (Finding(Trouble.DEGRADED, "plan", "no order is worth its cost or fits the limits", "nothing is hedged"),)


def _insured(
    known: Survey, desk: Desk, book: Settled, margins: tuple[VenueMargin, ...], cost: Cost, protected: FloatArray
) -> Insurance:
    per_day = known.returns.bars_per_day
    bars = max(round(desk.tolerance.horizon / timedelta(days=1) * per_day), 1)
    paths = horizon_returns(known.model.complete, bars, mean_block=MEAN_BLOCK_DAYS * per_day)
    return insurance(
        held=desk.held,
        short=desk.short(book.worth),
        fall=desk.fall,
        paths=paths,
        cost=cost.total,
        protected=float(protected.sum()),
        horizon=desk.tolerance.horizon,
        method=(
            f"{len(paths)} horizons drawn in blocks of {MEAN_BLOCK_DAYS:g} days from {known.returns.panel.window}; "
            "days without a price are taken from the factor model; a short loses no more than its collateral"
        ),
        stakes=_stakes(desk, book, margins),
        left_out=cost.left_out,
    )


def _stakes(desk: Desk, book: Settled, margins: tuple[VenueMargin, ...]) -> list[tuple[FloatArray, float]]:
    """Value short of each coin and the collateral that is lost with it: by account, or by short where isolated.

    What is lost above the coins behind an inverse short has no end either: the coins rise with it.
    """
    found = []
    for margin in margins:
        if margin.coins is not None:
            found.append((desk.short(book.worth * desk.of(margin.contracts)), math.inf))
            continue
        if margin.mode is MarginMode.CROSS:
            short = desk.short(book.worth * desk.of(margin.contracts))
            found.append((short, to_float(margin.collateral)))
            continue
        posted = {p.contract: to_float(p.collateral) for p in margin.positions}
        for i, terms in enumerate(desk.terms):
            if terms.contract.id in posted:
                alone = np.where(np.arange(len(book.worth)) == i, book.worth, 0.0)
                found.append((desk.short(alone), posted[terms.contract.id]))
    return found


def _failures(
    known: Survey,
    desk: Desk,
    book: Settled,
    margins: tuple[VenueMargin, ...],
    direct: FloatArray,
    proxy: FloatArray,
    also: tuple[FailureMode, ...],
) -> tuple[FailureMode, ...]:
    assets = known.exposure.assets
    locked = per_coin(
        [a.asset for a in assets], desk.coins, [to_float(a.quantity - a.sellable) * a.price for a in assets]
    )
    storm = Storm(
        coins=desk.coins,
        held=desk.held,
        locked=locked,
        short=desk.short(book.worth),
        proxy=proxy,
        stand_in=np.maximum(desk.short(book.worth) - direct, 0.0),
        uncovered=np.maximum(desk.held - direct - proxy, 0.0),
        tail=known.tail,
        fall=desk.fall,
        value=desk.value,
        survive=desk.tolerance.survive,
    )
    there = dict.fromkeys(m.venue for m in margins)
    return failure_modes(
        storm,
        [_at_venue(desk, book, [m for m in margins if m.venue == venue]) for venue in there],
        ending=[
            Ending(t.contract.id, t.contract.expiry, float(worth), float(pays))
            for t, worth, pays in zip(desk.terms, book.worth, desk.fall @ desk.mapping * book.worth, strict=True)
            if worth > 0 and t.contract.expiry and ends_within(t.contract, known.view.as_of, desk.tolerance.horizon)
        ],
        funding_at_cap=_at_cap(desk.terms, book.worth, desk.tolerance.horizon),
        horizon=desk.tolerance.horizon,
        chance=desk.tolerance.liquidation_chance,
        also=also,
    )


def _at_venue(desk: Desk, book: Settled, margins: Sequence[VenueMargin]) -> AtVenue:
    """Everything that lies at one venue, from its accounts."""
    gains = desk.fall @ desk.mapping * book.worth
    cash = [m for m in margins if m.coins is None]
    return AtVenue(
        margins[0].venue,
        to_float(plus(m.cash for m in margins)),
        to_float(margins[0].cap),
        to_float(plus(m.notional for m in margins)),
        float(sum(gains @ desk.of(m.contracts) for m in margins)),
        tuple(stake for m in cash for stake in _lost_together(m)),
        tuple(_coin_stake(desk, book, m, m.coins) for m in margins if m.coins is not None),
    )


def _lost_together(margin: VenueMargin) -> tuple[Stake, ...]:
    if margin.mode is MarginMode.ISOLATED:
        return tuple(Stake(s.contract, to_float(s.collateral), s.rise) for s in margin.positions)
    return (Stake("", to_float(margin.collateral), margin.rise),)


def _coin_stake(desk: Desk, book: Settled, margin: VenueMargin, coins: PostedCoins) -> CoinStake:
    value, mine = to_float(margin.collateral), book.worth * desk.of(margin.contracts)
    return CoinStake(
        coins.asset,
        to_float(coins.quantity),
        value,
        value * (1.0 - float(desk.fall[desk.coins.index(coins.asset)])),
        to_float(margin.notional),
        _at_cap(desk.terms, mine, desk.tolerance.horizon),
    )


def _at_cap(terms: tuple[Terms, ...], worth: FloatArray, horizon: timedelta) -> float:
    """Cost of every settlement at the cap, by the venue's cap or the assumed one."""
    total = 0.0
    for t, notional in zip(terms, worth, strict=True):
        if t.contract.tenor is Tenor.PERPETUAL:
            cap, hours = t.funding_cap
            total += notional * cap * (horizon / timedelta(hours=hours))
    return total
