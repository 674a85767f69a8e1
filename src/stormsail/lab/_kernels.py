"""The account through time, compiled: funding, fees, slippage, brackets and the test for liquidation at every bar.

Cash is counted in whole smallest units (64-bit integers) and never rounded to the holder's advantage; what is held is
*valued* in floats. Where a float cannot be trusted to decide between alive and liquidated, the walk stops and says so,
and the caller decides in exact arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormsail.lab._ahead_kernels import FARTHEST, WARY, add_demand, next_astray
from stormsail.watch._kernels import rebalanced

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DONE, LIQUIDATION, DOUBT, RUNG, FULL = range(5)
"""Why the walk stopped: at its end, an account below maintenance, a decision too close for floats, a margin ratio past
its rung, or no room in the ledger."""

RATE = 1_000_000_000
"""Rates of funding and fees are whole multiples of 1e-9."""

MISSING = -(2**62)
"""Stands for a funding rate that is not known: nothing is booked, and the one who made the tape reports it."""

TRADE, SLIPPAGE, FEE, FUNDING, REFUSED = 1, 2, 3, 4, 14
CLOSE_CALL = 1e-9
"""Nearer than this share of all that is at stake, a float does not decide about liquidation."""


class Tape(NamedTuple):
    """Prices on the grid: T moments, n contracts, C currencies; prices of contracts are in whole ticks.

    Attributes:
        close: Mark at the end of each bar, shape (T, n).
        last: Last traded price at the end of each bar, shape (T, n): what a trade is made at.
        high, low: Extremes of the mark within the bar, shape (T, n).
        rate: Funding settled at the end of the bar, in 1e-9, shape (T, n); 0 where nothing settles.
        settles: Index of the settlement at the end of the bar, -1 where nothing settles, shape (T,).
        worth: Price of each currency in the currency of account at the end of the bar, shape (T, C).
        worst, dear: The same at its lowest and its highest within the bar: what is owed in a currency that rose weighs
            more.
        slip: Half spread as a fraction, shape (T, n).
        impact: Coefficient of the square root of the value traded, shape (T, n).
        open: Whether the contract can be traded, shape (T, n).
    """

    close: Ints
    last: Ints
    high: Floats
    low: Floats
    rate: Ints
    settles: Ints
    worth: Floats
    worst: Floats
    dear: Floats
    slip: Floats
    impact: Floats
    open: Flags


class Terms(NamedTuple):
    """What a contract is and what its venue asks: n contracts sorted by account, A accounts, C currencies, B brackets.

    Attributes:
        first: First contract of each account, and the end of the last, shape (A + 1,).
        currency: Currency each contract settles in, shape (n,).
        inverse: Whether it is coin-margined.
        num, den: A lot at one tick is worth ``num / den`` smallest units; inverse: ``num / ticks`` at a price.
        unit: The same as a float, in whole currency.
        fee: Taker fee, in 1e-9.
        cap, rate, taken: Brackets, shape (n, B): upper bound, maintenance rate, deduction, in settlement currency.
        initial: Initial margin as a fraction of notional, shape (n,).
        charged: Closing fee that counts as maintenance, as a fraction.
        at_entry: Whether maintenance is counted on the value at entry.
        least: Smallest order, in smallest units of the settlement currency.
        alone: Currency an account is judged in, or -1 for one judged in the currency of account, shape (A,).
        weight: Share of each currency that counts as collateral, shape (A, C); what is owed counts in full.
        trigger: Balance over requirement below which an account is liquidated, shape (A,); 1 but for portfolio margin.
        quantum: Size of the smallest unit of each currency, shape (C,).
        plain: Whether it holds linear contracts only, judged at mark in one currency, shape (A,); only rises can hurt
            it while all it holds are shorts.
    """

    first: Ints
    currency: Ints
    inverse: Flags
    num: Ints
    den: Ints
    unit: Floats
    fee: Ints
    cap: Floats
    rate: Floats
    taken: Floats
    initial: Floats
    charged: Floats
    at_entry: Flags
    least: Ints
    alone: Ints
    weight: Floats
    trigger: Floats
    quantum: Floats
    plain: Flags


class Rule(NamedTuple):
    """When and how positions follow their targets, and when the holder is woken.

    Attributes:
        due: Whether positions are looked at, at the end of each bar, shape (T,).
        events: First bar not before each that must be looked at, whatever the prices: something settles, or it is due
            and ``watch`` is off; shape (T,), ``T`` for none.
        watch: Whether a position is let be while it lies inside its band; needs positive widths.
        target: Lots wanted at each moment, signed, not yet whole, shape (T, n); NaN leaves the position alone.
        half_width: Half the no-trade band of each contract as a fraction of the target, shape (n,).
        to_edge: Trade only to the edge of the band.
        upper: Margin ratio (requirement over balance) of each account above which the walk stops, shape (A,).
        lower: Margin ratio below which it stops; negative for never.
    """

    due: Flags
    events: Ints
    watch: bool
    target: Floats
    half_width: Floats
    to_edge: bool
    upper: Floats
    lower: Floats


class State(NamedTuple):
    """What is held; changed in place.

    Attributes:
        lots: Signed lots of each contract, shape (n,).
        entry: Value at entry of each position in smallest units, never negative, shape (n,).
        cash: Balance of each account in each currency, in smallest units, shape (A, C).
        dead: Whether an account is gone, shape (A,).
        cleared: Last bar at which exact arithmetic found the account alive, shape (A,).
    """

    lots: Ints
    entry: Ints
    cash: Ints
    dead: Flags
    cleared: Ints


@njit(cache=True, nogil=True, error_model="numpy")
def part(amount: int, of: int, whole: int) -> int:
    """``amount * of / whole`` rounded down, for ``0 <= of`` and ``of * whole`` within 64 bits."""
    return (amount // whole) * of + (amount % whole) * of // whole


@njit(cache=True, nogil=True, error_model="numpy")
def _billionths(amount: int, rate: int, up: bool) -> int:
    """``amount * rate / RATE`` of what is not negative, rounded down, or up; unsigned, since that divides faster."""
    whole = np.uint64(RATE)
    size, of = np.uint64(amount), np.uint64(rate)
    rest = (size % whole) * of
    found = (size // whole) * of + (rest + (whole - np.uint64(1) if up else np.uint64(0))) // whole
    return int(np.int64(found))


@njit(cache=True, nogil=True, error_model="numpy")
def _over(amount: int, den: int) -> int:
    """``amount / den`` rounded down."""
    if den == 1:
        return amount
    if amount >= 0:
        return int(np.int64(np.uint64(amount) // np.uint64(den)))
    return -int(np.int64((np.uint64(-amount) + np.uint64(den - 1)) // np.uint64(den)))


@njit(cache=True, nogil=True)
def shared(amount: int, of: int, whole: int) -> int:
    """``amount * of / whole`` rounded down, for ``0 <= of <= whole`` and ``0 <= amount``, each below ``2**62``."""
    rest = amount % whole
    found, left = (amount // whole) * of, 0
    if whole < 3_000_000_000:
        return found + rest * of // whole
    more = 0
    for bit in range(62, -1, -1):  # long multiplication and division at once: the product may not fit
        more, left = 2 * more, 2 * left
        if left >= whole:
            more, left = more + 1, left - whole
        if (of >> bit) & 1:
            left += rest
            if left >= whole:
                more, left = more + 1, left - whole
    return found + more


@njit(cache=True, nogil=True, error_model="numpy")
def value_of(lots: int, ticks: int, inverse: bool, num: int, den: int) -> int:
    """Value of a signed position in smallest units, rounded down: ``lots ticks num / den``, inverse
    ``-lots num / ticks``."""
    if inverse:
        return _over(-lots * num, ticks)
    return _over(lots * ticks * num, den)


@njit(cache=True, nogil=True, error_model="numpy")
def size_of(lots: int, ticks: int, inverse: bool, num: int, den: int) -> int:
    """Absolute notional in smallest units, rounded up."""
    if inverse:
        return -_over(-abs(lots) * num, ticks)
    return -_over(-abs(lots) * ticks * num, den)


@njit(cache=True, nogil=True, error_model="numpy")
def post(
    rows: Ints, used: int, t: int, flow: int, a: int, item: int, c: int, amount: int, units: int, ticks: int
) -> int:
    """Write one row of the ledger; returns rows used."""
    rows[used, 0] = t
    rows[used, 1] = flow
    rows[used, 2] = a
    rows[used, 3] = item
    rows[used, 4] = c
    rows[used, 5] = amount
    rows[used, 6] = units
    rows[used, 7] = ticks
    return used + 1


@njit(cache=True, nogil=True, error_model="numpy")
def fill_price(change: int, last: int, share: float) -> int:
    """Ticks paid: the last price worse by ``share``, to the whole tick that is worse, at least one."""
    if change > 0:
        return int(np.ceil(last * (1.0 + share)))
    return max(int(np.floor(last * (1.0 - share))), 1)


@njit(cache=True, nogil=True, error_model="numpy")
def trade(
    t: int,
    a: int,
    i: int,
    c: int,
    change: int,
    flow: int,
    last: int,
    fill: int,
    kind: tuple[bool, int, int, int],
    lots: Ints,
    entry: Ints,
    cash: Ints,
    rows: Ints,
    used: int,
) -> int:
    """Change a position by ``change`` lots at ``fill`` ticks where ``last`` values it: a row for the trade, one for the
    slippage, one for the fee.

    Args:
        kind: Whether the contract is inverse, its ``num`` and ``den``, and its fee in 1e-9.

    Returns:
        Rows used.
    """
    inverse, num, den, rate = kind
    cash_at_last = value_of(-change, last, inverse, num, den)
    paid = value_of(-change, fill, inverse, num, den)
    used = post(rows, used, t, flow, a, i, c, cash_at_last, change, last)
    if paid != cash_at_last:
        used = post(rows, used, t, SLIPPAGE, a, i, c, paid - cash_at_last, 0, fill)
    size = -paid if paid < 0 else size_of(change, fill, inverse, num, den)
    fee = _billionths(size, rate, True) if rate >= 0 else -part(-size, rate, RATE)
    if fee != 0:
        used = post(rows, used, t, FEE, a, i, c, -fee, 0, fill)
    cash[a, c] += paid - fee
    held, now = lots[i], lots[i] + change
    if held == 0 or (held > 0) == (change > 0):
        entry[i] += size
    elif now != 0 and (held > 0) == (now > 0):
        entry[i] = shared(entry[i], abs(now), abs(held))
    else:
        entry[i] = size_of(now, fill, inverse, num, den)
    lots[i] = now
    return used


@njit(cache=True, nogil=True, error_model="numpy")
def _maintenance(notional: float, i: int, terms: Terms) -> float:
    """Maintenance margin of a notional by its bracket."""
    k = 0
    while notional > terms.cap[i, k]:
        k += 1
    margin: float = notional * terms.rate[i, k] - terms.taken[i, k]
    return margin


@njit(cache=True, nogil=True, error_model="numpy")
def judged(
    a: int, price: Floats, worth: Floats, dear: Floats, terms: Terms, state: State
) -> tuple[float, float, float]:
    """Balance, requirement and all that is at stake of account ``a`` at prices in ticks, in the currency it is judged
    in.

    Judged in the currency of account, what it has of a currency, positions that settle in it included, counts
    ``weight * worth`` if that is positive and ``dear`` if it is owed; requirements are valued at ``dear``.
    """
    alone = terms.alone[a]
    stake, needed, balance = 0.0, 0.0, 0.0
    if alone >= 0:
        net = price  # not used, and nothing to set aside
        balance = state.cash[a, alone] * terms.quantum[alone]
        stake = abs(balance)
    else:
        net = np.empty(len(worth))
        for c in range(len(worth)):
            net[c] = state.cash[a, c] * terms.quantum[c]
            stake += abs(net[c]) * dear[c]
    for i in range(terms.first[a], terms.first[a + 1]):
        lots = state.lots[i]
        if lots == 0:
            continue
        value = -lots * terms.unit[i] / price[i] if terms.inverse[i] else lots * terms.unit[i] * price[i]
        notional = abs(value)
        counted = state.entry[i] * terms.quantum[terms.currency[i]] if terms.at_entry[i] else notional
        margin = _maintenance(counted, i, terms) + terms.charged[i] * counted
        if alone < 0:
            at = terms.currency[i]
            notional, margin = notional * dear[at], margin * dear[at]
            net[at] += value
        else:
            balance += value
        needed += margin
        stake += notional
    if alone < 0:
        for c in range(len(worth)):
            balance += net[c] * worth[c] * terms.weight[a, c] if net[c] > 0.0 else net[c] * dear[c]
    return balance, needed * terms.trigger[a], stake


@njit(cache=True, nogil=True, error_model="numpy")
def _stance(begin: int, end: int, lots: Ints) -> tuple[bool, bool]:
    """Whether an account is short of anything, and whether it is long of anything."""
    short, long = False, False
    for i in range(begin, end):
        short |= lots[i] < 0
        long |= lots[i] > 0
    return short, long


@njit(cache=True, nogil=True, error_model="numpy")
def _verdict(a: int, t: int, price: Floats, tape: Tape, terms: Terms, state: State) -> int:
    """Whether the account lives at these prices, is liquidated, or is too close to say."""
    balance, needed, stake = judged(a, price, tape.worst[t], tape.dear[t], terms, state)
    if abs(balance - needed) <= CLOSE_CALL * stake:
        return DOUBT if state.cleared[a] < t else DONE
    return LIQUIDATION if balance < needed else DONE


@njit(cache=True, nogil=True, error_model="numpy")
def funding_of(lots: int, ticks: int, rate: int, inverse: bool, num: int, den: int) -> int:
    """Funding received by a position, in smallest units: rounded down if received, up if paid."""
    if (lots < 0) == (rate > 0):
        size = _over(abs(lots) * num, ticks) if inverse else _over(abs(lots) * ticks * num, den)
        return _billionths(size, abs(rate), False)
    return -_billionths(size_of(lots, ticks, inverse, num, den), abs(rate), True)


@njit(cache=True, nogil=True, error_model="numpy")
def _plain_room(
    t: int,
    first: int,
    end: int,
    i: int,
    change: int,
    wallet: float,
    lots: Ints,
    unit: Floats,
    close: Ints,
    initial: Floats,
) -> bool:
    """:func:`_room` for an account of linear contracts in one currency."""
    balance, asked = wallet, 0.0
    for j in range(first, end):
        value = lots[j] * unit[j] * close[t, j]
        balance += value
        asked += abs(lots[j] + change if j == i else lots[j]) * unit[j] * close[t, j] * initial[j]
    return asked <= balance


@njit(cache=True, nogil=True)
def _room(t: int, a: int, i: int, change: int, tape: Tape, terms: Terms, state: State) -> bool:
    """Whether the account has the initial margin for ``change`` more lots of contract ``i``."""
    price = tape.close[t].astype(np.float64)
    balance, _, _ = judged(a, price, tape.worth[t], tape.worth[t], terms, state)
    asked = 0.0
    for j in range(terms.first[a], terms.first[a + 1]):
        lots = state.lots[j] + change if j == i else state.lots[j]
        notional = abs(lots) * terms.unit[j]
        notional = notional / price[j] if terms.inverse[j] else notional * price[j]
        if terms.alone[a] < 0:
            notional *= tape.worth[t, terms.currency[j]]
        asked += notional * terms.initial[j]
    return asked <= balance


@njit(cache=True, nogil=True, error_model="numpy")
def _weigh(
    t: int, begin: int, end: int, wallet: float, close: Ints, unit: Floats, initial: Floats, lots: Ints, room: Floats
) -> None:
    """Balance, initial margin asked and all that is at stake of a plain account at the close."""
    balance, asked, stake = wallet, 0.0, abs(wallet)
    for j in range(begin, end):
        value = lots[j] * unit[j] * close[t, j]
        balance += value
        stake += abs(value)
        asked += abs(value) * initial[j]
    room[0], room[1], room[2] = balance, asked, stake


@njit(cache=True, nogil=True, error_model="numpy")
def _reach(t: int, stop: int, due: Flags, watch: bool) -> int:
    """Bar up to which to look ahead from ``t``: past the next at which all may be traded, or as far as can be."""
    end = min(t + FARTHEST, stop + 1)
    if not watch:
        for k in range(t, end):
            if due[k]:
                return k + 1
    return end


@njit(cache=True, nogil=True, error_model="numpy")
def _foresee(
    a: int,
    begin: int,
    end: int,
    start: int,
    stop: int,
    high: Floats,
    low: Floats,
    unit: Floats,
    cap: Floats,
    rate: Floats,
    taken: Floats,
    trigger: float,
    upper: float,
    lots: Ints,
    rise: Floats,
    fall: Floats,
) -> bool:
    """Balance at or below which a plain account must be looked at closely at the bars ahead, with all prices at their
    highs and, where it is long of anything, all at their lows; returns whether it is."""
    short, long = _stance(begin, end, lots)
    # The rung is compared at the close: within the extremes for each contract, but not for longs against shorts.
    unclear = (short or long) and (upper <= 0.0 or (long and short and upper < np.inf))
    level = np.inf if unclear else (0.0 if short or long else -np.inf)
    for b in range(stop - start):
        rise[a, b], fall[a, b] = level, level if long else -np.inf
    if unclear:
        return long
    ratio = _ratio(trigger, upper)
    for i in range(begin, end):
        if lots[i] != 0:
            add_demand(i, lots[i], 1.0, start, stop, high, unit, cap, rate, taken, ratio, rise, a, start)
            if long:
                add_demand(i, lots[i], 1.0, start, stop, low, unit, cap, rate, taken, ratio, fall, a, start)
    return long


@njit(cache=True, nogil=True, error_model="numpy")
def _ratio(trigger: float, upper: float) -> float:
    """Times its requirement, what an account needs to be neither liquidated nor past its upper rung."""
    return trigger / upper if upper < 1.0 else trigger


@njit(cache=True, nogil=True, error_model="numpy")
def walk(
    start: int, stop: int, tape: Tape, terms: Terms, rule: Rule, state: State, paid: Ints, rows: Ints, used: int
) -> tuple[int, int, int, int]:
    """Walk the bars ``start`` to ``stop`` inclusive.

    Each bar: every account is judged with all prices at their highs (and then all at their lows, where those can
    hurt); then funding settles; then positions follow their targets, whole lots and never beyond; then margin ratios
    are compared with their rungs, the lower rung only at the bars of ``events``. Nothing of a bar is booked if the walk
    stops in it for a liquidation, a doubt or want of room, so it can be entered again.

    Args:
        paid: Funding of each contract by settlement, smallest units, shape (S, n); written here, since a ledger row
            for each would cost more than all the rest.

    Returns:
        Why it stopped, at which bar, for which account (-1 for none), and the rows used.
    """
    accounts, count = len(terms.alone), len(terms.currency)
    high, low, close, last, rate, settles = tape.high, tape.low, tape.close, tape.last, tape.rate, tape.settles
    slip, impact, tradable = tape.slip, tape.impact, tape.open
    lots, entry, cash, dead = state.lots, state.entry, state.cash, state.dead
    cap, brackets, taken, trigger, unit, quantum = (
        terms.cap, terms.rate, terms.taken, terms.trigger, terms.unit, terms.quantum
    )  # fmt: skip
    first, currency, inverse, num, den, fees = (
        terms.first, terms.currency, terms.inverse, terms.num, terms.den, terms.fee
    )  # fmt: skip
    plain, alone, least, initial = terms.plain, terms.alone, terms.least, terms.initial
    due, target, width, edge, watch = rule.due, rule.target, rule.half_width, rule.to_edge, rule.watch
    upper, lower, events = rule.upper, rule.lower, rule.events
    price, suspect, wary = np.empty(count), np.empty(accounts, np.int64), np.zeros(accounts, np.bool_)
    # Demands at the highs and at the lows, and the bars for which they are known; when each contract is astray next, or
    # up to where it is not.
    rise, fall = np.empty((accounts, FARTHEST)), np.empty((accounts, FARTHEST))
    known, until = np.zeros(accounts, np.int64), np.zeros(accounts, np.int64)
    clear, astray = np.full(count, start), np.zeros(count, np.bool_)
    room, half, push = np.empty(3), np.empty(count), np.empty(count)
    ticks, moves = np.zeros(count, np.int64), np.zeros(count, np.int64)
    t = start
    while t <= stop:
        ahead = min(stop, events[t])
        for a in range(accounts):
            if dead[a]:
                continue
            if not plain[a]:
                suspect[a], wary[a] = t, True
                short, long = _stance(first[a], first[a + 1], lots)
                if watch or short or long:
                    ahead = t
                continue
            if watch:
                for i in range(first[a], first[a + 1]):
                    while not astray[i] and clear[i] <= ahead:
                        end = min(clear[i] + FARTHEST, stop + 1)
                        found = next_astray(
                            i, lots[i], clear[i], end, target, due, width[i], edge, last, unit[i],
                            (least[i] - 1) * quantum[currency[i]],
                        )  # fmt: skip
                        clear[i], astray[i] = found if found >= 0 else end, found >= 0
                    if astray[i]:
                        ahead = min(ahead, clear[i])
            wallet = cash[a, alone[a]] * quantum[alone[a]]
            wallet -= WARY * abs(wallet)
            b = t
            while b <= ahead:
                if b >= until[a]:
                    known[a], until[a] = b, _reach(b, stop, due, watch)
                    wary[a] = _foresee(
                        a, first[a], first[a + 1], b, until[a], high, low, unit, cap, brackets, taken, trigger[a],
                        upper[a], lots, rise, fall,
                    )  # fmt: skip
                end = min(until[a], ahead + 1)
                while b < end and rise[a, b - known[a]] < wallet and fall[a, b - known[a]] < wallet:
                    b += 1
                if b < end:
                    break
            suspect[a] = b
            if b <= ahead:
                ahead, until[a] = b, b
        t = ahead
        for a in range(accounts):
            if dead[a] or suspect[a] != t:
                continue
            short, long = _stance(first[a], first[a + 1], lots)
            if not (short or long):
                continue
            code = _verdict(a, t, high[t], tape, terms, state)
            if code == DONE and wary[a]:
                code = _verdict(a, t, low[t], tape, terms, state)
            if code != DONE:
                return code, t, a, used
        if due[t] and used + 3 * count > len(rows):
            return FULL, t, -1, used
        woken = -1
        for a in range(accounts):
            if dead[a]:
                continue
            if settles[t] >= 0:
                for i in range(first[a], first[a + 1]):
                    if lots[i] != 0 and rate[t, i] != 0 and rate[t, i] != MISSING:
                        amount = funding_of(lots[i], close[t, i], rate[t, i], inverse[i], num[i], den[i])
                        cash[a, currency[i]] += amount
                        paid[settles[t], i] = amount
            if due[t]:
                # all that is needed is read first: memory is slow, and it is asked for everything at once
                for i in range(first[a], first[a + 1]):
                    looked = not (watch and plain[a]) or clear[i] == t
                    if clear[i] == t:
                        clear[i], astray[i] = t + 1, False
                    wanted, ticks[i], half[i], push[i] = target[t, i], last[t, i], slip[t, i], impact[t, i]
                    follows = looked and tradable[t, i] and not np.isnan(wanted)
                    moves[i] = int(rebalanced(float(lots[i]), wanted, width[i], edge)) - lots[i] if follows else 0
            weighed = False
            for i in range(first[a], first[a + 1]):
                if not due[t]:
                    break
                held, change = lots[i], moves[i]
                if change == 0:
                    continue
                size = size_of(change, ticks[i], inverse[i], num[i], den[i])
                if size < least[i] and held + change != 0:
                    continue
                if plain[a] and not weighed:
                    _weigh(
                        t, first[a], first[a + 1], cash[a, alone[a]] * quantum[alone[a]], close, unit, initial, lots,
                        room,
                    )  # fmt: skip
                    weighed = True
                more = (abs(held + change) - abs(held)) * unit[i] * close[t, i] * initial[i]
                if more > 0.0 or (initial[i] == 0.0 and abs(held + change) > abs(held)):
                    spare = room[0] - room[1] - more
                    if plain[a] and abs(spare) > CLOSE_CALL * room[2]:
                        enough = spare > 0.0
                    elif plain[a]:
                        enough = _plain_room(
                            t, first[a], first[a + 1], i, change, cash[a, alone[a]] * quantum[alone[a]], lots, unit,
                            close, initial,
                        )  # fmt: skip
                    else:
                        enough = _room(t, a, i, change, tape, terms, state)
                    if not enough:
                        used = post(rows, used, t, REFUSED, a, i, currency[i], 0, change, ticks[i])
                        continue
                share = half[i] + push[i] * np.sqrt(size * quantum[currency[i]])
                before = cash[a, currency[i]]
                used = trade(
                    t, a, i, currency[i], change, TRADE, ticks[i], fill_price(change, ticks[i], share),
                    (inverse[i], num[i], den[i], fees[i]), lots, entry, cash, rows, used,
                )  # fmt: skip
                if plain[a]:
                    value = change * unit[i] * close[t, i]
                    room[0] += (cash[a, currency[i]] - before) * quantum[currency[i]] + value
                    room[1] += more
                    room[2] += abs(value)
                    if held < 0 and lots[i] < 0 and not wary[a] and watch and t + 1 < until[a]:
                        for sign, of in ((-1.0, held), (1.0, lots[i])):
                            add_demand(
                                i, of, sign, t + 1, until[a], high, unit, cap, brackets, taken,
                                _ratio(trigger[a], upper[a]), rise, a, known[a],
                            )  # fmt: skip
                    else:
                        until[a] = t
            if upper[a] < np.inf or lower[a] >= 0.0:
                for i in range(first[a], first[a + 1]):
                    price[i] = close[t, i]
                balance, needed, _ = judged(a, price, tape.worth[t], tape.worth[t], terms, state)
                if needed > upper[a] * balance or (needed < lower[a] * balance and events[t] == t):
                    woken = a
        if woken >= 0:
            return RUNG, t, woken, used
        t += 1
    return DONE, stop, -1, used
