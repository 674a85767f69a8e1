"""The band's width against its own derivation and a simulation; the exact rule against the compiled one."""

from __future__ import annotations

from decimal import Decimal as D

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from stormsail.core import Unavailable
from stormsail.watch._kernels import rebalanced
from stormsail.watch.bands import CROSS_WIDTH, NARROWEST, OWN_WIDTH, WIDEST, cube_root, half_width, next_quantity
from tests.watch.support import contract

UNKNOWN = Unavailable("no data")


def test_the_law_is_the_least_of_trading_and_standing_off():
    cost, sd_h, sd_f, lam = 0.0012, 0.6, 0.9, 20.0

    def yearly(w):
        return cost * sd_h**2 / (2 * w) + lam * sd_f**2 * w**2 / 6

    best = minimize_scalar(yearly, bounds=(1e-4, 1), method="bounded", options={"xatol": 1e-10}).x
    assert cube_root(cost, sd_h, sd_f, lam) == pytest.approx(best, rel=1e-6)


def test_what_is_traded_and_how_far_it_stands_off_in_a_simulation():
    """The two terms of the derivation: a walk reflected by the compiled rule trades s^2 / 2w and stands w^2 / 3 off."""
    steps, w = 400_000, 0.05
    rng = np.random.Generator(np.random.Philox(key=7))
    moves = rng.normal(0.0, 2.5e-3, steps).tolist()
    traded = squared = offset = 0.0
    for move in moves:  # target 1 throughout, the position drifts
        drifted = offset + move
        offset = rebalanced(1.0 + drifted, 1.0, w, True) - 1.0
        traded += abs(offset - drifted)
        squared += offset**2
    assert traded / steps == pytest.approx(2.5e-3**2 / (2 * w), rel=0.06)
    assert squared / steps == pytest.approx(w**2 / 3, rel=0.06)


@given(st.floats(1e-6, 0.1), st.floats(0.01, 3), st.floats(0.01, 3), st.floats(0.1, 500))
def test_limits_of_the_law(cost, sd_h, sd_f, lam):
    w = cube_root(cost, sd_h, sd_f, lam)
    assert cube_root(8 * cost, sd_h, sd_f, lam) == pytest.approx(2 * w)
    assert cube_root(cost, sd_h, sd_f, 8 * lam) == pytest.approx(w / 2)
    assert cube_root(cost, 2 * sd_h, 2 * sd_f, lam) == pytest.approx(w)
    assert cube_root(0.0, sd_h, sd_f, lam) == 0.0
    assert NARROWEST <= half_width(cost, sd_h, sd_f, lam) <= WIDEST


def test_without_an_input_the_custom_stands_in():
    nan = float("nan")
    for args in [(UNKNOWN, 0.5, 0.8), (0.001, UNKNOWN, 0.8), (0.001, 0.5, UNKNOWN), (nan, 0.5, 0.8), (0.001, 0.5, 0.0)]:
        assert half_width(*args, 50.0) == OWN_WIDTH
        assert half_width(*args, 50.0, own=False) == CROSS_WIDTH
    assert half_width(0.0, 0.5, 0.8, 50.0) == NARROWEST
    assert half_width(0.5, 9.0, 0.01, 0.1) == WIDEST
    with pytest.raises(ValueError, match="risk aversion"):
        cube_root(0.001, 0.5, 0.8, 0.0)


@pytest.mark.parametrize(
    ("held", "target", "width", "edge", "wanted"),
    [
        ("-10", -10.0, 0.05, True, "-10"),
        ("-10.4", -10.0, 0.05, True, "-10.4"),  # inside
        ("-11", -10.0, 0.05, True, "-10.5"),  # to the edge
        ("-11", -10.0, 0.05, False, "-10.0"),  # to the target
        ("-8", -10.0, 0.05, True, "-9.5"),
        ("-8", -10.77, 0.0, True, "-10.7"),  # whole lots, never beyond
        ("-3", 0.0, 0.05, True, "0"),
        ("0", -10.0, 0.05, True, "-10"),  # a position that is not there yet is opened whole
        ("-0.3", -0.3, 0.0, True, "-0.3"),  # 0.3 / 0.1 is a hair below 3 in floats
        ("-4", float("nan"), 0.0, True, "-4"),
    ],
)
def test_next_quantity(held, target, width, edge, wanted):
    assert next_quantity(D(held), target, width, edge, contract()) == D(wanted)


def test_the_smallest_order_is_kept_unless_it_closes():
    least = contract(least="100")
    assert next_quantity(D(-10), -10.9, 0.0, True, least, D(50)) == -10
    assert next_quantity(D(-10), -13.0, 0.0, True, least, D(50)) == -13
    assert next_quantity(D("-0.5"), 0.0, 0.0, True, least, D(50)) == 0


lots = st.integers(-10_000, 10_000)


@given(lots, st.floats(-1e3, 1e3), st.floats(0, 0.9), st.booleans(), st.sampled_from(["0.1", "0.001", "1", "10"]))
def test_twice_is_once_and_never_beyond_the_target(count, target, width, edge, lot):
    traded = contract(lot=lot)
    held = count * D(lot)
    once = next_quantity(held, target, width, edge, traded)
    assert next_quantity(once, target, width, edge, traded) == once
    assert once % D(lot) == 0
    low, high = sorted([float(held), target])
    slack = 1e-6 + float(D(lot))  # cutting toward zero may take a lot more than asked when the position shrinks
    assert low - slack <= float(once) <= high + slack
