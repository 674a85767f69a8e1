"""The sample behind the simulated methods: only its top is put in order, and nothing may show it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.margin.rise import from_simulation
from stormsail.margin.tail import pareto_tail
from stormsail.margin.types import Method


def drawn(seed: int, n: int, weighted: bool) -> tuple[np.ndarray, np.ndarray | None]:
    rng = np.random.Generator(np.random.Philox(key=seed))
    rises = np.maximum(np.round(rng.standard_t(3, n) * 0.05, 3), 0.0)  # rounded, so that many are equal
    return rises, rng.uniform(0.01, 2.0, n) if weighted else None


@given(st.integers(0, 1000), st.integers(1, 400), st.booleans(), st.floats(1e-4, 0.9))
@settings(max_examples=60, deadline=None)
def test_the_chance_of_every_level_is_its_share_of_the_weight(seed: int, n: int, weighted: bool, alpha: float) -> None:
    rises, weights = drawn(seed, n, weighted)
    method = from_simulation(rises, alpha, "", weights)
    weight = np.ones(n) if weights is None else weights
    largest = weight[np.argsort(-rises, kind="stable")[0]]
    for level in (*np.quantile(rises, [0.0, 0.2, 0.5, 0.9, 0.99, 1.0]), method.move, rises.max() + 1.0):
        share = (weight[rises >= level].sum() + largest) / (weight.sum() + largest)
        assert method.exceed(level) == pytest.approx(min(1.0, share), rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 0.03, 0.4])
def test_the_rise_is_the_smallest_whose_chance_is_allowed(weighted: bool, alpha: float) -> None:
    rises, weights = drawn(3, 5000, weighted)
    method = from_simulation(rises, alpha, "", weights)
    below = rises[rises < method.move]
    assert method.exceed(method.move) <= alpha * (1 + 1e-9)
    assert not len(below) or method.exceed(below.max()) > alpha


@pytest.mark.parametrize("alpha", [1e-2, 1e-3, 1e-5])
def test_the_tail_gives_the_very_rise_whose_chance_is_allowed(alpha: float) -> None:
    rng = np.random.Generator(np.random.Philox(key=9))
    method = pareto_tail(np.abs(rng.standard_t(3, 400)) * 0.04, alpha)
    assert isinstance(method, Method)
    assert method.exceed(method.move) == pytest.approx(alpha, rel=1e-9)
    assert method.exceed(method.move) <= alpha
    assert method.exceed(method.move * (1 - 1e-9)) > alpha


def test_a_price_that_stood_still_but_for_a_few_days_has_an_answer() -> None:
    """More than 95 % of the spans without a rise: the threshold is 0 and some refits see nothing at all."""
    blocks = np.r_[np.zeros(400), np.full(5, 0.1)]
    method = pareto_tail(blocks, 1e-3)
    assert isinstance(method, Method)
    assert method.exceed(method.move) <= 1e-3
