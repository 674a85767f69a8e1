from decimal import Decimal

import numpy as np
import pytest

from stormsail.core import InputError
from stormsail.ratio.estimators import minimum_variance_units
from stormsail.ratio.types import UnitRatio, ValueRatio
from stormsail.ratio.worked import beta_hedge_notional, contracts_needed, hedged_fall, ratio_from_correlation

# Hull, Options, Futures and Other Derivatives, table 3.2: changes of jet fuel and of heating oil futures.
SPOT = [0.029, 0.020, -0.044, 0.008, 0.026, -0.019, -0.010, -0.007, 0.043, 0.011, -0.036, -0.018, 0.009, -0.032, 0.023]
FUTURES = [
    *(0.021, 0.035, -0.046, 0.001, 0.044, -0.029, -0.026, -0.029),
    *(0.048, -0.006, -0.036, -0.011, 0.019, -0.027, 0.029),
]


def test_fifty_thousand_at_beta_one_and_a_half_is_seventy_five_thousand_short():
    assert beta_hedge_notional(Decimal(50000), Decimal("1.5")) == Decimal(75000)
    assert beta_hedge_notional(Decimal(50000), 1.5) == Decimal(75000)
    assert ValueRatio(1.5).notional(Decimal(50000)) == Decimal(75000)


def test_ten_percent_fall_at_ratio_one_cancels_exactly():
    fall = hedged_fall(Decimal(50000), 1, "0.1")
    assert (fall.spot, fall.hedge, fall.net) == (Decimal(-5000), Decimal(5000), Decimal(0))


def test_fall_under_beta_hedge_cancels_and_under_half_hedge_halves():
    assert hedged_fall(Decimal(50000), 1.5, 0.1, beta=1.5).net == 0
    assert hedged_fall(Decimal(50000), 0.5, 0.1).net == Decimal(-2500)


def test_hull_jet_fuel_from_the_table():
    (ratio,) = minimum_variance_units(SPOT, FUTURES)
    assert round(ratio.value, 4) == 0.7777
    assert round(contracts_needed(ratio, Decimal(2_000_000), Decimal(42_000)), 2) == Decimal("37.03")
    rho = np.corrcoef(SPOT, FUTURES)[0, 1]
    assert (round(rho, 3), round(np.std(SPOT, ddof=1), 4), round(np.std(FUTURES, ddof=1), 4)) == (0.928, 0.0263, 0.0313)
    again = ratio_from_correlation(rho, float(np.std(SPOT)), float(np.std(FUTURES)))
    assert again.value == pytest.approx(ratio.value, rel=1e-12)


def test_unit_ratio_becomes_value_ratio_by_prices():
    assert UnitRatio(0.5).to_value(spot_price=2.0, futures_price=3.0).value == 0.75


@pytest.mark.parametrize("arguments", [(1.1, 1.0, 1.0), (0.5, 0.0, 1.0), (0.5, 1.0, -1.0), (float("nan"), 1.0, 1.0)])
def test_impossible_moments_are_refused(arguments):
    with pytest.raises(InputError):
        ratio_from_correlation(*arguments)
