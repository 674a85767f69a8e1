"""Shrinkage of young coins towards their group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.audit.borrow import Group, shrink
from stormsail.core import Estimate, Unavailable

positive = st.floats(0.01, 10.0)


def test_vasicek_by_hand() -> None:
    group = Group("g", 1.2, 0.3, 40, "w", "slope")
    found = shrink(Estimate(2.4, 0.6, 30, "own", "slope"), group)
    assert isinstance(found, Estimate)
    k = 0.36 / (0.36 + 0.09)
    assert found.value == pytest.approx((1 - k) * 2.4 + k * 1.2, rel=1e-12)
    assert found.error == pytest.approx((1 / 0.36 + 1 / 0.09) ** -0.5, rel=1e-12)
    assert (found.borrowed_from, found.n, found.window) == ("g", 30, "own")


@pytest.mark.parametrize(
    "own", [Unavailable("none"), Estimate(9.0, 0.001, 3, "w", "m"), Estimate(0.2, None, 50, "w", "m")]
)
def test_without_a_history_or_an_error_the_group_speaks(own: Estimate | Unavailable) -> None:
    found = shrink(own, Group("g", 1.2, 0.3, 40, "w", "slope"))
    assert isinstance(found, Estimate)
    assert (found.value, found.error, found.borrowed_from) == (1.2, 0.3, "g")


def test_without_a_group_there_is_nothing() -> None:
    lonely = Group.of("g", [Estimate(1.0, 0.1, 300, "w", "m")] * 4)
    assert isinstance(lonely, Unavailable)
    for own in (Estimate(1.0, 0.1, 30, "w", "m"), Unavailable("none")):
        assert isinstance(shrink(own, lonely), Unavailable)


def test_a_group_is_the_mean_and_spread_of_its_members() -> None:
    members: list[Estimate | Unavailable] = [Estimate(v, 0.1, 300, "w", "m") for v in (1.0, 1.1, 1.4, 0.7, 0.9)]
    group = Group.of("g", [*members, Unavailable("dead")])
    assert isinstance(group, Group)
    assert (group.mean, group.spread, group.size) == (pytest.approx(1.02), pytest.approx(0.25884358211), 5)


def test_shrinking_beats_both_ends_on_known_betas() -> None:
    rng = np.random.Generator(np.random.Philox(key=5))
    truth = rng.normal(1.2, 0.3, 2000)
    errors = rng.uniform(0.1, 0.8, 2000)
    own = truth + rng.normal(0, errors)
    group = Group("g", 1.2, 0.3, 50, "w", "m")
    found = [shrink(Estimate(float(v), float(e), 30, "w", "m"), group) for v, e in zip(own, errors, strict=True)]
    shrunk = np.array([f.value for f in found if isinstance(f, Estimate)])
    said = np.array([f.error for f in found if isinstance(f, Estimate)], dtype=float)
    misses = float(np.mean((shrunk - truth) ** 2))
    assert misses < 0.8 * min(float(np.mean((own - truth) ** 2)), float(np.mean((truth - 1.2) ** 2)))
    assert float(np.mean(said**2)) == pytest.approx(misses, rel=0.1)


@given(st.floats(-5, 5), positive, st.floats(-5, 5), positive)
def test_the_result_lies_between_and_is_surer_than_either(own: float, se: float, mean: float, spread: float) -> None:
    found = shrink(Estimate(own, se, 30, "w", "m"), Group("g", mean, spread, 40, "w", "m"))
    assert isinstance(found, Estimate) and found.error is not None
    assert min(own, mean) - 1e-9 <= found.value <= max(own, mean) + 1e-9
    assert found.error <= min(se, spread) * (1 + 1e-9)
