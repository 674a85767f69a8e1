"""Storms over a plan: what they cost with and without the hedge, what fails first, and which one change helps most."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from stormsail.core import Finding, InputError, StormsailError, Unavailable, to_float
from stormsail.instruments.types import VenueRecord
from stormsail.lab.backtest import SALE_COST, spare_cash
from stormsail.lab.change import NoVariant, Reserve, Variant, changes
from stormsail.lab.course import HOUR, Course
from stormsail.lab.effect import effect
from stormsail.lab.ledger import ACCOUNT, AMOUNT, CURRENCY, FLOW, STEP, Flow
from stormsail.lab.naive import naive_plan
from stormsail.lab.replay import RESERVE, Replay, replay
from stormsail.lab.result import Paths, attribute, paths
from stormsail.lab.scenario import Scenario
from stormsail.lab.setup import set_up
from stormsail.lab.storm import Brewed, brew
from stormsail.lab.stress_result import HELPS, Failure, Loss, StormResult, StressReport, Tried
from stormsail.market.panel import FloatArray
from stormsail.market.source import MarketView
from stormsail.plan.types import HedgePlan
from stormsail.watch.policy import Policy

FAILURES = ("liquidation", "deleveraged", "venue gone", "delisted", "naked")
"""Events of the log by which a leg of the hedge is lost."""

OFF_PEG = 0.02
"""A stablecoin this far from par counts as failed."""

BLOCK = 6.0
"""Mean block, in hours, of the resampled storm behind the interval of its effect."""

_DRAWS = 400


def stress(
    plan: HedgePlan,
    storms: Sequence[Scenario],
    view: MarketView | None = None,
    policy: Policy | None = None,
    *,
    venues: Mapping[str, VenueRecord] | None = None,
    reserve: Reserve | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> StressReport:
    """Let storms loose on a plan, one after the other, each on the plan as it was made.

    A storm that cannot be run is reported with its reason; the others go on.

    Args:
        plan: The plan.
        storms: The storms.
        view: Market data to replay past storms on, and to find own contracts in; without it the storms' figures do.
        policy: How the hedge is kept alive; the default policy if not given.
        venues: Due-diligence records; without them there is no naive rival.
        reserve: Cash outside the accounts; by default what the plan's cash leaves.
        tell: Called with the number of storms done and their total.

    Raises:
        InputError: If the plan has no coin whose price could move.

    The result depends on nothing but the arguments: the same give the same, byte for byte.
    """
    policy = policy or Policy()
    money = dict(spare_cash(plan) if reserve is None else reserve)
    own = _own_plan(plan, view, venues)
    variants = changes(plan, policy, money, own)
    if not any(not row.is_cash for row in plan.exposure.assets):
        raise InputError("holds nothing whose price moves", cure="give a portfolio with coins", where="portfolio")
    found: list[StormResult] = []
    refused: dict[str, str] = {}
    tell(0, len(storms))
    for count, scenario in enumerate(storms, 1):
        try:
            found.append(_one(plan, scenario, view, policy, money, own, variants))
        except StormsailError as error:
            refused[scenario.name] = str(error)
        tell(count, len(storms))
    return StressReport(
        plan_as_of=plan.as_of, portfolio=plan.portfolio.name, currency=plan.portfolio.currency,
        value=plan.exposure.value, short=sum(to_float(m.notional) for m in plan.margins),
        collateral=sum(to_float(m.collateral) for m in plan.margins), reserve=money, covered=plan.tolerance.coverage,
        storms=tuple(found), refused=refused, findings=(),
    )  # fmt: skip


def _own_plan(
    plan: HedgePlan, view: MarketView | None, venues: Mapping[str, VenueRecord] | None
) -> HedgePlan | Unavailable:
    if view is None or venues is None:
        return Unavailable("no market data was given to find own contracts in")
    try:
        return naive_plan(plan, view.source, venues)
    except StormsailError as error:
        return Unavailable(error.cause)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One way through a storm."""

    replay: Replay
    paths: Paths
    unhedged: FloatArray
    hedged: FloatArray


def _through(variant: Variant, brewed: Brewed) -> _Run:
    """Replay a variant, with the money held beside the coins valued at its peg."""
    setup = set_up([variant.plan], brewed.course)
    done = replay(
        brewed.course, variant.accounts(setup.accounts), setup.holdings, setup.aim, variant.policy,
        reserve=variant.reserve, sellable=setup.sellable, shocks=brewed.shocks,
    )  # fmt: skip
    found = paths(done)
    money = _money(variant.plan, brewed.course)
    return _Run(done, found, found.unhedged + money, found.hedged + money)


def _money(plan: HedgePlan, course: Course) -> FloatArray:
    """Value of the stablecoins held outside the accounts at each hour."""
    total = np.zeros(len(course.times))
    for row in plan.exposure.assets:
        if row.is_cash:
            known = row.asset in course.currencies
            worth = course.worth[:, course.currencies.index(row.asset)] if known else np.ones(len(total))
            total += row.value * worth
    return total


def _loss(path: FloatArray, before: float) -> Loss:
    """Change from the value before anything was traded, so that opening the hedge is counted."""
    change = path - before
    low = int(np.argmin(change))
    return Loss(float(change[-1]), float(change[low]), low)


