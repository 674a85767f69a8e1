"""The whole account told at once, against the functions it is told by and against isolated formulas."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given, settings

from stormsail.core import Payoff, Unavailable
from stormsail.margin.adl import Ranking
from stormsail.margin.explain import explain_account
from stormsail.margin.factor import contract_bankruptcy, contract_liquidation
from stormsail.margin.haircuts import one_coin
from stormsail.margin.liquidation import isolated
from stormsail.margin.pool import Account, equity, free_equity
from stormsail.margin.rules import ruled_position
from stormsail.margin.types import Liquidation, Unliquidatable
from tests.margin.accounts import DAY, PRICES, accounts, contract, table

TIERS = table(("50000", "0.01"), ("250000", "0.02"), ("1e9", "0.1"))


@pytest.mark.parametrize("venue", ["binance", "okx", "hyperliquid"])
@pytest.mark.parametrize("payoff", [Payoff.LINEAR, Payoff.INVERSE])
def test_one_position_is_the_isolated_formula(venue: str, payoff: Payoff) -> None:
    c = contract("BTC", "USDT" if payoff is Payoff.LINEAR else "USD", payoff, venue=venue, tick="0.01")
    quantity, wallet = (D(-4), D(80_000)) if payoff is Payoff.LINEAR else (D(-200_000), D("1.6"))
    short, findings = ruled_position(c, quantity, D(50_000), D(48_000), TIERS, DAY)
    assert findings == ()
    told = explain_account(Account(venue, ((short.asset, wallet),), (short,), one_coin(venue, short.asset, DAY)),
                           PRICES, DAY)  # fmt: skip
    wanted = isolated(c, quantity, D(50_000), wallet, TIERS, fee=short.fee)
    one = told.positions[0]
    assert isinstance(wanted, Liquidation)
    assert (one.liquidation, one.bankruptcy) == (wanted.price, wanted.bankruptcy)
    assert one.liquidation_tier == wanted.tier
    assert one.distance == pytest.approx(wanted.price / 48_000 - 1)
    assert told.ratio * told.unified == pytest.approx(1)
    assert (short.fee > 0) == (venue == "okx")


def test_entry_rule_of_bybit_before_its_change() -> None:
    c = contract("BTC", venue="bybit", tick="0.5")
    for day, price in ((date(2025, 9, 1), D("59500")), (date(2025, 9, 2), D("59405.5"))):
        short, _ = ruled_position(c, D("-1"), D(50_000), D(50_000), table(("1e9", "0.01")), day)
        told = explain_account(Account("bybit", (("USDT", D(10_000)),), (short,), one_coin("bybit", "USDT", day)),
                               PRICES, day)  # fmt: skip
        assert told.positions[0].liquidation == price
        assert told.rule.effective_from <= day


def test_rank_and_rules_are_told_or_the_reason_is() -> None:
    winner, _ = ruled_position(contract("BTC", venue="bybit"), D(-1), D(50_000), D(40_000), TIERS, DAY)
    account = Account("bybit", (("USDT", D(10_000)),), (winner,), one_coin("bybit", "USDT", DAY))
    told = explain_account(account, PRICES, DAY)
    assert told.positions[0].adl == D("0.2") * 40_000 / 20_000
    assert not isinstance(told.deleveraging, Unavailable) and told.deleveraging.ranking is Ranking.PROFIT_LEVERAGE
    assert not isinstance(told.closing, Unavailable)
    elsewhere = explain_account(replace(account, venue="nowhere"), PRICES, DAY)
    assert isinstance(elsewhere.closing, Unavailable) and isinstance(elsewhere.deleveraging, Unavailable)
    assert isinstance(elsewhere.positions[0].adl, Unavailable) and elsewhere.findings
    bare = explain_account(replace(account, balances=(("USDT", D(0)),)), PRICES, DAY)
    assert isinstance(bare.positions[0].adl, Unavailable)


@settings(deadline=None, max_examples=40)
@given(accounts(most=3))
def test_bankruptcy_lies_beyond_liquidation_and_takes_everything(case: tuple[Account, dict[str, D]]) -> None:
    account, prices = case
    if free_equity(account, prices) <= 0:
        return
    told = explain_account(account, prices, DAY)
    assert told.equity == equity(account, prices) > 0
    for one in told.positions:
        name = one.position.contract.id
        assert one.liquidation == contract_liquidation(account, prices, name)
        assert one.bankruptcy == contract_bankruptcy(account, prices, name)
        if isinstance(one.bankruptcy, Unliquidatable) or one.bankruptcy <= 0:
            continue
        there = tuple(replace(p, mark=one.bankruptcy) if p.contract.id == name else p for p in account.positions)
        left = equity(replace(account, positions=there), prices)
        assert abs(left) < D("1e-6") * (1 + sum((p.notional * prices[p.asset] for p in there), D(0)))
        assert not isinstance(one.liquidation, Unliquidatable)
        far = abs(one.bankruptcy - one.position.mark) - abs(one.liquidation - one.position.mark)
        assert far >= -one.position.contract.tick
