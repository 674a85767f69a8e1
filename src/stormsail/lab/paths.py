"""First passage: how likely, how soon, and with how many top-ups a short is liquidated, by random paths.

Per unit of notional at the start, with the price ``S`` as a multiple of that at the start, the account of a short holds
``collateral + funding + top-ups + 1 - S``; it is liquidated at the first price that reaches the barrier of its
maintenance (:mod:`stormsail.lab.envelope`). The price moves as :class:`~stormsail.lab.walk.Walk` says.

Paths are counted and never averaged: results are whole numbers in bins, so parts from any workers, in any order, add up
to the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Estimate, InputError
from stormsail.lab import random
from stormsail.lab.bins import Bins, Counts
from stormsail.lab.envelope import Envelope
from stormsail.lab.walk import Walk
from stormsail.margin.coverage import binomial_band

if TYPE_CHECKING:
    from stormsail.lab._path_kernels import Terms

Spans = tuple[tuple[int, int], ...]

SEED = 20_250_831
SHARD = 8_192
"""Paths one worker walks at a time."""

HEADROOM = Bins(0.0, 4.0, 1_600)
PRICE = Bins(-4.0, 4.0, 1_600)


@dataclass(frozen=True, slots=True)
class Funding:
    """Funding settled every ``every`` steps: ``clip(rate + slope * log return since the last, -cap, cap) * price``.

    Attributes:
        every: Steps between settlements.
        rate: Per settlement; positive is received by the short.
        slope: How funding follows the market; 0 keeps it constant.
        cap: Largest size of a rate.
    """

    every: int
    rate: float = 0.0
    slope: float = 0.0
    cap: float = 1.0

    def __post_init__(self) -> None:
        if self.every < 1 or not (math.isfinite(self.rate) and math.isfinite(self.slope) and self.cap > 0.0):
            raise InputError(f"funding {self}", cure="settle every step or more, with finite rates and a positive cap")


@dataclass(frozen=True, slots=True)
class Ladder:
    """More collateral from a reserve when the margin gets thin.

    Attributes:
        warn: Ratio of maintenance to balance at which it is asked for, between 0 and 1.
        amount: Of one top-up, as a fraction of the notional at the start.
        most: Top-ups in the reserve.
        latency: Whole steps from the end of the step in which it was asked for until it is there; none is asked for
            while one is on its way.
    """

    warn: float
    amount: float
    most: int
    latency: int = 0

    def __post_init__(self) -> None:
        if not (0.0 < self.warn < 1.0 and self.amount > 0.0 and self.most >= 1 and self.latency >= 0):
            raise InputError(f"ladder {self}", cure="warn between 0 and 1, a positive amount, at least one top-up")


@dataclass(frozen=True, slots=True)
class PassageSpec:
    """What is simulated.

    Attributes:
        walk: How the price moves.
        steps: Steps of the horizon.
        collateral: Of the short, as a fraction of its notional at the start.
        envelope: Its maintenance.
        funding: Funding, if any.
        ladder: Top-ups, if any.
        seed, stream: Key of the random numbers, and which of a key's independent streams.
    """

    walk: Walk
    steps: int
    collateral: float
    envelope: Envelope
    funding: Funding | None = None
    ladder: Ladder | None = None
    seed: int = SEED
    stream: int = 0

    def __post_init__(self) -> None:
        random.check(self.seed, self.stream)
        if not 1 <= self.steps < 2**31 - 1 or not math.isfinite(self.collateral):
            raise InputError(f"{self.steps} steps, collateral {self.collateral}", cure="give a step or more")

    @property
    def cash(self) -> Bins:
        """Bins of the funding received: as much as the cap and three times the price could bring either way."""
        if self.funding is None:
            return Bins(-1.0, 1.0, 2)
        f = self.funding
        largest = min(f.cap, abs(f.rate) + abs(f.slope))
        reach = max(1e-9, 3.0 * largest * (self.steps // f.every))
        return Bins(-reach, reach, 1_000)


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """Counts of some of the paths.

    Attributes:
        spec: What was simulated.
        spans: Half-open ranges of paths, sorted, without overlap.
        plain: Shape (steps + 1,): paths by step of liquidation without top-ups; index 0 counts those never liquidated.
        topped: The same with top-ups.
        tops: Shape (most + 1,): paths by top-ups that arrived.
        headroom: Paths by least log distance of price to liquidation, with top-ups (:data:`HEADROOM`).
        price: Paths by log price at the end (:data:`PRICE`), whatever became of the short.
        cash: Paths by funding received until the end (:attr:`PassageSpec.cash`), whatever became of the short.
    """

    spec: PassageSpec
    spans: Spans
    plain: Counts
    topped: Counts
    tops: Counts
    headroom: Counts
    price: Counts
    cash: Counts

    @property
    def paths(self) -> int:
        """How many paths are counted."""
        return sum(stop - start for start, stop in self.spans)


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What became of each path, shape (count,): see :class:`Partial`; 0 as a step of liquidation stands for none."""

    plain: NDArray[np.int32]
    topped: NDArray[np.int32]
    tops: NDArray[np.int32]
    headroom: NDArray[np.float32]
    price: NDArray[np.float32]
    cash: NDArray[np.float32]

    @classmethod
    def room(cls, count: int) -> Outcomes:
        """Room for so many."""
        steps, levels = np.empty((3, count), np.int32), np.empty((3, count), np.float32)
        return cls(steps[0], steps[1], steps[2], levels[0], levels[1], levels[2])

    def first(self, count: int) -> Outcomes:
        """The first of them."""
        return Outcomes(
            self.plain[:count], self.topped[:count], self.tops[:count],
            self.headroom[:count], self.price[:count], self.cash[:count],
        )  # fmt: skip


