"""The fast account checks against the exact ones, on thousands of accounts and moments."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given, settings

from stormsail.core import InputError, from_float
from stormsail.margin.account import Position
from stormsail.margin.checks import account_checks, compile_account
from stormsail.margin.factor import contract_liquidation, liquidation_factor
from stormsail.margin.pool import Account, equity, free_equity, requirement
from stormsail.margin.types import Unliquidatable
from tests.margin.accounts import PLAIN, PRICES, QUANTO, accounts, contract, table


def gross(account: Account, prices: dict[str, D]) -> float:
    held = sum((p.notional * prices[p.asset] for p in account.positions), D(0))
    return float(held + sum((abs(x) * prices[a] for a, x in account.balances), D(1)))


def agree(fast: float, exact: D | Unliquidatable, none: float, steep: float) -> None:
    """Equal to 1e-9, where free equity is not nearly flat (``steep``: slope against size)."""
    if isinstance(exact, Unliquidatable):
        assert fast == none or steep < 1e-6
    elif none != fast:
        assert fast == pytest.approx(float(exact), rel=1e-9 / min(1.0, max(steep, 1e-12)))
    else:
        assert steep < 1e-6


def slope(account: Account, prices: dict[str, D], at: D | Unliquidatable) -> float:
    if isinstance(at, Unliquidatable):
        return 1.0
    left = free_equity(account, prices)
    return float(abs(left) / max(abs(at - 1), D("1e-12"))) / (gross(account, prices) * max(1.0, float(at)))


@settings(deadline=None, max_examples=150)
@given(accounts(most=6))
def test_fast_and_exact_agree(case: tuple[Account, dict[str, D]]) -> None:
    account, prices = case
    found = account_checks(compile_account(account, prices))
    size = gross(account, prices)
    assert found.equity[0] == pytest.approx(float(equity(account, prices)), abs=1e-9 * size)
    assert found.requirement[0] == pytest.approx(float(requirement(account, prices)), rel=1e-9)
    left = float(free_equity(account, prices))
    if abs(left) < 1e-9 * size:
        return
    for fast, up, none in ((found.up[0], True, math.inf), (found.down[0], False, 0.0)):
        exact = liquidation_factor(account, prices, up=up)
        agree(float(fast), exact, none, slope(account, prices, exact))
    for column, name in enumerate(dict.fromkeys(p.contract.id for p in account.positions)):
        legs = [p for p in account.positions if p.contract.id == name]
        rising = sum((p.quantity for p in legs), D(0)) < 0
        end = contract_liquidation(account, prices, name)
        mark = legs[0].mark
        ratio = end if isinstance(end, Unliquidatable) else end / mark
        steep = slope(account, prices, ratio)
        agree(float(found.ends[0, column]) / float(mark), ratio, math.inf if rising else 0.0, min(1.0, steep))


def test_many_moments_at_once_are_each_alone() -> None:
    t = table(("50000", "0.01"), ("250000", "0.02"), ("1e9", "0.1"))
    legs = (
        Position(contract("BTC"), D("-2"), D(50_000), D(50_000), t),
        Position(contract("ETH"), D(10), D(2_500), D(2_500), t),
    )
    account = Account("v", (("BTC", D("0.5")), ("USDT", D(30_000))), legs, PLAIN)
    compiled = compile_account(account, PRICES)
    rng = np.random.Generator(np.random.Philox(key=5))
    moves = np.exp(rng.normal(0.0, 0.1, (300, 2)))
    marks = compiled.marks * moves
    prices = np.tile(compiled.prices, (300, 1))
    prices[:, compiled.assets.index("BTC")] *= moves[:, 0]
    found = account_checks(compiled, marks, prices)
    for row in range(0, 300, 10):
        there = tuple(replace(p, mark=from_float(x)) for p, x in zip(legs, marks[row], strict=True))
        at = dict(zip(compiled.assets, (from_float(x) for x in prices[row]), strict=True))
        alone = replace(account, positions=there)
        assert found.equity[row] == pytest.approx(float(equity(alone, at)), rel=1e-9, abs=1e-4)
        exact = liquidation_factor(alone, at, up=True)
        assert found.up[row] == pytest.approx(math.inf if isinstance(exact, Unliquidatable) else float(exact))
        end = contract_liquidation(alone, at, legs[0].contract.id)
        assert found.ends[row, 0] == pytest.approx(math.inf if isinstance(end, Unliquidatable) else float(end))


def test_a_large_account_with_both_legs_of_contracts() -> None:
    """200 positions in 100 contracts, every contract long and short, against the exact functions."""
    rng = np.random.Generator(np.random.Philox(key=9))
    t = table(("5000", "0.01"), ("25000", "0.025"), ("100000", "0.05"), ("250000", "0.1"), ("1e9", "0.125"))
    legs, worth = [], {"USDT": D(1), "BTC": D(50_000)}
    for i in range(100):
        mark = from_float(round(float(np.exp(rng.normal(2, 2))), 6))
        for side in (-1, 1):
            units = from_float(round(float(np.exp(rng.normal(8, 1.5))), 2)) / mark * side
            legs.append(Position(contract(f"C{i}"), units, mark * D("1.02"), mark, t))
    account = Account("v", (("BTC", D(3)), ("USDT", D(300_000))), tuple(legs), PLAIN)
    found = account_checks(compile_account(account, worth))
    assert found.equity[0] == pytest.approx(float(equity(account, worth)), rel=1e-9)
    for value, up in ((found.up[0], True), (found.down[0], False)):
        exact = liquidation_factor(account, worth, up=up)
        none = math.inf if up else 0.0
        assert value == pytest.approx(none if isinstance(exact, Unliquidatable) else float(exact), rel=1e-9)
    for g in range(0, 100, 9):
        end = contract_liquidation(account, worth, f"v:C{g}USDT-linear")
        if isinstance(end, Unliquidatable):
            assert found.ends[0, g] in (0.0, math.inf)
        else:
            assert found.ends[0, g] == pytest.approx(float(end), rel=1e-9)


def test_nonsense_is_refused() -> None:
    t = table(("1e9", "0.01"))
    quanto = Account("v", (), (Position(QUANTO, D(1), D(1), D(1), t, settle="BTC"),), PLAIN)
    with pytest.raises(InputError, match="no lines"):
        compile_account(quanto, PRICES)
    one = compile_account(Account("v", (), (Position(contract(), D(1), D(1), D(1), t),), PLAIN), PRICES)
    with pytest.raises(ValueError, match="positive"):
        account_checks(one, [-1.0])
    with pytest.raises(ValueError, match="broadcast"):
        account_checks(one, [1.0, 2.0])
