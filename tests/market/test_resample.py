import numpy as np
import pytest

from stormsail.core import InputError
from stormsail.market.resample import stationary_indices


def test_blocks_have_the_stated_mean_length_and_every_row_the_same_chance():
    rows = stationary_indices(50, 4000, mean_block=5.0)
    jumps = (np.diff(rows, axis=1) % 50 != 1).mean()
    assert jumps == pytest.approx(0.2 * 49 / 50, rel=0.02)
    counts = np.bincount(rows.ravel(), minlength=50) / rows.size
    assert np.abs(counts * 50 - 1).max() < 0.08
    assert rows.min() == 0
    assert rows.max() == 49


def test_blocks_of_one_are_independent_draws():
    rows = stationary_indices(10, 5000, mean_block=1.0, length=2)
    pairs = np.bincount(rows[:, 0] * 10 + rows[:, 1], minlength=100) / 5000
    assert np.abs(pairs - 0.01).max() < 0.006


def test_same_key_same_rows_other_key_other_rows():
    first = stationary_indices(100, 20, seed=7)
    assert first.tobytes() == stationary_indices(100, 20, seed=7).tobytes()
    assert first.tobytes() != stationary_indices(100, 20, seed=8).tobytes()


@pytest.mark.parametrize(("n", "block"), [(0, 5.0), (10, 0.5)])
def test_impossible_blocks_are_refused(n, block):
    with pytest.raises(InputError):
        stationary_indices(n, 10, mean_block=block)
