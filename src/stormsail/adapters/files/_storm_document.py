"""The shape of a storm file: one class a section, every key checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stormsail.core import ConfigError, suggest
from stormsail.lab.scenario import ALL, LARGEST

LONGEST = 24 * 366
"""Longest storm, in hours."""

Hour = Annotated[int, Field(ge=0, le=LONGEST)]
Fraction = Annotated[float, Field(allow_inf_nan=False)]
Moves = dict[str, Fraction]
Names = Annotated[list[str], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AltsSection(_Section):
    """``[alts]``: how far apart alts moved."""

    p10: Fraction | None = None
    p90: Fraction | None = None
    count: int | None = None


class PathSection(_Section):
    """``[[path]]``: where prices stand at an hour."""

    hour: Hour
    share: Fraction | None = None
    moves: Moves | None = None


class WickSection(_Section):
    """``[[wick]]``: a price printed for a moment."""

    hour: Hour
    move: Fraction
    assets: Names = [ALL]
    on: Literal["mark", "last"] = "mark"


class OracleSection(_Section):
    """``[[oracle]]``: a wrong or silent mark."""

    start: Hour
    end: Hour
    assets: Names = [ALL]
    off: Fraction | None = None
    silent: bool = False


class FundingSection(_Section):
    """``[[funding]]``: rates between two hours."""

    start: Hour = 0
    end: Hour
    every: Annotated[int, Field(ge=1, le=24)] = 8
    rate: Moves


class PegSection(_Section):
    """``[[peg]]``: what a stablecoin is worth."""

    currency: str
    hours: list[Hour]
    prices: list[Annotated[float, Field(gt=0, le=10)]]


class DroughtSection(_Section):
    """``[[liquidity]]``: slippage times a factor."""

    start: Hour
    end: Hour
    factor: Annotated[float, Field(ge=1, le=10_000)]


class ShockSection(_Section):
    """``[[shock]]``: what a venue does."""

    what: Literal["venue gone", "deleveraged", "frozen"]
    hour: Hour
    venue: str = LARGEST
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    worse: Annotated[float, Field(ge=0, le=10)] = 0.0
    end: Hour | None = None
    reason: str = ""


class SettledSection(_Section):
    """``[[settled]]``: a contract ended by its venue."""

    hour: Hour
    contract: str = LARGEST
    price: Fraction | Literal["bankrupt"] = "bankrupt"


class SourceSection(_Section):
    """``[[source]]``: where figures come from."""

    of: Names
    kind: Literal["computed", "reported", "recalled", "assumed"]
    text: str


class StormDocument(_Section):
    """The whole file."""

    schema_version: int
    name: str
    title: str
    about: str = ""
    window: list[str] | None = None
    hours: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    judge: Literal["mark", "last"] = "mark"
    failed: list[str] = []
    moves: Moves = {}
    alts: AltsSection = AltsSection()
    path: list[PathSection] = []
    wick: list[WickSection] = []
    oracle: list[OracleSection] = []
    funding: list[FundingSection] = []
    peg: list[PegSection] = []
    liquidity: list[DroughtSection] = []
    shock: list[ShockSection] = []
    settled: list[SettledSection] = []
    source: list[SourceSection] = []


def refused(error: ValidationError, where: str) -> ConfigError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        near = suggest(str(first["loc"][-1]), _known(first["loc"]))
        return ConfigError(f"unknown key {place}", cure=near, where=where)
    if first["type"] == "missing":
        return ConfigError(f"{place} is missing", cure="add it", where=where)
    told = str(first["msg"])
    return ConfigError(f"{place} is {first['input']!r}", cure=told[:1].lower() + told[1:], where=where)


_LISTS: Mapping[str, type[BaseModel]] = {
    "alts": AltsSection, "path": PathSection, "wick": WickSection, "oracle": OracleSection, "funding": FundingSection,
    "peg": PegSection, "liquidity": DroughtSection, "shock": ShockSection, "settled": SettledSection,
    "source": SourceSection,
}  # fmt: skip


def _known(location: tuple[int | str, ...]) -> list[str]:
    """Keys that may stand at that place."""
    model = _LISTS.get(str(location[0]), StormDocument) if len(location) > 1 else StormDocument
    return list(model.model_fields)
