"""``init`` writes what a newcomer needs; ``doctor`` says whether this installation is sound."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stormsail.app.config import DEFAULT_FILE, TEMPLATE, Config, load_config, parse_config
from stormsail.app.console import out, output_folder, print_json, talk
from stormsail.core import ConfigError, StormsailError

EXTRAS = {"live": "ccxt", "web": "fastapi", "onchain": "web3", "cluster": "distributed"}
PORTFOLIO_TEMPLATE = """\
asset,quantity,acquired,unit_cost,locked_until,venue
SOL,120,2024-11-02,168.40,,ledger
ADA,9000,,,,
LINK,400,,,2026-12-31,
"""


def init(folder: Path, values: list[str], *, force: bool, schema: bool, as_json: bool) -> None:
    """Write ``stormsail.toml`` and ``portfolio.csv`` into ``folder``; ``values`` are ``section.key=value``."""
    if schema:
        print_json(Config.model_json_schema())
        return
    text = TEMPLATE
    for item in values:
        text = _set(text, item)
    files = {folder / DEFAULT_FILE: text, folder / "portfolio.csv": PORTFOLIO_TEMPLATE}
    for path in files:
        if path.exists() and not force:
            raise ConfigError(
                "exists already", cure="choose another folder, or overwrite with --force", where=str(path)
            )
    _check(text)
    output_folder(folder)
    for path, content in files.items():
        path.write_text(content, encoding="utf-8")
    if as_json:
        print_json({"written": [str(path) for path in files]})
        return
    for path in files:
        talk().print(f"wrote {path}", markup=False, soft_wrap=True)
    talk().print("Next: put your coins into portfolio.csv, then run stormsail plan", markup=False)


def _check(text: str) -> None:
    """Refuse values that ``plan`` would refuse, before anything is written."""
    from stormsail.audit.tolerance import tolerance_from_text

    config = parse_config(tomllib.loads(text), where="--set")
    tolerance_from_text({k: v for k, v in config.tolerance.model_dump().items() if v is not None})


def _set(text: str, item: str) -> str:
    path, equals, value = item.partition("=")
    *section, key = path.strip().split(".")
    if not equals or len(section) > 1:
        raise ConfigError(f"{item!r} is not a value", cure="write --set tolerance.coverage=60%", where="--set")
    literal = value.strip()
    try:
        tomllib.loads(f"x = {literal}")
    except tomllib.TOMLDecodeError:
        literal = '"' + literal.replace("\\", "\\\\").replace('"', '\\"') + '"'
    lines, place, done = text.splitlines(), "", False
    for i, line in enumerate(lines):
        if line.startswith("["):
            place = line.strip("[]")
        here = place == ".".join(section) and "=" in line and line.lstrip("# ").partition("=")[0].strip() == key
        if here and not done:
            lines[i], done = f"{key} = {literal}", True
    if not done:
        raise ConfigError(f"no key {path!r}", cure="see the keys in stormsail.toml", where="--set")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's findings: ``ok``, ``note`` or ``bad``, and what to do."""

    name: str
    state: str
    detail: str
    cure: str = ""


def doctor(data: str | None, config: Path | None, *, as_json: bool) -> int:
    """Check versions, extras, configuration, market data and disk; exit code 1 if something is bad."""
    checks = [_python(), _package(), *_extras(), _configuration(config), _data(data, config), _disk()]
    bad = any(check.state == "bad" for check in checks)
    if as_json:
        from stormsail.core.plain import to_plain

        print_json({"sound": not bad, "checks": to_plain(checks)})
        return int(bad)
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        told = check.detail + (f"; {check.cure}" if check.cure else "")
        table.add_row(check.state, check.name, Text(told))
    out().print(table)
    return int(bad)


def _python() -> Check:
    text = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", "ok", text) if sys.version_info >= (3, 11) else Check("Python", "bad", text, "install 3.11+")


def _package() -> Check:
    try:
        return Check("Stormsail", "ok", version("stormsail"))
    except PackageNotFoundError:
        return Check("Stormsail", "bad", "not installed", "run make demo in the project")


def _extras() -> list[Check]:
    return [
        Check(f"extra {name}", "ok", f"{module} is there")
        if importlib.util.find_spec(module)
        else Check(
            f"extra {name}", "note", f"{module} is not installed", f"pip install 'stormsail[{name}]' if you need it"
        )
        for name, module in EXTRAS.items()
    ]


def _configuration(config: Path | None) -> Check:
    try:
        load_config(config)
    except StormsailError as error:
        return Check("configuration", "bad", error.cause, error.cure)
    there = (config or Path(DEFAULT_FILE)).exists()
    return Check(
        "configuration", "ok" if there else "note", str(config or DEFAULT_FILE) if there else "none, defaults hold"
    )


def _data(data: str | None, config: Path | None) -> Check:
    from stormsail.app.api import Workbench

    try:
        bench = Workbench.open(data or load_config(config).data.dir)
        series = bench.source.catalogue()
    except StormsailError as error:
        return Check("market data", "bad", error.cause, error.cure)
    return Check("market data", "ok", f"{bench.source.name}: {len(series)} series to {bench.as_of:%Y-%m-%d %H:%M} UTC")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return (
        Check("disk", "ok", f"{free:.0f} GB free")
        if free > 1
        else Check("disk", "bad", f"{free:.2f} GB free", "free some")
    )
