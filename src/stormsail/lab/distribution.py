"""What a whole portfolio may be worth: joint paths of its coins, with and without the shorts, and which accounts die.

Log prices move together through factors, ``x_i' = x_i + sum_k loading_ik z_k + residual_i e_i``, with factor shocks
``z`` and each coin's own ``e`` independent Student's t of unit variance. An account is judged at the end of every step:
it is liquidated where ``collateral + funding + sum notional (1 - S) <= sum maintenance(S)``, loses its collateral, and
its shorts are gone. Nothing is topped up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Estimate, InputError, to_float
from stormsail.lab import random
from stormsail.lab.bins import Bins, Counts
from stormsail.lab.envelope import Envelope
from stormsail.lab.paths import SEED, SHARD, chance, join_spans
from stormsail.margin.types import MarginMode
from stormsail.plan.problem import FactorCovariance
from stormsail.plan.types import HedgePlan

VALUE = Bins(-1.0, 5.0, 6_000)
"""Bins of values as multiples of the value at the start: a thousandth each."""


@dataclass(frozen=True, slots=True)
class Short:
    """A short: coin by its place, notional at the start, maintenance, and funding per step (positive: received)."""

    coin: int
    notional: float
    envelope: Envelope
    funding: float = 0.0


@dataclass(frozen=True, slots=True)
class Book:
    """Shorts that share collateral: a venue under cross margin, or one isolated short."""

    name: str
    collateral: float
    shorts: tuple[Short, ...]


@dataclass(frozen=True, slots=True)
class JointSpec:
    """What is simulated.

    Attributes:
        coins: Names.
        values: Value held of each at the start; 0 for a coin that is only shorted.
        loadings: By coin, its loading on each independent factor of unit variance, per step.
        residual: By coin, the standard deviation of its own shock, per step.
        books: Accounts.
        steps: Steps of the horizon.
        cash: Value held that does not move.
        nu_factor, nu_residual: Degrees of freedom; infinite is normal.
        seed, stream: Key of the random numbers, and which of its streams.
    """

    coins: tuple[str, ...]
    values: tuple[float, ...]
    loadings: tuple[tuple[float, ...], ...]
    residual: tuple[float, ...]
    books: tuple[Book, ...]
    steps: int
    cash: float = 0.0
    nu_factor: float = 4.0
    nu_residual: float = 4.0
    seed: int = SEED
    stream: int = 0

    def __post_init__(self) -> None:
        random.check(self.seed, self.stream)
        n = len(self.coins)
        if not (n and self.steps >= 1 and len(self.values) == len(self.loadings) == len(self.residual) == n):
            raise InputError(
                f"{n} coins and {self.steps} steps", cure="give each coin a value, loadings and a residual"
            )
        if len({len(row) for row in self.loadings}) != 1 or min(self.residual) < 0.0 or self.value <= 0.0:
            raise InputError("uneven loadings, a negative residual or no value", cure="give one loading per factor")
        if any(not 0 <= s.coin < n or s.notional < 0.0 for b in self.books for s in b.shorts):
            raise InputError("a short of an unknown coin or of negative size", cure="give its place among the coins")
        for nu in (self.nu_factor, self.nu_residual):
            if not math.isinf(nu):
                random.polar(nu)

    @property
    def value(self) -> float:
        """All that is held at the start."""
        return sum(self.values) + self.cash

    @classmethod
    def of(cls, plan: HedgePlan, covariance: FactorCovariance, steps: int, **others: float) -> JointSpec:
        """A plan's holdings and shorts, moved as its covariance says.

        Args:
            plan: The plan.
            covariance: Of the coins held and shorted, over the horizon (:func:`stormsail.plan.model.risk_model`).
            steps: Steps the horizon is divided into.
            others: ``nu_factor`` and ``nu_residual``.

        Raises:
            InputError: If a coin is not in the covariance.
        """
        coins = covariance.coins
        wanted = {a.asset for a in plan.exposure.assets if not a.is_cash} | {o.contract.base for o in plan.orders}
        if not wanted <= set(coins):
            missing = ", ".join(sorted(wanted - set(coins)))
            raise InputError(f"no covariance of {missing}", cure="estimate it with these coins", where="covariance")
        held = {a.asset: a.value for a in plan.exposure.assets if not a.is_cash}
        spread, ways = np.linalg.eigh(covariance.factors)  # a factor may be absent, its variance 0
        mixed = covariance.loadings @ (ways * np.sqrt(np.maximum(spread, 0.0) / steps))
        return cls(
            coins=tuple(coins),
            values=tuple(held.get(c, 0.0) for c in coins),
            loadings=tuple(tuple(float(v) for v in row) for row in mixed),
            residual=tuple(float(v) for v in np.sqrt(covariance.residual / steps)),
            books=tuple(_books(plan, coins)),
            steps=steps,
            cash=sum(a.value for a in plan.exposure.assets if a.is_cash),
            **others,  # type: ignore[arg-type]  # only the two degrees of freedom are floats without a place above
        )


def _books(plan: HedgePlan, coins: tuple[str, ...]) -> Iterable[Book]:
    orders = {o.contract.id: o for o in plan.orders}
    for margin in plan.margins:
        shorts = []
        for p in margin.positions:
            size = to_float(orders[p.contract].notional)
            shorts.append(Short(coins.index(orders[p.contract].contract.base), size, Envelope.of(p.table, size)))
        if margin.mode is MarginMode.CROSS:
            yield Book(margin.venue, to_float(margin.collateral), tuple(shorts))
        else:
            for p, short in zip(margin.positions, shorts, strict=True):
                yield Book(p.contract, to_float(p.collateral), (short,))


@dataclass(frozen=True, slots=True, eq=False)
class JointPartial:
    """Counts of some of the paths.

    Attributes:
        spec: What was simulated.
        spans: Half-open ranges of paths.
        values: Shape (4, bins) of :data:`VALUE`: without and with the hedge at the end, and the lowest of both.
        dead: Shape (books, steps + 1): paths by step of liquidation; index 0 counts those never liquidated.
        any_dead: Paths on which at least one book was liquidated.
    """

    spec: JointSpec
    spans: tuple[tuple[int, int], ...]
    values: Counts
    dead: Counts
    any_dead: int


def run_joint(spec: JointSpec, start: int, count: int) -> JointPartial:
    """Count the paths ``start`` to ``start + count - 1``; any division of them gives the same bits.

    Raises:
        InputError: If there is no path, or a path has no number.
    """
    if count < 1 or start < 0 or start + count > 2**62:
        raise InputError(f"paths {start} to {start + count}", cure="give at least one, numbered from 0")
    parts = [_counted(spec, at, min(SHARD, start + count - at)) for at in range(start, start + count, SHARD)]
    return reduce(merge_joint, parts)


def ends_of(spec: JointSpec, start: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Each path by itself: values of shape (4, count) as in :class:`JointPartial`, as multiples of the value at the
    start, and steps of liquidation of shape (books, count).
    """
    from stormsail.lab._joint_kernels import LANES, walk_together

    whole = -(-count // LANES) * LANES
    ends, dead = np.empty((4, whole), np.float32), np.zeros((len(spec.books), whole), np.int32)
    shorts = [(a, s) for a, book in enumerate(spec.books) for s in book.shorts]
    width = max((len(s.envelope.rates) for _, s in shorts), default=1)
    rates, cuts = np.zeros((len(shorts), width)), np.zeros((len(shorts), width))
    for p, (_, s) in enumerate(shorts):
        rates[p, : len(s.envelope.rates)], cuts[p, : len(s.envelope.rates)] = s.envelope.rates, s.envelope.deductions
    unit = spec.value
    walk_together(
        start, spec.steps, np.uint64(spec.seed), spec.stream,
        _single(spec.loadings), _single(spec.residual), _tail(spec.nu_factor), _tail(spec.nu_residual),
        _single([v / unit for v in spec.values]), np.float32(spec.cash / unit),
        _single([b.collateral / unit for b in spec.books]),
        np.array([a for a, _ in shorts], np.int32), np.array([s.coin for _, s in shorts], np.int32),
        _single([s.notional / unit for _, s in shorts]), _single([s.funding for _, s in shorts]),
        _single(rates), _single(cuts), ends, dead,
    )  # fmt: skip
    return ends[:, :count], dead[:, :count]


def _single(values: object) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def _tail(nu: float) -> NDArray[np.float32]:
    return _single((0.0, 1.0, 1.0) if math.isinf(nu) else random.polar(nu))


def _counted(spec: JointSpec, start: int, count: int) -> JointPartial:
    ends, dead = ends_of(spec, start, count)
    return JointPartial(
        spec,
        ((start, start + count),),
        np.array([VALUE.count(row) for row in ends]),
        np.array([np.bincount(row, minlength=spec.steps + 1) for row in dead]).reshape(len(dead), spec.steps + 1),
        int((dead > 0).any(axis=0).sum()),
    )


def merge_joint(one: JointPartial, other: JointPartial) -> JointPartial:
    """Both together, in any order.

    Raises:
        InputError: If they are parts of different simulations, or count a path twice.
    """
    if one.spec != other.spec:
        raise InputError("parts of different simulations", cure="merge parts of the same specification")
    spans = join_spans(one.spans, other.spans)
    return JointPartial(
        one.spec, spans, one.values + other.values, one.dead + other.dead, one.any_dead + other.any_dead
    )


def simulate_joint(spec: JointSpec, paths: int, *, workers: int = 1) -> Distribution:
    """Walk ``paths`` joint paths with so many threads; the result does not depend on their number."""
    if workers <= 1:
        return Distribution(run_joint(spec, 0, paths))
    run_joint(spec, 0, 1)  # compiles once, before the threads
    with ThreadPoolExecutor(workers) as pool:
        parts = pool.map(lambda start: run_joint(spec, start, min(SHARD, paths - start)), range(0, paths, SHARD))
        return Distribution(reduce(merge_joint, parts))


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """What the joint paths say; values are multiples of the value at the start.

    Attributes:
        counts: The counts it is read from.
    """

    counts: JointPartial

    def unhedged(self, level: float) -> float:
        """Quantile of the value at the end without the hedge, at most a thousandth below the true one."""
        return VALUE.quantile(self.counts.values[0], level)

    def hedged(self, level: float) -> float:
        """The same with the hedge, before fees."""
        return VALUE.quantile(self.counts.values[1], level)

    def lowest_unhedged(self, level: float) -> float:
        """Quantile of the lowest value at any step's end without the hedge."""
        return VALUE.quantile(self.counts.values[2], level)

    def lowest_hedged(self, level: float) -> float:
        """The same with the hedge."""
        return VALUE.quantile(self.counts.values[3], level)

    def liquidated(self, book: int) -> Estimate:
        """Chance that a book is liquidated within the horizon, with its binomial error."""
        return chance(self.counts.dead[book], f"in book {self.counts.spec.books[book].name}")

    @property
    def any_liquidated(self) -> float:
        """Chance that at least one book is."""
        return self.counts.any_dead / int(self.counts.values[0].sum())
