"""Market data as a directory of Parquet files, one file for many series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from stormsail.adapters.sources._layouts import LAYOUTS, Ident, Layout
from stormsail.core import Finding, SchemaError, Trouble, UnavailableError
from stormsail.market.funding import true_intervals
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey, conform, empty

_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Part:
    """Where rows of a series lie: the layout's position, what identifies them there, and what they are."""

    layout: int
    ident: Ident
    info: SeriesInfo


@dataclass(frozen=True, slots=True)
class _Index:
    infos: tuple[SeriesInfo, ...]
    parts: dict[SeriesKey, tuple[_Part, ...]]
    findings: tuple[Finding, ...]


class DirectorySource:
    """A :class:`~stormsail.market.source.MarketSource` over a directory of known Parquet files.

    Where two files hold the same series, their rows are united by ``known_at``; on a moment that both have, the file
    that comes first in the list of layouts prevails, and a disagreement is told in :attr:`findings`. Files that no
    layout knows are left alone, and told there too. Funding intervals are those that the settlement
    times of the united rows tell (:func:`~stormsail.market.funding.true_intervals`).

    Args:
        path: The directory.

    Raises:
        UnavailableError: If there is no such directory or none of the known files in it.
        SchemaError: On first use, if a known file is broken or lacks a column; the error names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.recognises(self.path):
            raise UnavailableError(
                "no market data that is understood",
                cure=f"name a directory that holds at least one of {LAYOUTS[0].file}, {LAYOUTS[3].file}, ...",
                where=str(path),
            )

    @staticmethod
    def recognises(path: str | Path) -> bool:
        """Whether at least one file of that directory has a known layout."""
        return any((Path(path) / layout.file).is_file() for layout in LAYOUTS)

    @property
    def name(self) -> str:
        """The directory's own name."""
        return f"directory {self.path.resolve().name}"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was passed over, and where files disagree."""
        return self._index.findings

    def catalogue(self) -> tuple[SeriesInfo, ...]:
        """Every series of the directory, sorted by key."""
        return self._index.infos

    def read(
        self, keys: Sequence[SeriesKey], *, start: datetime | None, end: datetime
    ) -> dict[SeriesKey, pl.DataFrame]:
        """Rows of each key known from ``start`` to ``end``; an empty frame for a key that is not held."""
        parts = {key: self._index.parts.get(key, ()) for key in keys}
        # The true interval of a settlement is told by the one before it, which must not be cut off before.
        first = None if any(key.kind is Kind.FUNDING for key in keys) else start
        pieces = self._pieces((part for held in parts.values() for part in held), first, end)
        frames = {}
        for key, held in parts.items():
            frame = _united(key, [pieces[part] for part in held if part in pieces])
            frames[key] = frame if start is None else frame.filter(pl.col("known_at") >= start)
        return frames

    @cached_property
    def _index(self) -> _Index:
        found: defaultdict[SeriesKey, list[_Part]] = defaultdict(list)
        for number, layout in enumerate(LAYOUTS):
            if (self.path / layout.file).is_file():
                for part in self._parts(number, layout):
                    found[part.info.key].append(part)
        parts = {key: tuple(held) for key, held in sorted(found.items())}
        shared = [key for key, held in parts.items() if len({part.layout for part in held}) > 1]
        pieces = self._pieces((part for key in shared for part in parts[key]), None, _FOREVER)
        disagreements = []
        for key in shared:
            frames = [pieces[part] for part in parts[key]]
            disagreements += _disagreement(key, frames)
            rows = _united(key, frames).height
            parts[key] = tuple(replace(part, info=replace(part.info, rows=rows)) for part in parts[key])
        infos = tuple(_merged([part.info for part in held], key in shared) for key, held in parts.items())
        return _Index(infos, parts, (*self._strangers(), *disagreements))

    def _parts(self, number: int, layout: Layout) -> Iterator[_Part]:
        known = pl.col("known_at")
        spans = (
            layout.rows(self._scan(layout))
            .group_by(layout.ident)
            .agg(known.min().alias("first"), known.max().alias("last"), pl.len().alias("count"))
            .sort(layout.ident)
        )
        for row in self._collect(layout, spans).iter_rows(named=True):
            ident = tuple(str(row[column]) for column in layout.ident)
            named = layout.name(ident)
            if named is not None:
                span = (row["first"].astimezone(UTC), row["last"].astimezone(UTC), row["count"])
                about = (named.key, named.asset, named.multiplier)
                origin = f"{self.path.resolve().name}/{layout.file}"
                yield _Part(number, ident, SeriesInfo(*about, *span, layout.bar, origin, named.quote, named.expiry))

    def _pieces(self, parts: Iterable[_Part], start: datetime | None, end: datetime) -> dict[_Part, pl.DataFrame]:
        """Rows known from ``start`` to ``end`` of each part, reading every file once."""
        by_layout: defaultdict[int, dict[Ident, _Part]] = defaultdict(dict)
        for part in parts:
            by_layout[part.layout][part.ident] = part
        inside = pl.col("known_at") <= end
        if start is not None:
            inside &= pl.col("known_at") >= start
        pieces = {}
        for number, wanted in sorted(by_layout.items()):
            layout = LAYOUTS[number]
            frame = self._scan(layout)
            for position, column in enumerate(layout.ident):
                frame = frame.filter(pl.col(column).is_in(sorted({ident[position] for ident in wanted})))
            rows = self._collect(layout, layout.rows(frame).filter(inside))
            for ident, piece in rows.partition_by(layout.ident, as_dict=True, maintain_order=True).items():
                if ident in wanted:
                    part = wanted[ident]
                    pieces[part] = conform(piece, part.info.key.kind, where=f"{layout.file} {part.info.key}")
        return pieces

    def _scan(self, layout: Layout) -> pl.LazyFrame:
        path = self.path / layout.file
        try:
            frame = pl.scan_parquet(path)
            missing = sorted(set(layout.needs) - set(frame.collect_schema().names()))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _broken(layout, str(error)) from error
        if missing:
            raise _broken(layout, f"column {missing[0]} is missing")
        return frame

    def _collect(self, layout: Layout, frame: pl.LazyFrame) -> pl.DataFrame:
        try:
            return frame.collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _broken(layout, str(error)) from error

    def _strangers(self) -> Iterator[Finding]:
        known = {layout.file for layout in LAYOUTS}
        for path in sorted(self.path.glob("*.parquet")):
            if path.name not in known:
                yield Finding(Trouble.NOTE, path.name, "holds no series of a known layout", "it is left alone")


def _broken(layout: Layout, cause: str) -> SchemaError:
    return SchemaError(
        cause.splitlines()[0], cure=f"mend or remove {layout.file}, or name another directory", where=layout.file
    )


def _united(key: SeriesKey, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    if not frames:
        return empty(key.kind)
    frame = frames[0]
    if len(frames) > 1:
        stamps = pl.concat([f.with_columns(pl.lit(i).alias("part")) for i, f in enumerate(frames)])
        first = pl.col("part") == pl.col("part").min().over("known_at")
        frame = stamps.filter(first).drop("part").sort("known_at", maintain_order=True)
    return true_intervals(frame) if key.kind is Kind.FUNDING else frame


def _disagreement(key: SeriesKey, frames: Sequence[pl.DataFrame]) -> list[Finding]:
    """Moments at which two files of one series differ in a number by more than 1e-9."""
    both = frames[0].join(frames[1], on="known_at", suffix="_other")
    column = "rate_per_interval" if key.kind is Kind.FUNDING else "close"
    differ = both.filter((pl.col(column) - pl.col(f"{column}_other")).abs() > 1e-9).height
    if not differ:
        return []
    return [Finding(Trouble.NOTE, str(key), f"two files differ on {differ} of {both.height} rows", "the first is used")]


def _merged(infos: Sequence[SeriesInfo], shared: bool) -> SeriesInfo:
    """One description of a series that lies in several places (``rows`` is already that of the whole if shared)."""
    return replace(
        infos[0],
        start=min(info.start for info in infos),
        end=max(info.end for info in infos),
        rows=infos[0].rows if shared else sum(info.rows for info in infos),
        origin=" + ".join(dict.fromkeys(info.origin for info in infos)),
    )
