"""Whether the collateral rule kept its promise in the past, window by window, knowing only what was known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.margin.collateral import collateral_requirement
from stormsail.margin.floor import RiseClass, is_young
from stormsail.margin.methods import standard_methods
from stormsail.margin.moves import Moves
from stormsail.margin.tail import block_maxima
from stormsail.margin.types import Promise


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often a contract rose past what its collateral survives.

    Attributes:
        subject: Contract id.
        kind: Row of the floor table.
        windows: Non-overlapping top-up spans looked at.
        failures: Spans in which the rise was reached.
        promised: Chance allowed per span.
        low, high: Exact (Clopper-Pearson) 95 % band of the true failure share.
        mean_move: Mean of the rises survived; of several contracts, weighted by their windows.
        decided: Method to the number of times it decided.
    """

    subject: str
    kind: RiseClass
    windows: int
    failures: int
    promised: float
    low: float
    high: float
    mean_move: float
    decided: Mapping[str, int]

    @property
    def kept(self) -> bool:
        """Whether the promise is compatible with what happened: the band reaches down to it."""
        return self.low <= self.promised


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


@dataclass(slots=True)
class _Tally:
    """What is counted while one row of the floor table applies."""

    windows: int = 0
    failures: int = 0
    rises: list[float] = field(default_factory=list)
    decided: dict[str, int] = field(default_factory=dict)

    def closed(self, subject: str, kind: RiseClass, promise: Promise) -> Coverage:
        low, high = binomial_band(self.failures, self.windows) if self.windows else (0.0, 1.0)
        mean = float(np.mean(self.rises)) if self.rises else float("nan")
        alpha = promise.alpha_per_top_up
        return Coverage(subject, kind, self.windows, self.failures, alpha, low, high, mean, _ranked(self.decided))


def coverage(
    subject: str,
    moves: Moves,
    kind: RiseClass,
    promise: Promise,
    *,
    recording: np.datetime64 | None = None,
    warm_up: timedelta = timedelta(days=180),
    refit: timedelta = timedelta(days=14),
    paths: int = 4_000,
) -> tuple[Coverage, ...]:
    """Walk through the history: set the rise from the past, count the top-up spans until the next refit that reach it.

    A failure is ``max high / price at the start of the span - 1 >= b``: the same event that liquidates. The promise's
    own ``survive`` counts like any method; set it to 0 to judge the statistics alone.

    Args:
        subject: Contract id.
        moves: Its bar moves from the beginning.
        kind: Class of the settled coin; an alt is judged as a young one while :func:`~stormsail.margin.floor.is_young`
            says so.
        promise: The promise to be kept.
        recording: Where the recording that ``moves`` come from begins; ``None`` takes the coin for one of unknown age.
        warm_up: Bars left to the first estimate.
        refit: Span between two estimates.
        paths: Bootstrap paths.

    Returns:
        One count for each row of the floor table that applied, at least one.
    """
    tallies: dict[RiseClass, _Tally] = {}
    per = moves.steps(refit)
    for start in range(moves.steps(warm_up), len(moves.times) - moves.steps(promise.top_up), per):
        ahead = Moves(
            moves.times[start : start + per],
            moves.highs[start : start + per],
            moves.closes[start : start + per],
            moves.bar,
        )
        reached: NDArray[np.float64] = block_maxima(ahead, promise.top_up)
        if not len(reached):
            continue
        row = _row(kind, moves.times[0], recording, moves.times[start - 1])
        methods, _ = standard_methods(moves.before(moves.times[start - 1]), row, promise, paths=paths)
        rule = collateral_requirement(subject, methods, promise, 0.0)
        tally = tallies.setdefault(row, _Tally())
        tally.windows += len(reached)
        tally.failures += int((reached >= rule.move).sum())
        tally.rises.append(rule.move)
        tally.decided[rule.decided_by] = tally.decided.get(rule.decided_by, 0) + 1
    found = tallies or {kind: _Tally()}
    return tuple(found[row].closed(subject, row, promise) for row in RiseClass if row in found)


def _row(kind: RiseClass, first: np.datetime64, recording: np.datetime64 | None, at: np.datetime64) -> RiseClass:
    if kind is not RiseClass.ALT or recording is None:
        return kind
    young = is_young(first.astype(datetime), recording.astype(datetime), at.astype(datetime))
    return RiseClass.YOUNG if young else kind


def coverage_table(
    moves: Mapping[str, Moves],
    kinds: Mapping[str, RiseClass],
    promise: Promise,
    *,
    recording: np.datetime64 | None = None,
    warm_up: timedelta = timedelta(days=180),
    refit: timedelta = timedelta(days=14),
) -> pl.DataFrame:
    """:func:`coverage` of many contracts, one row for each and its class, then one row per class and one for all.

    Columns: subject, class, windows, failures, share, promised, low, high, mean_move, decided_by (the commonest), kept.
    Pooled bands treat spans of different coins as independent, which they are not: coins rally together, so a pooled
    band is too narrow. The recording begins with the earliest bar of all contracts, if nothing else is said.
    """
    begin = min(m.times[0] for m in moves.values()) if recording is None else recording
    single = [
        part
        for name in sorted(moves)
        for part in coverage(name, moves[name], kinds[name], promise, recording=begin, warm_up=warm_up, refit=refit)
    ]
    by_class = [[c for c in single if c.kind is kind] for kind in RiseClass]
    everything = [*single, *(_pool(f"all {group[0].kind}", group) for group in by_class if group)]
    everything.append(_pool("all", single))
    return pl.DataFrame(
        [
            {
                "subject": c.subject,
                "class": str(c.kind),
                "windows": c.windows,
                "failures": c.failures,
                "share": c.failures / c.windows if c.windows else None,
                "promised": c.promised,
                "low": c.low,
                "high": c.high,
                "mean_move": c.mean_move,
                "decided_by": next(iter(c.decided), ""),
                "kept": c.kept,
            }
            for c in everything
        ]
    )


def _pool(subject: str, group: list[Coverage]) -> Coverage:
    windows = sum(c.windows for c in group)
    failures = sum(c.failures for c in group)
    low, high = binomial_band(failures, windows) if windows else (0.0, 1.0)
    seen = [c for c in group if c.windows]
    mean = sum(c.mean_move * c.windows for c in seen) / windows if windows else float("nan")
    decided: dict[str, int] = {}
    for one in group:
        for method, count in one.decided.items():
            decided[method] = decided.get(method, 0) + count
    return Coverage(subject, group[0].kind, windows, failures, group[0].promised, low, high, mean, _ranked(decided))


def _ranked(decided: Mapping[str, int]) -> dict[str, int]:
    """Methods by how often they decided, the commonest first."""
    return dict(sorted(decided.items(), key=lambda item: (-item[1], item[0])))
