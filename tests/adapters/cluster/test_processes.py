import pickle
from pathlib import Path

import pytest

from stormsail.adapters.cluster.processes import Processes
from stormsail.adapters.files.fleet_file import orders_table, portfolios_table
from stormsail.adapters.files.venue_files import load_venues
from stormsail.app.api import Workbench
from stormsail.audit import Tolerance
from stormsail.core import ClusterError
from stormsail.lab.fleet import PlanFleet
from stormsail.lab.fleet_full import PlanInFull
from stormsail.lab.workers import Serial, gathered
from tests.adapters.cluster.slow import DiesOnce, dies, fails
from tests.lab.fleets import deck, fleet


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


def test_the_number_of_processes_changes_no_byte() -> None:
    shards = [fleet(30, seed) for seed in range(5)]
    alone, both = gathered(Serial(), PlanFleet(deck()), shards), gathered(Processes(2), PlanFleet(deck()), shards)
    for mine, theirs in zip(alone, both, strict=True):
        assert orders_table(mine).equals(orders_table(theirs), null_equal=True)
        assert portfolios_table(mine).equals(portfolios_table(theirs), null_equal=True)


def test_what_plans_in_full_can_be_sent() -> None:
    bench = Workbench.open()
    sent = pickle.loads(pickle.dumps(PlanInFull(bench.view, Tolerance(), load_venues)))
    assert sent.venues() == bench.venues
    assert sent.view.as_of == bench.as_of
    assert sent.view.catalogue() == bench.view.catalogue()
