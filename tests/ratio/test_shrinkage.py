import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.core import InputError
from stormsail.ratio.shrinkage import group_moments, shrink


def test_known_group_by_hand():
    got = shrink([2.0], [0.5], mean=1.0, spread=0.5)
    assert got.values[0] == 1.5
    assert got.weights[0] == 0.5
    assert got.errors[0] == pytest.approx(0.5 / np.sqrt(2))


def test_young_coin_without_a_ratio_takes_the_groups():
    got = shrink([1.2, np.nan, 1.4, 1.0], [0.1, np.nan, 0.1, 0.1])
    assert got.values[1] == got.mean
    assert got.errors[1] == got.spread
    assert got.weights[1] == 1.0


def test_mean_and_spread_of_the_truth_are_recovered():
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.05, 0.5, 4000)
    truth = 1.3 + 0.3 * rng.normal(size=4000)
    mean, spread = group_moments(truth + errors * rng.normal(size=4000), errors)
    assert mean == pytest.approx(1.3, abs=0.03)
    assert spread == pytest.approx(0.3, abs=0.03)


def test_borrowing_comes_nearer_the_truth_and_its_errors_are_honest():
    rng = np.random.default_rng(2)
    errors = rng.uniform(0.1, 1.0, 3000)
    truth = 1.0 + 0.3 * rng.normal(size=3000)
    noisy = truth + errors * rng.normal(size=3000)
    got = shrink(noisy, errors)
    assert np.mean((got.values - truth) ** 2) < 0.4 * np.mean((noisy - truth) ** 2)
    assert np.mean(np.abs(got.values - truth) < 1.96 * got.errors) == pytest.approx(0.95, abs=0.02)


def test_group_without_spread_is_wholly_pooled():
    got = shrink([1.0, 1.01, 0.99], [0.5, 0.5, 0.5])
    assert got.spread == 0.0
    np.testing.assert_allclose(got.values, 1.0, rtol=1e-12)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-3, 5), st.floats(0.01, 3)), min_size=2, max_size=12),
)
def test_each_ratio_ends_between_its_own_and_the_mean(pairs):
    values, errors = (np.array(column) for column in zip(*pairs, strict=True))
    got = shrink(values, errors)
    low, high = np.minimum(values, got.mean), np.maximum(values, got.mean)
    assert ((got.values >= low - 1e-9) & (got.values <= high + 1e-9)).all()
    assert (got.errors <= errors + 1e-12).all()
    assert ((got.weights >= 0) & (got.weights <= 1)).all()


@pytest.mark.parametrize(("values", "errors"), [([1.0], [0.1]), ([1.0, 2.0], [0.1]), ([np.nan, 1.0], [0.1, 0.1])])
def test_group_that_cannot_be_described_is_refused(values, errors):
    with pytest.raises(InputError):
        shrink(values, errors)
