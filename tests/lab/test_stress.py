"""Storms over the sample's plan, against what can be worked out by hand."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stormsail.adapters.files.storm_files import load_storms, parse_storm
from stormsail.app.api import Workbench, sample_portfolio
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Unavailable, to_float
from stormsail.core.plain import to_plain
from stormsail.lab.bygone import recorded
from stormsail.lab.change import NoVariant, Variant, changes
from stormsail.lab.coin_moves import Betas, log_move
from stormsail.lab.scenario import Scenario
from stormsail.lab.setup import contracts_of
from stormsail.lab.shock import Deleveraged, VenueGone
from stormsail.lab.storm import brew
from stormsail.lab.stress import stress
from stormsail.lab.stress_result import StormResult
from stormsail.plan.types import HedgePlan
from stormsail.watch.policy import HOLD, Policy

HEAD = 'schema_version = 1\nname = "mine"\ntitle = "Mine"\n'
RESERVE = {"USDT": Decimal(20_000)}


@cache
def made() -> tuple[Workbench, HedgePlan]:
    bench = Workbench.open()
    return bench, bench.plan(sample_portfolio(), Tolerance())


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return made()[0]


@pytest.fixture(scope="module")
def plan() -> HedgePlan:
    return made()[1]


def storm(text: str) -> Scenario:
    return parse_storm(HEAD + text)


def only(plan: HedgePlan, scenario: Scenario, policy: Policy = HOLD) -> StormResult:
    report = stress(plan, [scenario], None, policy, reserve=RESERVE)
    assert not report.refused
    return report.storms[0]


def short(plan: HedgePlan) -> float:
    return sum(to_float(order.notional) for order in plan.orders)


def opening(plan: HedgePlan, factor: float = 1.0) -> float:
    """Fees and slippage of opening; slippage is that of the plan's own orders times a factor."""
    slips = [0.001 * to_float(o.notional) if isinstance(o.slippage, Unavailable) else
             max(to_float(o.slippage), 1e-4 * to_float(o.notional)) for o in plan.orders]  # fmt: skip
    return sum(to_float(order.fee) for order in plan.orders) + factor * sum(slips)


# --- moves ---------------------------------------------------------------------------------------------------------


def test_a_coin_moves_by_the_first_rule_that_fits() -> None:
    betas = {"SOL": Betas(1.5, 1.2), "ADA": Betas(1.0, 1.0), "XRP": Betas(0.5, 0.4)}
    wide = (0.1, 9.0)

    def move(asset: str, moves: dict[str, float], spread: tuple[float, float] = wide) -> float:
        return math.expm1(log_move(asset, moves, betas, spread)[0])

    assert move("SOL", {"SOL": -0.7, "alts": -0.5, "BTC": -0.2}) == pytest.approx(-0.7)
    assert move("ADA", {"alts": -0.5, "BTC": -0.2}) == pytest.approx(-0.5)
    assert move("SOL", {"alts": -0.5, "BTC": -0.2}) == pytest.approx(0.5**1.5 - 1)
    assert move("SOL", {"alts": -0.5}, (0.8, 1.1)) == pytest.approx(0.5**1.1 - 1)
    assert move("SOL", {"alts": 0.5}) == pytest.approx(1.5**1.2 - 1)
    assert move("SOL", {"BTC": -0.2}) == pytest.approx(0.8**1.5 - 1)
    assert move("SOL", {"BTC": 0.2}) == pytest.approx(1.2**1.2 - 1)
    assert move("NEW", {"alts": -0.5, "BTC": -0.2}) == pytest.approx(-0.5)
    assert move("NEW", {"BTC": -0.2}) == pytest.approx(-0.2)
    assert move("ETH", {"alts": -0.5}) == 0.0
    assert "its beta is unknown" in log_move("NEW", {"BTC": -0.2}, betas, wide)[1]


