"""Venue records: which facts and rules a venue file may hold, and how one is read strictly.

A fact is a table ``{value, source, as_of, evidence}``, or a list of such tables where it changed over time. What is not
known is listed under ``unknown``; a fact that is neither given nor listed is an error, so silence never passes for
knowledge. Rules are tables with ``effective_from``, ``source`` and ``evidence`` besides their own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NoReturn

from stormsail.core import Evidence, SchemaError, Sourced, Unavailable, exact, nearest
from stormsail.instruments.types import Rule, VenueRecord

STATUSES = ("active", "closed", "compromised")
TYPES = ("exchange", "protocol")

EVENTS: Mapping[str, frozenset[str]] = {
    "incidents": frozenset({"date", "what", "loss_usd", "made_whole"}),
    "oracle_incidents": frozenset({"date", "what"}),
    "halts": frozenset({"date", "what"}),
}
"""Facts that are lists of dated events, and the keys of an event."""

FACTS: Mapping[str, frozenset[str] | None] = {
    "status": None,
    "oracle": frozenset({"design", "what"}),
    "collateral_proof": frozenset({"method", "lowest_ratio", "what"}),
    "insurance_fund": frozenset({"usd", "what"}),
    "adl": frozenset({"ranking", "indicator", "price", "what"}),
    "control": frozenset({"who", "what"}),
    "liquidity": frozenset({"daily_volume_usd", "what"}),
    "tokenisation": None,
    "jurisdiction": None,
    "identity_checks": None,
    **EVENTS,
}
"""Every fact of a record and the keys its value may have (``None``: plain text)."""

CHOICES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("oracle", "design"): ("several sources", "validators", "one source", "own book"),
    ("collateral_proof", "method"): ("on-chain", "audited", "merkle", "self-reported", "none"),
    ("control", "who"): ("company", "validators", "multisig", "one key"),
}
"""Values that are one of a few words."""

RULES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "funding": (
        frozenset({"formula", "baseline_rate_per_interval", "interval_hours"}),
        frozenset({"cap_per_interval"}),
    ),
    "fees": (frozenset({"taker", "maker"}), frozenset({"what"})),
    "settlement": (frozenset({"method", "window_minutes"}), frozenset({"fee", "what"})),
    "margin": (frozenset({"formula"}), frozenset({"what"})),
    "defaults": (frozenset({"min_notional", "lot_value", "tick_digits"}), frozenset({"inverse_size", "lot", "what"})),
}
"""Every rule with the keys it must have and those it may have."""

_EXACT = frozenset({"taker", "maker", "min_notional", "lot_value", "inverse_size", "lot", "fee"})
_STAMP = frozenset({"source", "as_of", "evidence"})


def parse_venue(data: Mapping[str, Any], where: str, *, today: date) -> VenueRecord:
    """Read one venue from plain data, strictly.

    Args:
        data: What a venue file holds.
        where: Name of the file, for errors.
        today: No date may be after it.

    Raises:
        SchemaError: For an unknown or missing key, a fact without source or date, a date after ``today``.
    """
    _keys(data, {"key", "name", "type", "unknown", "facts", "rules"}, {"key", "name", "type", "facts"}, where)
    if data["type"] not in TYPES:
        _fail(f"type is {data['type']!r}", f"write one of {', '.join(TYPES)}", f"{where}: type")
    given, unknown = data["facts"], tuple(data.get("unknown", ()))
    _keys(given, set(FACTS), {"status"}, f"{where}: facts")
    _keys(dict.fromkeys(unknown), set(FACTS) - {"status"}, set(), f"{where}: unknown")
    for name in FACTS:
        if (name in given) == (name in unknown):
            cause = "both given and unknown" if name in given else "neither given nor listed as unknown"
            _fail(f"{name} is {cause}", "give it with source and date, or list it under unknown", f"{where}: {name}")
    versions = {name: _fact(name, given[name], f"{where}: facts.{name}", today) for name in FACTS if name in given}
    facts: dict[str, Sourced[Any] | Unavailable] = {
        name: versions[name][-1] if name in versions else Unavailable("no source was found") for name in FACTS
    }
    rules = data.get("rules", {})
    _keys(rules, set(RULES), set(), f"{where}: rules")
    return VenueRecord(
        key=data["key"],
        name=data["name"],
        type=data["type"],
        status=versions["status"][-1].value,
        facts=MappingProxyType(facts),
        rules=MappingProxyType({n: _rules(n, rules[n], f"{where}: rules.{n}", today) for n in RULES if n in rules}),
        earlier=MappingProxyType({name: past[:-1] for name, past in versions.items() if len(past) > 1}),
    )


def _fact(name: str, given: Any, where: str, today: date) -> tuple[Sourced[Any], ...]:
    """All dated values of a fact, oldest first."""
    tables = given if isinstance(given, list) else [given]
    read = sorted((_sourced(name, table, where, today) for table in tables), key=lambda fact: fact.as_of)
    if len({fact.as_of for fact in read}) < len(read):
        _fail("two values have the same date", "keep one value for each date", where)
    return tuple(read)


def _sourced(name: str, table: Any, where: str, today: date) -> Sourced[Any]:
    if not isinstance(table, Mapping):
        _fail("not a table", "write {value = ..., source = ..., as_of = ..., evidence = ...}", where)
    _keys(table, {"value", *_STAMP}, {"value", *_STAMP}, where)
    stamp = _day(table["as_of"], f"{where}.as_of", today)
    return Sourced(_value(name, table["value"], where, today), *_origin(table, where, stamp))


def _origin(table: Mapping[str, Any], where: str, stamp: date) -> tuple[str, date, Evidence]:
    if not isinstance(table["source"], str) or not table["source"].strip():
        _fail("the source is empty", "name the page or document", f"{where}.source")
    try:
        return table["source"], stamp, Evidence(table["evidence"])
    except ValueError:
        known = ", ".join(kind.value for kind in Evidence)
        _fail(f"evidence is {table['evidence']!r}", f"write one of {known}", f"{where}.evidence")


def _value(name: str, value: Any, where: str, today: date) -> Any:
    if name in EVENTS:
        return tuple(_event(event, EVENTS[name], where, today) for event in value)
    allowed = FACTS[name]
    if allowed is None:
        if not isinstance(value, str) or (name == "status" and value not in STATUSES):
            _fail(f"value is {value!r}", f"write {' or '.join(STATUSES) if name == 'status' else 'text'}", where)
        return value
    if not isinstance(value, Mapping):
        _fail(f"value is {value!r}", f"write a table with {', '.join(sorted(allowed))}", where)
    _keys(value, set(allowed), set(), where)
    for key, text in value.items():
        choices = CHOICES.get((name, key))
        if choices and text not in choices:
            _fail(f"{key} is {text!r}", f"write one of {', '.join(choices)}", f"{where}.{key}")
    return MappingProxyType(dict(value))


def _event(event: Any, allowed: frozenset[str], where: str, today: date) -> Mapping[str, Any]:
    _keys(event, set(allowed), {"date", "what"}, where)
    _day(event["date"], f"{where}.date", today)
    return MappingProxyType(dict(event))


def _rules(name: str, given: Any, where: str, today: date) -> tuple[Rule, ...]:
    needed, optional = RULES[name]
    head = {"effective_from", "source", "evidence"}
    versions = []
    for table in given if isinstance(given, list) else [given]:
        _keys(table, {*head, *needed, *optional}, {*head, *needed}, where)
        start = _day(table["effective_from"], f"{where}.effective_from", today)
        source, _, evidence = _origin(table, where, start)
        values = {key: _exact(key, value, where) for key, value in table.items() if key not in head}
        versions.append(Rule(name, start, source, evidence, MappingProxyType(values)))
    return tuple(sorted(versions, key=lambda rule: rule.effective_from))


def _exact(key: str, value: Any, where: str) -> Any:
    if key not in _EXACT:
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({name: _exact(key, part, where) for name, part in value.items()})
    if not isinstance(value, str):
        _fail(f"{key} is the number {value!r}", 'write exact numbers as text, such as "0.0005"', f"{where}.{key}")
    try:
        number: Decimal = exact(value)
    except ValueError as error:
        _fail(str(error), 'write exact numbers as text, such as "0.0005"', f"{where}.{key}")
    return number


def _day(value: Any, where: str, today: date) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        _fail(f"{value!r} is not a date", "write a date such as 2025-08-31", where)
    if value > today:
        _fail(f"{value} lies in the future", f"give a date not after {today}", where)
    return value


def _keys(data: Any, allowed: set[str], needed: set[str], where: str) -> None:
    if not isinstance(data, Mapping):
        _fail(f"{data!r} is not a table", f"write a table with {', '.join(sorted(needed or allowed))}", where)
    for key in data:
        if key not in allowed:
            like = nearest_key(key, allowed)
            _fail(f"unknown key {key!r}", f"write {like or 'one of ' + ', '.join(sorted(allowed))}", where)
    for key in sorted(needed):
        if key not in data:
            _fail(f"{key} is missing", f"add {key}", where)


def nearest_key(key: str, allowed: set[str]) -> str:
    """The allowed key most like a wrong one, or an empty string."""
    upper = {name.upper(): name for name in allowed}
    found = nearest(key, upper, limit=1)
    return upper[found[0]] if found else ""


def _fail(cause: str, cure: str, where: str) -> NoReturn:
    raise SchemaError(cause, cure=cure, where=where)
