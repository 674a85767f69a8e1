"""The holder's policy: when positions follow their targets, and what is done when margin runs short.

A policy is data. The functions that read it (:mod:`~stormsail.watch.ladder`, :mod:`~stormsail.watch.roll`, ...) are
given what can be seen and answer with acts; they are the same for the desk and for the lab.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise

from stormsail.core import ConfigError


def _span(value: timedelta, where: str) -> None:
    if value < timedelta(hours=1) or value % timedelta(hours=1):
        raise ConfigError(f"{value} is not a whole number of hours", cure="write a span such as 1h or 7d", where=where)


def _not_past(value: timedelta, where: str) -> None:
    if value < timedelta(0):
        raise ConfigError(f"{value} is before now", cure="write a span such as 1h or 7d", where=where)


class Follow(StrEnum):
    """How positions follow their targets.

    ``hold`` trades once; ``clock`` trades to the target at fixed times; ``band`` looks at fixed times and trades only
    when a position has left its no-trade band.
    """

    HOLD = "hold"
    CLOCK = "clock"
    BAND = "band"


class Lost(StrEnum):
    """What is done when a venue has closed a short (liquidation or auto-deleveraging)."""

    REHEDGE = "rehedge"
    SELL = "sell"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Rebalance:
    """When positions follow their targets.

    Attributes:
        follow: Hold, clock or band.
        every: Time between two looks, a multiple of an hour.
        half_width: Half the no-trade band as a fraction of the target; ``None`` for the cube-root law.
        to_edge: Trade to the band's edge instead of to the target.
    """

    follow: Follow = Follow.BAND
    every: timedelta = timedelta(hours=1)
    half_width: float | None = None
    to_edge: bool = True

    def __post_init__(self) -> None:
        _span(self.every, "rebalance.every")
        if self.half_width is not None and not 0 < self.half_width < 1:
            raise ConfigError(
                f"half_width {self.half_width} is not between 0 and 1",
                cure="give a fraction such as 0.05, or leave it out for the cube-root law",
                where="rebalance.half_width",
            )


@dataclass(frozen=True, slots=True)
class Ladder:
    """What is done as the margin ratio (requirement over balance) rises; rungs rise from first to last.

    Rungs lie low because maintenance is a small share of a short: with 1 % of it, a ratio of 10 % leaves a rise of
    9 % to liquidation, one of 50 % less than 1 %.

    Attributes:
        warn: Ratio at which the holder is told.
        top_up: Ratio at which collateral is sent from the reserve.
        top_up_to: Ratio it should bring.
        reduce: Ratio at which shorts are reduced if nothing is on the way or the reserve is empty.
        reduce_to: Ratio the reduction should bring.
        close: Ratio at which the account's shorts are closed.
        with_spot: Sell the coins that a reduced or closed short protected, so that nothing is left naked.
        withdraw: Ratio below which collateral beyond ``top_up_to`` goes back to the reserve; 0 for never.
        latency: Time from deciding on a transfer to its arrival.
        move: Instead of reducing or closing a short, open it at another venue where an account has room for it.
    """

    warn: float = 0.05
    top_up: float = 0.1
    top_up_to: float = 0.03
    reduce: float = 0.3
    reduce_to: float = 0.15
    close: float = 0.6
    with_spot: bool = False
    withdraw: float = 0.0
    latency: timedelta = timedelta(hours=24)
    move: bool = False

    def __post_init__(self) -> None:
        rungs = (self.withdraw, self.warn, self.top_up, self.reduce, self.close)
        if rungs[0] < 0 or rungs[-1] >= 1 or any(a >= b for a, b in pairwise(rungs)):
            raise ConfigError(
                f"rungs {', '.join(f'{r:g}' for r in rungs)} do not rise from 0 to below 1",
                cure="order them withdraw < warn < top_up < reduce < close < 1",
                where="ladder",
            )
        if not (self.withdraw < self.top_up_to < self.top_up and self.top_up_to <= self.reduce_to < self.reduce):
            raise ConfigError(
                f"top_up_to {self.top_up_to:g}, reduce_to {self.reduce_to:g}",
                cure="top_up_to must lie below top_up, reduce_to below reduce, and both above withdraw",
                where="ladder",
            )
        _not_past(self.latency, "ladder.latency")


@dataclass(frozen=True, slots=True)
class Roll:
    """When a dated contract is replaced by the next.

    Attributes:
        before: Latest start of the roll before the expiry's averaging window.
        slices: Steps of the roll, one per look.
        early: Annual basis the next contract must offer beyond this one's and the cost of trading to be rolled earlier.
    """

    before: timedelta = timedelta(hours=24)
    slices: int = 4
    early: float = 0.02

    def __post_init__(self) -> None:
        _span(self.before, "roll.before")
        if self.slices < 1:
            raise ConfigError(f"{self.slices} slices", cure="give at least one", where="roll.slices")


@dataclass(frozen=True, slots=True)
class Switch:
    """When a perpetual is exchanged for a dated contract or back.

    Attributes:
        gain: Annual carry the other must promise beyond the cost of changing over.
        hold: Shortest time between two changes.
    """

    gain: float = 0.05
    hold: timedelta = timedelta(days=7)

    def __post_init__(self) -> None:
        if self.gain < 0:
            raise ConfigError(f"gain {self.gain:g}", cure="give a yearly fraction of 0 or more", where="switch.gain")
        _not_past(self.hold, "switch.hold")


@dataclass(frozen=True, slots=True)
class AfterLoss:
    """What is done when a venue has closed a short.

    Attributes:
        then: Short again elsewhere, sell the coins, or nothing.
        latency: Time it takes to do so.
    """

    then: Lost = Lost.REHEDGE
    latency: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        _not_past(self.latency, "after_loss.latency")


@dataclass(frozen=True, slots=True)
class Policy:
    """How protection is kept alive.

    Attributes:
        rebalance: When positions follow their targets.
        ladder: What is done when margin runs short; ``None`` for nothing.
        roll: How dated contracts are replaced; ``None`` lets them expire.
        switch: Whether perpetual and dated are exchanged for each other; ``None`` for never.
        after_loss: What follows when a venue has closed a short.
        replan: Time after which the plan is made anew; ``None`` for never.
    """

    rebalance: Rebalance = field(default_factory=Rebalance)
    ladder: Ladder | None = field(default_factory=Ladder)
    roll: Roll | None = field(default_factory=Roll)
    switch: Switch | None = None
    after_loss: AfterLoss = field(default_factory=AfterLoss)
    replan: timedelta | None = None

    def __post_init__(self) -> None:
        if self.replan is not None:
            _span(self.replan, "replan")


HOLD = Policy(Rebalance(Follow.HOLD), ladder=None, roll=None, after_loss=AfterLoss(Lost.NOTHING))
"""Trade once and touch nothing after."""
