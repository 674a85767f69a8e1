"""Tolerance from text, and what a floor asks."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.audit.advice import check_tolerance, coverage_for_floor, value_after_fall
from stormsail.audit.tolerance import Tolerance, parse_amount, parse_share, tolerance_from_text
from stormsail.core import StormsailError, ToleranceError, Trouble


def test_every_field_from_text() -> None:
    t = tolerance_from_text(
        {
            "coverage": "60%",
            "survive": 0.4,
            "horizon": "2w",
            "collateral": "20_000",
            "floor": "1e4",
            "budget": None,
            "venues": "Binance, bybit,",
            "liquidation_chance": "0.5 %",
            "top_up": timedelta(hours=8),
            "volume_share": "2%",
            "max_net_delta": "10%",
        }
    )
    assert t == Tolerance(
        coverage=0.6,
        survive=0.4,
        horizon=timedelta(days=14),
        collateral=Decimal(20000),
        floor=Decimal("1e4"),
        venues=("binance", "bybit"),
        liquidation_chance=0.005,
        top_up=timedelta(hours=8),
        volume_share=0.02,
        max_net_delta=0.1,
    )
    assert tolerance_from_text({}) == Tolerance()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("coverage", "50", "write 50% if you mean so"),
        ("coverage", "half", "0.5 or 50%"),
        ("coverage", "0", "outside"),
        ("coverage", "150%", "outside"),
        ("coverage", True, "number or a text"),
        ("collateral", "20,000", "without comma"),
        ("collateral", "$20000", "without comma"),
        ("collateral", "-5", "0 or more"),
        ("collateral", "nan", "not a number"),
        ("collateral", "1e999", "out of any range"),
        ("collateral", "e5", "not a number"),
        ("horizon", "30", "30d, 12h"),
        ("horizon", "99999999999w", "30d, 12h"),
        ("horizon", "731d", "two years"),
        ("venues", 5, "binance,bybit"),
        ("covrage", "50%", "did you mean coverage?"),
    ],
)
def test_bad_text_names_the_field_and_the_cure(field: str, value: object, words: str) -> None:
    with pytest.raises(ToleranceError) as caught:
        tolerance_from_text({field: value})
    assert field in str(caught.value) and words in str(caught.value)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_plainly(text: str) -> None:
    for parse in (parse_share, parse_amount):
        try:
            parse(text)
        except StormsailError as error:
            assert error.cure


@given(st.floats(1.0, 1e9), st.floats(0.0, 1.0), st.floats(0.01, 0.98))
def test_coverage_for_a_floor_leaves_the_floor(value: float, kept: float, survive: float) -> None:
    floor = kept * value
    coverage = coverage_for_floor(value, floor, survive)
    assert 0 <= coverage <= 1
    left = value_after_fall(value, coverage, survive)
    assert left >= floor * (1 - 1e-9)
    if 0 < coverage < 1:
        assert left == pytest.approx(floor, rel=1e-9)


def test_coverage_for_a_floor_by_hand() -> None:
    assert coverage_for_floor(50_000, 40_000, 0.4) == pytest.approx(0.5)
    assert coverage_for_floor(50_000, 60_000, 0.4) == 1.0
    assert coverage_for_floor(50_000, 10_000, 0.4) == 0.0
    for bad in ((0.0, 1.0, 0.3), (1.0, -1.0, 0.3), (1.0, 1.0, 0.0), (float("nan"), 1.0, 0.3)):
        with pytest.raises(ValueError, match="out of range"):
            coverage_for_floor(*bad)


def test_a_floor_that_the_coverage_cannot_keep_is_told_with_figures() -> None:
    wish = Tolerance(coverage=0.5, survive=0.3, floor=Decimal(90_000))
    (found,) = check_tolerance(wish, 100_000)
    assert found.trouble is Trouble.FAIL_CLOSED
    assert "85,000" in found.cause and "90,000" in found.cause and "66.7%" in found.cure
    assert check_tolerance(wish, 100_000, cash=10_000) == ()
    (above,) = check_tolerance(Tolerance(floor=Decimal(120_000)), 100_000)
    assert "above the portfolio's value of 100,000" in above.cause
    assert check_tolerance(Tolerance(coverage=0.5, survive=0.3, floor=Decimal(85_000)), 100_000) == ()
    (loose,) = check_tolerance(Tolerance(budget=Decimal(200_000)), 100_000)
    assert loose.subject == "budget"
