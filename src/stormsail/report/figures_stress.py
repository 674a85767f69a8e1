"""The figures of a stress report; each title says what it shows."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from stormsail.lab.stress_result import HELPS, StormResult, StressReport
from stormsail.report.format import money
from stormsail.report.style import HEDGED, MUTED, UNHEDGED, finish, hatched, rows_height, safe

WORST = 6
"""Storms whose paths are drawn."""


def figures(report: StressReport) -> Mapping[str, go.Figure]:
    """The bars of all storms, and the paths of the worst, by name."""
    if not report.storms:
        return {}
    drawn = {"bars": bars_figure(report)}
    for result in worst(report):
        drawn[f"path-{result.name}"] = path_figure(result, report.currency)
    return drawn


def worst(report: StressReport) -> tuple[StormResult, ...]:
    """The storms that cost most, with the hedge or without, worst first."""
    ranked = sorted(report.storms, key=lambda s: (min(s.hedged.deepest, s.unhedged.deepest), s.name))
    return tuple(ranked[:WORST])


def bars_figure(report: StressReport) -> go.Figure:
    """Deepest loss of every storm with and without the hedge."""
    names = [safe(s.name) for s in report.storms]
    figure = go.Figure()
    figure.add_bar(
        y=names, x=[s.unhedged.deepest for s in report.storms], name="without the hedge", orientation="h",
        marker=hatched(UNHEDGED, "/"),
    )  # fmt: skip
    figure.add_bar(
        y=names, x=[s.hedged.deepest for s in report.storms], name="with the hedge", orientation="h",
        marker=hatched(HEDGED),
    )  # fmt: skip
    figure.update_layout(barmode="group", yaxis={"autorange": "reversed", "type": "category"})
    least = HELPS * report.value
    better = sum(s.saved >= least for s in report.storms)
    worse = sum(s.saved <= -least for s in report.storms)
    title = f"The hedge lessens the deepest loss in {better} of {len(report.storms)} storms and deepens it in {worse}"
    x = f"Change of value at the deepest moment ({safe(report.currency)})"
    return finish(figure, title, x=x, y="", height=rows_height(2 * len(names)))


def path_figure(result: StormResult, currency: str) -> go.Figure:
    """Change of value hour by hour, and the moment of the first failure."""
    hours = list(range(len(result.path_unhedged)))
    figure = go.Figure()
    plain = {"color": UNHEDGED, "width": 2.2, "dash": "dot"}
    figure.add_scatter(x=hours, y=list(result.path_unhedged), name="without the hedge", mode="lines", line=plain)
    figure.add_scatter(
        x=hours, y=list(result.path_hedged), name="with the hedge", mode="lines", line={"color": HEDGED, "width": 2.4}
    )
    if result.failure is not None:
        figure.add_vline(
            x=result.failure.hour, line={"color": MUTED, "dash": "dash"}, annotation_text=safe(result.failure.what)
        )
    title = (
        f"{result.name}: {money(-result.unhedged.deepest, currency)} lost without the hedge, "
        f"{money(-result.hedged.deepest, currency)} with it"
    )
    return finish(figure, title, x="Hours since the storm began", y=f"Change of value ({safe(currency)})", height=360)
