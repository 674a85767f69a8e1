"""Policies as commented TOML: read with every key checked, written so that a person can change them.

Spans are texts such as ``24h`` or ``7d``, shares ``0.5`` or ``"50%"``. A section that is left out keeps its defaults; a
part that is not wanted is switched off by ``use = false``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from stormsail.adapters.files._read import read_text
from stormsail.audit.tolerance import parse_share
from stormsail.core import ConfigError, ToleranceError, format_span, parse_span, suggest
from stormsail.watch.policy import AfterLoss, Follow, Ladder, Lost, Policy, Rebalance, Roll, Switch

SCHEMA_VERSION = 1
_NO_TIME = ("0", "0m", "0h", "0d")


def _span(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"write a span such as '24h' or '7d', not {value!r}")
    return timedelta(0) if value.strip() in _NO_TIME else parse_span(value)


def _share(value: object) -> object:
    try:
        return parse_share(value)
    except ToleranceError as error:
        raise ValueError(error.cure) from error


Span = Annotated[timedelta, BeforeValidator(_span)]
Share = Annotated[float, BeforeValidator(_share)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _word(kind: type[StrEnum]) -> BeforeValidator:
    def read(value: object) -> object:
        try:
            return kind(str(value))
        except ValueError:
            raise ValueError(suggest(str(value), [each.value for each in kind])) from None

    return BeforeValidator(read)


class RebalanceSection(_Section):
    """``[rebalance]``: when positions follow their targets."""

    follow: Annotated[Follow, _word(Follow)] = Rebalance().follow
    every: Span = Rebalance().every
    half_width: Share | None = None
    to_edge: bool = Rebalance().to_edge


class LadderSection(_Section):
    """``[ladder]``: what is done when margin runs short."""

    use: bool = True
    warn: Share = Ladder().warn
    top_up: Share = Ladder().top_up
    top_up_to: Share = Ladder().top_up_to
    reduce: Share = Ladder().reduce
    reduce_to: Share = Ladder().reduce_to
    close: Share = Ladder().close
    with_spot: bool = Ladder().with_spot
    withdraw: Share = Ladder().withdraw
    latency: Span = Ladder().latency
    move: bool = Ladder().move


class RollSection(_Section):
    """``[roll]``: how dated contracts are replaced."""

    use: bool = True
    before: Span = Roll().before
    slices: int = Roll().slices
    early: Share = Roll().early


class SwitchSection(_Section):
    """``[switch]``: whether perpetual and dated are exchanged."""

    use: bool = True
    gain: Share = Switch().gain
    hold: Span = Switch().hold


class AfterLossSection(_Section):
    """``[after_loss]``: what follows when a venue has closed a short."""

    then: Annotated[Lost, _word(Lost)] = AfterLoss().then
    latency: Span = AfterLoss().latency


class PolicyDocument(_Section):
    """The whole file."""

    schema_version: int = SCHEMA_VERSION
    replan: Span | None = None
    rebalance: RebalanceSection = RebalanceSection()
    ladder: LadderSection = LadderSection()
    roll: RollSection = RollSection()
    switch: SwitchSection = SwitchSection(use=False)
    after_loss: AfterLossSection = AfterLossSection()


def read_policy(path: str | Path) -> Policy:
    """Read a policy file.

    Raises:
        ConfigError: If the file is missing, is not TOML, has an unknown key or a wrong value, or another version.
    """
    return parse_policy(read_text(path, "a policy file"), where=str(path))


def parse_policy(text: str, *, where: str = "policy") -> Policy:
    """Read the text of a policy file.

    Raises:
        ConfigError: As :func:`read_policy`.

    >>> parse_policy('schema_version = 1\\n[rebalance]\\nfollow = "clock"\\nevery = "1d"').rebalance.every.days
    1
    """
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"not TOML: {error}", cure="correct that line", where=where) from error
    return _read(raw, where)


def _read(raw: dict[str, Any], where: str) -> Policy:
    version = raw.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        told = "no schema_version" if version is None else f"schema_version {version!r} is not known"
        raise ConfigError(told, cure=f"write schema_version = {SCHEMA_VERSION}", where=where)
    try:
        document = PolicyDocument.model_validate(raw)
    except ValidationError as error:
        raise _refused(error, where) from error
    try:
        return _policy(document)
    except ConfigError as error:
        place = f"{where}, {error.where}" if error.where else where
        raise ConfigError(error.cause, cure=error.cure, where=place) from error


def names() -> tuple[str, ...]:
    """Every value of a policy by its dotted name, such as ``rebalance.half_width``."""
    return ("replan", *(f"{section}.{key}" for section, (_, keys) in _ABOUT.items() for key in keys))


def changed(policy: Policy, values: Mapping[str, str], *, where: str = "policy") -> Policy:
    """A policy with some values changed, by dotted name and as they would stand in the file.

    ``none`` leaves a value out; a value within a part that is switched off switches it on, unless its ``use`` is given.

    Raises:
        ConfigError: If a name is not known or a value cannot be.

    >>> changed(Policy(), {"rebalance.half_width": "2%", "replan": "30d"}).rebalance.half_width
    0.02
    """
    raw: dict[str, Any] = tomllib.loads(render_policy(policy))
    for name, text in values.items():
        if name not in names():
            raise ConfigError(f"unknown key {name}", cure=suggest(name, names()), where=where)
        section, _, key = name.rpartition(".")
        place = raw.setdefault(section, {}) if section else raw
        if "use" in place and f"{section}.use" not in values:
            place["use"] = True
        if text == "none":
            place.pop(key, None)
        else:
            place[key] = _value(text)
    return _read(raw, where)


def _value(text: str) -> Any:
    """A value as TOML would read it, or a text where it would not."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if len(found) == 1 else text


