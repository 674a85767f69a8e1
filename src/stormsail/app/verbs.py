"""The verbs along the path of the data: audit, choose, size, plan; and venues and demo."""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stormsail.app.console import out, output_folder, print_json, steps, talk
from stormsail.core import LARGEST, InputError, exact, suggest
from stormsail.core.plain import to_plain

if TYPE_CHECKING:
    from stormsail.app.request import Request
    from stormsail.plan.types import HedgePlan


def audit(request: Request) -> None:
    """Print the exposure of a portfolio."""
    portfolio = request.portfolio()
    report = request.workbench().audit(portfolio)
    if request.as_json:
        print_json(to_plain(report))
        return
    from stormsail.report.text import print_audit

    print_audit(out(), report)


def choose(request: Request) -> None:
    """Print the ranking of what could hedge a portfolio."""
    tolerance = request.tolerance()
    shortlist = request.workbench().choose(request.portfolio(), tolerance)
    if request.as_json:
        print_json(to_plain(shortlist))
        return
    from stormsail.report.text import print_shortlist

    print_shortlist(out(), shortlist, horizon=tolerance.horizon)


def size(request: Request) -> None:
    """Print the contest of the estimators for a portfolio."""
    contests = request.workbench().size(request.portfolio(), request.tolerance())
    if request.as_json:
        print_json(to_plain(contests))
        return
    from stormsail.report.text import print_contests

    print_contests(out(), contests)


def size_by_beta(value: str | None, beta: str | None, *, as_json: bool) -> None:
    """Print the notional to short against a value with a known beta, exactly, and what a 10 % fall does at ratio 1."""
    from stormsail.ratio.worked import beta_hedge_notional, hedged_fall
    from stormsail.report.format import quantity

    if value is None or beta is None:
        raise InputError("--value and --beta belong together", cure="give both", where="size")
    spot, slope = _amount(value, "--value"), _amount(beta, "--beta")
    notional = beta_hedge_notional(spot, slope)
    fall = hedged_fall(spot, Decimal(1), Decimal("0.1"))
    if as_json:
        print_json({"value": to_plain(spot), "beta": to_plain(slope), "short_notional": to_plain(notional),
                    "fall_of_10_percent_at_ratio_1": to_plain(fall)})  # fmt: skip
        return
    console = out()
    lost, gained = quantity(-fall.spot), quantity(fall.hedge)
    console.print(f"Short {quantity(notional)} against {quantity(spot)} of spot with beta {slope:f}.", markup=False)
    console.print(f"At ratio 1 a fall of 10 % loses {lost} on spot and gains {gained} on the short.", markup=False)


def plan(request: Request, *, isolated: bool, out: Path | None) -> None:
    """Make a plan, print it, and write plan.json and report.html when a folder is named."""
    from stormsail.margin.types import MarginMode

    portfolio, tolerance, bench = request.portfolio(), request.tolerance(), request.workbench()
    if out is not None:
        output_folder(out)
    with steps("planning", quiet=request.as_json) as step:
        made = bench.plan(
            portfolio, tolerance, progress=step, mode=MarginMode.ISOLATED if isolated else MarginMode.CROSS
        )
    _show_plan(made, as_json=request.as_json, folder=out)


def demo(folder: Path, *, show: bool, as_json: bool) -> None:
    """Plan for the sample portfolio on the bundled data."""
    from stormsail.app.api import Workbench, sample_portfolio
    from stormsail.audit.tolerance import Tolerance

    output_folder(folder)
    bench = Workbench.open()
    talk().print(f"Sample portfolio on {bench.source.name}, as of {bench.as_of:%Y-%m-%d %H:%M} UTC", markup=False)
    with steps("planning", quiet=as_json) as step:
        made = bench.plan(sample_portfolio(), Tolerance(), progress=step)
    _show_plan(made, as_json=as_json, folder=folder)
    report = folder / "report.html"
    if (
        show
        and not as_json
        and sys.stdout.isatty()
        and (os.environ.get("DISPLAY") or sys.platform in ("darwin", "win32"))
    ):
        import webbrowser

        webbrowser.open(report.resolve().as_uri())


def venues(key: str | None, *, as_of: str | None, as_json: bool) -> None:
    """Print due diligence: all venues with score and cap, or one in full."""
    from datetime import UTC, datetime

    from stormsail.adapters.files.venue_files import load_venues
    from stormsail.app.api import parse_as_of
    from stormsail.instruments.diligence import score
    from stormsail.instruments.universe import day_of

    records = load_venues()
    if key is not None and key.lower() not in records:
        raise InputError(f"no record of a venue {key!r}", cure=suggest(key, records), where="VENUE")
    day = day_of(parse_as_of(as_of)) if as_of else datetime.now(UTC).date()
    chosen = {k: r for k, r in records.items() if key is None or k == key.lower()}
    scores = tuple(sorted((score(r, day) for r in chosen.values()), key=lambda s: (-s.score, s.venue)))
    if as_json:
        print_json({"as_of": to_plain(day), "scores": to_plain(scores), "venues": to_plain(chosen)})
        return
    from stormsail.report.text import print_venues

    print_venues(out(), chosen, scores, facts=key is not None)


def _show_plan(made: HedgePlan, *, as_json: bool, folder: Path | None) -> None:
    from stormsail.adapters.files.plan_file import plan_to_dict, write_plan

    content: dict[str, Any] = plan_to_dict(made)
    if folder is not None:
        from stormsail.report.html import plan_html

        write_plan(made, folder / "plan.json")
        (folder / "report.html").write_text(plan_html(made, digest=content["digest"]), encoding="utf-8")
    if as_json:
        print_json(content)
    else:
        from stormsail.report.text import print_plan

        print_plan(out(), made)
    if folder is not None:
        talk().print(f"Plan file: {folder / 'plan.json'}", markup=False, soft_wrap=True)
        talk().print(f"Report:    {folder / 'report.html'}", markup=False, soft_wrap=True)


def _amount(text: str, where: str) -> Decimal:
    """A positive amount that a person could mean."""
    try:
        amount = exact(text.replace("_", ""))
    except ValueError as error:
        raise InputError(str(error), cure="write a number such as 50000 or 1.5", where=where) from error
    if not 0 < amount < LARGEST:
        raise InputError(f"{text} is out of range", cure=f"give a number above 0 and below {LARGEST:,f}", where=where)
    return amount
