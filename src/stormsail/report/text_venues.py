"""Venues: their due-diligence score, the cap that follows, and the facts behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from stormsail.core import Sourced, Unavailable
from stormsail.instruments.types import VenueRecord, VenueScore
from stormsail.report.format import clean, count, fixed, points
from stormsail.report.page import TOP, show_section
from stormsail.report.tables import Builder, Column, Section, Table, present

STATUS = {"active": "active", "closed": "CLOSED", "compromised": "COMPROMISED"}
_LONG = 60


def print_venues(
    console: Console,
    records: Mapping[str, VenueRecord],
    scores: Sequence[VenueScore],
    *,
    facts: bool = True,
    top: int = 4 * TOP,
) -> None:
    """Print the venues by score, then, if asked, every reason and every fact with its source and date.

    Args:
        console: Where to print; its width and encoding are respected.
        records: Due diligence by venue key; may lack a scored venue.
        scores: Scores in any order.
        facts: Whether to print reasons and facts.
        top: Rows shown of a long table.
    """
    show_section(console, venues_section(scores, records, facts=facts), top=top)


def venues_section(
    scores: Sequence[VenueScore],
    records: Mapping[str, VenueRecord] | None = None,
    *,
    used: Sequence[str] = (),
    facts: bool = False,
) -> Section:
    """The chapter on venues.

    Args:
        scores: In any order.
        records: Due diligence by venue key, for names and status.
        used: Venues a plan trades at; they are the ones to look at.
        facts: Whether a terminal is shown every reason and every fact too.
    """
    known = records or {}
    ranked = sorted(scores, key=lambda s: (-s.score, s.venue))
    told = [_facts(known[key]) for key in sorted(known)] if facts else []
    tables = present([_scores(ranked, known, used), _reasons(ranked, known, terminal=facts), *told])
    return Section("venues", "The venues, and how far to trust them", _lead(ranked, known), tables)


def _lead(ranked: Sequence[VenueScore], known: Mapping[str, VenueRecord]) -> tuple[str, ...]:
    if not ranked:
        return ("No venue was scored.",)
    best = ranked[0]
    text = f"{count(len(ranked), 'venue')} scored from 0 to 100 on dated, sourced facts; "
    text += f"{_name(best, known)} is highest with {fixed(best.score, 0)}."
    stopped = [_name(s, known) for s in ranked if s.cap <= 0]
    if stopped:
        text += f" Nothing may lie at {', '.join(stopped)}."
    return (text, "A fact that is unknown costs points; it is never assumed to be good.")


def _name(score: VenueScore, known: Mapping[str, VenueRecord]) -> str:
    return known[score.venue].name if score.venue in known else score.venue


def _scores(ranked: Sequence[VenueScore], known: Mapping[str, VenueRecord], used: Sequence[str]) -> Table:
    status = (Column("Status", number=False),) if known else ()
    build = Builder(
        "Scores and caps",
        (
            Column("Venue", number=False),
            *status,
            Column("Score", "of 100"),
            Column("Cap", "%"),
            Column("Points by part", number=False, drop=1),
        ),
        (
            "Cap: largest share of the portfolio's value that may be posted as collateral; open profit comes on top.",
            *(("* The plan trades there.",) if used else ()),
        ),
    )
    for score in ranked:
        parts = ", ".join(f"{name} {fixed(value, 0)}" for name, value in score.parts.items())
        record = known.get(score.venue)
        now = (STATUS.get(record.status, record.status) if record else "",) if known else ()
        strong = score.venue in used
        name = f"{_name(score, known)} *" if strong else _name(score, known)
        build.add(name, *now, fixed(score.score, 0), points(score.cap), parts, strong=strong)
    return build.table()


def _reasons(ranked: Sequence[VenueScore], known: Mapping[str, VenueRecord], *, terminal: bool) -> Table:
    """Every point lost, and every unknown."""
    columns = (Column("Venue", number=False), Column("Points lost, and what is unknown", number=False))
    build = Builder("Why", columns, terminal=terminal)
    for score in ranked:
        for i, reason in enumerate(score.reasons):
            build.add("" if i else _name(score, known), reason)
    return build.table()


def _facts(record: VenueRecord) -> Table:
    build = Builder(
        f"{record.name}: facts",
        (
            Column("Fact", number=False),
            Column("Value", number=False),
            Column("As of", number=False),
            Column("Evidence", number=False),
        ),
    )
    for name, fact in record.facts.items():
        title = name.replace("_", " ")
        if isinstance(fact, Unavailable):
            build.add(title, "unknown", "", "", note=fact.reason)
        else:
            build.add(title, _value(fact), f"{fact.as_of:%Y-%m-%d}", fact.evidence.value, note=fact.source)
    return build.table()


def _value(fact: Sourced[object]) -> str:
    value = fact.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        tables = any(isinstance(item, Mapping) for item in value)
        told = (_pairs(item) if isinstance(item, Mapping) else str(item) for item in value)
        text = ("; " if tables else ", ").join(told) or "none"
    elif isinstance(value, Mapping):
        text = _pairs(value) or "none"
    else:
        text = f"{value:,}" if isinstance(value, int) else str(value)
    text = clean(text)
    return text if len(text) <= 4 * _LONG else f"{text[: 4 * _LONG]}..."


def _pairs(value: Mapping[str, object]) -> str:
    """A table inside a fact: ``date: 2025-02-21, made whole: yes``."""
    return ", ".join(f"{key.replace('_', ' ')}: {_plain(item)}" for key, item in value.items())


def _plain(item: object) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    return f"{item:,}" if isinstance(item, int) else str(item)
