"""The verb ``stormsail fleet backtest``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stormsail.app.console import output_folder, progress, steps, talk
from stormsail.core import InputError, Trouble
from stormsail.core.plain import to_plain

if TYPE_CHECKING:
    from rich.table import Table

    from stormsail.adapters.files.fleet_file import FleetFile
    from stormsail.adapters.files.fleet_runs_file import RunFolder
    from stormsail.app.api import Workbench
    from stormsail.app.fleet_verbs import Rows
    from stormsail.app.request import Request
    from stormsail.audit.tolerance import Tolerance
    from stormsail.lab.course import Course
    from stormsail.lab.fleet import FleetShard
    from stormsail.lab.fleet_backtest import FleetRun, Reserve
    from stormsail.lab.workers import Workers
    from stormsail.watch.policy import Policy

SHARD = 64
"""Portfolios in a shard: some seconds of work."""

SHARD_IN_FULL = 1


COLUMNS = (
    "portfolios", "value", "unhedged", "hedged", "spot", "hedge", "basis", "funding", "fees", "slippage", "liquidation",
    "lost", "liquidations",
)  # fmt: skip
"""Sums that are printed, where they are not all nothing."""


def backtest(
    request: Request,
    *,
    start: str,
    end: str | None,
    policy: str,
    replan: str | None,
    reserve: str | None,
    folder: Path,
    workers: int | None,
    cluster: str | None,
    full: bool,
) -> None:
    """Run every portfolio of a Parquet file through history and write what came of it into a folder."""
    from stormsail.adapters.files.fleet_file import look_through
    from stormsail.adapters.files.fleet_runs_file import RunFolder
    from stormsail.app.api import Workbench, parse_as_of
    from stormsail.app.backtest_verbs import first_moment, named_policy
    from stormsail.app.fleet_verbs import choose, run

    if request.file is None:
        raise InputError("no file of portfolios was named", cure="give a Parquet file", where="PORTFOLIOS")
    tolerance, those, rules = request.tolerance(), choose(workers, cluster), named_policy(policy, replan)
    cash = reserve_of(reserve)
    first = first_moment(start)
    bench = Workbench.open(request.data, None if end is None else parse_as_of(end, "--end"))
    output_folder(folder)
    with steps("fleet", quiet=request.as_json) as step:
        step("reading portfolios")
        file = look_through(request.file, size=SHARD_IN_FULL if full else SHARD)
        function, market = _function(bench, tolerance, rules, cash, first, file, those, full=full, step=step)
    place = RunFolder(folder)
    done = place.folder.begin(
        {
            "portfolios": file.portfolios,
            "shards": len(file.spans),
            "method": "programme" if full else "closed form",
            "start": to_plain(first),
            "end": to_plain(bench.as_of),
            "policy": to_plain(rules),
            "reserve": to_plain(cash),
            "tolerance": to_plain(tolerance),
            "digest_of_portfolios": file.digest,
            "digest_of_market": market,
        }
    )
    with progress("running the fleet", quiet=request.as_json) as tell:
        run(those, function, file, place, done, tell)
    _report(place, file, len(done), as_json=request.as_json)


def _function(
    bench: Workbench, tolerance: Tolerance, policy: Policy, reserve: Reserve, start: datetime, file: FleetFile,
    workers: Workers, *, full: bool, step: Callable[[str], None],
) -> tuple[Callable[[FleetShard], tuple[FleetRun, ...]], str]:  # fmt: skip
    """What runs a shard, and a digest of the market behind it."""
    from stormsail.app.fleet_verbs import digest

    if full:
        from stormsail.adapters.files.venue_files import load_venues
        from stormsail.lab.fleet_backtest_full import RunInFull

        known = [bench.source.name, *(to_plain(info) for info in bench.view.catalogue())]
        return RunInFull(bench.source, tolerance, policy, start, bench.as_of, load_venues, reserve), digest(known)
    from stormsail.lab.fleet_backtest import RunFleet, set_stage

    stage = set_stage(
        bench.source, tolerance, start=start, end=bench.as_of, every=policy.replan, venues=bench.venues,
        coins=file.symbols, workers=workers, tell=step,
    )  # fmt: skip
    course = stage.course
    for finding in (*stage.findings, *course.findings):
        if finding.trouble in {Trouble.DEFER, Trouble.UNAVAILABLE}:
            talk().print(str(finding), markup=False, soft_wrap=True)
    return RunFleet(stage, policy, reserve), digest([to_plain(stage.decks), digest_of(course)])


def reserve_of(text: str | None) -> Reserve:
    """An amount, a share of each portfolio's coins such as ``20%``, or ``None``.

    Raises:
        ToleranceError: If it is neither.

    >>> reserve_of("20%"), reserve_of("5_000")
    (0.2, Decimal('5000'))
    """
    from stormsail.audit.tolerance import parse_amount, parse_share

    if text is None:
        return None
    return parse_share(text, "--reserve") if text.rstrip().endswith("%") else parse_amount(text, "--reserve")


def digest_of(course: Course) -> str:
    """SHA-256 of everything a course holds."""
    found = hashlib.sha256()
    for name in type(course).__dataclass_fields__:
        value: Any = getattr(course, name)
        found.update(value.tobytes() if hasattr(value, "tobytes") else repr(to_plain(value)).encode())
    return found.hexdigest()


def _report(folder: RunFolder, file: FleetFile, before: int, *, as_json: bool) -> None:
    from stormsail.app.fleet_verbs import report_totals

    def fill(table: Table, rows: Rows) -> None:
        table.add_column("")
        for row in rows:
            table.add_column(row["status"], justify="right", no_wrap=True)
        for name in COLUMNS:
            if any(row[name] for row in rows):
                table.add_row(name, *(f"{row[name]:,.0f}" for row in rows))

    report_totals(folder.path, folder.totals(), file, before, fill, as_json=as_json)