def test_prices_start_at_the_plans_and_pass_through_the_keyframes(plan: HedgePlan) -> None:
    scenario = storm("[moves]\nSOL = -0.5\nETH = -0.3\nalts = -0.4\n[[path]]\nhour = 10\nshare = 1.0\n"
                     "[[path]]\nhour = 20\nshare = 0.5\n")  # fmt: skip
    course = brew(plan, scenario).course
    prices = {row.asset: row.price for row in plan.exposure.assets}
    k = course.coins.index("SOL")
    assert course.spot[[0, 10, 20], k] == pytest.approx(prices["SOL"] * np.array([1.0, 0.5, 0.75]), rel=1e-12)
    assert course.spot[5, k] == pytest.approx(prices["SOL"] * math.sqrt(0.5), rel=1e-12)
    orders = {order.contract.id: order for order in plan.orders}
    for j, contract in enumerate(course.contracts):
        assert course.last[0, j] == pytest.approx(to_float(orders[contract.id].price), rel=1e-12)
        assert (course.high[:, j] >= course.mark[:, j]).all()
        assert (course.low[:, j] <= course.mark[:, j]).all()
    assert course.moment(0) == plan.as_of
    assert len(course.times) == 21


def test_contracts_are_priced_in_the_stablecoin_they_settle_in(plan: HedgePlan) -> None:
    flat = "hours = 10\n[[peg]]\ncurrency = 'USDT'\nhours = [0, 10]\nprices = [1.0, 0.8]\n"
    course = brew(plan, storm(flat)).course
    assert course.last[-1] == pytest.approx(course.last[0] / 0.8, rel=1e-12)
    assert (course.spot == course.spot[0]).all()


# --- losses --------------------------------------------------------------------------------------------------------


def test_a_fall_of_everything_is_what_the_shorts_say(plan: HedgePlan) -> None:
    fall = "[moves]\nBTC = -0.3\nETH = -0.3\nalts = -0.3\n[[path]]\nhour = 10\nshare = 1.0\n"
    same = replace(storm(fall), spread=(1.0, 1.0))
    found = only(plan, same)
    assert found.unhedged.deepest == pytest.approx(-0.3 * plan.exposure.risky_value, rel=1e-9)
    assert found.unhedged.hour == found.hedged.hour == 10
    expected = -0.3 * plan.exposure.risky_value + 0.3 * short(plan) - opening(plan)
    assert found.hedged.deepest == pytest.approx(expected, abs=2.0)
    kept = found.unhedged.deepest * (1 - plan.tolerance.coverage)
    cost = 0.0015 * plan.tolerance.coverage * plan.exposure.risky_value
    assert found.sold.deepest == pytest.approx(kept - cost, rel=1e-9)
    assert found.failure is None
    assert not isinstance(found.effect, Unavailable) or "20 needed" in found.effect.reason


def test_funding_at_a_rate_is_paid_at_every_settlement(plan: HedgePlan) -> None:
    found = only(plan, storm("hours = 240\n[[funding]]\nend = 240\nrate = {all = -0.001}\n"))
    assert to_float(found.attribution.funding) == pytest.approx(-0.001 * 30 * short(plan), rel=1e-6)
    assert found.hedged.end == pytest.approx(-0.03 * short(plan) - opening(plan), abs=2.0)
    assert found.best == "half the shorts"


def test_a_venue_that_is_gone_takes_collateral_and_profit(plan: HedgePlan) -> None:
    text = "[moves]\nBTC = -0.2\nETH = -0.2\nalts = -0.2\n[[path]]\nhour = 10\nshare = 1.0\n"
    gone = replace(storm(text + "[[shock]]\nwhat = 'venue gone'\nhour = 10\nvenue = 'all'\n"), spread=(1.0, 1.0))
    found = only(plan, gone)
    posted = sum(to_float(margin.collateral) for margin in plan.margins)
    assert found.hedged.end == pytest.approx(found.unhedged.end - posted, abs=1.0)
    assert to_float(found.attribution.lost) == pytest.approx(-posted - 0.2 * short(plan) + opening(plan), abs=2.0)
    assert found.failure is not None
    assert (found.failure.what, found.failure.hour) == ("venue gone", 10)
    assert found.failure.when == plan.as_of + timedelta(hours=10)
    assert found.best == "half the shorts" or found.best == "a second venue" or found.best == ""
    double = next(t for t in found.tried if t.name == "double collateral")
    assert double.gain_end == pytest.approx(-posted, abs=1.0)


