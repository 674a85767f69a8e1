import numpy as np
import pytest

from stormsail.ratio.errors import hac_errors, long_run_covariance, newey_west_lags


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
