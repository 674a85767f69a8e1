"""How far each coin falls when the portfolio falls by what is to be survived."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stormsail.audit.betas import tail_ratio
from stormsail.audit.sample import Sample
from stormsail.audit.types import ExposureReport
from stormsail.core import Estimate, Finding, Trouble
from stormsail.plan.model import CoinReturns
from stormsail.plan.problem import FloatArray


def tail_ratios(
    exposure: ExposureReport, returns: CoinReturns, beta: FloatArray
) -> tuple[FloatArray, tuple[Finding, ...]]:
    """Fall of each coin per unit of BTC's on the worst days, shape (K,), and what was put in place of missing ones.

    Coins of the portfolio use the audit's figure; others are measured the same way. Where there are too few bad days,
    the larger of the coin's beta and the median of the known ratios stands in. Ratios are kept within [0, 5].

    Args:
        exposure: The audit.
        returns: Of K coins.
        beta: Market beta of each, shape (K,).
    """
    audited = {a.asset: a.risk.tail_ratio for a in exposure.assets}
    btc = returns.column("BTC")
    found = np.full(len(returns.coins), np.nan)
    for i, coin in enumerate(returns.coins):
        ratio = audited.get(coin)
        if ratio is None:
            ratio = tail_ratio(Sample(returns.values[:, i], returns.bars_per_day, returns.panel.window), btc)
        if isinstance(ratio, Estimate):
            found[i] = ratio.value
    found[returns.coins.index("BTC")] = 1.0
    missing = ~np.isfinite(found)
    known = found[~missing]
    filled = np.where(missing, np.maximum(beta, np.median(known)), found)
    findings: tuple[Finding, ...] = ()
    if missing.any():
        names = ", ".join(c for c, m in zip(returns.coins, missing, strict=True) if m)
        findings = (
            Finding(
                Trouble.DEGRADED,
                "tail ratio",
                f"too few bad days for {names}",
                f"the larger of beta and the median of the others, {np.median(known):.2f}, is used",
            ),
        )
    return np.clip(filled, 0.0, 5.0), findings


def falls(held: FloatArray, tail: FloatArray, survive: float) -> tuple[FloatArray, float]:
    """Fall of each coin, shape (K,), and of BTC, when the holdings as a whole fall by ``survive``.

    ``fall_k = min(1, m tail_k)`` with ``m``, BTC's fall, chosen so that ``sum held_k fall_k = survive sum held_k``.

    >>> fall, market = falls(np.array([50.0, 50.0]), np.array([1.0, 2.0]), 0.3)
    >>> fall.round(9).tolist(), round(market, 9)
    ([0.2, 0.4], 0.2)
    """
    total = float(held.sum())
    if total <= 0 or not float(held @ tail) > 0:
        return np.clip(survive * tail, 0.0, 1.0), survive
    low, high = 0.0, 1.0
    while held @ np.minimum(high * tail, 1.0) < survive * total and high < 1e6:
        high *= 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if held @ np.minimum(middle * tail, 1.0) < survive * total:
            low = middle
        else:
            high = middle
    return np.minimum(high * tail, 1.0), min(high, 1.0)


def per_coin(names: Sequence[str], coins: Sequence[str], values: Sequence[float]) -> FloatArray:
    """Spread values by name over ``coins``, 0 elsewhere; shape (K,)."""
    out = np.zeros(len(coins))
    at = {coin: i for i, coin in enumerate(coins)}
    for name, value in zip(names, values, strict=True):
        if name in at:
            out[at[name]] += value
    return out
