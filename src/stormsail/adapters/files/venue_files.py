"""Venue records from TOML files, one per venue."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

from stormsail.core import SchemaError
from stormsail.instruments.types import VenueRecord
from stormsail.instruments.venues import parse_venue


def venue_directory() -> Path:
    """Where the venue files that come with the package lie."""
    return Path(__file__).parent / "venues"


def load_venues(path: Path | None = None, *, today: date | None = None) -> dict[str, VenueRecord]:
    """Read every ``*.toml`` of a directory into venue records, by key.

    Args:
        path: Directory of venue files; the package's own by default.
        today: No fact may be dated after it; the machine's day by default. It only guards against slips of the pen.

    Raises:
        SchemaError: Naming file and key, for a file that is not a venue record, or a directory without any.

    >>> sorted(load_venues())[:3]
    ['binance', 'bingx', 'bybit']
    """
    directory = path or venue_directory()
    files = sorted(directory.glob("*.toml"))
    if not files:
        raise SchemaError(
            "no venue file found", cure="name a directory with one TOML file per venue", where=str(directory)
        )
    last = today or datetime.now(UTC).date()
    records: dict[str, VenueRecord] = {}
    for file in files:
        record = _read(file, last)
        if record.key != file.stem:
            raise SchemaError(
                f"key is {record.key!r} in a file named {file.name}",
                cure="name the file after the key",
                where=file.name,
            )
        records[record.key] = record
    return records


def _read(file: Path, today: date) -> VenueRecord:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SchemaError(f"not TOML: {error}", cure="correct the syntax", where=file.name) from error
    return parse_venue(data, file.name, today=today)
