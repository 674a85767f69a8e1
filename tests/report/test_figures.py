"""Figures say what they show, show what the plan says, and say why where they cannot."""

from dataclasses import replace

import plotly.graph_objects as go
import pytest

from stormsail.core import Unavailable
from stormsail.report.figures import deepest_fall, exposure_figure, fan_figure, figures, history_figure
from stormsail.report.figures_money import cost_figure, coverage_figure
from stormsail.report.style import template
from tests.report.fake import bare_plan, big_plan, fake_plan

PLAN = fake_plan()


@pytest.mark.parametrize("name", list(figures(PLAN)))
def test_every_figure_has_a_title_named_axes_and_the_shared_template(name: str) -> None:
    figure = figures(PLAN)[name]
    assert isinstance(figure, go.Figure)
    assert len(figure.layout.title.text) > 20
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text or all(isinstance(y, str) for trace in figure.data for y in trace.y)
    assert figure.layout.template == template()


def test_units_stand_on_the_axes() -> None:
    drawn = figures(PLAN)
    assert "USD" in drawn["exposure"].layout.xaxis.title.text
    assert "USD" in drawn["cost"].layout.yaxis.title.text
    assert "%" in drawn["candidates"].layout.xaxis.title.text
    assert "%" in drawn["fan-binance"].layout.yaxis.title.text


def test_bars_of_exposure_add_up_to_the_value() -> None:
    figure = exposure_figure(PLAN)
    assert sum(sum(trace.x) for trace in figure.data) == pytest.approx(PLAN.exposure.value)
    assert sum(figure.data[1].x) == pytest.approx(PLAN.exposure.locked_value)


def test_steps_of_the_cost_lead_to_its_total() -> None:
    steps = cost_figure(PLAN).data[0]
    assert sum(steps.y[:-1]) == pytest.approx(steps.y[-1]) == pytest.approx(PLAN.cost.total)
    assert list(cost_figure(PLAN).data[1].y) == [PLAN.cost.funding_low, PLAN.cost.total_low]


def test_coverage_bars_add_up_to_what_is_held() -> None:
    figure = coverage_figure(PLAN)
    assert sum(sum(trace.x) for trace in figure.data) == pytest.approx(
        sum(c.direct + c.proxy + c.uncovered for c in PLAN.coverage)
    )


def test_the_history_title_states_the_deepest_falls() -> None:
    title = history_figure(PLAN).layout.title.text.replace("<br>", " ")
    assert f"{100 * deepest_fall(PLAN.history.hedged):.0f} % with the hedge" in title
    assert f"{100 * deepest_fall(PLAN.history.unhedged):.0f} % without it" in title


def test_deepest_fall_of_a_rising_line_is_nothing() -> None:
    assert deepest_fall([1.0, 2.0, 3.0]) == 0.0
    assert deepest_fall([2.0, 1.0, 4.0, 1.0]) == 0.75


def test_the_liquidation_line_is_drawn_only_where_there_is_one() -> None:
    lines = fan_figure(PLAN, "binance").layout.shapes
    assert [line.y0 for line in lines] == [pytest.approx(38.5)]
    assert not fan_figure(PLAN, "okx").layout.shapes
    assert "no rise can liquidate" in fan_figure(PLAN, "okx").layout.title.text.replace("<br>", " ")
    assert isinstance(fan_figure(PLAN, "elsewhere"), Unavailable)


def test_what_cannot_be_drawn_says_why() -> None:
    drawn = figures(bare_plan())
    assert drawn["history"] == Unavailable("no data")
    assert all(
        isinstance(drawn[name], Unavailable) for name in ("betas", "candidates", "estimators", "cost", "coverage")
    )


def test_a_name_is_not_read_as_markup() -> None:
    hostile = replace(PLAN.exposure.assets[0], asset='<a href="https://x">y</a>')
    figure = exposure_figure(replace(PLAN, exposure=replace(PLAN.exposure, assets=(hostile,))))
    assert "<a" not in figure.to_json().replace("\\u003c", "<")


def test_large_portfolios_show_the_largest_and_say_so() -> None:
    figure = exposure_figure(big_plan())
    assert len(figure.data[0].y) == 20 and "largest 20 of 200" in figure.layout.title.text.replace("<br>", " ")
