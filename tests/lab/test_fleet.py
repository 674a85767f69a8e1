import math
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.audit import Tolerance
from stormsail.core import ToleranceError
from stormsail.lab._fleet import _kernels as lots_kernels
from stormsail.lab._hedge import _kernels as kernels
from stormsail.lab.deck import build_deck
from stormsail.lab.fleet import FleetPlans, FleetShard, PlanFleet, Status, plan_shard
from stormsail.plan.problem import Problem, build_limits
from stormsail.plan.solver import solve
from tests.lab.fleets import COINS, PRICES, deck, fleet


def orders(plans: FleetPlans) -> dict[str, dict[str, tuple[int, int, int]]]:
    found: defaultdict[str, dict[str, tuple[int, int, int]]] = defaultdict(dict)
    for p, c, lots, notional, cents in zip(
        plans.portfolio, plans.contract, plans.lots, plans.notional, plans.collateral, strict=True
    ):
        found[plans.names[p]][plans.contracts[c]] = (int(lots), int(notional), int(cents))
    return found


def picked(shard: FleetShard, numbers: list[int]) -> FleetShard:
    rows = np.concatenate([np.arange(shard.start[i], shard.start[i + 1]) for i in numbers])
    sizes = [int(shard.start[i + 1] - shard.start[i]) for i in numbers]
    return FleetShard(
        tuple(shard.names[i] for i in numbers),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        shard.symbols,
        shard.symbol[rows],
        shard.quantity[rows],
        shard.coverage[numbers],
        shard.collateral[numbers],
        {},
    )


def programme(table: kernels.Table, coins: np.ndarray, held: np.ndarray, cover: float, cash: int) -> Problem:
    """The same decision written down for the interior-point solver."""
    rows = [(k, i) for k, c in enumerate(coins) for i in range(table.first[c], table.first[c + 1])]
    at, which = np.array([k for k, _ in rows]), np.array([i for _, i in rows])
    n, value, wanted = len(rows), held.sum(), cover * held
    mapping = np.zeros((len(coins), n))
    mapping[at, np.arange(n)] = 1.0
    made = deck()
    most = np.where(table.major[coins[at]], 2 * wanted.sum(), wanted[at])
    venues = sorted(made.caps)
    caps = [max(math.floor(made.caps[v] * value * 100) - 1, 0) / 100 for v in venues]
    limits = build_limits(
        n,
        capacity=np.minimum(most, table.volume[which]),
        names=tuple(str(i) for i in which),
        cash_rate=table.rate[which],
        collateral=math.inf if cash < 0 else max(cash - len(venues), 0) / 100,
        venues=tuple(venues),
        venue_rate=np.array([table.rate[which] * (table.venue[which] == v) for v in range(len(venues))]),
        venue_cap=np.array(caps),
        delta=table.beta[coins[at]],
        delta_cap=float(table.beta[coins] @ wanted),
    )
    full = made.covariance
    covariance = replace(
        full, coins=tuple(COINS[c] for c in coins), loadings=full.loadings[coins], residual=full.residual[coins]
    )
    return Problem(value, wanted, mapping, covariance, table.basis[which], -table.net[which], np.zeros(n), limits)


def test_targets_are_the_programmes_own_answer() -> None:
    table = deck().table()
    rng = np.random.Generator(np.random.Philox(key=3))
    tight = 0
    for _ in range(120):
        mine = np.sort(rng.choice(len(COINS), rng.integers(1, len(COINS) + 1), replace=False))
        coins = np.union1d(mine, np.flatnonzero(table.major)).astype(np.int64)
        held = np.where(np.isin(coins, mine), rng.lognormal(8, 1.5, len(coins)), 0.0)
        cover, value = rng.uniform(0.1, 1.0), held.sum()
        cash = int(rng.choice([-1, value * 30, value * 5]))
        problem = programme(table, coins, held, cover, cash)
        small, _, _ = lots_kernels._lay(table, coins, held, value, value, cover, cash)
        h, held_back, sure = kernels.targets(small)
        best = solve(problem)
        assert problem.limits.hold(h * value, tolerance=1e-7 * value)
        gap = problem.objective(h * value) - problem.objective(best.h)
        assert gap <= 1e-7 * abs(problem.objective(best.h)) + 1e-9
        assert sure
        tight += bool(held_back.any())
    assert tight > 40


