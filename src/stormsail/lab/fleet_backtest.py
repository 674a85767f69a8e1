"""Take many portfolios through history: fast plans at every moment of planning, one course, a replay for each.

Decks and course are made once and shared; a shard is a function of itself and of them, so it does not matter who
computes it (:mod:`stormsail.lab.workers`). A portfolio that cannot be run is a row with the reason; as many come out as
went in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np

from stormsail.audit import Tolerance
from stormsail.core import (
    STABLECOINS,
    Contract,
    Finding,
    StormsailError,
    Trouble,
    UnavailableError,
    floor_to,
    from_float,
    plus,
    to_float,
)
from stormsail.instruments.types import VenueRecord
from stormsail.lab.course import Course, record
from stormsail.lab.deck import Deck, build_deck
from stormsail.lab.fleet import FleetPlans, FleetShard, Status, plan_shard
from stormsail.lab.fleet_setup import CENT, FastPlan, fast_plan, holdings_of, only, set_up_fast
from stormsail.lab.forward import moments
from stormsail.lab.replay import Replay, replay
from stormsail.lab.result import Attribution, Paths, attribute, paths
from stormsail.lab.summary import deepest_fall
from stormsail.lab.workers import Workers
from stormsail.market.once import ReadOnce
from stormsail.market.source import MarketSource, MarketView
from stormsail.watch.policy import Policy

Reserve = Decimal | float | None
"""Cash beside the collateral: an amount, a share of the coins' value, or what the collateral leaves."""


