"""Margin tiers, liquidation, and the collateral that keeps a promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum


class MarginMode(StrEnum):
    """Whether collateral stands behind one position or behind all of a venue's."""

    ISOLATED = "isolated"
    CROSS = "cross"


@dataclass(frozen=True, slots=True, order=True)
class Tier:
    """One maintenance-margin bracket: ``floor < notional <= cap``.

    The maintenance margin of a notional ``v`` in it is ``v * rate - deduction``, continuous from tier to tier.
    """

    floor: Decimal
    cap: Decimal
    rate: Decimal
    deduction: Decimal
    max_leverage: Decimal


@dataclass(frozen=True, slots=True)
class TierTable:
    """The brackets of one contract from one date.

    Attributes:
        contract: Contract id.
        effective_from: First day the table holds.
        tiers: By rising notional, without gaps, starting at 0.
        source: Where it was read.
        assumed: Whether it stands in for an unknown table.
    """

    contract: str
    effective_from: date
    tiers: tuple[Tier, ...]
    source: str
    assumed: bool = False

    def __post_init__(self) -> None:
        if not self.tiers or self.tiers[0].floor != 0:
            raise ValueError(f"{self.contract}: tiers must start at notional 0")
        for low, high in zip(self.tiers, self.tiers[1:], strict=False):
            if low.cap != high.floor:
                raise ValueError(f"{self.contract}: tiers leave a gap between {low.cap} and {high.floor}")


@dataclass(frozen=True, slots=True)
class Liquidation:
    """Where a position is liquidated.

    Attributes:
        price: Mark price of liquidation.
        bankruptcy: Price at which the margin balance is zero.
        tier: Index of the tier that holds at the liquidation price.
    """

    price: Decimal
    bankruptcy: Decimal
    tier: int


@dataclass(frozen=True, slots=True)
class Unliquidatable:
    """No price on the dangerous side liquidates the position."""

    reason: str

    def __str__(self) -> str:
        return f"cannot be liquidated ({self.reason})"


MaybeLiquidation = Liquidation | Unliquidatable


@dataclass(frozen=True, slots=True)
class UpMove:
    """The rise that one method says must be survived.

    Attributes:
        method: Name of the method.
        move: Rise as a fraction of today's price.
        detail: Parameters and sample, in one line.
        n: Observations behind it.
        asked: What it said before the ceiling held it (:func:`~stormsail.margin.floor.ceiling_rise`), if it did.
    """

    method: str
    move: float
    detail: str
    n: int
    asked: float | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """One method's view of the rises within one top-up span.

    Attributes:
        rise: The rise it wants survived.
        exceed: The chance it gives to a rise reaching a level, for any other level.
    """

    rise: UpMove
    exceed: Callable[[float], float] = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """Name of the method."""
        return self.rise.method

    @property
    def move(self) -> float:
        """The rise as a fraction of today's price."""
        return self.rise.move


@dataclass(frozen=True, slots=True)
class Promise:
    """The promise collateral must keep.

    Attributes:
        alpha: Largest chance of liquidation over ``horizon``.
        horizon: Span of ``alpha`` (30 days by custom).
        top_up: Time until more collateral arrives.
        survive: Rise to be survived whatever the methods say.
    """

    alpha: float
    horizon: timedelta
    top_up: timedelta
    survive: float

    @property
    def alpha_per_top_up(self) -> float:
        """Chance allowed in one top-up span, by the union bound: ``alpha * top_up / horizon``."""
        return self.alpha * (self.top_up / self.horizon)


@dataclass(frozen=True, slots=True)
class CollateralRequirement:
    """Collateral per unit of short notional.

    Attributes:
        subject: Contract id, or a venue's book.
        move: Rise that must be survived: the largest of ``methods``.
        decided_by: Method that decided.
        methods: All methods, largest first.
        maintenance_rate: Maintenance rate at the liquidation price.
        rate: Collateral as a fraction of notional: ``move + maintenance_rate * (1 + move) + extras``.
        extras: Allowance for funding at its cap, fees and the collateral's own haircut, as a fraction.
        chance: Chance of liquidation before a top-up at this collateral, by method.
    """

    subject: str
    move: float
    decided_by: str
    methods: tuple[UpMove, ...]
    maintenance_rate: float
    rate: float
    extras: float
    chance: tuple[tuple[str, float], ...]
