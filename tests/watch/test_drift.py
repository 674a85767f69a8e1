"""Drift: each check just inside and just outside its limit, and the right word for it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal as D

import pytest

from stormsail.core import ConfigError, Trouble
from stormsail.watch.drift import Limits, basis, carry, delta, drifted, margin, stale
from stormsail.watch.sight import Sight
from tests.watch.support import NOW, account, contract, short

A = contract("AAA")


def word(found):
    return None if found is None else found.trouble


@pytest.mark.parametrize(
    ("held", "wanted", "trouble"),
    [
        ("-95", "-100", None),
        ("-90", "-100", None),
        ("-89.9", "-100", Trouble.DEGRADED),
        ("-110.1", "-100", Trouble.DEGRADED),
        ("0", "-100", Trouble.NAKED),
        ("-1", "0", Trouble.DEGRADED),
        ("0", "0", None),
    ],
)
def test_delta(held, wanted, trouble):
    assert word(delta(short(A, held, 10.0, target=D(wanted)), 0.1)) is trouble


def test_delta_names_the_coins():
    found = delta(short(contract("PEPE", size="1000"), "0", 0.01, target=D(-5)), 0.1)
    assert found is not None
    assert found.cause == "nothing is short of 5, 5,000 PEPE"


def test_margin():
    assert margin(account(1000.0, 350.0), 0.35) is None
    assert word(margin(account(1000.0, 351.0), 0.35)) is Trouble.DEGRADED
    assert word(margin(account(0.0, 351.0), 0.35)) is Trouble.FATAL


def test_carry():
    assert carry(short(A, "-1", 10.0, carry=0.05), 0.14, 0.1) is None
    assert word(carry(short(A, "-1", 10.0, carry=0.03), 0.14, 0.1)) is Trouble.DEGRADED
    assert word(carry(short(A, "-1", 10.0), 0.14, 0.1)) is Trouble.UNAVAILABLE


def test_basis():
    assert basis(short(A, "-1", 10.1), 10.0, 0.02) is None
    assert word(basis(short(A, "-1", 10.3), 10.0, 0.02)) is Trouble.DEGRADED
    assert word(basis(short(A, "-1", 9.7), 10.0, 0.02)) is Trouble.DEGRADED
    assert word(basis(short(A, "-1", float("nan")), 10.0, 0.02)) is Trouble.UNAVAILABLE


def test_stale():
    two = timedelta(hours=2)
    assert stale(short(A, "-1", 10.0), NOW, two) is None
    assert stale(short(A, "-1", 10.0, seen=NOW - two), NOW, two) is None
    found = stale(short(A, "-1", 10.0, seen=NOW - timedelta(hours=3)), NOW, two)
    assert word(found) is Trouble.FAIL_CLOSED
    assert "3h old" in str(found)


def test_all_of_it_in_order():
    held = short(A, "0", 12.0, target=D(-5), carry=-0.5, seen=NOW - timedelta(days=1))
    seen = Sight(NOW, (account(1000.0, 400.0, held),), {}, {"AAA": 10.0}, {}, {})
    found = drifted(Limits(), seen, {A.id: 0.1})
    assert [f.subject for f in found] == ["binance", A.id, f"price {A.id}", f"basis {A.id}", f"carry {A.id}"]
    calm = short(A, "-5", 10.0, carry=0.1)
    assert drifted(Limits(), Sight(NOW, (account(1000.0, 10.0, calm),), {}, {"AAA": 10.0}, {}, {}), {A.id: 0.1}) == ()


def test_a_limit_that_is_none_is_refused():
    with pytest.raises(ConfigError):
        Limits(delta=0.0)
    with pytest.raises(ConfigError):
        Limits(stale=timedelta(0))