class Fate(StrEnum):
    """What became of a portfolio."""

    RAN = "ran"
    NOTHING = "nothing"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Figures:
    """What protection did for one portfolio; money in the currency of account, gains positive.

    Attributes:
        value: Of its coins at the start.
        unhedged: Change of their value.
        parts: Where the change of equity came from, exact.
        fall_unhedged, fall_hedged: Deepest falls, as fractions.
        liquidations: Accounts that were liquidated, each time counted.
        ratio: Highest margin ratio of any account; NaN if none was ever open.
        events: What was done, and how often.
    """

    value: float
    unhedged: float
    parts: Attribution
    fall_unhedged: float
    fall_hedged: float
    liquidations: int
    ratio: float
    events: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FleetRun:
    """One portfolio of a fleet.

    Attributes:
        name: Its name.
        fate: What became of it.
        reason: Why it was not run, or what stood in the way.
        plans: How many plans were in force.
        coverage: Share of the value of its coins that the first plan protects; NaN where there is none.
        figures: ``None`` where it was not run.
    """

    name: str
    fate: Fate
    reason: str
    plans: int = 0
    coverage: float = float("nan")
    figures: Figures | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What all portfolios have in common.

    Attributes:
        decks: One for each moment of planning, rising.
        course: What the market did from the first to the end.
        missing: Coins of the first deck that the course has no price of, and why.
        findings: Moments without a deck, and those coins.
    """

    decks: tuple[Deck, ...]
    course: Course
    missing: Mapping[str, str]
    findings: tuple[Finding, ...]


def set_stage(
    source: MarketSource,
    tolerance: Tolerance,
    *,
    start: datetime,
    end: datetime,
    every: timedelta | None,
    venues: Mapping[str, VenueRecord],
    coins: tuple[str, ...],
    workers: Workers | None = None,
    tell: Callable[[str], None] = lambda step: None,
) -> Stage:
    """Make a deck at every moment of planning, each with what was known then, and record the course.

    A later deck that cannot be made leaves the one before it in force, which is told.

    Args:
        source: Market data.
        tolerance: What is wanted; a portfolio's own coverage and collateral come before it.
        start, end: First and last moment.
        every: Time between two plans; ``None`` for a single one.
        venues: Due-diligence records.
        coins: Those that portfolios hold.
        workers: Who works out collateral.
        tell: Told the name of each step.

    Raises:
        StormsailError: If the first deck cannot be made, or the data does not cover the span.
    """
    decks: list[Deck] = []
    findings: list[Finding] = []
    for when in moments(start, end, every):
        tell(f"market of {when:%Y-%m-%d}")
        try:
            decks.append(build_deck(MarketView(source, when), tolerance, venues=venues, coins=coins, workers=workers))
        except UnavailableError as error:
            if not decks:
                raise
            cure = "the plans before it stay in force"
            findings.append(Finding(Trouble.DEFER, f"plans of {when:%Y-%m-%d}", str(error), cure))
    tell("what the market did")
    contracts = {leg.contract.id: leg.contract for deck in decks for leg in deck.legs}
    known = [contracts[name] for name in sorted(contracts)]
    course, missing = _recorded(MarketView(ReadOnce(source), end), known, decks[0].coins, start)
    findings += [
        Finding(Trouble.UNAVAILABLE, coin, why, "left out of every portfolio") for coin, why in missing.items()
    ]
    return Stage(tuple(decks), course, missing, tuple(findings))


def _recorded(
    view: MarketView, contracts: list[Contract], coins: tuple[str, ...], start: datetime
) -> tuple[Course, dict[str, str]]:
    """The course, and coins that could not be recorded: one of them must not stop the others."""
    missing: dict[str, str] = {}
    while True:
        try:
            return record(view, contracts, [coin for coin in coins if coin not in missing], start=start), missing
        except UnavailableError as error:
            if error.where not in coins or error.where in missing:
                raise
            missing[error.where] = error.cause


@dataclass(frozen=True, slots=True)
class RunFleet:
    """Plans a shard at every moment and takes it through the course; arguments as in :func:`run_shard`."""

    stage: Stage
    policy: Policy
    reserve: Reserve = None

    def __call__(self, shard: FleetShard) -> tuple[FleetRun, ...]:
        """See :func:`run_shard`."""
        return run_shard(self.stage, self.policy, shard, self.reserve)


def run_shard(stage: Stage, policy: Policy, shard: FleetShard, reserve: Reserve = None) -> tuple[FleetRun, ...]:
    """Run every portfolio of a shard.

    Coins without a price at the start are left out of plans and values throughout; a plan that is refused later leaves
    the one before it in force.

    Args:
        stage: What all have in common.
        policy: How plans are kept alive.
        shard: The portfolios.
        reserve: Cash of each beside what the first plan posts: an amount, or a share of its coins' value; by default
            what its collateral leaves.

    """
    asked = plan_shard(stage.decks[0], shard)
    priced = only(shard, frozenset(stage.course.coins) | STABLECOINS)
    first = plan_shard(stage.decks[0], priced) if stage.missing else asked
    made = [first, *(plan_shard(deck, priced) for deck in stage.decks[1:])]
    return tuple(_one(stage, policy, reserve, shard, asked, made, i) for i in range(len(shard.names)))


def _one(
    stage: Stage, policy: Policy, reserve: Reserve, shard: FleetShard, asked: FleetPlans, made: list[FleetPlans], i: int
) -> FleetRun:
    name = shard.names[i]
    if asked.status[i] is Status.REFUSED:
        return FleetRun(name, Fate.REFUSED, asked.reason[i])
    held = holdings_of(shard, i)
    lost = [f"{coin} left out: {stage.missing[coin]}" for coin in held if coin in stage.missing]
    if made[0].status[i] is Status.REFUSED:
        return FleetRun(name, Fate.REFUSED, "; ".join(lost) or made[0].reason[i])
    pairs = zip(stage.decks, made, strict=True)
    plans = [fast_plan(deck, plan, i, held) for deck, plan in pairs if plan.status[i] is not Status.REFUSED]
    reason = "; ".join(filter(None, [made[0].reason[i], *lost]))
    share = float(made[0].coverage[i])
    try:
        figures = figures_of(_replayed(stage, policy, reserve, plans, held, _cash(stage, shard, i)))
    except StormsailError as error:
        return FleetRun(name, Fate.FAILED, f"{error.code} {error.cause}", len(plans), share)
    fate = Fate.RAN if any(plan.orders for plan in plans) else Fate.NOTHING
    return FleetRun(name, fate, reason, len(plans), share, figures)


def _cash(stage: Stage, shard: FleetShard, i: int) -> Decimal | None:
    """Cash the holder named, or ``None``."""
    cents = int(shard.collateral[i])
    return stage.decks[0].tolerance.collateral if cents < 0 else Decimal(cents) * CENT


def _replayed(
    stage: Stage, policy: Policy, reserve: Reserve, plans: list[FastPlan], held: Mapping[str, Decimal],
    cash: Decimal | None,
) -> Replay:  # fmt: skip
    course, setup = set_up_fast(plans, held, stage.course)
    if reserve is None:
        spare = Decimal(0) if cash is None else cash - plus(cash for _, cash in plans[0].deposits.values())
    else:
        coins = {name: setup.holdings.get(name, Decimal(0)) for name in course.coins}
        value = sum(to_float(q) * float(p) for q, p in zip(coins.values(), course.spot[0], strict=True))
        spare = reserve_of(reserve, value)
    return replay(
        course, setup.accounts, setup.holdings, setup.aim, policy, reserve={"USDT": spare} if spare > 0 else {},
        sellable=setup.sellable, turns=setup.turns,
    )  # fmt: skip


def reserve_of(reserve: Decimal | float, value: float) -> Decimal:
    """An amount, or a share of a value in whole cents."""
    return reserve if isinstance(reserve, Decimal) else floor_to(from_float(reserve * value), CENT)


def figures_of(done: Replay, found: Paths | None = None) -> Figures:
    """What a replay comes to; ``found`` are its paths, if they are known already."""
    found = found or paths(done)
    ratio, risky = found.ratio, bool(found.unhedged[0] > 0)
    known = ratio[~np.isnan(ratio)]
    events = Counter(line.what for line in done.log)
    return Figures(
        value=float(found.unhedged[0]),
        unhedged=float(found.unhedged[-1] - found.unhedged[0]),
        parts=attribute(done),
        fall_unhedged=deepest_fall(found.unhedged) if risky else 0.0,
        fall_hedged=deepest_fall(found.hedged) if risky else 0.0,
        liquidations=events["liquidation"],
        ratio=float(known.max()) if known.size else float("nan"),
        events=dict(sorted(events.items())),
    )
