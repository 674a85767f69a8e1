"""Figures of money: what the hedge costs part by part, and what it leaves uncovered."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from stormsail.core import Unavailable
from stormsail.plan.types import Cost, HedgePlan
from stormsail.report.format import money, percent, span
from stormsail.report.style import HEDGED, LEFT_OPEN, MUTED, SECOND, UNHEDGED, finish, hatched, rows_height, safe
from stormsail.report.text_cost import flow, without

MOST = 20


def cost_figure(plan: HedgePlan) -> go.Figure | Unavailable:
    """The parts of the expected cost as steps to the total, and the total when funding is at its worst 5 %."""
    cost, currency = plan.cost, plan.portfolio.currency
    named = (("Funding", cost.funding), ("Basis", cost.basis), ("Fees", cost.fees), ("Slippage", cost.slippage))
    parts = [(name, value) for name, value in named if not isinstance(value, Unavailable)]
    if math.isnan(cost.total) or any(math.isnan(value) for _, value in parts):
        return Unavailable("a part of the cost is unavailable")
    figure = go.Figure()
    figure.add_waterfall(
        x=[*(name for name, _ in parts), "Expected total"],
        y=[*(value for _, value in parts), cost.total],
        measure=["relative"] * len(parts) + ["total"],
        increasing={"marker": {"color": HEDGED}},
        decreasing={"marker": {"color": UNHEDGED}},
        totals={"marker": {"color": MUTED}},
        connector={"line": {"color": MUTED, "width": 1, "dash": "dot"}},
        name="expected",
        showlegend=False,
    )
    _worst(figure, cost)
    figure.update_layout(margin_t=64)
    title = f"Over {span(plan.tolerance.horizon)} the hedge is expected to {flow(cost.total, currency)}"
    title += without(cost.left_out)
    if not math.isnan(cost.total_low):
        title += f"; with funding in its worst 5 % to {flow(cost.total_low, currency)}"
    return finish(figure, title, x="Received is up, paid is down", y=f"Amount ({currency})", height=400)


def _worst(figure: go.Figure, cost: Cost) -> None:
    if math.isnan(cost.total_low):
        return
    worst = {"Funding,<br>worst 5 %": cost.funding_low, "Total,<br>worst 5 %": cost.total_low}
    known = {name: value for name, value in worst.items() if not isinstance(value, Unavailable)}
    marker = {**hatched(UNHEDGED, "/"), "line": {"color": UNHEDGED, "width": 1.4}}
    figure.add_bar(
        x=list(known),
        y=list(known.values()),
        marker=marker,
        showlegend=False,
        name="worst 5 %",
    )


def coverage_figure(plan: HedgePlan) -> go.Figure | Unavailable:
    """What of each coin is protected by its own contract, by a substitute, and not at all."""
    rows = sorted(plan.coverage, key=lambda c: (-c.value, c.asset))[:MOST]
    if not rows:
        return Unavailable("there was nothing to protect")
    figure = go.Figure()
    for label, values, color, pattern in (
        ("by its own contract", [c.direct for c in rows], HEDGED, ""),
        ("by a substitute", [c.proxy for c in rows], SECOND, "/"),
        ("uncovered", [c.uncovered for c in rows], LEFT_OPEN, "."),
    ):
        figure.add_bar(
            y=[safe(c.asset) for c in rows],
            x=values,
            name=label,
            orientation="h",
            marker=hatched(color, pattern),
        )
    figure.update_layout(barmode="stack", yaxis_autorange="reversed")
    currency = plan.portfolio.currency
    total, left = sum(c.value for c in plan.coverage), sum(c.uncovered for c in plan.coverage)
    title = f"{money(total - left, currency)} of {money(total, currency)} is protected"
    if total > 0:
        title += f"; {percent(left / total, 0)} stays uncovered"
    if len(plan.coverage) > MOST:
        title += f" (largest {MOST} of {len(plan.coverage)})"
    return finish(figure, title, x=f"Value ({currency})", y="", height=rows_height(len(rows)))
