"""A replay by hand: rolling, charges, transfers, the future it must not see, and input that cannot be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import numpy as np
import pytest
from numpy.random import Generator, Philox

from stormsail.core import InputError, Payoff, Trouble, UnavailableError
from stormsail.lab.account import MarginAccount
from stormsail.lab.course import Course, record
from stormsail.lab.ledger import FLOW, STEP, Flow
from stormsail.lab.replay import Gain, Replay, replay
from stormsail.lab.result import attribute, paths
from stormsail.lab.shock import Frozen
from stormsail.market.schema import Kind
from stormsail.watch.policy import HOLD, AfterLoss, Follow, Ladder, Lost, Policy, Rebalance, Roll, Switch
from tests.lab.courses import contract, course, leg
from tests.lab.generated import case
from tests.lab.test_conservation import busy_with
from tests.support import MemorySource, bars, funding, info_of, random_walk

NOTHING = AfterLoss(Lost.NOTHING)
WIDE = {"warn": 0.35, "top_up": 0.5, "top_up_to": 0.2, "reduce": 0.7, "reduce_to": 0.4, "close": 0.9}
"""Rungs far apart, for round figures."""


def one(market: Course, lots: float, deposit: str, policy: Policy, **more: object) -> Replay:
    of = market.contracts[0]
    account = MarginAccount("a", of.venue, (leg(of),), {"USDT": D(deposit)}, currency="USDT")
    holdings = more.pop("holdings", {})
    return replay(
        market, [account], holdings, lambda coins: np.full((len(market.times), 1), lots), policy, **more  # type: ignore[arg-type]
    )  # fmt: skip


# --- rolling ---


def rolled(steps: int = 80) -> Replay:
    now, later = (contract("BTC", expiry=datetime(2025, 1, d, 8, tzinfo=UTC)) for d in (3, 4))
    walk = random_walk(steps, seed=4, volatility=0.002, first=1000.0)
    market = course({now: walk * 1.01, later: walk * 1.02}, spot={"BTC": walk})
    account = MarginAccount("a", "binance", (leg(now), leg(later)), {"USDT": D(5000)}, currency="USDT")
    policy = Policy(Rebalance(Follow.BAND), ladder=None, roll=Roll(timedelta(hours=8), 4), after_loss=NOTHING)
    return replay(market, [account], {}, lambda coins: np.tile([-100.0, 0.0], (steps, 1)), policy)


def test_a_roll_is_never_flat_and_never_double() -> None:
    run = rolled()
    lots = paths(run).lots
    expired = int(run.course.ends[0])
    assert (np.abs(lots[:expired].sum(axis=1) + 100) <= 1).all()
    assert lots[expired - 1].tolist() == [0, -100]
    assert not any(line.what == "expired" and "ETH" in line.where for line in run.log)


def test_a_roll_goes_in_slices_with_its_reasons() -> None:
    lines = [line for line in rolled().log if line.what == "roll"]
    assert [line.reason.split(":")[0] for line in lines][:2] == ["holding to rolling", "rolling to rolled"]
    assert len({tuple(row) for row in paths(rolled()).lots.tolist()}) > 4


def test_without_a_later_contract_it_is_stuck_and_told() -> None:
    dated = contract("BTC", expiry=datetime(2025, 1, 3, 8, tzinfo=UTC))
    walk = np.full(70, 1000.0)
    policy = Policy(Rebalance(Follow.BAND), ladder=None, roll=Roll(timedelta(hours=8)), after_loss=NOTHING)
    run = one(course({dated: walk}), -10.0, "5000", policy)
    assert [line.what for line in run.log] == ["roll", "warn", "expired"]
    assert any(f.trouble is Trouble.NAKED for f in run.findings)
    assert run.books.state.lots[0] == 0


def test_a_perpetual_that_pays_less_is_exchanged() -> None:
    perpetual, dated = contract("BTC"), contract("BTC", expiry=datetime(2025, 3, 1, 8, tzinfo=UTC))
    walk = np.full(24 * 8, 1000.0)
    rates = np.where(np.arange(len(walk)) % 8 == 0, -1e-4, 0.0)
    market = course({perpetual: walk, dated: walk * 1.03}, rate={perpetual: rates}, spot={"BTC": walk})
    account = MarginAccount("a", "binance", (leg(perpetual), leg(dated)), {"USDT": D(50_000)}, currency="USDT")
    policy = Policy(Rebalance(Follow.BAND), None, None, Switch(hold=timedelta(days=2)), NOTHING)
    run = replay(market, [account], {}, lambda coins: np.tile([-100.0, 0.0], (len(walk), 1)), policy)
    assert run.books.state.lots.tolist() == [0, -100]
    assert [line.what for line in run.log].count("switch") == 1


# --- money ---


def test_collateral_arrives_after_its_latency_and_after_a_halt() -> None:
    of = contract("BTC")
    price = np.concatenate([[100.0, 100.0], np.full(28, 127.0)])
    ladder = Ladder(**WIDE, latency=timedelta(hours=5))
    policy = Policy(Rebalance(Follow.HOLD), ladder, None, None, NOTHING)
    market = course({of: price})
    run = one(market, -100.0, "380", policy, reserve={"USDT": D(1000)})
    assert {line.what: line.when for line in run.log}["arrived"] == market.moment(2 + 5)
    halt = Frozen(market.moment(4), market.moment(15))
    held = one(market, -100.0, "380", policy, reserve={"USDT": D(1000)}, shocks=[halt])
    assert {line.what: line.when for line in held.log}["arrived"] == market.moment(15)
    at_once = Policy(Rebalance(Follow.HOLD), Ladder(**WIDE, latency=timedelta(0)), None, None, NOTHING)
    quick = one(market, -100.0, "380", at_once, reserve={"USDT": D(1000)})
    assert {line.what: line.when for line in quick.log}["arrived"] == market.moment(2)


def test_an_account_that_was_flat_is_watched_again_when_it_is_reopened() -> None:
    """Flat while something happened elsewhere, short again from the tenth bar, in trouble from the twentieth."""
    price = np.concatenate([np.full(20, 100.0), np.full(10, 127.0)])
    market = course({contract("BTC"): price})
    policy = Policy(Rebalance(Follow.CLOCK), Ladder(**WIDE), None, None, NOTHING)
    wanted = np.where((np.arange(30) < 3) | (np.arange(30) >= 10), -100.0, 0.0)[:, None]
    account = MarginAccount("a", "binance", (leg(market.contracts[0]),), {"USDT": D(380)}, currency="USDT")
    nothing = Frozen(market.moment(5), market.moment(6))
    run = replay(market, [account], {}, lambda coins: wanted, policy, reserve={"USDT": D(1000)}, shocks=[nothing])
    assert [line.when for line in run.log if line.what == "top-up"] == [market.moment(20)]


def test_interest_on_what_is_owed_in_another_currency() -> None:
    """1 BTC is posted and the short has lost 1,000 USDT by the first midnight: a day of 36.5 % a year costs 1 USDT."""
    of = contract("ETH")
    steps = 26
    eth = np.full(steps, 3000.0)
    eth[1:] = 3100.0
    worth = {"BTC": [50_000.0] * steps, "USDT": [1.0] * steps}
    market = course({of: eth}, worth=worth)
    account = MarginAccount("a", "binance", (leg(of),), {"BTC": D(1)}, {"BTC": 0.95})
    run = replay(market, [account], {}, lambda coins: np.full((steps, 1), -100.0), HOLD, interest={"USDT": D("0.365")})
    rows = run.ledger[run.ledger[:, FLOW] == Flow.BORROW]
    assert rows[:, STEP].tolist() == [24]
    assert int(rows[0, 5]) == -1_000_000
    assert attribute(run).interest == D(-1)


def test_haircuts_are_the_venues_of_the_day() -> None:
    of = contract("ETH")
    market = course({of: [3000.0] * 3}, worth={"BTC": [50_000.0] * 3, "USDT": [1.0] * 3})
    account = MarginAccount("a", "binance", (leg(of),), {"BTC": D(1)})
    run = replay(market, [account], {}, lambda coins: np.full((3, 1), -10.0), HOLD)
    assert run.books.terms.weight.tolist() == [[0.95, 0.9999]]
    told = replay(market, [replace(account, venue="okx")], {}, lambda coins: np.full((3, 1), -10.0), HOLD)
    assert told.books.terms.weight.tolist() == [[0.0, 1.0]]
    assert any(f.subject == "haircuts a" for f in told.findings)


def test_tax_is_asked_for_every_gain_and_only_where_a_rule_is_given() -> None:
    of = contract("BTC")
    market = course({of: [100.0, 100.0, 80.0, 80.0]})
    target = np.array([[-100.0], [-100.0], [-50.0], [-50.0]])
    account = MarginAccount("a", "binance", (leg(of),), {"USDT": D(500)}, currency="USDT")
    seen: list[Gain] = []

    def quarter(gain: Gain) -> D:
        seen.append(gain)
        return gain.amount / 4

    follow = Policy(Rebalance(Follow.CLOCK), None, None, None, NOTHING)
    run = replay(market, [account], {}, lambda coins: target, follow, tax=quarter, reserve={"USDT": D(100)})
    assert [(g.what, g.amount) for g in seen] == [("binance:BTCUSDT", D(100))]  # 5 coins, 20 gained on each
    assert attribute(run).tax == D(-25)
    assert attribute(run).total == attribute(run).change
    assert attribute(replay(market, [account], {}, lambda coins: target, follow)).tax == 0


def test_a_sale_is_taxed_on_what_it_brought_beyond_its_cost() -> None:
    of = contract("BTC")
    market = course({of: [100.0, 100.0, 134.0, 134.0]})
    policy = Policy(Rebalance(Follow.HOLD), Ladder(**WIDE, with_spot=True), None, None, NOTHING)
    seen: list[Gain] = []
    run = one(market, -100.0, "430", policy, holdings={"BTC": D(10)}, tax=lambda g: seen.append(g) or D(0),
              costs={"BTC": D(30)})  # fmt: skip
    sale = next(g for g in seen if g.what == "BTC")
    sold = 10 - float(run.coins["BTC"])
    assert float(sale.proceeds) == pytest.approx(134 * sold)
    assert float(sale.amount) == pytest.approx((134 - 30) * sold)


def test_quanto_pays_in_its_third_coin() -> None:
    of = contract("ETH", payoff=Payoff.QUANTO, size="0.001", lot="1")
    market = course({of: [3000.0, 2000.0]}, worth={"BTC": [50_000.0, 40_000.0], "USDT": [1.0, 1.0]})
    given = replace(leg(of), settle="BTC")
    account = MarginAccount("a", "binance", (given,), {"BTC": D(10)}, currency="BTC")
    run = replay(market, [account], {}, lambda coins: np.full((2, 1), -2.0), HOLD)
    # 2 contracts, 0.001 BTC for each of 1,000 points: 2 BTC, worth 40,000 each
    parts = attribute(run)
    assert parts.hedge + parts.basis == D(80_000)
    with pytest.raises(InputError, match="third coin"):
        replay(market, [replace(account, legs=(leg(of),))], {}, lambda coins: np.full((2, 1), -2.0), HOLD)


# --- no look-ahead ---


def _scrambled(market: Course, after: int, seed: int) -> Course:
    """Another market from the bar after ``after`` on."""
    draw = Generator(Philox(key=seed))
    factor = np.ones(market.last.shape)
    factor[after + 1 :] = np.exp(draw.normal(0, 0.4, factor[after + 1 :].shape))
    late = np.arange(len(market.times)) > after
    rate = np.where(late[:, None] & market.settles, draw.normal(0, 1e-3, factor.shape), market.rate)
    money = np.exp(draw.normal(0, 0.1, market.worth.shape))
    money[~late] = 1.0
    shade = np.exp(draw.normal(0, 0.4, market.spot.shape))
    shade[~late] = 1.0
    worst = np.where(late[:, None], market.worst * money * 0.9, market.worst)
    return replace(
        market, last=market.last * factor, mark=market.mark * factor, high=market.high * factor,
        low=market.low * factor, rate=rate, worth=market.worth * money, worst=np.minimum(worst, market.worth * money),
        spot=market.spot * shade, impact=np.where(late[:, None], 1e-5, market.impact),
    )  # fmt: skip


def _same_until(one: Replay, other: Replay, at: int) -> None:
    rows, others = (run.ledger[run.ledger[:, STEP] <= at] for run in (one, other))
    assert (rows == others).all()
    until = one.course.moment(at)
    assert [h for h in one.log if h.when <= until] == [h for h in other.log if h.when <= until]
    settled = int((one.books.tape.settles[: at + 1]).max(initial=-1)) + 1
    assert (one.paid[:settled] == other.paid[:settled]).all()
    a, b = paths(one), paths(other)
    for name in ("unhedged", "hedged", "lots", "cash", "balance", "requirement", "funding", "short"):
        np.testing.assert_array_equal(getattr(a, name)[: at + 1], getattr(b, name)[: at + 1])


@pytest.mark.parametrize("seed", range(40))
def test_what_comes_after_changes_nothing_before(seed: int) -> None:
    """Everything at once: band, ladder, rolls, shocks, sales, and targets that are known only as far."""
    given, at = case(seed), 6 + seed % 14
    market = _scrambled(given.course, at, seed)
    noise = Generator(Philox(key=seed)).normal(0, 1, given.target.shape)
    late = np.arange(len(given.target))[:, None] > at
    other = replace(given, course=market, target=np.where(late, given.target * noise, given.target))
    _same_until(busy_with(given, seed), busy_with(other, seed), at)


def _source() -> MemorySource:
    steps = 24 * 30
    series = {}
    for n, coin in enumerate(("AAA", "BBB")):
        frame = bars(random_walk(steps, seed=11 + n, volatility=0.01), spread=0.003)
        series[info_of(frame, Kind.PERPETUAL, f"{coin}USDT", bar=timedelta(hours=1))] = frame
        series[info_of(frame, Kind.SPOT, f"{coin}USDT", bar=timedelta(hours=1))] = frame
        rates = funding(np.full(steps // 8, 1e-4 * (n + 1)))
        series[info_of(rates, Kind.FUNDING, f"{coin}USDT")] = rates
    return MemorySource(series)


def _recorded(source: MemorySource, start: datetime) -> Replay:
    legs = [leg(contract(coin)) for coin in ("AAA", "BBB")]
    market = record(source.view(), [x.contract for x in legs], ["AAA", "BBB"], start=start)
    account = MarginAccount("a", "binance", tuple(legs), {"USDT": D(600)}, currency="USDT")
    policy = Policy(Rebalance(Follow.BAND, half_width=0.02), Ladder(**WIDE, latency=timedelta(hours=4)), None, None,
                    AfterLoss(Lost.REHEDGE, timedelta(hours=2)))  # fmt: skip
    wanted = -100.0 * market.last / market.last[0]
    return replay(market, [account], {"AAA": D(10), "BBB": D(10)}, lambda coins: wanted, policy,
                  reserve={"USDT": D(2000)})  # fmt: skip


def test_nonsense_after_a_moment_of_the_source_changes_nothing_before() -> None:
    source = _source()
    start = source.view().as_of - timedelta(days=10)
    whole = _recorded(source, start)
    for at in (50, 130):
        other = _recorded(source.scrambled_after(whole.course.moment(at)), start)
        assert not np.array_equal(whole.course.last[at + 1 :], other.course.last[at + 1 :])
        _same_until(whole, other, at)


# --- input that cannot be ---


def test_a_coin_without_any_history() -> None:
    source = _source()
    start = source.view().as_of - timedelta(days=10)
    with pytest.raises(UnavailableError):
        record(source.view(), [contract("AAA")], ["AAA", "ZZZ"], start=start)
    with pytest.raises(UnavailableError, match="no price series"):
        record(source.view(), [contract("ZZZ")], ["AAA"], start=start)


def test_missing_bars_carry_the_last_price_on_and_are_told() -> None:
    close = random_walk(24 * 30, seed=5)
    frame = bars(close)
    holed = frame.filter(~frame["known_at"].is_between(frame["known_at"][-60], frame["known_at"][-40]))
    series = {info_of(holed, kind, "AAAUSDT", bar=timedelta(hours=1)): holed for kind in (Kind.PERPETUAL, Kind.SPOT)}
    source = MemorySource(series)
    market = record(source.view(), [contract("AAA")], ["AAA"], start=source.view().as_of - timedelta(days=5))
    assert (market.last[-60:-40, 0] == close[-61]).all()
    assert any(f.trouble is not Trouble.NOTE and "AAA" in f.subject for f in market.findings)


@pytest.mark.parametrize("name", ["last", "mark", "high", "low"])
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_prices_that_cannot_be(name: str, bad: float) -> None:
    market = course({contract("BTC"): [100.0] * 4})
    broken = getattr(market, name).copy()
    broken[2] = bad
    with pytest.raises(InputError, match=r"2025-01-01.02:00"):
        one(replace(market, **{name: broken}), -1.0, "100", HOLD)


def test_a_spot_price_of_zero() -> None:
    with pytest.raises(InputError, match="positive"):
        course({contract("BTC"): [100.0] * 3}, spot={"BTC": [100.0, 0.0, 100.0]})


def test_a_negative_deposit_or_reserve() -> None:
    market = course({contract("BTC"): [100.0] * 3})
    with pytest.raises(InputError, match="deposit"):
        one(market, -1.0, "-5", HOLD)
    with pytest.raises(InputError, match="reserve"):
        one(market, -1.0, "5", HOLD, reserve={"USDT": D(-1)})
    with pytest.raises(InputError, match="EUR"):
        one(market, -1.0, "5", HOLD, reserve={"EUR": D(1)})


def test_an_account_without_equity_opens_nothing() -> None:
    run = one(course({contract("BTC"): [100.0] * 3}), -1.0, "0", HOLD)
    assert run.ledger[:, FLOW].tolist() == [Flow.REFUSED]


@pytest.mark.parametrize(("policy", "lots"), [(HOLD, 0), (Policy(Rebalance(), None, None, None, NOTHING), -10)])
def test_a_contract_that_is_not_yet_listed(policy: Policy, lots: int) -> None:
    """It is waited for, or where the policy trades once never opened; told either way."""
    market = course({contract("BTC"): [np.nan, np.nan, 100.0, 100.0]}, spot={"BTC": [100.0] * 4})
    run = one(market, -10.0, "100", policy)
    assert run.books.state.lots[0] == lots
    assert any("before it can be traded" in f.cause for f in run.findings)


def test_more_coins_posted_than_held() -> None:
    of = contract("BTC", quote="USD", payoff=Payoff.INVERSE, lot="1", size="100")
    market = course({of: [100.0] * 3}, worth={"BTC": [100.0] * 3, "USDT": [1.0] * 3})
    account = MarginAccount("a", "binance", (leg(of),), {"BTC": D(2)}, currency="BTC")
    with pytest.raises(InputError, match="posted"):
        replay(market, [account], {"BTC": D(1)}, lambda coins: np.full((3, 1), -1.0), HOLD)


def test_accounts_that_do_not_fit_their_course() -> None:
    market = course({contract("BTC"): [100.0] * 3})
    stranger = MarginAccount("a", "binance", (leg(contract("ETH")),), {"USDT": D(5)}, currency="USDT")
    with pytest.raises(InputError, match="not recorded"):
        replay(market, [stranger], {}, lambda coins: np.zeros((3, 1)), HOLD)
    other = MarginAccount("a", "binance", (leg(contract("BTC")),), {"USDC": D(5)}, currency="USDT")
    with pytest.raises(InputError, match="USDC has no price"):
        replay(market, [other], {}, lambda coins: np.zeros((3, 1)), HOLD)
