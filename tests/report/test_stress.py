"""Stress reports as text and as a page."""

import re
from dataclasses import replace
from decimal import Decimal
from functools import cache
from io import StringIO

from rich.console import Console

from stormsail.adapters.files.storm_files import load_storms
from stormsail.app.api import Workbench, sample_portfolio
from stormsail.audit.tolerance import Tolerance
from stormsail.lab.stress import stress
from stormsail.lab.stress_result import StressReport
from stormsail.report.figures_stress import figures, worst
from stormsail.report.stress_html import key_figures, stress_html
from stormsail.report.text_stress import brief, print_storms, print_stress

NAMES = ("tariff-2025", "squeeze-then-crash", "venue-gone", "stablecoin-down")


@cache
def report() -> StressReport:
    bench = Workbench.open()
    plan = bench.plan(sample_portfolio(), Tolerance())
    storms = [load_storms()[name] for name in NAMES]
    return stress(plan, storms, bench.view, venues=bench.venues, reserve={"USDT": Decimal(20_000)})


def words(width: int, found: StressReport, **options: int) -> str:
    console = Console(file=StringIO(), width=width)
    print_stress(console, found, [load_storms()[s.name] for s in found.storms], **options)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_text_tells_the_losses_the_failures_and_what_helps() -> None:
    found = report()
    text = words(120, found)
    for storm in found.storms:
        assert storm.name in text
        assert f"{storm.unhedged.deepest:,.0f}" in text
        assert f"{storm.hedged.deepest:,.0f}" in text
    assert "liquidation: binance" in text
    assert "venue gone: binance" in text
    assert "a second venue" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_few_storms_are_told_in_full() -> None:
    one = replace(report(), storms=report().storms[1:2])
    text = words(120, one)
    assert "A rise of two days liquidates" in text
    assert "First failed, after" in text
    assert "How far each coin goes" in text
    assert "the median alt's" in text
    assert "How far each coin goes" not in words(120, report())


def test_the_brief_names_the_worst_and_the_refused() -> None:
    found = report()
    lines = brief(found)
    lowest = min(found.storms, key=lambda s: s.hedged.deepest)
    assert any(line.startswith(f"The worst with the hedge is {lowest.name}") for line in lines)
    refused = brief(replace(found, storms=(), refused={"x": "it does not fit"}))
    assert refused == ("x could not be run: it does not fit.", "No storm was run.")
    assert key_figures(replace(found, storms=()))[0][1] == "0"


def test_the_page_is_whole_asks_nothing_of_the_network_and_repeats() -> None:
    storms = [load_storms()[name] for name in NAMES]
    page = stress_html(report(), storms)
    assert page == stress_html(report(), storms)
    body = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)=\"(https?:)?//", body)
    for name in NAMES:
        assert f'id="storm-{name}"' in page
        assert f'id="plot-path-{name}"' in page
    assert 'id="plot-bars"' in page
    assert "Where the figures come from" in page


def test_figures_show_the_worst_first() -> None:
    found = report()
    assert set(figures(found)) == {"bars", *(f"path-{name}" for name in NAMES)}
    depths = [min(s.hedged.deepest, s.unhedged.deepest) for s in worst(found)]
    assert depths == sorted(depths)
    assert figures(replace(found, storms=())) == {}


def test_every_storm_is_listed() -> None:
    console = Console(file=StringIO(), width=100)
    print_storms(console, tuple(load_storms().values()))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert all(name in text for name in load_storms())
