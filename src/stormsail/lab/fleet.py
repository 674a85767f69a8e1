"""Plan many portfolios on one market snapshot: shards of portfolios in, orders in whole lots out.

A shard is planned by :class:`PlanFleet`, a function of the shard and nothing else, so shards may be computed anywhere
and in any order (:mod:`stormsail.lab.workers`). Targets are the optimum of the plan's own programme for the deck, in a
compiled solver without overhead; money, collateral, lots and market beta are then counted in integers, so that no limit
is broken by a rounding. A portfolio that cannot be planned is a row with the reason; as many come out as went in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from stormsail.core import STABLECOINS, nearest
from stormsail.lab.deck import Deck

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LARGEST_VALUE = 1e9
"""Portfolios above this are planned alone: they move the market, and money is counted in 64 bits."""

_MOST_CASH = 10**12


class Status(StrEnum):
    """What became of a portfolio."""

    PLANNED = "planned"
    NOTHING = "nothing"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, eq=False)
class FleetShard:
    """Some portfolios in long form: P portfolios, R holdings.

    Attributes:
        names: Of each portfolio, length P.
        start: Holdings of portfolio i are ``start[i]`` up to ``start[i + 1]``, shape (P + 1,).
        symbols: Distinct symbols.
        symbol: Of each holding, an index into ``symbols`` or -1 where there is none, shape (R,).
        quantity: Coins of each holding, shape (R,); NaN where there is no number.
        coverage: Share to protect, NaN for the tolerance's, shape (P,).
        collateral: Cash that can be posted in cents, -1 for the tolerance's, shape (P,).
        faults: Portfolio number to what the reader found wrong with it.
    """

    names: tuple[str, ...]
    start: IntArray
    symbols: tuple[str, ...]
    symbol: IntArray
    quantity: FloatArray
    coverage: FloatArray
    collateral: IntArray
    faults: Mapping[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class FleetPlans:
    """What came of a shard: P portfolios in its order, and N orders by portfolio, largest first.

    Money is exact: ``notional`` in hundred-millionths, ``collateral`` in cents, ``quantity`` as a number of ``lots``.

    Attributes:
        names: Of each portfolio, length P.
        status: Length P.
        reason: Why nothing, or not more, was planned; empty where nothing stood in the way. Length P.
        value: Of its coins and cash, shape (P,); NaN where refused.
        coverage: Share of the value of its coins that is protected, shape (P,).
        wanted: Share that was to be protected, shape (P,).
        cost: Expected fees and slippage in and out, in currency, shape (P,).
        portfolio: Of each order, an index into ``names``, shape (N,).
        contract: Of each order, an index into ``contracts``, shape (N,).
        contracts: Contract ids.
        steps: Of each contract, what one lot is in contract units.
        lots, notional, collateral: Of each order, shape (N,).
        carry: Expected of each order over the horizon, in currency; received is positive; NaN is unavailable.
    """

    names: tuple[str, ...]
    status: tuple[Status, ...]
    reason: tuple[str, ...]
    value: FloatArray
    coverage: FloatArray
    wanted: FloatArray
    cost: FloatArray
    portfolio: IntArray
    contract: IntArray
    contracts: tuple[str, ...]
    steps: tuple[Decimal, ...]
    lots: IntArray
    notional: IntArray
    collateral: IntArray
    carry: FloatArray


# net beta is not told: it is the wish itself
_HELD_BACK = ((8, "targets near their best only"), (1, "collateral"), (2, "venue cap"))


@dataclass(frozen=True, slots=True)
class PlanFleet:
    """Plans a shard with one deck."""

    deck: Deck

    def __call__(self, shard: FleetShard) -> FleetPlans:
        """See :func:`plan_shard`."""
        return plan_shard(self.deck, shard)


def plan_shard(deck: Deck, shard: FleetShard) -> FleetPlans:
    """Plan every portfolio of a shard.

    The order of holdings within a portfolio and of portfolios within a shard changes nothing; holdings of one coin are
    added.

    Args:
        deck: The market part.
        shard: The portfolios.
    """
    from stormsail.lab._fleet._kernels import plan_many

    table = deck.table()
    reason, refused = _judged(deck, shard)
    start, coin, worth, idle, left_out = _valued(deck, shard, refused)
    value = np.add.reduceat(np.append(worth, 0.0), start[:-1]) * (np.diff(start) > 0) + idle
    for i in np.flatnonzero(~refused & ~(value < LARGEST_VALUE)).tolist():
        reason[i], refused[i] = f"worth {value[i]:.3g}, not below {LARGEST_VALUE:.0e}: plan it by itself", True
    cover = np.where(np.isnan(shard.coverage), deck.tolerance.coverage, shard.coverage)
    cash = np.where(shard.collateral < 0, _cents(deck), np.minimum(shard.collateral, _MOST_CASH))
    skip = refused | (value - idle <= 0)
    size = _most_orders(table.first, table.major, start, coin)
    offset = np.concatenate([[0], np.cumsum(np.where(skip, 0, size))])
    kept = np.repeat(~skip, np.diff(start))
    begin = np.concatenate([[0], np.cumsum(np.where(skip, 0, np.diff(start)))])
    contract, lots, covered, bits = plan_many(
        table, begin, coin[kept], worth[kept], idle, cover, cash.astype(np.int64), offset
    )
    portfolio = np.repeat(np.arange(len(value)), np.diff(offset))
    made = lots > 0
    portfolio, contract, lots = portfolio[made], contract[made], lots[made]
    notional = lots * table.lot_units[contract]
    order = np.lexsort((contract, -notional, portfolio))
    portfolio, contract, lots, notional = portfolio[order], contract[order], lots[order], notional[order]
    money = notional / 1e8
    rates = np.array([leg.cost for leg in deck.legs] or [0.0])
    has = np.bincount(portfolio, minlength=len(value)) > 0
    return FleetPlans(
        names=shard.names,
        status=tuple(
            Status.REFUSED if r else Status.PLANNED if h else Status.NOTHING
            for r, h in zip(refused.tolist(), has.tolist(), strict=True)
        ),
        reason=_reasons(reason, refused, has, value - idle, bits, left_out),
        value=np.where(refused, np.nan, value),
        coverage=np.where(refused, np.nan, covered),
        wanted=cover,
        cost=np.bincount(portfolio, weights=money * rates[contract], minlength=len(value)).astype(np.float64),
        portfolio=portfolio,
        contract=contract,
        contracts=tuple(leg.contract.id for leg in deck.legs),
        steps=tuple(leg.lot for leg in deck.legs),
        lots=lots,
        notional=notional,
        collateral=-((-lots * table.lot_cash[contract]) // 1_000_000),
        carry=money * np.array([leg.carry for leg in deck.legs] or [0.0])[contract],
    )


def _cents(deck: Deck) -> int:
    given = deck.tolerance.collateral
    return -1 if given is None else min(int(given * 100), _MOST_CASH)


def _judged(deck: Deck, shard: FleetShard) -> tuple[list[str], NDArray[np.bool_]]:
    """Why a portfolio is refused, or an empty text."""
    reason = [shard.faults.get(i, "") for i in range(len(shard.names))]
    known = frozenset(deck.symbols) | STABLECOINS
    hints = [None if s in known else f"unknown symbol {s}{_hint(s, known)}" for s in shard.symbols]
    strange = np.array([h is not None for h in hints] + [True])
    bad = strange[shard.symbol] | ~(shard.quantity > 0) | ~np.isfinite(shard.quantity)
    owner = np.repeat(np.arange(len(shard.names)), np.diff(shard.start))
    for row in np.flatnonzero(bad)[::-1].tolist():
        number, at = int(owner[row]), int(shard.symbol[row])
        if number in shard.faults:
            continue
        name = shard.symbols[at] if at >= 0 else "a holding"
        told = hints[at] if at >= 0 else "a holding without a symbol"
        reason[number] = told or f"{name}: a quantity must be positive, not {shard.quantity[row]:g}"
    for number in np.flatnonzero((shard.coverage <= 0) | (shard.coverage > 1)).tolist():
        reason[number] = reason[number] or f"coverage is {shard.coverage[number]:g}, outside (0, 1]"
    for number in np.flatnonzero(np.diff(shard.start) == 0).tolist():
        reason[number] = reason[number] or "nothing is held"
    return reason, np.array([bool(r) for r in reason], dtype=bool)


def _hint(symbol: str, known: frozenset[str]) -> str:
    close = nearest(symbol, known)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def _valued(
    deck: Deck, shard: FleetShard, refused: NDArray[np.bool_]
) -> tuple[IntArray, IntArray, FloatArray, FloatArray, dict[int, str]]:
    """Holdings by coin of the deck, each coin once and rising: start, coin, worth; cash; and what was left out."""
    index = {coin: i for i, coin in enumerate(deck.coins)}
    place = np.array([index.get(s, -2 if s in STABLECOINS else -1) for s in shard.symbols] + [-1], dtype=np.int64)
    owner = np.repeat(np.arange(len(shard.names)), np.diff(shard.start))
    fine = ~refused[owner]
    at = place[shard.symbol]
    cash = fine & (at == -2)
    # sums must not depend on the order of rows, so rows are put in one order first
    order = np.lexsort((shard.quantity, at, owner))
    order = order[(fine & (at >= 0))[order]]
    who, coin, held = owner[order], at[order], shard.quantity[order]
    first = np.flatnonzero(np.diff(who, prepend=-1).astype(bool) | np.diff(coin, prepend=-1).astype(bool))
    worth = np.add.reduceat(held, first) * deck.prices[coin[first]] if len(first) else np.zeros(0)
    start = np.searchsorted(who[first], np.arange(len(shard.names) + 1)).astype(np.int64)
    by_size = np.flatnonzero(cash)[np.argsort(shard.quantity[cash], kind="stable")]
    idle = np.bincount(owner[by_size], weights=shard.quantity[by_size], minlength=len(shard.names))
    left_out: dict[int, str] = {}
    for row in np.flatnonzero(fine & (at == -1)).tolist():
        symbol, number = shard.symbols[int(shard.symbol[row])], int(owner[row])
        told = f"{symbol} left out: {deck.missing.get(symbol, 'not in this deck')}"
        left_out[number] = "; ".join(sorted({told, *filter(None, left_out.get(number, "").split("; "))}))
    return start, coin[first], worth, idle.astype(np.float64), left_out


def _most_orders(first: IntArray, major: NDArray[np.bool_], start: IntArray, coin: IntArray) -> IntArray:
    """Contracts each portfolio could use: those of its coins and of the majors."""
    per = np.diff(first)
    mine = np.append(np.where(major[coin], 0, per[coin]), 0)
    sums = np.add.reduceat(mine, start[:-1]) * (np.diff(start) > 0) if len(start) > 1 else np.zeros(0)
    return np.asarray(sums + per[major].sum(), dtype=np.int64)


def _reasons(
    reason: Sequence[str],
    refused: NDArray[np.bool_],
    has: NDArray[np.bool_],
    risky: FloatArray,
    bits: IntArray,
    left_out: Mapping[int, str],
) -> tuple[str, ...]:
    by_bits = {b: ", ".join(name for bit, name in _HELD_BACK if b & bit) for b in set(bits.tolist())}
    told = []
    for i, (no, orders, coins, bit) in enumerate(
        zip(refused.tolist(), has.tolist(), risky.tolist(), bits.tolist(), strict=True)
    ):
        if no:
            told.append(reason[i])
            continue
        parts = []
        if not orders:
            parts.append("only cash is held" if coins <= 0 else "no order is worth its cost or fits the limits")
        if by_bits[bit]:
            parts.append(f"held back by {by_bits[bit]}")
        if i in left_out:
            parts.append(left_out[i])
        told.append("; ".join(parts))
    return tuple(told)
