"""Perpetual for dated and back: the figures by hand, and no going to and fro."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Unavailable
from stormsail.watch.acts import Trade
from stormsail.watch.policy import Switch
from stormsail.watch.switch import Switched, annual_gain, consider
from tests.watch.support import NOW, contract, offer, short

DAY = timedelta(days=1)
END = NOW + 73 * DAY
PERP, DATED = contract("BTC"), contract("BTC", expiry=END)
MONTH, YEAR = 30 * DAY, 365 * DAY


def ask(held, *offers, switch=Switch(), horizon=YEAR, **more):  # noqa: B008  frozen value
    return consider(switch, "binance", held, offers, NOW, horizon=horizon, **more)


def test_gain_by_hand():
    """73 days are a fifth of a year: 0.1 % of fees cost 0.5 % a year, so 11 % against 3 % gains 7.5 %."""
    held, goal = short(PERP, "-2", 100.0, carry=0.03), offer(DATED, 102.0, carry=0.11)
    assert annual_gain(held, goal, 73 * DAY) == pytest.approx(0.075, abs=1e-12)
    found = ask(held, goal)
    assert isinstance(found, Switched)
    assert found.gain == pytest.approx(0.075)
    assert [(a.contract, a.quantity) for a in found.acts] == [(DATED.id, D("-2.0")), (PERP.id, D(2))]
    assert "dated locks +11.00% a year against perpetual is forecast to pay +3.00% a year" in found.reason


def test_a_short_horizon_spreads_the_cost_less():
    held, goal = short(PERP, "-2", 100.0, carry=0.03), offer(DATED, 102.0, carry=0.09)
    assert isinstance(ask(held, goal), Switched)
    told = ask(held, goal, horizon=7 * DAY)  # 0.1 % over a week is 5.2 % a year
    assert isinstance(told, Unavailable)
    assert "+0.79% a year" in told.reason


def test_not_sooner_than_the_policy_holds():
    held, goal = short(PERP, "-2", 100.0, carry=-0.5), offer(DATED, 102.0, carry=0.11)
    assert isinstance(ask(held, goal, since=NOW - 6 * DAY), Unavailable)
    assert isinstance(ask(held, goal, since=NOW - 7 * DAY), Switched)


def test_what_does_not_qualify():
    held = short(PERP, "-2", 100.0, carry=0.0)
    rich = {"carry": 0.5}
    soon = contract("BTC", expiry=NOW + 3 * DAY)
    for refused in [
        offer(soon, 100.0, **rich),  # ends before another change is allowed
        offer(contract("BTC", venue="okx", expiry=END), 100.0, room=199.0, **rich),
        offer(DATED, 100.0, tradable=False, **rich),
        offer(contract("ETH", expiry=END), 100.0, **rich),
        offer(contract("BTC", venue="okx"), 100.0, **rich),  # a perpetual for a perpetual
        offer(contract("BTC", expiry=END, lot="1000"), 100.0, **rich),
        offer(DATED, 100.0),  # carry unknown
    ]:
        assert isinstance(ask(held, refused), Unavailable), refused
    assert isinstance(ask(short(PERP, "-2", 100.0), offer(DATED, 100.0, **rich)), Unavailable)
    assert isinstance(ask(short(PERP, "0", 100.0, carry=0.0), offer(DATED, 100.0, **rich)), Unavailable)


carries = st.floats(-1.0, 1.0)


@given(carries, carries, st.floats(0.0, 0.2))
def test_it_never_goes_back_at_the_same_figures(perpetual, dated, gain):
    switch = Switch(gain=gain, hold=timedelta(0))
    there = ask(short(PERP, "-2", 100.0, carry=perpetual), offer(DATED, 100.0, carry=dated), switch=switch)
    if isinstance(there, Switched):
        trades = [a for a in there.acts if isinstance(a, Trade)]
        assert sum(a.quantity for a in trades) == 0
        back = ask(short(DATED, "-2", 100.0, carry=dated), offer(PERP, 100.0, carry=perpetual), switch=switch)
        assert isinstance(back, Unavailable)
