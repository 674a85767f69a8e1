"""Numbers for people: no false zero, no false minus, nothing hidden."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.report.format import (
    amount,
    amounts,
    clean,
    fine_points,
    fixed,
    listing,
    percent,
    points,
    price,
    quantity,
    sentence,
    share_interval,
    share_percent,
    share_points,
    signed_points,
)

finite = st.floats(min_value=-1e12, max_value=1e12)


@given(finite, st.integers(0, 6))
def test_fixed_reads_back_to_within_half_a_unit_and_has_no_negative_zero(value: float, places: int) -> None:
    text = fixed(value, places)
    assert abs(float(text.replace(",", "")) - value) <= 0.5 * 10.0**-places * (1 + 1e-9) + 1e-15 * abs(value)
    assert not (text.startswith("-") and float(text.replace(",", "")) == 0)


@given(st.decimals(min_value="0.00000001", max_value="1000000000", places=8))
def test_exact_numbers_lose_nothing(value: Decimal) -> None:
    assert Decimal(price(value).replace(",", "")) == value
    assert Decimal(quantity(value).replace(",", "")) == value


@given(st.floats(min_value=1e-5, max_value=0.9))
def test_a_small_chance_is_never_written_as_nothing(chance: float) -> None:
    assert float(fine_points(chance).lstrip("<")) > 0


@given(st.floats(0.5, 1.0, exclude_max=True), st.integers(0, 2))
def test_a_share_below_all_is_never_written_as_all(share: float, places: int) -> None:
    text = share_points(share, places)
    assert float(text.lstrip(">")) < 100
    assert abs(float(text.lstrip(">")) - 100 * share) <= 0.5 * 10.0**-places + 1e-9
    assert share_percent(share, places) == f"{text} %"
    for end in share_interval(share - 0.1, share, share):
        assert float(end.lstrip(">")) < 100


def test_all_is_written_as_all_and_harm_as_harm() -> None:
    assert (share_points(1.0), share_points(-0.2), share_percent(math.inf)) == ("100.0", "-20.0", "no limit")
    assert share_interval(-0.5, 1.0, 0.9) == ("-50", "100")


def test_nan_and_infinity_are_words() -> None:
    assert [f(math.nan) for f in (amount, points, percent, price, signed_points)] == ["n/a"] * 5
    assert percent(math.inf) == points(math.inf) == "no limit"


def test_a_column_of_money_has_one_number_of_decimals() -> None:
    assert amounts([1.234, 999.5, math.nan]) == ["1.23", "999.50", "n/a"]
    assert amounts([Decimal("16212.4"), Decimal("0.4")]) == ["16,212", "0"]
    assert amounts([5.0, -5.0, 0.0], sign=True) == ["+5.00", "-5.00", "0.00"]


@pytest.mark.parametrize("value, text", [(-0.0004, "0.0"), (0.0004, "0.0"), (0.004, "+0.4"), (-0.004, "-0.4")])
def test_a_sign_is_only_written_where_a_digit_supports_it(value: float, text: str) -> None:
    assert signed_points(value) == text


def test_words_from_outside_cannot_move_the_cursor_or_turn_the_line() -> None:
    assert clean("a\x1b[2J\r\nb\u202ec\x00") == "a[2J bc"
    assert clean("币安 Söhne") == "币安 Söhne"
    assert sentence("") == "" and listing([]) == "nothing"
