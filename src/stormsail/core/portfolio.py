"""What is held: quantities, tax lots, and whether they may be sold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from stormsail.core.exact import plus


@dataclass(frozen=True, slots=True, order=True)
class Lot:
    """A quantity bought at one time.

    Attributes:
        quantity: Coins in the lot, positive.
        acquired: Day of purchase, if known.
        unit_cost: Cost of one coin in the portfolio's currency, if known.
    """

    quantity: Decimal
    acquired: date | None = None
    unit_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A spot position of one asset in one place.

    Attributes:
        asset: Symbol of the coin, upper case.
        quantity: Coins held, positive.
        lots: Tax lots, if known; they add up to ``quantity``.
        locked: Whether it cannot be sold now (staked, vesting, escrow).
        locked_until: First day it can be sold; ``None`` with ``locked`` means the date is unknown.
        venue: Where it lies: an exchange, a wallet name, or ``None``.
    """

    asset: str
    quantity: Decimal
    lots: tuple[Lot, ...] = ()
    locked: bool = False
    locked_until: date | None = None
    venue: str | None = None

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError(f"{self.asset}: a holding must be positive, not {self.quantity}")
        if self.lots and (total := plus(lot.quantity for lot in self.lots)) != self.quantity:
            raise ValueError(f"{self.asset}: lots add up to {total}, not {self.quantity}")

    def sellable(self, on: date) -> bool:
        """Whether it can be sold on that day."""
        if self.locked_until is not None:
            return on >= self.locked_until
        return not self.locked


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Spot holdings to be protected.

    Attributes:
        holdings: In the order they were read.
        name: A name for reports.
        currency: Currency of costs and reports; figures in stablecoins are taken at par and say so.
    """

    holdings: tuple[Holding, ...]
    name: str = "portfolio"
    currency: str = "USD"
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def assets(self) -> tuple[str, ...]:
        """Distinct assets, sorted."""
        return tuple(sorted({h.asset for h in self.holdings}))

    def quantities(self) -> dict[str, Decimal]:
        """Total coins per asset, sorted by asset."""
        return {asset: plus(h.quantity for h in parts) for asset, parts in sorted(self._by_asset().items())}

    def sellable_quantities(self, on: date) -> dict[str, Decimal]:
        """Coins per asset that can be sold on that day (0 where all is locked)."""
        return {
            asset: plus(h.quantity for h in parts if h.sellable(on))
            for asset, parts in sorted(self._by_asset().items())
        }

    def _by_asset(self) -> dict[str, list[Holding]]:
        parts: defaultdict[str, list[Holding]] = defaultdict(list)
        for holding in self.holdings:
            parts[holding.asset].append(holding)
        return parts
