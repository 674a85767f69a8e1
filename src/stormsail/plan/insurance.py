"""The hedge read as an insurance policy: premium, deductible, cover, and the worst horizons with and without it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from stormsail.core import years
from stormsail.market.resample import SEED, stationary_indices
from stormsail.plan.problem import FloatArray
from stormsail.plan.types import Insurance

PATHS = 4000
MEAN_BLOCK_DAYS = 5.0


def horizon_returns(
    returns: FloatArray, bars: int, *, paths: int = PATHS, mean_block: float = MEAN_BLOCK_DAYS, seed: int = SEED
) -> FloatArray:
    """Joint returns over a horizon, resampled in blocks that keep all coins of one bar together.

    A horizon's log return is the sum over the bars drawn, in whatever order, so each path is a vector of counts and
    all of them one matrix product.

    Args:
        returns: Simple returns per bar, shape (T, K), without holes.
        bars: Bars in the horizon.
        paths: Number of horizons.
        mean_block: Mean block length in bars.
        seed: Key of the counter-based generator.

    Returns:
        Simple returns over the horizon, shape (paths, K).

    Source: Politis & Romano 1994, JASA 89 (stationary bootstrap).
    """
    length = len(returns)
    rows = stationary_indices(length, paths, mean_block=mean_block, length=max(bars, 1), seed=seed)
    flat = (rows + np.arange(paths)[:, None] * length).ravel()
    counts = np.bincount(flat, minlength=paths * length).reshape(paths, length).astype(np.float64)
    return np.expm1(counts @ np.log1p(np.maximum(returns, -0.9999)))


def mean_of_worst(losses: FloatArray, share: float = 0.01) -> float:
    """Mean of the largest ``share`` of losses (rounded up).

    >>> mean_of_worst(np.arange(100.0), 0.02)
    98.5
    """
    count = max(math.ceil(share * len(losses) - 1e-9), 1)
    return float(np.partition(losses, len(losses) - count)[-count:].mean())


def insurance(
    *,
    held: FloatArray,
    short: FloatArray,
    fall: FloatArray,
    paths: FloatArray,
    cost: float,
    protected: float,
    horizon: timedelta,
    method: str,
    stakes: Sequence[tuple[FloatArray, float]] = (),
    left_out: tuple[str, ...] = (),
) -> Insurance:
    """Put the hedge in the words of a policy.

    Args:
        held: Value held of each coin, shape (K,).
        short: Value short of each coin, shape (K,), positive.
        fall: Fall of each coin in the event to be survived, shape (K,), positive.
        paths: Joint horizon returns, shape (paths, K).
        cost: Expected total over the horizon; received is positive.
        protected: Value that is protected.
        horizon: Its length.
        method: How ``paths`` were made.
        stakes: Shorts that share collateral, as value short of each coin, shape (K,), and that collateral: what rises
            beyond it is liquidated and loses no more. Without any, losses of the shorts have no end.
        left_out: What ``cost`` does without.
    """
    cover = float(fall @ short)
    together = stakes or [(short, math.inf)]
    gained = sum((np.maximum(-(paths @ part), -posted) for part, posted in together), np.zeros(len(paths)))
    return Insurance(
        premium=-cost,
        premium_rate=-cost / protected / years(horizon) if protected > 0 else 0.0,
        deductible=float(fall @ held) - cover - cost,
        cover=cover,
        es_99_unhedged=mean_of_worst(-(paths @ held)),
        es_99_hedged=mean_of_worst(-(paths @ held) - gained - cost),
        method=method,
        left_out=left_out,
    )
