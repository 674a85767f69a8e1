"""What could hedge a holding, on which venue, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from stormsail.core import Contract, Evidence, Finding, Sourced, Unavailable
from stormsail.forecast.types import MaybeCarry
from stormsail.market.term import TermStructure
from stormsail.ratio.types import MaybeEffectiveness


class Route(StrEnum):
    """How a candidate is related to what it hedges."""

    DIRECT = "direct"
    DATED = "dated"
    INVERSE = "inverse"
    PROXY = "proxy"
    MIX = "mix"
    BASKET = "basket"


@dataclass(frozen=True, slots=True)
class Leg:
    """One contract of a candidate, with its share of the candidate's notional (a basket's weights add up to 1)."""

    contract: Contract
    weight: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could be shorted: one contract, a mix of two, or a basket.

    Attributes:
        name: Unique name: a contract id, ``BTC+ETH``, ``Alts-10``.
        route: Relation to the target.
        legs: Its contracts.
    """

    name: str
    route: Route
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """A candidate judged for one target.

    All money figures are fractions of the target's value over the horizon unless named otherwise.

    Attributes:
        target: Asset, or ``portfolio``.
        candidate: What is judged.
        effectiveness: Out of sample.
        risk_removed: Expected shortfall (95 %, horizon) removed.
        carry: Forecast carry of the short.
        cost: Fees and slippage, both ways.
        capacity: Notional that can be shorted within the volume share, in quote currency.
        venue_cap: Notional that the venue's cap leaves room for, in quote currency.
        score: ``risk_removed * min(1, room / need) + carry - cost``, with the least of the three as room.
        usable: Whether it may be used at all.
        reason: Why it stands where it stands, in one line.
        coins: Notional that the unlocked coins can back, in quote currency; ``inf`` where cash is the collateral.
    """

    target: str
    candidate: Candidate
    effectiveness: MaybeEffectiveness
    risk_removed: float
    carry: MaybeCarry
    cost: float
    capacity: float | Unavailable
    venue_cap: float
    score: float
    usable: bool
    reason: str
    coins: float = math.inf


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Candidates by target, best first.

    Attributes:
        by_asset: For every risky asset of the portfolio.
        portfolio: For the portfolio as a whole: all direct, BTC, ETH, BTC+ETH, basket.
        findings: What was noticed.
        curves: Term structures with a dated contract: of the coins held, and of BTC and ETH.
    """

    by_asset: Mapping[str, tuple[CandidateScore, ...]]
    portfolio: tuple[CandidateScore, ...]
    findings: tuple[Finding, ...]
    curves: tuple[TermStructure, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One trading rule of a venue, in force from a date until the next of its name.

    Attributes:
        name: ``funding``, ``fees``, ``settlement``, ``margin`` or ``defaults``.
        effective_from: First day in force, as far as the source says.
        source: Page it was read on.
        evidence: How well it is known.
        values: Its content, with the keys that :data:`stormsail.instruments.venues.RULES` lists.
    """

    name: str
    effective_from: date
    source: str
    evidence: Evidence
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VenueRecord:
    """Due diligence on one venue: dated, sourced facts; what is unknown is ``Unavailable``.

    Attributes:
        key: Venue key, such as ``binance``.
        name: Its name.
        type: ``exchange`` or ``protocol``.
        status: Latest known of ``active``, ``closed`` or ``compromised``; the last two are a hard stop.
        facts: Fact name to its latest sourced value.
        rules: Rule name to its versions, by rising ``effective_from``.
        earlier: Fact name to older values, by rising date; ``known`` reads them for a moment in the past.
    """

    key: str
    name: str
    type: str
    status: str
    facts: Mapping[str, Sourced[Any] | Unavailable]
    rules: Mapping[str, tuple[Rule, ...]]
    earlier: Mapping[str, tuple[Sourced[Any], ...]] = field(default_factory=dict)

    def known(self, name: str, on: date) -> Sourced[Any] | Unavailable:
        """The fact as it was known on a day: the newest value dated not after it."""
        latest = self.facts.get(name, Unavailable(f"{name} is not recorded for {self.key}"))
        if isinstance(latest, Unavailable):
            return latest
        past: tuple[Sourced[Any], ...] = self.earlier.get(name, ())
        versions = [fact for fact in (*past, latest) if fact.as_of <= on]
        return versions[-1] if versions else Unavailable(f"nothing was known of {name} on {on}")

    def rule(self, name: str, on: date) -> Rule | Unavailable:
        """The rule in force on a day; before the first dated version, that version (its date tells)."""
        versions = self.rules.get(name, ())
        if not versions:
            return Unavailable(f"no {name} rule is recorded for {self.key}")
        return next((rule for rule in reversed(versions) if rule.effective_from <= on), versions[0])


@dataclass(frozen=True, slots=True)
class VenueScore:
    """A venue's due-diligence score and the cap that follows from it.

    Attributes:
        venue: Venue key.
        score: From 0 to 100.
        parts: Component to points, as documented in ``docs/concepts/venues.md``.
        cap: Largest share of the portfolio's value that may be posted there as collateral. Open profit grows beyond it
            until it is drawn off.
        reasons: One line for each point lost, and each unknown.
    """

    venue: str
    score: float
    parts: Mapping[str, float]
    cap: float
    reasons: tuple[str, ...]
