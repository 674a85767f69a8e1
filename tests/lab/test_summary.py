"""Falls and their moments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.lab.summary import deepest_fall, drawdowns


@given(st.lists(st.floats(1.0, 1e6), min_size=2, max_size=40))
def test_the_deepest_fall_is_the_worst_pair(values: list[float]) -> None:
    worst = max(1 - values[j] / values[i] for i in range(len(values)) for j in range(i, len(values)))
    assert deepest_fall(np.array(values)) == pytest.approx(worst, abs=1e-12)


def test_a_path_that_only_rises_never_falls() -> None:
    assert deepest_fall(np.array([1.0, 2.0, 3.0])) == 0.0
    np.testing.assert_array_equal(drawdowns(np.array([1.0, 2.0])), [0.0, 0.0])
