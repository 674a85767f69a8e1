import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from stormsail.adapters.cluster import dask as ours
from stormsail.adapters.cluster.dask import DaskCluster
from stormsail.adapters.files.fleet_file import orders_table, portfolios_table
from stormsail.core import ClusterError
from stormsail.lab.fleet import FleetPlans
from stormsail.lab.workers import Serial, gathered
from tests.adapters.cluster.slow import Slowly, fails
from tests.lab.fleets import deck, fleet

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def started(*words: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", "distributed.cli." + words[0], *words[1:]], env=env, **quiet)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and three workers, each a process of its own."""
    folder = tmp_path_factory.mktemp("dask")
    told = folder / "scheduler.json"
    running = [started("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                       "--scheduler-file", str(told))]  # fmt: skip
    workers = [
        started("dask_worker", "--scheduler-file", str(told), "--nthreads", "1", "--no-nanny", "--no-dashboard",
                "--local-directory", str(folder / str(i)))
        for i in range(3)
    ]  # fmt: skip
    try:
        for _ in range(300):
            if told.exists() and told.stat().st_size > 0:
                break
            time.sleep(0.1)
        import json

        address = json.loads(told.read_text())["address"]
        from distributed import Client

        with Client(address, timeout="60s", set_as_default=False) as client:
            client.wait_for_workers(3, timeout=60)
        yield address, workers
    finally:
        for process in [*workers, *running]:
            process.kill()
            process.wait()


def tables(plans: FleetPlans) -> tuple[pl.DataFrame, pl.DataFrame]:
    return orders_table(plans), portfolios_table(plans)


def test_a_worker_killed_in_the_middle_loses_nothing_and_doubles_nothing(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    address, workers = cluster
    shards = [fleet(20, seed) for seed in range(24)]
    alone = gathered(Serial(), Slowly(deck(), 0.0), shards)
    found: list[tuple[int, FleetPlans]] = []
    for number, plans in DaskCluster(address).map(Slowly(deck(), 0.1), shards):
        found.append((number, plans))
        if len(found) == 5:
            workers[1].send_signal(signal.SIGKILL)
    assert sorted(number for number, _ in found) == list(range(24))
    for number, plans in found:
        for mine, theirs in zip(tables(alone[number]), tables(plans), strict=True):
            assert mine.equals(theirs, null_equal=True)
    assert workers[1].wait(10) == -signal.SIGKILL
    assert DaskCluster(address).count == 2
    with pytest.raises(ValueError, match="shard 0"):
        gathered(DaskCluster(address), fails, range(1))


def test_workers_with_other_versions_are_refused(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ours._mine()
    monkeypatch.setattr(ours, "_mine", lambda: mine | {"numpy": "1.0"})
    with pytest.raises(ClusterError, match=r"numpy .* instead of 1.0"):
        gathered(DaskCluster(cluster[0]), str, range(1))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
def test_a_scheduler_that_does_not_answer_is_one_clear_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "WAIT", "1s")
    with pytest.raises(ClusterError, match="does not answer") as caught:
        gathered(DaskCluster(address), str, range(1))
    assert caught.value.code == "E700"
    assert address in str(caught.value)
