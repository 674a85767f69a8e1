"""Configuration: commented TOML, validated at the edge, unknown keys refused.

Strongest first: command-line options, environment (``STORMSAIL__SECTION__KEY``), the file, defaults.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from stormsail.core import ConfigError, suggest

DEFAULT_FILE = "stormsail.toml"
PREFIX = "STORMSAIL__"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ToleranceSection(_Section):
    """How much to protect; see the tolerance page of the docs. Texts such as ``50%`` and ``30d`` are accepted."""

    coverage: str | float | None = None
    survive: str | float | None = None
    horizon: str | None = None
    collateral: str | float | None = None
    floor: str | float | None = None
    budget: str | float | None = None
    venues: list[str] | None = None
    liquidation_chance: str | float | None = None
    top_up: str | None = None
    volume_share: str | float | None = None
    max_net_delta: str | float | None = None


class DataSection(_Section):
    """Where market data lies; nothing means the bundled sample."""

    dir: str | None = None


class Config(_Section):
    """The whole configuration file."""

    schema_version: int = 1
    portfolio: str | None = None
    data: DataSection = DataSection()
    tolerance: ToleranceSection = ToleranceSection()


def load_config(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read ``path``, or ``stormsail.toml`` in the current folder if there is one, and the environment over it.

    Raises:
        ConfigError: If the file is missing, is not TOML, or has an unknown key or a wrong value.
    """
    environ = os.environ if environ is None else environ
    file = path or Path(DEFAULT_FILE)
    raw: dict[str, Any] = {}
    if file.exists():
        try:
            raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise ConfigError(f"not readable as TOML: {error}", cure="correct that line", where=str(file)) from error
    elif path is not None:
        raise ConfigError("no such file", cure="run stormsail init to write one", where=str(path))
    _overlay(raw, environ)
    return parse_config(raw, where=str(file))


def parse_config(raw: Mapping[str, Any], *, where: str) -> Config:
    """Validate the content of a configuration.

    Raises:
        ConfigError: If it has an unknown key, a wrong value, or another schema version.
    """
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{key}: {first['msg']}", cure=_cure(first["loc"]), where=where) from error
    if config.schema_version != 1:
        raise ConfigError(
            f"schema_version {config.schema_version} is not known", cure="use schema_version = 1", where=where
        )
    return config


def _overlay(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    for name, value in sorted(environ.items()):
        if name.startswith(PREFIX):
            *sections, key = name.removeprefix(PREFIX).lower().split("__")
            place = raw
            for section in sections:
                place = place.setdefault(section, {})
            place[key] = value.split(",") if key == "venues" else value


def _cure(location: tuple[int | str, ...]) -> str:
    model: type[BaseModel] = Config
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return suggest(str(location[-1]), model.model_fields)


TEMPLATE = """\
# Stormsail configuration. Command-line options win over this file.
schema_version = 1

# The portfolio to protect: CSV, TOML or JSON.
portfolio = "portfolio.csv"

[data]
# Folder with market data; without it the bundled sample (July 2025) is used.
# dir = "market-data"

[tolerance]
coverage = "50%"            # share of the exposure to protect
survive = "30%"             # fall of your coins, and rise of the shorts, to live through
horizon = "30d"             # how long protection is wanted
# collateral = 20000        # cash that can be posted; leave out for "as much as is needed"
# floor = 60000             # value the portfolio must keep after falling by `survive`
# budget = 500              # largest acceptable expected cost over the horizon
# venues = ["binance"]      # leave out for every venue that passes due diligence
liquidation_chance = "1%"   # largest acceptable chance of a liquidation in 30 days
top_up = "24h"              # time to notice and to post more collateral
volume_share = "1%"         # largest share of a contract's daily volume the hedge may be
"""
