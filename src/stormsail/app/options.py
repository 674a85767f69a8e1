"""Options that several verbs have, and the call they make up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

File = Annotated[
    Path | None, typer.Argument(help="Portfolio: CSV, TOML or JSON. Default: the one named in stormsail.toml.")
]
AsOf = Annotated[str | None, typer.Option(help="Decide as of this date (its end, UTC). Default: the end of the data.")]
Data = Annotated[
    str | None,
    typer.Option(envvar="STORMSAIL_DATA", help="Folder with market data. Default: the bundled sample."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Configuration file. Default: stormsail.toml.")]
Coverage = Annotated[str | None, typer.Option(help="Share of the exposure to protect. Default: 50%.")]
Survive = Annotated[
    str | None, typer.Option(help="Fall of your coins, and rise of the shorts, to live through. Default: 30%.")
]
Horizon = Annotated[str | None, typer.Option(help="How long protection is wanted. Default: 30d.")]
Collateral = Annotated[str | None, typer.Option(help="Cash that can be posted. Default: as much as is needed.")]
Floor = Annotated[str | None, typer.Option(help="Value the portfolio must keep after falling by --survive.")]
Budget = Annotated[str | None, typer.Option(help="Largest acceptable expected cost over the horizon.")]
Venues = Annotated[str | None, typer.Option(help="Venues that may be used, such as binance,bybit. Default: all.")]
TopUp = Annotated[str | None, typer.Option(help="Time to notice and to post more collateral. Default: 24h.")]
Chance = Annotated[str | None, typer.Option(help="Acceptable chance of liquidation in 30 days. Default: 1%.")]


def request(options: dict[str, Any]) -> Any:
    """A verb's options over environment, configuration and defaults."""
    from stormsail.app.request import Request

    return Request.of(options)
