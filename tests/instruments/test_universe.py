"""Which contracts may be used, and what is assumed of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Payoff, Tenor
from stormsail.instruments.universe import power_of_ten, survey, universe
from stormsail.market.lookup import Lookup
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey, conform
from tests.instruments.support import fact, venue
from tests.support import HOUR, MemorySource, bars, info_of

START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + 48 * HOUR


def market(extra: dict[SeriesInfo, Any] | None = None) -> MemorySource:
    series: dict[SeriesInfo, Any] = {}
    for symbol, price in (("BTCUSDT", 60_000.0), ("1000PEPEUSDT", 0.0123), ("SOLUSDT", 150.0)):
        frame = bars([price] * 48)
        series[info_of(frame, Kind.PERPETUAL, symbol, bar=HOUR)] = frame
    coin = bars([60_000.0] * 48)
    series[info_of(coin, Kind.INVERSE, "BTCUSD_PERP", asset="BTC", bar=HOUR, quote="USD")] = coin
    dated = bars([61_000.0] * 48)
    expiry = END + timedelta(days=30)
    series[info_of(dated, Kind.DATED, "BTCUSDT_240201", asset="BTC", bar=HOUR, expiry=expiry)] = dated
    return MemorySource(series | (extra or {}))


def contracts(source: MemorySource, **venues: Any) -> dict[str, Any]:
    view = source.view()
    return {c.id: c for c in universe(view, venues or {"binance": venue()}, (), Lookup.of(view))}


def test_derived_contracts_say_what_they_assume() -> None:
    found = contracts(market())
    assert set(found) == {
        "binance:BTCUSDT",
        "binance:1000PEPEUSDT",
        "binance:SOLUSDT",
        "binance:BTCUSD_PERP",
        "binance:BTCUSDT_240201",
    }
    pepe = found["binance:1000PEPEUSDT"]
    assert (pepe.base, pepe.size) == ("PEPE", 1000)
    assert pepe.lot == 10  # ten units of 1000 PEPE at 0.0000123 are 0.123 USDT
    assert pepe.tick == Decimal("1E-10")  # price of one coin is 1.23e-5
    assert pepe.notional(Decimal(10), Decimal("0.0000123")) == Decimal("0.123")
    btc = found["binance:BTCUSDT"]
    assert (btc.lot, btc.tick, btc.min_notional) == (Decimal("0.00001"), Decimal("0.1"), 5)
    assert (btc.taker_fee, btc.maker_fee) == (Decimal("0.0005"), Decimal("0.0002"))
    assert all(c.origin.startswith("assumed") for c in found.values())
    inverse = found["binance:BTCUSD_PERP"]
    assert (inverse.payoff, inverse.size, inverse.lot, inverse.min_notional) == (Payoff.INVERSE, 100, 1, 100)
    assert found["binance:BTCUSDT_240201"].tenor is Tenor.DATED


def test_a_lot_the_venue_is_known_to_use_is_used() -> None:
    known = venue()
    rule = known.rules["defaults"][0]
    lots = replace(rule, values={**rule.values, "lot": {"BTC": Decimal("0.001")}})
    found = contracts(market(), binance=replace(known, rules={**known.rules, "defaults": (lots,)}))
    assert (found["binance:BTCUSDT"].lot, found["binance:BTCUSDT_240201"].lot) == (Decimal("0.001"), Decimal("0.001"))
    assert found["binance:SOLUSDT"].lot == contracts(market())["binance:SOLUSDT"].lot
    assert found["binance:BTCUSD_PERP"].lot == 1


def test_the_venues_own_metadata_comes_first() -> None:
    row = {
        "known_at": START,
        "symbol": "1000PEPEUSDT",
        "base": "PEPE",
        "quote": "USDT",
        "tenor": "perpetual",
        "payoff": "linear",
        "size": "1000",
        "lot": "1",
        "tick": "0.0000001",
        "min_notional": "5",
        "maker_fee": "0.0001",
        "taker_fee": "0.0004",
        "expiry": None,
        "origin": "exchangeInfo",
    }
    later = row | {"known_at": END + HOUR, "lot": "7"}
    frame = conform(pl.DataFrame([row, later], infer_schema_length=None), Kind.CONTRACTS, where="test")
    info = SeriesInfo(
        SeriesKey(Kind.CONTRACTS, "binance", "1000PEPEUSDT"), "PEPE", 1000, START, END + HOUR, 2, None, "test"
    )
    source = market({info: frame})
    view = source.view(END)
    found = {c.id: c for c in universe(view, {"binance": venue()}, (), Lookup.of(view))}
    pepe = found["binance:1000PEPEUSDT"]
    assert (pepe.lot, pepe.tick, pepe.origin) == (1, Decimal("1E-10"), "exchangeInfo")


def test_stale_expired_and_refused_are_left_out() -> None:
    old = bars([2.0] * 10)
    expired = bars([61_000.0] * 48)
    extra = {
        info_of(old, Kind.PERPETUAL, "OLDUSDT", bar=HOUR): old,
        info_of(expired, Kind.DATED, "BTCUSDT_240102", asset="BTC", bar=HOUR, expiry=END - timedelta(hours=1)): expired,
    }
    source = market(extra)
    view = source.view(START + 47 * HOUR + HOUR)
    lookup = Lookup.of(view)
    names = {c.symbol for c in universe(view, {"binance": venue()}, (), lookup)}
    assert "BTCUSDT_240102" not in names
    assert contracts(market(), bybit=venue("bybit")) == {}
    closed = survey(view, {"binance": venue(status="closed")}, (), lookup)
    assert closed.contracts == ()
    assert "closed" in closed.findings[0].cause
    barred = survey(view, {"binance": venue()}, ("okx",), lookup)
    assert barred.contracts == ()
    assert "not among the venues allowed" in barred.findings[0].cause


def test_a_weaker_fact_can_close_a_venue() -> None:
    view = market().view()
    poor = venue(
        collateral_proof=fact({"method": "none"}),
        control=fact({"who": "one key"}),
        oracle=fact({"design": "own book"}),
        insurance_fund=fact({"usd": 1e5}),
        liquidity=fact({"daily_volume_usd": 1e6}),
        incidents=fact(({"date": START.date(), "what": "theft", "loss_usd": 1e9, "made_whole": False},)),
    )
    assert universe(view, {"binance": poor}, (), Lookup.of(view)) == ()


def test_a_venue_without_default_rules_is_said_to_lack_them() -> None:
    view = market().view()
    bare = replace(venue(), rules={})
    found = survey(view, {"binance": bare}, (), Lookup.of(view))
    assert found.contracts == ()
    assert all("default rules" in finding.cause for finding in found.findings)


def test_the_future_changes_nothing() -> None:
    source = market()
    moment = START + 30 * HOUR
    before, after = source.view(moment), source.scrambled_after(moment).view(moment)
    venues = {"binance": venue()}
    assert universe(before, venues, (), Lookup.of(before)) == universe(after, venues, (), Lookup.of(after))


@given(st.floats(1e-12, 1e12))
def test_power_of_ten_brackets(value: float) -> None:
    power = float(power_of_ten(value))
    assert power <= value * (1 + 1e-9)
    assert value < power * 10 * (1 + 1e-9)


@pytest.mark.parametrize("exponent", range(-9, 10))
def test_power_of_ten_of_powers(exponent: int) -> None:
    assert power_of_ten(float(f"1e{exponent}")) == Decimal(f"1e{exponent}")
