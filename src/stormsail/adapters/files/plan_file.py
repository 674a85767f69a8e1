"""Plans as files one can read, question and sign: JSON in the order a person thinks, sealed by a digest.

The file names no wall-clock time, so the same decision gives the same bytes. Exact numbers are text, statistics are
rounded to twelve significant digits, infinities are ``"inf"``, NaN is ``null``, and what could not be had is
``{"unavailable": reason}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stormsail.core import PlanFileError
from stormsail.core.plain import to_plain
from stormsail.instruments.types import CandidateScore
from stormsail.margin.types import Liquidation
from stormsail.plan.types import SCHEMA_VERSION, HedgePlan, PositionMargin, VenueMargin
from stormsail.ratio.types import Contest

KIND = "stormsail hedge plan"
_DIGEST = "digest"
_BEST = 5
"""Candidates written per asset; the rest are counted."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan file that was read and found whole.

    Attributes:
        path: Where it was read.
        digest: SHA-256 of its content.
        content: The whole of it as plain data.
    """

    path: str
    digest: str
    content: Mapping[str, Any]

    @property
    def orders(self) -> tuple[Mapping[str, Any], ...]:
        """Its orders."""
        return tuple(self.content["orders"])


def plan_to_dict(plan: HedgePlan) -> dict[str, Any]:
    """The plan as plain data in the order a person thinks, sealed: the last key is the digest of the others."""
    content = {
        "kind": KIND,
        "schema_version": plan.schema_version,
        "inputs": {
            "portfolio": plan.portfolio,
            "tolerance": plan.tolerance,
            "market_data": plan.source,
            "as_of": plan.as_of,
            "data_end": plan.data_end,
        },
        "exposure": plan.exposure,
        "candidates": {
            "portfolio": [_candidate(row) for row in plan.shortlist.portfolio],
            "by_asset": {asset: _candidates(rows) for asset, rows in plan.shortlist.by_asset.items()},
            "curves": plan.shortlist.curves,
        },
        "ratios": {
            "contests": [_contest(table) for table in plan.contests],
            "effectiveness": plan.effectiveness,
            "effectiveness_naive": plan.effectiveness_naive,
        },
        "advice": plan.advice,
        "orders": plan.orders,
        "accounts": [_account(margin) for margin in plan.margins],
        "fails_against": plan.failures,
        "cost": plan.cost,
        "insurance": plan.insurance,
        "coverage": plan.coverage,
        "binding_limits": plan.binding,
        "venues": plan.venues,
        "history": plan.history,
        "fans": plan.fans,
        "findings": plan.findings,
        "origins": plan.origins,
    }
    plain: dict[str, Any] = to_plain(content)
    return {**plain, _DIGEST: digest_of(plain)}


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(value)
    return plain


def _candidates(rows: tuple[CandidateScore, ...]) -> dict[str, Any]:
    best = [_candidate(row) for row in rows[:_BEST]]
    return {"best": best, "left_out": max(len(rows) - _BEST, 0)}


def _candidate(row: CandidateScore) -> dict[str, Any]:
    plain = _plain(row)
    legs = [{"contract": leg.contract.id, "weight": leg.weight} for leg in row.candidate.legs]
    plain["candidate"] = {"name": row.candidate.name, "route": row.candidate.route, "legs": legs}
    return plain


def _contest(table: Contest) -> dict[str, Any]:
    plain = _plain(table)
    plain["ratio"]["values"] = [value.value for value in table.ratio.values]
    return plain


def _account(margin: VenueMargin) -> dict[str, Any]:
    weakest = margin.weakest.contract if margin.positions else None
    return {**_plain(margin), "weakest": weakest, "positions": [_position(p) for p in margin.positions]}


def _position(position: PositionMargin) -> dict[str, Any]:
    end = position.liquidation
    told = _plain(end) if isinstance(end, Liquidation) else {"never": end.reason}
    table = position.table
    brackets = {"effective_from": table.effective_from, "source": table.source, "assumed": table.assumed}
    return {**_plain(position), "liquidation": told, "table": _plain(brackets)}


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form: keys sorted, no spaces, UTF-8, the digest itself left out."""
    body = {key: value for key, value in content.items() if key != _DIGEST}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def render_plan(plan: HedgePlan) -> str:
    """The text of a plan file, ending with a newline."""
    return json.dumps(plan_to_dict(plan), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_plan(plan: HedgePlan, path: str | Path) -> str:
    """Write a plan file whole or not at all, and return its digest.

    Raises:
        PlanFileError: If the place cannot be written.
    """
    target = Path(path)
    text = render_plan(plan)
    draft = target.with_name(target.name + ".part")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(target)
    except OSError as error:
        raise PlanFileError(
            f"cannot be written: {error.strerror}", cure="choose another place", where=str(path)
        ) from error
    found: str = json.loads(text)[_DIGEST]
    return found


def read_plan(path: str | Path) -> PlanFile:
    """Read a plan file and check that it is whole and unchanged.

    Raises:
        PlanFileError: If it is missing, not a plan, of another schema, or was changed after it was written.
    """
    where = str(path)
    content = _load(Path(path), where)
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise PlanFileError("not a plan file", cure="give a file written by stormsail plan", where=where)
    version = content.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version > SCHEMA_VERSION:
        raise PlanFileError(
            f"schema version {version!r}, this program reads version {SCHEMA_VERSION}",
            cure="update stormsail, or make the plan again",
            where=where,
        )
    if version < SCHEMA_VERSION:
        raise PlanFileError(
            f"schema version {version}, written by an older stormsail, whose accounts do not tell coins from cash",
            cure=f"make the plan again; this program reads version {SCHEMA_VERSION}",
            where=where,
        )
    given, actual = content.get(_DIGEST), digest_of(content)
    if given != actual:
        raise PlanFileError(
            f"changed after it was written: digest {actual[:12]}, the file says {str(given)[:12]}",
            cure="make the plan again; a plan is not edited by hand",
            where=where,
        )
    missing = [key for key in _SECTIONS if key not in content]
    if missing:
        raise PlanFileError(f"lacks {missing[0]}", cure="make the plan again", where=where)
    return PlanFile(where, actual, content)


def _load(path: Path, where: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except OSError as error:
        raise PlanFileError(f"cannot be read: {error.strerror}", cure="check the path", where=where) from error
    except (ValueError, RecursionError) as error:
        raise PlanFileError(
            f"not JSON: {str(error)[:80]}", cure="give a file written by stormsail plan", where=where
        ) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key given twice would let a file say one thing to a reader and another to the digest."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of this format")


_SECTIONS = (
    "inputs",
    "exposure",
    "candidates",
    "ratios",
    "advice",
    "orders",
    "accounts",
    "fails_against",
    "cost",
    "insurance",
    "coverage",
    "binding_limits",
    "venues",
    "history",
    "fans",
    "findings",
    "origins",
)


def plan_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a plan file."""
    number = {"type": ["number", "string", "null"]}
    exact = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}
    missing = {
        "type": "object",
        "properties": {"unavailable": {"type": "string"}},
        "required": ["unavailable"],
        "additionalProperties": False,
    }
    order = {
        "type": "object",
        "required": ["contract", "quantity", "price", "notional", "protects", "route", "fee", "slippage"],
        "properties": {
            "contract": {"type": "object", "required": ["venue", "symbol", "base", "quote", "lot", "tick"]},
            "quantity": exact,
            "price": exact,
            "notional": exact,
            "fee": exact,
            "slippage": {"anyOf": [exact, missing]},
            "protects": {"type": "array", "items": {"type": "string"}},
            "route": {"type": "string"},
        },
    }
    coins = {
        "type": "object",
        "required": ["asset", "quantity", "price"],
        "properties": {"asset": {"type": "string"}, "quantity": exact, "price": exact},
    }
    account = {
        "type": "object",
        "required": ["venue", "mode", "notional", "collateral", "cap", "rise", "requirement", "positions", "coins"],
        "properties": {
            "collateral": exact,
            "notional": exact,
            "cap": exact,
            "rise": number,
            "coins": {"anyOf": [{"type": "null"}, coins]},
        },
    }
    sections: dict[str, Any] = {
        name: {"type": ["object", "array"]} for name in _SECTIONS if name not in {"orders", "accounts"}
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": KIND,
        "type": "object",
        "required": ["kind", "schema_version", *_SECTIONS, _DIGEST],
        "properties": {
            "kind": {"const": KIND},
            "schema_version": {"const": SCHEMA_VERSION},
            **sections,
            "orders": {"type": "array", "items": order},
            "accounts": {"type": "array", "items": account},
            _DIGEST: {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    }


def write_schema(path: str | Path) -> None:
    """Write the JSON schema of plan files."""
    Path(path).write_text(json.dumps(plan_schema(), indent=2) + "\n", encoding="utf-8", newline="\n")
