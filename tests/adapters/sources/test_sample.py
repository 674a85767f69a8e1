import hashlib
import importlib.util
import io
import json
import sys
import tarfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from stormsail.adapters.files.portfolio_file import read_portfolio
from stormsail.adapters.sources.sample import sample_path
from stormsail.adapters.store.parquet import ParquetStore
from stormsail.core import from_float
from stormsail.market.schema import Kind, SeriesKey

END = datetime(2030, 1, 1, tzinfo=UTC)
AUGUST = datetime(2025, 8, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def store() -> ParquetStore:
    return ParquetStore(sample_path())


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "scripts" / "build_sample.py"
    spec = importlib.util.spec_from_file_location("build_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_sample"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_it_is_small_and_every_file_is_the_one_whose_origin_is_told() -> None:
    record = json.loads((sample_path() / "provenance.json").read_text())
    found = {
        path.relative_to(sample_path()).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sample_path().rglob("*.parquet")
    }
    assert found == record["files_sha256"]
    assert sum(path.stat().st_size for path in sample_path().rglob("*.parquet")) < 6e6
    told = (sample_path() / "PROVENANCE.md").read_text()
    for package in record["packages"]:
        assert package["licence"] == "MIT"
        assert package["sdist_sha256"] in told


def test_it_holds_what_the_demonstration_needs(store: ParquetStore) -> None:
    infos = store.catalogue()
    perpetuals = [info for info in infos if info.key.kind is Kind.PERPETUAL]
    assert len(perpetuals) >= 60
    assert {info.rows for info in perpetuals} == {31 * 24}
    assert {info.end for info in perpetuals} == {AUGUST}
    assert sorted(info.key.symbol for info in infos if info.key.kind is Kind.DATED) == [
        "BTCUSDT_251226",
        "ETHUSDT_251226",
    ]
    btc = next(info for info in infos if info.key == SeriesKey(Kind.SPOT, "binance", "BTC"))
    assert (btc.start.year, btc.end) == (2017, datetime(2025, 1, 1, tzinfo=UTC))
    assert {info.key.kind for info in infos} == {Kind.SPOT, Kind.PERPETUAL, Kind.DATED}


def test_bars_are_whole_and_what_the_package_lacks_is_not_there(store: ParquetStore) -> None:
    for info in store.catalogue():
        frame = store.read([info.key], start=None, end=END)[info.key]
        assert frame.filter(
            (pl.col("low") > pl.col("close")) | (pl.col("high") < pl.col("close")) | (pl.col("low") <= 0)
        ).is_empty()
        assert frame["known_at"].is_unique().all()
        lacking = info.key.kind is not Kind.SPOT
        assert frame["open"].is_null().all() == lacking
        assert frame["quote_volume"].is_null().all() == lacking


def test_the_portfolio_is_twelve_altcoins_worth_about_a_hundred_thousand(store: ParquetStore) -> None:
    portfolio = read_portfolio(sample_path() / "portfolio.csv")
    prices = {
        info.asset: store.read([info.key], start=None, end=AUGUST)[info.key]["close"][-1] / info.multiplier
        for info in store.catalogue()
        if info.key.kind is Kind.PERPETUAL
    }
    assert len(portfolio.assets) == 12
    value = sum(quantity * from_float(prices[asset]) for asset, quantity in portfolio.quantities().items())
    assert Decimal(95_000) < value < Decimal(105_000)
    assert any(len(holding.lots) == 2 for holding in portfolio.holdings)
    assert [h.asset for h in portfolio.holdings if not h.sellable(AUGUST.date())] == ["SUI"]
    assert [h.asset for h in portfolio.holdings if h.venue == "binance"] == ["XRP"]


def test_an_hour_is_made_of_twelve_closes(builder: ModuleType) -> None:
    start = datetime(2025, 7, 1, tzinfo=UTC).timestamp() * 1000
    stamps = start + 300_000.0 * np.arange(12 * 3 + 1)
    closes = np.arange(37, dtype=np.float64)
    gap = np.delete(np.arange(37), 14)
    bars = builder.hourly(stamps[gap], closes[gap])
    assert bars["known_at"].to_list() == [datetime(2025, 7, 1, hour, tzinfo=UTC) for hour in (1, 3)]
    assert bars.select("high", "low", "close").rows() == [(11.0, 0.0, 11.0), (35.0, 24.0, 35.0)]


def test_two_files_that_disagree_are_refused(builder: ModuleType) -> None:
    hour = datetime(2024, 1, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "known_at": [hour, hour + timedelta(hours=1)],
            **{name: [1.0, 2.0] for name in ("open", "high", "low", "close", "quote_volume")},
        }
    )
    assert builder.continued(frame.head(1), frame).height == 2
    with pytest.raises(SystemExit, match="do not agree"):
        builder.continued(frame.head(1).with_columns(close=3.0), frame)


def archive(path: Path, about: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in (("seda_backtester-0.1.1/PKG-INFO", about), ("../../evil", "x")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def test_a_package_of_another_licence_or_content_is_refused(builder: ModuleType, tmp_path: Path) -> None:
    package = builder.SEDA
    path = archive(tmp_path / "seda_backtester-0.1.1.tar.gz", "Name: x\nLicense: GPL\n")
    with pytest.raises(SystemExit, match="has sha256"):
        builder.fetch(package, tmp_path, sys.executable)
    with pytest.raises(SystemExit, match="MIT"):
        builder.members(package, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.realdata
def test_closes_agree_with_another_record_of_the_same_market(store: ParquetStore, real_data: Path) -> None:
    from stormsail.adapters.sources.directory import DirectorySource

    keys = [SeriesKey(Kind.PERPETUAL, "binance", s) for s in ("BTCUSDT", "ADAUSDT", "1000PEPEUSDT", "SUIUSDT")]
    ours = store.read(keys, start=None, end=END)
    theirs = DirectorySource(real_data).read(keys, start=None, end=END)
    for key in keys:
        both = ours[key].join(theirs[key], on="known_at", suffix="_other")
        assert both.height == 31 * 24
        assert both["close"].equals(both["close_other"].alias("close"))
        assert (both["high"] <= both["high_other"]).all()
        assert (both["low"] >= both["low_other"]).all()
