"""Equity and requirement of a whole account, against the venue's page and an independent restatement."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given, settings

from stormsail.core import InputError, Payoff, Unavailable, UnavailableError
from stormsail.margin.account import Position
from stormsail.margin.haircuts import haircuts, one_coin, rates
from stormsail.margin.pool import (
    UNIFIED_LEVELS,
    Account,
    Standing,
    equity,
    free_equity,
    margin_ratio,
    net_balances,
    requirement,
    unified_levels,
    unified_ratio,
)
from tests.margin.accounts import DAY, PLAIN, PRICES, accounts, contract, table


def test_portfolio_margin_example() -> None:
    """Binance, "Portfolio Margin Pro Maintenance Margin Ratio Calculation": the page's account. It prints net assets of
    0.06 BTC and 5 ETH, loan margins of 0.004 BTC and 1.5 ETH, and unrealised profits of 600 and -414 USDT; the sums
    below are worked out by hand from its inputs with collateral rates of 0.95."""
    t = table(("1e9", "0.005"))
    legs = (
        Position(contract("BTC", "USDT"), D("-0.05"), D(52_000), D(40_000), t),
        Position(contract("BTC", "USDT"), D("0.04"), D(52_350), D(42_000), t),
        Position(contract("BTC", "USD", Payoff.INVERSE, size="100"), D(100), D(50_000), D(40_000), t),
    )
    assert [p.profit for p in legs] == [D(600), D(-414), D("-0.05")]
    cut = rates("binance", DAY, {"BTC": "0.95", "ETH": "0.95", "USDT": "1"}, "test")
    account = Account("binance", (("BTC", D("0.2")), ("ETH", D(20)), ("USDT", D(6000))), legs, cut,
                      (("BTC", D("0.04")), ("ETH", D(15))), D("0.1"), D("1.05"))  # fmt: skip
    prices = {"BTC": D(40_000), "ETH": D(2_000), "USDT": D(1)}
    assert net_balances(account) == {"BTC": D("0.11"), "ETH": D(5), "USDT": D(6186)}
    assert equity(account, prices) == D("0.11") * 40_000 * D("0.95") + 5 * 2_000 * D("0.95") + 6186
    loans = (D("0.004") * 40_000) + D("1.5") * 2_000
    assert requirement(account, prices) == loans + D("0.005") * (2_000 + 1_680 + D("0.25") * 40_000)
    assert unified_ratio(account, prices) == pytest.approx(D(19_866) / D("3228.4"))


def test_a_debt_is_not_cut() -> None:
    """Adjusted equity may fall below zero without any position (Binance faq d0c3558829fa41eabeeaf3c32dbe1dad, 2)."""
    cut = rates("v", DAY, {"BTC": "0.95", "USDT": "0.9999"}, "test")
    account = Account("v", (("BTC", D(1)), ("USDT", D(-19_000))), (), cut)
    assert equity(account, {"BTC": D(20_000), "USDT": D(1)}) == 0
    assert equity(account, {"BTC": D(15_000), "USDT": D(1)}) == D(-4_750)
    assert margin_ratio(account, {"BTC": D(15_000), "USDT": D(1)}) == D("Infinity")
    assert unified_ratio(account, {"BTC": D(15_000), "USDT": D(1)}) == D("Infinity")


def test_binance_multi_assets_page() -> None:
    """The page's own sentence: 1,000 of BNB count 950, 1,000 of ADA count 900."""
    cut = haircuts("binance", date(2022, 1, 1))
    assert not isinstance(cut, Unavailable)
    for asset, counted in (("BNB", 950), ("ADA", 900), ("USDC", D("999.9")), ("DOGE", 0)):
        assert equity(Account("binance", ((asset, D(1000)),), (), cut), {asset: D(1)}) == counted
    assert isinstance(haircuts("binance", date(2021, 5, 27)), Unavailable)
    assert isinstance(haircuts("bybit", DAY), Unavailable)


@settings(deadline=None)
@given(accounts(quanto=True))
def test_equity_and_requirement_in_floats(case: tuple[Account, dict[str, D]]) -> None:
    account, prices = case
    net = {a: float(x) for a, x in account.balances}
    for a, x in account.loans:
        net[a] = net.get(a, 0.0) - float(x)
    needed = 0.1 * sum(float(x * prices[a]) for a, x in account.loans)
    for p in account.positions:
        units, entry, mark = float(p.quantity * p.contract.size), float(p.entry), float(p.mark)
        inverse = p.contract.payoff is Payoff.INVERSE
        net[p.asset] = net.get(p.asset, 0.0) + units * ((1 / entry - 1 / mark) if inverse else (mark - entry))
        price = entry if p.at_entry else mark
        value = abs(units) / price if inverse else abs(units) * price
        line = max(value * float(t.rate) - float(t.deduction) for t in p.table.tiers)
        needed += (line + float(p.fee) * value) * float(prices[p.asset])
    held = sum(min(x, x * float(account.haircuts.rate(a))) * float(prices[a]) for a, x in net.items())
    gross = sum(abs(float(x * prices[a])) for a, x in account.balances) + 1e6 * len(account.positions)
    assert float(equity(account, prices)) == pytest.approx(held, abs=1e-9 * gross)
    assert float(requirement(account, prices)) == pytest.approx(needed, rel=1e-9)
    left = float(free_equity(account, prices))
    assert left == pytest.approx(held - float(account.trigger) * needed, abs=1e-9 * gross)


def test_levels_of_portfolio_margin_by_day() -> None:
    old, new = unified_levels("binance", date(2022, 12, 31)), unified_levels("binance", date(2026, 1, 1))
    assert not isinstance(old, Unavailable) and not isinstance(new, Unavailable)
    assert [old.standing(D(x)) for x in ("2.1", "2", "1.5", "1.2")] == list(Standing)
    assert [new.standing(D(x)) for x in ("1.6", "1.5", "1.2", "1.05")] == list(Standing)
    assert [level.effective_from for level in UNIFIED_LEVELS] == sorted(x.effective_from for x in UNIFIED_LEVELS)
    assert isinstance(unified_levels("okx", DAY), Unavailable)
    assert isinstance(unified_levels("binance", date(2020, 1, 1)), Unavailable)


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        Account("v", (("BTC", D(1)), ("BTC", D(2))), (), PLAIN)
    with pytest.raises(InputError, match="negative"):
        Account("v", (), (), PLAIN, loans=(("BTC", D(-1)),))
    with pytest.raises(ValueError, match="between 0 and 1"):
        rates("v", DAY, {"BTC": "1.1"}, "test")
    empty = Account("v", (("BTC", D(1)),), (), one_coin("v", "BTC", DAY))
    with pytest.raises(UnavailableError, match="BTC"):
        equity(empty, {"BTC": D(0)})
    assert equity(replace(empty, balances=()), PRICES) == 0
