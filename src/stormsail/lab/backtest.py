"""A backtest: plans made as time goes on, kept alive by a policy, with the whole account, beside its rivals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import polars as pl

from stormsail.audit.tolerance import Tolerance
from stormsail.core import Finding, Portfolio, StormsailError, Trouble, Unavailable, floor_to, from_float, plus
from stormsail.instruments.types import VenueRecord
from stormsail.lab.course import Course, record
from stormsail.lab.effect import MaybeEffect
from stormsail.lab.forward import Forward, Shelf, moments, plans_forward
from stormsail.lab.frames import ledger_frame, log_frame, series_frame
from stormsail.lab.naive import naive_plan
from stormsail.lab.replay import Replay, replay
from stormsail.lab.result import Attribution, Paths, attribute, paths
from stormsail.lab.setup import coins_of, contracts_of, set_up
from stormsail.lab.shock import Shock
from stormsail.lab.summary import HEDGED, NAIVE, SOLD, Summary, deepest_fall, summarise
from stormsail.margin.types import MarginMode
from stormsail.market.panel import FloatArray
from stormsail.market.source import MarketSource, MarketView
from stormsail.plan.types import HedgePlan
from stormsail.watch.policy import Policy

__all__ = ["SALE_COST", "Backtest", "backtest", "cash_beside", "deepest_fall", "run", "spare_cash", "with_policy"]

SALE_COST = 0.0015
"""Fee and slippage of selling the covered share at the start, the rival of hedging it, as a fraction."""


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """What protection did over a span, complete.

    Attributes:
        portfolio: What was held.
        tolerance: What was wanted.
        policy: How it was kept alive.
        source: Name of the market data.
        plans: Plans in force, in order.
        replay: The account, movement by movement.
        paths: Values through time.
        attribution: Where the change of equity came from.
        rivals: Values through time of other ways by name, shape (T,): naive 1:1 by the same policy, and selling the
            covered share at the start; or why there are none.
        summary: The figures of it.
        findings: What was noticed.
    """

    portfolio: Portfolio
    tolerance: Tolerance
    policy: Policy
    source: str
    plans: tuple[HedgePlan, ...]
    replay: Replay
    paths: Paths
    attribution: Attribution
    rivals: Mapping[str, FloatArray | Unavailable]
    summary: Summary
    findings: tuple[Finding, ...]

    @property
    def course(self) -> Course:
        """What the market did."""
        return self.replay.course

    @property
    def start(self) -> datetime:
        """First moment."""
        return self.course.moment(0)

    @property
    def end(self) -> datetime:
        """Last moment."""
        return self.course.moment(len(self.course.times) - 1)

    @property
    def effect(self) -> MaybeEffect:
        """Variance, tail loss and drawdown removed, with intervals."""
        found = self.summary.outcome(HEDGED)
        return found.effect if found is not None else Unavailable("nothing was hedged")

    def frame(self) -> pl.DataFrame:
        """Values at every moment; see :func:`~stormsail.lab.frames.series_frame`."""
        return series_frame(self.replay, self.paths, self.rivals)

    def ledger_frame(self) -> pl.DataFrame:
        """Every movement, exactly; see :func:`~stormsail.lab.frames.ledger_frame`."""
        return ledger_frame(self.replay)

    def log_frame(self) -> pl.DataFrame:
        """What was done and why."""
        return log_frame(self.replay)

    def __str__(self) -> str:
        """The outcomes as a table."""
        lines = [f"{self.portfolio.name}, {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}, in {self.course.account}"]
        lines.append(f"{'':<14}{'start':>14}{'end':>14}{'change':>14}{'deepest fall':>14}{'worst day':>14}")
        for row in self.summary.outcomes:
            figures = f"{row.first:>14,.0f}{row.last:>14,.0f}{row.change:>+14,.0f}{-row.fall.depth:>14.1%}"
            lines.append(f"{row.name:<14}{figures}{row.worst_day:>+14,.0f}")
        lines += [f"{name}: unavailable ({why})" for name, why in self.summary.missing.items()]
        return "\n".join(lines)


def backtest(
    portfolio: Portfolio,
    source: MarketSource,
    tolerance: Tolerance,
    policy: Policy,
    *,
    start: datetime,
    end: datetime,
    venues: Mapping[str, VenueRecord],
    mode: MarginMode = MarginMode.CROSS,
    reserve: Mapping[str, Decimal] | None = None,
    shocks: Sequence[Shock] = (),
    shelf: Shelf | None = None,
    planned: Callable[[int, int], None] = lambda made, of: None,
    walked: Callable[[int, int], None] = lambda step, steps: None,
) -> Backtest:
    """Run a portfolio's protection through history.

    Args:
        portfolio: What is held throughout.
        source: Market data.
        tolerance: What is wanted of every plan.
        policy: How plans are kept alive; its ``replan`` says how often a new one is made.
        start: Moment of the first plan.
        end: Last moment.
        venues: Due-diligence records.
        mode: Cross or isolated margin.
        reserve: Cash outside the accounts; by default :func:`cash_beside`.
        shocks: What venues do beyond prices.
        shelf: Where plans are kept.
        planned: Called with the number of plans made, and of how many.
        walked: Called with the bar that has been reached and the number of bars.

    Raises:
        StormsailError: If the first plan cannot be made, or the data does not cover the span.
    """
    forward = plans_forward(
        portfolio, source, tolerance, venues=venues, when=moments(start, end, policy.replan), mode=mode, shelf=shelf,
        tell=planned,
    )  # fmt: skip
    return run(forward, source, policy, end=end, venues=venues, reserve=reserve, shocks=shocks, walked=walked)


def run(
    forward: Forward,
    source: MarketSource,
    policy: Policy,
    *,
    end: datetime,
    venues: Mapping[str, VenueRecord] | None = None,
    reserve: Mapping[str, Decimal] | None = None,
    shocks: Sequence[Shock] = (),
    walked: Callable[[int, int], None] = lambda step, steps: None,
) -> Backtest:
    """Run plans that were made already; arguments as in :func:`backtest`. Without ``venues`` the naive rival is left
    out."""
    first = forward.plans[0]
    money = cash_beside(first) if reserve is None else dict(reserve)
    done = _replayed(forward.plans, source, policy, end, money, shocks, walked)
    found, parts = paths(done), attribute(done)
    naive, needed = _naive(forward.plans, source, policy, end, money, shocks, venues)
    rivals = {
        NAIVE: naive,
        SOLD: _sold(found.unhedged, first.tolerance.coverage),
    }
    return Backtest(
        portfolio=first.portfolio, tolerance=first.tolerance, policy=policy, source=source.name, plans=forward.plans,
        replay=done, paths=found, attribution=parts, rivals=rivals,
        summary=summarise(
            done, found, parts, rivals, len(forward.plans), {HEDGED: _cash(first), NAIVE: needed}
        ),
        findings=tuple(
            dict.fromkeys((*_standing_by(first, reserve, money), *_unpriced(first), *forward.findings, *done.findings))
        ),
    )  # fmt: skip


def _replayed(
    plans: Sequence[HedgePlan], source: MarketSource, policy: Policy, end: datetime, reserve: Mapping[str, Decimal],
    shocks: Sequence[Shock], walked: Callable[[int, int], None] = lambda step, steps: None,
) -> Replay:  # fmt: skip
    """Record what the market did, and take the plans through it."""
    course = record(MarketView(source, end), contracts_of(plans), coins_of(plans[0]), start=plans[0].as_of)
    setup = set_up(plans, course)
    bars = len(course.times)
    return replay(
        course, setup.accounts, setup.holdings, setup.aim, policy, reserve=reserve, sellable=setup.sellable,
        shocks=shocks, turns=setup.turns, tell=lambda step: walked(step + 1, bars),
    )  # fmt: skip


def _naive(
    plans: Sequence[HedgePlan], source: MarketSource, policy: Policy, end: datetime, reserve: Mapping[str, Decimal],
    shocks: Sequence[Shock], venues: Mapping[str, VenueRecord] | None,
) -> tuple[FloatArray | Unavailable, Decimal]:  # fmt: skip
    """Value through time by hedging one to one, at the same moments and by the same policy, and the cash it posts."""
    nothing = Decimal(0)
    if venues is None:
        return Unavailable("no venue records were given"), nothing
    made = []
    for plan in plans:
        rival = naive_plan(plan, source, venues)
        if isinstance(rival, Unavailable):
            return Unavailable(f"{rival.reason} on {plan.as_of:%Y-%m-%d}"), nothing
        made.append(rival)
    try:
        return paths(_replayed(made, source, policy, end, reserve, shocks)).hedged, _cash(made[0])
    except StormsailError as error:
        return Unavailable(f"it could not be run: {error.cause}"), nothing


def _standing_by(
    plan: HedgePlan, asked: Mapping[str, Decimal] | None, money: Mapping[str, Decimal]
) -> tuple[Finding, ...]:
    """Say what cash was taken to stand by where nobody named any."""
    if asked is not None or plan.tolerance.collateral is not None:
        return ()
    told = ", ".join(f"{amount:,f} {currency}" for currency, amount in money.items())
    return (
        Finding(Trouble.NOTE, "reserve", "no amount of cash was named", f"{told} stand by: the value of the coins"),
    )


def _cash(plan: HedgePlan) -> Decimal:
    """Cash a plan posts."""
    return plus(margin.cash for margin in plan.margins)


def cash_beside(plan: HedgePlan) -> dict[str, Decimal]:
    """Cash that stands by in a backtest: what the plan leaves of the amount the holder named; where none was named, as
    much as is needed, which is taken to be the value of the coins."""
    if plan.tolerance.collateral is not None:
        return spare_cash(plan)
    return {"USDT": floor_to(from_float(plan.exposure.risky_value), Decimal(1))}


def spare_cash(plan: HedgePlan) -> dict[str, Decimal]:
    """Cash the holder named that the plan does not post; nothing where no amount was named."""
    named = plan.tolerance.collateral
    if named is None:
        return {}
    left = named - _cash(plan)
    return {"USDT": left} if left > 0 else {}


def _sold(unhedged: FloatArray, share: float) -> FloatArray:
    """Value through time had ``share`` of every coin been sold at the start, after its cost."""
    kept: FloatArray = unhedged[0] * share * (1.0 - SALE_COST) + unhedged * (1.0 - share)
    return kept


def _unpriced(plan: HedgePlan) -> tuple[Finding, ...]:
    """Coins held that had no price at the start: they are in none of the values."""
    return tuple(
        Finding(Trouble.UNAVAILABLE, gone.asset, gone.value.reason, "left out of every value of this backtest")
        for gone in plan.exposure.unpriced
    )


def with_policy(
    test: Backtest, policy: Policy, source: MarketSource, venues: Mapping[str, VenueRecord] | None = None
) -> Backtest:
    """The same plans kept alive by another policy, with the same cash."""
    again = replace(policy, replan=test.policy.replan)
    return run(
        Forward(test.plans, ()), source, again, end=test.end, venues=venues, reserve=test.replay.reserve
    )  # fmt: skip
