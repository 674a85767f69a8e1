"""The verbs of ``stormsail fleet``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from stormsail.app.console import out, output_folder, print_json, progress, steps, talk
from stormsail.core import DataError, InputError, Trouble
from stormsail.core.plain import to_plain

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from stormsail.adapters.files.fleet_file import FleetFile, FleetFolder
    from stormsail.app.api import Workbench
    from stormsail.app.request import Request
    from stormsail.lab.fleet import FleetPlans, FleetShard
    from stormsail.lab.workers import Workers

Rows = list[dict[str, Any]]

SHARD = 5_000
"""Portfolios in a shard: about a second of work."""

SHARD_IN_FULL = 4

Result_contra = TypeVar("Result_contra", contravariant=True)


def plan(
    request: Request,
    *,
    folder: Path,
    workers: int | None,
    cluster: str | None,
    full: bool,
) -> None:
    """Plan every portfolio of a Parquet file and write what came of it into a folder."""
    from stormsail.adapters.files.fleet_file import FleetFolder, look_through

    if request.file is None:
        raise InputError("no file of portfolios was named", cure="give a Parquet file", where="PORTFOLIOS")
    tolerance, those = request.tolerance(), choose(workers, cluster)
    bench = request.workbench()
    output_folder(folder)
    quiet = request.as_json
    with steps("fleet", quiet=quiet) as step:
        step("reading portfolios")
        file = look_through(request.file, size=SHARD_IN_FULL if full else SHARD)
        function, market = _function(bench, tolerance, file, those, full=full, step=step)
    place = FleetFolder(folder)
    done = place.begin(
        {
            "portfolios": file.portfolios,
            "shards": len(file.spans),
            "method": "programme" if full else "closed form",
            "as_of": to_plain(bench.as_of),
            "tolerance": to_plain(tolerance),
            "digest_of_portfolios": file.digest,
            "digest_of_market": market,
        }
    )
    with progress("planning the fleet", quiet=quiet) as tell:
        run(those, function, file, place, done, tell)
    _report(place, file, len(done), as_json=quiet)


def choose(workers: int | None, cluster: str | None) -> Workers:
    """Who computes: a cluster, processes, or this one.

    Raises:
        InputError: If both are asked for, or fewer than one process.
    """
    from stormsail.lab.workers import Serial

    if workers is not None and cluster is not None:
        raise InputError("--workers and --cluster exclude each other", cure="give one of them", where="--cluster")
    if cluster is not None:
        from stormsail.adapters.cluster.dask import DaskCluster

        return DaskCluster(cluster)
    if workers is None or workers == 1:
        return Serial()
    if workers < 1:
        raise InputError(f"{workers} processes", cure="give 1 or more", where="--workers")
    from stormsail.adapters.cluster.processes import Processes

    return Processes(workers)


class Keeps(Protocol[Result_contra]):
    """Where results of shards go."""

    def write(self, number: int, result: Result_contra, /) -> None:
        """Keep what came of a shard."""
        ...


def run(
    workers: Workers,
    function: Callable[[FleetShard], Result_contra],
    file: FleetFile,
    folder: Keeps[Result_contra],
    done: frozenset[int],
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Compute the shards that are not done yet and write each as it comes."""
    drawn: list[int] = []

    def stream() -> Iterator[FleetShard]:
        for number, shard in file.shards(done):
            drawn.append(number)
            yield shard

    finished = len(done)
    tell(finished, len(file.spans))
    for position, result in workers.map(function, stream()):
        folder.write(drawn[position], result)
        finished += 1
        tell(finished, len(file.spans))


def _function(
    bench: Workbench, tolerance: Any, file: FleetFile, workers: Workers, *, full: bool, step: Callable[[str], None]
) -> tuple[Callable[[FleetShard], FleetPlans], str]:
    """What plans a shard, and a digest of the market behind it."""
    if full:
        from stormsail.adapters.files.venue_files import load_venues
        from stormsail.lab.fleet_full import PlanInFull

        known = [bench.source.name, *(to_plain(info) for info in bench.view.catalogue())]
        return PlanInFull(bench.view, tolerance, load_venues), digest(known)
    from stormsail.lab.deck import build_deck
    from stormsail.lab.fleet import PlanFleet

    deck = build_deck(bench.view, tolerance, venues=bench.venues, coins=file.symbols, workers=workers, progress=step)
    for found in deck.findings:
        if found.trouble in {Trouble.DEGRADED, Trouble.UNAVAILABLE}:
            talk().print(str(found), markup=False)
    return PlanFleet(deck), digest(to_plain(deck))


def digest(plain: Any) -> str:
    """SHA-256 of plain data."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _report(folder: FleetFolder, file: FleetFile, before: int, *, as_json: bool) -> None:
    def fill(table: Table, rows: Rows) -> None:
        table.add_column("status")
        for name in ("portfolios", "value", "orders", "notional", "collateral", "carry", "cost"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            figures = [row["portfolios"], row["value"], row["orders"], row["notional"], row["collateral"], row["carry"]]
            table.add_row(row["status"], *(f"{v:,.0f}" for v in figures), f"{0.0 - row['cost']:,.0f}")

    report_totals(folder.path, folder.totals(), file, before, fill, as_json=as_json)


def report_totals(
    folder: Path,
    totals: pl.DataFrame,
    file: FleetFile,
    before: int,
    fill: Callable[[Table, Rows], None],
    *,
    as_json: bool,
) -> None:
    """Print what came of a fleet by status.

    Args:
        folder: Where the result lies.
        totals: One row for each status.
        file: What went in.
        before: Shards that were done before this run.
        fill: Puts the rows into a table.
        as_json: Whether to print JSON instead.

    Raises:
        DataError: If not as many portfolios came out as went in.
    """
    came = int(totals["portfolios"].sum())
    if came != file.portfolios:
        raise DataError(
            f"{file.portfolios:,} portfolios went in and {came:,} came out",
            cure="remove the folder and run again",
            where=str(folder),
        )
    rows = totals.rows(named=True)
    if as_json:
        print_json({"folder": str(folder), "portfolios": came, "shards_done_before": before,
                    "by_status": {row.pop("status"): to_plain(row) for row in rows}})  # fmt: skip
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    fill(table, rows)
    out().print(table)
    gone_on = f", {before} shards of them before" if before else ""
    talk().print(f"{came:,} portfolios in {folder}{gone_on}", markup=False, soft_wrap=True)
