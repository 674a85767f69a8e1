import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.core import InputError, Unavailable
from stormsail.market.resample import stationary_indices
from stormsail.ratio.effectiveness import bootstrap_interval, effectiveness, shortfall


def book(rows=365, rho=0.8, seed=1):
    rng = np.random.default_rng(seed)
    f = rng.standard_t(5, rows) * 0.04
    y = rho * f + np.sqrt(1 - rho**2) * rng.standard_t(5, rows) * 0.04
    return y, y - rho * f


def test_figures_are_those_of_the_definitions():
    u, h = book()
    e = effectiveness(u, h, "w")
    bad = np.argsort(u)[:19]
    assert e.value == pytest.approx(1 - np.var(h) / np.var(u), rel=1e-12)
    assert e.es_95_cut == pytest.approx(1 - np.sort(h)[:19].mean() / np.sort(u)[:19].mean(), rel=1e-12)
    assert e.worst_day_unhedged == u.min()
    assert e.worst_day_hedged == h[np.argmin(u)]
    assert e.value_worst_days == pytest.approx(1 - (h[bad] ** 2).sum() / (u[bad] ** 2).sum(), rel=1e-12)
    assert (e.n, e.window) == (365, "w")
    assert e.low < e.value < e.high


def test_interval_is_that_of_resampled_variances():
    u, h = book()
    rows = stationary_indices(365, 1000)
    drawn = 1 - h[rows].var(axis=1) / u[rows].var(axis=1)
    np.testing.assert_allclose(bootstrap_interval(u, h[:, None])[0], np.quantile(drawn, [0.025, 0.975]), atol=1e-12)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    """True effectiveness is rho^2 = 0.64; 95 % intervals of 200 worlds (heavy tails cost a few points)."""
    inside = 0
    for seed in range(200):
        e = effectiveness(*book(seed=seed), "w", draws=300)
        inside += e.low <= 0.64 <= e.high
    assert 0.87 <= inside / 200 <= 0.99


def test_long_samples_are_drawn_in_pieces_of_the_same_generator():
    u, h = book(9000)
    whole = stationary_indices(9000, 250)
    drawn = 1 - h[whole].var(axis=1) / u[whole].var(axis=1)
    np.testing.assert_allclose(
        bootstrap_interval(u, h[:, None], draws=250)[0], np.quantile(drawn, [0.025, 0.975]), atol=1e-12
    )


def test_perfect_and_useless_and_harmful_hedges():
    u, _ = book()
    assert effectiveness(u, np.zeros(365), "w").value == 1.0
    assert effectiveness(u, u, "w").value == 0.0
    assert effectiveness(u, 2 * u, "w").value == pytest.approx(-3.0)


def test_holes_are_left_out_and_counted():
    u, h = book()
    u[5], h[9] = np.nan, np.nan
    assert effectiveness(u, h, "w").n == 363


@pytest.mark.parametrize(("u", "h", "why"), [(book(19)[0], book(19)[0], "19"), (np.zeros(50), np.ones(50), "not move")])
def test_too_little_is_unavailable(u, h, why):
    got = effectiveness(u, h, "w")
    assert isinstance(got, Unavailable)
    assert why in got.reason


def test_unequal_lengths_are_refused():
    with pytest.raises(InputError):
        effectiveness(np.zeros(30), np.zeros(31), "w")


def test_same_input_same_bytes():
    assert effectiveness(*book(), "w") == effectiveness(*book(), "w")


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 200), st.floats(0.02, 0.5))
def test_shortfall_is_at_least_value_at_risk_and_at_most_the_worst_loss(seed, rows, share):
    r = np.random.default_rng(seed).normal(size=rows)
    worst = np.sort(r)
    assert -worst[0] + 1e-12 >= shortfall(r, share) >= -worst[int(np.ceil(share * rows - 1e-9)) - 1] - 1e-12


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_effectiveness_does_not_depend_on_scale(seed, scale):
    u, h = book(60, seed=seed)
    a, b = effectiveness(u, h, "w", draws=50), effectiveness(scale * u, scale * h, "w", draws=50)
    for name in ("value", "low", "high", "es_95_cut", "value_worst_days"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-9, abs=1e-9)
