"""The figures of a backtest; each is a function of it, and its title says what it shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeAlias

import numpy as np
import plotly.graph_objects as go

from stormsail.core import InputError, Unavailable, suggest
from stormsail.lab.backtest import Backtest
from stormsail.lab.effect import Effect
from stormsail.lab.result import Attribution
from stormsail.lab.summary import HEDGED, NAIVE, SOLD, UNHEDGED, drawdowns
from stormsail.market.panel import FloatArray
from stormsail.report.format import listing, money, percent, share_percent
from stormsail.report.style import HEDGED as BLUE
from stormsail.report.style import MUTED, SECOND, finish, rows_height, safe
from stormsail.report.style import UNHEDGED as ORANGE
from stormsail.report.text_backtest import PARTS

MaybeFigure: TypeAlias = go.Figure | Unavailable

MOST_POINTS = 1_500
"""Points drawn of a path; longer ones show the last value of each stretch, margin ratios the highest."""

LINES = {
    UNHEDGED: {"color": ORANGE, "width": 2.2, "dash": "dot"},
    HEDGED: {"color": BLUE, "width": 2.4, "dash": "solid"},
    NAIVE: {"color": SECOND, "width": 1.8, "dash": "dash"},
    SOLD: {"color": MUTED, "width": 1.6, "dash": "dashdot"},
}


def figures(test: Backtest) -> Mapping[str, MaybeFigure]:
    """Every figure by name, in the order of the page; what cannot be drawn says why."""
    return {name: make(test) for name, make in FIGURES.items()}


def plot(test: Backtest, name: str = "value") -> go.Figure:
    """One figure of a backtest: ``value``, ``falls``, ``effect``, ``attribution``, ``days``, ``funding``, ``ratio``.

    Raises:
        InputError: If there is no figure of that name, or it cannot be drawn from this backtest.
    """
    if name not in FIGURES:
        raise InputError(f"no figure {name!r}", cure=suggest(name, FIGURES), where="plot")
    figure = FIGURES[name](test)
    if isinstance(figure, Unavailable):
        raise InputError(figure.reason, cure="draw another figure", where=name)
    return figure


def _stretches(test: Backtest) -> int:
    return max(1, -(-len(test.course.times) // MOST_POINTS))


def _times(test: Backtest) -> list[str]:
    width = _stretches(test)
    last = np.minimum(np.arange(width - 1, len(test.course.times) + width - 1, width), len(test.course.times) - 1)
    return [str(t)[:16] for t in test.course.times[last]]


def _thin(test: Backtest, values: FloatArray, *, highest: bool = False) -> list[float | None]:
    """The last (or highest known) value of each stretch; NaN is a gap."""
    width = _stretches(test)
    count = -(-len(values) // width)
    padded = np.full(count * width, np.nan)
    padded[: len(values)] = values
    blocks = padded.reshape(count, width)
    if highest:
        picked = np.where(np.isnan(blocks).all(axis=1), np.nan, np.nanmax(np.nan_to_num(blocks, nan=-1.0), axis=1))
    else:
        picked = values[np.minimum(np.arange(width - 1, len(values) + width - 1, width), len(values) - 1)]
    return [None if not math.isfinite(v) else float(v) for v in picked]


def _ways(test: Backtest) -> dict[str, FloatArray]:
    known = {name: v for name, v in test.rivals.items() if not isinstance(v, Unavailable)}
    return {UNHEDGED: test.paths.unhedged, HEDGED: test.paths.hedged, **known}


def value_figure(test: Backtest) -> MaybeFigure:
    """Value through time in every way."""
    figure, times = go.Figure(), _times(test)
    for name, values in _ways(test).items():
        figure.add_scatter(x=times, y=_thin(test, values), name=name, mode="lines", line=LINES[name])
    rows = test.summary.outcomes
    told = listing(
        [f"{row.name} {'gained' if row.change >= 0 else 'lost'} {_money(test, abs(row.change))}" for row in rows]
    )
    return finish(figure, told[:1].upper() + told[1:], x="Day", y=f"Value ({test.course.account})", height=440)


def falls_figure(test: Backtest) -> MaybeFigure:
    """How far each way lies below its highest value so far."""
    figure, times = go.Figure(), _times(test)
    for name, values in _ways(test).items():
        depth = -100 * drawdowns(values)
        figure.add_scatter(x=times, y=_thin(test, depth), name=name, mode="lines", line=LINES[name])
    parts = [f"{percent(row.fall.depth, 0)} {row.name}" for row in test.summary.outcomes]
    return finish(figure, f"Deepest fall: {listing(parts)}", x="Day", y="Below the highest so far (%)", height=380)


def effect_figure(test: Backtest) -> MaybeFigure:
    """Share of variance, tail loss and deepest fall removed by each way, with intervals."""
    rows = [(row.name, row.effect) for row in test.summary.outcomes if isinstance(row.effect, Effect)]
    if not rows:
        return Unavailable("the span is too short to judge")
    figure = go.Figure()
    names = ("variance", "tail loss", "deepest fall")
    for (way, found), symbol in zip(rows, ("circle", "diamond", "square"), strict=False):
        parts = (found.variance, found.es95, found.drawdown)
        values = [100 * part.value for part in parts]
        figure.add_scatter(
            x=values, y=names, name=way, mode="markers",
            marker={"size": 11, "symbol": symbol, "color": LINES[way]["color"]},
            error_x={
                "type": "data", "symmetric": False, "thickness": 1.4, "color": LINES[way]["color"],
                "array": [max(0.0, 100 * part.high - v) for part, v in zip(parts, values, strict=True)],
                "arrayminus": [max(0.0, v - 100 * part.low) for part, v in zip(parts, values, strict=True)],
            },
        )  # fmt: skip
    figure.update_layout(yaxis_autorange="reversed")
    hedged = next((found for way, found in rows if way == HEDGED), rows[0][1])
    title = (
        f"The hedge removed {share_percent(hedged.variance.value)} of the variance and "
        f"{share_percent(hedged.drawdown.value)} of the deepest fall"
    )
    return finish(figure, title, x="Removed (%); bars are 95 % intervals", y="", height=rows_height(4))


def attribution_figure(test: Backtest) -> MaybeFigure:
    """The parts of the change of equity as steps to it."""
    parts, currency = test.attribution, test.course.account
    shown = [name for name in Attribution.PARTS if getattr(parts, name)]
    figure = go.Figure()
    figure.add_waterfall(
        x=[*(PARTS[name][0] for name in shown), "Change"],
        y=[*(float(getattr(parts, name)) for name in shown), float(parts.change)],
        measure=["relative"] * len(shown) + ["total"],
        increasing={"marker": {"color": BLUE}},
        decreasing={"marker": {"color": ORANGE}},
        totals={"marker": {"color": MUTED}},
        connector={"line": {"color": MUTED, "width": 1, "dash": "dot"}},
        showlegend=False,
    )
    figure.update_layout(margin_t=64)
    title = f"The coins made {_money(test, parts.spot)}, the shorts {_money(test, parts.hedge)}"
    if parts.funding:
        title += f", funding {_money(test, parts.funding)}"
    return finish(figure, title, x="Received is up, paid is down", y=f"Amount ({currency})", height=400)


def days_figure(test: Backtest) -> MaybeFigure:
    """The worst days: the coins alone, and with the hedge."""
    days = test.summary.worst_days
    if not days:
        return Unavailable("no day was lost on")
    figure = go.Figure()
    names = [f"{day.until:%Y-%m-%d}" for day in days]
    figure.add_bar(y=names, x=[d.unhedged for d in days], name=UNHEDGED, orientation="h", marker={"color": ORANGE})
    figure.add_bar(y=names, x=[d.hedged for d in days], name=HEDGED, orientation="h", marker={"color": BLUE})
    figure.update_layout(barmode="group", yaxis={"autorange": "reversed", "type": "category"})
    lost, left = sum(d.unhedged for d in days), sum(d.hedged for d in days)
    title = f"On the {len(days)} worst days the hedge took {percent(1 - left / lost, 0)} off the loss"
    x = f"Change of value ({test.course.account})"
    return finish(figure, title, x=x, y="Day that ended", height=rows_height(2 * len(days)))


def funding_figure(test: Backtest) -> MaybeFigure:
    """Funding received so far."""
    if not any(row.known for row in test.summary.funding):
        return Unavailable("no funding is known in this span")
    figure = go.Figure()
    line = {"color": BLUE, "width": 2.2}
    figure.add_scatter(x=_times(test), y=_thin(test, test.paths.funding), mode="lines", line=line, showlegend=False)
    net = float(test.paths.funding[-1])
    title = f"The shorts {'received' if net >= 0 else 'paid'} {money(abs(net), test.course.account)} of funding in all"
    return finish(figure, title, x="Day", y=f"Received so far ({test.course.account})", height=340)


def ratio_figure(test: Backtest) -> MaybeFigure:
    """Margin ratio of each account, with the rungs of the policy."""
    ratio = test.paths.ratio
    if not np.isfinite(ratio).any():
        return Unavailable("nothing was held in an account")
    figure, times = go.Figure(), _times(test)
    for a, account in enumerate(test.replay.books.accounts):
        if np.isfinite(ratio[:, a]).any():
            values = _thin(test, 100 * ratio[:, a], highest=True)
            figure.add_scatter(x=times, y=values, name=safe(account.name), mode="lines")
    top = float(np.nanmax(np.where(np.isfinite(ratio), ratio, np.nan)))
    ladder = test.policy.ladder
    rungs = {"liquidation": 1.0}
    if ladder is not None:
        rungs |= {"warn": ladder.warn, "top up": ladder.top_up, "reduce": ladder.reduce, "close": ladder.close}
    for name, level in sorted(rungs.items(), key=lambda pair: pair[1]):
        line = {"color": ORANGE if name == "liquidation" else MUTED, "width": 1.2, "dash": "dash"}
        figure.add_hline(
            y=100 * level, line=line, annotation_text=name, annotation_position="top left", annotation_font_size=11
        )
    figure.update_layout(yaxis_range=[0, 108.0])
    title = f"The highest margin ratio was {percent(min(top, 1.0))}; at 100 % the venue liquidates"
    return finish(figure, title, x="Day", y="Margin ratio (%), highest of each stretch", height=400)


def _money(test: Backtest, value: Decimal | float) -> str:
    return money(value, test.course.account)


FIGURES: Mapping[str, Callable[[Backtest], MaybeFigure]] = {
    "value": value_figure,
    "falls": falls_figure,
    "effect": effect_figure,
    "attribution": attribution_figure,
    "days": days_figure,
    "funding": funding_figure,
    "ratio": ratio_figure,
}
"""Every figure of a backtest, by name."""
