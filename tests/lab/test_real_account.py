"""A real storm kept by both accounts; runs where STORMSAIL_DATA names the market data."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import numpy as np
import pytest

from stormsail.adapters.files.venue_files import load_venues
from stormsail.adapters.sources.directory import DirectorySource
from stormsail.audit.tolerance import Tolerance
from stormsail.core import end_of_day
from stormsail.lab.course import record
from stormsail.lab.replay import replay
from stormsail.lab.result import attribute, paths
from stormsail.lab.setup import coins_of, contracts_of, set_up
from stormsail.lab.storms import STORMS, plan_before
from stormsail.market.source import MarketView
from stormsail.watch.policy import AfterLoss, Follow, Lost, Policy, Rebalance
from tests.lab.reference import Reference
from tests.lab.test_reference import same

pytestmark = pytest.mark.realdata
STORM = STORMS["luna-2022"]


@pytest.fixture(scope="module")
def storm(real_data):  # type: ignore[no-untyped-def]
    data = DirectorySource(real_data)
    plan = plan_before(STORM, data, Tolerance(coverage=0.6), load_venues())
    view = MarketView(data, end_of_day(date.fromisoformat(STORM.until)))
    market = record(view, contracts_of([plan]), coins_of(plan), start=plan.as_of)
    return market, set_up([plan], market)


@pytest.mark.parametrize("follow", [Follow.HOLD, Follow.CLOCK, Follow.BAND])
@pytest.mark.parametrize("cut", [1, 6])
def test_both_accounts_agree_to_the_last_unit(storm, follow: Follow, cut: int) -> None:  # type: ignore[no-untyped-def]
    """With the plan's collateral, and with a sixth of it and twice the shorts, which the recovery liquidates."""
    from stormsail.lab.account import with_deposit

    market, setup = storm
    accounts = [
        with_deposit(a, currency, amount / cut) for a in setup.accounts for currency, amount in a.deposit.items()
    ]
    wanted = setup.aim(setup.holdings) * (1.0 if cut == 1 else 2.0)
    policy = Policy(Rebalance(follow, half_width=0.05), None, None, None, AfterLoss(Lost.NOTHING))
    run = replay(market, accounts, setup.holdings, lambda coins: wanted, policy)
    slow = Reference(market, accounts, wanted, policy.rebalance, run.books.digits, 0.05).run()
    same(run, slow)


def test_with_the_policy_everything_is_conserved(storm) -> None:  # type: ignore[no-untyped-def]
    market, setup = storm
    run = replay(market, setup.accounts, setup.holdings, setup.aim, Policy(), reserve={"USDT": D(20_000)},
                 sellable=setup.sellable)  # fmt: skip
    parts = attribute(run)
    assert parts.total == parts.change
    found = paths(run)
    assert found.hedged.min() > found.unhedged.min()
    assert (found.lots[-1] == run.books.state.lots).all()
    assert np.nanmax(found.ratio) < 1
