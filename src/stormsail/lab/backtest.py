"""A backtest: plans made as time goes on, kept alive by a policy, with the whole account, beside its rivals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import numpy as np

from stormsail.audit.tolerance import Tolerance
from stormsail.core import Finding, Portfolio
from stormsail.instruments.types import VenueRecord
from stormsail.lab.course import Course, record
from stormsail.lab.forward import Forward, Shelf, moments, plans_forward
from stormsail.lab.replay import Replay, replay
from stormsail.lab.result import Attribution, Paths, attribute, paths
from stormsail.lab.setup import coins_of, contracts_of, set_up
from stormsail.lab.shock import Shock
from stormsail.margin.types import MarginMode
from stormsail.market.panel import FloatArray
from stormsail.market.source import MarketSource, MarketView
from stormsail.plan.types import HedgePlan
from stormsail.watch.policy import Policy

SALE_COST = 0.0015
"""Fee and slippage of selling the covered share at the start, the rival of hedging it, as a fraction."""


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """What protection did over a span, complete.

    Attributes:
        portfolio: What was held.
        tolerance: What was wanted.
        policy: How it was kept alive.
        plans: Plans in force, in order.
        replay: The account, movement by movement.
        paths: Values through time.
        attribution: Where the change of equity came from.
        sold: Value through time had the covered share been sold at the start, shape (T,).
        findings: What was noticed.
    """

    portfolio: Portfolio
    tolerance: Tolerance
    policy: Policy
    plans: tuple[HedgePlan, ...]
    replay: Replay
    paths: Paths
    attribution: Attribution
    sold: FloatArray
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


def deepest_fall(values: FloatArray) -> float:
    """Largest fall from a peak, as a fraction of the peak.

    >>> deepest_fall(np.array([100.0, 120.0, 90.0, 130.0]))
    0.25
    """
    peaks = np.maximum.accumulate(values)
    return float((1.0 - values / peaks).max())


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
    planned: Callable[[int], None] = lambda made: None,
    walked: Callable[[int], None] = lambda step: None,
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
        reserve: Cash outside the accounts; by default what the first plan's cash leaves.
        shocks: What venues do beyond prices.
        shelf: Where plans are kept.
        planned: Called with the number of plans made.
        walked: Called with the bar that has been reached.

    Raises:
        StormsailError: If the first plan cannot be made, or the data does not cover the span.
    """
    forward = plans_forward(
        portfolio, source, tolerance, venues=venues, when=moments(start, end, policy.replan), mode=mode, shelf=shelf,
        tell=planned,
    )  # fmt: skip
    return run(forward, source, policy, end=end, reserve=reserve, shocks=shocks, walked=walked)


def run(
    forward: Forward,
    source: MarketSource,
    policy: Policy,
    *,
    end: datetime,
    reserve: Mapping[str, Decimal] | None = None,
    shocks: Sequence[Shock] = (),
    walked: Callable[[int], None] = lambda step: None,
) -> Backtest:
    """Run plans that were made already; arguments as in :func:`backtest`."""
    first = forward.plans[0]
    course = record(MarketView(source, end), contracts_of(forward.plans), coins_of(first), start=first.as_of)
    setup = set_up(forward.plans, course)
    money = spare_cash(first) if reserve is None else dict(reserve)
    done = replay(
        course, setup.accounts, setup.holdings, setup.aim, policy, reserve=money, sellable=setup.sellable,
        shocks=shocks, turns=setup.turns, tell=walked,
    )  # fmt: skip
    found = paths(done)
    return Backtest(
        portfolio=first.portfolio, tolerance=first.tolerance, policy=policy, plans=forward.plans, replay=done,
        paths=found, attribution=attribute(done), sold=_sold(found.unhedged, first.tolerance.coverage),
        findings=tuple(dict.fromkeys((*forward.findings, *done.findings))),
    )  # fmt: skip


def spare_cash(plan: HedgePlan) -> dict[str, Decimal]:
    """Cash the holder named that the plan does not post; nothing where no amount was named."""
    named = plan.tolerance.collateral
    if named is None:
        return {}
    left = named - sum((margin.cash for margin in plan.margins), Decimal(0))
    return {"USDT": left} if left > 0 else {}


def _sold(unhedged: FloatArray, share: float) -> FloatArray:
    """Value through time had ``share`` of every coin been sold at the start, after its cost."""
    kept: FloatArray = unhedged[0] * share * (1.0 - SALE_COST) + unhedged * (1.0 - share)
    return kept


def with_policy(test: Backtest, policy: Policy, source: MarketSource) -> Backtest:
    """The same plans kept alive by another policy."""
    forward = Forward(test.plans, ())
    return run(forward, source, replace(policy, replan=test.policy.replan), end=test.end, reserve=test.replay.reserve)