def test_a_squeeze_liquidates_and_twice_the_collateral_helps(plan: HedgePlan) -> None:
    found = only(plan, load_storms()["squeeze-then-crash"], Policy())
    assert found.failure is not None
    assert found.failure.what == "liquidation"
    assert found.failure.hour <= 48
    assert found.hedged.deepest < found.unhedged.deepest
    assert found.best in ("double collateral", "early top-ups", "top-ups within 1 h")
    assert found.helper is not None
    assert found.helper.gain > 0.2 * found.value
    assert 0 < found.reserve_used <= 20_000


def test_a_forced_settlement_takes_profit_and_collateral(plan: HedgePlan) -> None:
    text = "[moves]\nBTC = -0.2\nETH = -0.2\nalts = -0.2\n[[path]]\nhour = 10\nshare = 1.0\n"
    base = replace(storm(text), spread=(1.0, 1.0))
    hit = replace(storm(text + "[[settled]]\nhour = 10\n"), spread=(1.0, 1.0))
    largest = max(plan.orders, key=lambda o: o.notional)
    position = next(p for m in plan.margins for p in m.positions if p.contract == largest.contract.id)
    loss = only(plan, base).hedged.end - only(plan, hit).hedged.end
    assert loss == pytest.approx(0.2 * to_float(largest.notional) + to_float(position.collateral), rel=1e-3)
    failure = only(plan, hit).failure
    assert failure is not None
    assert (failure.what, failure.where) == ("delisted", largest.contract.id)


def test_slippage_grows_with_the_drought(plan: HedgePlan) -> None:
    flat = "hours = 10\n[moves]\nBTC = 0.0\nalts = 0.0\n[[path]]\nhour = 10\nshare = 1.0\n"
    calm = to_float(only(plan, storm(flat)).attribution.slippage)
    dry = to_float(only(plan, storm(flat + "[[liquidity]]\nstart = 0\nend = 10\nfactor = 30\n")).attribution.slippage)
    assert dry == pytest.approx(30 * calm, rel=1e-3)


def test_a_wick_on_the_last_price_kills_only_where_it_is_looked_at(plan: HedgePlan) -> None:
    text = "hours = 10\n[moves]\nBTC = 0.0\nalts = 0.0\n[[path]]\nhour = 10\nshare = 1.0\n"
    wick = "[[wick]]\nhour = 5\nmove = 2.0\non = 'last'\n"
    assert only(plan, storm(text + wick)).failure is None
    judged = only(plan, parse_storm(HEAD + "judge = 'last'\n" + text + wick)).failure
    assert judged is not None
    assert (judged.what, judged.hour) == ("liquidation", 5)
    marked = only(plan, storm(text + wick.replace("last", "mark"))).failure
    assert marked is not None
    assert marked.hour == 5


def test_a_wrong_mark_is_off_and_a_silent_one_stands_still(plan: HedgePlan) -> None:
    rise = "[moves]\nBTC = 0.2\nETH = 0.2\nalts = 0.2\n[[path]]\nhour = 10\nshare = 1.0\n"
    wrong = brew(plan, storm(rise + "[[oracle]]\nstart = 4\nend = 6\noff = 0.5\n")).course
    assert wrong.mark[[4, 5]] == pytest.approx(1.5 * wrong.last[[4, 5]])
    assert wrong.mark[[3, 6]] == pytest.approx(wrong.last[[3, 6]])
    assert (wrong.high[6] >= wrong.mark[5]).all()
    silent = brew(plan, storm(rise + "[[oracle]]\nstart = 4\nend = 8\nsilent = true\n")).course
    assert (silent.mark[4:8] == silent.last[4]).all()
    assert silent.mark[8] == pytest.approx(silent.last[8])


def test_pegs_fail_when_they_are_relied_on(plan: HedgePlan) -> None:
    text = "hours = 10\n[[peg]]\ncurrency = '{}'\nhours = [0, 10]\nprices = [1.0, 0.9]\n"
    failure = only(plan, storm(text.format("USDT"))).failure
    assert failure is not None
    assert (failure.what, failure.where, failure.hour) == ("peg", "USDT", 2)
    assert only(plan, storm(text.format("USDC"))).failure is None
    swapped = next(t for t in only(plan, storm(text.format("USDC"))).tried if t.name == "collateral in USDC")
    assert swapped.gain_end < 0


