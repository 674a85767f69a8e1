"""The figures of a plan; each is a function of the plan, and its title says what it shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeAlias

import plotly.graph_objects as go

from stormsail.audit.types import AssetExposure
from stormsail.core import Estimate, Unavailable
from stormsail.plan.types import Fan, HedgePlan
from stormsail.ratio.types import Effectiveness
from stormsail.report.figures_money import cost_figure, coverage_figure
from stormsail.report.format import fixed, percent, share_percent
from stormsail.report.style import BAND, HEDGED, MUTED, SECOND, UNHEDGED, finish, hatched, rows_height, safe

MOST_BARS = 20
MaybeFigure: TypeAlias = go.Figure | Unavailable
Making: TypeAlias = Callable[[HedgePlan], MaybeFigure]


def figures(plan: HedgePlan) -> Mapping[str, MaybeFigure]:
    """Every figure of the plan by name, in the order of the report; what cannot be drawn says why."""
    made = {name: make(plan) for name, make in _FIGURES}
    for venue in plan.fans:
        made[f"fan-{venue}"] = fan_figure(plan, venue)
    return made


def exposure_figure(plan: HedgePlan) -> MaybeFigure:
    """Value of each holding, with the part that is locked."""
    assets = plan.exposure.assets[:MOST_BARS]
    if not assets:
        return Unavailable("nothing is held")
    names = [safe(asset.asset) for asset in assets]
    locked = [asset.value * _locked_share(asset) for asset in assets]
    free = [asset.value - part for asset, part in zip(assets, locked, strict=True)]
    figure = go.Figure()
    _bars(figure, "can be sold", names, free, HEDGED)
    _bars(figure, "locked", names, locked, SECOND, pattern="/")
    figure.update_layout(barmode="stack", yaxis_autorange="reversed")
    first = assets[0]
    title = f"{safe(first.asset)} is the largest holding, {percent(first.weight, 0)} of the value"
    if plan.exposure.locked_value > 0 and plan.exposure.value > 0:
        title += f"; {percent(plan.exposure.locked_value / plan.exposure.value, 0)} of the value is locked"
    title += _cut(len(plan.exposure.assets))
    return finish(figure, title, x=f"Value ({plan.portfolio.currency})", y="", height=rows_height(len(assets)))


def _locked_share(asset: AssetExposure) -> float:
    return float(1 - asset.sellable / asset.quantity) if asset.quantity else 0.0


def _cut(total: int) -> str:
    return f" (largest {MOST_BARS} of {total})" if total > MOST_BARS else ""


def _bars(
    figure: go.Figure, label: str, names: Sequence[str], values: Sequence[float], color: str, *, pattern: str = ""
) -> None:
    """Horizontal bars of one kind; hatching tells them apart in print without colour."""
    figure.add_bar(y=list(names), x=list(values), name=label, orientation="h", marker=hatched(color, pattern))


def betas_figure(plan: HedgePlan) -> MaybeFigure:
    """Beta to BTC on falling and on rising days, with two standard errors either way."""
    rows = [(a.asset, a.risk.beta_down, a.risk.beta_up) for a in plan.exposure.assets if not a.is_cash]
    known = [(name, down, up) for name, down, up in rows if isinstance(down, Estimate) and isinstance(up, Estimate)][
        :MOST_BARS
    ]
    if not known:
        return Unavailable("no coin has a beta")
    names = [safe(name) for name, *_ in known]
    figure = go.Figure()
    for label, column, color, symbol in (
        ("on days BTC falls", [down for _, down, _ in known], UNHEDGED, "circle"),
        ("on days BTC rises", [up for *_, up in known], HEDGED, "diamond"),
    ):
        errors = [2 * e.error if e.error is not None else None for e in column]
        figure.add_scatter(
            x=[e.value for e in column],
            y=names,
            name=label,
            mode="markers",
            marker={"color": color, "size": 10, "symbol": symbol},
            error_x={"type": "data", "array": errors, "color": color, "thickness": 1.4, "width": 4},
        )
    figure.add_vline(x=1.0, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.update_layout(yaxis_autorange="reversed")
    down, up = median(d.value for _, d, _ in known), median(u.value for *_, u in known)
    title = (
        f"When BTC falls 1 %, the middle coin falls {fixed(down, 2)} %; when BTC rises 1 %, it rises {fixed(up, 2)} %"
    )
    x = "Beta to BTC; bars are two standard errors; dotted line: moves like BTC"
    return finish(figure, title + _cut(len(rows)), x=x, y="", height=rows_height(len(known)))


def history_figure(plan: HedgePlan) -> MaybeFigure:
    """The book held through the past, with and without the hedge."""
    past = plan.history
    if isinstance(past, Unavailable):
        return past
    if len(past.times) < 2:
        return Unavailable("fewer than two days of history")
    figure = go.Figure()
    for label, values, color, dash in (
        ("without the hedge", past.unhedged, UNHEDGED, "dot"),
        ("with the hedge", past.hedged, HEDGED, "solid"),
    ):
        line = {"color": color, "width": 2.2, "dash": dash}
        figure.add_scatter(x=list(past.times), y=[100 * v for v in values], name=label, mode="lines", line=line)
    title = (
        f"Held through the past, the deepest fall is {percent(deepest_fall(past.hedged), 0)} with the hedge and "
        f"{percent(deepest_fall(past.unhedged), 0)} without it (today's weights, in sample)"
    )
    return finish(figure, title, x="Day", y="Value (start = 100)", height=420)


def deepest_fall(values: Sequence[float]) -> float:
    """Largest fall from a peak, as a fraction.

    >>> deepest_fall([1.0, 2.0, 1.5, 1.8])
    0.25
    """
    peak, worst = -math.inf, 0.0
    for value in values:
        peak = max(peak, value)
        worst = max(worst, 1 - value / peak)
    return worst


def candidates_figure(plan: HedgePlan) -> MaybeFigure:
    """Out-of-sample effectiveness of the candidates for the whole portfolio."""
    scores = plan.shortlist.portfolio
    rows = [(s.candidate.name + ("" if s.usable else " (not usable)"), s.effectiveness) for s in scores]
    return _effectiveness(rows, "candidate", best="Most effective for the whole portfolio")


def estimators_figure(plan: HedgePlan) -> MaybeFigure:
    """Out-of-sample effectiveness of the estimators in the first contest."""
    if not plan.contests:
        return Unavailable("no contest of estimators was held")
    contest = plan.contests[0]
    rows = [(row.estimator, row.effectiveness) for row in contest.rows]
    return _effectiveness(rows, "estimator", best="Most effective out of sample", used=contest.winner)


def _effectiveness(
    rows: Sequence[tuple[str, Effectiveness | Unavailable]], what: str, *, best: str, used: str = ""
) -> MaybeFigure:
    known = [(n, e) for n, e in rows if isinstance(e, Effectiveness) and not math.isnan(e.value)][:MOST_BARS]
    if not known:
        return Unavailable(f"no {what} could be judged out of sample")
    names, values = [safe(name) for name, _ in known], [100 * e.value for _, e in known]
    above = [_half(e.high - e.value) for _, e in known]
    below = [_half(e.value - e.low) for _, e in known]
    error = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": HEDGED, "thickness": 1.6}
    colors = [HEDGED if name in ("", used) or not used else SECOND for name, _ in known]
    figure = go.Figure()
    marker = {"size": 11, "color": colors, "line": {"color": HEDGED, "width": 1.2}}
    figure.add_scatter(x=values, y=names, mode="markers", marker=marker, error_x=error, name="", showlegend=False)
    figure.update_layout(yaxis_autorange="reversed", margin_t=64)
    top = max(known, key=lambda pair: pair[1].value)
    title = f"{best}: {safe(top[0])}, which removes {share_percent(top[1].value)} of the variance"
    if used and used != top[0]:
        title += f"; {safe(used)} is used, as the simplest that is not significantly worse"
    x = "Share of variance removed (%); bars are 95 % intervals"
    return finish(figure, title, x=x, y="", height=rows_height(len(known)))


def _half(width: float) -> float | None:
    return None if math.isnan(width) else max(0.0, 100 * width)


def fan_figure(plan: HedgePlan, venue: str) -> MaybeFigure:
    """How far the shorts of one venue (or one isolated short) may have risen by each hour, and where liquidation is."""
    fan = plan.fans.get(venue)
    if fan is None or not fan.hours or not fan.quantiles:
        return Unavailable("no paths were computed")
    levels = sorted(fan.quantiles)
    figure = go.Figure()
    for i, level in enumerate(levels):
        shade = 0.55 * (1 - i / len(levels)) + 0.06
        figure.add_scatter(
            x=list(fan.hours),
            y=[100 * v for v in fan.quantiles[level]],
            mode="lines",
            line={"color": f"rgba({BAND}, 0.75)", "width": 1},
            fill="tonexty" if i else "tozeroy",
            fillcolor=f"rgba({BAND}, {shade:.3f})",
            name=f"{fixed(level * 100, 1 if level > 0.99 else 0)} % stay below",
        )
    words = f"liquidation at {percent(fan.liquidation_rise)}" if math.isfinite(fan.liquidation_rise) else ""
    if words:
        line = {"color": UNHEDGED, "width": 2.4, "dash": "dash"}
        figure.add_hline(
            y=100 * fan.liquidation_rise,
            line=line,
            annotation_text=words,
            annotation_position="top right",
            annotation_font_color=UNHEDGED,
        )
    highest = max(100 * fan.quantiles[levels[-1]][-1], 100 * fan.liquidation_rise if words else 0.0)
    figure.update_layout(yaxis_range=[0, 1.15 * highest])
    return finish(figure, _fan_title(fan, venue), x="Hours from now", y="Largest rise so far (%)", height=420)


def _fan_title(fan: Fan, venue: str) -> str:
    level = max(fan.quantiles)
    title = f"At {safe(venue)}, {fixed(level * 100, 1)} % of paths have risen by less than "
    title += f"{percent(fan.quantiles[level][-1], 0)} after {fixed(fan.hours[-1], 0)} hours"
    if math.isinf(fan.liquidation_rise):
        return f"{title}; no rise can liquidate the shorts"
    return f"{title}; liquidation needs {percent(fan.liquidation_rise, 0)}"


_FIGURES: tuple[tuple[str, Making], ...] = (
    ("exposure", exposure_figure),
    ("betas", betas_figure),
    ("candidates", candidates_figure),
    ("estimators", estimators_figure),
    ("history", history_figure),
    ("cost", cost_figure),
    ("coverage", coverage_figure),
)
