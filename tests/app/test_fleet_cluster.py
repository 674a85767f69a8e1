import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from stormsail.adapters.sources.sample import sample_path
from stormsail.app import fleet_backtest_verbs
from stormsail.app.cli import main
from tests.adapters.cluster.test_dask import cluster  # noqa: F401  # a fixture of three workers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Cluster = tuple[str, list[subprocess.Popen[bytes]]]


def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    monkeypatch.setattr("sys.argv", ["stormsail", "fleet", *words, "--json"])
    with pytest.raises(SystemExit) as done:
        main()
    return int(done.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STORMSAIL_DATA", raising=False)
    monkeypatch.setattr(fleet_backtest_verbs, "SHARD", 2)
    names = [f"p{i}" for i in range(24)]
    rows = [(n, coin, 10.0 * (i + 1)) for i, n in enumerate(names) for coin in ("SOL", "LINK", "USDT")]
    rows += [("bad", "SOLL", 1.0), ("owes", "SOL", -1.0)]
    path = tmp_path / "f.parquet"
    pl.DataFrame(rows, schema=["portfolio", "asset", "quantity"], orient="row").write_parquet(path)
    return path


def parts(folder: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(Path(folder, "portfolios").glob("*.parquet"))}


def test_a_cluster_that_loses_a_worker_gives_the_bytes_of_one_process(
    file: Path,
    cluster: Cluster,  # noqa: F811  # the fixture
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address, workers = cluster
    words = ("backtest", str(file), "--start", "2025-07-25", "--replan", "3d")
    code, told = called(monkeypatch, capsys, *words, "--out", "alone")
    assert (code, told["portfolios"]) == (0, 26)
    assert {k: v["portfolios"] for k, v in told["by_status"].items()} == {"ran": 24, "refused": 2}

    def kill() -> None:
        while not list(Path("many/portfolios").glob("*.parquet")):
            time.sleep(0.01)
        workers[1].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    code, told = called(monkeypatch, capsys, *words, "--out", "many", "--cluster", address)
    killer.join()
    assert workers[1].wait(10) == -signal.SIGKILL
    assert (code, told["portfolios"]) == (0, 26)
    assert parts("many") == parts("alone")
    assert len(parts("many")) == 13
    # a run that lost half of its parts goes on to the same bytes
    for name in list(parts("many"))[::2]:
        Path("many/portfolios", name).unlink()
    code, told = called(monkeypatch, capsys, *words, "--out", "many")
    assert (code, told["shards_done_before"]) == (0, 6)
    assert parts("many") == parts("alone")
    code, told = called(monkeypatch, capsys, *words, "--out", "many", "--policy", "hold")
    assert (code, told["error"]["code"]) == (2, "E100")
    portfolio = str(sample_path() / "portfolio.csv")
    for words in (
        ("paths", portfolio, "--paths", "50000", "--horizon", "5d"),
        ("sweep", portfolio, "--start", "2025-07-25", "--set", "rebalance.half_width=1%,5%,20%", "--by", "change"),
    ):
        code, alone = called(monkeypatch, capsys, *words)
        assert code == 0
        assert called(monkeypatch, capsys, *words, "--cluster", address) == (0, alone)
    assert alone["choice"]["tried"] == 3
