import numpy as np
import pytest

from stormsail.core import Unavailable
from stormsail.ratio.asymmetry import asymmetric_beta


def world(up, down, rows=500, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.standard_t(5, rows) * 0.03
    return np.where(x > 0, up, down) * x + 0.02 * rng.normal(size=rows), x


def test_figures_are_the_definitions():
    y, x = world(0.9, 1.5)
    got = asymmetric_beta(y, x, "w")
    assert got.up.value == pytest.approx((x * y)[x > 0].sum() / (x * x)[x > 0].sum(), rel=1e-12)
    assert got.down.value == pytest.approx((x * y)[x < 0].sum() / (x * x)[x < 0].sum(), rel=1e-12)
    assert got.difference.value == pytest.approx(got.down.value - got.up.value)
    assert (got.up.n + got.down.n, got.up.window) == (500, "w")


def test_real_asymmetry_is_found_and_none_is_not_invented():
    assert asymmetric_beta(*world(0.9, 1.5)).differs
    false_alarms = sum(asymmetric_beta(*world(1.2, 1.2, 300, seed)).differs for seed in range(100))
    assert false_alarms <= 12


def test_interval_holds_the_truth():
    inside = 0
    for seed in range(100):
        low, high = asymmetric_beta(*world(0.9, 1.5, 300, seed)).down_interval
        inside += low <= 1.5 <= high
    assert inside >= 86


def test_one_sided_market_is_unavailable():
    x = np.linspace(0.01, 0.02, 100)
    got = asymmetric_beta(x, x)
    assert isinstance(got, Unavailable)
    assert "0 falling" in got.reason


def test_same_input_same_report():
    assert asymmetric_beta(*world(1.0, 1.3)) == asymmetric_beta(*world(1.0, 1.3))