def test_shocks_meet_the_venues_that_are_meant(plan: HedgePlan) -> None:
    text = "hours = 9\n[[shock]]\nwhat = 'deleveraged'\nhour = 3\nvenue = '{}'\nshare = 0.5\nworse = 0.1\n"
    largest = brew(plan, storm(text.format("largest"))).shocks
    assert largest == (Deleveraged(plan.as_of + timedelta(hours=3), "binance", 0.5, 0.1, None, "deleveraged"),)
    assert brew(plan, storm(text.format("ftx"))).shocks == ()
    gone = brew(plan, storm("hours = 9\n[[shock]]\nwhat = 'venue gone'\nhour = 3\nvenue = 'all'\n")).shocks
    assert [type(each) for each in gone] == [VenueGone] * len({m.venue for m in plan.margins})


@given(
    st.lists(st.tuples(st.floats(-0.8, 1.5), st.floats(-0.8, 1.5)), min_size=1, max_size=4),
    st.floats(-0.003, 0.003),
    st.sampled_from(["", "venue gone", "deleveraged", "frozen"]),
)
@settings(max_examples=12, phases=(Phase.explicit, Phase.generate))
def test_whatever_the_storm_the_parts_add_up(path: list[tuple[float, float]], rate: float, shock: str) -> None:
    plan = made()[1]
    text = f"hours = 30\n[[funding]]\nend = 30\nrate = {{all = {rate:.6f}}}\n"
    for k, (btc, alts) in enumerate(path, 1):
        text += f"[[path]]\nhour = {5 * k}\nmoves = {{BTC = {btc:.4f}, ETH = {btc:.4f}, alts = {alts:.4f}}}\n"
    if shock:
        text += f"[[shock]]\nwhat = '{shock}'\nhour = 12\nvenue = 'all'\nshare = 0.5\nworse = 0.02\n"
    found = only(plan, storm(text), Policy())
    assert abs(found.attribution.total - found.attribution.change) < Decimal("1e-20")
    assert to_float(found.attribution.change) == pytest.approx(found.path_hedged[-1], abs=1e-5 * found.value)
    assert found.hedged.deepest <= min(found.hedged.end, 0.0) + 1e-6
    assert found.hedged.end >= found.unhedged.end - 4 * found.value
    assert 0 <= found.reserve_used <= 20_000 + 1e-6


# --- the past ------------------------------------------------------------------------------------------------------


def test_bars_after_the_view_are_not_read(plan: HedgePlan, bench: Workbench) -> None:
    inside = replace(
        load_storms()["yen-carry-2024"], window=(datetime(2025, 7, 20, tzinfo=UTC), datetime(2025, 7, 22, tzinfo=UTC))
    )
    contracts = contracts_of([plan])
    assert recorded(inside, ("SOL", "ADA"), contracts, bench.view) is not None
    early = bench.view.earlier(datetime(2025, 7, 21, tzinfo=UTC))
    assert recorded(inside, ("SOL", "ADA"), contracts, early) is None
    assert recorded(load_storms()["crash"], ("SOL",), contracts, bench.view) is None


def test_a_storm_the_data_holds_is_replayed_at_the_plans_prices(plan: HedgePlan, bench: Workbench) -> None:
    window = (datetime(2025, 7, 20, tzinfo=UTC), datetime(2025, 7, 22, tzinfo=UTC))
    brewed = brew(plan, replace(load_storms()["yen-carry-2024"], window=window), bench.view)
    assert brewed.recorded >= 10
    course, prices = brewed.course, {row.asset: row.price for row in plan.exposure.assets}
    assert course.spot[0] == pytest.approx([prices[c] for c in course.coins])
    orders = {order.contract.id: order for order in plan.orders}
    assert course.last[0] == pytest.approx([to_float(orders[c.id].price) for c in course.contracts])
    move = next(m for m in brewed.moves if m.asset == "SOL")
    assert move.how == "the path it took then"
    assert course.spot[-1, course.coins.index("SOL")] / prices["SOL"] - 1 == pytest.approx(move.end)


# --- changes -------------------------------------------------------------------------------------------------------


