"""A dated contract that ends inside the horizon and is the best choice, from the survey to the printed page."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from stormsail.adapters.files.plan_file import render_plan
from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit import Tolerance
from stormsail.core import Tenor, to_float
from stormsail.instruments.offers import round_trip
from stormsail.market.schema import Kind
from stormsail.plan import HedgePlan, make_plan
from stormsail.plan.ending import Ending, not_rolled
from stormsail.plan.survey import survey
from stormsail.report.html import plan_html
from stormsail.report.text_plan import advice_lead, plan_sections
from tests.support import MemorySource, bars, info_of

from .market import AS_OF, BAR, START, closes, portfolio, source

HORIZON = timedelta(days=30)
EXPIRY = AS_OF + timedelta(days=20, hours=8)
DATED = f"binance:BTCUSDT_{EXPIRY:%y%m%d}"
PREMIUM = 0.06


@cache
def market(expiry: datetime = EXPIRY) -> MemorySource:
    """The invented market, and a dated BTC contract at a fat premium that melts to nothing at its expiry."""
    data = source()
    series = {info: data.frames[key] for key, info in data.infos.items()}
    spot = closes()["BTC"]
    left = np.array([(expiry - START - BAR * (i + 1)) / timedelta(days=1) for i in range(len(spot))])
    alive = left > 0
    path = (spot * (1 + PREMIUM * np.maximum(left, 0.0) / 20))[alive]
    frame = bars(path, start=START, bar=BAR, spread=0.002, volume=5e7 / 6)
    late = frame.filter(pl.col("known_at") > AS_OF - timedelta(days=100))
    symbol = f"BTCUSDT_{expiry:%y%m%d}"
    series[info_of(late, Kind.DATED, symbol, asset="BTC", bar=BAR, expiry=expiry)] = late
    return MemorySource(series)


@cache
def made() -> HedgePlan:
    data = market()
    held = portfolio(data, coins=("BTC", "AAA", "BBB"))
    return make_plan(held, data.view(AS_OF), Tolerance(coverage=0.5, horizon=HORIZON), venues=load_venues())


def test_the_survey_knows_it_and_the_plan_shorts_it() -> None:
    held = portfolio(market(), coins=("BTC", "AAA", "BBB"))
    known = survey(held, market().view(AS_OF), Tolerance(coverage=0.5, horizon=HORIZON), venues=load_venues())
    assert DATED in {c.id for c in known.contracts}
    assert made().advice.tenor is Tenor.DATED
    kinds = {o.contract.base: o.contract.tenor for o in made().orders}
    assert kinds["BTC"] is Tenor.DATED and kinds["AAA"] is kinds["BBB"] is Tenor.PERPETUAL


def test_what_it_pays_and_its_roll_are_in_the_cost() -> None:
    order = next(o for o in made().orders if o.contract.id == DATED)
    _, basis, fees, slippage = made().cost.by_contract[DATED]
    assert fees == pytest.approx(-4 * to_float(order.fee), rel=1e-9)  # in, out, and in and out again at the roll
    assert isinstance(basis, float) and basis > 0.03 * to_float(order.notional)
    assert isinstance(slippage, float) and slippage < 0
    assert made().cost.basis == pytest.approx(basis)
    assert round_trip(order.contract, 0.0) == pytest.approx(2 * to_float(order.fee / order.notional))


def test_not_rolled_it_leaves_a_gap_with_its_day_and_figure() -> None:
    row = next(f for f in made().failures if f.name == "not rolled in time")
    order = next(o for o in made().orders if o.contract.id == DATED)
    assert f"({DATED} on {EXPIRY:%Y-%m-%d})" in row.what
    assert f"naked from {EXPIRY:%Y-%m-%d}" in row.what
    assert f"{to_float(order.notional):,.0f}" in row.what
    # the book falls by 30 % in all, BTC by less than the two alts of higher beta, and by more than nothing
    assert 0.1 * to_float(order.notional) < row.loss < 0.3 * to_float(order.notional)
    assert f"{row.loss:,.0f} is lost" in row.what
    finding = next(f for f in made().findings if f.subject == f"expiry of {DATED}")
    assert "9 days before the horizon ends" in finding.cause and "1 roll in the cost" in finding.cure


def test_it_is_told_as_text_as_a_page_and_in_the_file() -> None:
    sections = {s.key: s for s in plan_sections(made())}
    lead = "Use dated contracts for the BTC part; perpetuals for the rest."
    assert sections["size"].lead[-1].startswith(lead)
    cells = [cell.text for t in sections["failures"].tables for row in t.rows for cell in row.cells]
    notes = [row.note for t in sections["failures"].tables for row in t.rows]
    assert any("not rolled in time" in c.lower() for c in cells)
    assert any(f"naked from {EXPIRY:%Y-%m-%d}" in text for text in [*cells, *notes])
    page = plan_html(made())
    assert lead in page and f"naked from {EXPIRY:%Y-%m-%d}" in page
    written = json.loads(render_plan(made()))
    assert [r["loss"] for r in written["fails_against"] if r["name"] == "not rolled in time"]
    assert written["advice"]["tenor"] == "dated"


def test_one_that_outlives_the_horizon_needs_no_roll() -> None:
    data = market(AS_OF + timedelta(days=31))
    held = portfolio(data, coins=("BTC", "AAA"))
    plan = make_plan(held, data.view(AS_OF), Tolerance(coverage=0.5, horizon=HORIZON), venues=load_venues())
    assert any(o.contract.tenor is Tenor.DATED for o in plan.orders)
    assert all(f.name != "not rolled in time" for f in plan.failures)
    assert not [f for f in plan.findings if f.subject.startswith("expiry of")]


def test_several_are_told_in_the_order_they_end() -> None:
    first, last = datetime(2025, 3, 28, 8, tzinfo=UTC), datetime(2025, 6, 27, 8, tzinfo=UTC)
    row = not_rolled([Ending("v:B", last, 300.0, 60.0), Ending("v:A", first, 100.0, 30.0)], 0.3)
    assert row.loss == 90.0
    assert "Shorts of 400 are" in row.what and "(v:A on 2025-03-28, v:B on 2025-06-27)" in row.what
    assert "naked from 2025-03-28" in row.what and "falls by 30% after that, 90 is lost" in row.what


def test_the_advice_speaks_of_what_is_ordered() -> None:
    dated = tuple(o for o in made().orders if o.contract.tenor is Tenor.DATED)
    other = tuple(o for o in made().orders if o.contract.tenor is not Tenor.DATED)
    perpetual = replace(made().advice, tenor=Tenor.PERPETUAL)
    assert advice_lead(replace(made(), orders=dated)) == "Use dated contracts."
    assert advice_lead(replace(made(), orders=other)).startswith("Use perpetuals: no coin that is shorted has a dated")
    assert advice_lead(replace(made(), orders=other, advice=perpetual)) == "Use perpetual contracts."
    assert advice_lead(replace(made(), orders=())) == "Nothing is ordered; dated contracts would be the better choice."
