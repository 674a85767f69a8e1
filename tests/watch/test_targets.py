"""Targets: coins for a coin's own contract, value for a proxy, and one function for a moment and a history."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import InputError, Payoff
from stormsail.plan.types import Coverage
from stormsail.watch.targets import WHOLE, in_lots, targets, ties
from tests.watch.support import contract, order

HELD = {"AAA": 1000.0, "CCC": 50.0}
SPOT = {"AAA": 10.0, "CCC": 200.0}
OWN = order(contract("AAA"), "500", "10")
PROXY = order(contract("BTC", lot="0.001"), "0.1", "50000", WHOLE)
COIN = order(contract("BTC", payoff=Payoff.INVERSE, lot="1", size="100"), "50", "50000", WHOLE)


def at(orders, held=HELD, spot=SPOT, price=(10.0, 50_000.0), **more):
    start = np.array([float(o.price) for o in orders])
    return targets(orders, HELD, held, SPOT, spot, start, np.asarray(price)[: len(orders)], **more)


def test_nothing_moved_asks_for_the_plan():
    np.testing.assert_allclose(at([OWN, PROXY]), [-500.0, -0.1], rtol=1e-15)


def test_an_own_contract_follows_coins_and_no_price():
    assert at([OWN], price=[33.0])[0] == -500.0
    assert at([OWN], held=HELD | {"AAA": 250.0}, price=[np.nan])[0] == -125.0


def test_a_proxy_follows_the_value_that_has_no_contract_of_its_own():
    """AAA has its own order, fully; so the proxy follows CCC, whose value halves while BTC falls by a fifth."""
    own = order(contract("AAA"), "1000", "10")
    got = at([own, PROXY], spot={"AAA": 99.0, "CCC": 100.0}, price=[99.0, 40_000.0])
    assert got[1] == pytest.approx(-0.1 * 0.5 * 50_000 / 40_000, rel=1e-14)


def test_the_plans_own_account_of_cover_weighs_the_coins():
    """By the plan 3,000 of AAA and 1,000 of CCC are covered by proxy: AAA doubles, CCC is gone."""
    rows = [Coverage("AAA", 1e4, 5e3, 0, 3e3, 0, ""), Coverage("CCC", 1e4, 5e3, 0, 1e3, 0, "")]
    got = at([PROXY], held={"AAA": 1000.0, "CCC": 0.0}, spot={"AAA": 20.0, "CCC": 1.0}, price=[50_000.0], coverage=rows)
    assert got[0] == pytest.approx(-0.1 * 0.75 * 2)


def test_an_inverse_proxy_is_worth_the_same_at_any_price():
    assert at([COIN], price=[25_000.0])[0] == -50.0


def test_an_order_that_does_both_is_the_sum():
    """A short of BTC worth 5,000: 2,000 for the BTC held, 3,000 as a proxy for the rest."""
    both = order(contract("BTC", lot="0.001"), "0.1", "50000", "BTC", WHOLE)
    held, spot = {"BTC": 0.04, "CCC": 50.0}, {"BTC": 50_000.0, "CCC": 200.0}
    got = targets(
        [both], held, {"BTC": 0.02, "CCC": 50.0}, spot, {"BTC": 25_000.0, "CCC": 100.0}, [50_000.0], [25_000.0]
    )
    assert ties([both], held, spot).own[0] == pytest.approx(0.4)
    assert got[0] == pytest.approx(-(0.04 * 0.5 + 0.06 * 0.5 * 2))


def test_an_unknown_price_of_a_proxy_leaves_it_alone_and_no_other():
    got = at([OWN, PROXY], price=[10.0, np.nan])
    assert got[0] == -500.0
    assert np.isnan(got[1])
    assert np.isnan(at([OWN, PROXY], spot={"AAA": 10.0, "CCC": np.nan})[1])
    assert np.isnan(at([PROXY], price=[0.0])[0])


def test_a_coin_that_is_not_told_of_is_an_error():
    with pytest.raises(InputError, match="CCC"):
        at([PROXY], held={"AAA": 1.0})
    with pytest.raises(InputError, match="nothing is held"):
        targets([order(contract("ZZZ"), "1", "1")], HELD, HELD, SPOT, SPOT, [1.0], [1.0])


@given(st.lists(st.tuples(*[st.floats(0.01, 1e5)] * 4), min_size=1, max_size=20))
def test_a_history_is_its_moments(rows):
    """The same bits, whether asked moment by moment or for the whole history at once."""
    path = np.array(rows)
    orders, start = [OWN, PROXY, COIN], np.array([10.0, 5e4, 5e4])

    def over(held, a, c, price):
        return targets(orders, HELD, {"AAA": held, "CCC": 50.0}, SPOT, {"AAA": a, "CCC": c}, start, price)

    prices = np.column_stack([path[:, 1], path[:, 3], path[:, 3]])
    whole = over(path[:, 0], path[:, 1], path[:, 2], prices)
    each = [over(*path[t, :3], prices[t]) for t in range(len(path))]
    assert np.array_equal(whole, np.array(each))


def test_no_orders_no_targets():
    assert targets([], HELD, HELD, SPOT, SPOT, [], np.zeros((7, 0))).shape == (7, 0)


def test_three_lots_are_three_lots():
    """0.3 / 0.1 is 2.9999999999999996 in floats."""
    tenth = contract(lot="0.1")
    assert int(0.3 / 0.1) == 2
    assert in_lots(np.array([[-0.3], [0.3], [0.35]]), [tenth])[:, 0].tolist() == [-3.0, 3.0, pytest.approx(3.5)]
    assert np.isnan(in_lots(np.array([np.nan]), [tenth])[0])
