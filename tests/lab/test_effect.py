"""Reductions of variance, tail and fall, against their definitions and against known truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import InputError, Unavailable
from stormsail.lab.effect import Effect, effect, effects
from stormsail.market.resample import generator


def walk(n: int, key: int, scale: float = 0.02) -> np.ndarray:
    return 100.0 * np.cumprod(1.0 + np.concatenate([[0.0], scale * generator(key).standard_normal(n)]))


def known(found: Effect | Unavailable) -> Effect:
    assert isinstance(found, Effect)
    return found


def test_values_follow_their_definitions() -> None:
    unhedged, other = walk(250, 1), walk(250, 2)
    hedged = 60.0 + 0.4 * unhedged + 0.05 * (other - 100.0)
    found = known(effect(unhedged, hedged, draws=20))
    u, h = np.diff(unhedged) / unhedged[:-1], np.diff(hedged) / unhedged[:-1]
    assert found.variance.value == pytest.approx(1 - h.var() / u.var(), abs=1e-12)
    worst = math.ceil(0.05 * 250)
    tail_u, tail_h = -np.sort(u)[:worst].mean(), -np.sort(h)[:worst].mean()
    assert found.es95.value == pytest.approx(1 - tail_h / tail_u, abs=1e-12)
    falls = [max(1 - path[j] / path[: j + 1].max() for j in range(251)) for path in (unhedged, hedged)]
    assert found.drawdown.unhedged == pytest.approx(falls[0], abs=1e-12)
    assert found.drawdown.hedged == pytest.approx(falls[1], abs=1e-12)
    assert found.drawdown.value == pytest.approx(1 - falls[1] / falls[0], abs=1e-12)


@given(st.floats(0.05, 0.95), st.integers(1, 1000))
def test_half_a_hedge_removes_what_it_must(share: float, key: int) -> None:
    unhedged = walk(60, key)
    found = known(effect(unhedged, share * unhedged[0] + (1 - share) * unhedged, draws=25))
    for cut, exact in ((found.variance, 1 - (1 - share) ** 2), (found.es95, share)):
        assert (cut.value, cut.low, cut.high) == pytest.approx((exact,) * 3, abs=1e-9)
    assert 0 < found.drawdown.value < 1


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    inside = 0
    for key in range(120):
        r = generator(1000 + key).standard_normal((2, 300)) * 0.01
        unhedged = np.cumprod(np.concatenate([[1.0], 1.0 + r[0]]))
        own = 0.3 * r[0] + 0.4 * r[1]
        hedged = 1.0 + np.cumsum(np.concatenate([[0.0], own * unhedged[:-1]]))
        cut = known(effect(unhedged, hedged, draws=200, block=2.0)).variance
        inside += cut.low <= 1 - (0.3**2 + 0.4**2) <= cut.high
    assert 0.86 <= inside / 120 <= 0.99


def test_rivals_are_judged_on_the_same_histories_and_repeat() -> None:
    unhedged = walk(100, 7)
    rivals = {"hedged": 50 + unhedged / 2, "again": 50 + unhedged / 2, "sold": np.full(101, 100.0)}
    found = effects(unhedged, rivals, draws=50)
    assert found["hedged"] == found["again"] == effect(unhedged, rivals["hedged"], draws=50)
    sold = known(found["sold"])
    assert (sold.variance.value, sold.es95.value, sold.drawdown.value) == (1.0, 1.0, 1.0)


def test_what_cannot_be_said_is_unavailable() -> None:
    assert "20 needed" in str(effect(walk(10, 1), walk(10, 2)))
    assert "did not move" in str(effect(np.ones(50), walk(49, 2)))
    with pytest.raises(InputError, match="same moments"):
        effect(walk(30, 1), walk(31, 1))
    with pytest.raises(InputError, match="not positive"):
        effect(np.zeros(30), walk(29, 1))


def test_a_path_that_only_rises_has_no_fall_to_reduce() -> None:
    rising = np.cumprod(np.concatenate([[1.0], 1.0 + 0.001 * (1 + np.arange(40) % 3)]))
    assert math.isnan(known(effect(rising, rising, draws=10)).drawdown.value)
