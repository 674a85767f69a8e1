"""A folder of tables written shard by shard: readable when a run was stopped, and ready to go on.

Each table of a shard is a Parquet file, written aside and then renamed; the last table says that the shard is whole.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from stormsail.core import InputError

MANIFEST = "manifest.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """``manifest.json`` and a folder for each table.

    Attributes:
        path: Where it is.
        kind: What it holds, for the manifest.
        tables: Names of the tables; the last comes last.
    """

    path: Path
    kind: str
    tables: tuple[str, ...]

    def begin(self, about: Mapping[str, Any]) -> frozenset[int]:
        """Begin a run, or go on with it; the shards that are done.

        Args:
            about: What the run is made of, as plain data: it decides whether a run may go on.

        Raises:
            InputError: If the folder holds another run.
        """
        content = {"kind": self.kind, "schema_version": VERSION, **about}
        place = self.path / MANIFEST
        if place.exists():
            try:
                held = json.loads(place.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                held = None
            if held != content:
                changed = sorted(k for k in content if not isinstance(held, dict) or held.get(k) != content[k])
                raise InputError(
                    f"holds another run ({', '.join(changed) or 'older figures'} differ)",
                    cure="name an empty folder, or give the same inputs to go on",
                    where=str(self.path),
                )
        else:
            for name in self.tables:
                (self.path / name).mkdir(parents=True, exist_ok=True)
            _aside(place, lambda file: file.write((json.dumps(content, indent=2) + "\n").encode()))
        return frozenset(int(p.stem) for p in (self.path / self.tables[-1]).glob("[0-9]*.parquet"))

    def write(self, number: int, tables: Sequence[pl.DataFrame]) -> None:
        """Keep what came of a shard, a table for each name."""
        for name, table in zip(self.tables, tables, strict=True):
            _aside(self.path / name / f"{number:06d}.parquet", lambda file, t=table: t.write_parquet(file))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    def rows(self) -> pl.LazyFrame:
        """The last table, as far as it is written."""
        return pl.scan_parquet(self.path / self.tables[-1] / "*.parquet")


def _aside(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)
        Path(aside).replace(path)
    finally:
        Path(aside).unlink(missing_ok=True)
