import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stormsail.adapters.files import fleet_file
from stormsail.adapters.files.fleet_file import FleetFolder, look_through
from stormsail.app.fleet_verbs import run
from stormsail.core import InputError, PortfolioError
from stormsail.lab.fleet import PlanFleet
from stormsail.lab.workers import Serial
from tests.lab.fleets import COINS, deck, fleet


def written(path: Path, many: int = 40) -> Path:
    shard = fleet(many, 4)
    owner = np.repeat(np.arange(many), np.diff(shard.start))
    cash = np.where(shard.collateral < 0, np.nan, shard.collateral / 100)
    pl.DataFrame(
        {
            "portfolio": [shard.names[i] for i in owner],
            "asset": [COINS[k].lower() for k in shard.symbol],
            "quantity": shard.quantity,
            "coverage": shard.coverage[owner],
            "collateral": cash[owner],
        }
    ).write_parquet(path)
    return path


def test_a_fleet_comes_back_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_file, "_PIECE", 13)
    file = look_through(written(tmp_path / "f.parquet"), size=7)
    assert (file.portfolios, file.symbols, len(file.spans)) == (40, COINS, 6)
    shards = [shard for _, shard in file.shards()]
    whole = fleet(40, 4)
    assert [n for s in shards for n in s.names] == list(whole.names)
    assert np.concatenate([s.quantity for s in shards]).tolist() == whole.quantity.tolist()
    assert np.concatenate([s.collateral for s in shards]).tolist() == whole.collateral.tolist()
    assert [s.symbols[i] for s in shards for i in s.symbol] == [COINS[i] for i in whole.symbol]
    np.testing.assert_array_equal(np.concatenate([s.coverage for s in shards]), whole.coverage)


def test_a_run_that_was_stopped_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    file = look_through(written(tmp_path / "f.parquet"), size=7)
    function = PlanFleet(deck())
    for name in ("whole", "halves"):
        (tmp_path / name).mkdir()
    whole, halves = FleetFolder(tmp_path / "whole"), FleetFolder(tmp_path / "halves")
    run(Serial(), function, file, whole, whole.begin({"a": 1}))

    def stopped(shard):
        if shard.names[0] == "p21":
            raise KeyboardInterrupt
        return function(shard)

    with pytest.raises(KeyboardInterrupt):
        run(Serial(), stopped, file, halves, halves.begin({"a": 1}))
    assert halves.totals()["portfolios"].sum() == 21
    done = halves.begin({"a": 1})
    assert done == {0, 1, 2}
    run(Serial(), function, file, halves, done)
    files = sorted(p.relative_to(whole.path) for p in whole.path.rglob("*.*"))
    assert len(files) == 13
    assert files == sorted(p.relative_to(halves.path) for p in halves.path.rglob("*.*"))
    assert all((whole.path / f).read_bytes() == (halves.path / f).read_bytes() for f in files)
    with pytest.raises(InputError, match=r"another run \(a differ\)"):
        halves.begin({"a": 2})


def test_money_in_the_files_is_exact(tmp_path: Path) -> None:
    file = look_through(written(tmp_path / "f.parquet"), size=50)
    (tmp_path / "o").mkdir()
    folder = FleetFolder(tmp_path / "o")
    run(Serial(), PlanFleet(deck()), file, folder, folder.begin({}))
    orders = pl.read_parquet(folder.path / "orders" / "000000.parquet")
    legs = {x.contract.id: x for x in deck().legs}
    for row in orders.rows(named=True):
        leg = legs[row["contract"]]
        assert row["quantity"] % leg.lot == 0
        assert row["notional"] == row["quantity"] * leg.price
        assert row["collateral"] == round(row["collateral"], 2)
    summed = orders.group_by("portfolio").agg(pl.col("notional", "collateral").sum())
    told = pl.read_parquet(folder.path / "portfolios" / "000000.parquet")
    both = told.join(summed, on="portfolio")
    assert both["notional"].to_list() == both["notional_right"].to_list()
    assert both["collateral"].to_list() == both["collateral_right"].to_list()
    assert isinstance(both["notional"][0], Decimal)
    assert json.loads((folder.path / "manifest.json").read_text())["kind"] == "stormsail fleet"


def test_bad_rows_are_faults_of_their_portfolio(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pl.DataFrame(
        {
            "portfolio": ["a", "a", "b", "c", None, "d"],
            "asset": ["AAA", "BBB", None, "AAA", "AAA", "AAA"],
            "quantity": ["1", "2", "3", "many", "5", "6"],
            "coverage": [0.5, 0.6, 0.5, None, None, None],
            "collateral": [None, None, None, None, None, -3.0],
        }
    ).write_parquet(path)
    file = look_through(path, size=10)
    plans = PlanFleet(deck())(next(file.shards())[1])
    assert dict(zip(plans.names, plans.reason, strict=True)) == {
        "a": "two figures of coverage: 0.5 and 0.6",
        "b": "a holding without a symbol",
        "c": "AAA: a quantity must be positive, not nan",
        "": "a portfolio without a name",
        "d": "collateral is -3",
    }


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    path.write_text("portfolio,asset,quantity")
    with pytest.raises(InputError, match="not readable as Parquet"):
        look_through(path, size=5)
    pl.DataFrame({"portfolio": ["a"], "coin": ["B"]}).write_parquet(path)
    with pytest.raises(PortfolioError, match="no column asset, quantity"):
        look_through(path, size=5)
    pl.DataFrame({"portfolio": ["a", "b", "a"], "asset": ["B"] * 3, "quantity": [1.0] * 3}).write_parquet(path)
    with pytest.raises(PortfolioError, match="'a' comes again in row 3"):
        look_through(path, size=5)
    pl.DataFrame({"portfolio": [], "asset": [], "quantity": []}).write_parquet(path)
    with pytest.raises(PortfolioError, match="no portfolios"):
        look_through(path, size=5)
