"""The due-diligence score of a venue and the cap that follows from it.

The score is a sum of eight components, 100 points in all::

    points_c = max_c * q_c                          if q_c <= u
             = max_c * (u + (q_c - u) * w)          otherwise

``q_c`` in [0, 1] is the quality the facts claim, ``u = 0.25`` what an unknown fact earns, and ``w`` the weight of the
evidence: good news counts only as far as it is proven, bad news counts in full. Evidence older than three years
weighs half. Nothing dated after the day of the decision is read; lists of events are cut at that day.

The cap is the largest share of the portfolio's value that may be posted at the venue as collateral::

    cap = 0.5 * (1 - ((100 - score) / 70)^2)   for a score above 30, else 0

A venue that is closed, compromised, or not known to be active on that day scores 0 and has a cap of 0. The numbers are
a convention, chosen so that unknown facts cost and no venue ever holds more than half; they are not estimates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from stormsail.core import Evidence, Sourced, Unavailable
from stormsail.instruments.types import VenueRecord, VenueScore

UNKNOWN = 0.25
"""Share of a component's points that an unknown fact earns."""

WEIGHTS: Mapping[Evidence, float] = {
    Evidence.ON_CHAIN: 1.0,
    Evidence.MEASURED: 1.0,
    Evidence.VENUE_DOC: 0.9,
    Evidence.REPORTED: 0.8,
    Evidence.SELF_REPORTED: 0.5,
    Evidence.ASSUMED: 0.25,
}
"""How far evidence carries a good claim."""

STALE = timedelta(days=3 * 365)
"""Age from which evidence weighs half."""

FORGETTING = timedelta(days=2 * 365)
"""Half-life of an event's penalty."""

CAP_AT_FULL = 0.5
NO_CAP_BELOW = 30.0

_PROOFS = {"on-chain": 1.0, "audited": 0.85, "merkle": 0.7, "self-reported": 0.45, "none": 0.0}
_DESIGNS = {"several sources": 0.9, "validators": 0.8, "one source": 0.4, "own book": 0.2}
_CONTROL = {"multisig": 0.7, "company": 0.5, "validators": 0.5, "one key": 0.1}


@dataclass(frozen=True, slots=True)
class _Part:
    """A component: its points, the facts it reads, and the quality these claim on a day."""

    name: str
    points: float
    facts: tuple[str, ...]
    quality: Callable[[Mapping[str, Any], date], float]


def cap(score: float) -> float:
    """Largest share of the portfolio's value at a venue with that score; see the module's formula.

    >>> cap(30.0), cap(65.0), cap(100.0)
    (0.0, 0.375, 0.5)
    """
    missing = min(1.0, (100.0 - score) / (100.0 - NO_CAP_BELOW))
    return CAP_AT_FULL * (1.0 - missing * missing)


def score(record: VenueRecord, as_of: date) -> VenueScore:
    """Score a venue as it was known on a day.

    Args:
        record: The venue's facts.
        as_of: Day of the decision; later facts and events are not read.
    """
    stop = _hard_stop(record, as_of)
    if stop:
        return VenueScore(record.key, 0.0, dict.fromkeys((part.name for part in PARTS), 0.0), 0.0, (stop,))
    parts: dict[str, float] = {}
    reasons: list[str] = []
    for part in PARTS:
        parts[part.name], reason = _points(part, record, as_of)
        reasons += [reason] if reason else []
    fresh, reason = _transparency(record, as_of)
    parts["transparency"] = fresh
    reasons += [reason] if reason else []
    total = sum(parts.values())
    return VenueScore(record.key, total, parts, cap(total), tuple(reasons))


def _hard_stop(record: VenueRecord, on: date) -> str:
    status = record.known("status", on) if "status" in record.facts else None
    if isinstance(status, Unavailable):
        return f"hard stop: not known to be active on {on}"
    word = status.value if status else record.status
    return "" if word == "active" else f"hard stop: {word}"


def _read(record: VenueRecord, name: str, on: date) -> Sourced[Any] | Unavailable:
    """The fact as known on a day; a list of events is known at all times, as far as its events lie before."""
    if name not in _EVENTS:
        return record.known(name, on)
    fact = record.facts.get(name, Unavailable("not recorded"))
    if isinstance(fact, Unavailable):
        return fact
    return Sourced(tuple(e for e in fact.value if e["date"] <= on), fact.source, fact.as_of, fact.evidence)


def _weight(fact: Sourced[Any], on: date) -> float:
    return WEIGHTS[fact.evidence] * (0.5 if on - fact.as_of > STALE else 1.0)


