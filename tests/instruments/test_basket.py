"""The basket rule: point in time, survivorship, equal weights."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stormsail.core import Unavailable
from stormsail.instruments.basket import NAME, alt_market, basket, choose, hold
from stormsail.instruments.universe import universe
from stormsail.market.lookup import Lookup
from stormsail.market.schema import Kind, SeriesInfo
from stormsail.market.source import MarketView
from tests.instruments.support import FIRST, venue
from tests.support import DAY, HOUR, MemorySource, bars, info_of, random_walk

VENUES = {"binance": venue()}


def market(lengths: dict[str, int], volumes: dict[str, float], days: int = 200) -> MemorySource:
    """Perpetuals of the given first days of life (from the end for negative starts)."""
    series: dict[SeriesInfo, Any] = {}
    for i, (asset, length) in enumerate(lengths.items()):
        start = FIRST + (days - length) * DAY if length > 0 else FIRST
        count = length if length > 0 else -length
        frame = bars(random_walk(count, seed=i + 1, volatility=0.03), start=start, bar=DAY, volume=volumes[asset])
        series[info_of(frame, Kind.PERPETUAL, f"{asset}USDT", bar=DAY)] = frame
    return MemorySource(series)


def made(source: MemorySource, length: int = 200, **kwargs: Any) -> Any:
    view = source.view()
    lookup = Lookup.of(view)
    alts = alt_market(view, lookup, length=length)
    return alts, basket(alts, universe(view, VENUES, (), lookup), **kwargs)


def test_the_rule_by_hand() -> None:
    lengths = {"BTC": 200, "AAA": 200, "BBB": 200, "CCC": 200, "YOUNG": 60, "USDC": 200}
    volumes = {"BTC": 1e9, "AAA": 1e6, "BBB": 3e6, "CCC": 2e6, "YOUNG": 9e9, "USDC": 1e9}
    _, found = made(market(lengths, volumes), size=2)
    legs = found.candidate.legs
    assert [leg.contract.base for leg in legs] == ["BBB", "CCC"]
    assert [leg.weight for leg in legs] == [0.5, 0.5]
    assert found.candidate.name == NAME
    assert any("2 of 4" in f.cause or "ended" in f.cause for f in found.findings)


def test_a_coin_that_ends_is_in_the_past_and_not_in_the_present() -> None:
    lengths = {"AAA": 200, "BBB": 200, "DEAD": -150}
    volumes = {"AAA": 1e6, "BBB": 3e6, "DEAD": 9e6}
    alts, found = made(market(lengths, volumes))
    assert {leg.contract.base for leg in found.candidate.legs} == {"AAA", "BBB"}
    members = list(found.members.values())
    assert any("DEAD" in month for month in members)
    assert "DEAD" not in members[-1]
    # in the month of its end it stands at its last price
    j = alts.prices.names.index("DEAD")
    last = int(np.flatnonzero(np.isfinite(alts.prices.values[:, j]))[-1])
    month = [i for i, t in enumerate(alts.prices.times) if str(t)[:7] == str(alts.prices.times[last])[:7]]
    if last + 1 in month:
        worth = hold(alts.prices.values[month[0] : last + 2])
        assert found.returns.values[last, 0] == pytest.approx(worth[-1] / worth[-2] - 1, abs=1e-12)


def test_returns_are_those_of_equal_weights_bought_on_the_first() -> None:
    lengths = {"AAA": 200, "BBB": 200, "CCC": 200}
    volumes = dict.fromkeys(lengths, 1e6)
    alts, found = made(market(lengths, volumes))
    times = alts.prices.times
    firsts = [i for i in range(1, len(times)) if str(times[i])[8:10] == "01" and i > 10]
    a, b = firsts[1], firsts[2]
    relative = (alts.prices.values[a : b + 1] / alts.prices.values[a]).mean(axis=1)
    assert found.returns.values[a:b, 0] == pytest.approx(relative[1:] / relative[:-1] - 1, rel=1e-12)


def test_nothing_later_is_read() -> None:
    lengths = {f"A{i:02d}": 200 - 5 * i for i in range(12)}
    volumes = {a: 1e6 * (1 + i % 5) for i, a in enumerate(lengths)}
    source = market(lengths, volumes)
    moment = FIRST + 150 * DAY
    results = []
    for src in (source, source.scrambled_after(moment)):
        view = src.view(moment)
        lookup = Lookup.of(view)
        results.append(basket(alt_market(view, lookup, length=150), universe(view, VENUES, (), lookup)))
    assert results[0].candidate == results[1].candidate
    assert results[0].members == results[1].members
    np.testing.assert_array_equal(results[0].returns.values, results[1].returns.values)


def test_constituents_of_a_month_are_those_an_earlier_view_would_name() -> None:
    lengths = {f"A{i:02d}": 200 - 3 * i for i in range(12)}
    volumes = {a: 1e6 * (1 + (i * 7) % 5) for i, a in enumerate(lengths)}
    source = market(lengths, volumes)
    alts, _ = made(source)
    row = 170
    full = [alts.prices.names[c] for c in choose(alts, row)]
    moment = FIRST + timedelta(days=row + 1)
    view = source.view(moment)
    early = alt_market(view, Lookup.of(view), length=row + 1)
    assert [early.prices.names[c] for c in choose(early, row)] == full


def test_short_history_lowers_the_demand_and_says_so() -> None:
    series: dict[SeriesInfo, Any] = {}
    for i in range(4):
        frame = bars(random_walk(24 * 31, seed=i + 1), bar=HOUR, volume=1e5)
        series[info_of(frame, Kind.PERPETUAL, f"A{i}USDT", bar=HOUR)] = frame
    source = MemorySource(series)
    view = source.view()
    lookup = Lookup.of(view)
    alts = alt_market(view, lookup, length=31 * 6, step=timedelta(hours=4))
    assert np.nanmedian(alts.volumes) == pytest.approx(24e5)
    found = basket(alts, universe(view, VENUES, (), lookup))
    assert not isinstance(found.candidate, Unavailable)
    assert any("no coin has 90 days" in f.cause for f in found.findings)
    assert np.isfinite(found.returns.values).sum() > 100


def test_too_few_coins_is_unavailable() -> None:
    _, found = made(market({"AAA": 200}, {"AAA": 1e6}))
    assert isinstance(found.candidate, Unavailable)


@pytest.mark.realdata
def test_on_real_data_the_basket_is_that_of_its_day(real_data: Path) -> None:
    from stormsail.adapters.sources.directory import DirectorySource

    view = MarketView(DirectorySource(real_data), datetime(2022, 5, 7, tzinfo=UTC))
    lookup = Lookup.of(view)
    found = basket(alt_market(view, lookup, length=366), universe(view, VENUES, (), lookup))
    assert not isinstance(found.candidate, Unavailable)
    names = {leg.contract.base for leg in found.candidate.legs}
    assert len(names) == 10
    assert {"SOL", "ADA"} <= names
    assert not names & {"PEPE", "SUI", "WIF", "BTC", "ETH"}  # of later years, or no alts
    assert any("left out" in f.cause for f in found.findings)
