"""Cross accounts: agreement with isolated positions, exactness at the common rise, and the fast twin."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Contract, InputError, Payoff, Tenor
from stormsail.margin.account import (
    Position,
    balance,
    common_rise,
    common_rises,
    cross_liquidation,
    margin_ratio,
    moved,
    requirement,
)
from stormsail.margin.liquidation import isolated
from stormsail.margin.tiers import build_table
from stormsail.margin.types import Liquidation, TierTable, Unliquidatable


def contract(name: str = "X", payoff: Payoff = Payoff.LINEAR, tick: str = "1e-20") -> Contract:
    return Contract("v", name, name, "Y", Tenor.PERPETUAL, payoff, D(1), D("0.001"), D(tick), D(5), D(0), D("0.0005"))


def table(*brackets: tuple[str, str]) -> TierTable:
    rows = [(D(cap), D(rate), 1 / (2 * D(rate))) for cap, rate in brackets]
    return build_table("v:X", date(2021, 1, 1), rows, "test")


@st.composite
def tables(draw: st.DrawFn) -> TierTable:
    caps = sorted(draw(st.sets(st.integers(100, 10**7), min_size=1, max_size=7)))
    rates = sorted(draw(st.sets(st.integers(1, 500), min_size=len(caps), max_size=len(caps))))
    return table(*((str(cap), str(D(rate) / 1000)) for cap, rate in zip(caps, rates, strict=True)))


@st.composite
def shorts(draw: st.DrawFn) -> Position:
    mark = D(draw(st.integers(1, 10**6))) / 100
    units = D(draw(st.integers(1, 10**8))) / 1000
    drift = D(draw(st.integers(80, 120))) / 100
    return Position(contract(), -units, mark * drift, mark, draw(tables()), draw(st.sampled_from([D(0), D("0.0005")])))


@given(st.lists(shorts(), min_size=1, max_size=6), st.integers(0, 300))
def test_balance_equals_requirement_at_the_common_rise(positions: list[Position], percent: int) -> None:
    wallet = sum((p.notional for p in positions), D(0)) * percent / 100
    rise = common_rise(positions, wallet)
    assert isinstance(rise, D)
    if rise == -1:
        return
    there = moved(positions, rise)
    scale = sum((p.notional for p in there), wallet)
    assert abs(balance(there, wallet) - requirement(there)) <= D("1e-15") * scale


@given(shorts(), st.integers(1, 300))
def test_one_short_dies_where_the_isolated_formula_says(position: Position, percent: int) -> None:
    wallet = position.notional * percent / 100
    rise = common_rise([position], wallet)
    alone = isolated(position.contract, position.quantity, position.entry, wallet, position.table, fee=position.fee)
    assert isinstance(rise, D) and isinstance(alone, Liquidation)
    assert abs(position.mark * (1 + rise) - alone.price) <= D("1e-15") * position.mark
    cross = cross_liquidation([position], wallet, 0)
    assert cross == alone


@given(st.lists(shorts(), min_size=2, max_size=5), st.integers(1, 300))
def test_one_position_moving_alone_meets_the_requirement(positions: list[Position], percent: int) -> None:
    wallet = sum((p.notional for p in positions), D(0)) * percent / 100
    found = cross_liquidation(positions, wallet, 0)
    assert isinstance(found, Liquidation)
    if found.price == 0:
        return
    first = positions[0]
    there = [Position(first.contract, first.quantity, first.entry, found.price, first.table, first.fee), *positions[1:]]
    scale = sum((p.notional for p in there), wallet)
    assert abs(balance(there, wallet) - requirement(there)) <= D("1e-15") * scale


@given(st.lists(shorts(), min_size=1, max_size=5), st.integers(1, 200), st.integers(1, 100))
def test_more_wallet_survives_more(positions: list[Position], percent: int, more: int) -> None:
    total = sum((p.notional for p in positions), D(0))
    low, high = (common_rise(positions, total * k / 100) for k in (percent, percent + more))
    assert isinstance(low, D) and isinstance(high, D)
    assert high > low or high == -1


def test_the_fast_version_equals_the_exact_one_on_thousands_of_accounts() -> None:
    rng = np.random.Generator(np.random.Philox(key=11))
    sets = [
        table(("50000", "0.004"), ("600000", "0.005"), ("3000000", "0.0065"), ("12000000", "0.01"), ("1e9", "0.5")),
        table(("5000", "0.01"), ("25000", "0.025"), ("100000", "0.05"), ("250000", "0.1"), ("1000000", "0.5")),
        table(("1000000", "0.05")),
        table(("10000", "0.02"), ("20000", "0.03")),
    ]
    n = 2500
    notionals = np.where(rng.random((n, 4)) < 0.7, np.exp(rng.normal(10.0, 2.5, (n, 4))), 0.0)
    wallets = notionals.sum(axis=1) * rng.uniform(0.0, 2.0, n)
    fees = np.array([0.0, 0.0005, 0.0, 0.001])
    fast = common_rises(notionals, wallets, sets, fees)
    for row in range(n):
        held = [
            Position(contract(), -D(float(v)), D(1), D(1), sets[j], D(str(fees[j])))
            for j, v in enumerate(notionals[row])
            if v > 0
        ]
        exact = common_rise(held, D(float(wallets[row])))
        if isinstance(exact, Unliquidatable):
            assert fast[row] == np.inf
        else:
            assert fast[row] == pytest.approx(float(exact), rel=1e-11, abs=1e-11)


def test_binance_cross_account_example() -> None:
    """Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts" (2020-08-14), both positions at once."""
    btc = table(("50000", "0.004"), ("250000", "0.005"), ("1000000", "0.01"), ("10000000", "0.025"), ("2e7", "0.05"))
    eth = table(
        ("10000", "0.005"), ("100000", "0.0065"), ("500000", "0.01"), ("1000000", "0.02"), ("2000000", "0.05"),
        ("5000000", "0.1"), ("10000000", "0.125"),
    )  # fmt: skip
    account = [
        Position(contract("BTC"), D("109.488"), D("32481.98"), D("31967.27"), btc),
        Position(contract("ETH"), D("3683.979"), D("1456.84"), D("1335.18"), eth),
    ]
    wallet = D("1535443.01")
    assert account[0].requirement.quantize(D("0.00001")) == D("71200.81144")
    assert account[0].profit.quantize(D("0.01")) == D("-56354.57")
    assert account[1].requirement.quantize(D("0.001")) == D("356512.508")
    assert account[1].profit.quantize(D("0.01")) == D("-448192.89")
    for index, price in enumerate(("26316.89", "1153.26")):
        found = cross_liquidation(account, wallet, index)
        assert isinstance(found, Liquidation)
        assert found.price.quantize(D("0.01")) == D(price)
    ratio = margin_ratio(account, wallet)
    assert float(ratio) == pytest.approx((71200.81144 + 356512.508) / (1535443.01 - 56354.57 - 448192.89), rel=1e-7)


def test_accounts_that_make_no_sense() -> None:
    t = table(("1000", "0.01"))
    inverse = Position(contract(payoff=Payoff.INVERSE), D(-1), D(1), D(1), t)
    with pytest.raises(InputError, match="inverse"):
        common_rise([inverse], D(1))
    with pytest.raises(InputError, match="third coin"):
        Position(contract(payoff=Payoff.QUANTO), D(-1), D(1), D(1), t)
    with pytest.raises(InputError, match="other coins"):
        balance([inverse, Position(contract(), D(1), D(1), D(1), t)], D(1))
    with pytest.raises(InputError, match="quantity 0"):
        Position(contract(), D(0), D(1), D(1), t)
    long = Position(contract(), D(1), D(1), D(1), t)
    assert isinstance(common_rise([long], D(1)), Unliquidatable)
    assert margin_ratio([long], D(-5)) == D("Infinity")