@given(seed=st.integers(0, 2**32 - 1), mean=st.floats(5, 13))
def test_every_limit_holds_exactly_in_whole_lots(seed: int, mean: float) -> None:
    made, shard = deck(), fleet(12, seed, mean=mean)
    plans = plan_shard(made, shard)
    legs = {x.contract.id: x for x in made.legs}
    beta = dict(zip(made.coins, made.beta, strict=True))
    for i, name in enumerate(shard.names):
        rows = slice(shard.start[i], shard.start[i + 1])
        held = shard.quantity[rows] * PRICES[shard.symbol[rows]]
        by_coin = dict(zip([COINS[s] for s in shard.symbol[rows]], held, strict=True))
        cover = 0.5 if math.isnan(shard.coverage[i]) else shard.coverage[i]
        book = orders(plans)[name]
        posted: defaultdict[str, int] = defaultdict(int)
        delta = Decimal(0)
        for contract, (lots, notional, cents) in book.items():
            leg = legs[contract]
            assert lots >= leg.least
            exact = leg.price * leg.lot * lots
            assert Decimal(notional) == exact * 10**8
            assert exact >= leg.contract.min_notional
            assert Decimal(cents) >= exact * Decimal(repr(leg.rate)) * 100 > cents - 2 - lots * Decimal("1e-6")
            posted[leg.contract.venue] += cents
            delta += exact * Decimal(float(beta[leg.contract.base]))
            if leg.contract.base not in ("BTC", "ETH"):
                assert exact <= Decimal(cover * by_coin[leg.contract.base]) * Decimal("1.000001")
            assert exact <= Decimal(leg.capacity) * Decimal("1.000001")
        for venue, cents in posted.items():
            assert cents <= math.floor(made.caps[venue] * held.sum() * 100 * (1 + 1e-12))
        if shard.collateral[i] >= 0:
            assert sum(posted.values()) <= shard.collateral[i]
        assert float(delta) <= cover * sum(beta[c] * v for c, v in by_coin.items()) * (1 + 1e-9)
        assert 0 <= plans.coverage[i] <= cover + 1e-9


def test_the_order_of_portfolios_and_of_holdings_changes_nothing() -> None:
    made, shard = deck(), fleet(60, 5)
    plans = plan_shard(made, shard)
    back = picked(shard, list(range(60))[::-1])
    mixed = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(back.start[:-1], back.start[1:], strict=True)])
    turned = plan_shard(made, replace(back, symbol=back.symbol[mixed], quantity=back.quantity[mixed]))
    assert orders(plans) == orders(turned)
    assert plans.coverage.tolist() == turned.coverage[::-1].tolist()
    alone = {}
    for i in range(60):
        alone |= orders(plan_shard(made, picked(shard, [i])))
    assert alone == orders(plans)


def test_a_portfolio_ten_times_as_large_gets_ten_times_the_plan() -> None:
    wide = deck(legs=tuple(replace(x, capacity=1e12) for x in deck().legs))
    shard = replace(fleet(40, 8, mean=12.0), collateral=np.full(40, -1))
    one, ten = plan_shard(wide, shard), plan_shard(wide, replace(shard, quantity=shard.quantity * 10))
    small, large = orders(one), orders(ten)
    worth = {x.contract.id: x.worth for x in wide.legs}
    for i, name in enumerate(shard.names):
        value = one.value[i] * 1e8
        for contract in small[name].keys() | large[name].keys():
            a, b = small[name].get(contract, (0, 0, 0)), large[name].get(contract, (0, 0, 0))
            # lots and the smallest order do not scale: a few of them, and a share of the portfolio, may be in between
            assert abs(10 * a[1] - b[1]) <= 40 * worth[contract] + 0.05 * value


def test_holdings_of_one_coin_are_added_and_cash_is_no_risk() -> None:
    symbols = ("AAA", "USDT")
    twice = FleetShard(
        ("a", "b"), np.array([0, 3, 5]), symbols, np.array([0, 0, 1, 0, 1]), np.array([400.0, 600, 500, 1000, 500]),
        np.full(2, np.nan), np.full(2, -1), {},
    )  # fmt: skip
    plans = plan_shard(deck(), twice)
    book = orders(plans)
    assert book["a"] == book["b"] != {}
    assert plans.value.tolist() == [10_500.0, 10_500.0]


def test_what_cannot_be_planned_is_told_and_counted() -> None:
    symbols = ("AAA", "AAB", "OLD", "USDT")
    shard = FleetShard(
        names=("fine", "unknown", "negative", "nan", "cash", "gone", "greedy", "huge", "faulty"),
        start=np.array([0, 1, 3, 4, 5, 6, 8, 9, 10, 11]),
        symbols=symbols,
        symbol=np.array([0, 0, 1, 0, 0, 3, 0, 2, 0, 0, 0]),
        quantity=np.array([1e3, 1e3, 1.0, -5.0, math.nan, 100.0, 1e3, 7.0, 1e3, 1e9, 1e3]),
        coverage=np.array([np.nan] * 6 + [1.5, np.nan, np.nan]),
        collateral=np.full(9, -1),
        faults={8: "two figures of coverage"},
    )
    plans = plan_shard(deck(), shard)
    told = dict(zip(plans.names, zip(plans.status, plans.reason, strict=True), strict=True))
    assert told["fine"][0] is Status.PLANNED
    assert told["unknown"] == (Status.REFUSED, "unknown symbol AAB (did you mean AAA?)")
    assert told["negative"] == (Status.REFUSED, "AAA: a quantity must be positive, not -5")
    assert told["nan"] == (Status.REFUSED, "AAA: a quantity must be positive, not nan")
    assert told["cash"] == (Status.NOTHING, "only cash is held")
    assert told["gone"][0] is Status.PLANNED
    assert "OLD left out: every series of OLD ended" in told["gone"][1]
    assert told["greedy"] == (Status.REFUSED, "coverage is 1.5, outside (0, 1]")
    assert told["huge"][0] is Status.REFUSED
    assert "plan it by itself" in told["huge"][1]
    assert told["faulty"] == (Status.REFUSED, "two figures of coverage")
    assert np.isnan(plans.value[[1, 2, 3, 6, 7, 8]]).all()
    assert len(plans.names) == len(plans.status) == len(plans.value) == 9


