"""Many settings of one portfolio's protection on one course, and how far the best of them can be believed.

Plans are made once for each tolerance, the course is recorded once, and every setting is a replay: a shard anyone may
compute. The best of many settings is partly luck. So it is chosen on the first half of the span and judged on the
second, with its rank there among all that were tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from stormsail.audit import Tolerance
from stormsail.core import InputError, Portfolio, StormsailError, UnavailableError
from stormsail.instruments.types import VenueRecord
from stormsail.lab.backtest import cash_beside
from stormsail.lab.course import Course, record
from stormsail.lab.fleet_backtest import Figures, figures_of
from stormsail.lab.fleet_setup import narrowed
from stormsail.lab.forward import Forward, moments, plans_forward
from stormsail.lab.replay import replay
from stormsail.lab.result import paths
from stormsail.lab.setup import coins_of, contracts_of, set_up
from stormsail.lab.summary import deepest_fall, every_day
from stormsail.market.once import ReadOnce
from stormsail.market.panel import FloatArray
from stormsail.market.source import MarketSource, MarketView
from stormsail.watch.policy import Policy

TAIL = 0.05
"""Share of the days that is the tail."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of the grid.

    Attributes:
        told: Names and values as they were given.
        tolerance: What is wanted.
        policy: How it is kept alive.
    """

    told: tuple[tuple[str, str], ...]
    tolerance: Tolerance
    policy: Policy


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the span by the criteria there are, higher is better.

    Attributes:
        change: Change of what is held, as a share of the coins' value at its beginning.
        fall: Deepest fall, negative.
        tail: Mean daily change of the worst twentieth of the days, as a share of the value at its beginning.
        variance: Share of the variance of daily changes that was removed; NaN where nothing moved.
    """

    change: float
    fall: float
    tail: float
    variance: float


CRITERIA = tuple(Span.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one setting fared.

    Attributes:
        figures: Of the whole span; ``None`` where it could not be run.
        first, second: Of its halves.
        reason: Why it could not be run.
    """

    figures: Figures | None
    first: Span | None
    second: Span | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The best of many.

    Attributes:
        best: Its number.
        by: The criterion.
        tried: Settings that could be run.
        first: Its figure on the half it was chosen on.
        second: Its figure on the other half.
        usual: Median of all settings on the other half.
        rank: Its rank there, 1 is best.
        agreement: Spearman's correlation of the two halves over all settings; NaN where one of them says nothing.
    """

    best: int
    by: str
    tried: int
    first: float
    second: float
    usual: float
    rank: int
    agreement: float


@dataclass(frozen=True, slots=True)
class PlanSetting:
    """Makes the plans of one tolerance; workers elsewhere must find the data under the same path."""

    portfolio: Portfolio
    source: MarketSource
    venues: Callable[[], Mapping[str, VenueRecord]]
    start: datetime
    end: datetime

    def __call__(self, asked: tuple[Tolerance, timedelta | None]) -> Forward | str:
        """The plans, or why there are none."""
        tolerance, every = asked
        when = moments(self.start, self.end, every)
        try:
            return plans_forward(self.portfolio, ReadOnce(self.source), tolerance, venues=self.venues(), when=when)
        except StormsailError as error:
            return f"{error.code} {error.cause}"


@dataclass(frozen=True, slots=True)
class RunSetting:
    """Replays one setting: the number of its plans, and its policy."""

    course: Course
    forwards: tuple[Forward | str, ...]

    def __call__(self, asked: tuple[int, Policy]) -> Verdict:
        """See :class:`Verdict`."""
        number, policy = asked
        forward = self.forwards[number]
        if isinstance(forward, str):
            return Verdict(None, None, None, forward)
        plans = forward.plans
        contracts = {contract.id: contract for contract in contracts_of(plans)}
        coins = set(coins_of(plans[0])) | {contract.base for contract in contracts.values()}
        course = narrowed(self.course, contracts, coins)
        setup = set_up(plans, course)
        try:
            done = replay(
                course, setup.accounts, setup.holdings, setup.aim, policy, reserve=cash_beside(plans[0]),
                sellable=setup.sellable, turns=setup.turns,
            )  # fmt: skip
        except StormsailError as error:
            return Verdict(None, None, None, f"{error.code} {error.cause}")
        found = paths(done)
        half, days = len(course.times) // 2, every_day(course)
        first, second = (
            span_of(found.unhedged[part], found.hedged[part], days) for part in (slice(half + 1), slice(half, None))
        )
        return Verdict(figures_of(done, found), first, second)


def course_of(forwards: Sequence[Forward | str], source: MarketSource, *, start: datetime, end: datetime) -> Course:
    """One course with every contract that any of the plans orders.

    Raises:
        UnavailableError: If there are no plans at all.
    """
    made = [forward for forward in forwards if not isinstance(forward, str)]
    if not made:
        cause = next((f for f in forwards if isinstance(f, str)), "no setting")
        raise UnavailableError(cause, cure="mend this first; no setting could be planned", where="settings")
    contracts = contracts_of([plan for forward in made for plan in forward.plans])
    return record(MarketView(ReadOnce(source), end), contracts, coins_of(made[0].plans[0]), start=start)


def span_of(unhedged: FloatArray, hedged: FloatArray, days: slice) -> Span:
    """A part of the span by every criterion.

    Args:
        unhedged, hedged: Values at each moment, shape (T,).
        days: The moments that begin a day.
    """
    value = float(unhedged[0])
    moved, alone = np.diff(hedged[days]), np.diff(unhedged[days])
    worst = np.sort(moved)[: max(1, round(TAIL * len(moved)))]
    spread = float(np.var(alone)) if len(alone) else 0.0
    return Span(
        change=float(hedged[-1] - hedged[0]) / value,
        fall=-deepest_fall(hedged),
        tail=float(worst.mean()) / value if len(worst) else float("nan"),
        variance=1.0 - float(np.var(moved)) / spread if spread > 0 else float("nan"),
    )


def choose(verdicts: Sequence[Verdict], by: str) -> Choice:
    """Choose on the first half, judge on the second; of equals the one given first.

    Raises:
        InputError: If there is no such criterion.
        UnavailableError: If no setting could be run.
    """
    if by not in CRITERIA:
        raise InputError(f"no criterion {by!r}", cure=f"one of {', '.join(CRITERIA)}", where="--by")
    halves = [
        (i, getattr(v.first, by), getattr(v.second, by))
        for i, v in enumerate(verdicts)
        if v.first is not None and v.second is not None
    ]
    known = [row for row in halves if not np.isnan(row[1]) and not np.isnan(row[2])]
    if not known:
        why = next((v.reason for v in verdicts if v.reason), f"{by} is not known of any")
        raise UnavailableError(why, cure="mend this first; no setting could be judged", where="settings")
    best, first, second = max(known, key=lambda row: (row[1], -row[0]))
    others = [row[2] for row in known]
    return Choice(
        best=best, by=by, tried=len(known), first=first, second=second, usual=float(np.median(others)),
        rank=1 + sum(other > second for other in others), agreement=_agreement([row[1] for row in known], others),
    )  # fmt: skip


def _agreement(one: Sequence[float], other: Sequence[float]) -> float:
    from scipy.stats import rankdata

    a, b = rankdata(one), rankdata(other)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
