"""The ladder lived through: an account kept in exact arithmetic by the margin room, bar by bar, on wild prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.margin.account import Position, balance, requirement
from stormsail.margin.tiers import build_table
from stormsail.watch.acts import TopUp, Trade, Warn
from stormsail.watch.ladder import respond, rungs
from stormsail.watch.policy import Ladder
from stormsail.watch.sight import AccountSight, HeldShort
from tests.watch.support import contract

WIDE = {"warn": 0.35, "top_up": 0.5, "top_up_to": 0.2, "reduce": 0.7, "reduce_to": 0.4, "close": 0.9}
"""Rungs far apart, for round figures."""

LADDER = Ladder(**WIDE)
A, B = contract("AAA", lot="1"), contract("BBB", lot="0.1")
TABLE = build_table(
    "any",
    date(2020, 1, 1),
    [(D(5_000), D("0.01"), D(50)), (D(25_000), D("0.05"), D(10)), (D(10**9), D("0.125"), D(4))],
    "made up",
)
DELAY = 3


class Book:
    """Two shorts and their cash."""

    def __init__(self, collateral: int, reserve: int) -> None:
        self.cash, self.reserve = D(collateral), D(reserve)
        self.units = {A.id: D(-500), B.id: D(-1000)}
        self.entry = {A.id: D(20), B.id: D(10)}
        self.coming: list[tuple[int, D]] = []

    def positions(self, price: dict[str, D]) -> list[Position]:
        return [Position(c, self.units[c.id], self.entry[c.id], price[c.id], TABLE) for c in (A, B) if self.units[c.id]]

    def seen(self, price: dict[str, D]) -> AccountSight:
        held = self.positions(price)
        shorts = tuple(HeldShort(p.contract, p.quantity, float(p.mark), p.quantity) for p in held)
        on_the_way = float(sum((amount for _, amount in self.coming), D(0)))
        return AccountSight(
            "v", "v", "USDT", float(balance(held, self.cash)), float(requirement(held)), on_the_way, shorts
        )  # fmt: skip

    def do(self, act: object, price: dict[str, D], t: int) -> None:
        if isinstance(act, TopUp):
            assert 0 < act.amount <= self.reserve
            self.reserve -= act.amount
            self.coming.append((t + DELAY, act.amount))
        elif isinstance(act, Trade):
            c = A if act.contract == A.id else B
            assert 0 < act.quantity <= -self.units[c.id]
            self.cash += act.quantity * (self.entry[c.id] - price[c.id]) - act.quantity * price[c.id] * c.taker_fee
            self.units[c.id] += act.quantity
        else:
            assert isinstance(act, Warn)


steps = st.lists(st.tuples(st.floats(-0.12, 0.15), st.floats(-0.12, 0.15)), min_size=10, max_size=60)


@given(steps, st.integers(4_000, 30_000), st.integers(0, 40_000))
def test_what_the_ladder_asks_for_does_what_it_says(moves, collateral, reserve):
    """After a reduction the ratio is what was asked, after a close nothing is left, and a sleeper missed nothing."""
    book, price = Book(collateral, reserve), {A.id: D(20), B.id: D(10)}
    upper, lower, woken = LADDER.warn, -1.0, 0
    for t, (a, b) in enumerate(moves):
        price = {A.id: price[A.id] * (1 + D(repr(a))), B.id: price[B.id] * (1 + D(repr(b)))}
        arrived = [amount for when, amount in book.coming if when <= t]
        book.cash += sum(arrived, D(0))
        book.coming = [entry for entry in book.coming if entry[0] > t]
        seen = book.seen(price)
        if not seen.shorts or seen.ratio >= 1.0:
            return  # closed, or liquidated within one bar, which no ladder can help
        if lower <= seen.ratio <= upper and not arrived:
            settled = LADDER.reduce <= seen.ratio and book.coming
            assert settled or seen.ratio < LADDER.close
            continue
        woken += 1
        acts = respond(LADDER, seen, book.reserve, falling=seen.ratio < lower)
        for act in acts:
            book.do(act, price, t)
        after = book.seen(price)
        if any(isinstance(act, Trade) for act in acts):
            if seen.ratio >= LADDER.close:
                assert not after.shorts
            elif after.shorts:
                assert after.ratio <= LADDER.reduce_to * 1.02  # the fees of rounding lots up
        upper, lower = rungs(LADDER, after)
    assert woken <= len(moves)


@settings(max_examples=15)
@given(st.integers(4_000, 30_000))
def test_a_close_comes_before_the_venue_if_the_bars_allow(collateral):
    """Prices rise by one part in 500 a bar: the account is closed by its holder, never by the venue."""
    book, price = Book(collateral, 0), {A.id: D(20), B.id: D(10)}
    upper, lower, worst = LADDER.warn, -1.0, 0.0
    for t in range(4000):
        price = {name: p * (D(1) + D("0.002")) for name, p in price.items()}
        seen = book.seen(price)
        if not seen.shorts:
            break
        worst = max(worst, seen.ratio)
        if not lower <= seen.ratio <= upper:
            for act in respond(LADDER, seen, book.reserve, falling=seen.ratio < lower):
                book.do(act, price, t)
            upper, lower = rungs(LADDER, book.seen(price))
    assert not book.seen(price).shorts
    assert LADDER.reduce <= worst < 1.0
    assert book.cash > 0
