"""What each order of a plan should be once prices and holdings have moved.

A short on a coin that is held protects *coins*, so it keeps its units in proportion to them whatever the price does::

    units_t = units_0 * held_t / held_0

A proxy protects *value*, so its notional follows the value of what it protects::

    units_t = units_0 * (V_t / V_0) * (P_0 / P_t)          inverse: units_0 * V_t / V_0

with ``V`` the value of the coins no contract of their own protects, each weighted by how much of it the plan covers by
proxy. An order that does both is the sum of the two. The functions take one moment or a whole history alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import Contract, InputError, Payoff, to_float
from stormsail.plan.types import Coverage, Order

FloatArray = NDArray[np.float64]

_ROUNDING = 1e-9

WHOLE = "portfolio"
"""What an order protects that protects no coin in particular."""


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """What ties each of n orders to what is held.

    Attributes:
        own: Share of each order that protects its own coin; the rest is a proxy, shape (n,).
        weight: Share of each coin in the value that proxies protect, adding up to 1; empty without proxies.
    """

    own: FloatArray
    weight: Mapping[str, float]


def ties(
    orders: Sequence[Order], held: Mapping[str, float], spot: Mapping[str, float], coverage: Sequence[Coverage] = ()
) -> Ties:
    """Tell what each order follows, from the plan as it was made.

    Args:
        orders: Of the plan.
        held: Coins held when it was made.
        spot: Price of each coin then.
        coverage: The plan's own account of what is protected by what. Without it, a coin's own contracts are taken to
            protect it up to its value, and proxies everything else alike.

    Raises:
        InputError: If an order protects a coin that is not held.
    """
    told = {row.asset: row for row in coverage}
    short: dict[str, float] = {}
    for order in orders:
        coin = order.contract.base
        if coin in order.protects:
            if not held.get(coin, 0) > 0:
                raise InputError(
                    f"protects {coin}, of which nothing is held", cure="give the holdings of the plan", where=coin
                )
            short[coin] = short.get(coin, 0.0) + to_float(order.notional)
    direct = {
        coin: min(told[coin].direct if coin in told else float(held[coin]) * float(spot[coin]), value)
        for coin, value in short.items()
    }
    own = np.array([_own(order, direct, short) for order in orders], dtype=np.float64)
    return Ties(own, _weights(held, spot, direct, told) if (own < 1.0).any() else {})


def _own(order: Order, direct: Mapping[str, float], short: Mapping[str, float]) -> float:
    coin = order.contract.base
    if coin not in order.protects:
        return 0.0
    return direct[coin] / short[coin] if WHOLE in order.protects else 1.0


def _weights(
    held: Mapping[str, float], spot: Mapping[str, float], direct: Mapping[str, float], told: Mapping[str, Coverage]
) -> dict[str, float]:
    """Value each coin has that proxies protect, over their sum; of the whole holding where that is nothing."""
    value = {coin: float(held[coin]) * float(spot[coin]) for coin in sorted(held) if held[coin] > 0 and coin in spot}
    if told:
        rest = {coin: told[coin].proxy for coin in value if coin in told}
    else:
        rest = {coin: max(worth - direct.get(coin, 0.0), 0.0) for coin, worth in value.items()}
    chosen = rest if sum(rest.values()) > 0 else value
    total = sum(chosen.values())
    return {coin: worth / total for coin, worth in chosen.items() if worth > 0}


def targets(
    orders: Sequence[Order],
    held0: Mapping[str, float],
    held_now: Mapping[str, ArrayLike],
    spot0: Mapping[str, float],
    spot_now: Mapping[str, ArrayLike],
    price0: ArrayLike,
    price_now: ArrayLike,
    *,
    coverage: Sequence[Coverage] = (),
) -> FloatArray:
    """Signed contract units each order should be, not rounded to lots; shorts are negative.

    NaN where a price it needs is not known: then the position is left as it is.

    Args:
        orders: The n orders of the plan.
        held0: Coins held when the plan was made.
        held_now: Coins held now: a number each, or shape (T,).
        spot0: Price of each coin when the plan was made.
        spot_now: Price of each coin now: a number each, or shape (T,).
        price0: Price per coin of each order's contract when the plan was made, shape (n,).
        price_now: The same now, shape (n,) or (T, n).
        coverage: See :func:`ties`.

    Returns:
        Shape (n,), or (T, n) if anything is given over time.

    Raises:
        InputError: If an order protects a coin that was not held, or a coin it follows has no holding or price now.
    """
    tie = ties(orders, held0, spot0, coverage)
    needed = sorted({o.contract.base for o, own in zip(orders, tie.own, strict=True) if own > 0} | set(tie.weight))
    for coin in needed:
        if coin not in held_now or (coin in tie.weight and coin not in spot_now):
            raise InputError("no holding or price now", cure="give 0 for a coin that is gone", where=coin)
    kept = {coin: np.asarray(held_now[coin], dtype=np.float64) / float(held0[coin]) for coin in needed}
    now, then = np.asarray(price_now, dtype=np.float64), np.asarray(price0, dtype=np.float64)
    value: FloatArray = np.zeros(now.shape[:-1])
    for coin, weight in tie.weight.items():
        value = value + weight * kept[coin] * np.asarray(spot_now[coin], dtype=np.float64) / float(spot0[coin])
    columns = []
    for i, (order, own) in enumerate(zip(orders, tie.own.tolist(), strict=True)):
        factor: FloatArray = own * kept[order.contract.base] if own > 0 else np.zeros(())
        if own < 1.0:
            factor = factor + (1.0 - own) * value * _per_price(order.contract.payoff, then[i], now[..., i])
        columns.append(-to_float(order.quantity) * factor)
    shape = np.broadcast_shapes(now.shape[:-1], *(c.shape for c in columns))
    return np.stack([np.broadcast_to(c, shape) for c in columns], axis=-1) if columns else np.zeros((*shape, 0))


def in_lots(units: FloatArray, contracts: Sequence[Contract]) -> FloatArray:
    """Contract units as lots, not whole; what lies within rounding error of a whole lot is that lot.

    Without this a target of three lots may come out as 2.9999999999999996 and be cut to two.

    Args:
        units: Shape (n,) or (T, n).
        contracts: The n contracts.

    >>> from decimal import Decimal as D
    >>> from stormsail.core import Tenor
    >>> c = Contract("v", "AUSDT", "A", "USDT", Tenor.PERPETUAL, Payoff.LINEAR, D(1), D("0.1"), D(1), D(5), D(0), D(0))
    >>> in_lots(np.array([-0.3]), [c])
    array([-3.])
    """
    lots = np.asarray(units, dtype=np.float64) / np.array([to_float(c.lot) for c in contracts])
    whole = np.rint(lots)
    near = np.abs(lots - whole) <= _ROUNDING * np.maximum(np.abs(lots), 1.0)
    return np.asarray(np.where(near, whole, lots), dtype=np.float64)


def _per_price(payoff: Payoff, then: FloatArray, now: FloatArray) -> FloatArray:
    """Units worth the same after the price moved; the value of an inverse unit is that of its quote at any price."""
    if payoff is Payoff.INVERSE:
        return np.ones_like(now)
    return np.asarray(then / np.where(now > 0, now, np.nan))
