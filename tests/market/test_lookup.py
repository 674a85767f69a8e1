from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from stormsail.core import Unavailable
from stormsail.market.lookup import Lookup, PriceSeries
from stormsail.market.schema import Kind, SeriesInfo
from stormsail.market.source import MarketView
from tests.support import DAY, HOUR, START, MemorySource, bars, funding, info_of, random_walk

END = START + 100 * DAY


def _add(
    held: dict[SeriesInfo, pl.DataFrame], kind: Kind, symbol: str, bar: timedelta, days: int, **more: object
) -> None:
    """A series of ``days`` days that ends at ``END``, or earlier by ``late``."""
    late = more.pop("late", timedelta(0))
    rows = int(days * DAY / bar)
    frame = bars(random_walk(rows, seed=rows), bar=bar, start=END - late - rows * bar)  # type: ignore[operator]
    held[info_of(frame, kind, symbol, bar=bar, **more)] = frame  # type: ignore[arg-type]


@pytest.fixture
def source() -> MemorySource:
    held: dict[SeriesInfo, pl.DataFrame] = {}
    _add(held, Kind.SPOT, "ADA", HOUR, 50)
    _add(held, Kind.SPOT, "ADA@close", HOUR, 90, asset="ADA")
    _add(held, Kind.SPOT, "ADA@1d", DAY, 100, asset="ADA")
    _add(held, Kind.SPOT, "SOL", HOUR, 50, late=2 * DAY)
    _add(held, Kind.SPOT, "SOL@1d", DAY, 50, asset="SOL")
    _add(held, Kind.SPOT, "DEAD", HOUR, 20, late=30 * DAY)
    _add(held, Kind.SPOT, "ETHBTC", HOUR, 20, asset="ETH", quote="BTC")
    _add(held, Kind.PERPETUAL, "1000PEPEUSDT", HOUR, 30)
    _add(held, Kind.PERPETUAL, "1000PEPEUSDT@4h", 4 * HOUR, 80, asset="PEPE")
    _add(held, Kind.PERPETUAL, "PEPEUSDT", 4 * HOUR, 60, venue="bybit")
    _add(held, Kind.MARK, "1000PEPEUSDT", HOUR, 30)
    _add(held, Kind.INVERSE, "ADAUSD_PERP", 8 * HOUR, 50, asset="ADA", quote="USD")
    _add(held, Kind.DATED, "ETHUSDT_240628", HOUR, 50, asset="ETH", expiry=END + 80 * DAY)
    _add(held, Kind.DATED, "ETHUSDT_240409", HOUR, 50, asset="ETH", expiry=END - HOUR)
    rates = funding([0.0001] * 30, start=END - 29 * 8 * HOUR)
    held[info_of(rates, Kind.FUNDING, "1000PEPEUSDT")] = rates
    stale = funding([0.0001] * 30, start=START)
    held[info_of(stale, Kind.FUNDING, "PEPEUSDT", venue="bybit")] = stale
    return MemorySource(held)


def _key(info: SeriesInfo | None) -> str:
    return str(info.key) if info else "none"


def test_spot_prefers_the_finest_fresh_bar_then_the_longest(source: MemorySource) -> None:
    lookup = Lookup.of(source.view(END))
    assert _key(lookup.spot("ADA")) == "spot/binance/ADA@close"
    assert _key(lookup.spot("SOL")) == "spot/binance/SOL@1d"
    assert lookup.spot("DEAD") is None
    # A price in bitcoin is not a price in dollars.
    assert lookup.spot("ETH") is None


def test_assets_are_those_a_fresh_series_prices(source: MemorySource) -> None:
    lookup = Lookup.of(source.view(END))
    assert lookup.assets() == ("ADA", "PEPE", "SOL")
    assert lookup.all_symbols() == ("ADA", "DEAD", "ETH", "PEPE", "SOL")


def test_a_coin_without_spot_is_priced_by_its_perpetual_and_that_is_said(source: MemorySource) -> None:
    lookup = Lookup.of(source.view(END))
    found = lookup.price_series("PEPE")
    assert isinstance(found, PriceSeries)
    assert (_key(found.info), found.priced_by) == ("perpetual/binance/1000PEPEUSDT", "perpetual")
    spot = lookup.price_series("SOL")
    assert isinstance(spot, PriceSeries)
    assert spot.priced_by == "spot"
    assert lookup.price_series("DEAD") == Unavailable("every series of DEAD ended before 2024-04-10 00:00")
    assert lookup.price_series("NOPE") == Unavailable("no series of NOPE")
    assert isinstance(lookup.price_series("ETH"), Unavailable)


def test_contracts_of_all_venues_one_series_each(source: MemorySource) -> None:
    lookup = Lookup.of(source.view(END))
    assert [_key(i) for i in lookup.perpetuals("PEPE")] == [
        "perpetual/binance/1000PEPEUSDT",
        "perpetual/bybit/PEPEUSDT",
    ]
    assert [_key(i) for i in lookup.inverse("ADA")] == ["inverse/binance/ADAUSD_PERP"]
    assert [_key(i) for i in lookup.dated("ETH")] == ["dated/binance/ETHUSDT_240628"]
    assert lookup.perpetuals("ADA") == ()
    assert _key(lookup.contract("bybit", "PEPEUSDT")) == "perpetual/bybit/PEPEUSDT"
    assert lookup.contract("okx", "PEPEUSDT") is None


def test_what_belongs_to_a_contract_is_found_beside_it(source: MemorySource) -> None:
    lookup = Lookup.of(source.view(END))
    coarse = next(i for i in lookup.fresh if i.key.symbol == "1000PEPEUSDT@4h")
    assert _key(lookup.mark(coarse)) == "mark/binance/1000PEPEUSDT"
    assert _key(lookup.funding(coarse)) == "funding/binance/1000PEPEUSDT"
    assert lookup.book(coarse) is None
    bybit = lookup.contract("bybit", "PEPEUSDT")
    assert bybit is not None
    # Its last settlement is months old.
    assert lookup.funding(bybit) is None


def test_a_series_that_is_silent_now_and_resumes_later_is_not_fresh() -> None:
    frame = bars(random_walk(400, seed=1))
    holed = frame.filter(~pl.int_range(pl.len()).is_between(100, 299))
    source = MemorySource({info_of(holed, Kind.SPOT, "XYZ", bar=HOUR): holed})
    silent = Lookup.of(source.view(START + 200 * HOUR))
    assert silent.assets() == ()
    assert silent.known[0].end == START + 100 * HOUR
    assert Lookup.of(source.view(START + 320 * HOUR)).assets() == ("XYZ",)


@pytest.mark.realdata
def test_recorded_series(real_data: Path) -> None:
    from stormsail.adapters.sources.directory import DirectorySource
    from stormsail.core import parse_moment

    source = DirectorySource(real_data)
    lookup = Lookup.of(MarketView(source, parse_moment("2022-11-05")))
    assert len(lookup.assets()) > 60
    assert {"BTC", "ETH", "SOL", "ADA"} <= set(lookup.assets())
    sol = lookup.perpetuals("SOL")
    assert any(i.key.venue == "binance" for i in sol)
    later = Lookup.of(MarketView(source, parse_moment("2025-07-31")))
    assert [i.key.symbol for i in later.dated("BTC") if i.key.venue == "binance"] == ["BTCUSDT_251226"]
    assert "SUN" in later.all_symbols()
    assert "SUN" not in later.assets()
