"""Liquidations conserve money, stop where they should, and leave nothing owed."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stormsail.core import InputError, Payoff, Unavailable, profit
from stormsail.margin.account import Position, balance, requirement
from stormsail.margin.closeout import Closeout, close_out
from stormsail.margin.closeout_rules import CLOSEOUT_RULES, closeout_rule
from stormsail.margin.liquidation import isolated
from stormsail.margin.types import Liquidation, TierTable
from tests.margin.accounts import contract, table, tables

DAY = date(2025, 1, 1)
VENUES = sorted({rule.venue for rule in CLOSEOUT_RULES})
STEEP = table(("50000", "0.01"), ("250000", "0.02"), ("1000000", "0.05"), ("1e9", "0.1"))


def due(
    venue: str, quantity: str, wallet: str, tiers: TierTable = STEEP, *, past: str = "1", payoff: Payoff = Payoff.LINEAR
) -> Position:
    """A position from 100 at the mark price where it is due, or ``past`` times as far."""
    c = contract("BTC", "USDT", payoff, venue=venue, tick="1e-12", lot="0.001")
    found = isolated(c, D(quantity), D(100), D(wallet), tiers)
    assert isinstance(found, Liquidation)
    mark = D(100) + (found.price - 100) * D(past)
    return Position(c, D(quantity), D(100), mark, tiers)


def outcome(*args: object, **kwargs: object) -> Closeout:
    found = close_out(*args, **kwargs)  # type: ignore[arg-type]  # passed through as given by each test
    assert isinstance(found, Closeout)
    return found


@settings(deadline=None, max_examples=120)
@given(
    st.sampled_from(VENUES), st.sampled_from([-1, 1]), st.integers(1, 10**7), st.integers(0, 80), st.integers(20, 180),
    st.integers(-3, 3), tables(), st.booleans(), st.sampled_from([Payoff.LINEAR, Payoff.INVERSE]),
)  # fmt: skip
def test_the_four_parties_sum_to_zero(
    venue: str, side: int, lots: int, part: int, move: int, slip: int, tiers: TierTable, again: bool, payoff: Payoff
) -> None:
    c = contract("BTC", "USD", payoff, venue=venue)
    quantity, entry = side * D(lots) / 1000, D(100)
    mark = entry * move / 100
    value = abs(quantity) / entry if payoff is Payoff.INVERSE else abs(quantity) * entry
    wallet = value * part / 100
    position = Position(c, quantity, entry, mark, tiers)
    equity = wallet + position.profit
    assume(equity <= position.requirement)
    fill = mark * (100 + slip) / 100
    out = close_out(position, wallet, DAY, fill=fill, fee=D("0.01"), again=again)
    assert isinstance(out, Closeout)
    scale = value + position.notional
    assert abs(out.trader + out.fund + out.venue + out.market) <= D("1e-20") * scale
    assert out.closed + out.kept == quantity
    assert abs(out.closed) > 0 and out.closed * side > 0 and out.kept * side >= 0
    assert out.fee >= 0 and out.venue >= 0
    after = out.balance + (profit(c, out.kept, entry, mark) if out.kept else D(0))
    assert abs(after - equity - out.trader) <= D("1e-20") * scale
    if out.kept == 0:
        assert out.balance >= 0
    if out.taken_over:
        assert out.kept == 0 and out.balance == 0 and out.market == 0
        assert abs(out.fund - equity) <= D("1e-20") * scale
    elif out.kept and out.wait == timedelta(0) and venue != "hyperliquid":
        rest = Position(c, out.kept, entry, mark, tiers)
        assert after > rest.requirement


def test_the_lowest_bracket_is_taken_over_and_the_fund_keeps_the_margin() -> None:
    """Bybit, "Liquidation Process": a position in the lowest tier is settled at its bankruptcy price; what margin is
    left goes to the insurance fund."""
    short = due("bybit", "-100", "1000")
    out = outcome(short, D(1000), DAY)
    assert out.taken_over and out.kept == 0 and out.balance == 0
    assert out.price == D(110)  # 100 + 1000 / 100
    assert out.fund == D(1000) + short.profit
    assert out.fund == pytest.approx(short.requirement)


def test_a_larger_position_goes_down_to_the_bracket_that_suffices() -> None:
    """Bybit, same page: the order closes the difference to the lower risk limit that meets the requirement."""
    position = due("bybit", "-8000", "200000")  # worth about a million: third bracket
    out = outcome(position, D(200_000), DAY)
    assert not out.taken_over
    assert abs(out.kept) * position.mark <= 250_000 < (abs(out.kept) + D("0.001")) * position.mark
    assert out.fee == abs(out.closed) * position.mark * D("0.0005") == out.venue
    assert out.fund == 0
    assert out.balance == D(200_000) + out.closed * (position.mark - 100) - out.fee


def test_binance_charges_its_clearance_fee_on_what_is_liquidated_only() -> None:
    position = due("binance", "-8000", "200000")
    out = outcome(position, D(200_000), DAY)
    assert not out.taken_over
    assert out.fund == out.fee == abs(out.closed) * position.mark * D("0.0125")
    dear = outcome(position, D(200_000), DAY, fee=D("0.2"))
    assert dear.taken_over and dear.fund == D(200_000) + position.profit


def test_okx_goes_two_brackets_down_from_the_third_and_takes_over_below() -> None:
    third = due("okx", "-8000", "200000")
    out = outcome(third, D(200_000), DAY)
    assert not out.taken_over
    assert abs(out.kept) * third.mark <= 50_000 < (abs(out.kept) + D("0.001")) * third.mark
    second = due("okx", "-1500", "30000")
    assert 50_000 < second.notional <= 250_000
    assert outcome(second, D(30_000), DAY).taken_over
    sunk = due("okx", "-8000", "200000", past="1.21")  # below even the first bracket's requirement
    assert outcome(sunk, D(200_000), DAY).taken_over


def test_hyperliquid_closes_a_fifth_waits_closes_all_or_takes_over() -> None:
    """Hyperliquid docs, "Liquidations": above 100,000 USDC 20 % first, 30 s, then everything; the rest is the trader's.
    Below two thirds of maintenance the vault takes all and the maintenance margin is not returned."""
    big = due("hyperliquid", "-5000", "100000", table(("1e9", "0.05")))
    first = outcome(big, D(100_000), DAY)
    assert abs(first.closed) == 1000 and abs(first.kept) == 4000 and first.fee == 0
    assert first.wait == timedelta(0)  # a fifth less already meets the requirement
    mid = due("hyperliquid", "-5000", "100000", table(("1e9", "0.05")), past="1.1")
    assert outcome(mid, D(100_000), DAY).wait == timedelta(seconds=30)
    whole = outcome(mid, D(100_000), DAY, again=True)
    assert whole.kept == 0 and whole.balance == D(100_000) + mid.profit > 0 and whole.fund == 0
    small = due("hyperliquid", "-50", "1000", table(("1e9", "0.05")))
    assert outcome(small, D(1000), DAY).kept == 0
    deep = due("hyperliquid", "-5000", "100000", table(("1e9", "0.05")), past="1.15")
    assert D(100_000) + deep.profit < deep.requirement * 2 / 3
    taken = outcome(deep, D(100_000), DAY)
    assert taken.taken_over and taken.fund == D(100_000) + deep.profit


def test_deribit_closes_no_more_lots_than_it_must() -> None:
    c = contract("BTC", "USDC", venue="deribit", lot="0.01")
    tiers = table(("1e9", "0.01"))
    short = Position(c, D(-10), D(50_000), D(52_000), tiers)
    wallet = D(25_000)
    assert wallet + short.profit < short.requirement
    out = outcome(short, wallet, DAY)
    assert not out.taken_over and out.kept < 0
    assert out.fee == abs(out.closed) * 52_000 * D("0.0075") == out.fund

    def free(closed: D) -> D:
        kept = abs(short.quantity) - closed
        return wallet - 10 * D(2_000) - closed * 52_000 * D("0.0075") - kept * 52_000 * D("0.01")

    assert free(abs(out.closed)) > 0 >= free(abs(out.closed) - c.lot)
    broke = outcome(short, D(19_000), DAY)
    assert broke.kept == 0 and broke.balance == 0 and broke.fund == D(-1_000)


def test_venues_that_were_not_read() -> None:
    gate = due("gate", "-100", "1000")
    assert isinstance(close_out(gate, D(1000), DAY), Unavailable)
    assert isinstance(closeout_rule("binance", date(2019, 1, 1)), Unavailable)
    sol = Position(contract("SOL", "USDC", venue="deribit"), D(-1), D(100), D(300), STEEP)
    assert isinstance(close_out(sol, D(10), DAY), Unavailable)
    doge = Position(contract("DOGE", "USDC", venue="deribit"), D(-1), D(100), D(300), STEEP)
    assert isinstance(close_out(doge, D(10), DAY), Unavailable)
    with pytest.raises(InputError, match="above maintenance"):
        close_out(due("bybit", "-100", "1000", past="0.5"), D(1000), DAY)


def test_rules_are_in_order_and_sourced() -> None:
    for venue in VENUES:
        days = [rule.effective_from for rule in CLOSEOUT_RULES if rule.venue == venue]
        assert days == sorted(set(days))
    assert all(rule.source for rule in CLOSEOUT_RULES)


def test_one_position_of_a_cross_account() -> None:
    """What the others leave stands behind it: due with the account, and just enough is closed for the account."""
    c = contract("BTC", "USDC", venue="deribit", lot="0.001")
    tiers = table(("1e9", "0.01"))
    short = Position(c, D(-10), D(50_000), D(52_000), tiers)
    other = Position(contract("ETH", "USDC", venue="deribit"), D(40), D(2_500), D(2_400), tiers)
    wallet = D(30_000)
    assert balance([short, other], wallet) < requirement([short, other])
    out = outcome(short, wallet + other.profit - other.requirement, DAY)
    rest = Position(c, out.kept, D(50_000), D(52_000), tiers)
    after = wallet + short.profit - rest.profit - out.fee
    assert balance([rest, other], after) > requirement([rest, other])
    one_more = Position(c, out.kept - c.lot, D(50_000), D(52_000), tiers)
    before = wallet + short.profit - one_more.profit - (abs(out.closed) - c.lot) * 52_000 * D("0.0075")
    assert balance([one_more, other], before) <= requirement([one_more, other])
    enough = wallet + 10_000
    assert balance([short, other], enough) > requirement([short, other])
    with pytest.raises(InputError, match="above maintenance"):
        close_out(short, enough + other.profit - other.requirement, DAY)
