"""Whether the collateral rule kept its promise in the past, window by window, knowing only what was known.

A window is one horizon of the promise: thirty days by custom. At its beginning the rule is asked as the plan asks it;
within it, collateral is topped up to that requirement at the end of every top-up span. A window fails if any of its
spans ends in a liquidation, which is the event whose chance was promised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import Contract, Unavailable, to_float
from stormsail.margin.collateral import Leg, allowance, shorts_requirement
from stormsail.margin.floor import MEASURED, FloorTable, RiseClass, is_young
from stormsail.margin.methods import Simulated, standard_methods
from stormsail.margin.moves import Moves
from stormsail.margin.paid import funding_buffer
from stormsail.margin.span import liquidated
from stormsail.margin.types import CollateralRequirement, Promise, TierTable

FloatArray = NDArray[np.float64]
Simulate = Callable[[Moves, timedelta], Simulated | Unavailable]

METHODS = ("reflection", "bootstrap", "simulation", "pareto", "floor")

HISTORY = timedelta(days=730)
"""Bars that the rule looks at: two years, as in the plan."""


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What is walked through: one contract from its first bar.

    Attributes:
        contract: A linear contract.
        moves: Its bar moves, of the mark price where there is one.
        kind: Its row of the floor table once settled.
        tables: Brackets in force on a day.
        funding: Settlement times and rates, increasing in time; empty where they are not known.
        cap: Cap of one settlement and hours between two.
        notional: Value of the short when a span begins, in the quote currency.
    """

    contract: Contract
    moves: Moves
    kind: RiseClass
    tables: Callable[[date], TierTable]
    funding: tuple[NDArray[np.datetime64], FloatArray]
    cap: tuple[float, float]
    notional: Decimal = Decimal(100_000)


def binomial_band(failures: int, windows: int, level: float = 0.95) -> tuple[float, float]:
    """Exact band of a share (Clopper and Pearson 1934).

    >>> tuple(round(x, 4) for x in binomial_band(2, 100))
    (0.0024, 0.0704)
    """
    from scipy.special import betaincinv

    tail = (1.0 - level) / 2.0
    low = 0.0 if failures == 0 else float(betaincinv(failures, windows - failures + 1, tail))
    high = 1.0 if failures == windows else float(betaincinv(failures + 1, windows - failures, 1.0 - tail))
    return low, high


def promise_windows(
    past: Past,
    promises: Sequence[Promise],
    *,
    recording: np.datetime64 | None = None,
    simulate: Simulate | None = None,
    since: np.datetime64 | None = None,
    warm_up: timedelta = timedelta(days=1),
    measured: FloorTable = MEASURED,
) -> pl.DataFrame:
    """Walk through one contract: a requirement at the start of each window, and what became of it.

    Args:
        past: The contract's past.
        promises: All of one horizon. ``survive`` counts like any method; set it to 0 to judge the statistics alone.
        recording: Where the recording that ``past`` comes from begins; ``None`` takes the coin for one of unknown age.
        simulate: Method 3; ``None`` leaves it out.
        since: Windows that begin earlier are left out.
        warm_up: Bars left to the first estimate.
        measured: Table of floor and ceiling.

    Returns:
        One row per promise and complete window, in the columns ``subject``, ``row`` (of the floor table), ``start``,
        ``age`` (days since the first bar, null where unknown), ``chance`` (promised for the window), ``hours`` (of a
        top-up span), ``spans``, ``failed`` (spans that ended in a liquidation), ``first`` (when the first did),
        ``move`` (rise survived), ``rate`` (collateral per unit of notional), ``decided_by``; and for each of
        :data:`METHODS` its
        rise and, as ``<method>_failed``, the spans that reached it; null where it said nothing.
    """
    rows = [
        _row(past, promise, window, row, rule, age)
        for window, row, age in _windows(past, promises[0].horizon, recording, since, warm_up)
        for promise, rule in _rules(past, promises, window[0], row, simulate, measured)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "row": pl.String,
    "start": pl.Datetime("us"),
    "age": pl.Float64,
    "chance": pl.Float64,
    "hours": pl.Float64,
    "spans": pl.Int64,
    "failed": pl.Int64,
    "first": pl.Datetime("us"),
    "move": pl.Float64,
    "rate": pl.Float64,
    "decided_by": pl.String,
    **dict.fromkeys(METHODS, pl.Float64),
    **{f"{name}_failed": pl.Int64 for name in METHODS},
}


