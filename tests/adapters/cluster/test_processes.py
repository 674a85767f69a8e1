from pathlib import Path

import pytest

from stormsail.adapters.cluster.processes import Processes
from stormsail.core import ClusterError
from stormsail.lab.workers import gathered
from tests.adapters.cluster.slow import DiesOnce, dies, fails


def test_a_process_that_dies_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    found = sorted(Processes(2).map(DiesOnce(tmp_path / "died"), range(9)))
    assert (tmp_path / "died").exists()
    assert found == [(i, i * i) for i in range(9)]


def test_processes_that_always_die_are_given_up() -> None:
    with pytest.raises(ClusterError, match="died one after the other"):
        gathered(Processes(1), dies, range(2))


def test_what_the_function_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="shard"):
        gathered(Processes(1), fails, range(2))
