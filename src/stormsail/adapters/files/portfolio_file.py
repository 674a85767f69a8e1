"""Portfolios from and to CSV, TOML and JSON files.

A table has a header and one row per coin or lot::

    asset,quantity,acquired,unit_cost,locked_until,venue
    SOL,120.5,2023-01-15,23.10,,binance
    SOL,80,2023-06-01,20.00,,binance
    SUI,5000,,,2025-05-01,

Only ``asset`` and ``quantity`` are needed. Case and spaces in names do not matter; ``symbol``, ``coin`` and ``ticker``
mean asset; ``amount``, ``qty`` and ``balance`` mean quantity; ``cost`` and ``price paid (per coin)`` mean unit_cost.
Rows of one asset are lots where they differ in date, cost, venue or lock; two that are alike in all of these are kept
as two fills if date and cost are both given, and refused otherwise. Costs are per coin. A date in ``locked_until``
locks; ``locked`` alone (yes or no) locks without a known end.

TOML and JSON hold ``name``, ``currency``, ``meta`` and a list ``holdings`` whose tables have the same keys and may have
a list ``lots`` of tables with ``quantity``, ``acquired`` and ``unit_cost``.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stormsail.adapters.files._columns import COLUMNS
from stormsail.adapters.files._csv import table_rows
from stormsail.adapters.files._document import SCHEMA_VERSION, document_head, document_rows, parse_document
from stormsail.adapters.files._rows import Troubles, holdings_of, is_fill
from stormsail.core import Holding, Lot, Portfolio, PortfolioError

MAX_BYTES = 64 * 1024 * 1024
_FORMS = {".csv": "csv", ".tsv": "csv", ".toml": "toml", ".json": "json"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_portfolio(path: str | Path) -> Portfolio:
    """Read a portfolio; the suffix tells the form, and the content does where the suffix does not.

    Every row is kept or refused by name: nothing is dropped, guessed or added up unasked. Up to twenty troubles are
    reported together.

    Args:
        path: A file in UTF-8 of at most 64 MB.

    Raises:
        PortfolioError: If the file or a row cannot be read; it names row, column and cure.
    """
    path = Path(path)
    text = _decode(_load(path), str(path))
    form = _FORMS.get(path.suffix.lower()) or _sniff(text)
    troubles = Troubles(str(path))
    name, currency, meta = path.stem, "USD", dict[str, str]()
    if form == "csv":
        rows, delimiter = table_rows(text, troubles)
        holdings = holdings_of(rows, troubles, comma_country=delimiter == ";")
    else:
        data = parse_document(text, form, str(path))
        name, currency, meta = document_head(data, path.stem, str(path))
        holdings = holdings_of(document_rows(data, troubles), troubles)
    troubles.raise_if_any()
    if not holdings:
        raise PortfolioError("the file holds no coins", cure="add one row per coin: asset,quantity", where=str(path))
    return Portfolio(holdings, name, currency, meta)


def write_portfolio(portfolio: Portfolio, path: str | Path) -> None:
    """Write a portfolio in the form its suffix tells; :func:`read_portfolio` gives the same holdings back.

    CSV has no place for name, currency and meta; TOML and JSON keep them.

    Raises:
        PortfolioError: If the suffix is none of .csv, .tsv, .toml, .json, or two lots could not be told apart.
    """
    path = Path(path)
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise PortfolioError(f"unknown suffix {path.suffix!r}", cure="use .csv, .tsv, .toml or .json", where=str(path))
    _refuse_twins(portfolio, str(path))
    if form == "csv":
        text = _as_csv(portfolio, "\t" if path.suffix.lower() == ".tsv" else ",")
    else:
        text = _as_json(portfolio) if form == "json" else _as_toml(portfolio)
    path.write_bytes(text.encode())


def _load(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise PortfolioError("this is a directory", cure="name a file in it", where=str(path))
        if path.exists() and path.stat().st_size > MAX_BYTES:
            size = path.stat().st_size / 2**20
            raise PortfolioError(f"{size:.0f} MB is no portfolio", cure="name the right file", where=str(path))
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PortfolioError("no such file", cure="check the path", where=str(path)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PortfolioError(f"cannot be read: {reason}", cure="check path and rights", where=str(path)) from error


def _decode(raw: bytes, file: str) -> str:
    if raw.startswith(_UTF16) or raw[1:2] == b"\0" or raw[:1] == b"\0":
        raise PortfolioError("the text is UTF-16 or the file is binary", cure="save it as CSV in UTF-8", where=file)
    if raw.startswith(b"PK\x03\x04") or b"\0" in raw:
        raise PortfolioError("a binary file, such as a spreadsheet", cure="save it as CSV in UTF-8", where=file)
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        raise PortfolioError(
            f"byte {raw[error.start]:#04x} is not UTF-8", cure="save the file in UTF-8", where=f"{file}, row {row}"
        ) from error
    if not text.strip():
        raise PortfolioError("the file is empty", cure="write a header and one row per coin", where=file)
    return text


def _sniff(text: str) -> str:
    start = next((line for raw in text.splitlines() if (line := raw.strip()) and not line.startswith("#")), "")
    if re.match(r"\[\[?\s*\w+\s*\]|[\w\"]+\s*=", start):
        return "toml"
    return "json" if start.startswith(("{", "[")) else "csv"


def _lots(holding: Holding) -> tuple[Lot, ...]:
    return holding.lots or (Lot(holding.quantity),)


def _refuse_twins(portfolio: Portfolio, file: str) -> None:
    seen = set()
    for h in portfolio.holdings:
        for lot in _lots(h):
            key = (
                h.asset,
                h.venue,
                h.locked or h.locked_until is not None,
                h.locked_until,
                lot.acquired,
                lot.unit_cost,
            )
            if key in seen and not is_fill(lot):
                raise PortfolioError(
                    f"two lots of {h.asset} differ in nothing but quantity",
                    cure="add them up, or give each its date and cost, or its venue",
                    where=file,
                )
            seen.add(key)


def _cells(holding: Holding) -> dict[str, str]:
    cells = {"asset": holding.asset, "quantity": str(holding.quantity)}
    if holding.locked_until is not None:
        cells["locked_until"] = holding.locked_until.isoformat()
    elif holding.locked:
        cells["locked"] = "yes"
    if holding.venue:
        cells["venue"] = holding.venue
    return cells


def _lot_cells(lot: Lot) -> dict[str, str]:
    cells = {"quantity": str(lot.quantity)}
    if lot.acquired is not None:
        cells["acquired"] = lot.acquired.isoformat()
    if lot.unit_cost is not None:
        cells["unit_cost"] = str(lot.unit_cost)
    return cells


def _as_csv(portfolio: Portfolio, delimiter: str) -> str:
    rows = [{**_cells(h), **_lot_cells(lot)} for h in portfolio.holdings for lot in _lots(h)]
    used = [column for column in COLUMNS if any(column in row for row in rows) or column in ("asset", "quantity")]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, used, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _tables(portfolio: Portfolio) -> Iterator[dict[str, Any]]:
    for holding in portfolio.holdings:
        yield {**_cells(holding), **({"lots": [_lot_cells(lot) for lot in holding.lots]} if holding.lots else {})}


def _as_json(portfolio: Portfolio) -> str:
    data = {
        "schema_version": SCHEMA_VERSION,
        "name": portfolio.name,
        "currency": portfolio.currency,
        "meta": dict(portfolio.meta),
        "holdings": list(_tables(portfolio)),
    }
    return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def _as_toml(portfolio: Portfolio) -> str:
    lines = [f"schema_version = {SCHEMA_VERSION}", f"name = {_quoted(portfolio.name)}"]
    lines.append(f"currency = {_quoted(portfolio.currency)}")
    if portfolio.meta:
        lines += ["", "[meta]", *(f"{_quoted(k)} = {_quoted(v)}" for k, v in portfolio.meta.items())]
    for table in _tables(portfolio):
        lots = table.pop("lots", [])
        lines += ["", "[[holdings]]", *(f"{k} = {_quoted(v)}" for k, v in table.items())]
        for lot in lots:
            lines += ["", "[[holdings.lots]]", *(f"{k} = {_quoted(v)}" for k, v in lot.items())]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's too, except for DEL and pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
