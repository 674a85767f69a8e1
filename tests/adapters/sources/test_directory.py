from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from stormsail.adapters.sources._layouts import LAYOUTS
from stormsail.adapters.sources._names import linear_symbol, split_pair
from stormsail.adapters.sources.directory import DirectorySource
from stormsail.core import SchemaError, UnavailableError
from stormsail.market.schema import Kind, SeriesKey, columns

END = datetime(2025, 9, 1, tzinfo=UTC)
MS = pl.Datetime("ms", "UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def save(folder: Path, file: str, **data: object) -> None:
    frame = pl.DataFrame(data)
    if "ts" in frame.columns:
        frame = frame.with_columns(pl.col("ts").str.to_datetime(time_zone="UTC", time_unit="ms"))
    frame.write_parquet(folder / file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(
        tmp_path,
        "perp_1h_binance.parquet",
        symbol=["1000PEPE", "1000PEPE", "BTC"],
        ts=["2025-01-01T00:00", "2025-01-01T01:00", "2025-01-01T00:00"],
        open=[1.0, 2.0, 3.0],
        high=[2.0, 3.0, 4.0],
        low=[0.5, 1.0, 2.0],
        close=[2.0, 2.5, 3.5],
        volume=[10.0, 20.0, 30.0],
    )
    save(
        tmp_path,
        "funding_binance.parquet",
        symbol=["BTC"] * 6,
        ts=[f"2023-01-0{d}T{h}" for d, h in ((1, "00:00"), (1, "08:00"), (1, "12:00"), (1, "14:00"), (3, "00:00"))]
        + ["2023-01-03T08:00:00.004"],
        rate=[1e-4, 2e-4, -1e-4, 0.0, 3e-4, 4e-4],
    )
    save(
        tmp_path,
        "spot_perp_funding_8h_3venues_2023_2024.parquet",
        venue=["binance", "binance", "okx", "okx"],
        symbol=["BTC"] * 4,
        kind=["perp_usdt", "perp_usdt", "perp_coinm", "spot"],
        ts=["2023-01-01T00:00", "2023-01-01T16:00", "2023-01-01T00:00", "2023-01-01T00:00"],
        open=[1.0] * 4,
        high=[2.0] * 4,
        low=[0.5] * 4,
        close=[1.5] * 4,
        volume=[2.0] * 4,
        funding_rate=[5e-4, 6e-4, 7e-4, None],
    )
    save(tmp_path, "fear_greed_daily.parquet", ts=["2023-01-01T00:00"], value=[1])
    return tmp_path


def test_a_bar_is_known_at_its_close_and_its_volume_is_in_quote(folder: Path) -> None:
    key = SeriesKey(Kind.PERPETUAL, "binance", "1000PEPEUSDT")
    source = DirectorySource(folder)
    frame = source.read([key], start=None, end=END)[key]
    assert dict(frame.schema) == columns(Kind.PERPETUAL)
    assert frame["known_at"].to_list() == [at("2025-01-01T01:00"), at("2025-01-01T02:00")]
    assert frame["quote_volume"].to_list() == [20.0, 50.0]
    info = next(info for info in source.catalogue() if info.key == key)
    assert (info.asset, info.multiplier, info.bar, info.rows) == ("PEPE", 1000, timedelta(hours=1), 2)
    assert (info.start, info.end) == (at("2025-01-01T01:00"), at("2025-01-01T02:00"))
    assert info.start.tzinfo is UTC


def test_reading_stops_at_the_end_and_begins_at_the_start(folder: Path) -> None:
    key = SeriesKey(Kind.PERPETUAL, "binance", "1000PEPEUSDT")
    source = DirectorySource(folder)
    assert source.read([key], start=None, end=at("2025-01-01T01:59"))[key].height == 1
    assert source.read([key], start=at("2025-01-01T01:01"), end=END)[key]["close"].to_list() == [2.5]


def test_a_key_that_is_not_held_gives_an_empty_frame(folder: Path) -> None:
    key = SeriesKey(Kind.FUNDING, "binance", "NOSUCHUSDT")
    frame = DirectorySource(folder).read([key], start=None, end=END)[key]
    assert frame.is_empty()
    assert dict(frame.schema) == columns(Kind.FUNDING)


def test_funding_of_two_files_is_united_and_its_interval_is_the_true_one(folder: Path) -> None:
    key = SeriesKey(Kind.FUNDING, "binance", "BTCUSDT")
    source = DirectorySource(folder)
    frame = source.read([key], start=None, end=END)[key]
    assert frame["known_at"].dt.strftime("%d %H:%M:%S").to_list() == [
        "01 00:00:00",
        "01 08:00:00",
        "01 12:00:00",
        "01 14:00:00",
        "01 16:00:00",
        "03 00:00:00",
        "03 08:00:00",
    ]
    assert frame["rate_per_interval"].to_list() == [1e-4, 2e-4, -1e-4, 0.0, 6e-4, 3e-4, 4e-4]
    assert frame["interval_hours"].to_list() == [None, 8.0, 4.0, 2.0, 2.0, None, 8.0]
    assert next(info for info in source.catalogue() if info.key == key).rows == 7
    told = [finding for finding in source.findings if finding.subject == str(key)]
    assert len(told) == 1
    assert "differ on 1 of 1 rows" in told[0].cause


def test_an_interval_does_not_depend_on_where_reading_begins(folder: Path) -> None:
    key = SeriesKey(Kind.FUNDING, "binance", "BTCUSDT")
    source = DirectorySource(folder)
    late = source.read([key], start=at("2023-01-01T12:00"), end=END)[key]
    assert late["interval_hours"].to_list() == [4.0, 2.0, 2.0, None, 8.0]


def test_venues_have_their_own_spellings(folder: Path) -> None:
    keys = {str(info.key) for info in DirectorySource(folder).catalogue()}
    assert {"inverse/okx/BTC-USD-SWAP@8h", "funding/okx/BTC-USD-SWAP", "spot/okx/BTC@8h"} <= keys
    assert linear_symbol("kucoin", "BTC") == "XBTUSDTM"
    assert split_pair("BTCUSD") == ("BTC", "USD")
    with pytest.raises(SchemaError, match="names no pair"):
        split_pair("USDT")


def test_unknown_files_are_left_alone_and_told(folder: Path) -> None:
    subjects = [finding.subject for finding in DirectorySource(folder).findings]
    assert subjects[0] == "fear_greed_daily.parquet"


def test_a_broken_file_is_named(folder: Path) -> None:
    (folder / "mark_1h_binance.parquet").write_bytes(b"PAR1 this is not Parquet")
    with pytest.raises(SchemaError, match=r"mark_1h_binance\.parquet"):
        DirectorySource(folder).catalogue()


def test_a_missing_column_is_named(folder: Path) -> None:
    save(folder, "spot_close_1h_binance.parquet", symbol=["BTC"], ts=["2025-01-01T00:00"], price=[1.0])
    with pytest.raises(SchemaError, match=r"spot_close_1h_binance\.parquet: column close is missing"):
        DirectorySource(folder).catalogue()


def test_a_directory_without_known_files_is_refused(tmp_path: Path) -> None:
    assert not DirectorySource.recognises(tmp_path)
    with pytest.raises(UnavailableError):
        DirectorySource(tmp_path)


def test_tiers_of_every_spelling_and_snapshot_are_one_series(tmp_path: Path) -> None:
    spelt = ["SOL/USDT", "SOL/USDT:USDT", "BTC/USDT:USDT-250926", "BTCUSDT_220325", "1000PEPE/USDC:USDC", "LENDUSDT"]
    n = len(spelt)
    pl.DataFrame(
        {
            "snapshot_date": [date(2022, 5, 1), *[date(2023, 4, 25)] * (n - 1)],
            "symbol": spelt,
            "base": ["SOL", "SOL", "BTC", None, "1000PEPE", None],
            "tier": [1] * n,
            "min_notional": [0.0] * n,
            "max_notional": [5000.0] * n,
            "maint_margin_rate": [0.01] * n,
            "max_leverage": [50.0] * n,
            "cum_maint_amount": [0.0] * n,
        }
    ).write_parquet(tmp_path / "margin_tiers_binance.parquet")
    source = DirectorySource(tmp_path)
    infos = {info.key.symbol: info for info in source.catalogue()}
    assert sorted(infos) == ["1000PEPEUSDC", "BTCUSDT_220325", "BTCUSDT_250926", "LENDUSDT", "SOLUSDT"]
    assert infos["BTCUSDT_220325"].expiry == at("2022-03-25T08:00")
    assert (infos["1000PEPEUSDC"].asset, infos["1000PEPEUSDC"].multiplier) == ("PEPE", 1000)
    assert infos["LENDUSDT"].asset == "LEND"
    key = infos["SOLUSDT"].key
    stamps = source.read([key], start=None, end=END)[key]["known_at"].to_list()
    assert stamps == [at("2022-05-02T00:00"), at("2023-04-26T00:00")]


def test_coin_margined_books_are_counted_in_coins(tmp_path: Path) -> None:
    save(
        tmp_path,
        "l2_snapshots.parquet",
        venue=["binance_coinm", "binance_usdm", "binance_spot", "coinbase"],
        symbol=["BTCUSD_PERP", "BTCUSDT", "BTCUSDT", "BTC-USD"],
        kind=["perp_inverse", "perp", "spot", "spot"],
        ts=["2024-08-08T23:54:16.609"] * 4,
        side=["ask"] * 4,
        level=[0] * 4,
        price=[50_000.0] * 4,
        qty=[1000.0, 2.0, 3.0, 4.0],
    )
    source = DirectorySource(tmp_path)
    keys = [
        SeriesKey(Kind.BOOK, v, s) for v, s in (("binance", "BTCUSD_PERP"), ("binance", "BTC"), ("coinbase", "BTC"))
    ]
    frames = source.read(keys, start=None, end=END)
    assert [frames[key]["quantity"][0] for key in keys] == [2.0, 3.0, 4.0]


@pytest.fixture(scope="module")
def source(real_data: Path) -> DirectorySource:
    return DirectorySource(real_data)


def day_of(source: DirectorySource, symbol: str, day: str, column: str) -> pl.Series:
    key = SeriesKey(Kind.SPOT, "binance", symbol)
    start = at(day)
    frame = source.read([key], start=start + timedelta(minutes=1), end=start + timedelta(days=1))[key]
    return frame[column]


@pytest.mark.realdata
def test_known_highs_and_lows(source: DirectorySource) -> None:
    assert day_of(source, "BTC", "2021-11-10", "high").max() == 69_000.0
    assert day_of(source, "BTC@1d", "2021-11-10", "high").to_list() == [69_000.0]
    assert day_of(source, "ETH", "2022-06-18", "low").min() == 881.56
    crash = day_of(source, "BTC", "2020-03-12", "open"), day_of(source, "BTC", "2020-03-12", "close")
    assert (int(crash[0][0]), int(crash[1][-1])) == (7934, 4800)


@pytest.mark.realdata
def test_known_funding(source: DirectorySource) -> None:
    sol, eth = (SeriesKey(Kind.FUNDING, "binance", s) for s in ("SOLUSDT", "ETHUSDT"))
    rows = source.read([sol], start=at("2022-11-09"), end=at("2022-11-11"))[sol]
    two_hours = rows.filter(pl.col("interval_hours") == 2.0)
    assert two_hours["rate_per_interval"].min() == pytest.approx(-0.02)
    merge = source.read([eth], start=at("2022-09-14"), end=at("2022-09-16"))[eth]
    assert merge["rate_per_interval"].min() == pytest.approx(-0.003, rel=0.02)


@pytest.mark.realdata
def test_last_and_mark_part_in_wicks(source: DirectorySource) -> None:
    for symbol, moment, gap in (("ADAUSDT", "2020-02-28T18:00", -0.52), ("ETHUSDT", "2021-05-19T14:00", -0.21)):
        lows = [
            source.read([key], start=at(moment), end=at(moment))[key]["low"][0]
            for key in (SeriesKey(kind, "binance", symbol) for kind in (Kind.PERPETUAL, Kind.MARK))
        ]
        assert lows[0] / lows[1] - 1 == pytest.approx(gap, abs=0.01)


@pytest.mark.realdata
def test_every_layout_is_read_and_agrees_with_its_catalogue(source: DirectorySource) -> None:
    seen = set()
    by_kind: dict[Kind, list[SeriesKey]] = {}
    infos = {info.key: info for info in source.catalogue()}
    for info in infos.values():
        by_kind.setdefault(info.key.kind, []).append(info.key)
    for keys in by_kind.values():
        chosen = keys[:: max(1, len(keys) // 12)]
        for key, frame in source.read(chosen, start=None, end=END + timedelta(days=1)).items():
            info = infos[key]
            seen.update(info.origin.split(" + "))
            assert (frame.height, frame["known_at"][0], frame["known_at"][-1]) == (info.rows, info.start, info.end)
            assert frame["known_at"].is_sorted()
    assert len(seen) == len({layout.file for layout in LAYOUTS})


@pytest.mark.realdata
def test_no_file_of_one_series_contradicts_another(source: DirectorySource) -> None:
    assert not [finding for finding in source.findings if "differ" in finding.cause]


@pytest.mark.realdata
def test_the_quarterlies_expire_in_december(source: DirectorySource) -> None:
    dated = [info for info in source.catalogue() if info.key.kind is Kind.DATED]
    assert [(info.asset, info.expiry) for info in dated] == [
        ("BTC", at("2025-12-26T08:00")),
        ("ETH", at("2025-12-26T08:00")),
    ]
