import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.core import InputError, NumericalError, UnavailableError
from stormsail.ratio.estimators import DECAY, ESTIMATORS, WINDOW, estimate, fit, minimum_variance_units


def world(rows=400, ratios=(0.8, 0.5), noise=0.03, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(ratios))) * 0.04
    x += 0.02 * rng.normal(size=(rows, 1))
    return x @ np.array(ratios) + noise * rng.normal(size=rows), x


def test_simplest_is_naive():
    assert next(iter(ESTIMATORS)) == "naive"
    assert set(ESTIMATORS) == {"naive", "ols", "ewma", "ewma_shrunk", "combination", "down"}


def test_naive_splits_one():
    y, x = world()
    assert estimate("naive", y, x).tolist() == [0.5, 0.5]
    assert estimate("naive", y, x[:, 0]).tolist() == [1.0]


def test_ols_is_least_squares_with_intercept_over_its_window():
    y, x = world()
    y, x = y + 0.01, x - 0.02
    design = np.column_stack([np.ones(WINDOW), x[-WINDOW:]])
    want = np.linalg.lstsq(design, y[-WINDOW:], rcond=None)[0][1:]
    np.testing.assert_allclose(estimate("ols", y, x), want, rtol=1e-9)


def test_ewma_is_weighted_least_squares_about_zero():
    y, x = world()
    root = np.sqrt(DECAY ** np.arange(len(y) - 1, -1, -1.0))
    want = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
    np.testing.assert_allclose(estimate("ewma", y, x), want, rtol=1e-9)


def test_shrunk_leans_half_way_to_the_prior():
    y, x = world()
    ewma = estimate("ewma", y, x)
    np.testing.assert_allclose(estimate("ewma_shrunk", y, x), 0.5 * ewma + 0.25, rtol=1e-12)
    np.testing.assert_allclose(
        estimate("ewma_shrunk", y, x, prior=[1.4, 0.2]), 0.5 * (ewma + np.array([1.4, 0.2])), rtol=1e-12
    )


def test_combination_is_the_mean_of_three():
    y, x = world()
    want = sum(estimate(name, y, x) for name in ("naive", "ewma", "ols")) / 3
    np.testing.assert_allclose(estimate("combination", y, x), want, rtol=1e-12)


def test_down_uses_falling_days_alone():
    y, x = world()
    falling = x[-WINDOW:].sum(axis=1) < 0
    want = np.linalg.lstsq(x[-WINDOW:][falling], y[-WINDOW:][falling], rcond=None)[0]
    np.testing.assert_allclose(estimate("down", y, x), want, rtol=1e-9)
    single = x[-WINDOW:, 0]
    y2 = np.where(x[:, 0] < 0, 2.0, 1.0) * x[:, 0]
    assert (single < 0).any()
    assert estimate("down", y2, x[:, 0])[0] == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if n not in ("naive", "ewma_shrunk", "combination")])
def test_noiseless_ratio_is_recovered(name):
    y, x = world(noise=0.0)
    np.testing.assert_allclose(estimate(name, y, x), [0.8, 0.5], rtol=1e-9)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_path_at_each_end_is_the_estimate_on_the_rows_before(name):
    y, x = world(260)
    ends = np.array([60, 61, 150, 259, 260])
    path = ESTIMATORS[name].path(y, x, ends, np.array([0.9, 0.1]))
    for end, ratios in zip(ends, path, strict=True):
        np.testing.assert_allclose(ratios, estimate(name, y[:end], x[:end], prior=[0.9, 0.1]), rtol=1e-10)


def test_ols_errors_are_the_newey_west_sandwich():
    y, x = world(WINDOW)
    design = np.column_stack([np.ones(WINDOW), x])
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    scores = design * (y - design @ beta)[:, None]
    t = np.arange(WINDOW)
    meat = scores.T @ np.maximum(0.0, 1.0 - np.abs(t[:, None] - t) / 5.0) @ scores
    bread = np.linalg.inv(design.T @ design)
    want = np.sqrt(np.diag(bread @ meat @ bread))[1:]
    np.testing.assert_allclose(fit("p", y, ["BTC", "ETH"], x, "ols").errors, want, rtol=1e-9)


@pytest.mark.parametrize("name", ["ols", "ewma", "ewma_shrunk", "combination", "down"])
def test_errors_match_the_scatter_of_the_estimates(name):
    """Over 400 worlds the mean stated error is the standard deviation of the ratios, to a fifth."""
    fits = [
        fit("p", *pair, name) for pair in ((y, ["BTC"], x) for y, x in (world(150, (0.9,), seed=s) for s in range(400)))
    ]
    scatter = np.std([f.values[0].value for f in fits])
    assert np.mean([f.errors[0] for f in fits]) == pytest.approx(scatter, rel=0.2)


def test_fit_states_everything():
    y, x = world()
    y[3] = np.nan
    ratio = fit("portfolio", y, ["BTC", "ETH"], x, "ewma", window="2024-01-01..2024-12-31 1d", borrowed_from="alts")
    assert (ratio.target, ratio.instruments, ratio.estimator, ratio.n) == ("portfolio", ("BTC", "ETH"), "ewma", 399)
    assert (ratio.window, ratio.borrowed_from) == ("2024-01-01..2024-12-31 1d", "alts")
    assert all(e > 0 for e in ratio.errors)


def test_naive_has_no_error_and_needs_no_data():
    ratio = fit("p", np.empty(0), ["BTC"], np.empty((0, 1)))
    assert ratio.values[0].value == 1.0
    assert np.isnan(ratio.errors[0])


def test_twin_instruments_share_the_ratio():
    y, x = world(300, (1.2,))
    np.testing.assert_allclose(estimate("ols", y, np.column_stack([x, x])).sum(), estimate("ols", y, x)[0], rtol=1e-6)


def test_instrument_that_stands_still_is_named():
    with pytest.raises(NumericalError, match="do not move"):
        fit("p", world()[0], ["USDT"], np.zeros(400), "ols")


def test_too_little_history_is_said():
    with pytest.raises(UnavailableError, match="2 complete observations"):
        fit("p", [0.1, 0.2, np.nan], ["BTC"], [0.1, 0.2, 0.3], "ols")


@pytest.mark.parametrize(
    "call",
    [
        lambda: estimate("kalman", [0.1], [0.1]),
        lambda: estimate("ols", [0.1, 0.2], [0.1]),
        lambda: fit("p", [0.1, 0.2], ["BTC", "ETH"], [0.1, 0.2]),
    ],
)
def test_wrong_input_is_refused(call):
    with pytest.raises(InputError):
        call()


def test_units_and_values_agree_through_prices():
    rng = np.random.default_rng(4)
    changes = rng.normal(size=200)
    (ratio,) = minimum_variance_units(0.5 * changes + 0.1 * rng.normal(size=200), changes)
    assert ratio.value == pytest.approx(0.5, abs=0.03)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["ols", "ewma", "down"]),
    st.integers(0, 1000),
    st.floats(0.01, 100),
    st.floats(0.01, 100),
    st.integers(1, 3),
)
def test_ratio_scales_with_the_exposure_and_against_the_instrument(name, seed, a, b, k):
    y, x = world(140, (0.7,) * k, seed=seed)
    np.testing.assert_allclose(estimate(name, a * y, b * x), a / b * estimate(name, y, x), rtol=1e-6)
