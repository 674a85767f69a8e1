"""The whole plan on an invented market: promises kept, nothing from the future, the same bytes twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import pytest

from stormsail.adapters.files.plan_file import render_plan
from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit import Tolerance
from stormsail.core import Holding, InfeasibleError, Portfolio, PortfolioError, Tenor, Unavailable, parse_moment
from stormsail.margin.types import MarginMode
from stormsail.market.schema import Kind
from stormsail.plan import HedgePlan, make_plan
from stormsail.report.html import plan_html
from stormsail.report.text_cost import cost_section
from stormsail.report.text_plan import brief
from tests.support import MemorySource, bars, info_of

from .market import AS_OF, portfolio, source


@cache
def market(without: tuple[str, ...] = ()) -> MemorySource:
    return source(without=without)


@cache
def venues():  # type: ignore[no-untyped-def]  # a cached fixture
    return load_venues()


def plan(tolerance: Tolerance, *, without: tuple[str, ...] = (), **options: object) -> HedgePlan:
    data = market(without)
    return make_plan(portfolio(data), data.view(AS_OF), tolerance, venues=venues(), **options)  # type: ignore[arg-type]


@cache
def usual() -> HedgePlan:
    return plan(Tolerance(coverage=SHARE))


SHARE = 0.3


def check_promises(made: HedgePlan) -> None:
    wish = made.tolerance
    posted = sum((m.collateral for m in made.margins), Decimal(0))
    if wish.collateral is not None:
        assert posted <= wish.collateral
    for margin in made.margins:
        assert margin.collateral <= margin.cap
        assert margin.rise >= margin.requirement.move if margin.mode is MarginMode.CROSS else margin.rise > wish.survive
        assert margin.requirement.move >= wish.survive
        assert sum((p.collateral for p in margin.positions), Decimal(0)) == margin.collateral
    for order in made.orders:
        assert order.quantity % order.contract.lot == 0
        assert order.price % order.contract.tick == 0
        assert order.notional >= order.contract.min_notional
        assert order.notional == order.contract.notional(order.quantity, order.price)
    if wish.budget is not None:
        assert -made.cost.total <= float(wish.budget) * 1.01 + 1
    for row in made.coverage:
        assert row.direct + row.proxy <= row.wanted * 1.02 + 200
        assert row.value == pytest.approx(row.direct + row.proxy + row.uncovered, rel=1e-9)


def test_the_wanted_share_of_every_coin_is_covered_by_its_own_contract() -> None:
    made = usual()
    check_promises(made)
    assert {o.contract.base for o in made.orders} >= {"AAA", "BBB", "CCC", "DDD", "EEE"}
    for row in made.coverage:
        assert row.direct == pytest.approx(SHARE * row.value, rel=0.08)
    assert made.effectiveness.value > 0.98  # type: ignore[union-attr]
    assert made.advice.tenor is Tenor.PERPETUAL
    assert made.history and made.history.effectiveness
    assert made.fans["binance"].liquidation_rise == made.margins[0].rise


def test_a_coin_without_contract_gets_a_proxy_and_says_so() -> None:
    made = plan(Tolerance(coverage=SHARE), without=("CCC",))
    check_promises(made)
    row = next(r for r in made.coverage if r.asset == "CCC")
    assert row.direct == 0
    assert row.proxy > 0.8 * row.wanted
    assert "no contract of its own" in row.reason
    assert any("portfolio" in o.protects for o in made.orders)
    assert any(f.name == "beta shift" for f in made.failures)
    # the walk needs sixty days before it tests anything; the window is that of the tested days
    tested = made.effectiveness
    first, last = (date.fromisoformat(day) for day in tested.window.split()[0].split(".."))  # type: ignore[union-attr]
    assert (last - first).days + 1 == tested.n  # type: ignore[union-attr]
    assert (last - first).days <= 365 - 60


@pytest.mark.parametrize("cash", ["300", "3000", "9000"])
def test_little_collateral_is_never_exceeded_and_is_named(cash: str) -> None:
    made = plan(Tolerance(collateral=Decimal(cash)))
    check_promises(made)
    assert any(line.startswith("collateral") for line in made.binding)


def test_isolated_margin_keeps_each_promise_alone() -> None:
    made = plan(Tolerance(), mode=MarginMode.ISOLATED)
    check_promises(made)
    for margin in made.margins:
        for position in margin.positions:
            assert position.rise >= 0.3


def test_a_floor_that_cannot_be_kept_names_what_fights() -> None:
    with pytest.raises(InfeasibleError, match=r"collateral .* against floor") as caught:
        plan(Tolerance(coverage=1.0, collateral=Decimal(500), floor=Decimal(45_000)))
    assert "raise collateral by" in str(caught.value)


def test_a_floor_is_kept() -> None:
    made = plan(Tolerance(coverage=1.0, survive=0.3, floor=Decimal(41_000)))
    check_promises(made)
    assert made.exposure.value - made.insurance.deductible >= 41_000 - 1


def test_nothing_after_the_moment_reaches_the_plan() -> None:
    data = market()
    scrambled = data.scrambled_after(AS_OF)
    first = render_plan(usual())
    again = make_plan(portfolio(data), scrambled.view(AS_OF), Tolerance(coverage=SHARE), venues=venues())
    assert render_plan(again) == first


def test_the_same_question_gets_the_same_bytes() -> None:
    assert render_plan(plan(Tolerance(coverage=SHARE))) == render_plan(usual())


def test_the_plan_in_force_is_kept_where_it_still_fits() -> None:
    made = usual()
    again = plan(Tolerance(coverage=SHARE), previous=made)
    before = {o.contract.id: o.quantity for o in made.orders}
    after = {o.contract.id: o.quantity for o in again.orders}
    assert set(after) == set(before)
    for cid, quantity in before.items():
        assert float(after[cid]) == pytest.approx(float(quantity), rel=0.02)


def test_a_smaller_wish_takes_a_smaller_hedge() -> None:
    small, large = plan(Tolerance(coverage=0.2)), plan(Tolerance(coverage=0.4))
    assert sum(o.notional for o in small.orders) < sum(o.notional for o in large.orders)


def test_longer_top_up_takes_more_collateral() -> None:
    slow = plan(Tolerance(coverage=0.2, top_up=timedelta(hours=72)))
    fast = plan(Tolerance(coverage=0.2, top_up=timedelta(hours=8)))
    rate = [m.collateral / m.notional for made in (fast, slow) for m in made.margins]
    assert rate[0] < rate[1]


def test_an_unpriced_coin_does_not_stop_the_rest() -> None:
    data = market()
    held = portfolio(data)
    locked = Portfolio((*held.holdings[1:], replace(held.holdings[0], locked=True)), name="locked")
    made = make_plan(locked, data.view(AS_OF), Tolerance(), venues=venues())
    assert any(f.name == "locked coins" for f in made.failures)


def test_a_coin_that_begins_later_is_shown_and_the_rest_is_planned() -> None:
    data, start = market(), AS_OF + timedelta(days=3)
    young = bars([5.0, 5.1], start=start)
    series = {info: data.frames[key] for key, info in data.infos.items()} | {info_of(young, Kind.SPOT, "NEW"): young}
    held = portfolio(data)
    more = replace(held, holdings=(*held.holdings, Holding("NEW", Decimal("1234.5"))))
    made = make_plan(more, MemorySource(series).view(AS_OF), Tolerance(coverage=SHARE), venues=venues())
    assert (made.orders, made.coverage, made.insurance) == (usual().orders, usual().coverage, usual().insurance)
    said = f"no price yet at {AS_OF:%Y-%m-%d} 00:00; first bar {start:%Y-%m-%d} 01:00"
    assert said in brief(made)[0] and said in plan_html(made)
    (gone,) = json.loads(render_plan(made))["exposure"]["unpriced"]
    assert gone == {"asset": "NEW", "quantity": "1234.5", "value": {"unavailable": said}}
    assert [f.cause for f in made.findings if f.subject == "NEW"] == [f"{said}; 1,234.5 coins not valued"]


@pytest.mark.parametrize("quantity", ["1e-30", "1e-320"])
def test_a_speck_of_a_coin_is_no_obstacle_and_its_order_is_said_to_be_too_small(quantity: str) -> None:
    speck, data = Holding("AAA", Decimal(quantity)), market()
    alone = make_plan(Portfolio((speck,)), data.view(AS_OF), Tolerance(), venues=venues())
    assert not alone.orders and any("smallest order" in line for line in alone.binding)
    assert "Nothing is to be shorted" in brief(alone)[1] and plan_html(alone)
    beside = Portfolio((speck, *portfolio(data).holdings[1:]))
    made = make_plan(beside, data.view(AS_OF), Tolerance(coverage=SHARE), venues=venues())
    check_promises(made)
    row = next(r for r in made.coverage if r.asset == "AAA")
    assert 0 < row.value < 1e-25 and made.orders


def test_a_value_that_nobody_holds_is_refused_and_the_largest_is_planned() -> None:
    data = source(volume=None)
    price = next(a.price for a in usual().exposure.assets if a.asset == "DDD")
    with pytest.raises(PortfolioError, match=r"1e\+30 DDD .holding 1 of 1."):
        make_plan(Portfolio((Holding("DDD", Decimal("1e30")),)), data.view(AS_OF), Tolerance(), venues=venues())
    large = Portfolio((Holding("DDD", Decimal(f"{9.9e14 / price:.6g}")),))
    made = make_plan(large, data.view(AS_OF), Tolerance(), venues=venues())
    check_promises(made)
    assert made.orders and all(o.quantity > 0 for o in made.orders)


def test_what_is_unavailable_is_never_told_as_nought() -> None:
    data = source(volume=None)
    made = make_plan(portfolio(data), data.view(AS_OF), Tolerance(coverage=SHARE), venues=venues())
    assert made.orders
    assert isinstance(made.cost.slippage, Unavailable)
    assert made.cost.left_out == made.insurance.left_out == ("slippage",)
    written = json.loads(render_plan(made))["cost"]
    assert set(written["slippage"]) == {"unavailable"}
    assert all(set(row[3]) == {"unavailable"} for row in written["by_contract"].values())
    assert "without slippage, which is unavailable" in brief(made)[2]
    assert "without slippage, which is unavailable" in cost_section(made).lead[1]


def test_a_portfolio_of_stablecoins_has_nothing_to_hedge_and_says_so() -> None:
    cash = Portfolio((Holding("USDT", Decimal(1000)), Holding("USDC", Decimal(5))), name="cash")
    made = make_plan(cash, market().view(AS_OF), Tolerance(), venues=venues())
    assert not made.orders
    assert not made.margins
    assert made.cost.total == 0.0
    assert any("only stablecoins" in f.cause and "nothing to hedge" in f.cure for f in made.findings)
    assert "There is nothing to hedge" in brief(made)[1]
    assert "nothing to hedge" in plan_html(made)
    assert render_plan(made)


@pytest.mark.realdata
@pytest.mark.parametrize("day", ["2021-05-18", "2022-05-06", "2022-11-05", "2024-08-03", "2025-08-31"])
def test_real_portfolios_before_storms(real_data, day: str) -> None:  # type: ignore[no-untyped-def]
    from stormsail.adapters.sources.directory import DirectorySource
    from stormsail.core import Holding, Unavailable
    from stormsail.market.load import load_bars
    from stormsail.market.lookup import Lookup
    from stormsail.market.source import MarketView

    view = MarketView(DirectorySource(real_data), parse_moment(day))
    lookup = Lookup.of(view)
    coins = (
        "ADA SOL XRP DOGE DOT LINK LTC AVAX MATIC ATOM UNI NEAR FIL AAVE ALGO BNB TRX XLM VET ETC EOS XTZ THETA SNX CRV"
    )
    holdings = []
    for coin in coins.split():
        found = lookup.price_series(coin)
        if isinstance(found, Unavailable) or len(holdings) == 16:
            continue
        frame, _ = load_bars(view, found.info, start=view.as_of - timedelta(days=3))
        holdings.append(Holding(coin, Decimal(f"{5000 / frame['close'][-1]:.4g}")))
    assert len(holdings) >= 15
    made = make_plan(Portfolio(tuple(holdings)), view, Tolerance(), venues=load_venues())
    check_promises(made)
    covered = sum(r.direct + r.proxy for r in made.coverage) / sum(r.wanted for r in made.coverage)
    assert covered >= 0.95 or (covered >= 0.7 and made.binding)
    assert made.insurance.es_99_hedged < made.insurance.es_99_unhedged


@pytest.mark.parametrize(
    ("wish", "each", "said"),
    [
        (Tolerance(collateral=Decimal(0)), 10_000.0, "collateral: 0 of 0"),
        (Tolerance(venues=("bybit",)), 10_000.0, "no usable contract at bybit"),
        (Tolerance(), 0.5, "smallest order"),
    ],
)
def test_an_empty_plan_says_what_kept_it_empty(wish: Tolerance, each: float, said: str) -> None:
    made = make_plan(portfolio(market(), each), market().view(AS_OF), wish, venues=venues())
    assert not made.orders
    assert any(said in line for line in made.binding)


def test_collateral_that_binds_is_used_up() -> None:
    made = plan(Tolerance(collateral=Decimal(5000)))
    posted = sum((m.collateral for m in made.margins), Decimal(0))
    assert Decimal(4850) <= posted <= Decimal(5000)
    assert any(line.startswith(f"collateral: {posted:,.0f} of 5,000") for line in made.binding)


def test_a_limit_that_held_the_plan_back_is_named_whole() -> None:
    """Contracts are told apart in the reasons of a coin: their ids hold a colon of their own."""
    made = plan(Tolerance(coverage=SHARE, volume_share=1e-6))
    full = [b for b in made.binding if b.startswith("capacity ")]
    assert full and all("risk at an aversion of 50" in b for b in full)
    names = {b.split(": ")[0] for b in full}
    assert all(name.startswith("capacity binance:") and name.endswith("USDT") for name in names)
    told = next(row.reason for row in made.coverage if "held back by" in row.reason)
    assert any(name in told for name in names) and "capacity binance," not in told
