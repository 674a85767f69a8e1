"""How accounts stand, against figures worked out by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest

from stormsail.core import Contract, Payoff, Tenor
from stormsail.lab.standing import Held, Question, short_value, stand
from stormsail.margin.tiers import assumed_table, flat_table
from stormsail.margin.types import MarginMode, Unliquidatable

DAY = date(2025, 6, 1)
SOL = Contract(
    "binance", "SOLUSDT", "SOL", "USDT", Tenor.PERPETUAL, Payoff.LINEAR, D(1), D(1), D("0.01"), D(5), D("0.0002"),
    D("0.0005"),
)  # fmt: skip
COIN = Contract(
    "binance", "BTCUSD_PERP", "BTC", "USD", Tenor.PERPETUAL, Payoff.INVERSE, D(100), D(1), D("0.1"), D(100),
    D("0.0002"), D("0.0005"),
)  # fmt: skip


def short(mode: MarginMode = MarginMode.ISOLATED) -> Question:
    held = Held(SOL, D(-100), D(170), D(150), flat_table(SOL, DAY, D("0.01"), "by hand"))
    return Question("binance:SOLUSDT", "binance", mode, "USDT", D(8500), D(1), (held,))


@pytest.mark.parametrize("mode", list(MarginMode))
def test_a_short_by_hand(mode: MarginMode) -> None:
    told = stand(short(mode), DAY, move=D("0.5"), added=D(1000))
    now = told.explained
    # 8,500 posted and 2,000 won; 1 % of 15,000 needed; due at (8,500 + 17,000) / (100 * 1.01)
    assert (now.equity, now.requirement) == (D(10500), D(150))
    assert now.positions[0].liquidation == D("252.47")
    assert now.positions[0].bankruptcy == D("255.00")
    # at 225: 8,500 - 5,500 left, 225 needed
    assert told.moved is not None
    assert (told.moved.equity, told.moved.requirement, told.moved.alive) == (D(3000), D(225), True)
    assert told.added.equity == D(11500)
    assert float(told.added.up) == pytest.approx((9500 + 17000) / (100 * 1.01) / 150)
    assert short_value(short()) == D(15000)


def test_a_move_that_liquidates_says_what_is_missing() -> None:
    told = stand(short(), DAY, move=D("0.8"))
    # at 270: 8,500 - 10,000 left, 270 needed
    assert told.moved is not None
    assert not told.moved.alive
    assert told.moved.missing == D(1770)
    assert told.added.what == D("2125.00")


def test_a_short_backed_by_its_coin_cannot_be_liquidated_by_a_rise() -> None:
    held = Held(COIN, D(-500), D(50000), D(50000), flat_table(COIN, DAY, D("0.01"), "by hand"))
    told = stand(Question("x", "binance", MarginMode.ISOLATED, "BTC", D("1.02"), D(50000), (held,)), DAY, move=D("9"))
    assert isinstance(told.explained.up, Unliquidatable)
    assert told.moved is not None
    assert told.moved.alive
    # 50,000 USD short behind 1.02 coins: what is worth more with the coin is 0.02 of one
    assert told.moved.equity == pytest.approx(D(50000) + D("0.02") * D(500000), rel=D("1e-9"))


def test_stand_in_brackets_are_told() -> None:
    held = Held(SOL, D(-100), D(170), D(150), assumed_table(SOL, DAY))
    told = stand(Question("x", "binance", MarginMode.ISOLATED, "USDT", D(8500), D(1), (held,)), DAY)
    assert any("stand-in" in f.cure for f in told.findings)
