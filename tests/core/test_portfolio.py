from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Holding, Lot, Portfolio, plus


def test_what_is_vesting_can_be_sold_only_from_its_day_on():
    holding = Holding("SOL", Decimal(10), locked_until=date(2025, 1, 1))
    assert not holding.sellable(date(2024, 12, 31))
    assert holding.sellable(date(2025, 1, 1))
    assert not Holding("SOL", Decimal(1), locked=True).sellable(date(2099, 1, 1))


def test_quantities_add_up_over_places_and_locked_ones_do_not_count_as_sellable():
    p = Portfolio(
        (
            Holding("ADA", Decimal(3), venue="ledger"),
            Holding("ADA", Decimal(4), locked=True),
            Holding("SOL", Decimal(1)),
        )
    )
    assert p.assets == ("ADA", "SOL")
    assert p.quantities() == {"ADA": Decimal(7), "SOL": Decimal(1)}
    assert p.sellable_quantities(date(2025, 1, 1)) == {"ADA": Decimal(3), "SOL": Decimal(1)}


def test_lots_must_add_up_and_a_holding_must_be_positive():
    with pytest.raises(ValueError, match="lots add up to 2"):
        Holding("ADA", Decimal(3), lots=(Lot(Decimal(2)),))
    with pytest.raises(ValueError, match="positive"):
        Holding("ADA", Decimal(0))


QUANTITIES = st.decimals("0.000000000000000001", "1e18", places=18)


@given(st.lists(st.tuples(QUANTITIES, st.booleans()), min_size=1, max_size=8))
def test_quantities_add_up_without_rounding(parts):
    p = Portfolio(tuple(Holding("ADA", quantity, locked=locked) for quantity, locked in parts))
    free = [quantity for quantity, locked in parts if not locked]
    assert Fraction(p.quantities()["ADA"]) == sum(Fraction(quantity) for quantity, _ in parts)
    assert Fraction(p.sellable_quantities(date(2025, 1, 1))["ADA"]) == sum(map(Fraction, free))


@given(st.lists(QUANTITIES, min_size=1, max_size=8))
def test_lots_that_add_up_exactly_are_taken(lots):
    whole = plus(lots)
    assert Holding("ADA", whole, lots=tuple(map(Lot, lots))).quantity == whole
