"""Basis risk of a plan: known truth recovered, shares that add up, and what is missing said."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.adapters.files.plan_file import plan_to_dict
from stormsail.adapters.files.venue_files import load_venues
from stormsail.adapters.sources.directory import DirectorySource
from stormsail.audit import Tolerance
from stormsail.core import Holding, Portfolio, Tenor, Unavailable, to_float
from stormsail.market.schema import Kind
from stormsail.market.source import MarketView
from stormsail.plan import make_plan
from stormsail.plan.basis_risk import basis_failure
from stormsail.plan.types import BasisRisk, BookBasis, HedgePlan
from tests.plan.market import AS_OF, BAR, DAYS, START, closes, portfolio, source
from tests.support import MemorySource, bars, info_of

WISH = Tolerance(collateral=Decimal(100_000), venues=("binance",))


@cache
def venues():  # type: ignore[no-untyped-def]  # a cached fixture
    return {"binance": load_venues()["binance"]}


def planned(market: MemorySource, wish: Tolerance = WISH, **more: object) -> HedgePlan:
    return make_plan(portfolio(market, **more), market.view(AS_OF), wish, venues=venues())  # type: ignore[arg-type]


@cache
def usual() -> HedgePlan:
    return planned(source())


def told(plan: HedgePlan) -> BookBasis:
    assert isinstance(plan.cost.basis_risk, BookBasis)
    return plan.cost.basis_risk


def known(figure: float | Unavailable) -> float:
    assert isinstance(figure, float)
    return figure


def test_the_deviation_of_a_week_is_that_of_the_market_made() -> None:
    """Bases are white noise of 0.03 %, apart from each other: a week's change has sqrt(2) of it."""
    plan = usual()
    found = told(plan)
    true = 0.0003 * math.sqrt(2 * sum(to_float(o.notional) ** 2 for o in plan.orders))
    assert known(found.sd) == pytest.approx(true, rel=0.12)
    assert known(found.worst) == pytest.approx(-2.326 * true, rel=0.25)
    assert found.weeks == 365 - 7
    assert (found.locked, found.unmeasured) == (0.0, 0.0)
    assert found.risk.basis == pytest.approx(known(found.sd) ** 2)


def test_with_direct_shorts_alone_basis_is_all_that_is_left_of_what_is_known() -> None:
    risk = told(planned(source(), coins=("BTC",))).risk
    assert risk.beta == 0.0
    assert risk.shares["basis"] > 0.9
    assert risk.missing == {"stablecoin": "no price of USDT in dollars"}


def test_a_proxy_leaves_what_the_coin_does_alone() -> None:
    plan = planned(source(without=("AAA", "BBB")), coins=("AAA", "BBB"))
    risk = told(plan).risk
    assert risk.shares["idiosyncratic"] > 0.5
    # Own moves of 0.6 % each four hours with fat tails (variance 5/3), 42 of them in a week, of two coins of 10,000.
    own = 2 * 42 * 5 / 3 * (0.006 * 10_000 * 0.5) ** 2
    assert own < known(risk.idiosyncratic) < 8 * own
    assert known(risk.beta) < known(risk.idiosyncratic)


def test_the_peg_counts_where_a_price_of_it_exists() -> None:
    market = source()
    moves = np.random.Generator(np.random.Philox(key=5)).normal(0, 0.001, DAYS * 6)
    peg = bars(1.0 + moves, start=START, bar=BAR)
    held = {info: market.frames[info.key] for info in market.infos.values()}
    plan = planned(MemorySource({**held, info_of(peg, Kind.SPOT, "USDT", asset="USDT", bar=BAR, quote="USD"): peg}))
    risk = told(plan).risk
    stake = sum(to_float(o.notional) for o in plan.orders) + sum(to_float(m.cash) for m in plan.margins)
    assert known(risk.stablecoin) == pytest.approx((stake * 0.001) ** 2 * 2, rel=0.5)
    assert risk.missing == {}


def test_a_dated_short_locks_its_basis() -> None:
    """BTC held; its contract of 120 days stands 30 % a year above spot and keeps that rate."""
    market, expiry = source(), AS_OF + timedelta(days=120)
    path = closes()["BTC"]
    stamps = [START + (i + 1) * BAR for i in range(len(path))]
    rate = np.array([0.30 * (expiry - s) / timedelta(days=365) for s in stamps])
    dated = bars(path * np.exp(rate), start=START, bar=BAR, spread=0.002, volume=5e7 / 6)
    info = info_of(dated, Kind.DATED, "BTCUSDT_250606", asset="BTC", bar=BAR, expiry=expiry)
    held = {i: market.frames[i.key] for i in market.infos.values()}
    wish = Tolerance(collateral=Decimal(100_000), venues=("binance",), horizon=timedelta(days=90))
    plan = planned(MemorySource({**held, info: dated}), wish, coins=("BTC",))
    short = sum(to_float(o.notional) for o in plan.orders if o.contract.tenor is Tenor.DATED)
    assert short > 0
    found = told(plan)
    assert known(found.locked) == pytest.approx(short * (math.exp(0.30 * 120 / 365) - 1), rel=1e-9)
    assert known(found.sd) < 1e-3 * short  # nothing moves but time


