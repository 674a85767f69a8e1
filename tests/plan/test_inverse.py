"""Inverse shorts backed by the coin held: no more coins than there are, never liquidated, never worse than without."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.adapters.files.plan_file import plan_to_dict, render_plan
from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit import Tolerance
from stormsail.core import Contract, Holding, Payoff, Portfolio, Tenor, ceil_to, floor_to, plus, times, to_float
from stormsail.instruments.backing import STEP, backing_of
from stormsail.instruments.types import Route
from stormsail.margin.rules import liquidation
from stormsail.margin.tiers import assumed_table, maintenance
from stormsail.margin.types import MarginMode, Unliquidatable
from stormsail.plan import HedgePlan, make_plan
from stormsail.plan.prepare import Prepared, prepare
from stormsail.plan.problem import Limit
from stormsail.plan.replan import Replanner
from stormsail.plan.settle import settle
from stormsail.plan.solver import solve
from stormsail.plan.survey import survey
from stormsail.report.html import plan_html
from stormsail.report.text_margin import collateral_section
from stormsail.report.text_plan import brief
from tests.support import MemorySource

from .market import AS_OF, portfolio, source

COINS = ("BTC", "ETH", "AAA", "BBB", "CCC")
LITTLE = Tolerance(coverage=0.5, collateral=Decimal(500))


@cache
def market(paid: float = 0.0001) -> MemorySource:
    return source(inverse=("BTC", "ETH", "AAA"), paid=paid)


def held(locked: tuple[str, ...] = (), each: float = 10_000.0) -> Portfolio:
    whole = portfolio(market(), each, COINS)
    holdings = tuple(replace(h, locked=True) if h.asset in locked else h for h in whole.holdings)
    return replace(whole, holdings=holdings)


@cache
def plan(wish: Tolerance = LITTLE, locked: tuple[str, ...] = (), paid: float = 0.0001) -> HedgePlan:
    return make_plan(held(locked), market(paid).view(AS_OF), wish, venues=load_venues())


@cache
def prepared(wish: Tolerance = LITTLE, inverse: bool = True) -> Prepared:
    data = market() if inverse else source()
    return prepare(survey(held(), data.view(AS_OF), wish, venues=load_venues()))


def inverse_orders(made: HedgePlan) -> list[Contract]:
    return [o.contract for o in made.orders if o.contract.payoff is Payoff.INVERSE]


def check_coins(made: HedgePlan) -> None:
    """What holds of every plan with inverse shorts."""
    free = {a.asset: a.sellable for a in made.exposure.assets}
    orders = {o.contract.id: o for o in made.orders}
    posted: dict[str, Decimal] = {}
    by_venue: dict[str, Decimal] = {}
    for margin in made.margins:
        by_venue[margin.venue] = by_venue.get(margin.venue, Decimal(0)) + margin.collateral
        inverse = {orders[c].contract.payoff is Payoff.INVERSE for c in margin.contracts}
        assert inverse == {margin.coins is not None}, "coins and cash never share an account"
        if margin.coins is None:
            continue
        assert margin.mode is MarginMode.ISOLATED
        assert margin.cash == 0
        assert margin.rise == float("inf")
        assert plus(p.coins.quantity for p in margin.positions if p.coins) == margin.coins.quantity
        posted[margin.coins.asset] = posted.get(margin.coins.asset, Decimal(0)) + margin.coins.quantity
        for position in margin.positions:
            order, coins = orders[position.contract], position.coins
            assert coins is not None
            assert order.contract.base == coins.asset
            assert coins.quantity >= order.notional / order.price
            assert position.collateral == ceil_to(times(coins.quantity, coins.price), Decimal("0.01"))
            assert isinstance(position.liquidation, Unliquidatable)
            assert position.table.assumed and "inverse" in position.table.source
            assert never_liquidated(order.contract, order.quantity, order.price, coins.quantity)
    for asset, quantity in posted.items():
        assert quantity <= free[asset]
    for margin in made.margins:
        assert by_venue[margin.venue] <= margin.cap
    if made.tolerance.collateral is not None:
        assert plus(m.cash for m in made.margins) <= made.tolerance.collateral


def never_liquidated(contract: Contract, quantity: Decimal, entry: Decimal, coins: Decimal) -> bool:
    """By the exact rule, and by hand at a grid of prices up to a thousand times the entry."""
    table = assumed_table(contract, date(2025, 1, 1))
    told, _ = liquidation(contract, -quantity, entry, coins, table, date(2025, 1, 1))
    short = quantity * contract.size
    for step in range(61):
        price = entry * Decimal(f"{10 ** (step / 20):.6f}")
        balance = coins + short * (1 / price - 1 / entry)
        if balance < maintenance(short / price, table):
            return False
    return isinstance(told, Unliquidatable)


def test_little_cash_is_made_up_for_by_the_coins_held() -> None:
    made = plan()
    check_coins(made)
    assert {c.symbol for c in inverse_orders(made)} >= {"BTCUSD_PERP", "ETHUSD_PERP"}
    without = make_plan(held(), source().view(AS_OF), LITTLE, venues=load_venues())
    assert not inverse_orders(without)
    covered = [sum(r.direct + r.proxy for r in p.coverage) for p in (made, without)]
    assert covered[0] > 3 * covered[1]
    row = next(r for r in made.coverage if r.asset == "ETH")
    assert row.direct > 0.9 * row.wanted
    order = next(o for o in made.orders if o.contract.symbol == "ETHUSD_PERP")
    assert order.route is Route.INVERSE
    assert order.quantity % 1 == 0
    assert order.notional == order.quantity * 10
    assert order.fee == order.notional * order.contract.taker_fee


def test_the_coins_posted_are_the_formula() -> None:
    made = plan()
    for margin in made.margins:
        for position in margin.positions:
            if position.coins is None:
                continue
            order = next(o for o in made.orders if o.contract.id == position.contract)
            # one, opening and closing fee, 90 settlements at the cap that is assumed: 0.3 %, or 2 % for other coins
            cap = Decimal("0.02") if margin.coins and margin.coins.asset == "AAA" else Decimal("0.003")
            rate = 1 + 2 * order.contract.taker_fee + 90 * cap
            assert position.coins.quantity == ceil_to(order.notional / order.price * rate, STEP)


def test_no_cash_at_all_is_no_reason_not_to_hedge() -> None:
    made = plan(Tolerance(coverage=0.3, collateral=Decimal(0)))
    check_coins(made)
    assert inverse_orders(made) == [o.contract for o in made.orders]
    assert made.orders
    assert not {f.name for f in made.failures} & {"stablecoin loses its peg", "squeeze beyond the collateral"}
    assert "It needs no cash, but" in " ".join(brief(made))
    assert not made.fans
    assert "no cash" in plan_html(made)


def test_locked_coins_are_never_posted_and_a_finding_says_so() -> None:
    made = plan(LITTLE, ("BTC",))
    check_coins(made)
    assert "BTC" not in {c.base for c in inverse_orders(made)}
    assert "ETH" in {c.base for c in inverse_orders(made)}
    told = next(f for f in made.findings if f.subject == "inverse BTC")
    assert "100% of the BTC held is locked" in told.cause
    assert "binance:BTCUSD_PERP" in told.cause
    rows = made.shortlist.by_asset["BTC"]
    refused = next(s for s in rows if s.candidate.route is Route.INVERSE)
    assert not refused.usable
    assert not any(f.subject == "inverse ETH" for f in made.findings)


def test_it_is_ranked_as_usable_with_its_reason() -> None:
    rows = plan().shortlist.by_asset["BTC"]
    own = next(s for s in rows if s.candidate.route is Route.INVERSE)
    assert own.usable
    assert "backed by the coin itself" in own.reason
    # 10,000 of BTC back 10,000 / 1.271
    assert own.coins == pytest.approx(10_000 / 1.271, rel=1e-3)


def test_dear_funding_leaves_it_out_where_cash_is_plenty() -> None:
    rich = Tolerance(coverage=0.3)
    dear, kind = plan(rich, (), -0.002), plan(rich, (), 0.002)
    assert not inverse_orders(dear)
    assert inverse_orders(kind)
    check_coins(kind)


def test_failures_of_coin_backed_shorts_have_their_figures() -> None:
    made = plan()
    modes = {f.name: f for f in made.failures}
    notional = {c.symbol: to_float(o.notional) for o in made.orders for c in [o.contract]}
    assert modes["the coin itself ends"].loss == pytest.approx(notional["ETHUSD_PERP"])
    drained = sum(n * 90 * (0.02 if s.startswith("AAA") else 0.003) for s, n in notional.items() if s.endswith("_PERP"))
    assert modes["funding drains the coins"].loss == pytest.approx(drained)
    assert "BTC" in modes["venue failure"].what
    value = sum(to_float(m.collateral) for m in made.margins)
    assert value * 0.5 < to_float(Decimal(str(modes["venue failure"].loss))) < value * 1.5


def test_the_page_and_the_file_tell_coins_from_cash() -> None:
    made = plan()
    accounts = {a["coins"]["asset"]: a for a in plan_to_dict(made)["accounts"] if a["coins"]}
    assert set(accounts) >= {"BTC", "ETH"}
    assert accounts["BTC"]["rise"] == "inf"
    assert "never" in accounts["BTC"]["positions"][0]["liquidation"]
    assert Decimal(accounts["BTC"]["coins"]["quantity"]) > 0
    section = collateral_section(made)
    assert "out of what you hold" in section.lead[0]
    assert any("in coin" in line and "No rise of its price can liquidate it" in line for line in section.lead)
    assert "binance in BTC" in [row.cells[0].text for row in section.tables[0].rows]
    assert "any" in {cell.text for row in section.tables[1].rows for cell in row.cells}
    assert "of your own" in plan_html(made)


def test_the_same_bytes_twice_and_nothing_from_the_future() -> None:
    again = make_plan(held(), market().view(AS_OF), LITTLE, venues=load_venues())
    assert render_plan(again) == render_plan(plan())
    later = market().scrambled_after(AS_OF)
    seen = make_plan(held(), later.view(AS_OF), LITTLE, venues=load_venues())
    assert json.loads(render_plan(seen))["orders"] == json.loads(render_plan(plan()))["orders"]


@pytest.mark.parametrize("wish", [LITTLE, Tolerance(coverage=0.5), Tolerance(coverage=1.0, collateral=Decimal(3000))])
def test_with_inverse_contracts_the_programme_is_never_worse(wish: Tolerance) -> None:
    with_, without = prepared(wish), prepared(wish, inverse=False)
    names = [t.contract.id for t in without.desk.terms]
    assert set(names) < {t.contract.id for t in with_.desk.terms}
    values = []
    for made in (with_, without):
        rates = np.array([0.5] * len(made.desk.terms))
        problem = made.desk.problem(rates, allowed=made.desk.capacity)
        values.append(problem.objective(solve(problem).h))
    assert values[0] <= values[1] + 1e-7 * with_.desk.value
    books = [settle(made.desk, made.keeper, MarginMode.CROSS) for made in (with_, without)]
    made_of = [b.problem.objective(b.worth) for b in books]
    assert made_of[0] <= made_of[1] + 1e-3 * abs(made_of[1])


def test_having_them_takes_no_room_from_others() -> None:
    with_, without = prepared(), prepared(inverse=False)
    capacity = {t.contract.id: c for t, c in zip(with_.desk.terms, with_.desk.capacity, strict=True)}
    for terms, most in zip(without.desk.terms, without.desk.capacity, strict=True):
        assert capacity[terms.contract.id] == pytest.approx(most)


@settings(max_examples=12, deadline=None)
@given(
    shares=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=2),
    coverage=st.floats(0.1, 1.0),
    cash=st.integers(0, 20_000),
)
def test_whatever_is_unlocked_no_more_is_posted(shares: list[float], coverage: float, cash: int) -> None:
    """Lots that are partly locked, any wish, any cash: coins, caps and cash all keep their limits."""
    holdings = []
    for holding in held().holdings:
        share = shares[0] if holding.asset == "BTC" else shares[1] if holding.asset == "ETH" else 1.0
        free = floor_to(holding.quantity * Decimal(f"{share:.6f}"), Decimal("1e-8"))
        if free > 0:
            holdings.append(replace(holding, quantity=free))
        if holding.quantity > free:
            holdings.append(Holding(holding.asset, holding.quantity - free, locked=True))
    wish = Tolerance(coverage=round(coverage, 3), collateral=Decimal(cash))
    made = make_plan(Portfolio(tuple(holdings)), market().view(AS_OF), wish, venues=load_venues())
    check_coins(made)
    # value is conserved: what is covered and uncovered is what is held
    for row in made.coverage:
        assert row.value == pytest.approx(row.direct + row.proxy + row.uncovered, rel=1e-9)
    assert made.exposure.value == pytest.approx(sum(a.value for a in made.exposure.assets))


ENTRY = st.decimals("0.0001", "200000", places=4)


@settings(max_examples=60, deadline=None)
@given(
    lots=st.integers(1, 10**6),
    price=ENTRY,
    cap=st.floats(0.0, 0.03),
    days=st.integers(1, 365),
    venue=st.sampled_from(["binance", "bybit", "okx", "deribit", "other"]),
)
def test_coins_by_the_rule_survive_every_rise_after_all_that_is_taken_out(
    lots: int, price: Decimal, cap: float, days: int, venue: str
) -> None:
    d, on = Decimal, date(2025, 1, 1)
    contract = Contract(
        venue, "AAAUSD", "AAA", "USD", Tenor.PERPETUAL, Payoff.INVERSE, d(10), d(1), d("0.0001"), d(10), d("0.0002"),
        d("0.0005"),
    )  # fmt: skip
    own = backing_of(contract, (cap, 8.0), timedelta(days=days), on)
    quantity, notional = Decimal(lots), Decimal(lots) * 10
    posted = own.coins(notional, price)
    assert posted % STEP == 0
    left = posted - floor_to(notional / price * (own.fees + own.funding), Decimal("1e-20"))
    told, _ = liquidation(contract, -quantity, price, left, assumed_table(contract, on), on)
    assert isinstance(told, Unliquidatable)


@cache
def replanner(wish: Tolerance = LITTLE) -> Replanner:
    made = prepared(wish)
    return Replanner(made.desk, settle(made.desk, made.keeper, MarginMode.CROSS), MarginMode.CROSS)


def test_the_replan_at_the_same_prices_is_the_plan() -> None:
    again = replanner().at(np.ones(len(replanner().coins)))
    made = plan()
    assert {o.contract.id: o.quantity for o in again.orders} == {o.contract.id: o.quantity for o in made.orders}
    posted = {p.contract: p.coins.quantity for m in made.margins for p in m.positions if p.coins}
    assert dict(again.coins) == posted


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.2, 5.0), min_size=7, max_size=7), st.sampled_from([0, 500, 6000]))
def test_at_other_prices_coins_and_caps_keep_their_limits(moves: list[float], cash: int) -> None:
    planner = replanner(replace(LITTLE, collateral=Decimal(cash)))
    desk = planner._desk
    factors = np.array((moves * 3)[: len(planner.coins)])
    found = planner.at(factors)
    by_coin: dict[str, Decimal] = {}
    by_venue = dict.fromkeys(desk.venues, 0.0)
    grown = dict(zip(planner.coins, factors, strict=True))
    for order in found.orders:
        assert order.notional == order.contract.notional(order.quantity, order.price)
        assert order.quantity % order.contract.lot == 0
        if order.contract.payoff is Payoff.INVERSE:
            coin, coins = order.contract.base, found.coins[order.contract.id]
            assert never_liquidated(order.contract, order.quantity, order.price, coins)
            by_coin[coin] = by_coin.get(coin, Decimal(0)) + coins
            by_venue[order.contract.venue] += float(coins) * desk.prices[coin] * grown[coin]
    for coin, posted in by_coin.items():
        assert posted <= desk.unlocked[coin]
    value = desk.value + float((desk.held * (factors - 1)).sum())
    for venue, used in by_venue.items():
        assert used + found.need[venue] <= desk.caps[venue] * value / desk.value
    assert sum(found.need.values()) <= cash


def test_the_limit_is_named_when_coins_are_short() -> None:
    made = plan(Tolerance(coverage=0.9, collateral=Decimal(0)))
    check_coins(made)
    groups = prepared(Tolerance(coverage=0.9, collateral=Decimal(0))).desk.problem(
        np.zeros(len(prepared().desk.terms)), allowed=prepared().desk.capacity
    ).limits.groups  # fmt: skip
    assert groups.count(Limit.COINS) == 3
    assert any(line.startswith(("unlocked coins", "venue cap")) for line in made.binding)


@pytest.mark.parametrize(("days", "contracts"), [(20, 1), (30, 2), (70, 4)])
def test_dated_contracts_that_follow_one_another_pay_their_fees_again(days: int, contracts: int) -> None:
    d, on = Decimal, date(2025, 1, 1)
    end = datetime(2025, 1, 22, tzinfo=UTC)  # twenty days after the end of the day of the decision
    dated = Contract(
        "binance", "AAAUSD_250122", "AAA", "USD", Tenor.DATED, Payoff.INVERSE, d(10), d(1), d("0.0001"), d(10),
        d("0.0002"), d("0.0005"), end,
    )  # fmt: skip
    own = backing_of(dated, (0.003, 8.0), timedelta(days=days), on)
    assert (own.fees, own.funding, own.maintenance) == (2 * contracts * d("0.0005"), 0, 0)