def test_changes_are_what_they_say(plan: HedgePlan) -> None:
    found = {each.name: each for each in changes(plan, Policy(), RESERVE, Unavailable("no data"))}
    half = found["half the shorts"]
    assert isinstance(half, Variant)
    assert short(half.plan) == pytest.approx(0.5 * short(plan), rel=0.02)
    assert half.plan.margins == plan.margins
    second = found["a second venue"]
    assert isinstance(second, Variant)
    assert short(second.plan) == pytest.approx(short(plan), rel=0.01)
    assert len({m.venue for m in second.plan.margins}) == len({m.venue for m in plan.margins}) + 1
    posted = sum(m.collateral for m in plan.margins)
    assert abs(sum(m.collateral for m in second.plan.margins) - posted) < Decimal("1")
    own = found["own contracts"]
    assert isinstance(own, NoVariant)
    assert own.why == "no data"
    early = found["early top-ups"]
    assert isinstance(early, Variant)
    assert early.policy.ladder is not None
    assert early.policy.ladder.top_up == 0.05
    assert isinstance({e.name: e for e in changes(plan, HOLD, RESERVE, own_missing())}["early top-ups"], NoVariant)
    empty = {e.name: e for e in changes(plan, Policy(), {}, own_missing())}["top-ups within 1 h"]
    assert isinstance(empty, NoVariant)
    assert "no reserve" in empty.why


def own_missing() -> Unavailable:
    return Unavailable("no data")


def test_none_of_these_helps_is_an_answer(plan: HedgePlan) -> None:
    found = only(plan, storm("hours = 24\n[moves]\nBTC = 0.0\nalts = 0.0\n[[path]]\nhour = 24\nshare = 1.0\n"))
    assert found.best == ""
    assert found.helper is None


# --- the whole -----------------------------------------------------------------------------------------------------


def test_the_same_storms_give_the_same_bytes_and_one_that_fails_stops_no_other(
    plan: HedgePlan, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    storms = [load_storms()[name] for name in ("tariff-2025", "venue-gone", "stablecoin-down")]
    done: list[tuple[int, int]] = []
    first = stress(
        plan, storms, bench.view, venues=bench.venues, reserve=RESERVE, tell=lambda a, b: done.append((a, b))
    )
    second = stress(plan, storms, bench.view, venues=bench.venues, reserve=RESERVE)
    assert json.dumps(to_plain(first)) == json.dumps(to_plain(second))
    assert done == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert not isinstance(first.storms[0].naive, Unavailable)
    assert "tariff-2025" in str(first)
    own = {order.contract.id for order in plan.orders}
    told = {f.subject.removeprefix("funding ") for f in first.storms[1].findings if f.subject.startswith("funding ")}
    assert told == own
    late = replace(storms[0], name="late", keyframes=(*storms[0].keyframes[:1],), hours=0)
    mixed = stress(plan, [late, storms[1]], None, HOLD, reserve=RESERVE)
    assert list(mixed.refused) == ["late"]
    assert [each.name for each in mixed.storms] == ["venue-gone"]


@pytest.mark.realdata
def test_past_storms_are_replayed_on_real_bars(real_data: Path) -> None:
    bench = Workbench.open(real_data, "2024-08-03")
    from stormsail.lab.storms import STORMS, equal_stakes

    held = bench.plan(equal_stakes(STORMS["yen-carry-2024"].coins, bench.view), Tolerance(coverage=0.6))
    latest = Workbench.open(real_data)
    names = ("yen-carry-2024", "ftx-2022", "tariff-2025")
    report = stress(
        held, [load_storms()[n] for n in names], latest.view, venues=bench.venues, reserve=RESERVE
    )  # fmt: skip
    yen, ftx, tariff = report.storms
    assert yen.recorded == len(yen.moves)
    assert ftx.recorded >= 12
    assert tariff.recorded == 0
    move = {m.asset: m for m in yen.moves}
    assert move["BTC"].extreme == pytest.approx(-0.19, abs=0.03)
    assert move["ETH"].extreme == pytest.approx(-0.26, abs=0.03)
    assert yen.hedged.deepest > 0.65 * yen.unhedged.deepest
    assert yen.failure is None
    assert ftx.attribution.funding < 0
    assert not isinstance(yen.effect, Unavailable)
    assert 0.4 < yen.effect.variance.value < 1.0
