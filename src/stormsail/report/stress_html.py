"""A stress report as one HTML page that asks nothing of the network and can be printed."""

from __future__ import annotations

from collections.abc import Sequence

from stormsail.lab.scenario import Scenario
from stormsail.lab.stress_result import StressReport
from stormsail.report.figures_stress import figures
from stormsail.report.format import clean, count, money, percent
from stormsail.report.html import TOP, neat, picture, signed
from stormsail.report.text_stress import dated, stress_sections


def stress_html(report: StressReport, storms: Sequence[Scenario]) -> str:
    """The whole report as one self-contained page: every storm in full, with figures and every event.

    Args:
        report: What came of the storms.
        storms: The storms themselves, for their words and sources.

    Returns:
        HTML that loads nothing from anywhere; the same report gives the same bytes.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    loader = PackageLoader("stormsail.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["neat"] = neat
    drawn, sections = figures(report), stress_sections(report, storms)
    places = {"storms": "bars", **{s.key: s.key.replace("storm-", "path-") for s in sections if "storm-" in s.key}}
    pictures = {
        s.key: tuple(picture(name, drawn[name]) for name in [places.get(s.key, "")] if name in drawn) for s in sections
    }
    return environment.get_template("stress.html.j2").render(
        name=clean(report.portfolio),
        dated=dated(report),
        key_figures=key_figures(report),
        sections=sections,
        pictures=pictures,
        top=TOP,
        plotly_js=get_plotlyjs(),
    )


def key_figures(report: StressReport) -> tuple[tuple[str, str, str], ...]:
    """The figures at the head of the page: what it is, the figure, and one line about it."""
    found, currency = report.storms, report.currency
    if not found:
        return (("Storms", "0", "none could be run"),)
    bare = min(found, key=lambda s: s.unhedged.deepest)
    worst = min(found, key=lambda s: s.hedged.deepest)
    broken = [s for s in found if s.failure is not None]
    used = max(found, key=lambda s: s.reserve_used)
    drawn = money(used.reserve_used, currency)
    return (
        ("Held", money(report.value, currency), f"{money(report.short, currency)} short"),
        ("Worst without", f"{signed(bare.unhedged.deepest)} {currency}",
         f"{bare.name}, {percent(-bare.unhedged.deepest / bare.value, 0)} of the value; with the hedge "
         f"{signed(bare.hedged.deepest)}"),
        ("Worst with", f"{signed(worst.hedged.deepest)} {currency}",
         f"{worst.name}; without the hedge {signed(worst.unhedged.deepest)}"),
        ("A leg fails", f"in {len(broken)} of {len(found)}", count(len(found), "storm")),
        ("Reserve used", drawn, f"at most, in {used.name}" if used.reserve_used else "in no storm"),
    )  # fmt: skip
