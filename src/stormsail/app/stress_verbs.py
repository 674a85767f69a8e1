"""The verb ``stormsail stress``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stormsail.app.console import out, output_folder, print_json, progress, steps, talk
from stormsail.core import PlanFileError, exact
from stormsail.core.plain import to_plain

if TYPE_CHECKING:
    from stormsail.app.api import Workbench
    from stormsail.app.request import Request
    from stormsail.audit.tolerance import Tolerance
    from stormsail.core import Portfolio
    from stormsail.lab.scenario import Scenario
    from stormsail.lab.stress_result import StressReport
    from stormsail.plan.types import HedgePlan

KIND, SCHEMA_VERSION = "stormsail stress", 1


def stress(
    request: Request,
    *,
    storms: Sequence[str],
    every: bool,
    policy: str,
    reserve: str | None,
    isolated: bool,
    folder: Path | None,
) -> None:
    """Let storms loose on a plan and print what came of it; write it too when a folder is named."""
    from stormsail.app.backtest_verbs import named_policy, reserve_of
    from stormsail.lab.stress import stress as run

    rules, cash = named_policy(policy), reserve_of(reserve)
    chosen = choose(storms, every=every)
    plan, bench = plan_of(request, isolated=isolated)
    latest = _latest(request)
    _check(chosen, plan, latest, bench)
    if folder is not None:
        output_folder(folder)
    with progress("letting storms loose", quiet=request.as_json) as tell:
        report = run(plan, chosen, latest.view, rules, venues=bench.venues, reserve=cash, tell=tell)
    show(report, chosen, as_json=request.as_json, folder=folder)


def show(report: StressReport, storms: Sequence[Scenario], *, as_json: bool, folder: Path | None) -> None:
    """Print a report and write its files."""
    content = {"kind": KIND, "schema_version": SCHEMA_VERSION, **to_plain(report)}
    written: dict[str, Path] = {}
    if folder is not None:
        import json

        from stormsail.report.stress_html import stress_html

        written = {"Figures": folder / "stress.json", "Report": folder / "report.html"}
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        written["Figures"].write_text(text, encoding="utf-8")
        written["Report"].write_text(stress_html(report, storms), encoding="utf-8")
    if as_json:
        print_json(content)
    else:
        from stormsail.report.text_stress import print_stress

        print_stress(out(), report, storms)
    for name, path in written.items():
        talk().print(f"{name + ':':<9} {path}", markup=False, soft_wrap=True)


def list_storms(*, as_json: bool) -> None:
    """Print the storms that come with the program."""
    from stormsail.adapters.files.storm_files import load_storms

    storms = tuple(load_storms().values())
    if as_json:
        print_json([to_plain(storm) | {"file": Path(storm.file).name} for storm in storms])
        return
    from stormsail.report.text_stress import print_storms

    print_storms(out(), storms)


def choose(named: Sequence[str], *, every: bool) -> tuple[Scenario, ...]:
    """The storms named, by name or file; all of the package where none is, or all beside those named."""
    from stormsail.adapters.files.storm_files import find_storm, load_storms

    found = {storm.name: storm for storm in load_storms().values()} if every or not named else {}
    for each in named:
        storm = find_storm(each)
        found[storm.name] = storm
    return tuple(found.values())


def plan_of(request: Request, *, isolated: bool) -> tuple[HedgePlan, Workbench]:
    """The plan of the file: made for a portfolio, made again for a plan file."""
    from stormsail.app.margin_verbs import is_plan
    from stormsail.margin.types import MarginMode

    if request.file is not None and request.file.suffix == ".json" and is_plan(request.file):
        return _again(request)
    portfolio, tolerance, bench = request.portfolio(), request.tolerance(), request.workbench()
    mode = MarginMode.ISOLATED if isolated else MarginMode.CROSS
    with steps("planning", quiet=request.as_json) as step:
        return bench.plan(portfolio, tolerance, progress=step, mode=mode), bench


def _again(request: Request) -> tuple[HedgePlan, Workbench]:
    """The plan of a plan file, made once more from its inputs: the file holds no brackets, and must come out the same.

    Raises:
        PlanFileError: If the data at hand makes another plan of the same inputs.
    """
    from stormsail.adapters.files.plan_file import plan_to_dict, read_plan
    from stormsail.app.api import Workbench, parse_as_of
    from stormsail.margin.types import MarginMode

    file = read_plan(str(request.file))
    inputs = file.content["inputs"]
    bench = Workbench.open(request.data, parse_as_of(inputs["as_of"].replace("Z", "+00:00")))
    modes = {account["mode"] for account in file.content["accounts"] if account["coins"] is None}
    mode = MarginMode.ISOLATED if modes == {MarginMode.ISOLATED.value} else MarginMode.CROSS
    with steps("making the plan again", quiet=request.as_json) as step:
        plan = bench.plan(_portfolio(inputs["portfolio"]), _tolerance(inputs["tolerance"]), progress=step, mode=mode)
    if plan_to_dict(plan)["orders"] != file.content["orders"]:
        raise PlanFileError(
            f"the data of {bench.source.name} makes another plan of its inputs",
            cure="name the data it was made with by --data, or make the plan again", where=file.path,
        )  # fmt: skip
    return plan, bench


def _portfolio(data: Mapping[str, Any]) -> Portfolio:
    from stormsail.core import Holding, Lot, Portfolio

    def day(text: str | None) -> date | None:
        return None if text is None else date.fromisoformat(text)

    holdings = []
    for row in data["holdings"]:
        lots = tuple(
            Lot(exact(lot["quantity"]), day(lot["acquired"]),
                None if lot["unit_cost"] is None else exact(lot["unit_cost"]))
            for lot in row["lots"]
        )  # fmt: skip
        holdings.append(
            Holding(row["asset"], exact(row["quantity"]), lots, row["locked"], day(row["locked_until"]), row["venue"])
        )
    return Portfolio(tuple(holdings), data["name"], data["currency"], dict(data["meta"]))


def _tolerance(data: Mapping[str, Any]) -> Tolerance:
    from stormsail.audit.tolerance import Tolerance
    from stormsail.core import parse_span

    read: dict[str, Any] = dict(data)
    for name in ("collateral", "floor", "budget"):
        read[name] = None if data[name] is None else exact(data[name])
    for name in ("horizon", "top_up"):
        read[name] = parse_span(data[name])
    return Tolerance(**{**read, "venues": tuple(data["venues"])})


def _latest(request: Request) -> Workbench:
    """The same data seen from its end: a storm of the past may be later than the plan."""
    from stormsail.app.api import Workbench

    return Workbench.open(request.data)


def _check(storms: Sequence[Scenario], plan: HedgePlan, latest: Workbench, bench: Workbench) -> None:
    """See that every name in the storms is known: to the data, the plan, or the storms of the package."""
    from stormsail.adapters.files.storm_files import load_storms
    from stormsail.lab.scenario import check_names

    coins = {info.asset for info in latest.view.catalogue()} | {row.asset for row in plan.exposure.assets}
    shipped = load_storms()
    for storm in shipped.values():
        coins.update(storm.assets)
    places = {*bench.venues, *(margin.venue for margin in plan.margins)}
    places.update(blow.venue for storm in shipped.values() for blow in storm.blows)
    for storm in storms:
        check_names(storm, coins, places)
