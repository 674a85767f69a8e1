"""Sixteen alts through the crash of May 2021, with plans made as time went on; needs STORMSAIL_DATA."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stormsail.adapters.files.venue_files import load_venues
from stormsail.adapters.sources.directory import DirectorySource
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Unavailable
from stormsail.lab.backtest import Backtest, backtest
from stormsail.lab.storms import STORMS, equal_stakes
from stormsail.lab.summary import HEDGED, NAIVE, SOLD, UNHEDGED
from stormsail.market.source import MarketView
from stormsail.watch.policy import Policy

pytestmark = pytest.mark.realdata
START, END = datetime(2021, 5, 1, tzinfo=UTC), datetime(2021, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def test(real_data: Path) -> Backtest:
    data = DirectorySource(real_data)
    holding = equal_stakes(STORMS["ftx-2022"].coins, MarketView(data, START))
    return backtest(
        holding, data, Tolerance(coverage=0.6), Policy(replan=timedelta(days=30)), start=START, end=END,
        venues=load_venues(), reserve={"USDT": Decimal(60_000)},
    )  # fmt: skip


def test_plans_follow_each_other_and_know_nothing_of_the_crash(test: Backtest) -> None:
    assert [plan.as_of for plan in test.plans] == [START + timedelta(days=30) * k for k in range(3)]
    assert all(plan.data_end <= plan.as_of for plan in test.plans)
    assert all(margin.collateral <= margin.cap for plan in test.plans for margin in plan.margins)


def test_every_unit_is_accounted_for(test: Backtest) -> None:
    assert abs(test.attribution.total - test.attribution.change) < Decimal("1e-30")
    table = test.ledger_frame().filter(pl.col("flow") != "refused")
    assert float(table["amount"].sum()) == pytest.approx(float(test.paths.cash[-1].sum()), abs=1e-6)
    assert all(row.known and row.unknown == 0 for row in test.summary.funding)


def test_the_hedge_did_what_its_size_allows(test: Backtest) -> None:
    ways = {name: test.summary.outcome(name) for name in (UNHEDGED, HEDGED, NAIVE, SOLD)}
    plain, hedged = ways[UNHEDGED], ways[HEDGED]
    assert plain is not None
    assert hedged is not None
    assert plain.change / plain.first == pytest.approx(-0.415, abs=0.005)
    assert hedged.change > 0.65 * plain.change
    assert hedged.fall.depth < 0.7 * plain.fall.depth
    assert all(way is not None for way in ways.values())
    effect = test.effect
    assert not isinstance(effect, Unavailable)
    # short half of the value: at best three quarters of the variance
    assert 0.55 < effect.variance.value < 0.8
    day = test.summary.worst_days[0]
    assert day.until == datetime(2021, 5, 20, tzinfo=UTC)
    assert day.hedge > 0.3 * -day.unhedged


def test_the_naive_rival_and_selling_lie_together(test: Backtest) -> None:
    naive, sold = test.rivals[NAIVE], test.rivals[SOLD]
    assert not isinstance(naive, Unavailable)
    assert not isinstance(sold, Unavailable)
    gap = np.abs(naive - sold) / test.paths.unhedged[0]
    assert gap.max() < 0.05  # basis and funding are all that parts them


def test_nobody_was_liquidated(test: Backtest) -> None:
    assert sum(account.liquidations for account in test.summary.accounts) == 0
    assert max(account.highest for account in test.summary.accounts) < 0.2
