"""Measures against independent computation, textbook laws and invariants."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stormsail.audit.measures import drawdown, historical_risk, normal_risk, quantile_error, volatility
from stormsail.audit.sample import FloatArray, Sample
from stormsail.core import Estimate, Unavailable

returns = hnp.arrays(np.float64, st.integers(100, 200), elements=st.floats(-0.875, 2.0, width=32))


def noise(n: int, seed: int = 1, sd: float = 0.03) -> FloatArray:
    return np.random.Generator(np.random.Philox(key=seed)).normal(0.001, sd, n)


def value(maybe: object) -> float:
    assert isinstance(maybe, Estimate)
    return maybe.value


def error(maybe: object) -> float:
    assert isinstance(maybe, Estimate) and maybe.error is not None
    return maybe.error


def test_volatility_against_sums_by_hand() -> None:
    r = noise(365)
    mean = math.fsum(r) / 365
    by_hand = math.sqrt(math.fsum((x - mean) ** 2 for x in r) / 364 * 365)
    assert value(volatility(Sample(r, 1, "w"))) == pytest.approx(by_hand, rel=1e-12)
    assert value(volatility(Sample(r, 24, "w"))) == pytest.approx(by_hand * math.sqrt(24), rel=1e-12)


def test_volatility_error_is_the_spread_over_many_samples() -> None:
    many = [volatility(Sample(noise(250, seed), 1, "w")) for seed in range(400)]
    spread = float(np.std([value(m) for m in many]))
    assert float(np.mean([error(m) for m in many])) == pytest.approx(spread, rel=0.1)


def test_drawdown_against_every_pair_of_moments() -> None:
    r = noise(120)
    path = [1.0, *np.cumprod(1 + r)]
    by_hand = max(1 - path[j] / path[i] for i in range(len(path)) for j in range(i, len(path)))
    assert value(drawdown(Sample(r, 1, "w"))) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_historical_tail_against_the_mean_of_the_worst(level: float) -> None:
    r = noise(300)
    losses = sorted(-r, reverse=True)
    count = round(300 * (1 - level))
    var, es = historical_risk(Sample(r, 1, "w"), level)
    assert value(var) == losses[count]
    assert value(es) == pytest.approx(math.fsum(losses[:count]) / count, rel=1e-12)


def test_tail_errors_are_the_spread_over_many_samples() -> None:
    many = [historical_risk(Sample(noise(500, seed), 1, "w"), 0.95) for seed in range(400)]
    for i, tolerance in ((0, 0.15), (1, 0.2)):
        spread = float(np.std([value(m[i]) for m in many]))
        assert float(np.mean([error(m[i]) for m in many])) == pytest.approx(spread, rel=tolerance)


def test_normal_tail_is_the_textbook_one() -> None:
    r = noise(300)
    law = NormalDist(float(r.mean()), float(r.std(ddof=1)))
    var, es = normal_risk(Sample(r, 1, "w"), 0.95)
    z = NormalDist().inv_cdf(0.95)
    assert value(var) == pytest.approx(-law.inv_cdf(0.05), rel=1e-9)
    assert value(es) == pytest.approx(law.stdev * NormalDist().pdf(z) / 0.05 - law.mean, rel=1e-9)
    assert z == pytest.approx(1.6448536269514722, rel=1e-12)


def test_hourly_figures_are_scaled_to_a_day_and_say_so() -> None:
    r = noise(300)
    day, hour = historical_risk(Sample(r, 1, "w"), 0.95)[0], historical_risk(Sample(r, 24, "w"), 0.95)[0]
    assert value(hour) == pytest.approx(value(day) * math.sqrt(24), rel=1e-12)
    assert isinstance(hour, Estimate) and "hourly returns scaled to a day by sqrt(24)" in hour.method
    assert isinstance(day, Estimate) and "scaled" not in day.method


def test_quantile_error_is_what_the_bootstrap_tends_to() -> None:
    x = np.sort(noise(60))
    rng = np.random.Generator(np.random.Philox(key=3))
    draws = np.sort(rng.choice(x, (40_000, 60)), axis=1)[:, math.ceil(0.95 * 60) - 1]
    assert quantile_error(x, 0.95) == pytest.approx(float(draws.std()), rel=0.03)


def test_too_few_returns_are_unavailable_and_never_zero() -> None:
    empty = Sample(np.full(5, np.nan), 1, "w")
    short = Sample(noise(99), 1, "w")
    tails = [*historical_risk(empty, 0.95), *normal_risk(empty, 0.95), *historical_risk(short, 0.99)]
    assert all(isinstance(m, Unavailable) for m in (volatility(empty), drawdown(empty), *tails))
    assert isinstance(historical_risk(short, 0.95)[0], Estimate)


def test_holes_do_not_count() -> None:
    r = noise(200)
    holed = np.insert(r, [3, 50, 199], np.nan)
    for f in (volatility, drawdown):
        assert f(Sample(holed, 1, "w")) == f(Sample(r, 1, "w"))


@given(returns)
def test_shortfall_is_never_below_value_at_risk(r: FloatArray) -> None:
    sample = Sample(r, 1, "w")
    for level in (0.95, 0.99):
        for var, es in (historical_risk(sample, level), normal_risk(sample, level)):
            assert value(es) >= value(var)
    assert 0 <= value(drawdown(sample)) <= 1


@given(returns, st.floats(0.1, 3.0))
def test_volatility_and_tails_scale_with_the_position(r: FloatArray, k: float) -> None:
    one, scaled = Sample(r, 1, "w"), Sample(k * r, 1, "w")
    assert value(volatility(scaled)) == pytest.approx(k * value(volatility(one)), rel=1e-9, abs=1e-12)
    assert value(historical_risk(scaled, 0.95)[1]) == pytest.approx(
        k * value(historical_risk(one, 0.95)[1]), rel=1e-9, abs=1e-9
    )
