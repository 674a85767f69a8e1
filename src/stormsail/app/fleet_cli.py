"""The command line of ``stormsail fleet``: much of the same work, by many workers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stormsail.app.options import (
    AsOf,
    Chance,
    Collateral,
    ConfigFile,
    Coverage,
    Data,
    Horizon,
    Json,
    Survive,
    TopUp,
    Venues,
    request,
)

fleet_app = typer.Typer(
    help="Many portfolios, settings or paths, by many workers.", no_args_is_help=True, rich_markup_mode=None
)

Portfolios = Annotated[Path, typer.Argument(metavar="PORTFOLIOS", help="Parquet with portfolio, asset, quantity.")]
Portfolio = Annotated[Path, typer.Argument(metavar="PORTFOLIO", help="Portfolio: CSV, TOML or JSON.")]
Processes = Annotated[int | None, typer.Option(help="Processes on this machine. Default: this one.")]
Cluster = Annotated[str | None, typer.Option(help="Address of a Dask scheduler (extra: cluster).")]
Start = Annotated[str, typer.Option(help="First day; the first plans are made at its beginning.")]
End = Annotated[str | None, typer.Option(help="Last day. Default: the end of the data.")]
Replan = Annotated[str | None, typer.Option(help="Make the plans anew after this time. Default: never.")]
Rules = Annotated[str, typer.Option(help="hold, clock, band, careful, or a policy file.")]
Full = Annotated[bool, typer.Option("--full", help="The whole programme for each; much slower.")]
Folder = Annotated[Path, typer.Option(help="Folder for the result; a run that was stopped goes on there.")]


@fleet_app.command("plan")
def plan(
    file: Portfolios,
    out: Folder = Path("fleet"),
    workers: Processes = None,
    cluster: Cluster = None,
    full: Full = False,
    as_of: AsOf = None,
    coverage: Coverage = None,
    survive: Survive = None,
    horizon: Horizon = None,
    collateral: Collateral = None,
    venues: Venues = None,
    top_up: TopUp = None,
    liquidation_chance: Chance = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Plan every portfolio of a Parquet file.

    One market snapshot for all; whole lots; every portfolio comes out, planned or with the reason.
    """
    from stormsail.app import fleet_verbs

    fleet_verbs.plan(request(locals()), folder=out, workers=workers, cluster=cluster, full=full)


@fleet_app.command("backtest")
def backtest(
    file: Portfolios,
    start: Start,
    end: End = None,
    replan: Replan = None,
    policy: Rules = "band",
    reserve: Annotated[
        str | None,
        typer.Option(help="Cash of each beside its collateral, as 5000 or 20% of its coins. Default: what is left."),
    ] = None,
    out: Folder = Path("fleet-backtest"),
    workers: Processes = None,
    cluster: Cluster = None,
    full: Full = False,
    coverage: Coverage = None,
    survive: Survive = None,
    horizon: Horizon = None,
    collateral: Collateral = None,
    venues: Venues = None,
    top_up: TopUp = None,
    liquidation_chance: Chance = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Run every portfolio of a Parquet file through history.

    Plans on one snapshot per date, one course of the market for all, the whole account for each.
    """
    from stormsail.app import fleet_backtest_verbs

    fleet_backtest_verbs.backtest(
        request(locals()), start=start, end=end, policy=policy, replan=replan, reserve=reserve, folder=out,
        workers=workers, cluster=cluster, full=full,
    )  # fmt: skip


@fleet_app.command("sweep")
def sweep(
    file: Portfolio,
    start: Start,
    set_: Annotated[list[str], typer.Option("--set", help="Values to try, such as rebalance.half_width=1%,2%,5%.")],
    end: End = None,
    replan: Replan = None,
    policy: Rules = "band",
    by: Annotated[str, typer.Option(help="Best by change, fall, tail or variance.")] = "variance",
    out: Annotated[Path | None, typer.Option(help="Write sweep.json into this folder.")] = None,
    workers: Processes = None,
    cluster: Cluster = None,
    coverage: Coverage = None,
    survive: Survive = None,
    horizon: Horizon = None,
    collateral: Collateral = None,
    venues: Venues = None,
    top_up: TopUp = None,
    liquidation_chance: Chance = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Run one portfolio through history with many settings.

    Values of the policy (as in its file) and of the tolerance; chosen on the first half, judged on the second.
    """
    from stormsail.app import sweep_verbs

    sweep_verbs.sweep(
        request(locals()), start=start, end=end, values=set_, policy=policy, replan=replan, by=by, workers=workers,
        cluster=cluster, folder=out,
    )  # fmt: skip


@fleet_app.command("paths")
def paths(
    file: Annotated[Path, typer.Argument(metavar="PLAN", help="Plan file, or a portfolio that is planned first.")],
    count: Annotated[int, typer.Option("--paths", help="Random paths of each short and of the whole.")] = 100_000,
    workers: Processes = None,
    cluster: Cluster = None,
    isolated: Annotated[bool, typer.Option("--isolated", help="Isolated margin instead of cross.")] = False,
    as_of: AsOf = None,
    coverage: Coverage = None,
    survive: Survive = None,
    horizon: Horizon = None,
    collateral: Collateral = None,
    venues: Venues = None,
    top_up: TopUp = None,
    liquidation_chance: Chance = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Walk random paths of a plan: which shorts die, and what the whole may be worth.

    Each short by its own volatility with fat tails, and all coins together through their factors.
    """
    from stormsail.app import paths_verbs

    paths_verbs.paths(request(locals()), count=count, isolated=isolated, workers=workers, cluster=cluster)
