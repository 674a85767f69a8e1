"""What a backtest comes to: its outcomes side by side, its worst days, its funding, and how near its accounts came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from stormsail.core import Unavailable
from stormsail.lab import _kernels as kernels
from stormsail.lab.course import DAY, Course
from stormsail.lab.effect import MaybeEffect, effects
from stormsail.lab.replay import Replay
from stormsail.lab.result import Attribution, Paths
from stormsail.market.panel import FloatArray

WORST = 10
"""Worst days that are told."""

FEWEST_DAYS = 40
"""Fewest days on which effects are judged by the day; shorter spans are judged by the bar."""

UNHEDGED, HEDGED, NAIVE, SOLD = "doing nothing", "hedged", "naive 1:1", "selling"
"""Names of the outcomes."""


@dataclass(frozen=True, slots=True)
class Fall:
    """The deepest fall of a path from a peak, as a fraction of the peak, with both moments."""

    depth: float
    peak: datetime
    trough: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the coins in one way of holding them.

    Attributes:
        name: Which way.
        first: Value before anything was traded, the same for all.
        last: Value at the end, the cash brought in for a hedge left out.
        fall: Deepest fall.
        worst_day: Change of value of its worst day.
        posted: Cash posted at the start.
        effect: What it removed of the risk of doing nothing; unavailable for doing nothing itself.
    """

    name: str
    first: float
    last: float
    fall: Fall
    worst_day: float
    posted: Decimal
    effect: MaybeEffect

    @property
    def change(self) -> float:
        """Change of value."""
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Day:
    """One day: change of value without and with the hedge.

    Attributes:
        until: Its end.
        value: Value of the coins at its beginning.
        unhedged, hedged: Changes.
    """

    until: datetime
    value: float
    unhedged: float
    hedged: float

    @property
    def hedge(self) -> float:
        """What the hedge did."""
        return self.hedged - self.unhedged


