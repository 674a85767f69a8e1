"""Concentration, correlation and liquidity."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.audit.concentration import herfindahl, mean_correlation, pairwise_correlation
from stormsail.audit.liquidity import daily_volume, days_to_exit
from stormsail.core import Estimate, Unavailable
from tests.support import DAY, HOUR, START, bars


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=30))
def test_herfindahl_lies_between_equal_and_one(weights: list[float]) -> None:
    index = herfindahl(np.array(weights))
    assert 1 / len(weights) - 1e-12 <= index <= 1 + 1e-12


def test_correlations_over_common_bars_only() -> None:
    rng = np.random.Generator(np.random.Philox(key=2))
    r = rng.normal(size=(200, 4)) + rng.normal(size=(200, 1))
    r[:80, 1] = np.nan
    r[150:, 2] = np.nan
    matrix, count = pairwise_correlation(r, 60)
    both = np.isfinite(r[:, 1]) & np.isfinite(r[:, 2])
    assert count[1, 2] == both.sum() == 70
    assert matrix[1, 2] == pytest.approx(np.corrcoef(r[both, 1], r[both, 2])[0, 1], rel=1e-9)
    assert matrix[0, 3] == pytest.approx(np.corrcoef(r[:, 0], r[:, 3])[0, 1], rel=1e-9)
    found = mean_correlation(r, "w", 60)
    upper = matrix[np.triu_indices(4, 1)]
    assert isinstance(found, Estimate) and found.error is not None
    assert found.value == pytest.approx(upper.mean(), rel=1e-12)
    left_out = [np.delete(np.delete(matrix, i, 0), i, 1)[np.triu_indices(3, 1)].mean() for i in range(4)]
    assert found.error == pytest.approx(np.sqrt(3 / 4 * np.sum((left_out - np.mean(left_out)) ** 2)), rel=1e-9)
    assert isinstance(mean_correlation(r, "w", 300), Unavailable)


def test_median_volume_of_thirty_days() -> None:
    frame = bars(np.ones(40 * 24), bar=HOUR).with_columns(quote_volume=pl.Series(np.repeat(np.arange(40.0), 24)))
    as_of = START + 40 * DAY
    found = daily_volume(frame, as_of, HOUR, "spot/x/A")
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(24 * np.median(np.arange(10, 40)))
    assert found.n == 30 and "spot/x/A" in found.method
    later = daily_volume(frame, as_of - 5 * DAY, HOUR, "spot/x/A")
    assert isinstance(later, Estimate) and later.value == pytest.approx(24 * np.median(np.arange(5, 35)))


def test_days_with_holes_do_not_count_and_missing_volume_is_not_zero() -> None:
    frame = bars(np.ones(30), bar=DAY, volume=5.0)
    as_of = START + 30 * DAY
    holes = frame.with_columns(quote_volume=pl.when(pl.int_range(30) < 21).then(None).otherwise(5.0))
    assert isinstance(daily_volume(holes, as_of, DAY, "s"), Unavailable)
    hourly = bars(np.ones(30 * 24), volume=1.0).gather_every(2)
    assert isinstance(daily_volume(hourly, as_of, HOUR, "s"), Unavailable)
    assert isinstance(daily_volume(frame, as_of + timedelta(days=100), DAY, "s"), Unavailable)


def test_days_to_exit() -> None:
    volume = Estimate(4e6, 4e5, 30, "w", "m")
    found = days_to_exit(1e6, volume, 0.05)
    assert isinstance(found, Estimate)
    assert (found.value, found.error) == (pytest.approx(5.0), pytest.approx(0.5))
    assert isinstance(days_to_exit(1e6, Unavailable("none"), 0.1), Unavailable)
    assert isinstance(days_to_exit(1e6, Estimate(0.0, 0.0, 30, "w", "m"), 0.1), Unavailable)
