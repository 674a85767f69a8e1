"""Tables of venues without brackets, and Deribit's inverse liquidation."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Payoff, Unavailable
from stormsail.margin.tiers import maintenance
from stormsail.margin.types import Liquidation, TierTable, Unliquidatable
from stormsail.margin.venue_tables import (
    DERIBIT,
    deribit_inverse,
    deribit_rates,
    deribit_table,
    hyperliquid_table,
    scaled_initial,
)
from tests.margin.accounts import contract

NEW, OLD = date(2024, 6, 1), date(2021, 6, 1)


@pytest.mark.parametrize(
    ("base", "size", "margin"),
    [("BTC", 25, "28125"), ("BTC", 350, "962500"), ("SOL", 25, "100.625"), ("SOL", 6000, "60000")],
)
def test_deribit_linear_examples(base: str, size: int, margin: str) -> None:
    """Deribit, "Linear Perpetual": maintenance at 100,000 (BTC) and 200 (SOL); the last by the page's own formula."""
    price = D(100_000 if base == "BTC" else 200)
    found = deribit_table(contract(base, "USDC"), D(-size), date(2025, 1, 1))
    assert isinstance(found, TierTable)
    assert maintenance(size * price, found) == D(margin)


def test_deribit_initial_examples() -> None:
    """The same page: 25 BTC need 53,125 USDC to open, 350 BTC 1,312,500, 25 SOL 200.625, 6,000 SOL 84,000."""
    for base, size, margin in (("BTC", 25, "53125"), ("BTC", 350, "1312500"), ("SOL", 25, "200.625"),
                               ("SOL", 6000, "84000")):  # fmt: skip
        price = D(100_000 if base == "BTC" else 200)
        found = deribit_table(contract(base, "USDC"), D(size), date(2025, 1, 1))
        assert isinstance(found, TierTable)
        assert abs(size * price / found.tiers[0].max_leverage - D(margin)) < D("1e-20")


def test_deribit_rates_change_on_the_day_of_the_notice() -> None:
    """Deribit, "11 January 2022": BTC maintenance 0.525 % to 1 %, ETH step 0.0002 % to 0.0004 %, BTC fee to 0.75 %."""
    for base, before, after in (("BTC", ("0.00525", "0.00005"), ("0.01", "0.00005")),
                                ("ETH", ("0.01", "0.000002"), ("0.01", "0.000004"))):  # fmt: skip
        old, new = deribit_rates(contract(base), date(2022, 1, 10)), deribit_rates(contract(base), date(2022, 1, 11))
        assert not isinstance(old, Unavailable) and not isinstance(new, Unavailable)
        assert (old.maintenance, old.step) == (D(before[0]), D(before[1]))
        assert (new.maintenance, new.step) == (D(after[0]), D(after[1]))
    assert [r.liquidation_fee for r in DERIBIT[:2]] == [D("0.005"), D("0.0075")]
    assert isinstance(deribit_rates(contract("DOGE"), NEW), Unavailable)
    assert isinstance(deribit_table(contract("BTC", "USD", Payoff.INVERSE), D(1), NEW), Unavailable)
    assert isinstance(deribit_inverse(contract("SOL", "USD", Payoff.INVERSE), D(1), D(1), D(1), NEW), Unavailable)
    assert isinstance(deribit_inverse(contract("BTC"), D(1), D(1), D(1), NEW), Unavailable)


@given(
    st.sampled_from([-1, 1]), st.integers(1, 10**6), st.integers(1, 1200), st.sampled_from(["BTC", "ETH"]),
    st.sampled_from([OLD, NEW]),
)  # fmt: skip
def test_deribit_inverse_balance_meets_requirement(side: int, lots: int, part: int, base: str, day: date) -> None:
    c = contract(base, "USD", Payoff.INVERSE, size="10", venue="deribit")
    entry, value = D(40_000), D(lots * 10)
    collateral = value / entry * part / 1000
    rates = deribit_rates(c, day)
    assert not isinstance(rates, Unavailable)

    def free(price: D) -> D:
        v = value / price
        return collateral + side * (value / entry - v) - (rates.maintenance + rates.step * v) * v

    found = deribit_inverse(c, side * D(lots), entry, collateral, day)
    if isinstance(found, Unliquidatable):
        assert side < 0 and part >= 1000
        return
    assert isinstance(found, Liquidation)
    if found.price == 0:
        assert all(free(entry * k / 10) < 0 for k in range(1, 40))
        return
    assert abs(free(found.price)) < D("1e-15") * max(value / found.price, value / entry)
    assert abs(collateral + side * (value / entry - value / found.bankruptcy)) < D("1e-15") * value / entry
    if free(entry) > 0:
        assert found.price > entry if side < 0 else found.price < entry
        assert all(free(entry + (found.price - entry) * k / 20) > 0 for k in range(20))


def test_deribit_inverse_nonsense() -> None:
    c = contract("BTC", "USD", Payoff.INVERSE)
    for quantity, entry, collateral in ((0, 1, 1), (1, 0, 1), (1, 1, -1)):
        with pytest.raises(ValueError, match="make no position"):
            deribit_inverse(c, D(quantity), D(entry), D(collateral), NEW)


def test_hyperliquid_tiers() -> None:
    """Hyperliquid docs, "Margin tiers": BTC 40x to 150 million and 20x beyond; half of the initial margin is kept."""
    found = hyperliquid_table(contract("BTC", "USDC"), date(2025, 7, 1))
    assert isinstance(found, TierTable)
    assert maintenance(D(150_000_000), found) == D(1_875_000)
    assert maintenance(D(200_000_000), found) == D(200_000_000) * D("0.025") - D(1_875_000)
    small = hyperliquid_table(contract("DOT", "USDC"), date(2025, 7, 1))
    assert isinstance(small, TierTable)
    assert small.tiers[1].rate == D("0.1")
    assert isinstance(hyperliquid_table(contract("XYZ", "USDC"), date(2025, 7, 1)), Unavailable)
    assert isinstance(hyperliquid_table(contract("BTC", "USDC"), date(2024, 7, 1)), Unavailable)


def test_open_interest_scales_the_initial_fraction() -> None:
    """dYdX docs, "Margin": base below the lower cap, 100 % from the upper cap on, a line between."""
    base, lower, upper = D("0.02"), D(20), D(50)
    levels = [scaled_initial(base, D(x), lower, upper) for x in (0, 20, 35, 50, 90)]
    assert levels == [base, base, D("0.51"), 1, 1]
    with pytest.raises(ValueError, match="margin fraction"):
        scaled_initial(base, D(1), upper, lower)