def test_the_shortlist_has_the_curve_and_only_of_contracts_that_may_be_used() -> None:
    market, expiry = source(), AS_OF + timedelta(days=120)
    dated = bars(closes()["BTC"] * 1.02, start=START, bar=BAR, volume=5e7 / 6)
    held = {i: market.frames[i.key] for i in market.infos.values()}
    for venue in ("binance", "okx"):
        info = info_of(dated, Kind.DATED, "BTCUSDT_250606", asset="BTC", bar=BAR, expiry=expiry, venue=venue)
        held[info] = dated
    plan = planned(MemorySource(held), coins=("AAA",))
    (curve,) = plan.shortlist.curves
    assert plan_to_dict(plan)["candidates"]["curves"][0]["dated"][0]["contract"] == "binance:BTCUSDT_250606"
    (point,) = curve.dated
    assert point.contract == "binance:BTCUSDT_250606"
    assert point.level == pytest.approx(0.02, abs=1e-12)
    assert [p.contract for p in curve.perpetuals] == ["binance:BTCUSDT"]
    assert usual().shortlist.curves == ()


def test_coins_that_only_their_contract_prices_are_not_measured_and_are_named() -> None:
    market = source()
    rest = {i: market.frames[i.key] for i in market.infos.values() if (i.key.kind, i.asset) != (Kind.SPOT, "AAA")}
    plan = make_plan(portfolio(market), MemorySource(rest).view(AS_OF), WISH, venues=venues())
    short = {o.contract.base: to_float(o.notional) for o in plan.orders}
    found = told(plan)
    assert found.unmeasured == pytest.approx(short["AAA"])
    (mode,) = basis_failure(found)
    assert f"shorts of {short['AAA']:,.0f} cannot be measured" in mode.what


def test_it_is_among_the_failures_and_in_the_plan_file() -> None:
    plan = usual()
    (mode,) = (f for f in plan.failures if f.name.startswith("basis"))
    assert mode.loss == -known(told(plan).worst)
    content = plan_to_dict(plan)["cost"]["basis_risk"]
    assert content["weeks"] == 358
    assert content["risk"]["stablecoin"] == {"unavailable": "no price of USDT in dollars"}


def test_nothing_later_is_seen() -> None:
    later = MarketView(source().scrambled_after(AS_OF), AS_OF)
    again = make_plan(portfolio(source()), later, WISH, venues=venues())
    assert again.cost.basis_risk == usual().cost.basis_risk


def test_without_shorts_there_is_no_basis() -> None:
    plan = planned(source(), Tolerance(collateral=Decimal(0), venues=("binance",)))
    assert plan.cost.basis_risk == Unavailable("nothing is short")
    assert basis_failure(plan.cost.basis_risk) == ()


PART = st.one_of(st.floats(0, 1e12), st.just(Unavailable("why")))


@given(st.tuples(PART, PART, PART, PART))
def test_shares_add_up_and_what_is_missing_is_named(parts: tuple[float | Unavailable, ...]) -> None:
    risk = BasisRisk(timedelta(days=7), *parts)
    assert len(risk.known) + len(risk.missing) == 4
    assert set(risk.missing.values()) <= {"why"}
    if risk.variance > 1e-300:
        assert sum(risk.shares.values()) == pytest.approx(1.0, abs=1e-12)
        assert list(risk.shares) == list(risk.known)
    elif risk.variance == 0:
        assert risk.shares == {}


@pytest.mark.realdata
def test_july_2025_with_its_quarterlies(real_data: Path) -> None:
    coins = {"BTC": "0.5", "ETH": "8", "SOL": "100", "XRP": "5000"}
    held = Portfolio(tuple(Holding(coin, Decimal(q)) for coin, q in coins.items()), name="four")
    view = MarketView(DirectorySource(real_data), datetime(2025, 7, 31, tzinfo=UTC))
    plan = make_plan(held, view, Tolerance(horizon=timedelta(days=90), venues=("binance",)), venues=venues())
    found = told(plan)
    dated = sum(to_float(o.notional) for o in plan.orders if o.contract.tenor is Tenor.DATED)
    assert dated > 0
    assert 0.02 < known(found.locked) / dated < 0.04
    assert 0.002 < known(found.sd) / dated < 0.008
    later = MarketView(DirectorySource(real_data), datetime(2025, 8, 31, tzinfo=UTC))
    perpetual = make_plan(held, later, Tolerance(venues=("binance",)), venues=venues())
    short = sum(to_float(o.notional) for o in perpetual.orders)
    assert told(perpetual).weeks == 358
    assert 0.0001 < known(told(perpetual).sd) / short < 0.0006
