import numpy as np
import pytest

from stormsail.core import InputError
from stormsail.ratio.errors import hac_errors, long_run_covariance, newey_west_lags, stationary_indices


@pytest.mark.parametrize(("n", "lags"), [(1, 0), (2, 1), (100, 4), (120, 4), (365, 5), (1000, 6), (100_000, 18)])
def test_lag_rule(n, lags):
    assert newey_west_lags(n) == lags


def test_long_run_covariance_is_the_bartlett_quadratic_form():
    scores = np.random.default_rng(1).normal(size=(80, 3)).cumsum(axis=0)
    t = np.arange(80)
    kernel = np.maximum(0.0, 1.0 - np.abs(t[:, None] - t) / 7.0)
    np.testing.assert_allclose(long_run_covariance(scores, 6), scores.T @ kernel @ scores, rtol=1e-10)


def test_no_lags_is_white():
    scores = np.random.default_rng(1).normal(size=(50, 2))
    np.testing.assert_allclose(hac_errors(scores, 0), np.sqrt((scores**2).sum(axis=0)), rtol=1e-12)


def test_error_of_a_mean_of_an_autoregression_is_recovered():
    """Var(mean) of an AR(1) is sigma^2 / (n (1 - phi)^2)."""
    rng = np.random.default_rng(3)
    n, phi = 20_000, 0.5
    e = np.empty(n)
    e[0] = rng.normal()
    for i in range(1, n):
        e[i] = phi * e[i - 1] + rng.normal()
    (error,) = hac_errors((e - e.mean())[:, None] / n, 40)
    assert error == pytest.approx(1 / (1 - phi) / np.sqrt(n), rel=0.1)


def test_blocks_have_the_stated_mean_length_and_every_row_the_same_chance():
    rows = stationary_indices(50, 4000, mean_block=5.0)
    jumps = (np.diff(rows, axis=1) % 50 != 1).mean()
    assert jumps == pytest.approx(0.2 * 49 / 50, rel=0.02)
    counts = np.bincount(rows.ravel(), minlength=50) / rows.size
    assert np.abs(counts * 50 - 1).max() < 0.08
    assert rows.min() == 0
    assert rows.max() == 49


def test_blocks_of_one_are_independent_draws():
    rows = stationary_indices(10, 5000, mean_block=1.0, length=2)
    pairs = np.bincount(rows[:, 0] * 10 + rows[:, 1], minlength=100) / 5000
    assert np.abs(pairs - 0.01).max() < 0.006


def test_same_key_same_rows_other_key_other_rows():
    first = stationary_indices(100, 20, seed=7)
    assert first.tobytes() == stationary_indices(100, 20, seed=7).tobytes()
    assert first.tobytes() != stationary_indices(100, 20, seed=8).tobytes()


@pytest.mark.parametrize(("n", "block"), [(0, 5.0), (10, 0.5)])
def test_impossible_blocks_are_refused(n, block):
    with pytest.raises(InputError):
        stationary_indices(n, 10, mean_block=block)
