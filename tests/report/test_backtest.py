"""What a backtest says: the rival that won is said to have won, what is missing is said to be missing."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from stormsail.core import InputError, Unavailable
from stormsail.lab.result import Attribution
from stormsail.lab.summary import NAIVE, SOLD, summarise
from stormsail.report.backtest_html import PLACES, backtest_html, key_figures
from stormsail.report.figures_backtest import FIGURES, figures, plot
from stormsail.report.text_backtest import PARTS, backtest_sections, brief, print_backtest
from tests.lab.test_backtest import held, three


def told(test: object) -> str:
    return " ".join(brief(test))  # type: ignore[arg-type]


def with_rivals(naive: object) -> object:
    test = three()
    rivals = {**test.rivals, NAIVE: naive}
    made = summarise(test.replay, test.paths, test.attribution, rivals, 3, {})  # type: ignore[arg-type]
    return replace(test, rivals=rivals, summary=made)  # type: ignore[arg-type]


def test_a_rival_that_won_is_said_to_have_won() -> None:
    better = with_rivals(np.full_like(three().paths.hedged, three().paths.unhedged[0] * 1.5))
    worse = with_rivals(three().paths.unhedged * np.linspace(1.0, 0.5, len(three().paths.unhedged)))
    assert "better choice on both counts" in told(better).split("Selling")[0]
    assert "more than the plan's hedge" in told(better).split("Selling")[0]
    assert "better choice on both counts" not in told(worse).split("Selling")[0]
    assert "less than the plan's hedge" in told(worse).split("Selling")[0]


def test_a_rival_that_could_not_be_tried_says_why() -> None:
    test = with_rivals(Unavailable("no coin had a perpetual of its own"))
    assert "could not be tried: no coin had a perpetual of its own" in told(test)
    assert "no coin had a perpetual of its own" in backtest_html(test)  # type: ignore[arg-type]


def test_every_part_of_the_change_has_a_name() -> None:
    assert set(PARTS) == set(Attribution.PARTS)


def test_every_figure_is_drawn_and_stands_somewhere() -> None:
    drawn = figures(three())
    assert not any(isinstance(figure, Unavailable) for figure in drawn.values())
    assert sorted(name for names in PLACES.values() for name in names) == sorted(FIGURES)
    keys = {section.key for section in backtest_sections(three())}
    assert set(PLACES) <= keys


def test_figures_show_what_was_computed() -> None:
    test = three()
    value = plot(test)
    lines = {trace.name: trace.y for trace in value.data}
    assert lines["hedged"][-1] == test.paths.hedged[-1]
    assert lines[SOLD][0] == test.rivals[SOLD][0]  # type: ignore[index]
    steps = plot(test, "attribution").data[0]
    assert sum(steps.y[:-1]) == pytest.approx(steps.y[-1])
    ratio = plot(test, "ratio").data[0]
    assert max(y for y in ratio.y if y is not None) == pytest.approx(100 * test.summary.accounts[0].highest)


def test_a_figure_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no figure 'valeu'"):
        plot(three(), "valeu")


def test_long_paths_are_thinned_to_the_last_of_each_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stormsail.report.figures_backtest.MOST_POINTS", 10)
    test = three()
    line = plot(test).data[1]
    assert len(line.x) == len(line.y) <= 10
    assert line.y[-1] == test.paths.hedged[-1]
    assert line.y[0] == test.paths.hedged[7]
    highest = plot(test, "ratio").data[0].y
    assert max(y for y in highest if y is not None) == pytest.approx(100 * test.summary.accounts[0].highest)


def test_the_page_is_the_same_bytes_and_holds_every_event() -> None:
    page = backtest_html(three(), digest="abc")
    assert page == backtest_html(three(), digest="abc")
    assert page.count("plan of ") >= 2
    assert "abc" in page
    assert len(key_figures(three())) == 5


@pytest.mark.parametrize("width", [80, 140])
def test_text_fits_its_terminal(width: int) -> None:
    for test in (three(), held()):
        console = Console(width=width, record=True, file=StringIO())
        print_backtest(console, test)
        assert max(map(len, console.export_text().splitlines())) <= width
