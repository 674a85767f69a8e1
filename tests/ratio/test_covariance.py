import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.core import InputError, UnavailableError
from stormsail.ratio.covariance import (
    ewma_covariance,
    sample_covariance,
    shrink_to_constant_correlation,
    shrink_to_identity,
)

ALL = [sample_covariance, ewma_covariance, shrink_to_identity, shrink_to_constant_correlation]


def returns(rows=60, assets=8, seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_t(5, (rows, 1)) * 0.03 + rng.standard_t(5, (rows, assets)) * rng.uniform(0.01, 0.05, assets)


def test_sample_is_numpy():
    r = returns()
    np.testing.assert_allclose(sample_covariance(r).matrix, np.cov(r.T), rtol=1e-12)


def test_ewma_is_the_recursion_in_the_long_run():
    r = returns(2000, 3)
    s = np.zeros((3, 3))
    for row in r:
        s = 0.97 * s + 0.03 * np.outer(row, row)
    np.testing.assert_allclose(ewma_covariance(r).matrix, s, rtol=1e-9)


def test_identity_target_term_by_term():
    """The shrinkage written as in the paper, with a loop over observations."""
    r = returns()
    x = r - r.mean(axis=0)
    n, k = x.shape
    s = x.T @ x / n
    m = np.trace(s) / k
    d2 = np.sum((s - m * np.eye(k)) ** 2) / k
    b2 = min(d2, sum(np.sum((np.outer(row, row) - s) ** 2) for row in x) / k / n**2)
    got = shrink_to_identity(r)
    assert got.shrinkage == pytest.approx(b2 / d2, rel=1e-10)
    np.testing.assert_allclose(got.matrix, b2 / d2 * m * np.eye(k) + (1 - b2 / d2) * s, rtol=1e-10)


def test_constant_correlation_target_term_by_term():
    """Appendix B with its sums written out, on returns whose correlations really differ."""
    r = returns(200, 5)
    r[:, 0] = r[:, 1] + 0.3 * r[:, 0]
    x = r - r.mean(axis=0)
    n, k = x.shape
    s = x.T @ x / n
    sd = np.sqrt(np.diag(s))
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j]
    mean = np.mean([s[i, j] / sd[i] / sd[j] for i, j in pairs])
    f = mean * np.outer(sd, sd)
    f[np.diag_indices(k)] = np.diag(s)
    pi = sum(np.mean((x[:, i] * x[:, j] - s[i, j]) ** 2) for i in range(k) for j in range(k))
    rho = sum(np.mean((x[:, i] ** 2 - s[i, i]) ** 2) for i in range(k))
    for i, j in pairs:
        own = np.mean((x[:, i] ** 2 - s[i, i]) * (x[:, i] * x[:, j] - s[i, j]))
        other = np.mean((x[:, j] ** 2 - s[j, j]) * (x[:, i] * x[:, j] - s[i, j]))
        rho += mean / 2 * (sd[j] / sd[i] * own + sd[i] / sd[j] * other)
    weight = max(0.0, min(1.0, (pi - rho) / np.sum((f - s) ** 2) / n))
    got = shrink_to_constant_correlation(r)
    assert 0.0 < weight < 1.0
    assert got.shrinkage == pytest.approx(weight, rel=1e-10)
    np.testing.assert_allclose(got.matrix, weight * f + (1 - weight) * s, rtol=1e-10)


def test_shrinking_helps_when_history_is_short():
    rng = np.random.default_rng(2)
    truth = 0.5 * np.ones((30, 30)) + 0.5 * np.eye(30)
    root = np.linalg.cholesky(truth)
    loss = dict.fromkeys(("sample", "shrunk"), 0.0)
    for _ in range(20):
        r = rng.normal(size=(40, 30)) @ root.T
        loss["sample"] += np.sum((sample_covariance(r).matrix - truth) ** 2)
        loss["shrunk"] += np.sum((shrink_to_constant_correlation(r).matrix - truth) ** 2)
    assert loss["shrunk"] < 0.6 * loss["sample"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ALL), st.integers(2, 40), st.integers(1, 12), st.integers(0, 10_000))
def test_every_matrix_is_symmetric_and_positive_semidefinite(method, rows, assets, seed):
    got = method(returns(rows, assets, seed))
    assert got.matrix.shape == (assets, assets)
    np.testing.assert_array_equal(got.matrix, got.matrix.T)
    assert np.linalg.eigvalsh(got.matrix).min() >= -1e-12 * np.trace(got.matrix)
    assert 0.0 <= got.shrinkage <= 1.0


@pytest.mark.parametrize("method", ALL)
def test_incomplete_rows_are_left_out(method):
    r = returns()
    holed = np.vstack([r, r[:2]])
    holed[-1, 0] = holed[-2, 3] = np.nan
    np.testing.assert_array_equal(method(holed).matrix, method(r).matrix)
    assert method(holed).n == 60


@pytest.mark.parametrize("method", ALL)
def test_too_little_is_said(method):
    with pytest.raises(UnavailableError):
        method(np.array([[0.1, np.nan], [0.2, 0.1]]))
    with pytest.raises(InputError):
        method(np.zeros(5))
