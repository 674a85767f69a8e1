"""The verb ``stormsail fleet paths``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stormsail.app.console import out, print_json, progress
from stormsail.core import Unavailable
from stormsail.core.plain import to_plain

if TYPE_CHECKING:
    from stormsail.app.request import Request
    from stormsail.lab.distribution import Distribution
    from stormsail.lab.passages import Found
    from stormsail.lab.paths import Passage
    from stormsail.plan.types import HedgePlan

KIND, SCHEMA_VERSION = "stormsail paths", 1


def paths(request: Request, *, count: int, isolated: bool, workers: int | None, cluster: str | None) -> None:
    """Walk random paths of a plan's shorts and print how many are liquidated, and what the whole may be worth."""
    from stormsail.app.fleet_verbs import choose
    from stormsail.app.stress_verbs import plan_of
    from stormsail.lab.passages import cases_of, walk

    those = choose(workers, cluster)
    plan, bench = plan_of(request, isolated=isolated)
    with progress("walking paths", quiet=request.as_json) as tell:
        found = walk(cases_of(plan, bench.view), count, workers=those, tell=tell)
    content = to_dict(plan, found)
    if request.as_json:
        print_json(content)
    else:
        _print(content)


def to_dict(plan: HedgePlan, found: Found) -> dict[str, Any]:
    """What the paths say, as plain data."""
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "portfolio": plan.portfolio.name,
        "as_of": to_plain(plan.as_of),
        "horizon": to_plain(plan.tolerance.horizon),
        "paths": found.paths,
        "shorts": {name: _short(passage) for name, passage in found.alone.items()},
        "whole": _whole(found.together),
    }


def _short(passage: Passage | Unavailable) -> Any:
    if isinstance(passage, Unavailable):
        return to_plain(passage)
    spec = passage.counts.spec
    return to_plain(
        {
            "collateral": spec.collateral,
            "steps": spec.steps,
            "liquidated": passage.liquidated.value,
            "error": passage.liquidated.error,
            "band": passage.band,
            "step_of_1_in_100": passage.step_of(0.01),
            "least_room_in_1_of_20": passage.headroom(0.05),
            "funding_median": passage.funding(0.5),
        }
    )


def _whole(found: Distribution) -> Any:
    from stormsail.lab.passages import LEVELS

    ways = {
        "unhedged": found.unhedged,
        "hedged": found.hedged,
        "lowest_unhedged": found.lowest_unhedged,
        "lowest_hedged": found.lowest_hedged,
    }
    books = found.counts.spec.books
    return to_plain(
        {
            "value": found.counts.spec.value,
            **{name: {f"{level:g}": way(level) for level in LEVELS} for name, way in ways.items()},
            "liquidated": {book.name: found.liquidated(i).value for i, book in enumerate(books)},
            "any_liquidated": found.any_liquidated,
        }
    )


def _print(content: dict[str, Any]) -> None:
    from rich.table import Table

    console = out()
    told = f"{content['paths']:,} paths of {content['horizon']} for each short and for the whole"
    console.print(told, markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("short", no_wrap=True)
    for name in ("collateral", "liquidated", "95 % band", "1 in 20 comes within"):
        table.add_column(name, justify="right")
    for name, row in content["shorts"].items():
        if "unavailable" in row:
            table.add_row(name, row["unavailable"])
            continue
        low, high = row["band"]
        room = f"{row['least_room_in_1_of_20']:.1%}"
        table.add_row(name, f"{row['collateral']:.1%}", f"{row['liquidated']:.3%}", f"{low:.3%} to {high:.3%}", room)
    console.print(table)
    whole = content["whole"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("worth of the start")
    for level in whole["hedged"]:
        table.add_column(f"{float(level):.0%}", justify="right")
    for name in ("unhedged", "hedged", "lowest_unhedged", "lowest_hedged"):
        table.add_row(name.replace("_", ", "), *(f"{value:.1%}" for value in whole[name].values()))
    console.print(table)
    for name, value in whole["liquidated"].items():
        console.print(f"liquidated at {name}: {value:.3%}", markup=False)
