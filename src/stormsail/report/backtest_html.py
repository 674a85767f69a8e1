"""A backtest as one HTML page that asks nothing of the network and can be printed."""

from __future__ import annotations

from stormsail.core import Unavailable
from stormsail.lab.backtest import Backtest
from stormsail.lab.effect import Effect
from stormsail.lab.summary import HEDGED, NAIVE, SOLD, UNHEDGED
from stormsail.report.figures_backtest import figures
from stormsail.report.format import clean, count, money, percent, points, share_percent
from stormsail.report.html import TOP, neat, picture, signed
from stormsail.report.text_backtest import backtest_sections, dated

PLACES = {
    "outcomes": ("value", "falls"),
    "effect": ("effect",),
    "attribution": ("attribution",),
    "days": ("days",),
    "funding": ("funding",),
    "accounts": ("ratio",),
}
"""Chapter to the figures that stand in it."""


def backtest_html(test: Backtest, *, digest: str = "") -> str:
    """The whole backtest as one self-contained page: the chapters of the text, with figures and every event.

    Args:
        test: What was run.
        digest: Digest of ``backtest.json``, if it was written.

    Returns:
        HTML that loads nothing from anywhere; the same backtest gives the same bytes.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    loader = PackageLoader("stormsail.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["neat"] = neat
    drawn, sections = figures(test), backtest_sections(test)
    return environment.get_template("backtest.html.j2").render(
        name=clean(test.portfolio.name),
        dated=dated(test),
        key_figures=key_figures(test),
        sections=sections,
        pictures={s.key: tuple(picture(name, drawn[name]) for name in PLACES.get(s.key, ())) for s in sections},
        top=TOP,
        digest=clean(digest),
        plotly_js=get_plotlyjs(),
    )


def key_figures(test: Backtest) -> tuple[tuple[str, str, str], ...]:
    """The figures at the head of the page: what it is, the figure, and one line about it."""
    made, currency = test.summary, test.course.account
    plain, hedged = made.outcome(UNHEDGED), made.outcome(HEDGED)
    if plain is None or hedged is None:
        return ()
    rivals = [row for name in (NAIVE, SOLD) if (row := made.outcome(name)) is not None]
    beside = "; ".join(f"{row.name} {signed(row.change)}" for row in rivals) or "its rivals could not be tried"
    found = hedged.effect
    removed = share_percent(found.variance.value) if isinstance(found, Effect) else "unavailable"
    about = (
        found.reason
        if isinstance(found, Unavailable)
        else f"of the variance; {points(found.variance.low, 0)} to {points(found.variance.high, 0)} %"
    )
    funding = [row for row in made.funding if row.known]
    received = f"{signed(sum(row.net for row in funding))} {currency}" if funding else "unavailable"
    return (
        ("Doing nothing", f"{signed(plain.change)} {currency}", f"from {money(plain.first, currency)}"),
        ("With the hedge", f"{signed(hedged.change)} {currency}", beside),
        ("Deepest fall", percent(hedged.fall.depth), f"instead of {percent(plain.fall.depth)}"),
        ("Risk removed", removed, about),
        ("Funding", received, _of(len(funding), len(made.funding) - len(funding))),
    )


def _of(known: int, unknown: int) -> str:
    """Whose funding it is."""
    return f"of {count(known, 'perpetual')}" + (f"; of {unknown} unavailable" if unknown else "")
