"""Effectiveness of many targets at once, against the one-at-a-time estimator of the ratio room."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Unavailable
from stormsail.instruments.fit import LAGS, MIN_TRAIN, effectiveness_of, effects_of, walk_many
from stormsail.ratio.contest import walk
from stormsail.ratio.effectiveness import shortfall, variance_reduction
from stormsail.ratio.estimators import ESTIMATORS
from stormsail.ratio.types import Effectiveness


def invented(t: int, n: int, k: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.Philox(key=seed))
    x = rng.normal(0, 0.03, (t, k))
    return x @ rng.uniform(0.3, 1.2, (k, n)) + rng.normal(0, 0.02, (t, n)), x


@pytest.mark.parametrize("k", [1, 2])
def test_same_ratios_as_the_estimator_one_at_a_time(k: int) -> None:
    y, x = invented(300, 4, k)
    many = walk_many(y, x)
    for j in range(4):
        one = walk(ESTIMATORS["ewma_shrunk"], y[:, j], x, min_train=MIN_TRAIN)
        np.testing.assert_allclose(many.hedged[one.rows, j], one.hedged, rtol=1e-9, atol=1e-12)
        assert np.isnan(many.hedged[:MIN_TRAIN, j]).all()


def test_holes_neither_teach_nor_test() -> None:
    y, x = invented(300, 2, 1)
    holed = y.copy()
    holed[100:120, 0] = np.nan
    complete = np.delete(y[:, 0], np.arange(100, 120)), np.delete(x, np.arange(100, 120), axis=0)
    many = walk_many(holed, x)
    alone = walk_many(complete[0][:, None], complete[1])
    np.testing.assert_allclose(np.delete(many.hedged[:, 0], np.arange(100, 120)), alone.hedged[:, 0])
    np.testing.assert_array_equal(many.hedged[:, 1], walk_many(y, x).hedged[:, 1])


def test_a_day_is_hedged_with_what_was_known_before_it() -> None:
    y, x = invented(200, 3, 2)
    changed = y.copy()
    changed[150:] *= -5
    np.testing.assert_array_equal(walk_many(y, x).hedged[:150], walk_many(changed, x).hedged[:150])


def test_effectiveness_recovers_the_truth() -> None:
    rng = np.random.Generator(np.random.Philox(key=5))
    f, e = rng.normal(0, 0.04, 20_000), rng.normal(0, 0.02, 20_000)
    times = np.datetime64("2000-01-01T00:00:00", "us") + np.arange(20_000) * np.timedelta64(1, "D")
    found = effectiveness_of(f + e, e, times)
    assert isinstance(found, Effectiveness)
    assert found.value == pytest.approx(0.8, abs=0.01)
    assert found.value == pytest.approx(variance_reduction(f + e, e), abs=1e-12)
    assert found.low < 0.8 < found.high
    assert found.high - found.low < 0.02
    assert found.window.endswith("1d")


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.Generator(np.random.Philox(key=6))
    times = np.datetime64("2024-01-01T00:00:00", "us") + np.arange(300) * np.timedelta64(1, "D")
    inside = 0
    for _ in range(400):
        f, e = rng.normal(0, 0.04, 300), rng.normal(0, 0.03, 300)
        found = effectiveness_of(f + e, e, times)
        assert isinstance(found, Effectiveness)
        inside += found.low <= 0.64 <= found.high
    assert 0.90 <= inside / 400 <= 0.98


def test_too_few_days_is_unavailable() -> None:
    times = np.datetime64("2024-01-01", "us") + np.arange(10) * np.timedelta64(1, "D")
    assert isinstance(effectiveness_of(np.ones(10), np.ones(10), times), Unavailable)
    times = np.datetime64("2024-01-01", "us") + np.arange(50) * np.timedelta64(1, "D")
    assert isinstance(effectiveness_of(np.zeros(50), np.zeros(50), times), Unavailable)


@given(st.integers(1, 6), st.integers(1, 2), st.integers(1, 1000))
def test_a_perfect_instrument_leaves_little(n: int, k: int, seed: int) -> None:
    _, x = invented(150, 1, k, seed)
    y = np.repeat(x.mean(axis=1)[:, None], n, axis=1)  # exactly the equal split, to which the ratio leans
    hedged = walk_many(y, x).hedged
    assert np.nanmax(np.abs(hedged)) < 1e-9


def test_many_at_once_are_the_definitions_one_by_one() -> None:
    y, x = invented(300, 5, 2)
    y[40:90, 1], y[200:, 2], y[15:, 4] = np.nan, np.nan, np.nan
    hedged = y - 0.8 * x[:, :1]
    hedged[:60, 3] = np.nan
    times = np.datetime64("2024-01-01T00:00:00", "us") + np.arange(300) * np.timedelta64(1, "D")
    found = effects_of(y, hedged, times)
    assert isinstance(found[4], Unavailable)
    for j in range(4):
        rows = np.isfinite(y[:, j]) & np.isfinite(hedged[:, j])
        u, e, one = y[rows, j], hedged[rows, j], found[j]
        assert isinstance(one, Effectiveness)
        assert one.value == pytest.approx(1 - e.var() / u.var(), rel=1e-11)
        score = ((1 - one.value) * ((u - u.mean()) ** 2 - u.var()) - ((e - e.mean()) ** 2 - e.var())) / u.var()
        kernel = np.maximum(0.0, 1 - np.abs(np.subtract.outer(np.arange(len(u)), np.arange(len(u)))) / (LAGS + 1))
        assert one.low == pytest.approx(one.value - 1.959963984540054 * np.sqrt(score @ kernel @ score) / len(u))
        assert one.es_95_cut == pytest.approx(1 - shortfall(e) / shortfall(u), rel=1e-11)
        bad = np.argsort(u)[: -(-len(u) // 20)]
        assert one.value_worst_days == pytest.approx(1 - (e[bad] ** 2).sum() / (u[bad] ** 2).sum(), rel=1e-11)
        assert (one.worst_day_unhedged, one.worst_day_hedged) == (u.min(), e[np.argmin(u)])
        assert (one.n, one.window[:10]) == (len(u), str(times[rows][0])[:10])