def _points(part: _Part, record: VenueRecord, on: date) -> tuple[float, str]:
    read = {name: _read(record, name, on) for name in part.facts}
    known = {name: fact for name, fact in read.items() if not isinstance(fact, Unavailable)}
    main = known.get(part.facts[0])
    unknown = ", ".join(name for name in part.facts if name not in known)
    if main is None:
        return part.points * UNKNOWN, f"{part.name} {part.points * UNKNOWN:.1f} of {part.points:g}: {unknown} unknown"
    quality = min(1.0, max(0.0, part.quality({name: fact.value for name, fact in known.items()}, on)))
    if unknown:
        quality = min(quality, (quality + UNKNOWN) / 2)
    weight = _weight(main, on)
    earned = part.points * (quality if quality <= UNKNOWN else UNKNOWN + (quality - UNKNOWN) * weight)
    if earned >= part.points - 0.05:
        return earned, ""
    notes = [f"{unknown} unknown"] if unknown else []
    notes += [f"claim {quality:.0%}, {main.evidence.value} of {main.as_of}", *_told(part.facts, known)]
    return earned, f"{part.name} {earned:.1f} of {part.points:g}: {'; '.join(notes)}"


def _told(names: tuple[str, ...], known: Mapping[str, Sourced[Any]]) -> list[str]:
    events = [event for name in names if name in _EVENTS and name in known for event in known[name].value]
    return [f"{event['date']} {event['what']}" for event in events]


def _decay(event: Mapping[str, Any], on: date) -> float:
    return float(2.0 ** (-((on - event["date"]) / FORGETTING)))


def severity(loss_usd: float | None) -> float:
    """Weight of a theft in [0.05, 1]: ``0.2 + 0.25 log10(loss / 1 million)``; 0.5 where the loss is unknown.

    >>> severity(1e6), severity(1.46e9)
    (0.2, 0.991...)
    """
    if loss_usd is None:
        return 0.5
    return min(1.0, max(0.05, 0.2 + 0.25 * math.log10(max(loss_usd, 1.0) / 1e6)))


def _security(facts: Mapping[str, Any], on: date) -> float:
    """One less, for each theft, its severity, halved if users were made whole, halved every two years."""
    penalties = (
        severity(event.get("loss_usd")) * (0.5 if event.get("made_whole") else 1.0) * _decay(event, on)
        for event in facts["incidents"]
    )
    return 1.0 - sum(penalties)


def _proof(facts: Mapping[str, Any], on: date) -> float:
    proof = facts["collateral_proof"]
    return 0.0 if proof.get("lowest_ratio", 1.0) < 1.0 else _PROOFS[proof["method"]]


def _insurance(facts: Mapping[str, Any], on: date) -> float:
    """0 at one million USD, 1 at one billion, logarithmic; 0.4 for a fund of unknown size."""
    amount = facts["insurance_fund"].get("usd")
    return 0.4 if amount is None else (math.log10(max(amount, 1.0)) - 6.0) / 3.0


def _oracle(facts: Mapping[str, Any], on: date) -> float:
    incidents = facts.get("oracle_incidents", ())
    return _DESIGNS[facts["oracle"]["design"]] - sum(0.3 * _decay(event, on) for event in incidents)


def _liquidation(facts: Mapping[str, Any], on: date) -> float:
    adl = facts["adl"]
    return 0.5 + 0.2 * bool(adl.get("ranking")) + 0.2 * bool(adl.get("indicator")) + 0.1 * ("price" in adl)


def _governance(facts: Mapping[str, Any], on: date) -> float:
    return _CONTROL[facts["control"]["who"]] - sum(0.15 * _decay(event, on) for event in facts.get("halts", ()))


def _liquidity(facts: Mapping[str, Any], on: date) -> float:
    """0 at ten million USD a day, 1 at 32 billion, logarithmic."""
    return (math.log10(max(facts["liquidity"]["daily_volume_usd"], 1.0)) - 7.0) / 3.5


_EVENTS = ("incidents", "oracle_incidents", "halts")

PARTS = (
    _Part("security", 20.0, ("incidents",), _security),
    _Part("collateral proof", 20.0, ("collateral_proof",), _proof),
    _Part("insurance", 10.0, ("insurance_fund",), _insurance),
    _Part("oracle", 15.0, ("oracle", "oracle_incidents"), _oracle),
    _Part("liquidation", 10.0, ("adl",), _liquidation),
    _Part("governance", 10.0, ("control", "halts"), _governance),
    _Part("liquidity", 10.0, ("liquidity",), _liquidity),
)
"""The components; ``transparency`` (5 points) comes on top: the share of their facts known and younger than 3 years."""


def _transparency(record: VenueRecord, on: date) -> tuple[float, str]:
    names = [name for part in PARTS for name in part.facts]
    read = {name: _read(record, name, on) for name in names}
    poor = [n for n, fact in read.items() if isinstance(fact, Unavailable) or on - fact.as_of > STALE]
    earned = 5.0 * (1.0 - len(poor) / len(names))
    return earned, f"transparency {earned:.1f} of 5: unknown or old: {', '.join(poor)}" if poor else ""
