"""What a storm file says: how far prices go and when, and what breaks beside them.

Time is counted in whole hours from the storm's first moment, moves are fractions of the price at that moment
(``-0.3`` is a fall by 30 %). A scenario knows no portfolio; :mod:`stormsail.lab.storm` lets it loose on a plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stormsail.core import STABLECOINS, InputError, suggest
from stormsail.core.symbol import PEGGED

ALTS, ALL = "alts", "all"
"""Names that stand for every coin but BTC and ETH, and for every coin."""

LARGEST = "largest"
"""The plan's venue or contract with the most short."""

BANKRUPT = "bankrupt"
"""The price at which a short has lost its profit and the collateral behind it."""


class Ground(StrEnum):
    """How a figure came to be known."""

    COMPUTED = "computed"
    REPORTED = "reported"
    RECALLED = "recalled"
    ASSUMED = "assumed"


class Blow(StrEnum):
    """What a venue does beyond prices."""

    GONE = "venue gone"
    DELEVERAGED = "deleveraged"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Grounds:
    """Where the figures of some sections come from."""

    of: tuple[str, ...]
    kind: Ground
    text: str


@dataclass(frozen=True, slots=True)
class Keyframe:
    """Where prices stand at an hour: coin, ``BTC``, ``ETH`` or ``alts`` to its move since the first moment."""

    hour: int
    moves: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Wick:
    """A price that is printed for a moment within an hour.

    Attributes:
        hour: The hour that ends then holds it.
        move: How far from the price at that hour.
        assets: Coins, or ``all`` or ``alts``.
        on: ``mark``, which liquidates, or ``last``, which does so only where the venue judges by it.
    """

    hour: int
    move: float
    assets: tuple[str, ...]
    on: str


@dataclass(frozen=True, slots=True)
class Oracle:
    """A mark price that is not the market's.

    Attributes:
        start, end: Hours between which it is wrong.
        assets: Coins, or ``all`` or ``alts``.
        off: How far it lies from the price, as a fraction; ``None`` for a mark that stands still.
    """

    start: int
    end: int
    assets: tuple[str, ...]
    off: float | None


@dataclass(frozen=True, slots=True)
class FundingSpell:
    """Funding between two hours: coin, ``alts`` or ``all`` to its rate per settlement."""

    start: int
    end: int
    every: int
    rate: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Peg:
    """What one unit of a stablecoin is worth: hours and prices, straight between them."""

    currency: str
    hours: tuple[int, ...]
    prices: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Drought:
    """Hours in which every trade costs ``factor`` times the slippage."""

    start: int
    end: int
    factor: float


@dataclass(frozen=True, slots=True)
class VenueBlow:
    """What a venue does.

    Attributes:
        what: Kind.
        hour: When.
        venue: Venue key, ``largest`` or ``all``.
        share, worse: Of an auto-deleveraging: share of each winning short, and how much dearer than the mark.
        end: Of a halt: hour from which transfers move again.
        reason: For the log.
    """

    what: Blow
    hour: int
    venue: str
    share: float
    worse: float
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Forced:
    """A contract settled for good at a price of the venue's choosing.

    Attributes:
        hour: When.
        contract: Contract id, coin, or ``largest``.
        move: Of the settlement price from that of the first moment; ``None`` for :data:`BANKRUPT`.
    """

    hour: int
    contract: str
    move: float | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One storm.

    Attributes:
        name: Short name, that of the file.
        title: One line.
        about: What happened, or what is supposed.
        window: First and last moment of an episode of the past, to be replayed on recorded bars where there are some;
            ``None`` for a storm that never was.
        hours: Length.
        keyframes: By rising hour, the first at hour 0 without moves.
        spread: Least and largest multiple of the alts' logarithmic move that an alt not named may take.
        judge: Which price liquidates: ``mark`` or ``last``.
        wicks, oracles, funding, pegs, droughts, blows, forced: What goes wrong beside the moves.
        failed: What failed at venues, in words.
        grounds: Where the figures come from.
        file: Where it was read.
    """

    name: str
    title: str
    about: str
    window: tuple[datetime, datetime] | None
    hours: int
    keyframes: tuple[Keyframe, ...]
    spread: tuple[float, float] = (0.5, 2.0)
    judge: str = "mark"
    wicks: tuple[Wick, ...] = ()
    oracles: tuple[Oracle, ...] = ()
    funding: tuple[FundingSpell, ...] = ()
    pegs: tuple[Peg, ...] = ()
    droughts: tuple[Drought, ...] = ()
    blows: tuple[VenueBlow, ...] = ()
    forced: tuple[Forced, ...] = ()
    failed: tuple[str, ...] = ()
    grounds: tuple[Grounds, ...] = ()
    file: str = ""

    @property
    def historical(self) -> bool:
        """Whether it is an episode of the past."""
        return self.window is not None

    @property
    def assets(self) -> dict[str, str]:
        """Every coin it names, with the key that names it."""
        found: dict[str, str] = {}
        for frame in self.keyframes:
            found.update((asset, f"moves.{asset}") for asset in frame.moves)
        for key, items in (("wick", self.wicks), ("oracle", self.oracles)):
            for item in items:
                found.update((asset, f"{key}.assets") for asset in item.assets)
        for spell in self.funding:
            found.update((asset, f"funding.rate.{asset}") for asset in spell.rate)
        found.update((each.contract, "settled.contract") for each in self.forced if ":" not in each.contract)
        return {asset: key for asset, key in sorted(found.items()) if asset not in (ALTS, ALL, LARGEST)}


def check_names(scenario: Scenario, coins: Iterable[str], venues: Iterable[str]) -> None:
    """See that every coin, stablecoin and venue a storm names is one that is known.

    Args:
        scenario: The storm.
        coins: Coins of the market data and of the plan.
        venues: Keys of the venue records.

    Raises:
        InputError: Naming the file, the key and the nearest known name.
    """
    known = {*coins, "BTC", "ETH"}
    for asset, key in scenario.assets.items():
        if asset not in known:
            raise InputError(
                f"unknown asset {asset!r}", cure=suggest(asset, known), where=f"{scenario.file or scenario.name}, {key}"
            )
    for peg in scenario.pegs:
        if peg.currency not in STABLECOINS | PEGGED:
            raise InputError(
                f"unknown stablecoin {peg.currency!r}", cure=suggest(peg.currency, STABLECOINS),
                where=f"{scenario.file or scenario.name}, peg.currency",
            )  # fmt: skip
    places = {*venues}
    for blow in scenario.blows:
        if blow.venue not in places | {LARGEST, ALL}:
            raise InputError(
                f"unknown venue {blow.venue!r}", cure=suggest(blow.venue, places | {LARGEST, ALL}),
                where=f"{scenario.file or scenario.name}, shock.venue",
            )  # fmt: skip
