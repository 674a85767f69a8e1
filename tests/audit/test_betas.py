"""Betas against normal equations written out, and recovery of a known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stormsail.audit.betas import alt_index, beta, hac_variance, side_beta, tail_ratio
from stormsail.audit.sample import FloatArray, Sample
from stormsail.core import Estimate, Unavailable

RNG = np.random.Generator(np.random.Philox(key=11))
F = RNG.normal(0.0, 0.03, 365)
R = 0.001 + 1.4 * F + RNG.normal(0.0, 0.02, 365)


def sample(r: FloatArray) -> Sample:
    return Sample(r, 1, "w")


def known(maybe: object) -> Estimate:
    assert isinstance(maybe, Estimate)
    return maybe


def test_slope_and_hac_error_against_matrices() -> None:
    x = np.column_stack([np.ones(365), F])
    inverse = np.linalg.inv(x.T @ x)
    coefficients = inverse @ x.T @ R
    scores = x * (R - x @ coefficients)[:, None]
    lags = int(4 * (365 / 100) ** (2 / 9))
    meat = scores.T @ scores
    for lag in range(1, lags + 1):
        cross = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / (lags + 1)) * (cross + cross.T)
    covariance = inverse @ meat @ inverse * 365 / 363
    found = known(beta(sample(R), F, "BTC"))
    assert found.value == pytest.approx(coefficients[1], rel=1e-9)
    assert found.error == pytest.approx(math.sqrt(covariance[1, 1]), rel=1e-9)
    assert found.n == 365


def test_known_beta_lies_in_the_interval_as_often_as_it_should() -> None:
    inside = 0
    for seed in range(300):
        rng = np.random.Generator(np.random.Philox(key=seed))
        f = rng.normal(0, 0.03, 250)
        low, high = known(beta(sample(1.5 * f + rng.normal(0, 0.02, 250)), f, "BTC")).interval()
        inside += low <= 1.5 <= high
    assert 0.90 <= inside / 300 <= 0.98


def test_known_up_and_down_betas_are_recovered() -> None:
    r = np.where(F > 0, 0.8, 1.6) * F
    assert known(side_beta(sample(r), F, "BTC", up=True)).value == pytest.approx(0.8, rel=1e-12)
    assert known(side_beta(sample(r), F, "BTC", up=False)).value == pytest.approx(1.6, rel=1e-12)


def test_side_beta_is_the_sum_of_products_over_squares() -> None:
    fell = [(r, f) for r, f in zip(R, F, strict=True) if f < 0]
    by_hand = math.fsum(r * f for r, f in fell) / math.fsum(f * f for _, f in fell)
    found = known(side_beta(sample(R), F, "BTC", up=False))
    assert found.value == pytest.approx(by_hand, rel=1e-9)
    assert found.n == len(fell)


def test_tail_ratio_is_the_median_on_the_seven_worst_days_of_a_year() -> None:
    worst = sorted(zip(F, R, strict=True))[:7]
    found = known(tail_ratio(sample(R), F))
    assert found.n == 7
    assert found.value == pytest.approx(sorted(r / f for f, r in worst)[3], rel=1e-12)
    assert isinstance(tail_ratio(sample(R[:249]), F[:249]), Unavailable)
    assert isinstance(tail_ratio(sample(R[:250]), F[:250]), Estimate)


def test_days_when_btc_rose_are_no_tail() -> None:
    assert isinstance(tail_ratio(sample(R), np.abs(F)), Unavailable)


def test_a_coin_explains_itself_exactly() -> None:
    found = known(beta(sample(F), F, "BTC"))
    assert (found.value, found.error) == (pytest.approx(1.0, rel=1e-12), pytest.approx(0.0, abs=1e-12))


def test_a_factor_that_stands_still_or_is_absent_gives_no_beta() -> None:
    assert isinstance(beta(sample(R), np.zeros(365), "BTC"), Unavailable)
    assert isinstance(beta(sample(R), np.full(365, np.nan), "BTC"), Unavailable)
    assert isinstance(side_beta(sample(R), np.abs(F), "BTC", up=False), Unavailable)


def test_hac_variance_of_uncorrelated_scores_is_their_sum_of_squares() -> None:
    u = RNG.normal(size=20_000)
    assert hac_variance(u) == pytest.approx(20_000, rel=0.06)


def test_the_index_takes_who_is_there_and_leaves_one_out() -> None:
    r = np.array([[0.01, 0.02, 0.03, 0.04, 0.05, 0.06], [0.01, np.nan, 0.03, 0.04, 0.05, np.nan]])
    assert alt_index(r)[0] == pytest.approx(0.035)
    assert np.isnan(alt_index(r)[1])  # four coins are too few
    assert alt_index(r, leave_out=5)[0] == pytest.approx(0.03)
    r[0, 5] = np.nan
    assert alt_index(r, leave_out=5)[0] == pytest.approx(0.03)
    assert np.isnan(alt_index(r, leave_out=0)[0])
