"""Hedge ratios and how well they did."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from stormsail.core import Unavailable, from_float, times


@dataclass(frozen=True, slots=True)
class ValueRatio:
    """Futures notional short per unit of spot *value*; it comes from returns.

    >>> ValueRatio(1.5).notional(Decimal("50000"))
    Decimal('75000.0')
    """

    value: float

    def notional(self, spot_value: Decimal) -> Decimal:
        """Notional to short against ``spot_value``, exact."""
        return times(from_float(self.value), spot_value)


@dataclass(frozen=True, slots=True)
class UnitRatio:
    """Futures *units* short per unit of spot; it comes from price changes.

    >>> UnitRatio(0.5).units(Decimal("10"))
    Decimal('5.0')
    """

    value: float

    def units(self, spot_units: Decimal) -> Decimal:
        """Units to short against ``spot_units``, exact."""
        return times(from_float(self.value), spot_units)

    def to_value(self, spot_price: float, futures_price: float) -> ValueRatio:
        """The same hedge as a ratio of values: ``h_value = h_unit * F / S`` (prices per coin)."""
        return ValueRatio(self.value * futures_price / spot_price)


@dataclass(frozen=True, slots=True)
class HedgeRatio:
    """The ratios of one target against one or several instruments.

    Attributes:
        target: What is hedged: an asset or ``portfolio``.
        instruments: Names, length k.
        values: Ratios, one per instrument.
        errors: Standard errors (HAC or block bootstrap); NaN for a ratio that is not estimated (naive).
        estimator: Which estimator made it.
        n: Number of observations.
        window: First and last day and bar.
        borrowed_from: Group a young coin borrowed strength from.
    """

    target: str
    instruments: tuple[str, ...]
    values: tuple[ValueRatio, ...]
    errors: tuple[float, ...]
    estimator: str
    n: int
    window: str
    borrowed_from: str | None = None


@dataclass(frozen=True, slots=True)
class Effectiveness:
    """How much risk a hedge removed out of sample.

    Attributes:
        value: ``1 - Var(hedged) / Var(unhedged)`` (Ederington 1979); can be negative.
        low, high: Block-bootstrap 95 % interval.
        es_95_cut: Relative reduction of 95 % expected shortfall.
        worst_day_unhedged, worst_day_hedged: Return of the unhedged worst day, and of the hedged book on that day.
        value_worst_days: Effectiveness on the worst 5 % of unhedged days.
        n: Out-of-sample observations.
        window: First and last day and bar.
    """

    value: float
    low: float
    high: float
    es_95_cut: float
    worst_day_unhedged: float
    worst_day_hedged: float
    value_worst_days: float
    n: int
    window: str


@dataclass(frozen=True, slots=True)
class ContestRow:
    """One estimator in the walk-forward contest.

    Attributes:
        estimator: Name.
        effectiveness: Out of sample.
        gain_over_naive: Difference of effectiveness to ratio 1.
        p_value: One-sided p of "no better than naive" (Diebold-Mariano, HAC); 1 for naive itself.
        p_holm: The same corrected for the number of estimators tried (Holm).
        mean_ratio: Mean of each ratio over the walk.
        turnover: Mean absolute change of the ratios per step.
    """

    estimator: str
    effectiveness: Effectiveness
    gain_over_naive: float
    p_value: float
    p_holm: float
    mean_ratio: tuple[float, ...]
    turnover: float


@dataclass(frozen=True, slots=True)
class Contest:
    """The estimators side by side on one target and one set of instruments.

    Attributes:
        target: What is hedged.
        instruments: With what.
        rows: By falling simplicity; naive first.
        winner: The simplest estimator not beaten significantly.
        reason: Why it won, in one line.
        ratio: The winner's ratio as of now.
    """

    target: str
    instruments: tuple[str, ...]
    rows: tuple[ContestRow, ...]
    winner: str
    reason: str
    ratio: HedgeRatio


MaybeEffectiveness = Effectiveness | Unavailable
