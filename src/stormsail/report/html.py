"""The plan as one HTML page that asks nothing of the network and can be printed and signed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from stormsail.core import Unavailable
from stormsail.plan.types import HedgePlan
from stormsail.report.figures import MaybeFigure, figures
from stormsail.report.format import clean, count, fixed, moment, money, share_interval, share_percent, span
from stormsail.report.glossary import GLOSSARY
from stormsail.report.tables import Builder, Column, Section
from stormsail.report.text_cost import without
from stormsail.report.text_margin import coins_words, posted_coins
from stormsail.report.text_plan import asked_value, dated, lent, plan_sections, totals

TOP = 15
"""Rows of a table shown before the reader asks for the rest; print shows all."""

_PLACES = {
    "exposure": ("exposure", "betas"),
    "candidates": ("candidates",),
    "size": ("estimators", "history"),
    "cost": ("cost",),
    "coverage": ("coverage",),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure on the page: its name, caption, height, data as JSON, and why it is missing if it is."""

    name: str
    caption: str
    height: int
    data: str
    missing: str = ""


def plan_html(plan: HedgePlan, *, digest: str = "") -> str:
    """The whole plan as one self-contained page: same chapters as the text, with figures and every table in full.

    Args:
        plan: The plan; any part of it may be unavailable.
        digest: Digest of the plan file, printed where the holder signs; empty says that none was given.

    Returns:
        HTML that loads nothing from anywhere; the same plan gives the same bytes.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    loader = PackageLoader("stormsail.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["neat"] = neat
    drawn = figures(plan)
    sections = (*plan_sections(plan), origins_section(plan))
    return environment.get_template("plan.html.j2").render(
        name=clean(plan.portfolio.name),
        dated=dated(plan),
        as_of=moment(plan.as_of),
        data_end=moment(plan.data_end),
        source=clean(plan.source),
        schema=plan.schema_version,
        digest=clean(digest),
        key_figures=key_figures(plan),
        sections=sections,
        pictures={section.key: _pictures(section, drawn) for section in sections},
        glossary=GLOSSARY,
        top=TOP,
        plotly_js=get_plotlyjs(),
    )


def neat(text: str) -> str:
    """Typographic signs for the plain ones of a terminal: a true minus, plus-minus, and no break before a percent sign.

    >>> neat("+-"), neat("-3.1"), neat("2024-08-03"), "3\N{NO-BREAK SPACE}%" == neat("3 %")
    ('±', '−3.1', '2024-08-03', True)
    """
    text = re.sub(r"(?<![\w.-])-(?=\d)", "−", text.replace("+-", "±"))
    return re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", text)


def key_figures(plan: HedgePlan) -> tuple[tuple[str, str, str], ...]:
    """The four figures at the head of the page: what it is, the figure, and one line about it."""
    currency = plan.portfolio.currency
    short, collateral, protected = totals(plan)
    he = plan.effectiveness
    removed = "unavailable" if isinstance(he, Unavailable) else share_percent(he.value)
    seen = (
        he.reason
        if isinstance(he, Unavailable)
        else f"of the variance of the {money(asked_value(plan), currency)} you asked to protect, out of sample"
        + ("" if math.isnan(he.low) else f"; {' to '.join(share_interval(he.low, he.high, he.value))} %")
    )
    cash_at = len({m.venue for m in plan.margins if m.coins is None})
    venues = f"posted at {count(cash_at, 'venue')}" if cash_at or not plan.margins else "no cash"
    if posted_coins(plan.margins):
        venues += f", and {coins_words(plan.margins, currency)} of your own"
    income = "unavailable" if math.isnan(plan.cost.total) else f"{signed(plan.cost.total)} {currency}"
    horizon = f"over {span(plan.tolerance.horizon)}; {signed(plan.cost.total_low)} if funding turns bad"
    horizon += without(plan.cost.left_out)
    return (
        ("Held", money(plan.exposure.value, currency), f"{count(len(plan.exposure.assets), 'asset')}"),
        (
            "Protected",
            money(protected, currency),
            f"by a short of {money(short, currency)}" + (", substitutes counted by beta" if lent(plan) else ""),
        ),
        ("Risk removed", removed, seen),
        ("Collateral", money(collateral, currency), venues),
        ("Expected income", income, horizon),
    )


def signed(value: float) -> str:
    """An amount with its sign, to the unit of account.

    >>> signed(12.4), signed(float("nan"))
    ('+12', 'n/a')
    """
    text = fixed(value, 0)
    return f"+{text}" if value > 0 and text.strip("0") else text


def origins_section(plan: HedgePlan) -> Section:
    """The chapter that says where each figure came from."""
    title = "Where the figures come from"
    if not plan.origins:
        return Section("origins", title, ("No origins were recorded.",))
    build = Builder("", (Column("Figure", number=False), Column("Origin", number=False)))
    for path, origin in plan.origins.items():
        build.add(path, origin)
    return Section("origins", title, (), (build.table(),))


def _pictures(section: Section, drawn: Mapping[str, MaybeFigure]) -> tuple[Picture, ...]:
    names = _PLACES.get(section.key, ())
    if section.key == "collateral":
        names = tuple(name for name in drawn if name.startswith("fan-"))
    return tuple(picture(name, drawn[name]) for name in names)


def picture(name: str, figure: MaybeFigure) -> Picture:
    """A figure for the page; its title becomes the caption, which wraps on a narrow screen."""
    if isinstance(figure, Unavailable):
        return Picture(name, "", 0, "", clean(figure.reason))
    whole = json.loads(figure.to_json(engine="json"))
    layout = whole["layout"]
    caption = layout.pop("meta")["title"].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    layout.pop("title", None)
    layout["margin"] = {"t": 44 if layout.get("margin", {}).get("t") is None else 24}
    data = json.dumps({"data": whole["data"], "layout": layout}, sort_keys=True, separators=(",", ":"))
    return Picture(name, caption, int(layout["height"]), data.replace("<", "\\u003c").replace("&", "\\u0026"))
