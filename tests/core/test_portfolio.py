from datetime import date
from decimal import Decimal

import pytest

from stormsail.core import Holding, Lot, Portfolio


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
