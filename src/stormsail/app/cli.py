"""The command line: one function a verb; everything heavy is imported inside it, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from stormsail.app.fleet_cli import fleet_app
from stormsail.app.options import (
    AsOf,
    Budget,
    Chance,
    Collateral,
    ConfigFile,
    Coverage,
    Data,
    File,
    Floor,
    Horizon,
    Json,
    Survive,
    TopUp,
    Venues,
)
from stormsail.app.options import request as _request
from stormsail.core.errors import StormsailError

app = typer.Typer(
    name="stormsail",
    help="Protect a portfolio of altcoins by shorting futures against it, and keep that protection alive.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="List, fetch, import and verify market data.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
app.add_typer(fleet_app, name="fleet")


@app.command()
def plan(
    file: File = None,
    as_of: AsOf = None,
    coverage: Coverage = None,
    survive: Survive = None,
    horizon: Horizon = None,
    collateral: Collateral = None,
    floor: Floor = None,
    budget: Budget = None,
    venues: Venues = None,
    top_up: TopUp = None,
    liquidation_chance: Chance = None,
    isolated: Annotated[bool, typer.Option("--isolated", help="Isolated margin instead of cross.")] = False,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
    out: Annotated[Path | None, typer.Option(help="Write plan.json and report.html into this folder.")] = None,
) -> None:
    """Write a hedge plan: what to short, how much, where, at what cost.

    The plan names the collateral each venue needs, its liquidation price, and what it fails against.
    """
    from stormsail.app import verbs

    verbs.plan(_request(locals()), isolated=isolated, out=out)


@app.command()
def backtest(
    file: File = None,
    start: Annotated[str, typer.Option(help="First day; the first plan is made at its beginning.")] = "",
    end: Annotated[str | None, typer.Option(help="Last day. Default: the end of the data.")] = None,
    replan: Annotated[str | None, typer.Option(help="Make the plan anew after this time. Default: never.")] = None,
    policy: Annotated[str, typer.Option(help="hold, clock, band, careful, or a policy file.")] = "band",
    reserve: Annotated[
        str | None, typer.Option(help="Cash for top-ups beside the collateral. Default: what --collateral leaves.")
    ] = None,
    coverage: Coverage = None,
    survive: Survive = None,
    horizon: Horizon = None,
    collateral: Collateral = None,
    floor: Floor = None,
    budget: Budget = None,
    venues: Venues = None,
    top_up: TopUp = None,
    liquidation_chance: Chance = None,
    isolated: Annotated[bool, typer.Option("--isolated", help="Isolated margin instead of cross.")] = False,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for files, plans and a report; a stopped run goes on there.")
    ] = None,
) -> None:
    """Run the protection through history, with the whole account.

    Plans made with what was known then, kept alive by a policy; beside doing nothing, shorting 1:1, and selling.
    """
    from stormsail.app import backtest_verbs

    backtest_verbs.backtest(
        _request(locals()), start=start, end=end, policy=policy, replan=replan, reserve=reserve, isolated=isolated,
        folder=out,
    )  # fmt: skip


@app.command()
def stress(
    file: Annotated[
        Path | None, typer.Argument(help="Plan file, or portfolio: a plan is made first. Default: the configured one.")
    ] = None,
    storm: Annotated[
        list[str] | None, typer.Option(help="A storm by name, or a storm file; may be given again. Default: all.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All storms that come with the program, too.")] = False,
    show: Annotated[bool, typer.Option("--list", help="List the storms and stop.")] = False,
    policy: Annotated[str, typer.Option(help="hold, clock, band, careful, or a policy file.")] = "band",
    reserve: Annotated[
        str | None, typer.Option(help="Cash for top-ups beside the collateral. Default: what --collateral leaves.")
    ] = None,
    as_of: AsOf = None,
    coverage: Coverage = None,
    survive: Survive = None,
    horizon: Horizon = None,
    collateral: Collateral = None,
    floor: Floor = None,
    budget: Budget = None,
    venues: Venues = None,
    top_up: TopUp = None,
    liquidation_chance: Chance = None,
    isolated: Annotated[bool, typer.Option("--isolated", help="Isolated margin instead of cross.")] = False,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
    out: Annotated[Path | None, typer.Option(help="Write stress.json and report.html into this folder.")] = None,
) -> None:
    """Show what storms would do, with and without the hedge.

    Storms that were and storms that could be: the loss, what fails first, and which one change would help most.
    """
    from stormsail.app import stress_verbs

    if show:
        stress_verbs.list_storms(as_json=json)
        return
    stress_verbs.stress(
        _request(locals()), storms=storm or [], every=every, policy=policy, reserve=reserve, isolated=isolated,
        folder=out,
    )  # fmt: skip


@app.command()
def margin(
    file: Annotated[
        Path | None, typer.Argument(help="Plan file, or portfolio: a plan is made first. Default: the configured one.")
    ] = None,
    move: Annotated[str | None, typer.Option(help="Move of every coin to try, such as +50%.")] = None,
    add: Annotated[str | None, typer.Option(help="Collateral to add. Default: a quarter of what is there.")] = None,
    contract: Annotated[str | None, typer.Option(help="One position instead: its symbol.")] = None,
    quantity: Annotated[str | None, typer.Option(help="Its contract units; a short is negative.")] = None,
    entry: Annotated[str | None, typer.Option(help="Its entry price. Default: the mark price.")] = None,
    mark: Annotated[str | None, typer.Option(help="Its mark price. Default: the last one known.")] = None,
    venue: Annotated[str | None, typer.Option(help="Its venue, where several have the symbol.")] = None,
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
    """Show whether the collateral survives.

    Liquidation and bankruptcy prices with their brackets and dated rules, of a plan, a portfolio, or one position.
    """
    from stormsail.app import margin_verbs

    one = None
    if contract is not None:
        one = margin_verbs.Single(contract, quantity, entry, collateral, mark, venue)
    margin_verbs.margin(_request(locals()), single=one, move=move, add=add, isolated=isolated)


@app.command()
def audit(
    file: File = None, as_of: AsOf = None, data: Data = None, config: ConfigFile = None, json: Json = False
) -> None:
    """Show what a portfolio is exposed to.

    Risk, betas to BTC, ETH and an alt index, up and down; concentration; days to exit.
    """
    from stormsail.app import verbs

    verbs.audit(_request(locals()))


@app.command()
def choose(
    file: File = None,
    as_of: AsOf = None,
    coverage: Coverage = None,
    horizon: Horizon = None,
    venues: Venues = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Rank what could hedge it, with reasons.

    For each coin and for the portfolio as a whole: own contracts, BTC, ETH, both, and a basket of alts.
    """
    from stormsail.app import verbs

    verbs.choose(_request(locals()))


