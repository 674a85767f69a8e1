"""What came of storms over a plan, as values that print and can be written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from stormsail.core import Finding, Unavailable
from stormsail.lab.coin_moves import CoinMove
from stormsail.lab.effect import MaybeEffect
from stormsail.lab.replay import Happening
from stormsail.lab.result import Attribution

HELPS = 0.001
"""A change helps if it lifts the deepest point by at least this share of the coins' value."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Change of value since the moment before the hedge was opened, in the currency of account; losses are negative.

    Attributes:
        end: At the end.
        deepest: At the lowest moment.
        hour: Hour of the lowest moment.
    """

    end: float
    deepest: float
    hour: int


@dataclass(frozen=True, slots=True)
class Failure:
    """The first leg of the hedge that failed.

    Attributes:
        what: ``liquidation``, ``deleveraged``, ``venue gone``, ``delisted``, ``peg``, ``naked``, ...
        where: Account, contract or currency.
        when: Moment.
        hour: Hours since the first moment.
        reason: Why, with the figures.
    """

    what: str
    where: str
    when: datetime
    hour: int
    reason: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One change, run through the same storm.

    Attributes:
        name, what: Which.
        loss: With the hedge so changed; unavailable if the plan does not have it.
        gain: How much it lifts the deepest point.
        gain_end: How much it lifts the end.
    """

    name: str
    what: str
    loss: Loss | Unavailable
    gain: float
    gain_end: float


@dataclass(frozen=True, slots=True)
class StormResult:
    """What one storm did.

    Attributes:
        name, title: Of the storm.
        historical: Whether it is of the past.
        hours: Its length.
        value: Value of what is held before it.
        unhedged, hedged: Without and with the plan.
        naive: With every coin's own perpetual 1:1 instead, by the same policy.
        sold: Had the covered share been sold before, after its cost.
        failure: What failed first; ``None`` if nothing did.
        margin_ratio: Highest requirement over balance on an hourly mark; 1 is liquidation. NaN without shorts.
        nearest: Account that had it.
        reserve_used: Most that had been sent from the reserve at one time.
        attribution: Where the change with the hedge came from.
        effect: Variance, tail and fall removed within the storm.
        moves: How far each coin went, and why.
        tried: Every change.
        best: Name of the change that helps most; empty if none does.
        log: What was done and why.
        findings: What was noticed.
        failed: What failed at venues then, in words.
        path_unhedged, path_hedged: Change of value by hour.
        refused: Why the storm could not be run; empty if it was.
    """

    name: str
    title: str
    historical: bool
    hours: int
    value: float
    unhedged: Loss
    hedged: Loss
    naive: Loss | Unavailable
    sold: Loss
    failure: Failure | None
    margin_ratio: float
    nearest: str
    reserve_used: float
    attribution: Attribution
    effect: MaybeEffect
    moves: tuple[CoinMove, ...]
    tried: tuple[Tried, ...]
    best: str
    log: tuple[Happening, ...]
    findings: tuple[Finding, ...]
    failed: tuple[str, ...]
    path_unhedged: tuple[float, ...]
    path_hedged: tuple[float, ...]

    @property
    def saved(self) -> float:
        """How much higher the deepest point lies with the hedge."""
        return self.hedged.deepest - self.unhedged.deepest

    @property
    def recorded(self) -> int:
        """Coins that took the path they took then."""
        return sum(move.recorded for move in self.moves)

    @property
    def helper(self) -> Tried | None:
        """The change that helps most."""
        return next((each for each in self.tried if each.name == self.best), None)


@dataclass(frozen=True, slots=True)
class StressReport:
    """All storms over one plan.

    Attributes:
        plan_as_of: Moment of the plan; storms begin then, at its prices.
        portfolio: Its name.
        currency: Currency of account.
        value: Value of what is held, money included.
        short: Notional short.
        collateral: Posted, cash and coins.
        reserve: Cash outside the accounts by currency.
        covered: Share of the coins' value asked to be covered, and sold by the rival.
        storms: In the order given.
        refused: Storms that could not be run, and why.
        findings: About the whole.
    """

    plan_as_of: datetime
    portfolio: str
    currency: str
    value: float
    short: float
    collateral: float
    reserve: Mapping[str, Decimal]
    covered: float
    storms: tuple[StormResult, ...]
    refused: Mapping[str, str]
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        """The storms as a table."""
        lines = [f"{'storm':<24}{'unhedged':>11}{'hedged':>11}{'naive':>11}{'sold':>11}  first failure"]
        for s in self.storms:
            naive = "n/a" if isinstance(s.naive, Unavailable) else f"{s.naive.deepest:,.0f}"
            first = "none" if s.failure is None else f"{s.failure.what} at hour {s.failure.hour}, {s.failure.where}"
            lines.append(
                f"{s.name:<24}{s.unhedged.deepest:>11,.0f}{s.hedged.deepest:>11,.0f}{naive:>11}{s.sold.deepest:>11,.0f}"
                f"  {first}"
            )
        return "\n".join(lines)
