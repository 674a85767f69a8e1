"""The backtest on an invented market: what it books can be computed by hand, and nothing in it is from the future."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import cache

import numpy as np
import polars as pl
import pytest

from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Holding, InputError, Portfolio, Trouble, Unavailable, UnavailableError, to_float
from stormsail.lab import forward
from stormsail.lab.backtest import SALE_COST, Backtest, backtest, with_policy
from stormsail.lab.forward import moments
from stormsail.lab.frames import LEDGER_SCHEMA
from stormsail.lab.naive import naive_plan
from stormsail.lab.summary import HEDGED, NAIVE, SOLD, UNHEDGED
from stormsail.market.schema import Kind
from stormsail.watch.policy import HOLD, Policy
from tests.plan.market import AS_OF, portfolio, source
from tests.support import MemorySource

DAY = timedelta(days=1)
START, END = AS_OF, AS_OF + 12 * DAY
CASH = {"USDT": Decimal(5_000)}


def run(data: MemorySource, policy: Policy, **options: object) -> Backtest:
    given = {"start": START, "end": END, "venues": load_venues(), "reserve": CASH, **options}
    return backtest(portfolio(data), data, Tolerance(coverage=0.5), policy, **given)  # type: ignore[arg-type]


@cache
def three() -> Backtest:
    """Three plans, five days apart."""
    return run(source(), Policy(replan=5 * DAY))


@cache
def held() -> Backtest:
    """One plan, held."""
    return run(source(), HOLD)


def test_plans_are_made_at_their_moments_with_what_was_known_then() -> None:
    test = three()
    assert [plan.as_of for plan in test.plans] == [START, START + 5 * DAY, START + 10 * DAY]
    assert all(plan.data_end <= plan.as_of for plan in test.plans)
    assert test.start == START
    assert test.end == END
    assert [line.what for line in test.replay.log].count("plan") == 2


def test_the_parts_add_up_to_the_change_and_the_change_is_that_of_the_path() -> None:
    for test in (three(), held()):
        parts = test.attribution
        assert abs(parts.total - parts.change) < Decimal("1e-30")
        row = test.summary.outcome(HEDGED)
        assert row is not None
        assert row.change == pytest.approx(float(parts.change), abs=1e-6)
        plain = test.summary.outcome(UNHEDGED)
        assert plain is not None
        assert plain.change == pytest.approx(float(parts.spot), abs=1e-6)


def test_selling_is_what_it_would_have_been() -> None:
    test = three()
    start, values = test.paths.unhedged[0], test.rivals[SOLD]
    assert not isinstance(values, Unavailable)
    np.testing.assert_allclose(values, 0.5 * test.paths.unhedged + 0.5 * start * (1 - SALE_COST), rtol=1e-12)


def last(data: MemorySource, symbol: str, when: object, kind: Kind = Kind.PERPETUAL) -> float:
    frame = next(f for k, f in data.frames.items() if k.symbol == symbol and k.kind is kind)
    return float(frame.filter(pl.col("known_at") <= when)["close"][-1])


def test_the_naive_rival_shorts_every_coin_one_to_one() -> None:
    data, plan = source(), held().plans[0]
    rival = naive_plan(plan, data, load_venues())
    assert not isinstance(rival, Unavailable)
    held_coins = plan.portfolio.quantities()
    assert {order.contract.base for order in rival.orders} == set(held_coins)
    for order in rival.orders:
        coins = order.quantity * order.contract.size
        wanted = Decimal("0.5") * held_coins[order.contract.base]
        assert abs(wanted - coins) <= max(order.contract.lot * order.contract.size, wanted * Decimal("1e-9"))
        assert order.protects == (order.contract.base,)
        assert order.price == pytest.approx(Decimal(str(last(data, order.contract.symbol, START))), rel=Decimal("1e-3"))
    short, cash = sum(o.notional for o in plan.orders), sum(m.cash for m in plan.margins)
    own = sum(o.notional for o in rival.orders)
    assert sum(m.cash for m in rival.margins) == pytest.approx(own * cash / short, abs=Decimal("0.10"))


def test_the_naive_rivals_end_can_be_computed_by_hand() -> None:
    data, test = source(), held()
    rival, values = naive_plan(test.plans[0], data, load_venues()), test.rivals[NAIVE]
    assert not isinstance(rival, Unavailable)
    assert not isinstance(values, Unavailable)
    gain = 0.0
    for order in rival.orders:
        quantity = to_float(order.quantity * order.contract.size)
        symbol = order.contract.symbol
        gain -= quantity * (last(data, symbol, END) - last(data, symbol, START))
        rates = next(f for k, f in data.frames.items() if k.symbol == symbol and k.kind is Kind.FUNDING)
        for when, rate in rates.filter(pl.col("known_at").is_between(START, END, closed="right")).select(
            "known_at", "rate_per_interval"
        ).rows():  # fmt: skip
            gain += quantity * last(data, symbol, when) * rate
    # what is paid at the start, fee and slippage, is in the first value already
    assert values[-1] - values[0] == pytest.approx(test.paths.unhedged[-1] - test.paths.unhedged[0] + gain, abs=0.5)
    assert 0 < test.paths.unhedged[0] - values[0] < 0.002 * test.paths.unhedged[0]


def test_a_coin_without_a_perpetual_leaves_the_naive_rival_without_it() -> None:
    data = source(without=("AAA",))
    rival = naive_plan(run(data, HOLD).plans[0], data, load_venues())
    assert not isinstance(rival, Unavailable)
    assert "AAA" not in {order.contract.base for order in rival.orders}


def test_the_ledger_table_is_the_account() -> None:
    test = three()
    table = test.ledger_frame()
    assert dict(table.schema) == LEDGER_SCHEMA
    assert table["when"].is_sorted()
    cash = table.filter(pl.col("flow") != "refused")["amount"].sum()
    assert float(cash) == pytest.approx(float(test.paths.cash[-1].sum()), abs=1e-6)
    funding = table.filter(pl.col("flow") == "funding")["amount"].sum()
    assert float(funding) == pytest.approx(float(test.paths.funding[-1]), abs=1e-9)
    moved: dict[str, Decimal] = {}
    for flow, item, quantity in table.select("flow", "item", "quantity").rows():
        if quantity is not None and flow != "refused":
            moved[item] = moved.get(item, Decimal(0)) + Decimal(quantity)
    for i, leg in enumerate(test.replay.books.legs):
        assert moved.get(leg.contract.id, Decimal(0)) == int(test.paths.lots[-1, i]) * leg.contract.lot


def test_the_table_through_time_has_a_row_for_each_moment() -> None:
    test = three()
    table = test.frame()
    assert table.height == len(test.course.times) == 12 * 6 + 1
    assert table["when"][0] == START
    assert table["when"][-1] == END
    np.testing.assert_array_equal(table["hedged"].to_numpy(), test.paths.hedged)
    assert table["ratio:binance"].max() == pytest.approx(test.summary.accounts[0].highest)


def test_worst_days_and_funding_agree_with_the_paths() -> None:
    test = three()
    days = test.summary.worst_days
    daily = np.diff(test.paths.unhedged[::6])
    assert [day.unhedged for day in days] == sorted(daily[daily < 0])[:10]
    assert all(day.hedge > 0 for day in days[:3])
    net = sum(row.net for row in test.summary.funding)
    assert net == pytest.approx(float(test.paths.funding[-1]), abs=1e-6)
    assert all(row.known and row.unknown == 0 for row in test.summary.funding)


def test_the_hedge_removes_most_of_what_it_was_asked_to() -> None:
    effect = three().effect
    assert not isinstance(effect, Unavailable)
    assert effect.variance.low <= effect.variance.value <= effect.variance.high
    assert 0.4 < effect.variance.value < 1.0


def test_nothing_before_a_moment_depends_on_what_came_after() -> None:
    middle = START + 6 * DAY
    test, data = three(), source()
    later = pl.col("known_at") > middle
    changed = {}
    for info in data.infos.values():
        frame = data.frames[info.key]
        names = [name for name in ("open", "high", "low", "close", "rate_per_interval") if name in frame.columns]
        changed[info] = frame.with_columns(
            pl.when(later).then(pl.col(name) * 1.3).otherwise(pl.col(name)).alias(name) for name in names
        )
    other = run(MemorySource(changed), Policy(replan=5 * DAY))
    assert [o.quantity for o in other.plans[1].orders] == [o.quantity for o in test.plans[1].orders]
    upto = int(np.searchsorted(test.course.times, np.datetime64(middle.replace(tzinfo=None)))) + 1
    for mine, theirs in ((test.paths.hedged, other.paths.hedged), (test.rivals[NAIVE], other.rivals[NAIVE])):
        np.testing.assert_allclose(mine[:upto], theirs[:upto], rtol=1e-9)
    assert abs(test.paths.hedged[-1] - other.paths.hedged[-1]) > 1.0


def test_two_runs_are_the_same() -> None:
    again = run(source(), Policy(replan=5 * DAY))
    assert again.frame().equals(three().frame())
    assert again.ledger_frame().equals(three().ledger_frame())
    assert str(again) == str(three())


def test_a_coin_without_a_price_is_left_out_and_told() -> None:
    data = source()
    more = Portfolio((*portfolio(data).holdings, Holding("NEW", Decimal(5))), name="invented")
    frame = next(f for k, f in data.frames.items() if k.symbol == "EEE" and k.kind is Kind.SPOT)
    late = frame.filter(pl.col("known_at") > START + 3 * DAY)
    info = next(i for k, i in data.infos.items() if k.symbol == "EEE" and k.kind is Kind.SPOT)
    series = {i: data.frames[i.key] for i in data.infos.values()}
    from dataclasses import replace

    key = replace(info.key, symbol="NEW")
    series[replace(info, key=key, asset="NEW", start=late["known_at"][0])] = late
    tolerance = Tolerance(coverage=0.5)
    test = backtest(
        more, MemorySource(series), tolerance, Policy(replan=5 * DAY), start=START, end=END, venues=load_venues()
    )  # fmt: skip
    assert "NEW" not in test.course.coins
    told = [f for f in test.findings if f.subject == "NEW"]
    assert told
    assert told[0].trouble is Trouble.UNAVAILABLE
    assert len(test.plans) == 3


def test_a_plan_that_cannot_be_made_leaves_the_one_before_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    real = forward.make_plan

    def sometimes(portfolio, view, *args, **kwargs):  # type: ignore[no-untyped-def]
        if view.as_of == START + 5 * DAY:
            raise UnavailableError("the venue was silent", cure="wait")
        return real(portfolio, view, *args, **kwargs)

    monkeypatch.setattr(forward, "make_plan", sometimes)
    test = run(source(), Policy(replan=5 * DAY))
    assert [plan.as_of for plan in test.plans] == [START, START + 10 * DAY]
    assert any(f.trouble is Trouble.DEFER and "stays in force" in f.cure for f in test.findings)


def test_another_policy_on_the_same_plans() -> None:
    kept = with_policy(held(), Policy(), source(), load_venues())
    assert kept.plans is held().plans
    assert not np.array_equal(kept.paths.hedged, held().paths.hedged)
    np.testing.assert_array_equal(kept.paths.unhedged, held().paths.unhedged)


def test_moments() -> None:
    assert moments(START, END, None) == (START,)
    assert moments(START, START + 10 * DAY, 5 * DAY) == (START, START + 5 * DAY)
    assert len(moments(START, END, 5 * DAY)) == 3
    with pytest.raises(InputError, match="is not after"):
        moments(START, START, None)


def test_it_prints_its_ways() -> None:
    text = str(three())
    for name in (UNHEDGED, HEDGED, NAIVE, SOLD):
        assert f"\n{name}" in text


def test_progress_is_told() -> None:
    made: list[tuple[int, int]] = []
    bars: list[tuple[int, int]] = []
    run(
        source(), Policy(replan=5 * DAY), planned=lambda k, n: made.append((k, n)),
        walked=lambda k, n: bars.append((k, n)),
    )  # fmt: skip
    assert made == [(1, 3), (2, 3), (3, 3)]
    assert bars[-1] == (73, 73)


@cache
def backed() -> Backtest:
    """Coins as collateral: next to no cash, and coin-margined contracts on two of the coins held."""
    data = source(inverse=("BTC", "ETH", "AAA"))
    mine = portfolio(data, coins=("BTC", "ETH", "AAA", "BBB"))
    tolerance = Tolerance(coverage=0.5, collateral=Decimal(50))
    return backtest(
        mine, data, tolerance, Policy(replan=4 * DAY), start=START, end=END, venues=load_venues()
    )  # fmt: skip


def test_posted_coins_go_on_being_protected_when_a_plan_is_made_anew() -> None:
    test = backed()
    legs = [leg.contract.id for leg in test.replay.books.legs]
    turn = int(np.searchsorted(test.course.times, np.datetime64((START + 4 * DAY).replace(tzinfo=None))))
    for plan, step in ((test.plans[0], 0), (test.plans[1], turn)):
        for order in plan.orders:
            held = -int(test.paths.lots[step, legs.index(order.contract.id)]) * order.contract.lot
            assert held == pytest.approx(order.quantity, rel=Decimal("0.06"))


def test_a_later_plan_posts_the_coins_it_asks_for() -> None:
    test = backed()
    table = test.ledger_frame()
    posted = table.filter((pl.col("flow") == "spot") & (pl.col("item") == pl.col("currency")))
    assert posted.height > 0
    for asset, amount, quantity in posted.select("item", "amount", "quantity").rows():
        assert Decimal(quantity) == -amount
        sent = table.filter((pl.col("flow") == "transfer") & (pl.col("currency") == asset))
        assert sent["amount"].sum() == 0
    assert all(account.liquidations == 0 for account in test.summary.accounts)
    assert max(account.highest for account in test.summary.accounts) < 0.2
    parts = test.attribution
    assert abs(parts.total - parts.change) < Decimal("1e-30")
    row = test.summary.outcome(HEDGED)
    assert row is not None
    assert row.change == pytest.approx(float(parts.change), abs=1e-6)