def test_no_collateral_no_order() -> None:
    shard = replace(fleet(5, 2), collateral=np.zeros(5, dtype=np.int64))
    assert len(plan_shard(deck(), shard).lots) == 0


def test_a_deck_of_a_market_that_was_invented() -> None:
    from stormsail.adapters.files.venue_files import load_venues
    from tests.plan.market import AS_OF, portfolio, source

    market = source(without=("EEE",))
    view = market.view(AS_OF)
    made = build_deck(view, Tolerance(), venues=load_venues())
    assert made.coins == ("AAA", "BBB", "BTC", "CCC", "DDD", "EEE", "ETH")
    assert {x.contract.base for x in made.legs} == set(made.coins) - {"EEE"}
    assert all(x.worth == x.price * x.lot * x.contract.size * 10**8 for x in made.legs)
    changed = build_deck(market.scrambled_after(AS_OF).view(AS_OF), Tolerance(), venues=load_venues())
    assert changed.prices.tolist() == made.prices.tolist()
    assert [x.rate for x in changed.legs] == [x.rate for x in made.legs]
    held = portfolio(market).quantities()
    shard = FleetShard(
        ("p",), np.array([0, len(held)]), tuple(held), np.arange(len(held)),
        np.array([float(q) for q in held.values()]), np.full(1, np.nan), np.full(1, -1), {},
    )  # fmt: skip
    plans = PlanFleet(made)(shard)
    assert plans.status == (Status.PLANNED,)
    assert 0.3 < plans.coverage[0] <= 0.5


def test_without_volumes_nothing_is_shorted_beyond_what_is_wanted() -> None:
    from stormsail.adapters.files.venue_files import load_venues
    from tests.plan.market import AS_OF, source

    made = build_deck(source(volume=None).view(AS_OF), Tolerance(), venues=load_venues(), coins=("AAA", "BBB"))
    assert {x.contract.base for x in made.legs} == {"AAA", "BBB", "BTC", "ETH"}
    assert all(math.isnan(x.capacity) for x in made.legs)
    assert any("up to what is wanted" in f.cure for f in made.findings)
    shard = FleetShard(
        ("p",), np.array([0, 1]), ("AAA",), np.array([0]), np.array([5_000.0]), np.full(1, np.nan), np.full(1, -1), {}
    )
    plans = plan_shard(made, shard)
    assert plans.status == (Status.PLANNED,)
    assert plans.notional.sum() / 1e8 <= 0.5 * plans.value[0]


@pytest.mark.parametrize("name", ["floor", "budget"])
def test_what_takes_the_whole_programme_is_refused(name: str) -> None:
    from tests.plan.market import AS_OF, source

    wish = Tolerance(horizon=timedelta(days=30), **{name: Decimal(1000)})  # type: ignore[arg-type]  # both are amounts
    with pytest.raises(ToleranceError, match="whole programme"):
        build_deck(source().view(AS_OF), wish, venues={})


@pytest.mark.realdata
def test_judged_by_the_plans_own_objective_on_real_data(real_data: Path) -> None:
    from stormsail.app.api import Workbench
    from stormsail.core import Holding, Portfolio
    from stormsail.margin.types import MarginMode
    from stormsail.plan.prepare import prepare
    from stormsail.plan.settle import settle
    from stormsail.plan.survey import survey

    bench = Workbench.open(real_data, "2025-08-30")
    held = {"SOL": 100.0, "LINK": 600.0, "XRP": 4000.0, "ADA": 9000.0, "DOT": 1500.0}
    row = (("p",), np.array([0, 5]), tuple(held), np.arange(5), np.array(list(held.values())))
    for coverage, least in ((0.5, 0.93), (0.2, 0.995)):
        wish = Tolerance(coverage=coverage)
        made = build_deck(bench.view, wish, venues=bench.venues, coins=tuple(held))
        plans = plan_shard(made, FleetShard(*row, np.full(1, np.nan), np.full(1, -1), {}))
        portfolio = Portfolio(tuple(Holding(c, Decimal(str(q))) for c, q in held.items()))
        known = prepare(survey(portfolio, bench.view, wish, venues=bench.venues))
        book = settle(known.desk, known.keeper, MarginMode.CROSS)
        mine = {name: notional / 1e8 for name, (_, notional, _) in orders(plans)["p"].items()}
        h = np.array([mine.get(t.contract.id, 0.0) for t in known.desk.terms])
        assert h.sum() == pytest.approx(sum(mine.values()))
        assert book.problem.objective(h) <= least * book.problem.objective(book.worth) < 0
