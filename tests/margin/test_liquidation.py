"""Isolated liquidation: the venues' own examples, and what must hold for every position."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.core import Contract, Payoff, Tenor
from stormsail.margin.liquidation import bankruptcy, isolated, isolated_at_entry
from stormsail.margin.tiers import build_table, flat_table, maintenance, tier_at
from stormsail.margin.types import Liquidation, TierTable, Unliquidatable

DAY = date(2021, 2, 5)


def contract(payoff: Payoff = Payoff.LINEAR, tick: str = "0.01", size: str = "1") -> Contract:
    return Contract(
        "venue", "XY", "X", "Y", Tenor.PERPETUAL, payoff, D(size), D("0.001"), D(tick), D(5), D("0.0002"), D("0.0005")
    )


def table(*brackets: tuple[str, str], venue: str = "venue:XY") -> TierTable:
    return build_table(venue, DAY, [(D(cap), D(rate), 1 / (2 * D(rate))) for cap, rate in brackets], "test")


BTC_2020 = table(
    ("50000", "0.004"), ("250000", "0.005"), ("1000000", "0.01"), ("10000000", "0.025"), ("20000000", "0.05")
)
ETH_2020 = table(
    ("10000", "0.005"), ("100000", "0.0065"), ("500000", "0.01"), ("1000000", "0.02"), ("2000000", "0.05"),
    ("5000000", "0.1"), ("10000000", "0.125"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("tiers", "quantity", "entry", "balance", "price"),
    [
        # Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts", 2020-08-14: alone, and in the same
        # cross account, where the other position's loss and maintenance come off the balance
        (BTC_2020, "109.488", "32481.98", "1535443.01", "18778.73"),
        (BTC_2020, "109.488", "32481.98", "730737.612", "26316.89"),
        (ETH_2020, "3683.979", "1456.84", "1535443.01", "1114.78"),
        (ETH_2020, "3683.979", "1456.84", "1407887.62856", "1153.26"),
    ],
)
def test_binance_worked_example(tiers: TierTable, quantity: str, entry: str, balance: str, price: str) -> None:
    found = isolated(contract(tick="0.000001"), D(quantity), D(entry), D(balance), tiers)
    assert isinstance(found, Liquidation)
    assert found.price.quantize(D("0.01")) == D(price)


def test_bybit_worked_example_maintenance_at_entry() -> None:
    """Bybit help centre, "Liquidation Price (USDT Contract)", example 1: 1 BTC at 20,000, 50x, rate 0.5 %: 19,700."""
    tiers = flat_table(contract(), DAY, D("0.005"), "test")
    found = isolated_at_entry(contract(), D(1), D(20000), D(400), tiers)
    assert isinstance(found, Liquidation)
    assert (found.price, found.bankruptcy) == (D(19700), D(19600))
    short = isolated_at_entry(contract(), D(-1), D(20000), D(400), tiers)
    assert isinstance(short, Liquidation)
    assert (short.price, short.bankruptcy) == (D(20300), D(20400))


def test_bybit_inverse_cross_example_with_the_fee_of_closing() -> None:
    """Bybit help centre 360039261334, "How to calculate Liquidation Price (Inverse Contract)", cross margin: 0.5 BTC
    behind 10,000 contracts at 8,000, rate 0.5 %, fee 0.075 %: bankruptcy 5,718.57, liquidation 5,739.50."""
    tiers = flat_table(contract(), DAY, D("0.005"), "test")
    fine = isolated_at_entry(contract(Payoff.INVERSE), D(10_000), D(8_000), D("0.5"), tiers, fee=D("0.00075"))
    coarse = isolated_at_entry(
        contract(Payoff.INVERSE, tick="0.5"), D(10_000), D(8_000), D("0.5"), tiers, fee=D("0.00075")
    )
    assert isinstance(fine, Liquidation) and isinstance(coarse, Liquidation)
    assert fine.bankruptcy == D("5718.58")  # 5,718.571..., rounded up
    assert coarse.price == D("5739.50")


def test_mcs_worked_example_inverse_form() -> None:
    """MCS help centre, "Isolated Margin": 10x at 2000, rate 0.5 %: long 1826.48, short 2209.94."""
    tiers = flat_table(contract(Payoff.INVERSE), DAY, D("0.005"), "test")
    coins = D(2000) / D(2000) / 10
    long = isolated(contract(Payoff.INVERSE), D(2000), D(2000), coins, tiers)
    short = isolated(contract(Payoff.INVERSE), D(-2000), D(2000), coins, tiers)
    assert isinstance(long, Liquidation) and isinstance(short, Liquidation)
    # the page counts maintenance at entry and in coin; the inverse closed form at mark is 2000 (1 -+ r) / (1 +- 1/10)
    assert long.price == D("1827.28")
    assert short.price == D("2211.11")
    entry_rule = isolated_at_entry(contract(Payoff.INVERSE), D(2000), D(2000), coins, tiers)
    assert isinstance(entry_rule, Liquidation)
    assert entry_rule.price == D("1826.49")
    entry_short = isolated_at_entry(contract(Payoff.INVERSE), D(-2000), D(2000), coins, tiers)
    assert isinstance(entry_short, Liquidation)
    assert entry_short.price == D("2209.94")


def test_coin_backed_inverse_short_cannot_be_liquidated() -> None:
    tiers = table(("5", "0.004"), ("10", "0.005"), ("1000", "0.1"))
    usd = contract(Payoff.INVERSE, size="100")
    assert isinstance(isolated(usd, D(-600), D(50000), D("1.2"), tiers), Unliquidatable)
    assert isinstance(isolated(usd, D(-600), D(50000), D("1.1999"), tiers), Liquidation)


def test_long_paid_in_full_cannot_be_liquidated() -> None:
    assert isinstance(isolated(contract(), D(2), D(100), D(200), BTC_2020), Unliquidatable)
    assert isinstance(bankruptcy(contract(), D(2), D(100), D(200)), Unliquidatable)


def test_lost_short_is_liquidated_at_every_price() -> None:
    found = isolated(contract(), D(-1), D(100), D(-150), BTC_2020)
    assert isinstance(found, Liquidation) and found.price == 0


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="quantity"):
        isolated(contract(), D(0), D(100), D(10), BTC_2020)
    with pytest.raises(ValueError, match="negative"):
        isolated(contract(Payoff.INVERSE), D(1), D(100), D(-1), BTC_2020)


amounts = st.integers(1, 10**9).map(lambda n: D(n) / 1000)
signs = st.sampled_from([D(-1), D(1)])
fees = st.sampled_from([D(0), D("0.0005"), D("0.001")])


@st.composite
def tables(draw: st.DrawFn) -> TierTable:
    caps = sorted(draw(st.sets(st.integers(1, 10**8), min_size=1, max_size=8)))
    rates = sorted(draw(st.lists(st.integers(1, 500), min_size=len(caps), max_size=len(caps))))
    return table(*((str(cap), str(D(rate) / 1000)) for cap, rate in zip(caps, rates, strict=True)))


@settings(deadline=None)
@given(amounts, signs, amounts, st.integers(1, 1200), tables(), fees, st.sampled_from([Payoff.LINEAR, Payoff.INVERSE]))
def test_balance_equals_requirement_at_the_liquidation_price(
    size: D, side: D, entry: D, part: int, tiers: TierTable, fee: D, payoff: Payoff
) -> None:
    c = contract(payoff, tick="1e-25")
    quantity = size * side
    value = size / entry if payoff is Payoff.INVERSE else size * entry
    collateral = value * part / 1000
    found = isolated(c, quantity, entry, collateral, tiers, fee=fee)
    if isinstance(found, Unliquidatable):
        assert part >= 1000
        assert (side > 0) == (payoff is Payoff.LINEAR)
        return
    p = found.price
    if payoff is Payoff.INVERSE:
        notional, gain = size / p, quantity * (1 / entry - 1 / p)
    else:
        notional, gain = size * p, quantity * (p - entry)
    balance = collateral + gain
    needed = maintenance(notional, tiers) + fee * notional
    assert abs(balance - needed) <= D("1e-9") * max(value, notional)
    tier = tiers.tiers[found.tier]
    slack = D("1e-9") * notional
    assert tier.floor - slack <= notional
    assert notional <= tier.cap + slack or tier is tiers.tiers[-1]
    assert (
        tier.rate == tier_at(notional, tiers).rate
        or abs(notional - tier.floor) <= slack
        or (abs(notional - tier.cap) <= slack)
    )
    if side < 0:
        assert found.bankruptcy >= p
    else:
        assert found.bankruptcy <= p


@settings(deadline=None)
@given(amounts, signs, amounts, st.integers(1, 900), st.integers(1, 90), tables())
def test_more_collateral_moves_liquidation_away(
    size: D, side: D, entry: D, part: int, more: int, tiers: TierTable
) -> None:
    c = contract(tick="1e-20")
    value = size * entry
    near = isolated(c, size * side, entry, value * part / 1000, tiers)
    far = isolated(c, size * side, entry, value * (part + more) / 1000, tiers)
    assert isinstance(near, Liquidation) and isinstance(far, Liquidation)
    assert far.price > near.price if side < 0 else far.price < near.price


@given(st.integers(1, 10**6), st.integers(2, 50))
def test_rounding_goes_against_the_trader(cents: int, leverage: int) -> None:
    entry = D(cents) / 100
    tiers = flat_table(contract(), DAY, D("0.004"), "test")
    for quantity in (D(-3), D(3)):
        coarse = isolated(contract(tick="0.05"), quantity, entry, 3 * entry / leverage, tiers)
        fine = isolated(contract(tick="1e-15"), quantity, entry, 3 * entry / leverage, tiers)
        assert isinstance(coarse, Liquidation) and isinstance(fine, Liquidation)
        assert coarse.price <= fine.price if quantity < 0 else coarse.price >= fine.price
        assert abs(coarse.price - fine.price) < D("0.05")
