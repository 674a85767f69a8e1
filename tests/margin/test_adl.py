"""Auto-deleveraging: the venues' examples, exact conservation, and a fund that never goes below zero."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.core import InputError, Payoff, Unavailable, profit
from stormsail.margin.account import Position
from stormsail.margin.adl import ADL_RULES, Holder, Ranking, absorb, adl_rule, auto_deleverage, queue, score
from tests.margin.accounts import contract, table

FLAT = table(("1e12", "0.01"))
XBT = contract("BTC", "USD", Payoff.INVERSE, lot="1")


def holder(name: str, quantity: object, entry: object, mark: object, equity: object, c: object = None) -> Holder:
    return Holder(name, Position(c or contract(lot="1"), D(str(quantity)), D(str(entry)), D(str(mark)), FLAT),  # type: ignore[arg-type]  # a contract or nothing
                  D(str(equity)))  # fmt: skip


def ranked(entries: dict[str, tuple[int, int]]) -> list[Holder]:
    """Longs with these quantities whose scores are in the order of the second number: profit by equity."""
    return [holder(name, q, 100, 101, D(q) * 100 / points) for name, (q, points) in entries.items()]


BITMEX = {"1": (10, 3), "2": (10, 6), "3": (20, 1), "4": (30, 4), "5": (20, 5), "6": (10, 2)}


def test_bitmex_example() -> None:
    """BitMEX, "Auto-Deleveraging Examples": six longs; a short of 20 bankrupt at 650 closes account 2 whole and half of
    account 5; percentiles 20, 40, 60, 80, 80, 100 %."""
    longs = ranked(BITMEX)
    places = queue(longs, Ranking.PROFIT_LEVERAGE)
    assert [(p.name, p.lights) for p in places] == [("2", 5), ("5", 4), ("4", 3), ("1", 2), ("6", 2), ("3", 1)]
    out = auto_deleverage(longs[0].position.contract, D(-20), D(650), longs, Ranking.PROFIT_LEVERAGE)
    assert [(c.name, c.quantity) for c in out.closed] == [("2", 10), ("5", 10)]
    assert out.price == 650 and out.unmatched == 0


def test_profit_times_leverage_by_its_definition() -> None:
    """Effective leverage is |mark value| / (mark value - bankrupt value); a loss is divided by it."""
    for side in (1, -1):
        h = holder("x", side * 10, 100, 110, 250)
        bankrupt = D(110) - side * D(250) / 10
        mark_value, bankrupt_value, entry_value = (side * 10 * D(p) for p in (110, bankrupt, 100))
        pnl = (mark_value - entry_value) / abs(entry_value)
        leverage = abs(mark_value) / (mark_value - bankrupt_value)
        wanted = pnl * leverage if pnl > 0 else pnl / leverage
        assert abs(score(h, Ranking.PROFIT_LEVERAGE) - wanted) < D("1e-20")
    coin = holder("y", -100, 100, 80, 2, XBT)  # short 100 USD: gains 0.25 coins less in value terms
    value = {p: -100 / D(p) for p in (100, 80)}
    assert coin.position.profit == 100 / D(80) - 1
    assert score(coin, Ranking.PROFIT_LEVERAGE) == pytest.approx(
        coin.position.profit / abs(value[100]) * abs(value[80]) / 2
    )


def test_binance_score_is_profit_share_times_margin_ratio() -> None:
    """Binance faq 360033525471: unrealised profit / collateral * margin ratio."""
    h = holder("x", -10, 100, 90, 300)
    assert score(h, Ranking.PROFIT_RATIO) == D(100) / 200 * (D("9") / 300)
    with pytest.raises(InputError, match="collateral"):
        score(holder("x", -10, 100, 90, 50), Ranking.PROFIT_RATIO)


def test_hyperliquid_scores_rise_with_profit_on_both_sides() -> None:
    for ranking in (Ranking.PRICE_INDEX, Ranking.ENGINE):
        for side in (1, -1):
            marks = [D(100 + side * k) for k in (0, 5, 10)]
            equal = [replace(holder("x", side * 10, 100, m, 500), equity=m * 10 / 2) for m in marks]
            points = [score(h, ranking) for h in equal]
            assert points == sorted(points) and points[0] < points[-1]
    long = holder("x", 10, 100, 120, 600)
    assert score(long, Ranking.PRICE_INDEX) == D("1.2") * 2
    assert score(long, Ranking.ENGINE) == D("0.2") * 2
    assert score(holder("x", 10, 100, 80, 400), Ranking.ENGINE) == D("2e-8")


def test_more_collateral_moves_a_winner_back_in_every_queue() -> None:
    for ranking in Ranking:
        near, far = (score(holder("x", -10, 100, 80, e), ranking) for e in (400, 800))
        assert far < near


def test_rules_by_venue_and_day() -> None:
    for venue in {rule.venue for rule in ADL_RULES}:
        days = [rule.effective_from for rule in ADL_RULES if rule.venue == venue]
        assert days == sorted(set(days))
    before, after = adl_rule("hyperliquid", date(2026, 6, 21)), adl_rule("hyperliquid", date(2026, 6, 22))
    assert not isinstance(before, Unavailable) and not isinstance(after, Unavailable)
    assert (before.ranking, after.ranking) == (Ranking.PRICE_INDEX, Ranking.ENGINE)
    for venue in ("deribit", "dydx", "okx", "gate"):
        missing = adl_rule(venue, date(2025, 1, 1))
        assert isinstance(missing, Unavailable) and missing.reason


books = st.lists(st.tuples(st.integers(1, 500), st.integers(80, 120), st.integers(1, 400)), min_size=1, max_size=8)


@settings(deadline=None)
@given(
    books, st.sampled_from([-1, 1]), st.integers(1, 1500), st.integers(70, 130), st.sampled_from(list(Ranking)[::2]),
    st.sampled_from([contract(lot="1"), XBT]),
)  # fmt: skip
def test_contracts_and_money_are_conserved(
    book: list[tuple[int, int, int]], side: int, lots: int, price: int, ranking: Ranking, c: object
) -> None:
    holders = [
        holder(f"h{i}", -side * q, entry, 100, D(equity) * q, c) for i, (q, entry, equity) in enumerate(book)
    ]  # fmt: skip
    same_side = holder("same", side, 100, 100, 10, c)
    k = holders[0].position.contract
    out = auto_deleverage(k, side * D(lots), D(price), [*holders, same_side], ranking)
    taken = sum((x.quantity for x in out.closed), D(0))
    assert taken + side * D(lots) - out.unmatched == 0
    assert all(x.name != "same" and x.quantity % k.lot == 0 for x in out.closed)
    held = {h.name: h.position.quantity for h in holders}
    assert all(0 < abs(x.quantity) <= abs(held[x.name]) for x in out.closed)
    assert all(x.quantity == held[x.name] for x in out.closed[:-1])
    if out.unmatched:
        assert len(out.closed) == len(holders)
    # the bankrupt is closed at the price instead of the mark: its gain is what the winners give up
    relieved = profit(k, -taken, D(100), D(price)) if taken else D(0)
    assert abs(relieved - sum((x.given_up for x in out.closed), D(0))) < D("1e-20")
    points = [score(h, ranking) for name in (x.name for x in out.closed) for h in holders if h.name == name]
    assert points == sorted(points, reverse=True)


@settings(deadline=None)
@given(st.integers(1, 1000), st.sampled_from([-1, 1]), st.integers(0, 3000), st.integers(60, 140))
def test_the_fund_pays_until_it_is_empty_and_the_rest_goes_to_winners(
    lots: int, side: int, fund: int, fill: int
) -> None:
    c = contract(lot="1")
    bankrupt = Position(c, side * D(lots), D(100), D(fill), FLAT)
    winners = [holder(f"w{i}", -side * 100, 100, fill, 10_000) for i in range(10)]
    out = absorb(bankrupt, D(100), D(fill), D(fund), winners, Ranking.PROFIT_LEVERAGE)
    loss = max(D(0), -side * D(fill - 100))
    assert out.fund >= 0
    if out.deleveraged is None:
        assert out.by_fund == side * D(lots)
        assert out.fund == fund + side * D(fill - 100) * lots
        return
    rest = sum((x.quantity for x in out.deleveraged.closed), D(0))
    assert out.by_fund - rest == side * D(lots)
    assert out.fund == fund - abs(out.by_fund) * loss
    assert out.fund < loss  # not one lot more could be paid
    assert out.deleveraged.price == 100


def test_nonsense_is_refused() -> None:
    h = holder("x", 10, 100, 100, 1)
    with pytest.raises(InputError, match="equity"):
        holder("x", 10, 100, 100, 0)
    with pytest.raises(ValueError, match="holders of that contract"):
        auto_deleverage(XBT, D(1), D(1), [h], Ranking.ENGINE)
    with pytest.raises(ValueError, match="fund"):
        absorb(h.position, D(1), D(1), D(-1), [h], Ranking.ENGINE)
