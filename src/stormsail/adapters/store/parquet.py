"""A store of market data on disk: ``root/<kind>/<venue>/<symbol>.parquet``, one file per series.

Every file says in its own Parquet metadata what it holds, so the catalogue is derived from the files and can never
disagree with them; any Parquet reader (Polars, DuckDB, pandas) can open them.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import polars as pl

from stormsail.adapters.store._merge import agree, distinct, merge
from stormsail.core import InputError, SchemaError
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey, conform, empty
from stormsail.market.source import MarketSource

Progress = Callable[[int, int], object]
_META = "stormsail"
_VERSION = 1
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
_BATCH = 64


class ParquetStore:
    """A :class:`~stormsail.market.source.MarketSource` that can be written to.

    One process writes at a time; readers never see half a file, because a file is written aside and then renamed.

    Args:
        root: Folder of the store; it is made on the first write.
        name: A name for reports; by default the folder's.
    """

    def __init__(self, root: str | Path, *, name: str | None = None) -> None:
        self.root = Path(root)
        self._name = name or f"store {self.root.resolve().name}"

    @property
    def name(self) -> str:
        """A name for reports."""
        return self._name

    def catalogue(self) -> tuple[SeriesInfo, ...]:
        """Every series held, sorted by key.

        Raises:
            SchemaError: If a file is broken or was not written by a store; the error names it.
        """
        files = (path for kind in Kind for path in (self.root / kind.value).glob("*/[!.]*.parquet"))
        return tuple(sorted((_info(path) for path in files), key=lambda info: info.key))

    def path(self, key: SeriesKey) -> Path:
        """Where the series lies; signs that file systems do not bear are percent-encoded."""
        return self.root / key.kind.value / _safe(key.venue) / f"{_safe(key.symbol)}.parquet"

    def read(
        self, keys: Sequence[SeriesKey], *, start: datetime | None, end: datetime
    ) -> dict[SeriesKey, pl.DataFrame]:
        """Rows of each key known from ``start`` to ``end``; an empty frame for a key that is not held."""
        frames: dict[SeriesKey, pl.DataFrame] = {}
        for i in range(0, len(keys), _BATCH):  # a batch at once: the files are decoded side by side
            whole = self._whole(keys[i : i + _BATCH])
            frames |= {key: _inside(frame, start, end) for key, frame in whole.items()}
        return frames

    def write(self, info: SeriesInfo, frame: pl.DataFrame, *, replace: bool = False) -> SeriesInfo:
        """Unite rows with those held of the series, and return what is held then.

        Args:
            info: What the rows are about; its span and count are taken from the rows instead.
            frame: Rows in the schema of the kind.
            replace: Let new rows drive out contradicting old ones.

        Raises:
            SchemaError: If the frame does not fit the kind, or contradicts itself or (without ``replace``) what is
                held. The file is left as it was.
        """
        where = str(info.key)
        rows = distinct(conform(frame, info.key.kind, where=where), info.key.kind, where=where)
        path = self.path(info.key)
        if path.exists():
            info = agree(_info(path), info, overrule=replace)
            rows = merge(self._all(info.key), rows, info.key.kind, replace=replace, where=where)
        if rows.is_empty():
            raise InputError("no rows to write", cure="write at least one row", where=where)
        first, last = rows["known_at"][0], rows["known_at"][-1]
        info = changed(info, start=first.astimezone(UTC), end=last.astimezone(UTC), rows=rows.height)
        _write_whole(path, rows, info)
        return info

    def import_from(
        self,
        source: MarketSource,
        keys: Iterable[SeriesKey] | None = None,
        progress: Progress | None = None,
        *,
        replace: bool = False,
    ) -> tuple[SeriesInfo, ...]:
        """Copy series of another source, all of them by default.

        Args:
            source: Where to copy from.
            keys: Which series; keys that the source does not hold are passed over.
            progress: Called with (series done, series in all).
            replace: As in :meth:`write`.
        """
        wanted = None if keys is None else set(keys)
        infos = [info for info in source.catalogue() if wanted is None or info.key in wanted]
        written: list[SeriesInfo] = []
        for _, group in groupby(infos, key=lambda info: info.key.kind):
            of_kind = list(group)
            for batch in (of_kind[i : i + _BATCH] for i in range(0, len(of_kind), _BATCH)):
                frames = source.read([info.key for info in batch], start=None, end=_FOREVER)
                for info in batch:
                    written.append(self.write(info, frames[info.key], replace=replace))
                    if progress is not None:
                        progress(len(written), len(infos))
        return tuple(written)

    def _all(self, key: SeriesKey) -> pl.DataFrame:
        return self._whole((key,))[key]

    def _whole(self, keys: Sequence[SeriesKey]) -> dict[SeriesKey, pl.DataFrame]:
        """All rows of each key; an empty frame for a key that is not held."""
        paths = {key: self.path(key) for key in keys}
        held = [key for key in keys if paths[key].exists()]
        found = dict(zip(held, _decoded([paths[key] for key in held]), strict=True))
        return {
            key: conform(found[key], key.kind, where=str(paths[key])) if key in found else empty(key.kind)
            for key in keys
        }


def _decoded(paths: Sequence[Path]) -> list[pl.DataFrame]:
    """The contents of the files, read side by side; an error names the file that is broken."""
    try:
        return pl.collect_all([pl.scan_parquet(path, glob=False) for path in paths])
    except (pl.exceptions.PolarsError, OSError) as error:
        if len(paths) == 1:
            raise _broken(paths[0], str(error)) from error
        return [_decoded((path,))[0] for path in paths]


def _inside(frame: pl.DataFrame, start: datetime | None, end: datetime) -> pl.DataFrame:
    """Rows known from ``start`` to ``end``; the frame itself where that is all of them."""
    if frame.is_empty():
        return frame
    known = frame["known_at"]
    if known[-1] <= end and (start is None or known[0] >= start):
        return frame
    inside = known <= end
    return frame.filter(inside if start is None else inside & (known >= start))


def _safe(text: str) -> str:
    """Percent-encode what a file name cannot bear.

    >>> _safe("BTC/USDT:USDT"), _safe("ADA@1d"), _safe("..")
    ('BTC%2FUSDT%3AUSDT', 'ADA@1d', '%2E.')
    """
    name = quote(text, safe="@ -_().+")
    return "%2E" + name[1:] if name.startswith(".") else name


def _write_whole(path: Path, rows: pl.DataFrame, info: SeriesInfo) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            rows.write_parquet(file, compression="zstd", compression_level=9, metadata={_META: _told(info)})
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)
        Path(aside).replace(path)
    finally:
        Path(aside).unlink(missing_ok=True)


def _told(info: SeriesInfo) -> str:
    about = {
        "version": _VERSION,
        "kind": info.key.kind.value,
        "venue": info.key.venue,
        "symbol": info.key.symbol,
        "asset": info.asset,
        "multiplier": info.multiplier,
        "start": info.start.isoformat(),
        "end": info.end.isoformat(),
        "rows": info.rows,
        "bar": None if info.bar is None else info.bar.total_seconds(),
        "origin": info.origin,
        "quote": info.quote,
        "expiry": None if info.expiry is None else info.expiry.isoformat(),
    }
    return json.dumps(about, sort_keys=True)


def _info(path: Path) -> SeriesInfo:
    try:
        about = json.loads(pl.read_parquet_metadata(path)[_META])
        if about["version"] != _VERSION:
            raise _broken(path, f"it has version {about['version']}, and this program knows {_VERSION}")
        return SeriesInfo(
            SeriesKey(Kind(about["kind"]), about["venue"], about["symbol"]),
            about["asset"],
            about["multiplier"],
            datetime.fromisoformat(about["start"]),
            datetime.fromisoformat(about["end"]),
            about["rows"],
            None if about["bar"] is None else timedelta(seconds=about["bar"]),
            about["origin"],
            about["quote"],
            None if about["expiry"] is None else datetime.fromisoformat(about["expiry"]),
        )
    except KeyError as error:
        raise _broken(path, f"its metadata lacks {error}") from error
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, cause: str) -> SchemaError:
    return SchemaError(
        cause.splitlines()[0], cure="remove the file and fetch or import the series anew", where=str(path)
    )
