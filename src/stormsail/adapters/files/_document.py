"""TOML and JSON: a name, a currency and a list of holdings, each with its lots."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from stormsail.adapters.files._columns import COLUMNS, LOT_COLUMNS, canonical, nearest_column
from stormsail.adapters.files._numbers import CellError, read_number
from stormsail.adapters.files._rows import Row, Troubles
from stormsail.core import PortfolioError

TOP = ("name", "currency", "holdings", "meta", "schema_version")
SCHEMA_VERSION = 1


def parse_document(text: str, form: str, file: str) -> dict[str, Any]:
    """Parse TOML or JSON into a table with ``holdings``; a bare JSON list counts as the holdings.

    Raises:
        PortfolioError: If it is not of that form, has a key that is not known, or no list of holdings.
    """
    try:
        if form == "toml":
            data: Any = tomllib.loads(text, parse_float=Decimal)
        else:
            data = json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=_no_twins)
            json.dumps(data, default=str, ensure_ascii=False).encode()  # refuses halves of surrogate pairs
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise PortfolioError(
            f"not {form.upper()}: {_one_line(error)}", cure="correct that place, or use CSV", where=file
        ) from error
    if isinstance(data, list):
        data = {"holdings": data}
    if not isinstance(data, dict) or not isinstance(data.get("holdings"), list):
        example = "[[holdings]]" if form == "toml" else '{"holdings": [...]}'
        raise PortfolioError("no list of holdings", cure=f"write {example}", where=file)
    for key in data:
        if key not in TOP:
            raise PortfolioError(f"unknown key {key[:60]!r}", cure=f"known keys: {', '.join(TOP)}", where=file)
    if data.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise PortfolioError(
            f"schema_version is {data['schema_version']}", cure=f"this version reads {SCHEMA_VERSION}", where=file
        )
    return data


def document_rows(data: Mapping[str, Any], troubles: Troubles) -> list[Row]:
    """The rows of a parsed document: one per lot, or one per holding without lots."""
    rows: list[Row] = []
    for number, holding in enumerate(data["holdings"], 1):
        rows += _holding_rows(holding, f"holding {number}", troubles)
    return rows


def document_head(data: Mapping[str, Any], default_name: str, file: str) -> tuple[str, str, dict[str, str]]:
    """Name, currency and notes of a document.

    Raises:
        PortfolioError: If one of them is not text.
    """
    name, currency, meta = data.get("name", default_name), data.get("currency", "USD"), data.get("meta", {})
    if not isinstance(name, str) or not isinstance(currency, str) or not currency.strip():
        raise PortfolioError("name and currency must be texts", cure='write name = "mine"', where=file)
    if not isinstance(meta, dict) or not all(isinstance(v, str) for v in meta.values()):
        raise PortfolioError("meta must be a table of texts", cure="write its values in quotes", where=file)
    return name, currency.strip().upper(), dict(meta)


def _holding_rows(holding: Any, place: str, troubles: Troubles) -> Iterator[Row]:
    if not isinstance(holding, dict):
        troubles.add(place, "not a table", "give asset and quantity")
        return
    lots = holding.get("lots")
    cells = _cells({k: v for k, v in holding.items() if k != "lots"}, place, COLUMNS, troubles)
    if cells is None:
        return
    if "asset" in cells:
        place = f"{place} ({cells['asset'][:20]})"
    if lots is None:
        yield Row(place, cells)
        return
    if not isinstance(lots, list) or not lots or not all(isinstance(lot, dict) for lot in lots):
        troubles.add(f"{place}, lots", "not a list of lots", "give each lot a quantity, or leave lots out")
        return
    if cells.keys() & {"acquired", "unit_cost"}:
        troubles.add(place, "acquired or unit_cost beside lots", "write them in the lots")
        return
    parts = [_cells(lot, f"{place}, lot {i}", LOT_COLUMNS, troubles) for i, lot in enumerate(lots, 1)]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return
    total = cells.pop("quantity", None)
    if total is not None and not _adds_up(total, known):
        troubles.add(place, f"the lots do not add up to the quantity of {total[:40]}", "correct one of them")
        return
    for i, part in enumerate(known, 1):
        yield Row(f"{place}, lot {i}", {**cells, **part})


def _cells(table: Mapping[str, Any], place: str, allowed: tuple[str, ...], troubles: Troubles) -> dict[str, str] | None:
    before = len(troubles.found)
    cells: dict[str, str] = {}
    for key, value in table.items():
        name = canonical(key)
        if name not in allowed:
            troubles.add(place, f"unknown key {key[:60]!r}", nearest_column(key, allowed))
        elif name in cells:
            troubles.add(place, f"{name} is given twice", "keep one of them")
        elif (text := _text(value)) is None:
            troubles.add(
                f"{place}, {name}", "neither a text, a number, a date nor yes or no", "write it as one of those"
            )
        elif text:
            cells[name] = text
    return cells if len(troubles.found) == before else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        try:
            return str(value)
        except ValueError:
            return "a number of thousands of digits"
    return "" if value is None else None


def _adds_up(total: str, parts: list[dict[str, str]]) -> bool:
    try:
        return read_number(total) == sum(read_number(part.get("quantity", "0")) for part in parts)
    except CellError:
        return True  # the cell itself is reported where it is read


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twin[:60]!r} stands twice in one table")
    return table


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
