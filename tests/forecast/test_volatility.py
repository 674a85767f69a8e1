from datetime import timedelta

import numpy as np
import pytest

from stormsail.core import Unavailable
from stormsail.forecast.volatility import ewma_variance, ewma_volatility, realised_volatility


def test_weights_are_normalised_powers():
    r = np.random.default_rng(1).normal(size=50)
    w = 0.97 ** np.arange(49, -1, -1.0)
    assert ewma_variance(r)[-1] == pytest.approx(w @ r**2 / w.sum(), rel=1e-12)
    assert ewma_variance(r)[0] == r[0] ** 2


def test_holes_age_nothing():
    r = np.array([np.nan, 0.01, np.nan, 0.02])
    path = ewma_variance(r)
    assert np.isnan(path[0])
    assert path[2] == path[1]
    assert path[3] == ewma_variance(r[[1, 3]])[1]


def test_future_changes_no_past_variance():
    r = np.random.default_rng(1).normal(size=100)
    before = ewma_variance(r)[:60]
    r[60:] *= 10
    assert before.tobytes() == ewma_variance(r)[:60].tobytes()


def test_known_volatility_is_recovered_and_annualised():
    r = np.random.default_rng(2).normal(size=20_000) * 0.8 / np.sqrt(365)
    assert realised_volatility(r, timedelta(days=1)).value == pytest.approx(0.8, rel=0.02)
    assert realised_volatility(r, timedelta(hours=1)).value == pytest.approx(0.8 * np.sqrt(24), rel=0.02)


def test_errors_match_the_scatter():
    rng = np.random.default_rng(3)
    for measure in (ewma_volatility, realised_volatility):
        got = [measure(0.03 * rng.normal(size=200), timedelta(days=1)) for _ in range(400)]
        assert np.mean([e.error for e in got]) == pytest.approx(np.std([e.value for e in got]), rel=0.15)


def test_too_little_is_unavailable():
    r = np.r_[np.full(19, 0.01), np.nan]
    assert isinstance(ewma_volatility(r), Unavailable)
    assert isinstance(realised_volatility(r), Unavailable)
