"""The verbs of ``stormsail data``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stormsail.app.console import out, print_json, progress, talk
from stormsail.core import ConfigError, InputError, format_span, parse_moment, suggest
from stormsail.core.plain import to_plain
from stormsail.market.schema import Kind, SeriesInfo


def list_series(data: str | None, *, kind: str | None, asset: str | None, as_json: bool) -> None:
    """Print the catalogue of a data folder."""
    from stormsail.app.api import open_source

    wanted = _kinds(kind) if kind else set(Kind)
    source = open_source(data)
    series = [
        info
        for info in source.catalogue()
        if info.key.kind in wanted and (asset is None or info.asset == asset.upper())
    ]
    if asset is not None and not series:
        known = {info.asset for info in source.catalogue() if info.key.kind in wanted}
        raise InputError(f"no series of {asset.upper()}", cure=suggest(asset, known), where="--asset")
    if as_json:
        print_json({"source": source.name, "series": to_plain(series)})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("series", overflow="fold")
    for header in ("bar", "from", "to", "rows"):
        table.add_column(header, justify="right" if header in ("bar", "rows") else "left", no_wrap=True, min_width=3)
    for info in series:
        bar = "" if info.bar is None else format_span(info.bar)
        table.add_row(str(info.key), bar, f"{info.start:%Y-%m-%d}", f"{info.end:%Y-%m-%d}", f"{info.rows:,}")
    out().print(table)
    talk().print(f"{len(series)} series in {source.name}", markup=False)


def verify(data: str | None, *, as_of: str | None, as_json: bool) -> None:
    """Check every series and print what was found, with the rule that handles it."""
    from stormsail.app.api import Workbench
    from stormsail.market.quality import verify as check
    from stormsail.report.text import print_findings

    bench = Workbench.open(data, as_of)
    with progress("checking series", quiet=as_json) as step:
        findings = check(bench.view, progress=step)
    if as_json:
        print_json({"source": bench.source.name, "as_of": to_plain(bench.as_of), "findings": to_plain(findings)})
        return
    print_findings(out(), findings, top=len(findings))
    talk().print(f"{len(findings)} findings in {len(bench.view.catalogue())} series", markup=False)


def fetch(
    assets: str,
    *,
    into: Path,
    venue: str,
    start: str | None,
    end: str | None,
    kinds: str,
    url: str | None,
    as_json: bool,
) -> None:
    """Fetch public data of some coins from a venue into a store."""
    from stormsail.adapters.cex import fetch as fetch_venue
    from stormsail.adapters.store.parquet import ParquetStore

    store = ParquetStore(into)
    last = _day(end, "--end") if end else datetime.now(UTC)
    first = _day(start, "--start") - timedelta(days=1) if start else last - timedelta(days=400)
    coins = tuple(sorted({a.strip().upper() for a in assets.split(",") if a.strip()}))
    if not coins:
        raise InputError("no coins were named", cure="name some, such as SOL,ADA,ETH", where="ASSETS")
    written: list[SeriesInfo] = []

    def write(info: SeriesInfo, frame: Any) -> None:
        store.write(info, frame)
        written.append(info)

    with progress(f"fetching from {venue}", quiet=as_json) as step:
        findings = fetch_venue(
            venue, coins, sorted(_kinds(kinds)), first, last, write=write, base_url=url, progress=step
        )
    if as_json:
        print_json({"store": str(into), "series": to_plain(written), "findings": to_plain(findings)})
        return
    talk().print(f"{len(written)} series written to {into}", markup=False)
    for finding in findings:
        talk().print(str(finding), markup=False)


def import_folder(source: Path, *, into: Path, assets: str | None, as_json: bool) -> None:
    """Copy a folder of data files into a store."""
    from stormsail.adapters.store.parquet import ParquetStore
    from stormsail.app.api import open_source

    origin = open_source(source)
    wanted = {a.strip().upper() for a in assets.split(",")} if assets else None
    keys = [info.key for info in origin.catalogue() if wanted is None or info.asset in wanted]
    if not keys:
        raise ConfigError(
            "nothing to copy", cure="name coins that the folder holds (stormsail data list)", where=str(source)
        )
    with progress("importing", quiet=as_json) as step:
        ParquetStore(into).import_from(origin, keys, progress=step)
    if as_json:
        print_json({"store": str(into), "series": len(keys)})
    else:
        talk().print(f"{len(keys)} series written to {into}", markup=False)


def _kinds(text: str) -> set[Kind]:
    try:
        return {Kind(name.strip().lower()) for name in text.split(",")}
    except ValueError as error:
        raise InputError(str(error), cure="choose from " + ", ".join(k.value for k in Kind), where="kind") from error


def _day(text: str, where: str) -> datetime:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise InputError(f"{text!r} is not a date", cure="write 2024-08-03", where=where) from error
