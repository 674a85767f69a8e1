from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import ceil_to, exact, floor_to, from_float, nearest_to, times, to_float

numbers = st.decimals(min_value="-1e12", max_value="1e12", allow_nan=False, allow_infinity=False, places=8)
steps = st.sampled_from([Decimal(s) for s in ("0.00000001", "0.001", "0.05", "1", "10", "250")])


@given(numbers, steps)
def test_floor_and_ceil_enclose_the_value_within_one_step(value, step):
    low, high = floor_to(value, step), ceil_to(value, step)
    assert low <= value <= high
    assert high - low in (0, step)
    assert low % step == 0 and high % step == 0


@given(numbers, steps)
def test_nearest_is_never_further_than_half_a_step(value, step):
    assert abs(nearest_to(value, step) - value) * 2 <= step


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_survives_the_journey_to_decimal_and_back(value):
    assert to_float(from_float(value)) == value


def test_products_of_money_keep_more_digits_than_the_default_context():
    product = times(Decimal("123456789012345678.12345678"), Decimal("1.00000000000001"))
    assert product == Decimal("123456789012346912.6913469034567812345678")


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "twelve", "1,5", ""])
def test_what_is_not_a_finite_number_is_refused(text):
    with pytest.raises(ValueError, match=r"not a (decimal|finite) number"):
        exact(text)


def test_a_step_must_be_positive():
    with pytest.raises(ValueError, match="step"):
        floor_to(Decimal(1), Decimal(0))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_float_that_is_no_number_does_not_become_money(value):
    with pytest.raises(ValueError, match="finite"):
        from_float(value)
