import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.core import InputError
from stormsail.ratio.rolling import rolling_beta


def exact(y, x, window, least):
    """Each window on its own, in 80-bit floats."""
    out = np.full(len(y), np.nan)
    for t in range(len(y)):
        rows = slice(max(0, t - window + 1), t + 1)
        a, b = x[rows].astype(np.longdouble), y[rows].astype(np.longdouble)
        both = np.isfinite(a) & np.isfinite(b)
        a, b = a[both], b[both]
        if len(a) >= least:
            a, b = a - a.mean(), b - b.mean()
            if a @ a > 0:
                out[t] = (a @ b) / (a @ a)
    return out


def market(rows=900, assets=11, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.standard_t(4, rows) * 0.01
    return x[:, None] * rng.uniform(0.5, 2.0, assets) + rng.standard_t(4, (rows, assets)) * 0.02, x


def agree(y, x, window, least=None):
    got = rolling_beta(y, x, window, least=least)
    want = np.column_stack([exact(y[:, j], x, window, least or window) for j in range(y.shape[1])])
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("window", [2, 7, 60, 450, 900])
def test_every_window_is_exact(window):
    agree(*market(), window)


def test_window_longer_than_history_gives_nothing():
    y, x = market(50)
    assert np.isnan(rolling_beta(y, x, 60)).all()


def test_level_shifts_leave_no_trace():
    y, x = market()
    y[300:500] += 100.0
    x[400:600] -= 50.0
    y[700, 3] = 1e6
    agree(y, x, 60)
    clean = rolling_beta(y, x, 60)[780:, 3]
    np.testing.assert_allclose(clean, exact(y[:, 3], x, 60, 60)[780:], rtol=1e-9)


@pytest.mark.parametrize("least", [2, 30, 60])
def test_holes_count_only_pairs(least):
    y, x = market()
    rng = np.random.default_rng(2)
    y[rng.random(y.shape) < 0.1] = np.nan
    y[200:330, 2] = np.nan
    y[10, 4] = np.inf
    x[500:505] = np.nan
    agree(y, x, 60, least)


def test_hole_in_one_asset_does_not_touch_another():
    y, x = market()
    whole = rolling_beta(y, x, 60)
    y[100, 0] = np.nan
    holed = rolling_beta(y, x, 60)
    np.testing.assert_allclose(holed[:, 1:], whole[:, 1:], rtol=0, atol=1e-12, equal_nan=True)
    assert np.isnan(holed[100:160, 0]).all()
    assert np.isfinite(holed[160:, 0]).all()


def test_market_that_stands_still_has_no_beta():
    y, x = market()
    x[:] = 0.5
    assert np.isnan(rolling_beta(y, x, 60)).all()


def test_threads_and_given_memory_do_not_change_a_bit():
    y, x = market(400, 37)
    out = np.empty_like(y)
    one = rolling_beta(y, x, 50, threads=1)
    assert rolling_beta(y, x, 50, threads=3, out=out) is out
    assert one.tobytes() == out.tobytes()


def test_future_does_not_reach_the_past():
    y, x = market()
    before = rolling_beta(y, x, 60)[:500]
    y[500:] *= -7.0
    x[500:] += 3.0
    assert before.tobytes() == rolling_beta(y, x, 60)[:500].tobytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.floats(0.1, 10), st.floats(-5, 5))
def test_scaling_an_asset_scales_its_beta(seed, window, scale, shift):
    y, x = market(80, 2, seed)
    np.testing.assert_allclose(
        rolling_beta(scale * y + shift, x, window), scale * rolling_beta(y, x, window), rtol=1e-7, atol=1e-7
    )


@pytest.mark.parametrize(
    ("shape", "window", "least"), [((5,), 3, None), ((5, 2), 1, None), ((5, 2), 3, 4), ((4, 2), 3, None)]
)
def test_wrong_shapes_are_refused(shape, window, least):
    with pytest.raises(InputError):
        rolling_beta(np.zeros(shape), np.zeros(5), window, least=least)


def test_wrong_memory_is_refused():
    with pytest.raises(InputError):
        rolling_beta(np.zeros((5, 2)), np.zeros(5), 3, out=np.zeros((5, 3)))
