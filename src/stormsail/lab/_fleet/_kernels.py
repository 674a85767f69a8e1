"""A fleet of portfolios, compiled: each laid out, its targets found, and whole lots made of them in integers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from stormsail.lab._hedge._kernels import (
    BY_COLLATERAL,
    BY_DELTA,
    BY_VENUE,
    CENT,
    FACTORS,
    UNIT,
    UNSOLVED,
    FloatArray,
    IntArray,
    Small,
    Table,
    targets,
)

UNBOUNDED = 2**62
_WORTH = 1e-8
"""A gain below this, over ``lam`` and as a share of the portfolio, is not worth a lot."""


class Bounds(NamedTuple):
    """What whole lots must keep, exactly: cents for money, hundred-millionths for beta; -1 is no limit.

    Attributes:
        cash: Collateral there is.
        venues: Collateral that may be posted at each venue, shape (v,).
        delta: Market beta that may be short.
    """

    cash: int
    venues: IntArray
    delta: int


@njit(cache=True, nogil=True)
def posted(lots: int, lot_cash: int) -> int:
    """Collateral of a position in cents, rounded up."""
    return -((-lots * lot_cash) // CENT)


@njit(cache=True, nogil=True)
def _spare(table: Table, bounds: Bounds, i: int, now: int, used: IntArray, spent: int, delta: int) -> int:
    """Lots of contract ``i`` that could be added to ``now`` within every limit; ``used`` is posted at each venue."""
    most = UNBOUNDED
    if table.lot_cash[i] > 0:
        cents = bounds.venues[table.venue[i]] - used[table.venue[i]]
        if bounds.cash >= 0:
            cents = min(cents, bounds.cash - spent)
        # what is posted is rounded up to cents, so the room is counted from there
        most = (cents + posted(now, table.lot_cash[i])) * CENT // table.lot_cash[i] - now
    if table.lot_delta[i] > 0:
        most = min(most, (bounds.delta - delta) // table.lot_delta[i])
    return most


@njit(cache=True, nogil=True)
def whole(
    table: Table, small: Small, bounds: Bounds, which: IntArray, value: float, least: IntArray, h: FloatArray
) -> IntArray:
    """Whole lots for target shorts ``h``: cut down, those below the smallest order dropped, limits kept exactly, then
    lots added where the objective falls most.

    Args:
        table: The market.
        small: The portfolio's programme.
        bounds: What must hold.
        which: Contracts of the table, shape (q,).
        value: The portfolio's risky value.
        least: Fewest lots of an order, shape (q,).
        h: Targets, shape (q,).
    """
    q, m = which.shape[0], small.wanted.shape[0]
    lots, most, coin = np.zeros(q, dtype=np.int64), np.zeros(q, dtype=np.int64), np.empty(q, dtype=np.int64)
    size = np.empty(q)
    for k in range(m):
        for j in range(small.first[k], small.first[k + 1]):
            coin[j] = k
    used, delta = np.zeros(table.caps.shape[0], dtype=np.int64), 0
    for j in range(q):
        unit = float(table.lot_units[which[j]]) / UNIT / value
        size[j] = unit
        most[j] = int(np.floor(small.room[j] / unit * (1.0 + 1e-12)))
        wish = min(int(np.floor(h[j] / unit * (1.0 + 1e-12))), most[j])
        if wish >= least[j]:
            lots[j] = wish
            used[table.venue[which[j]]] += posted(wish, table.lot_cash[which[j]])
            delta += wish * table.lot_delta[which[j]]
    _take(table, bounds, which, least, lots, used, delta)
    _add(table, small, bounds, which, coin, size, most, least, lots)
    return lots


@njit(cache=True, nogil=True)
def _take(
    table: Table, bounds: Bounds, which: IntArray, least: IntArray, lots: IntArray, used: IntArray, delta: int
) -> None:
    """Take lots away, from the largest collateral first, until every limit holds."""
    while True:
        over_cash = bounds.cash >= 0 and used.sum() > bounds.cash
        over_delta = delta > bounds.delta
        worst, most = -1, -1
        for j in range(lots.shape[0]):
            venue = table.venue[which[j]]
            if lots[j] > 0 and (over_cash or over_delta or used[venue] > bounds.venues[venue]):
                has = posted(lots[j], table.lot_cash[which[j]])
                if has > most:
                    worst, most = j, has
        if worst < 0:
            return
        left = lots[worst] - 1 if lots[worst] > least[worst] else 0
        used[table.venue[which[worst]]] += posted(left, table.lot_cash[which[worst]]) - most
        delta += (left - lots[worst]) * table.lot_delta[which[worst]]
        lots[worst] = left


@njit(cache=True, nogil=True)
def _add(
    table: Table,
    small: Small,
    bounds: Bounds,
    which: IntArray,
    coin: IntArray,
    size: FloatArray,
    most: IntArray,
    least: IntArray,
    lots: IntArray,
) -> None:
    """Add lots where the objective falls most, half the way to its lowest at once, while it falls and limits hold."""
    q, m = which.shape[0], small.wanted.shape[0]
    x, z = small.wanted.copy(), np.zeros(FACTORS)
    used, delta = np.zeros(table.caps.shape[0], dtype=np.int64), 0
    for j in range(q):
        x[coin[j]] -= lots[j] * size[j]
        used[table.venue[which[j]]] += posted(lots[j], table.lot_cash[which[j]])
        delta += lots[j] * table.lot_delta[which[j]]
    for k in range(m):
        for a in range(FACTORS):
            z[a] += small.loadings[k, a] * x[k]
    bend = np.empty(q)
    for j in range(q):
        row = small.loadings[coin[j]]
        for a in range(FACTORS):
            for b in range(FACTORS):
                bend[j] = (0.0 if a + b == 0 else bend[j]) + row[a] * small.factors[a, b] * row[b]
        bend[j] += small.residual[coin[j]] + small.basis[j]
    p, spent = np.zeros(FACTORS), used.sum()
    for _ in range(4 * q + 8):
        for a in range(FACTORS):
            p[a] = 0.0
            for b in range(FACTORS):
                p[a] += small.factors[a, b] * z[b]
        best, chosen, count = -_WORTH, -1, 0
        for j in range(q):
            row, k = small.loadings[coin[j]], coin[j]
            slope = small.price[j] + small.basis[j] * lots[j] * size[j] - small.residual[k] * x[k]
            slope -= row[0] * p[0] + row[1] * p[1] + row[2] * p[2]
            first = 1 if lots[j] > 0 else least[j]
            if slope >= 0.0 or most[j] - lots[j] < first:
                continue
            more = max(min(int(-0.5 * slope / bend[j] / size[j]), most[j] - lots[j]), first)
            step = more * size[j]
            if slope * step + 0.5 * bend[j] * step * step >= best and more > first:
                continue  # fewer lots would gain less still
            more = min(more, _spare(table, bounds, which[j], lots[j], used, spent, delta))
            if more < first:
                continue
            step = more * size[j]
            fall = slope * step + 0.5 * bend[j] * step * step
            if fall < best:
                best, chosen, count = fall, j, more
        if chosen < 0:
            return
        i, k, now = which[chosen], coin[chosen], lots[chosen]
        cents = posted(now + count, table.lot_cash[i]) - posted(now, table.lot_cash[i])
        used[table.venue[i]] += cents
        spent += cents
        delta += count * table.lot_delta[i]
        lots[chosen] = now + count
        step = count * size[chosen]
        x[k] -= step
        for a in range(FACTORS):
            z[a] -= small.loadings[k, a] * step


@njit(cache=True, nogil=True)
def _least(table: Table, which: IntArray, value: float) -> IntArray:
    """Fewest lots of an order: the venue's, and a useful one's, which is the round sum below two thousandths."""
    useful = 10 ** max(int(np.floor(np.log10(max(value * 2e-3, 1e-8)))) + 8, 0)
    found = np.empty(which.shape[0], dtype=np.int64)
    for j in range(which.shape[0]):
        found[j] = max(table.least[which[j]], -((-useful) // table.lot_units[which[j]]))
    return found


@njit(cache=True, nogil=True)
def _lay(
    table: Table, coins: IntArray, held: FloatArray, value: float, total: float, cover: float, cash: int
) -> tuple[Small, Bounds, IntArray]:
    """One portfolio's programme, what whole lots must keep, and the contracts it may use.

    Args:
        table: The market.
        coins: Of the table, rising, shape (m,): those held and those that may stand for others.
        held: Value held of each, shape (m,).
        value: Sum of ``held``.
        total: The same with cash.
        cover: Share to protect.
        cash: Collateral there is, in cents; -1 for as much as is needed.
    """
    m, v = coins.shape[0], table.caps.shape[0]
    first = np.zeros(m + 1, dtype=np.int64)
    for k in range(m):
        first[k + 1] = first[k] + table.first[coins[k] + 1] - table.first[coins[k]]
    q = first[m]
    which = np.empty(q, dtype=np.int64)
    wanted, loadings, residual = np.empty(m), np.empty((m, FACTORS)), np.empty(m)
    price, basis, room, rows = np.empty(q), np.empty(q), np.empty(q), np.zeros((v + 2, q))
    short = 0.0
    for k in range(m):
        c = coins[k]
        wanted[k] = cover * held[k] / value
        loadings[k] = table.loadings[c]
        residual[k] = table.residual[c]
        short += table.beta[c] * (wanted[k] + table.slack * held[k] / value)
        for j in range(first[k], first[k + 1]):
            i = table.first[c] + j - first[k]
            which[j] = i
            price[j] = table.net[i] / table.averse
            basis[j] = table.basis[i]
            if np.isnan(table.volume[i]):
                room[j] = cover if table.major[c] else wanted[k]
            else:
                room[j] = min(2.0 * cover if table.major[c] else wanted[k], table.volume[i] / value)
            rows[table.venue[i], j] = table.rate[i]
            rows[v, j] = table.beta[c]
            rows[v + 1, j] = table.rate[i]
    limit = np.empty(v + 2)
    venues = np.empty(v, dtype=np.int64)
    for i in range(v):
        venues[i] = int(np.floor(table.caps[i] * total * 100.0))
        limit[i] = max(venues[i] - 1, 0) * 0.01 / value
    limit[v] = short
    limit[v + 1] = max(cash - v, 0) * 0.01 / value
    count = v + 2 if cash >= 0 else v + 1
    for i in range(count):
        if limit[i] <= 0.0:
            for j in range(q):
                if rows[i, j] > 0.0:
                    room[j] = 0.0
            limit[i] = 1.0
    small = Small(wanted, loadings, table.factors, residual, first, price, basis, room, rows[:count], limit[:count])
    return small, Bounds(cash, venues, int(np.floor(short * value * UNIT))), which


@njit(cache=True, nogil=True)
def _covered(table: Table, small: Small, coins: IntArray, which: IntArray, value: float, lots: IntArray) -> float:
    """Share of the value that is protected, directly or by a proxy in proportion to beta."""
    direct, need, have, rest = 0.0, 0.0, 0.0, 0.0
    for k in range(coins.shape[0]):
        short = 0.0
        for j in range(small.first[k], small.first[k + 1]):
            short += float(lots[j] * table.lot_units[which[j]]) / UNIT / value
        own = min(short, small.wanted[k])
        direct += own
        rest += small.wanted[k] - own
        need += table.beta[coins[k]] * (small.wanted[k] - own)
        have += table.beta[coins[k]] * (short - own)
    return direct + rest * min(1.0, have / need) if need > 1e-12 else direct


@njit(cache=True, nogil=True)
def plan_one(
    table: Table, coins: IntArray, held: FloatArray, idle: float, cover: float, cash: int
) -> tuple[IntArray, IntArray, float, int, FloatArray]:
    """One portfolio: contracts, lots, share protected, bits of what held it back, and the targets in currency.

    Args:
        table: The market.
        coins: Rising, shape (m,); see :func:`_lay`.
        held: Value of each, shape (m,).
        idle: Value in stablecoins.
        cover: Share to protect.
        cash: Collateral there is, in cents, or -1.
    """
    value = held.sum()
    small, bounds, which = _lay(table, coins, held, value, value + idle, cover, cash)
    least = _least(table, which, value)
    h, tight, sure = targets(small)
    dropped = False
    for j in range(h.shape[0]):
        floor = 0.5 * least[j] * float(table.lot_units[which[j]]) / UNIT / value
        if h[j] < floor:
            dropped = dropped or h[j] > 1e-9
            small.room[j] = 0.0
    if dropped:
        h, tight, sure = targets(small)
    lots = whole(table, small, bounds, which, value, least, h)
    bits = 0 if sure else UNSOLVED
    v = table.caps.shape[0]
    for i in range(tight.shape[0]):
        if tight[i]:
            bits |= BY_VENUE if i < v else BY_DELTA if i == v else BY_COLLATERAL
    return which, lots, _covered(table, small, coins, which, value, lots), bits, h * value


@njit(cache=True, nogil=True)
def plan_many(
    table: Table,
    start: IntArray,
    coin: IntArray,
    worth: FloatArray,
    idle: FloatArray,
    cover: FloatArray,
    cash: IntArray,
    offset: IntArray,
) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
    """Many portfolios, each by itself: contracts and lots (0 lots where there is no order), shares protected, bits.

    Args:
        table: The market.
        start: Rows of portfolio i are ``start[i]`` up to ``start[i + 1]``, shape (P + 1,); one without rows is passed
            over.
        coin, worth: Coin (rising within a portfolio) and value of each row.
        idle, cover, cash: As in :func:`plan_one`, shape (P,).
        offset: Where the orders of portfolio i begin, shape (P + 1,).
    """
    many = idle.shape[0]
    contract = np.full(offset[many], -1, dtype=np.int64)
    lots = np.zeros(offset[many], dtype=np.int64)
    covered, bits = np.zeros(many), np.zeros(many, dtype=np.int64)
    majors = np.flatnonzero(table.major)
    for i in range(many):
        lo, hi = start[i], start[i + 1]
        if hi == lo:
            continue
        coins = np.empty(hi - lo + majors.shape[0], dtype=np.int64)
        held = np.zeros(coins.shape[0])
        m, a, b = 0, lo, 0
        while a < hi or b < majors.shape[0]:
            if b >= majors.shape[0] or (a < hi and coin[a] <= majors[b]):
                if b < majors.shape[0] and coin[a] == majors[b]:
                    b += 1
                coins[m], held[m] = coin[a], worth[a]
                a += 1
            else:
                coins[m] = majors[b]
                b += 1
            m += 1
        which, found, share, bit, _ = plan_one(table, coins[:m], held[:m], idle[i], cover[i], cash[i])
        covered[i], bits[i] = share, bit
        contract[offset[i] : offset[i] + which.shape[0]] = which
        lots[offset[i] : offset[i] + which.shape[0]] = found
    return contract, lots, covered, bits