@app.command()
def size(
    file: File = None,
    as_of: AsOf = None,
    coverage: Coverage = None,
    horizon: Horizon = None,
    venues: Venues = None,
    value: Annotated[str | None, typer.Option(help="With --beta: the notional to short against this value.")] = None,
    beta: Annotated[str | None, typer.Option(help="With --value: beta to the hedging contract.")] = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Show how much to short, beside naive ratio 1.

    Estimators compete out of sample on the portfolio; with --value and --beta: their product, exactly.
    """
    from stormsail.app import verbs

    if value is not None or beta is not None:
        verbs.size_by_beta(value, beta, as_json=json)
    else:
        verbs.size(_request(locals()))


@app.command()
def venues(
    venue: Annotated[str | None, typer.Argument(help="One venue, in full.")] = None,
    as_of: AsOf = None,
    json: Json = False,
) -> None:
    """Show due diligence on venues: score and cap.

    Every fact has its source and date; one venue named is shown in full.
    """
    from stormsail.app import verbs

    verbs.venues(venue, as_of=as_of, as_json=json)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for plan.json and report.html.")] = Path("out/demo"),
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the report in a browser if there is one.")
    ] = True,
    json: Json = False,
) -> None:
    """Plan for the bundled sample: no keys, no network."""
    from stormsail.app import verbs

    verbs.demo(out, show=show, as_json=json)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write stormsail.toml and portfolio.csv.")] = Path(),
    set_: Annotated[list[str] | None, typer.Option("--set", help="A value, such as tolerance.coverage=60%.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the configuration instead.")
    ] = False,
    json: Json = False,
) -> None:
    """Write a configuration and a portfolio template."""
    from stormsail.app import setup

    setup.init(folder, set_ or [], force=force, schema=schema, as_json=json)


@app.command()
def doctor(data: Data = None, config: ConfigFile = None, json: Json = False) -> None:
    """Check this installation and say what to mend."""
    from stormsail.app import setup

    raise typer.Exit(setup.doctor(data, config, as_json=json))


@data_app.command("list")
def data_list(
    data: Data = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind: spot, perpetual, funding, ...")] = None,
    asset: Annotated[str | None, typer.Option(help="Only this coin.")] = None,
    json: Json = False,
) -> None:
    """List every series with its span."""
    from stormsail.app import data_verbs

    data_verbs.list_series(data, kind=kind, asset=asset, as_json=json)


@data_app.command("verify")
def data_verify(data: Data = None, as_of: AsOf = None, json: Json = False) -> None:
    """Look for gaps, duplicates, stale series, redenominations, delistings and re-used tickers."""
    from stormsail.app import data_verbs

    data_verbs.verify(data, as_of=as_of, as_json=json)


@data_app.command("fetch")
def data_fetch(
    assets: Annotated[str, typer.Argument(help="Coins, such as SOL,ADA,ETH.")],
    into: Annotated[Path, typer.Option(help="Store to write into.")] = Path("market-data"),
    venue: Annotated[str, typer.Option(help="Venue to ask.")] = "binance",
    start: Annotated[str | None, typer.Option(help="First day. Default: 400 days before the end.")] = None,
    end: Annotated[str | None, typer.Option(help="Last day. Default: now.")] = None,
    kinds: Annotated[str, typer.Option(help="Kinds to fetch.")] = "spot,perpetual,mark,funding,book,tiers,contracts",
    url: Annotated[str | None, typer.Option(hidden=True, help="Another address that speaks the protocol.")] = None,
    json: Json = False,
) -> None:
    """Fetch public market data from a venue into a store (extra: live)."""
    from stormsail.app import data_verbs

    data_verbs.fetch(assets, into=into, venue=venue, start=start, end=end, kinds=kinds, url=url, as_json=json)


@data_app.command("import")
def data_import(
    source: Annotated[Path, typer.Argument(help="Folder with market data files.")],
    into: Annotated[Path, typer.Option(help="Store to write into.")] = Path("market-data"),
    assets: Annotated[str | None, typer.Option(help="Only these coins.")] = None,
    json: Json = False,
) -> None:
    """Copy a folder of data files into a store."""
    from stormsail.app import data_verbs

    data_verbs.import_folder(source, into=into, assets=assets, as_json=json)


def main() -> None:
    """Run the command line; every error of ours ends with its own exit code and a cure, as text or as JSON."""
    as_json = "--json" in sys.argv
    try:
        code = app(standalone_mode=False)
    except StormsailError as error:
        from stormsail.app.console import report_error

        code = report_error(error, as_json=as_json)
    except typer.Abort:
        code = 1
    except BrokenPipeError:
        code = 0
    except Exception as error:
        # The parser's own usage errors share no public base class; they are known by what they can do.
        if not hasattr(error, "format_message") or not hasattr(error, "show"):
            raise
        code = _usage(error, as_json=as_json)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: Any, *, as_json: bool) -> int:
    if not as_json:
        error.show()
        return int(error.exit_code)
    from stormsail.app.console import report_error
    from stormsail.core import InputError

    return report_error(InputError(error.format_message(), cure="see stormsail --help"), as_json=True)
