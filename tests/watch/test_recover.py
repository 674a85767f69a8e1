"""After a venue has closed a short: what the policy says, when it says it, and naked until it is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Payoff, Trouble
from stormsail.watch.acts import SellSpot, Trade
from stormsail.watch.legs import coins_of, exact_price
from stormsail.watch.policy import AfterLoss, Lost
from stormsail.watch.recover import Closed, Loss, recover
from stormsail.watch.sight import Sight
from tests.watch.support import NOW, contract, offer

HOUR = timedelta(hours=1)
A = contract("AAA", lot="1")
LOSS = Loss("binance", A, D(100), 8.0, NOW, Closed.DELEVERAGED)
REHEDGE, SELL = AfterLoss(Lost.REHEDGE, HOUR), AfterLoss(Lost.SELL, HOUR)


def sight(*offers, now=NOW + HOUR, **sellable):
    free = {coin: D(count) for coin, count in sellable.items()}
    return Sight(now, (), {}, {"AAA": 8.0, "BBB": 2.0}, {"AAA": D(200), "BBB": D(50)}, free, offers)


def test_naked_until_the_latency_has_passed():
    early = recover(REHEDGE, LOSS, sight(offer(A, 8.0), now=NOW + HOUR / 2))
    assert (early.acts, early.left) == ((), 1.0)
    (found,) = early.findings
    assert found.trouble is Trouble.NAKED
    assert "auto-deleveraged" in found.cause
    assert "100 AAA" in found.cause
    assert "01:00 UTC" in found.cure


def test_the_same_contract_first():
    dearer = offer(contract("AAA", venue="okx", lot="1"), 8.1, carry=0.9)
    done = recover(REHEDGE, LOSS, sight(dearer, offer(A, 8.0)))
    (act,) = done.acts
    assert isinstance(act, Trade)
    assert (act.account, act.quantity) == ("binance", D(-100))
    assert (done.left, done.findings) == (0.0, ())
    assert "at 8, now 8" in act.reason


def test_elsewhere_as_far_as_there_is_room_and_the_rest_is_naked():
    okx, bybit = contract("AAA", venue="okx", lot="1"), contract("AAA", venue="bybit", lot="1")
    done = recover(REHEDGE, LOSS, sight(offer(okx, 8.0, room=400.0, carry=0.1), offer(bybit, 8.0, room=200.0)))
    assert [(a.account, a.quantity) for a in done.acts if isinstance(a, Trade)] == [("okx", D(-50)), ("bybit", D(-25))]
    assert done.left == 0.25
    assert "25% of 100 AAA" in done.findings[0].cause


def test_room_is_the_accounts_not_the_contracts():
    okx = contract("AAA", venue="okx", lot="1")
    inverse = replace(okx, symbol="AAAUSD", payoff=Payoff.INVERSE, size=D(8))
    done = recover(REHEDGE, LOSS, sight(offer(okx, 8.0, room=400.0), offer(inverse, 8.0, room=400.0)))
    assert done.left == 0.5


def test_nowhere_to_go_is_naked_and_not_sold_unasked():
    done = recover(REHEDGE, LOSS, sight(offer(contract("BBB"), 2.0), AAA=200))
    assert done.acts == ()
    assert done.findings[0].cure == "no account has room for the rest"


def test_sell_only_what_may_be_sold():
    done = recover(SELL, LOSS, sight(AAA=30))
    assert [(a.asset, a.quantity) for a in done.acts if isinstance(a, SellSpot)] == [("AAA", D(30))]
    assert done.left == pytest.approx(0.7)
    assert done.findings[0].cure == "the rest is locked"
    assert recover(SELL, LOSS, sight(AAA=100)).findings == ()


def test_a_proxy_leaves_the_coins_naked_that_it_stood_for():
    loss = replace(LOSS, contract=contract("BTC"), protects={"AAA": D(100), "BBB": D(400)})
    done = recover(SELL, loss, sight(AAA=1000, BBB=0))
    assert [(a.asset, a.quantity) for a in done.acts if isinstance(a, SellSpot)] == [("AAA", D(100))]
    assert done.left == pytest.approx(0.5)


def test_nothing_is_nothing_but_said():
    done = recover(AfterLoss(Lost.NOTHING), LOSS, sight(offer(A, 8.0), AAA=200, now=NOW + 99 * HOUR))
    assert done.acts == ()
    assert done.findings[0].trouble is Trouble.NAKED


rooms = st.lists(
    st.tuples(st.sampled_from(["okx", "bybit", "deribit"]), st.floats(0, 2000), st.sampled_from(["1", "7"])), max_size=4
)


@given(rooms, st.integers(1, 500))
def test_never_more_than_was_lost_and_never_beyond_the_room(places, count):
    loss = replace(LOSS, quantity=D(count))
    offers = [offer(contract("AAA", venue=v, lot=lot), 8.0, room=r) for v, r, lot in places]
    unique = {(o.account, o.contract.id): o for o in offers}
    done = recover(REHEDGE, loss, sight(*unique.values()))
    coins = sum((coins_of(A, a.quantity, exact_price(8.0)) for a in done.acts if isinstance(a, Trade)), D(0))
    assert coins <= count
    for act in done.acts:
        assert isinstance(act, Trade)
        assert -float(act.quantity) * 8.0 <= unique[act.account, act.contract].room + 1e-9
    assert 0.0 <= done.left <= 1.0
    assert (done.left == 0.0) == (not done.findings)
