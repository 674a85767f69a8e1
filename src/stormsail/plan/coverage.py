"""Which asset is protected by what: a short on the asset itself, a proxy at the asset's beta, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stormsail.plan.problem import FloatArray
from stormsail.plan.types import Coverage


def split_cover(wanted: FloatArray, short: FloatArray, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Direct and proxy protection of each coin, shapes (K,).

    A short on a coin protects that coin up to what was wanted; what is short beyond it is a proxy, and all proxies
    together protect the rest in proportion to beta: ``proxy_k = phi * (wanted_k - direct_k)`` with
    ``phi = min(1, beta of the excess / beta of the rest)``.

    Args:
        wanted: Value to be protected, shape (K,).
        short: Value short of each coin, shape (K,).
        beta: Market beta of each coin, shape (K,).
    """
    direct = np.minimum(short, wanted)
    rest = wanted - direct
    need = float(beta @ rest)
    have = float(beta @ (short - direct))
    share = min(1.0, have / need) if need > 1e-9 else 0.0
    return direct, share * rest


def coverage_rows(
    assets: Sequence[str],
    coins: Sequence[str],
    value: FloatArray,
    wanted: FloatArray,
    direct: FloatArray,
    proxy: FloatArray,
    reasons: Mapping[str, str],
) -> tuple[Coverage, ...]:
    """One row per asset held; arrays are indexed by ``coins``."""
    at = {coin: i for i, coin in enumerate(coins)}
    rows = []
    for asset in assets:
        i = at[asset]
        rows.append(
            Coverage(
                asset=asset,
                value=float(value[i]),
                wanted=float(wanted[i]),
                direct=float(direct[i]),
                proxy=float(proxy[i]),
                uncovered=max(float(value[i] - direct[i] - proxy[i]), 0.0),
                reason=reasons.get(asset, ""),
            )
        )
    return tuple(rows)