def outcomes(spec: PassageSpec, start: int, count: int) -> Outcomes:
    """Walk the paths ``start`` to ``start + count - 1`` one and all.

    Raises:
        InputError: If there is no path, or a path has no number.
    """
    from stormsail.lab._path_kernels import LANES, walk

    if count < 1 or start < 0 or start + count > 2**62:
        raise InputError(f"paths {start} to {start + count}", cure="give at least one, numbered from 0")
    whole = -(-count // LANES) * LANES
    found = Outcomes.room(whole)
    walk(
        start, spec.steps, np.uint64(spec.seed), spec.stream, spec.walk.law(), _terms(spec), _barrier(spec),
        _warning(spec), found.plain, found.topped, found.tops, found.headroom, found.price, found.cash,
    )  # fmt: skip
    return found.first(count)


def run(spec: PassageSpec, start: int, count: int) -> Partial:
    """Count the paths ``start`` to ``start + count - 1``.

    Any division of the same paths, merged in any order, gives the same bits (:func:`merge`).

    Raises:
        InputError: If there is no path, or a path has no number.
    """
    parts = [_counted(spec, at, min(SHARD, start + count - at)) for at in range(start, start + count, SHARD)]
    return merge_all(parts or [_counted(spec, start, count)])


def _counted(spec: PassageSpec, start: int, count: int) -> Partial:
    found = outcomes(spec, start, count)
    return Partial(
        spec, ((start, start + count),),
        np.bincount(found.plain, minlength=spec.steps + 1),
        np.bincount(found.topped, minlength=spec.steps + 1),
        np.bincount(found.tops, minlength=1 + (spec.ladder.most if spec.ladder else 0)),
        HEADROOM.count(found.headroom), PRICE.count(found.price), spec.cash.count(found.cash),
    )  # fmt: skip


def merge(one: Partial, other: Partial) -> Partial:
    """Both together: sums of whole numbers, so the order does not matter.

    Raises:
        InputError: If they are parts of different simulations, or count a path twice.
    """
    if one.spec != other.spec:
        raise InputError("parts of different simulations", cure="merge parts of the same specification")
    spans = join_spans(one.spans, other.spans)
    return Partial(
        one.spec, spans, one.plain + other.plain, one.topped + other.topped, one.tops + other.tops,
        one.headroom + other.headroom, one.price + other.price, one.cash + other.cash,
    )  # fmt: skip


def join_spans(one: Spans, other: Spans) -> Spans:
    """Both sets of half-open ranges together, sorted, neighbours joined.

    Raises:
        InputError: If they overlap.

    >>> join_spans(((0, 5),), ((5, 9), (12, 13)))
    ((0, 9), (12, 13))
    """
    spans: list[tuple[int, int]] = []
    for start, stop in sorted((*one, *other)):
        if spans and start < spans[-1][1]:
            raise InputError(f"path {start} is counted twice", cure="give every path to one worker", where="paths")
        if spans and start == spans[-1][1]:
            spans[-1] = (spans[-1][0], stop)
        else:
            spans.append((start, stop))
    return tuple(spans)


def merge_all(parts: Iterable[Partial]) -> Partial:
    """:func:`merge` of one or more."""
    return reduce(merge, parts)


def simulate(spec: PassageSpec, paths: int, *, workers: int = 1) -> Passage:
    """Walk ``paths`` paths with so many threads; the result does not depend on their number.

    Raises:
        InputError: If there is no path.

    >>> spec = PassageSpec(Walk(0.01**2, nu=4.0), 720, 0.5, Envelope.flat(0.01))
    >>> round(simulate(spec, 20_000).liquidated.value, 2)
    0.14
    """
    if workers <= 1:
        return Passage(run(spec, 0, paths))
    run(spec, 0, 1)  # compiles once, before the threads
    starts = range(0, paths, SHARD)
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(lambda start: run(spec, start, min(SHARD, paths - start)), starts))
    return Passage(merge_all(parts or [run(spec, 0, paths)]))


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """What the paths say about a short.

    Attributes:
        counts: The counts it is read from.
    """

    counts: Partial

    @property
    def liquidated(self) -> Estimate:
        """Chance of liquidation within the horizon, with the top-ups if there are any, and its binomial error."""
        return chance(self.counts.topped, "with the ladder" if self.counts.spec.ladder else "without top-ups")

    @property
    def liquidated_without(self) -> Estimate:
        """The same on the same paths without any top-up."""
        return chance(self.counts.plain, "without top-ups")

    @property
    def band(self) -> tuple[float, float]:
        """Exact 95 % band of :attr:`liquidated` (Clopper and Pearson 1934); tells something with no liquidation too."""
        n = self.counts.paths
        return binomial_band(n - int(self.counts.topped[0]), n)

    def step_of(self, level: float) -> int | None:
        """The first step by which at least the share ``level`` of all paths is liquidated; ``None`` if none is."""
        reached = np.cumsum(self.counts.topped[1:]) >= level * self.counts.paths
        return int(np.argmax(reached)) + 1 if reached.any() else None

    def top_ups(self, level: float) -> int:
        """Top-ups that are enough on the share ``level`` of all paths, as far as they arrived."""
        reached = np.cumsum(self.counts.tops) >= level * self.counts.paths
        return int(np.argmax(reached))

    def headroom(self, level: float) -> float:
        """Quantile of the least rise that was left to liquidation, as a fraction; 0 where liquidated.

        Never above the true quantile and less than 0.26 % of the price below it (bins of log price).
        """
        return math.expm1(HEADROOM.quantile(self.counts.headroom, level))

    def price(self, level: float) -> float:
        """Quantile of the price at the end over that at the start; at most 0.5 % below the true one."""
        return math.exp(PRICE.quantile(self.counts.price, level))

    def funding(self, level: float) -> float:
        """Quantile of the funding received (negative: paid), as a fraction of the notional at the start."""
        if self.counts.spec.funding is None:
            return 0.0
        return self.counts.spec.cash.quantile(self.counts.cash, level)