def _policy(document: PolicyDocument) -> Policy:
    """The value behind the file; the parts check themselves."""
    return Policy(
        rebalance=Rebalance(**_fields(document.rebalance)),
        ladder=Ladder(**_fields(document.ladder)) if document.ladder.use else None,
        roll=Roll(**_fields(document.roll)) if document.roll.use else None,
        switch=Switch(**_fields(document.switch)) if document.switch.use else None,
        after_loss=AfterLoss(**_fields(document.after_loss)),
        replan=document.replan,
    )


def _fields(section: _Section) -> dict[str, Any]:
    return {name: value for name, value in section if name != "use"}


def _refused(error: ValidationError, where: str) -> ConfigError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        near = suggest(str(first["loc"][-1]), _known(first["loc"]))
        return ConfigError(f"unknown key {place}", cure=near, where=where)
    told = str(first["msg"]).removeprefix("Value error, ")
    return ConfigError(f"{place} is {first['input']!r}", cure=told[:1].lower() + told[1:], where=where)


def _known(location: tuple[int | str, ...]) -> list[str]:
    """Keys that may stand at that place."""
    model: type[BaseModel] = PolicyDocument
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        if field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    return list(model.model_fields)


_ABOUT = {
    "rebalance": ("When positions follow their targets.", {
        "follow": "hold trades once; clock trades to the target at every look; band only what has left its band",
        "every": "time between two looks, whole hours",
        "half_width": "half the no-trade band, as a share of the target; left out: the cube-root law",
        "to_edge": "trade to the band's edge; false trades to the target",
    }),
    "ladder": ("What is done as the margin ratio (requirement over balance; 1 is liquidation) rises.", {
        "use": "false: nothing is done",
        "warn": "tell the holder",
        "top_up": "send collateral from the reserve",
        "top_up_to": "ratio it should bring",
        "reduce": "buy back a part of every short, unless enough is on the way",
        "reduce_to": "ratio that should bring",
        "close": "buy back everything before the venue does",
        "with_spot": "sell the coins that a short bought back had protected",
        "withdraw": "below this ratio what is not needed goes back to the reserve; 0: never",
        "latency": "from deciding on a transfer to its arrival",
        "move": "open what is bought back at another venue that has room",
    }),
    "roll": ("How a dated contract is replaced by the next.", {
        "use": "false: it is left to expire",
        "before": "latest start before the averaging window, whole hours",
        "slices": "steps, one a look",
        "early": "annual basis the next must pay beyond this one's and the cost to be rolled earlier",
    }),
    "switch": ("Whether perpetual and dated are exchanged for each other.", {
        "use": "false: never",
        "gain": "annual carry the other must promise beyond the cost",
        "hold": "shortest time between two changes",
    }),
    "after_loss": ("What follows when a venue has closed a short.", {
        "then": "rehedge, sell (the coins it protected), or nothing",
        "latency": "time it takes",
    }),
}  # fmt: skip
"""What the comments say: section, then key."""


def render_policy(policy: Policy, about: str = "How the hedge is kept alive.") -> str:
    """A policy as commented TOML that :func:`parse_policy` reads back to the same policy.

    Args:
        policy: What to write.
        about: First comment line.
    """
    lines = [f"# {about}", f"schema_version = {SCHEMA_VERSION}"]
    told = "make the plan anew after this time"
    lines.append(f'# replan = "30d"  # {told}' if policy.replan is None else _line("replan", policy.replan, told))
    parts = {name: getattr(policy, name) for name in _ABOUT}
    stand_in = {"ladder": Ladder(), "roll": Roll(), "switch": Switch()}
    for name, (heading, keys) in _ABOUT.items():
        lines += ["", f"# {heading}", f"[{name}]"]
        for key, comment in keys.items():
            value = parts[name] is not None if key == "use" else getattr(parts[name] or stand_in[name], key)
            lines.append(f"# {key} = 0.05  # {comment}" if value is None else _line(key, value, comment))
    return "\n".join(lines) + "\n"


def _line(key: str, value: object, comment: str) -> str:
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, timedelta):
        text = f'"{format_span(value)}"'
    else:
        text = f'"{value.value}"' if isinstance(value, StrEnum) else repr(value)
    return f"{key} = {text}" + (f"  # {comment}" if comment else "")


def write_policy(policy: Policy, path: str | Path, about: str = "How the hedge is kept alive.") -> None:
    """Write a policy file.

    Raises:
        ConfigError: If the place cannot be written.
    """
    try:
        Path(path).write_text(render_policy(policy, about), encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}", cure="choose another place", where=str(path)
        ) from error
