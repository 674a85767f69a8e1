"""The plan made the evening before, held through the storm; runs where STORMSAIL_DATA names the market data."""

import pytest

from stormsail.adapters.files.venue_files import load_venues
from stormsail.adapters.sources.directory import DirectorySource
from stormsail.audit.tolerance import Tolerance
from stormsail.core import UnavailableError
from stormsail.lab.storms import STORMS, hold_through, plan_before

pytestmark = pytest.mark.realdata
CRASHES = [name for name in STORMS if name != "end-of-data-2025"]


@pytest.fixture(scope="module", params=list(STORMS))
def planned(request, real_data):
    return request.param, plan_before(
        STORMS[request.param], DirectorySource(real_data), Tolerance(coverage=0.6), load_venues()
    )


def test_nothing_in_the_plan_is_from_after_its_eve(planned):
    _, plan = planned
    assert plan.data_end <= plan.as_of
    assert len(plan.exposure.assets) >= 15
    assert plan.orders


def test_the_plan_keeps_its_limits(planned):
    _, plan = planned
    for account in plan.margins:
        assert account.collateral <= account.cap
        assert account.rise >= plan.tolerance.survive
        assert float(account.collateral) >= account.requirement.rate * float(account.notional) * 0.999


def test_held_through_the_storm_it_loses_less_than_nothing_done(planned, real_data):
    name, plan = planned
    if name not in CRASHES:
        with pytest.raises(UnavailableError, match="nothing is known"):
            hold_through(plan, STORMS[name], DirectorySource(real_data))
        return
    held = hold_through(plan, STORMS[name], DirectorySource(real_data))
    assert not held.liquidated
    assert held.fall_unhedged > 0.1
    protected = sum(c.direct + c.proxy for c in plan.coverage) / plan.exposure.risky_value
    # The fall must shrink by most of the share that was protected; proxies and basis may cost a part of it.
    assert held.fall_hedged < held.fall_unhedged * (1 - 0.7 * protected)
