"""Storms from TOML files: those of the package, and anyone's own.

Every key is checked; every section with figures of a past storm must say where they come from. The format is described
in ``docs/reference/storm-files.md``.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stormsail.adapters.files._read import read_text
from stormsail.adapters.files._storm_document import (
    LONGEST,
    FundingSection,
    OracleSection,
    PegSection,
    ShockSection,
    StormDocument,
    refused,
)  # fmt: skip
from stormsail.core import ConfigError, parse_moment, suggest
from stormsail.lab.scenario import (
    ALL,
    ALTS,
    BANKRUPT,
    Blow,
    Drought,
    Forced,
    FundingSpell,
    Ground,
    Grounds,
    Keyframe,
    Oracle,
    Peg,
    Scenario,
    VenueBlow,
    Wick,
)  # fmt: skip

SCHEMA_VERSION = 1
_SYMBOL = re.compile(r"[A-Z0-9]{1,20}")
_WORDS = (ALTS, ALL)

_FIGURES = ("moves", "alts", "path", "wick", "oracle", "funding", "peg", "liquidity", "shock", "settled", "failed")


def storm_directory() -> Path:
    """Where the storm files that come with the package lie."""
    return Path(__file__).parent / "storms"


def load_storms(path: Path | None = None) -> dict[str, Scenario]:
    """Every storm of a directory by name; past ones first, by date, then the invented ones.

    Args:
        path: Directory; the package's own by default.

    Raises:
        ConfigError: Naming file and key.

    >>> "ftx-2022" in load_storms()
    True
    """
    found = [read_storm(file) for file in sorted((path or storm_directory()).glob("*.toml"))]
    for storm in found:
        if Path(storm.file).stem != storm.name:
            raise ConfigError(
                f"name is {storm.name!r}", cure="name the file after the storm", where=Path(storm.file).name
            )
    last = datetime.max.replace(tzinfo=UTC)
    found.sort(key=lambda s: (s.window[0] if s.window else last, s.name))
    return {storm.name: storm for storm in found}


def find_storm(named: str) -> Scenario:
    """A storm by name, or of a file.

    Raises:
        ConfigError: If there is neither, with the nearest name.
    """
    if named.endswith(".toml") or "/" in named:
        return read_storm(named)
    storms = load_storms()
    if named not in storms:
        raise ConfigError(
            f"no storm named {named!r}", cure=f"{suggest(named, storms)}; stormsail stress --list shows all",
            where="--storm",
        )  # fmt: skip
    return storms[named]


def read_storm(path: str | Path) -> Scenario:
    """Read a storm file.

    Raises:
        ConfigError: If it is missing, not TOML, has an unknown key or a wrong value; file and key are named.
    """
    return parse_storm(read_text(path, "a storm file"), where=str(path))


def parse_storm(text: str, *, where: str = "storm") -> Scenario:
    """Read the text of a storm file.

    Raises:
        ConfigError: As :func:`read_storm`.

    >>> crash = 'schema_version = 1\\nname = "x"\\ntitle = "X"\\n'
    >>> crash += "moves = {BTC = -0.4}\\npath = [{hour = 6, share = 1.0}]"
    >>> storm = parse_storm(crash)
    >>> storm.hours, storm.keyframes[-1].moves
    (6, {'BTC': -0.4})
    """
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"not TOML: {error}", cure="correct that line", where=where) from error
    version = raw.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        told = "no schema_version" if version is None else f"schema_version {version!r} is not known"
        raise ConfigError(told, cure=f"write schema_version = {SCHEMA_VERSION}", where=where)
    try:
        document = StormDocument.model_validate(raw)
    except ValidationError as error:
        raise refused(error, where) from error
    return _Reader(document, where).scenario()


class _Reader:
    """Turns a document into a scenario, and says which key is wrong."""

    def __init__(self, document: StormDocument, where: str) -> None:
        self.document, self.where = document, where

    def wrong(self, key: str, cause: str, cure: str) -> ConfigError:
        return ConfigError(f"{key}: {cause}", cure=cure, where=self.where)

    def scenario(self) -> Scenario:
        d = self.document
        window = self.window()
        hours = self.hours(window)
        self.sources()
        return Scenario(
            name=d.name,
            title=d.title,
            about=" ".join(d.about.split()),
            window=window,
            hours=hours,
            keyframes=self.keyframes(hours),
            spread=self.spread(),
            judge=d.judge,
            wicks=tuple(
                Wick(w.hour, self.move(f"wick.{i}.move", w.move), self.assets(f"wick.{i}", w.assets), w.on)
                for i, w in enumerate(d.wick)
            ),
            oracles=tuple(self.oracle(i, each) for i, each in enumerate(d.oracle)),
            funding=tuple(self.spell(i, each) for i, each in enumerate(d.funding)),
            pegs=tuple(self.peg(i, each) for i, each in enumerate(d.peg)),
            droughts=tuple(
                Drought(*self.span(f"liquidity.{i}", each.start, each.end), each.factor)
                for i, each in enumerate(d.liquidity)
            ),
            blows=tuple(self.blow(i, each, hours) for i, each in enumerate(d.shock)),
            forced=tuple(
                Forced(
                    each.hour,
                    each.contract,
                    None if each.price == BANKRUPT else self.move(f"settled.{i}.price", float(each.price)),
                )
                for i, each in enumerate(d.settled)
            ),
            failed=tuple(d.failed),
            grounds=tuple(Grounds(tuple(s.of), Ground(s.kind), s.text) for s in d.source),
            file=self.where,
        )

    def window(self) -> tuple[datetime, datetime] | None:
        given = self.document.window
        if given is None:
            return None
        try:
            start, end = (parse_moment(text) for text in given)
        except ValueError as error:
            raise self.wrong("window", str(error), 'write ["2020-03-12T00:00Z", "2020-03-13T23:00Z"]') from error
        if end <= start:
            raise self.wrong("window", "it ends before it begins", "give the first moment first")
        return start, end

    def hours(self, window: tuple[datetime, datetime] | None) -> int:
        d = self.document
        latest = max([p.hour for p in d.path], default=0)
        if window is not None:
            span = math.ceil((window[1] - window[0]) / timedelta(hours=1))
            if d.hours is not None and d.hours != span:
                raise self.wrong("hours", f"{d.hours}, and the window has {span}", "leave hours out")
            if span > LONGEST:
                raise self.wrong("window", f"{span} hours long", f"give one of at most {LONGEST}")
        else:
            span = d.hours or latest
        if span < 1:
            raise self.wrong("hours", "the storm has no length", "give hours, or a path")
        ends = {"path": latest, "settled": max([s.hour for s in d.settled], default=0)}
        ends |= {"shock": max([s.hour for s in d.shock], default=0), "wick": max([w.hour for w in d.wick], default=0)}
        for key, hour in ends.items():
            if hour > span:
                raise self.wrong(f"{key}.hour", f"{hour} lies beyond the {span} hours of the storm", "set hours")
        return span

    def move(self, key: str, value: float) -> float:
        if not value > -1.0:
            raise self.wrong(key, f"a move of {value:g} makes the price negative or zero", "give more than -1")
        return value

    def symbol(self, key: str, name: str, extra: tuple[str, ...] = ()) -> str:
        if name not in extra and not _SYMBOL.fullmatch(name):
            near = suggest(name, [*extra, name.upper()]) if name.isalnum() else "write a symbol such as SOL"
            raise self.wrong(key, f"{name!r} is not a coin", near)
        return name

    def assets(self, key: str, names: list[str]) -> tuple[str, ...]:
        return tuple(self.symbol(f"{key}.assets", name, _WORDS) for name in names)

    def moves(self, key: str, values: Mapping[str, float]) -> dict[str, float]:
        return {self.symbol(f"{key}.{a}", a, (ALTS,)): self.move(f"{key}.{a}", v) for a, v in values.items()}

    def keyframes(self, hours: int) -> tuple[Keyframe, ...]:
        d = self.document
        base = self.moves("moves", d.moves)
        if base and not d.path:
            raise self.wrong("moves", "no path says when", "add [[path]] with hour and share")
        frames = [Keyframe(0, {})]
        for i, point in enumerate(d.path):
            key = f"path.{i}"
            if (point.share is None) == (point.moves is None):
                raise self.wrong(key, "needs one of share and moves", "give a share of [moves], or moves of its own")
            if point.hour <= frames[-1].hour:
                raise self.wrong(f"{key}.hour", f"{point.hour} does not rise", "give rising hours after 0")
            if point.moves is not None:
                frames.append(Keyframe(point.hour, self.moves(f"{key}.moves", point.moves)))
                continue
            if not base:
                raise self.wrong(f"{key}.share", "there is no [moves] to take a share of", "add [moves]")
            scaled = {a: self.move(f"{key}.share", (point.share or 0.0) * v) for a, v in base.items()}
            frames.append(Keyframe(point.hour, scaled))
        if frames[-1].hour < hours:
            frames.append(Keyframe(hours, frames[-1].moves))
        return tuple(frames)

    def spread(self) -> tuple[float, float]:
        alts, median = self.document.alts, self.document.moves.get(ALTS)
        if alts.p10 is None or alts.p90 is None:
            if median and alts.p10 is not None:
                return 0.5, max(1.0, math.log1p(self.move("alts.p10", alts.p10)) / math.log1p(median))
            return 0.5, 2.0
        if not median:
            raise self.wrong("alts", "there is no moves.alts they lie around", "add moves.alts")
        ends = [math.log1p(self.move(f"alts.{n}", v)) / math.log1p(median) for n, v in
                (("p10", alts.p10), ("p90", alts.p90))]  # fmt: skip
        return min(ends), max(ends)

    def span(self, key: str, start: int, end: int) -> tuple[int, int]:
        if end <= start:
            raise self.wrong(f"{key}.end", f"{end} is not after {start}", "end later")
        return start, end

    def oracle(self, i: int, each: OracleSection) -> Oracle:
        key = f"oracle.{i}"
        if each.silent == (each.off is not None):
            raise self.wrong(key, "needs one of off and silent = true", "say how the mark is wrong")
        off = None if each.off is None else self.move(f"{key}.off", each.off)
        return Oracle(*self.span(key, each.start, each.end), self.assets(key, each.assets), off)

    def spell(self, i: int, each: FundingSection) -> FundingSpell:
        key = f"funding.{i}"
        for asset, rate in each.rate.items():
            self.symbol(f"{key}.rate.{asset}", asset, _WORDS)
            if abs(rate) > 0.1:
                raise self.wrong(f"{key}.rate.{asset}", f"{rate:g} per settlement", "give a fraction such as -0.0075")
        return FundingSpell(*self.span(key, each.start, each.end), each.every, dict(each.rate))

    def peg(self, i: int, each: PegSection) -> Peg:
        hours = each.hours
        if len(hours) != len(each.prices) or not hours:
            raise self.wrong(f"peg.{i}", f"{len(hours)} hours and {len(each.prices)} prices", "give one for each")
        if any(b <= a for a, b in pairwise(hours)):
            raise self.wrong(f"peg.{i}.hours", "they do not rise", "give rising hours")
        return Peg(each.currency, tuple(hours), tuple(each.prices))

    def blow(self, i: int, each: ShockSection, hours: int) -> VenueBlow:
        end = hours if each.end is None else each.end
        if Blow(each.what) is Blow.FROZEN:
            self.span(f"shock.{i}", each.hour, end)
        return VenueBlow(Blow(each.what), each.hour, each.venue, each.share, each.worse, end, each.reason or each.what)

    def sources(self) -> None:
        d = self.document
        told = {name for source in d.source for name in source.of}
        for name in sorted(told - set(_FIGURES)):
            raise self.wrong("source.of", f"no section {name!r}", suggest(name, _FIGURES))
        if d.window is None:
            return
        for name in _FIGURES:
            if name in d.model_fields_set and name not in told:
                raise self.wrong(name, "no source says where it comes from", f'add [[source]] with of = ["{name}"]')


def storm_schema() -> dict[str, Any]:
    """JSON schema of a storm file."""
    schema: dict[str, Any] = StormDocument.model_json_schema()
    return schema
