"""Dated venue rules."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest

from stormsail.core import Contract, Payoff, Tenor, Trouble
from stormsail.margin.rules import RULES, Basis, liquidation, rule_for
from stormsail.margin.tiers import OPEN_END, flat_table
from stormsail.margin.types import Liquidation
from stormsail.margin.venue_tables import half_initial_table


def contract(venue: str, payoff: Payoff = Payoff.LINEAR, taker: str = "0.0006", tick: str = "1e-12") -> Contract:
    return Contract(venue, "X", "X", "Y", Tenor.PERPETUAL, payoff, D(1), D(1), D(tick), D(5), D(0), D(taker))


def test_rules_are_in_order_and_sourced() -> None:
    for venue in {rule.venue for rule in RULES}:
        days = [rule.effective_from for rule in RULES if rule.venue == venue]
        assert days == sorted(set(days))
    assert all(rule.source for rule in RULES)


def test_bybit_changes_its_rule() -> None:
    """Bybit help centre, "The New Margin Calculation": mark price counts from 2025-09-02."""
    c = contract("bybit")
    t = flat_table(c, date(2025, 1, 1), D("0.005"), "test")
    before, _ = liquidation(c, D(-1), D(20000), D(400), t, date(2025, 9, 1))
    after, _ = liquidation(c, D(-1), D(20000), D(400), t, date(2025, 9, 2))
    assert isinstance(before, Liquidation) and isinstance(after, Liquidation)
    assert before.price == D(20300)
    assert after.price == pytest.approx(D(20400) / D("1.005"))


@pytest.mark.parametrize("side", [1, -1])
def test_bybit_inverse_rule_since_2025(side: int) -> None:
    """Bybit help centre, "Liquidation Price Calculation under Isolated Mode" (2026-05-27), inverse contracts:
    long N(1+r) / (N/E + N/(E L) + d), short N(1-r) / (N/E - N/(E L) - d)."""
    c = contract("bybit", Payoff.INVERSE)
    t = flat_table(c, date(2025, 1, 1), D("0.005"), "test")
    n, e = D(60000), D(50000)
    found, _ = liquidation(c, side * n, e, n / e / 10, t, date(2026, 1, 1))
    assert isinstance(found, Liquidation)
    expected = n * (1 + side * D("0.005")) / (n / e + side * n / e / 10)
    assert abs(found.price - expected) < D("1e-11")


def test_fee_counting_venue_against_the_phemex_example() -> None:
    """Phemex help centre, "Liq price for USDTM": 500 at 0.4, 5x, rate 1 %, fee 0.06 %: 0.3232 for the long."""
    c = contract("okx")
    t = flat_table(c, date(2022, 1, 1), D("0.01"), "test")
    found, findings = liquidation(c, D(500), D("0.4"), D("40.096"), t, date(2024, 1, 1))
    assert isinstance(found, Liquidation) and findings == ()
    assert float(found.price) == pytest.approx((200 - 40.096) / (0.9994 - 0.01) / 500, abs=1e-11)
    assert round(float(found.price), 4) == 0.3232


@pytest.mark.parametrize("side", [1, -1])
def test_hyperliquid_formula(side: int) -> None:
    """Hyperliquid docs, "Liquidations": price - side * available / size / (1 - l * side), l = 1 / (2 max lev)."""
    c = contract("hyperliquid")
    t = half_initial_table(c, date(2025, 1, 1), [(OPEN_END, D(20))], "docs")
    price, size, lev = D(100), D(7), D(5)
    found, _ = liquidation(c, side * size, price, size * price / lev, t, date(2025, 6, 1))
    assert isinstance(found, Liquidation)
    share = D(1) / 40
    available = size * price / lev - share * size * price
    expected = price - side * available / size / (1 - share * side)
    assert abs(found.price - expected) < D("1e-11")


def test_unknown_venue_and_early_day_say_so() -> None:
    rule, findings = rule_for("nowhere", date(2025, 1, 1))
    assert (rule.basis, rule.counts_fee) == (Basis.MARK, False)
    assert findings[0].trouble is Trouble.DEGRADED
    _, early = rule_for("okx", date(2019, 1, 1))
    assert early[0].trouble is Trouble.NOTE


@pytest.mark.parametrize(("side", "price"), [(1, "45662.10"), (-1, "55248.62")])
def test_bybit_inverse_rule_until_2025(side: int, price: str) -> None:
    """Bybit help centre, "Liquidation Price Calculation under Isolated Mode" (2024-09-10), inverse contracts: 60,000
    USD at 50,000, 10x, rate 0.5 %: value 1.2 BTC, initial 0.12, maintenance 0.006; 60,000 / (1.2 +- 0.114)."""
    c = contract("bybit", Payoff.INVERSE)
    t = flat_table(c, date(2024, 1, 1), D("0.005"), "test")
    found, _ = liquidation(c, side * D(60_000), D(50_000), D("0.12"), t, date(2025, 9, 1))
    assert isinstance(found, Liquidation)
    assert found.price.quantize(D("0.01")) == D(price)


@pytest.mark.parametrize(("side", "price"), [(-1, "3174.60"), (1, "2807.02")])
def test_dydx_example(side: int, price: str) -> None:
    """dYdX docs, "Liquidations": 1,000 USDC behind a short of 3 ETH at 3,000, fraction 5 %: 3,174.60. The long is the
    same formula, (e - s p) / (|s| MMF - s)."""
    c = contract("dydx")
    t = flat_table(c, date(2024, 1, 1), D("0.05"), "test")
    found, _ = liquidation(c, side * D(3), D(3000), D(1000), t, date(2025, 1, 1))
    assert isinstance(found, Liquidation)
    assert found.price.quantize(D("0.01")) == D(price)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("payoff", [Payoff.LINEAR, Payoff.INVERSE])
def test_okx_ratio_is_one_at_the_liquidation_price(side: int, payoff: Payoff) -> None:
    """OKX help, margin ratio of an isolated position: (margin + profit) / (face value * contracts * mark * (rate +
    fee)), divided by mark instead for coin-margined contracts; liquidation at 100 %."""
    c = contract("okx", payoff, taker="0.0005")
    t = flat_table(c, date(2023, 1, 1), D("0.01"), "test")
    n, e = D(60_000), D(50_000)
    margin = n / e / 5 if payoff is Payoff.INVERSE else n * e / 5
    found, _ = liquidation(c, side * n, e, margin, t, date(2025, 1, 1))
    assert isinstance(found, Liquidation)
    p = found.price
    profit = side * n * (1 / e - 1 / p) if payoff is Payoff.INVERSE else side * n * (p - e)
    value = n / p if payoff is Payoff.INVERSE else n * p
    assert abs((margin + profit) / (value * D("0.0105")) - 1) < D("1e-12")