@dataclass(frozen=True, slots=True)
class Funding:
    """Funding of one contract over the span, in the currency of account; received is positive, paid negative.

    Attributes:
        contract: Contract id.
        received, paid: Sums of the settlements of either sign.
        settlements: Those that moved money.
        unknown: Settlements without a known rate while it was listed; they are left out.
        known: Whether any rate of it is known.
    """

    contract: str
    received: float
    paid: float
    settlements: int
    unknown: int
    known: bool

    @property
    def net(self) -> float:
        """Received less paid."""
        return self.received + self.paid


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """How one account fared.

    Attributes:
        name: Account.
        highest: Highest margin ratio at the end of a bar, NaN if it never held anything; 1 is liquidation.
        when: Its moment.
        liquidations: Bars in which the venue closed positions of it by force, in one step or several.
        sent: Collateral sent to it beyond the first deposit, less what was taken back, in the currency of account.
    """

    name: str
    highest: float
    when: datetime
    liquidations: int
    sent: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A backtest in figures, in the currency of account.

    Attributes:
        start, end: Span.
        step: Distance of two bars.
        judged_by: Distance of two moments on which effects are judged.
        plans: Plans in force, one after the other.
        outcomes: Doing nothing, hedged, naive, selling, in that order; what cannot be had is left out.
        missing: Outcomes left out, with the reason.
        attribution: Where the change of equity came from; exact.
        worst_days: The worst days of the coins, the worst first.
        funding: By contract.
        accounts: By account.
        events: Number of events of each kind.
    """

    start: datetime
    end: datetime
    step: timedelta
    judged_by: timedelta
    plans: int
    outcomes: tuple[Outcome, ...]
    missing: Mapping[str, str]
    attribution: Attribution
    worst_days: tuple[Day, ...]
    funding: tuple[Funding, ...]
    accounts: tuple[AccountRecord, ...]
    events: Mapping[str, int]

    def outcome(self, name: str) -> Outcome | None:
        """The outcome of that name."""
        return next((each for each in self.outcomes if each.name == name), None)


def every_day(course: Course) -> slice:
    """The moments a day apart, from the first on.

    Bars are an hour to a day long; where a day is no multiple of the bar, the moments lie the next multiple apart.
    """
    return slice(None, None, max(1, -(-DAY // course.step)))


def deepest_fall(values: FloatArray) -> float:
    """Largest fall from a peak, as a fraction of the peak.

    >>> deepest_fall(np.array([100.0, 120.0, 90.0, 130.0]))
    0.25
    """
    return float(drawdowns(values).max())


def drawdowns(values: FloatArray) -> FloatArray:
    """Fall from the highest value so far, as a fraction of it, at every moment, shape (T,).

    >>> drawdowns(np.array([100.0, 80.0, 120.0]))
    array([0. , 0.2, 0. ])
    """
    peaks = np.maximum.accumulate(values)
    return np.asarray(1.0 - values / peaks)


def fall_of(values: FloatArray, course: Course) -> Fall:
    """The deepest fall and its moments."""
    depths = drawdowns(values)
    trough = int(depths.argmax())
    peak = int(values[: trough + 1].argmax())
    return Fall(float(depths[trough]), course.moment(peak), course.moment(trough))


def summarise(
    replay: Replay,
    paths: Paths,
    attribution: Attribution,
    rivals: Mapping[str, FloatArray | Unavailable],
    plans: int,
    posted: Mapping[str, Decimal],
) -> Summary:
    """Work the summary out.

    Args:
        replay: What happened.
        paths: Its values through time.
        attribution: Where the change came from.
        rivals: Values of other ways through the same moments by name, or why there are none.
        plans: How many plans were in force.
        posted: Cash posted at the start, by name; none where a name is missing.
    """
    course = replay.course
    known = {name: values for name, values in rivals.items() if not isinstance(values, Unavailable)}
    ways = {UNHEDGED: paths.unhedged, HEDGED: paths.hedged, **known}
    days = every_day(course)
    daily = len(course.times[days]) > FEWEST_DAYS
    picked = days if daily else slice(None)
    width = 1.0 if daily else DAY / course.step
    judged = effects(
        paths.unhedged[picked],
        {name: values[picked] for name, values in ways.items() if name != UNHEDGED},
        block=max(5.0, width),
    )
    return Summary(
        start=course.moment(0),
        end=course.moment(len(course.times) - 1),
        step=course.step,
        judged_by=course.step * (days.step if daily else 1),
        plans=plans,
        outcomes=tuple(
            _outcome(name, values, float(paths.unhedged[0]), course, posted.get(name, Decimal(0)), judged.get(name))
            for name, values in ways.items()
        ),
        missing={name: why.reason for name, why in rivals.items() if isinstance(why, Unavailable)},
        attribution=attribution,
        worst_days=worst_days(paths, course),
        funding=funding_by_contract(replay),
        accounts=_accounts(replay, paths),
        events=dict(sorted(Counter(line.what for line in replay.log).items())),
    )


def _outcome(
    name: str, values: FloatArray, first: float, course: Course, posted: Decimal, found: MaybeEffect | None
) -> Outcome:
    daily = np.diff(values[every_day(course)])
    return Outcome(
        name=name,
        first=first,
        last=float(values[-1]),
        fall=fall_of(values, course),
        worst_day=float(daily.min()) if len(daily) else float("nan"),
        posted=posted,
        effect=found if found is not None else Unavailable("it is the yardstick"),
    )


def worst_days(paths: Paths, course: Course, count: int = WORST) -> tuple[Day, ...]:
    """The days on which the coins lost most, the worst first."""
    pick = every_day(course)
    unhedged, hedged = paths.unhedged[pick], paths.hedged[pick]
    times = course.times[pick]
    lost = np.diff(unhedged)
    order = np.argsort(lost, kind="stable")[:count]
    stamps = [int(np.searchsorted(course.times, times[i + 1])) for i in order]
    return tuple(
        Day(course.moment(stamp), float(unhedged[i]), float(lost[i]), float(hedged[i + 1] - hedged[i]))
        for i, stamp in zip(order.tolist(), stamps, strict=True)
        if lost[i] < 0
    )


def funding_by_contract(replay: Replay) -> tuple[Funding, ...]:
    """Funding received and paid by each contract that was ever held or settled, sorted by contract."""
    course, books = replay.course, replay.books
    settled = np.flatnonzero(books.tape.settles >= 0)
    found = []
    for i, leg in enumerate(books.legs):
        if leg.contract.expiry is not None:
            continue
        c = int(books.terms.currency[i])
        money = replay.paid[: len(settled), i] * books.terms.quantum[c] * course.worth[settled, c]
        rates = books.tape.rate[:, i]
        unknown = int((rates == kernels.MISSING).sum())
        known = bool(course.settles[:, books.columns[i]].any())
        found.append(
            Funding(
                contract=leg.contract.id,
                received=float(money[money > 0].sum()),
                paid=float(money[money < 0].sum()),
                settlements=int((money != 0).sum()),
                unknown=unknown,
                known=known,
            )
        )
    return tuple(sorted(found, key=lambda row: row.contract))


def _accounts(replay: Replay, paths: Paths) -> tuple[AccountRecord, ...]:
    course, ratio = replay.course, paths.ratio
    found = []
    for a, account in enumerate(replay.books.accounts):
        column = ratio[:, a]
        known = np.isfinite(column) | np.isposinf(column)
        at = int(np.where(known, column, -1.0).argmax())
        ends = len({line.when for line in replay.log if line.what == "liquidation" and line.where == account.name})
        found.append(
            AccountRecord(
                account.name, float(column[at]) if known.any() else float("nan"), course.moment(at), ends,
                _sent(replay, a),
            )
        )  # fmt: skip
    return tuple(found)


def _sent(replay: Replay, account: int) -> float:
    """Transfers to an account less those from it, at the prices their currencies had."""
    from stormsail.lab.ledger import ACCOUNT, AMOUNT, CURRENCY, FLOW, STEP, Flow

    rows = replay.ledger
    moved = rows[(rows[:, ACCOUNT] == account) & (rows[:, FLOW] == Flow.TRANSFER)]
    worth = replay.course.worth[moved[:, STEP], moved[:, CURRENCY]]
    return float((moved[:, AMOUNT] * replay.books.terms.quantum[moved[:, CURRENCY]] * worth).sum())
