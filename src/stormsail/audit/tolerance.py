"""The holder's risk tolerance as one validated value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from stormsail.core import ToleranceError


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much to protect, for how long, and with what means.

    Attributes:
        coverage: Share of the exposure to protect, in (0, 1].
        survive: Market move that must be survived, in (0, 1): the portfolio falling by it must leave ``floor``,
            and the hedge rising by it must not be liquidated.
        horizon: How long the protection is wanted.
        collateral: Cash that can be posted, in the portfolio's currency; ``None`` means as much as is needed.
        floor: Value the portfolio must keep after falling by ``survive``; ``None`` for no floor.
        budget: Largest acceptable expected cost over the horizon; ``None`` for no limit.
        venues: Venues that may be used; empty means every venue that passes due diligence.
        liquidation_chance: Largest acceptable chance of a liquidation over 30 days.
        top_up: How long it takes to notice and to post more collateral.
        volume_share: Largest share of a contract's daily volume that the hedge may be.
        max_net_delta: Largest net short beyond the exposure, as a share of the exposure.
    """

    coverage: float = 0.5
    survive: float = 0.3
    horizon: timedelta = timedelta(days=30)
    collateral: Decimal | None = None
    floor: Decimal | None = None
    budget: Decimal | None = None
    venues: tuple[str, ...] = ()
    liquidation_chance: float = 0.01
    top_up: timedelta = timedelta(hours=24)
    volume_share: float = 0.01
    max_net_delta: float = 0.0

    def __post_init__(self) -> None:
        shares = {"coverage": (0, 1), "survive": (0, 0.99), "liquidation_chance": (0, 0.5), "volume_share": (0, 1)}
        for name, (low, high) in shares.items():
            value = getattr(self, name)
            if not low < value <= high:
                raise ToleranceError(
                    f"{name} is {value:g}, outside ({low}, {high}]",
                    cure="write a share such as 0.5 or 50%",
                    where=name,
                )
        for name in ("collateral", "floor", "budget"):
            amount = getattr(self, name)
            if amount is not None and (not amount.is_finite() or amount < 0):
                raise ToleranceError(f"{name} is {amount}", cure="give an amount of 0 or more", where=name)
        if not 0 <= self.max_net_delta <= 1:
            raise ToleranceError(
                f"max_net_delta is {self.max_net_delta:g}", cure="give a share from 0 to 1", where="max_net_delta"
            )
        for name in ("horizon", "top_up"):
            span = getattr(self, name)
            if span <= timedelta(0):
                raise ToleranceError(f"{name} is {span}", cure="give a span such as 30d or 12h", where=name)
        if self.top_up > self.horizon:
            raise ToleranceError(
                f"top_up {self.top_up} is longer than the horizon {self.horizon}",
                cure="shorten top_up or lengthen horizon",
                where="top_up",
            )
