from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from stormsail.adapters.cluster.processes import Processes
from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit import Tolerance
from stormsail.core import InputError, Unavailable
from stormsail.lab.distribution import JointPartial, simulate_joint
from stormsail.lab.passages import Cases, Found, cases_of, walk
from stormsail.lab.paths import PassageSpec, simulate
from stormsail.market.source import MarketView
from stormsail.plan import make_plan
from tests.plan.market import AS_OF, portfolio, source

WISH = Tolerance(horizon=timedelta(days=10))


@pytest.fixture(scope="module")
def cases() -> Cases:
    market = source(inverse=("AAA",), paid=0.0006)
    plan = make_plan(portfolio(market), MarketView(market, AS_OF), WISH, venues=load_venues())
    return cases_of(plan, MarketView(market, AS_OF))


def counts(found: Found) -> list[list[int]]:
    parts: list[JointPartial | object] = [p.counts for p in found.alone.values() if not isinstance(p, Unavailable)]
    parts.append(found.together.counts)
    fields = ("plain", "topped", "tops", "headroom", "price", "cash", "values", "dead")
    return [getattr(p, name).ravel().tolist() for p in parts for name in fields if hasattr(p, name)]


def test_any_division_and_any_workers_give_the_same_bits(cases: Cases) -> None:
    one = walk(cases, 5_000)
    assert counts(walk(cases, 5_000, size=777)) == counts(one)
    assert counts(walk(cases, 5_000, workers=Processes(2), size=2_000)) == counts(one)
    specs = [c.spec for c in cases.alone if isinstance(c.spec, PassageSpec)]
    alone = [p for p in one.alone.values() if not isinstance(p, Unavailable)]
    assert len(specs) == len(alone) >= 3
    for spec, passage in zip(specs, alone, strict=True):
        np.testing.assert_array_equal(simulate(spec, 5_000).counts.headroom, passage.counts.headroom)
        assert passage.counts.paths == 5_000
    whole = simulate_joint(cases.together, 5_000)
    np.testing.assert_array_equal(whole.counts.values, one.together.counts.values)


def test_what_is_walked_is_the_plan(cases: Cases) -> None:
    market = source(inverse=("AAA",), paid=0.0006)
    plan = make_plan(portfolio(market), MarketView(market, AS_OF), WISH, venues=load_venues())
    posted = {p.contract: p for m in plan.margins for p in m.positions}
    size = {o.contract.id: o.notional for o in plan.orders}
    assert {c.contract for c in cases.alone} == set(posted)
    for case in cases.alone:
        position = posted[case.contract]
        if position.coins is not None:
            assert isinstance(case.spec, Unavailable)
            continue
        assert isinstance(case.spec, PassageSpec)
        assert case.spec.steps * case.bar == WISH.horizon
        assert case.spec.collateral == pytest.approx(float(position.collateral / size[case.contract]), rel=1e-12)
        funding = plan.cost.by_contract[case.contract][0]
        assert case.spec.funding is not None
        assert not isinstance(funding, Unavailable)
        settlements = case.spec.steps // case.spec.funding.every
        assert case.spec.funding.rate * settlements == pytest.approx(funding / float(size[case.contract]), rel=1e-12)
    held = dict(zip(cases.together.coins, cases.together.values, strict=True))
    assert {c: v for c, v in held.items() if v} == pytest.approx(
        {row.asset: row.value for row in plan.exposure.assets if not row.is_cash}
    )


def test_a_hedge_narrows_what_the_whole_may_be_worth(cases: Cases) -> None:
    found = walk(cases, 20_000).together
    assert found.hedged(0.01) > found.unhedged(0.01)
    assert found.hedged(0.99) < found.unhedged(0.99)
    assert found.lowest_hedged(0.05) > found.lowest_unhedged(0.05)


def test_less_collateral_dies_more_often(cases: Cases) -> None:
    case = next(c for c in cases.alone if isinstance(c.spec, PassageSpec))
    assert isinstance(case.spec, PassageSpec)
    thin = replace(cases, alone=(replace(case, spec=replace(case.spec, collateral=0.1)),))
    name = case.contract
    found = walk(thin, 20_000).alone[name], walk(cases, 20_000).alone[name]
    dead = [p.liquidated.value for p in found if not isinstance(p, Unavailable)]
    assert dead[0] > 2 * dead[1]


def test_a_plan_without_orders_or_no_paths_is_an_error(cases: Cases) -> None:
    with pytest.raises(InputError, match="0 paths"):
        walk(cases, 0)
    market = source()
    view = MarketView(market, AS_OF)
    plan = make_plan(portfolio(market), view, replace(WISH, collateral=Decimal(0)), venues=load_venues())
    if not plan.orders:
        with pytest.raises(InputError, match="shorts nothing"):
            cases_of(plan, view)
