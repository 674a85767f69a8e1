"""The shortlist: order, reasons, formula, point in time, and the sample's short history."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stormsail.audit.exposure import audit
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Estimate, Holding, Portfolio, Trouble, Unavailable
from stormsail.instruments.candidates import DIRECT, MIX, OWN
from stormsail.instruments.judge import PRIOR
from stormsail.instruments.ranking import shortlist
from stormsail.instruments.types import Route, Shortlist
from stormsail.instruments.universe import universe
from stormsail.market.lookup import Lookup
from stormsail.market.once import ReadOnce
from stormsail.market.schema import Kind
from stormsail.market.source import MarketView
from stormsail.ratio.types import Effectiveness
from tests.instruments.support import factor_market, venue
from tests.support import HOUR, MemorySource, bars, info_of, random_walk

VENUES = {"binance": venue()}


def held(**quantities: float) -> Portfolio:
    return Portfolio(tuple(Holding(a, Decimal(str(q))) for a, q in quantities.items()))


def rank(source: Any, portfolio: Portfolio, tolerance: Tolerance = Tolerance(), **kwargs: Any) -> Shortlist:  # noqa: B008  # frozen value
    view = source.view(kwargs.pop("as_of", None))
    lookup = Lookup.of(view)
    venues = kwargs.pop("venues", VENUES)
    contracts = universe(view, venues, (), lookup)
    without = kwargs.pop("without", ())
    contracts = tuple(c for c in contracts if c.base not in without)
    return shortlist(audit(portfolio, view), tolerance, view, lookup, contracts, venues)


@pytest.fixture(scope="module")
def market() -> MemorySource:
    return factor_market()[0]


@pytest.fixture(scope="module")
def ranked(market: MemorySource) -> Shortlist:
    return rank(market, held(ALT00=100, ALT01=100, ALT02=50, ETH=10, USDT=1000))


def test_every_coin_has_every_route_and_its_own_contract_comes_first(ranked: Shortlist) -> None:
    assert set(ranked.by_asset) == {"ALT00", "ALT01", "ALT02", "ETH"}  # cash is no exposure
    for asset, scores in ranked.by_asset.items():
        assert scores[0].candidate.name == f"binance:{asset}USDT"
        assert scores[0].candidate.route is Route.DIRECT
    routes = [s.candidate.route for s in ranked.by_asset["ALT00"]]
    assert sorted(routes) == sorted([Route.DIRECT, Route.PROXY, Route.PROXY, Route.MIX, Route.BASKET])
    names = {s.candidate.name for s in ranked.portfolio}
    assert names == {DIRECT, "binance:BTCUSDT", "binance:ETHUSDT", MIX, "Alts-10"}
    assert ranked.portfolio[0].candidate.name == DIRECT


def test_measured_where_a_spot_series_exists_and_prior_where_not(ranked: Shortlist) -> None:
    spot, none = ranked.by_asset["ALT00"][0], ranked.by_asset["ALT01"][0]
    assert isinstance(spot.effectiveness, Effectiveness) and spot.effectiveness.value > 0.99
    assert isinstance(none.effectiveness, Unavailable)
    assert "priced by its own perpetual" in none.effectiveness.reason
    assert str(PRIOR) in none.reason and "264" in none.reason
    assert any(f.trouble is Trouble.UNAVAILABLE and "ALT01" in f.cause for f in ranked.findings)


def test_a_basket_of_alts_fits_an_alt_better_than_btc(ranked: Shortlist) -> None:
    by_route = {s.candidate.name: s.effectiveness for s in ranked.by_asset["ALT00"]}
    values = {n: e.value for n, e in by_route.items() if isinstance(e, Effectiveness)}
    assert values["Alts-10"] > values[MIX] > values["binance:BTCUSDT"]


def test_the_formula(ranked: Shortlist, market: MemorySource) -> None:
    view = market.view()
    exposure = audit(held(ALT00=100, ALT01=100, ALT02=50, ETH=10, USDT=1000), view)
    asset = next(a for a in exposure.assets if a.asset == "ALT00")
    assert isinstance(asset.risk.es_95, Estimate)
    es = min(1.0, asset.risk.es_95.value * math.sqrt(30))
    first = ranked.by_asset["ALT00"][0]
    assert isinstance(first.effectiveness, Effectiveness)
    assert first.risk_removed == pytest.approx(es * (1 - math.sqrt(1 - first.effectiveness.value)), rel=1e-12)
    need = 0.5 * asset.value
    assert not isinstance(first.capacity, Unavailable) and not isinstance(first.carry, Unavailable)
    room = min(first.capacity, first.venue_cap)
    expected = first.risk_removed * min(1, room / need) + first.carry.expected - first.cost
    assert first.score == pytest.approx(expected, rel=1e-12)
    assert first.capacity == pytest.approx(0.01 * 1e8 / 3, rel=1e-9)  # volume 1e8 / (i + 1), third series


def test_carry_is_forecast_or_assumed_and_says_which(ranked: Shortlist) -> None:
    carries = {s.candidate.name: s for s in ranked.by_asset["ALT00"]}
    btc, own = carries["binance:BTCUSDT"].carry, carries["binance:ALT00USDT"].carry
    assert not isinstance(btc, Unavailable) and not btc.assumed
    assert not isinstance(own, Unavailable) and own.assumed
    assert own.expected == pytest.approx(90 * 0.0001)


def test_a_proxy_leads_where_the_own_contract_has_no_room(market: MemorySource) -> None:
    huge = rank(market, held(ALT00=100, ALT12=1e6))
    first = huge.by_asset["ALT12"]
    own = next(s for s in first if s.candidate.route in OWN)
    assert not isinstance(own.capacity, Unavailable) and own.capacity < own.venue_cap
    assert "% of what is wanted" in own.reason
    assert [s.score for s in first if s.usable] == sorted((s.score for s in first if s.usable), reverse=True)


def test_a_coin_without_contract_gets_a_proxy_and_a_finding(market: MemorySource) -> None:
    found = rank(market, held(ALT00=100, ALT02=100), without=("ALT00",))
    assert found.by_asset["ALT00"][0].candidate.route is Route.BASKET
    assert any(f.subject == "ALT00" and f.trouble is Trouble.DEGRADED for f in found.findings)
    direct = next(s for s in found.portfolio if s.candidate.name == DIRECT)
    assert "without ALT00" in direct.reason


def test_no_contracts_at_all_is_naked(market: MemorySource) -> None:
    view = market.view()
    lookup = Lookup.of(view)
    found = shortlist(audit(held(ALT00=1), view), Tolerance(), view, lookup, (), {})
    assert found.by_asset["ALT00"] == ()
    assert found.portfolio == ()
    assert any(f.trouble is Trouble.NAKED for f in found.findings)


def test_a_proxy_that_adds_risk_is_not_usable() -> None:
    source, _ = factor_market(beta=-1.3, seed=9)
    scores = rank(source, held(ALT00=100)).by_asset["ALT00"]
    btc = next(s for s in scores if s.candidate.name == "binance:BTCUSDT")
    assert isinstance(btc.effectiveness, Effectiveness)
    if btc.effectiveness.value <= 0:
        assert not btc.usable and "adds risk" in btc.reason
    assert scores[0].usable


def test_a_weaker_venue_leaves_less_room(market: MemorySource) -> None:
    strong = rank(market, held(ALT00=100)).by_asset["ALT00"][0]
    weaker = venue(collateral_proof=replace(VENUES["binance"].facts["collateral_proof"], value={"method": "none"}))  # type: ignore[type-var]  # a sourced fact by construction
    weak = rank(market, held(ALT00=100), venues={"binance": weaker}).by_asset["ALT00"][0]
    assert weak.venue_cap < strong.venue_cap


def test_the_future_changes_nothing(market: MemorySource) -> None:
    moment = datetime(2024, 1, 20, tzinfo=UTC)
    portfolio = held(ALT00=100, ALT01=100, ETH=1)
    before = rank(market, portfolio, as_of=moment)
    after = rank(market.scrambled_after(moment), portfolio, as_of=moment)
    assert before == after


def test_same_input_same_output(market: MemorySource, ranked: Shortlist) -> None:
    assert rank(market, held(USDT=1000, ETH=10, ALT02=50, ALT01=100, ALT00=100)) == ranked


def test_a_month_of_hourly_bars_is_enough() -> None:
    series = {}
    common = random_walk(24 * 31, seed=99)
    for i, asset in enumerate(["BTC", "ETH", "AAA", "BBB", "CCC"]):
        close = common * random_walk(24 * 31, seed=i + 1, volatility=0.004)
        frame = bars(close, bar=HOUR, volume=1e6)
        series[info_of(frame, Kind.PERPETUAL, f"{asset}USDT", bar=HOUR)] = frame
    found = rank(MemorySource(series), held(AAA=1000, BBB=1000))
    assert any("four hours" in f.cure for f in found.findings)
    btc = next(s for s in found.by_asset["AAA"] if s.candidate.name == "binance:BTCUSDT")
    assert isinstance(btc.effectiveness, Effectiveness)
    assert btc.effectiveness.window.endswith("4h")
    assert btc.effectiveness.value > 0.5


def test_read_once_asks_the_source_once() -> None:
    source, _ = factor_market(days=50, alts=1)
    asked: list[int] = []

    class Counting:
        name = "counting"
        catalogue = staticmethod(source.catalogue)

        def read(self, keys: Any, *, start: Any, end: Any) -> Any:
            asked.append(len(keys))
            return source.read(keys, start=start, end=end)

    view = MarketView(ReadOnce(Counting()), source.view().as_of)  # type: ignore[arg-type]  # a test double
    keys = [info.key for info in source.catalogue() if info.key.kind is Kind.PERPETUAL]
    start = view.as_of - timedelta(days=10)
    full, late = view.read_many(keys), view.read_many(keys, start=start)
    assert asked == [len(keys)]
    for key in keys:
        assert full[key].equals(source.read([key], start=None, end=view.as_of)[key])
        assert late[key].equals(source.read([key], start=start, end=view.as_of)[key])


@pytest.mark.realdata
def test_on_real_data_direct_beats_basket_beats_btc(real_data: Path) -> None:
    from stormsail.adapters.files.venue_files import load_venues
    from stormsail.adapters.sources.directory import DirectorySource

    view = MarketView(DirectorySource(real_data), datetime(2025, 9, 1, tzinfo=UTC))
    lookup = Lookup.of(view)
    venues = load_venues()
    coins = ["ADA", "DOGE", "LINK", "SOL", "LTC", "XRP", "AVAX", "DOT", "UNI", "ATOM", "NEAR", "FIL", "AAVE", "ETC"]
    portfolio = held(**{c: 100 for c in coins if c in lookup.assets()})
    contracts = universe(view, venues, (), lookup)
    found = shortlist(audit(portfolio, view), Tolerance(), view, lookup, contracts, venues)
    values: dict[str, list[float]] = {}
    for scores in found.by_asset.values():
        for s in scores:
            if isinstance(s.effectiveness, Effectiveness):
                kind = s.candidate.route.value if s.candidate.route is not Route.PROXY else s.candidate.name
                values.setdefault(kind, []).append(s.effectiveness.value)
    median = {kind: float(np.median(v)) for kind, v in values.items()}
    print(median)
    assert median["direct"] > 0.995
    assert median["direct"] > max(median["basket"], median["mix"]) > median["binance:BTCUSDT"]
    whole = {s.candidate.name: s.effectiveness for s in found.portfolio}
    of = {name: e.value for name, e in whole.items() if isinstance(e, Effectiveness)}
    print(of)
    assert found.portfolio[0].candidate.name == DIRECT
    assert of["Alts-10"] > of["binance:BTCUSDT"]
    assert all(s[0].candidate.route is Route.DIRECT for s in found.by_asset.values())