def _hedged(run: _Run) -> Loss:
    return _loss(run.hedged, float(run.unhedged[0]))


def _one(
    plan: HedgePlan, scenario: Scenario, view: MarketView | None, policy: Policy, reserve: Reserve,
    own: HedgePlan | Unavailable, variants: Sequence[Variant | NoVariant],
) -> StormResult:  # fmt: skip
    rivals = [v.plan for v in variants if isinstance(v, Variant) and v.plan is not plan]
    if not isinstance(own, Unavailable):
        rivals.append(own)
    brewed = brew(plan, scenario, view, rivals=rivals)
    now = _through(Variant("as it is", "", plan, policy, reserve), brewed)
    hedged, before = _hedged(now), float(now.unhedged[0])
    naive: Loss | Unavailable
    if isinstance(own, Unavailable):
        naive = own
    else:
        naive = _hedged(_through(Variant("naive", "", own, policy, reserve), brewed))
    tried = tuple(_try(each, brewed, hedged) for each in variants)
    least = HELPS * plan.exposure.value
    helpful = [each for each in tried if each.gain >= least]
    best = max(helpful, key=lambda each: each.gain).name if helpful else ""
    coins = now.paths.unhedged
    share = plan.tolerance.coverage
    rest = now.unhedged - coins
    sold = coins[0] * share * (1.0 - SALE_COST) + coins * (1.0 - share) + rest
    sold_from_start = np.concatenate([[now.unhedged[0]], sold[1:]])
    ratio, nearest = _nearest(now)
    return StormResult(
        name=scenario.name, title=scenario.title, historical=scenario.historical, hours=scenario.hours,
        value=before, unhedged=_loss(now.unhedged, before), hedged=hedged, naive=naive,
        sold=_loss(sold_from_start, before), failure=_failure(now.replay, scenario, brewed.course), margin_ratio=ratio,
        nearest=nearest, reserve_used=_reserve_used(now.replay), attribution=attribute(now.replay),
        effect=effect(now.unhedged, now.hedged, block=min(BLOCK, float(scenario.hours)), draws=_DRAWS),
        moves=brewed.moves, tried=tried, best=best, log=now.replay.log, findings=_own_findings(plan, now.replay),
        failed=scenario.failed, path_unhedged=tuple((now.unhedged - before).tolist()),
        path_hedged=tuple((now.hedged - before).tolist()),
    )  # fmt: skip


def _try(each: Variant | NoVariant, brewed: Brewed, now: Loss) -> Tried:
    """A change in the same storm."""
    if isinstance(each, NoVariant):
        return Tried(each.name, "", Unavailable(each.why), math.nan, math.nan)
    try:
        loss = _hedged(_through(each, brewed))
    except StormsailError as error:
        return Tried(each.name, each.what, Unavailable(str(error)), math.nan, math.nan)
    return Tried(each.name, each.what, loss, loss.deepest - now.deepest, loss.end - now.end)


def _own_findings(plan: HedgePlan, done: Replay) -> tuple[Finding, ...]:
    """What was noticed, but for contracts that only the plan's rivals hold."""
    own = {order.contract.id for order in plan.orders}
    others = {contract.id for contract in done.course.contracts} - own
    return tuple(f for f in done.findings if f.subject.removeprefix("funding ") not in others)


def _nearest(run: _Run) -> tuple[float, str]:
    """The highest margin ratio and whose it was."""
    ratio = run.paths.ratio
    if not ratio.size or not np.isfinite(ratio).any():
        return math.nan, ""
    known = np.where(np.isnan(ratio), -np.inf, ratio)
    account = int(np.argmax(known.max(axis=0)))
    return float(known[:, account].max()), run.replay.books.accounts[account].name


def _reserve_used(done: Replay) -> float:
    """Largest sum sent from the reserve and not yet back, at the first prices of its currencies."""
    rows = done.ledger
    sent = rows[(rows[:, FLOW] == Flow.TRANSFER) & (rows[:, ACCOUNT] == RESERVE)]
    if not len(sent):
        return 0.0
    worth = done.books.terms.quantum * done.course.worth[0]
    value = np.zeros(len(done.course.times))
    np.add.at(value, sent[:, STEP], sent[:, AMOUNT] * worth[sent[:, CURRENCY]])
    return float(max(0.0, -np.cumsum(value).min()))


def _failure(done: Replay, scenario: Scenario, course: Course) -> Failure | None:
    """The earliest loss of a leg, or of the peg of a currency that is posted or settled in."""
    start = course.moment(0)

    def hour(when: datetime) -> int:
        return (when - start) // HOUR

    found = [Failure(h.what, h.where, h.when, hour(h.when), h.reason) for h in done.log if h.what in FAILURES]
    used = {c for account in done.books.accounts for c, amount in account.deposit.items() if amount > 0}
    for peg in scenario.pegs:
        if peg.currency in used and peg.currency in course.currencies:
            worth = course.worth[:, course.currencies.index(peg.currency)]
            off = np.flatnonzero(np.abs(worth - 1.0) >= OFF_PEG)
            if len(off):
                t = int(off[0])
                reason = f"at {worth[t]:.3f}, later between {worth.min():.3f} and {worth.max():.3f}"
                found.append(Failure("peg", peg.currency, course.moment(t), t, reason))
    return min(found, key=lambda f: f.hour) if found else None