def _windows(
    past: Past, horizon: timedelta, recording: np.datetime64 | None, since: np.datetime64 | None, warm_up: timedelta
) -> Iterator[tuple[tuple[int, int], RiseClass, float | None]]:
    """Bars of each window (first and end), the row of the floor table at its start, and the contract's age in days."""
    moves = past.moves
    length = moves.steps(horizon)
    first: datetime = moves.times[0].astype(datetime)
    for start in range(moves.steps(warm_up), len(moves.times) - length + 1, length):
        at: datetime = moves.times[start - 1].astype(datetime)
        if since is not None and moves.times[start - 1] < since:
            continue
        listed = recording is not None and is_young(first, recording.astype(datetime), first)
        row = past.kind
        if (
            listed
            and recording is not None
            and row is RiseClass.ALT
            and is_young(first, recording.astype(datetime), at)
        ):
            row = RiseClass.YOUNG
        yield (start, start + length), row, (at - first) / timedelta(days=1) if listed else None


def _rules(
    past: Past,
    promises: Sequence[Promise],
    start: int,
    row: RiseClass,
    simulate: Simulate | None,
    measured: FloorTable,
) -> Iterator[tuple[Promise, CollateralRequirement]]:
    """The requirement for each promise, from what was known when the window began."""
    at = past.moves.times[start - 1]
    known = _known(past.moves, start)
    table = past.tables(at.astype(datetime).date())
    drawn = {p.top_up: simulate(known, p.top_up) for p in promises} if simulate is not None else {}
    cap, interval = past.cap
    for promise in promises:
        methods, _ = standard_methods(known, row, promise, simulated=drawn.get(promise.top_up), measured=measured)
        hours = promise.top_up / timedelta(hours=1)
        young = row is RiseClass.YOUNG
        paid = funding_buffer(past.contract.base, hours, cap=cap, interval_hours=interval, young=young)
        extras = allowance(funding=paid, fee=to_float(past.contract.taker_fee))
        leg = Leg(to_float(past.notional), table, extras)
        yield promise, shorts_requirement(past.contract.id, methods, promise, [leg])


def _known(moves: Moves, start: int) -> Moves:
    """The moves of two years before bar ``start``."""
    part = slice(max(0, start - moves.steps(HISTORY)), start)
    return Moves(moves.times[part], moves.highs[part], moves.closes[part], moves.bar)


def _row(
    past: Past,
    promise: Promise,
    window: tuple[int, int],
    row: RiseClass,
    rule: CollateralRequirement,
    age: float | None,
) -> dict[str, Any]:
    """What became of one requirement in one window."""
    moves = past.moves
    start = window[0]
    table = past.tables(moves.times[start - 1].astype(datetime).date())
    highs, paid, ends = _spans(past, window, moves.steps(promise.top_up))
    tops = highs.max(axis=1, initial=0.0) - 1.0
    when = [
        ends[i, j]
        for i in np.flatnonzero((highs - 1.0 + np.maximum(paid, 0.0)).max(axis=1, initial=0.0) >= rule.move)
        if (j := liquidated(past.contract, past.notional, rule.rate, table, highs[i], paid[i])) is not None
    ]
    asked = {m.method: m.move for m in rule.methods}
    return {
        "subject": past.contract.id,
        "row": str(row),
        "start": moves.times[start - 1].astype(datetime),
        "age": age,
        "chance": promise.alpha,
        "hours": promise.top_up / timedelta(hours=1),
        "spans": len(highs),
        "failed": len(when),
        "first": min(when).astype(datetime) if when else None,
        "move": rule.move,
        "rate": rule.rate,
        "decided_by": rule.decided_by,
        **{name: asked.get(name) for name in METHODS},
        **{f"{n}_failed": int((tops >= asked[n]).sum()) if n in asked else None for n in METHODS},
    }


def _spans(past: Past, window: tuple[int, int], steps: int) -> tuple[FloatArray, FloatArray, NDArray[np.datetime64]]:
    """Highs over the price at the start of each whole top-up span, funding paid so far, and the ends of the bars.

    All of shape (spans, steps). Funding is counted from the bar on in which it is settled, at the price of that bar's
    end, as a fraction of the notional at the start. Spans with a hole are left out.
    """
    moves = past.moves
    start = window[0]
    count = (window[1] - start) // steps
    shape = (count, steps)
    inside = slice(start, start + count * steps)
    closes, highs = moves.closes[inside].reshape(shape), moves.highs[inside].reshape(shape)
    whole = np.isfinite(closes).all(axis=1) & np.isfinite(highs).all(axis=1)
    ends = moves.times[inside].reshape(shape)
    level = np.cumprod(closes, axis=1)
    settled, rates = past.funding
    edges = np.searchsorted(settled, moves.times[start - 1 : start + count * steps], side="right")
    sums = np.concatenate([[0.0], np.cumsum(rates)])[edges]
    paid = np.cumsum(-np.diff(sums).reshape(shape) * level, axis=1)
    return (level / closes * highs)[whole], paid[whole], ends[whole]
