import math

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import kstest, norm, t

from stormsail.core import InputError, Unavailable
from stormsail.forecast._kernels import garch_loss
from stormsail.forecast.garch import GarchFit, fit_garch, rare_max_rise, simulate_max_rise

FLAT = GarchFit(0.0, 1e-4, 0.0, 0.0, math.inf, 1e-4, 0.0, 1000, True)


def simulated(alpha=0.08, beta=0.90, nu=5.0, rows=5000, seed=1, sd=0.03):
    rng = np.random.default_rng(seed)
    omega = sd**2 * (1 - alpha - beta)
    h, r = sd**2, np.empty(rows)
    for i in range(rows):
        r[i] = math.sqrt(h * (nu - 2) / nu) * rng.standard_t(nu)
        h = omega + alpha * r[i] ** 2 + beta * h
    return r


def loss_by_hand(e, alpha, beta, nu):
    h, total = 1.0, 0.0
    for x in e:
        scale = math.sqrt(h * (nu - 2) / nu)
        total -= gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * math.log(nu * math.pi) - math.log(scale)
        total += (nu + 1) / 2 * math.log1p((x / scale) ** 2 / nu)
        h = (1 - alpha - beta) + alpha * x * x + beta * h
    return total / len(e)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 300])
@pytest.mark.parametrize(("alpha", "beta", "nu"), [(0.1, 0.85, 4.0), (0.0, 0.0, 2.5), (0.3, 0.6, 80.0)])
def test_likelihood_is_that_of_the_model(rows, alpha, beta, nu):
    e = simulated(rows=rows, sd=1.0)
    assert garch_loss(e, alpha, beta, nu) == pytest.approx(loss_by_hand(e, alpha, beta, nu), rel=1e-10)


def test_truth_is_recovered():
    fits = [fit_garch(simulated(seed=seed)) for seed in range(12)]
    assert np.mean([f.alpha for f in fits]) == pytest.approx(0.08, abs=0.01)
    assert np.mean([f.beta for f in fits]) == pytest.approx(0.90, abs=0.02)
    assert np.median([f.nu for f in fits]) == pytest.approx(5.0, abs=0.4)
    assert all(f.settled for f in fits)


def test_no_neighbour_is_more_likely():
    r = simulated(rows=1500)
    f = fit_garch(r)
    e = (r - r.mean()) / r.std()
    best = garch_loss(e, f.alpha, f.beta, f.nu)
    for a, b, nu in [(0.01, 0, 0), (-0.01, 0, 0), (0, 0.01, 0), (0, -0.01, 0), (0, 0, 0.3), (0, 0, -0.3)]:
        assert garch_loss(e, f.alpha + a, f.beta + b, f.nu + nu) >= best - 1e-9
    assert f.log_likelihood == pytest.approx(-1500 * (best + math.log(r.std())))


def test_variance_of_the_next_bar_is_the_recursion():
    r = simulated(rows=600)
    f = fit_garch(r)
    h = r.var()
    for e in r - r.mean():
        h = f.omega + f.alpha * e * e + f.beta * h
    assert f.variance == pytest.approx(h, rel=1e-10)


def test_scale_changes_scale_alone():
    r = simulated(rows=800)
    a, b = fit_garch(r), fit_garch(100 * r)
    assert (b.alpha, b.beta, b.nu) == pytest.approx((a.alpha, a.beta, a.nu), rel=1e-4)
    assert b.variance == pytest.approx(1e4 * a.variance, rel=1e-4)


@pytest.mark.parametrize(
    "r",
    [
        np.random.default_rng(1).normal(size=300),
        np.random.default_rng(1).standard_cauchy(400),
        np.concatenate([np.full(299, 0.001), [-0.9]]),
        np.tile([0.01, -0.01], 200),
        np.where(np.arange(500) == 250, 3.0, 1e-6 * np.sin(np.arange(500))),
    ],
)
def test_awkward_returns_still_give_a_usable_model(r):
    f = fit_garch(r)
    assert 0 <= f.alpha < 1
    assert 0 <= f.beta < 1
    assert f.persistence < 1
    assert f.nu > 2
    assert 0 < f.variance < math.inf
    assert np.isfinite(simulate_max_rise(f, 48, 2000)).all()


def test_too_little_or_nothing_is_unavailable():
    assert "249" in fit_garch(np.r_[simulated(rows=249), np.nan]).reason
    assert isinstance(fit_garch(np.zeros(500)), Unavailable)


