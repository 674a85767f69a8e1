"""The stationary bootstrap: rows drawn from the past in blocks, so that what belongs together stays together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormsail.core import InputError

SEED = 20_250_831
"""Key of the counter-based generator wherever no other is given."""

MEAN_BLOCK = 5.0
"""Mean length of a block, in observations."""


def generator(seed: int = SEED) -> np.random.Generator:
    """A counter-based generator: the same key gives the same numbers on every machine."""
    return np.random.Generator(np.random.Philox(key=seed))


def stationary_indices(
    n: int,
    draws: int,
    *,
    mean_block: float = MEAN_BLOCK,
    length: int | None = None,
    seed: int | np.random.Generator = SEED,
) -> NDArray[np.int64]:
    """Rows that the stationary bootstrap draws from ``n`` rows: blocks of geometric length, wrapped at the end.

    Args:
        n: Number of rows to draw from.
        draws: Number of samples.
        mean_block: Mean block length, at least 1.
        length: Rows per sample; ``n`` where none is given.
        seed: Key of a counter-based generator, or a generator to draw on from.

    Returns:
        Shape (draws, length), values in ``[0, n)``.

    Raises:
        InputError: If there are no rows or a block is shorter than one row.

    Source: Politis & Romano 1994, JASA 89, section 2.
    """
    from stormsail.market._kernels import stationary_walk

    if n < 1 or mean_block < 1.0:
        raise InputError(f"{n} rows in blocks of {mean_block}", cure="give at least one row and blocks of at least 1")
    source = seed if isinstance(seed, np.random.Generator) else generator(seed)
    return stationary_walk(source.random((draws, length or n)), n, 1.0 / mean_block)
