import json
from pathlib import Path

import polars as pl
import pytest

from stormsail.app.cli import main
from stormsail.app.fleet_verbs import choose
from stormsail.core import InputError
from stormsail.lab.workers import Serial


def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    monkeypatch.setattr("sys.argv", ["stormsail", *words, "--json"])
    with pytest.raises(SystemExit) as done:
        main()
    return int(done.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STORMSAIL_DATA", raising=False)
    path = tmp_path / "f.parquet"
    pl.DataFrame(
        {
            "portfolio": ["a", "a", "b", "c"],
            "asset": ["SOL", "LINK", "SOLL", "USDT"],
            "quantity": [100.0, 500.0, 1.0, 1000.0],
        }
    ).write_parquet(path)
    return path


@pytest.mark.parametrize("how", [[], ["--full"]])
def test_every_portfolio_comes_out(
    file: Path, how: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = called(monkeypatch, capsys, "fleet", "plan", str(file), "--out", "made", *how)
    assert code == 0
    assert told["portfolios"] == 3
    assert {k: v["portfolios"] for k, v in told["by_status"].items()} == {"planned": 1, "nothing": 1, "refused": 1}
    rows = pl.read_parquet("made/portfolios/*.parquet").rows_by_key("portfolio", named=True, unique=True)
    assert 0.2 < rows["a"]["coverage"] <= 0.5
    assert "SOLL" in rows["b"]["reason"]
    assert rows["c"]["orders"] == 0
    orders = pl.read_parquet("made/orders/*.parquet")
    assert orders["notional"].sum() == rows["a"]["notional"] > 0
    code, told = called(monkeypatch, capsys, "fleet", "plan", str(file), "--out", "made", *how)
    assert (code, told["shards_done_before"]) == (0, 1)
    code, told = called(monkeypatch, capsys, "fleet", "plan", str(file), "--out", "made", "--coverage", "20%", *how)
    assert (code, told["error"]["code"]) == (2, "E100")


def test_a_floor_takes_the_whole_programme(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STORMSAIL__TOLERANCE__FLOOR", "1000")
    code, told = called(monkeypatch, capsys, "fleet", "plan", str(file), "--out", "made")
    assert (code, told["error"]["code"]) == (2, "E120")


def test_who_computes() -> None:
    assert choose(None, None) == choose(1, None) == Serial()
    assert choose(3, None).count == 3
    for workers, cluster in ((2, "tcp://x:1"), (0, None)):
        with pytest.raises(InputError):
            choose(workers, cluster)