def test_highest_rise_of_a_random_walk_obeys_the_reflection_principle():
    """Seen at 100 bars a barrier counts as if 0.5826 sd of a bar further off (Broadie, Glasserman & Kou 1997)."""
    rises = np.log1p(simulate_max_rise(FLAT, 100, 100_000))
    for barrier in (0.05, 0.1, 0.2, 0.25):
        want = 2 * norm.sf((barrier + 0.5826 * 0.01) / 0.1)
        assert np.mean(rises >= barrier) == pytest.approx(want, abs=4 * math.sqrt(want / 1e5))


def test_shocks_are_student_t_of_unit_variance():
    """One bar: the positive part of the move is the positive half of the distribution."""
    f = GarchFit(0.0, 1.0, 0.0, 0.0, 4.0, 1.0, 0.0, 1000, True)
    z = np.log1p(simulate_max_rise(f, 1, 40_000)) * math.sqrt(2.0)
    assert np.mean(z == 0.0) == pytest.approx(0.5, abs=0.01)
    up = z[z > 0]
    assert kstest(up, lambda x: 2 * t.cdf(x, 4) - 1).pvalue > 0.01


def test_more_time_more_variance_more_rise():
    f = fit_garch(simulated(rows=1000))
    short, long = (np.quantile(simulate_max_rise(f, steps), 0.99) for steps in (24, 72))
    assert long > short


def test_first_bar_has_the_variance_of_now():
    calm = np.quantile(simulate_max_rise(FLAT, 1, 20_000), 0.99)
    wild = GarchFit(0.0, 1e-4, 0.0, 0.0, math.inf, 4e-4, 0.0, 1000, True)
    assert np.log1p(np.quantile(simulate_max_rise(wild, 1, 20_000), 0.99)) == pytest.approx(2 * np.log1p(calm))


def test_same_key_same_paths_and_drift_is_a_choice():
    f = GarchFit(0.01, 1e-4, 0.05, 0.9, 5.0, 1e-4, 0.0, 1000, True)
    first = simulate_max_rise(f, 24, 500, seed=3)
    assert first.tobytes() == simulate_max_rise(f, 24, 500, seed=3).tobytes()
    assert first.tobytes() != simulate_max_rise(f, 24, 500, seed=4).tobytes()
    assert (simulate_max_rise(f, 24, 500, seed=3, drift=True) >= first).all()
    assert (first >= 0).all()


@pytest.mark.parametrize(("steps", "paths"), [(0, 10), (10, 0)])
def test_nothing_to_simulate_is_refused(steps, paths):
    with pytest.raises(InputError):
        simulate_max_rise(FLAT, steps, paths)


WILD = GarchFit(0.0, 1e-6, 0.10, 0.88, 3.5, 1e-4, 0.0, 1000, True)


def rise_at(alpha, rises, weights):
    order = np.argsort(-rises)
    return rises[order][np.searchsorted(np.cumsum(weights[order]) / weights.sum(), alpha)]


def test_rare_rises_have_the_chance_of_plain_ones():
    plain = simulate_max_rise(WILD, 24, 400_000)
    rises, weights = rare_max_rise(WILD, 24, 40_000)
    assert weights.mean() == pytest.approx(1.0, rel=1e-12)
    for level, close in ((0.01, 0.03), (0.05, 0.03), (0.2, 0.05), (0.5, 0.15)):
        assert np.mean(weights * (rises >= level)) == pytest.approx(np.mean(plain >= level), rel=close)


def test_ten_seeds_agree_on_a_rise_of_one_in_three_thousand():
    found = np.array([rise_at(0.01 / 30, *rare_max_rise(WILD, 24, seed=s)) for s in range(10)])
    assert np.abs(found / np.median(found) - 1.0).max() < 0.15
    plain = np.array([np.sort(simulate_max_rise(WILD, 24, seed=s))[-3] for s in range(10)])
    assert np.std(np.log(plain)) > 3.0 * np.std(np.log(found))


def test_rare_draws_are_the_same_each_time():
    first, second = (rare_max_rise(WILD, 6, 500, seed=3) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[0].shape == first[1].shape == (1000,)
    assert rare_max_rise(WILD, 6, 500, seed=4)[0].tobytes() != first[0].tobytes()
    with pytest.raises(InputError):
        rare_max_rise(WILD, 0)
