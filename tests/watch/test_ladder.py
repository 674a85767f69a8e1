"""The ladder: each rung's figures by hand, and what must hold of any account."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import ConfigError, Payoff
from stormsail.watch.acts import SellSpot, TopUp, Trade, Warn, Withdraw
from stormsail.watch.ladder import REARM, respond, rungs, share_to, tend
from stormsail.watch.policy import Ladder
from stormsail.watch.sight import AccountSight, Sight
from tests.watch.support import NOW, account, contract, offer, short

WIDE = {"warn": 0.35, "top_up": 0.5, "top_up_to": 0.2, "reduce": 0.7, "reduce_to": 0.4, "close": 0.9}
"""Rungs far apart, for round figures."""

LADDER = Ladder(**WIDE)
A, B = contract("AAA"), contract("BBB", lot="1")


def test_below_the_first_rung_nothing_is_done():
    assert respond(LADDER, account(1000.0, 349.0), D(10**6)) == ()


def test_warn_says_the_ratio():
    (act,) = respond(LADDER, account(1000.0, 400.0), D(10**6))
    assert isinstance(act, Warn)
    assert "0.40" in act.reason


def test_top_up_brings_the_ratio_to_the_cent():
    """600 / 0.2 - 1000 = 2000; with 500.005 on the way 1499.995, rounded up to the cent."""
    (act,) = respond(LADDER, account(1000.0, 600.0), D(10**6))
    assert isinstance(act, TopUp)
    assert (act.amount, act.currency) == (D("2000.00"), "USDT")
    (act,) = respond(LADDER, account(1000.0, 600.0, on_the_way=500.005), D(10**6))
    assert isinstance(act, TopUp)
    assert act.amount == D("1500.00")


def test_top_up_takes_no_more_than_the_reserve_and_says_when_it_is_empty():
    (act,) = respond(LADDER, account(1000.0, 600.0), D("123.456"))
    assert isinstance(act, TopUp)
    assert act.amount == D("123.45")
    assert "all the reserve has" in act.reason
    (act,) = respond(LADDER, account(1000.0, 600.0), D(0))
    assert isinstance(act, Warn)
    assert "reserve is empty" in act.reason


def test_coins_are_sent_in_hundred_millionths():
    seen = AccountSight("x in BTC", "binance", "BTC", 1.0, 0.6, 0.0, ())
    (act,) = respond(LADDER, seen, D(9))
    assert isinstance(act, TopUp)
    assert act.amount == D("2.00000000")


def test_what_is_on_the_way_is_not_sent_twice():
    assert respond(LADDER, account(1000.0, 600.0, on_the_way=2000.0), D(10**6)) == ()


def test_reduce_by_hand():
    """R 800, B 1000, value 2000, fee 0.05 %: f = (800 - 400) / (800 - 0.4) = 0.50025, so 50.1 of 100 in lots of 0.1."""
    seen = account(1000.0, 800.0, short(A, "-100", 10.0), short(B, "-100", 10.0))
    assert share_to(seen, 0.4) == pytest.approx(400 / 799.6, rel=1e-12)
    one, two = respond(LADDER, seen, D(10**6))
    assert isinstance(one, Trade)
    assert isinstance(two, Trade)
    assert (one.contract, one.quantity) == (A.id, D("50.1"))
    assert (two.contract, two.quantity) == (B.id, D(51))


def test_reduce_waits_for_a_transfer_that_will_do():
    held = short(A, "-100", 10.0)
    (act,) = respond(LADDER, account(1000.0, 800.0, held, on_the_way=2000.0), D(0))
    assert isinstance(act, Warn)
    assert "on the way" in act.reason
    (act,) = respond(LADDER, account(1000.0, 800.0, held, on_the_way=50.0), D(0))
    assert isinstance(act, Trade)


def test_a_transfer_that_takes_no_time_goes_before_a_reduction():
    at_once, seen = Ladder(**WIDE, latency=timedelta(0)), account(1000.0, 800.0, short(A, "-100", 10.0))
    assert isinstance(respond(at_once, seen, D(3000))[0], TopUp)
    assert isinstance(respond(at_once, seen, D(2999))[0], Trade)
    assert isinstance(respond(LADDER, seen, D(3000))[0], Trade)


def test_close_buys_everything_back_before_the_venue_does():
    seen = account(1000.0, 950.0, short(A, "-100", 10.0), short(B, "-7", 10.0), on_the_way=1e9)
    acts = respond(LADDER, seen, D(10**6))
    assert [(a.contract, a.quantity) for a in acts if isinstance(a, Trade)] == [(A.id, D(100)), (B.id, D(7))]
    broke = respond(LADDER, account(-5.0, 950.0, short(A, "-100", 10.0)), D(0))
    assert isinstance(broke[0], Trade)


def test_what_cannot_be_traded_is_named_and_the_others_carry_it():
    """Half the value is halted, so all of the other half must go to halve the account."""
    seen = account(1000.0, 800.0, short(A, "-100", 10.0), short(B, "-100", 10.0, tradable=False))
    told, act = respond(LADDER, seen, D(0))
    assert isinstance(told, Warn)
    assert B.id in told.reason
    assert isinstance(act, Trade)
    assert act.quantity == D(100)
    (told,) = respond(LADDER, account(1000.0, 950.0, short(B, "-100", 10.0, tradable=False)), D(0))
    assert isinstance(told, Warn)


def test_with_the_spot_leg_the_freed_coins_are_sold_as_far_as_they_may_be():
    coin = contract("CCC", payoff=Payoff.INVERSE, lot="1", size="100")
    with_spot = Ladder(**WIDE, with_spot=True)
    seen = account(1000.0, 950.0, short(A, "-100", 10.0), short(coin, "-50", 200.0))
    acts = respond(with_spot, seen, D(0), sellable={"AAA": D(60), "CCC": D(1000)})
    assert [(a.asset, a.quantity) for a in acts if isinstance(a, SellSpot)] == [("AAA", D(60)), ("CCC", D(25))]
    proxy = short(contract("BTC"), "-1", 50_000.0, protects={"AAA": D(40), "DDD": D(8)})
    acts = respond(with_spot, account(1000.0, 950.0, proxy), D(0), sellable={"AAA": D(60), "DDD": D(1)})
    assert [(a.asset, a.quantity) for a in acts if isinstance(a, SellSpot)] == [("AAA", D(40)), ("DDD", D(1))]


def test_a_short_moves_to_a_venue_with_room_and_its_coins_stay():
    """Room for 600 at 12 is 50 units; 100 are bought back here, so 50 coins are left to be sold."""
    ladder = Ladder(**WIDE, move=True, with_spot=True)
    twin = offer(contract("AAA", venue="bybit", lot="1"), 12.0, room=600.0)
    near = offer(contract("AAA", lot="1"), 12.0)
    seen = account(1000.0, 950.0, short(A, "-100", 10.0))
    acts = respond(ladder, seen, D(0), sellable={"AAA": D(1000)}, offers=[near, twin])
    assert [(a.account, a.quantity) for a in acts if isinstance(a, Trade)] == [("bybit", D(-50)), ("binance", D(100))]
    assert [a.quantity for a in acts if isinstance(a, SellSpot)] == [D(50)]
    assert all(not isinstance(a, Trade) or a.quantity > 0 for a in respond(ladder, seen, D(0), offers=[near]))


def test_withdraw_leaves_the_ratio_of_a_top_up():
    ladder = Ladder(**WIDE, withdraw=0.05)
    (act,) = respond(ladder, account(10_000.0, 100.0), D(0), falling=True)
    assert isinstance(act, Withdraw)
    assert act.amount == D("9500.00")
    assert respond(ladder, account(10_000.0, 100.0, on_the_way=5.0), D(0)) == ()


def test_falling_speaks_no_rung_twice():
    assert respond(LADDER, account(1000.0, 600.0), D(10**6), falling=True) == ()


def test_one_reserve_for_all_the_worst_first():
    calm, hurt = account(1000.0, 510.0), AccountSight("okx", "okx", "USDT", 1000.0, 600.0, 0.0, ())
    sight = Sight(NOW, (calm, hurt), {"USDT": D(2100)}, {}, {}, {})
    first, second = tend(LADDER, sight)
    assert isinstance(first, TopUp)
    assert isinstance(second, TopUp)
    assert [(a.account, a.amount) for a in (first, second)] == [("okx", D(2000)), ("binance", D(100))]


@pytest.mark.parametrize(
    "wrong", [{"warn": 0.6}, {"close": 1.0}, {"reduce_to": 0.7}, {"top_up_to": 0.5}, {"withdraw": 0.25}]
)
def test_a_ladder_that_does_not_rise_is_refused(wrong):
    with pytest.raises(ConfigError):
        Ladder(**(WIDE | wrong))


ratios = st.floats(0.0, 0.999)
balances = st.floats(10.0, 1e6)


@given(ratios, balances, st.floats(0, 1e5), st.decimals(0, 10**6, places=3))
def test_never_more_than_the_reserve_and_enough_if_it_has_it(ratio, balance, coming, reserve):
    seen = account(balance, ratio * balance, on_the_way=coming)
    for act in respond(LADDER, seen, reserve):
        if isinstance(act, TopUp):
            assert 0 < act.amount <= reserve
            after = seen.requirement / (seen.balance + seen.on_the_way + float(act.amount))
            assert after <= LADDER.top_up_to * (1 + 1e-12) or reserve - act.amount < D("0.01")


@given(st.floats(0.0, 3.0), balances, st.lists(st.tuples(st.integers(1, 10**6), st.floats(0.001, 1e4)), max_size=4))
def test_buying_back_never_flips_and_brings_what_was_asked(ratio, balance, held):
    shorts = [short(contract(f"C{i}"), str(-D(lots) / 10), price) for i, (lots, price) in enumerate(held)]
    seen = account(balance, ratio * balance, *shorts)
    back = {s.contract.id: D(0) for s in shorts}
    for act in respond(LADDER, seen, D(0)):
        if isinstance(act, Trade):
            back[act.contract] += act.quantity
    value = fees = left = 0.0
    for s in shorts:
        assert 0 <= back[s.contract.id] <= -s.quantity
        assert back[s.contract.id] % s.contract.lot == 0
        worth = float(-s.quantity) * s.price
        value += worth
        fees += float(back[s.contract.id]) * s.price * 0.0005
        left += worth * (1 - float(back[s.contract.id] / -s.quantity))
    if shorts and ratio >= LADDER.close:
        assert all(back[s.contract.id] == -s.quantity for s in shorts)
    elif shorts and ratio >= LADDER.reduce and left > 0 and fees < 0.01 * balance:
        # requirement in proportion to value; lots are rounded up, so their fees may be a little more than asked
        assert seen.requirement * left / value <= LADDER.reduce_to * balance * (1 + 1e-9)


@given(ratios, st.sampled_from([LADDER, Ladder(**WIDE, withdraw=0.05)]))
def test_rungs_enclose_the_ratio_so_nobody_is_woken_at_every_bar(ratio, ladder):
    low_high = rungs(ladder, account(1000.0, 1000.0 * ratio))
    upper, lower = low_high
    seen = account(1000.0, 1000.0 * ratio).ratio
    assert lower < seen < upper
    if seen >= ladder.warn:
        again = account(1000.0, 1000.0 * lower * 0.999)
        assert rungs(ladder, again)[0] <= max(
            x for x in (ladder.warn, ladder.top_up, ladder.reduce, ladder.close) if x <= seen
        )
        assert lower == pytest.approx(
            REARM * max(x for x in (ladder.warn, ladder.top_up, ladder.reduce, ladder.close) if x <= seen)
        )