def chance(steps: Counts, how: str) -> Estimate:
    """Share of liquidated paths with its binomial error; the first of the counts by step is of those that lived."""
    n = int(steps.sum())
    share = (n - int(steps[0])) / n
    error = math.sqrt(share * (1.0 - share) / n)
    return Estimate(share, error, n, f"{len(steps) - 1} steps", f"share of random paths liquidated {how}")


def _terms(spec: PassageSpec) -> Terms:
    from stormsail.lab._path_kernels import Terms

    f = np.float32
    paid, ladder = spec.funding, spec.ladder
    return Terms(
        funding=f(paid.rate if paid else 0.0),
        slope=f(paid.slope if paid else 0.0),
        cap=f(paid.cap if paid else 0.0),
        every=paid.every if paid else 0,
        amount=f(ladder.amount if ladder else 0.0),
        most=ladder.most if ladder else 0,
        latency=ladder.latency if ladder else 0,
    )


def _barrier(spec: PassageSpec) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Parts and shifts of the roots ``part (1 + funding + top-ups) + shift`` at which the short is liquidated."""
    rates, deductions = np.array(spec.envelope.rates), np.array(spec.envelope.deductions)
    part = 1.0 / (1.0 + rates)
    return part.astype(np.float32), (part * (spec.collateral + deductions)).astype(np.float32)


def _warning(spec: PassageSpec) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The same for the price at which a top-up is asked for."""
    ratio = spec.ladder.warn if spec.ladder else 0.5
    rates, deductions = np.array(spec.envelope.rates), np.array(spec.envelope.deductions)
    part = ratio / (ratio + rates)
    shift = part * spec.collateral + deductions / (ratio + rates)
    return part.astype(np.float32), shift.astype(np.float32)
