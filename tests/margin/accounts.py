"""Generated accounts for tests of the margin room: coins and cash, every payoff, hedge mode, brackets of all shapes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

from hypothesis import strategies as st

from stormsail.core import Contract, Payoff, Tenor
from stormsail.margin.account import Position
from stormsail.margin.haircuts import Haircuts, rates
from stormsail.margin.pool import Account
from stormsail.margin.tiers import build_table
from stormsail.margin.types import TierTable

DAY = date(2025, 1, 1)
PRICES = {"BTC": D(50_000), "ETH": D(2_500), "USDT": D(1), "USD": D(1), "USDC": D("0.999")}
HAIRCUTS = rates("v", DAY, {"BTC": "0.95", "ETH": "0.9", "USDT": "0.9999", "USDC": "0.99", "USD": "1"}, "test")
PLAIN = rates("v", DAY, dict.fromkeys(PRICES, "1"), "test")


def contract(
    base: str = "BTC",
    quote: str = "USDT",
    payoff: Payoff = Payoff.LINEAR,
    *,
    size: str = "1",
    tick: str = "1e-20",
    venue: str = "v",
    lot: str = "0.001",
) -> Contract:
    return Contract(
        venue, f"{base}{quote}-{payoff.value}", base, quote, Tenor.PERPETUAL, payoff, D(size), D(lot), D(tick), D(5),
        D("0.0002"), D("0.0005"),
    )  # fmt: skip


def table(*brackets: tuple[str, str]) -> TierTable:
    return build_table("v:X", DAY, [(D(cap), D(rate), 1 / (2 * D(rate))) for cap, rate in brackets], "test")


@st.composite
def tables(draw: st.DrawFn, largest: int = 10**7) -> TierTable:
    caps = sorted(draw(st.sets(st.integers(1, largest), min_size=1, max_size=6)))
    bps = sorted(draw(st.lists(st.integers(1, 300), min_size=len(caps), max_size=len(caps))))
    return table(*((str(cap), str(D(rate) / 1000)) for cap, rate in zip(caps, bps, strict=True)))


BOOK = (
    contract("BTC", "USDT"),
    contract("ETH", "USDT"),
    contract("BTC", "USD", Payoff.INVERSE, size="100"),
    contract("ETH", "USD", Payoff.INVERSE, size="10"),
    contract("ETH", "BTC"),
)
QUANTO = contract("ETH", "USD", Payoff.QUANTO, size="0.000001")


@st.composite
def positions(draw: st.DrawFn, *, quanto: bool = False) -> Position:
    c = draw(st.sampled_from((*BOOK, QUANTO) if quanto else BOOK))
    mark = PRICES[c.base] / PRICES[c.quote]
    entry = mark * draw(st.integers(80, 125)) / 100
    worth = D(draw(st.integers(1, 10**6)))  # dollars
    unit = c.size if c.payoff is Payoff.INVERSE else c.size * mark * PRICES["BTC" if c is QUANTO else c.quote]
    quantity = (worth / unit).quantize(D("1e-6")) or D("1e-6")
    side = draw(st.sampled_from([D(-1), D(1)]))
    coins = 100 if c.payoff is not Payoff.LINEAR or c.quote == "BTC" else 10**7
    fee = draw(st.sampled_from([D(0), D("0.0005")]))
    at_entry = draw(st.sampled_from([False, False, False, True]))
    return Position(
        c, side * quantity, entry, mark, draw(tables(coins)), fee, at_entry, "BTC" if c.payoff is Payoff.QUANTO else ""
    )


@st.composite
def accounts(
    draw: st.DrawFn, *, quanto: bool = False, most: int = 5, haircuts: Haircuts | None = None
) -> tuple[Account, dict[str, D]]:
    held = draw(st.lists(positions(quanto=quanto), min_size=1, max_size=most))
    balances = tuple((a, D(draw(st.integers(-20_000, 10**6))) / PRICES[a]) for a in ("BTC", "ETH", "USDC", "USDT"))
    loans = (("ETH", D(draw(st.integers(0, 20)))),)
    trigger = draw(st.sampled_from([D(1), D("1.05")]))
    rule = haircuts or draw(st.sampled_from([HAIRCUTS, PLAIN]))
    return Account("v", balances, tuple(held), rule, loans, D("0.1"), trigger), PRICES
