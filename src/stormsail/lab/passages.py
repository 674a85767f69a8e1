"""A plan's shorts by random paths, each alone and all together, in shards that anyone may walk.

Alone: the contract's own GARCH-t, bar by bar, against the collateral that is its share, with the funding the plan
expects. Together: the plan's coins through its factors, account by account. Counts are whole numbers, so shards add up
to the same bits in any order and on any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import cast

import numpy as np

from stormsail.core import InputError, Unavailable, to_float
from stormsail.forecast.garch import fit_garch
from stormsail.lab.distribution import Distribution, JointPartial, JointSpec, merge_joint, run_joint
from stormsail.lab.envelope import Envelope
from stormsail.lab.paths import Funding, Partial, Passage, PassageSpec, merge, run
from stormsail.lab.walk import Walk
from stormsail.lab.workers import Serial, Workers
from stormsail.margin.moves import bar_moves
from stormsail.margin.rules import Basis, rule_for
from stormsail.market.load import load_bars
from stormsail.market.lookup import Lookup
from stormsail.market.once import read_once
from stormsail.market.source import MarketView
from stormsail.plan.model import coin_returns, risk_model
from stormsail.plan.types import HedgePlan, PositionMargin, VenueMargin

SHARD = 32_768
"""Paths in a shard: about a second of work."""

LEVELS = (0.01, 0.05, 0.5, 0.95)
"""Quantiles that are told."""

BARS = 1_000
"""Bars the walk is fitted to, as in the plan."""

SETTLEMENT = timedelta(hours=8)
"""Assumed time between two settlements of funding; the plan's expectation is of their sum."""

_HOUR, _FULLY = timedelta(hours=1), Decimal(10**6)


@dataclass(frozen=True, slots=True)
class Case:
    """One short by itself.

    Attributes:
        contract: Which.
        spec: What is simulated, or why nothing can be.
        bar: Length of a step.
    """

    contract: str
    spec: PassageSpec | Unavailable
    bar: timedelta


@dataclass(frozen=True, slots=True)
class Cases:
    """What is simulated of a plan.

    Attributes:
        alone: One for each short.
        together: The whole.
    """

    alone: tuple[Case, ...]
    together: JointSpec

    @property
    def specs(self) -> tuple[PassageSpec | JointSpec, ...]:
        """All that can be simulated, the whole last."""
        return (*(case.spec for case in self.alone if isinstance(case.spec, PassageSpec)), self.together)


@dataclass(frozen=True, slots=True)
class Found:
    """What the paths say.

    Attributes:
        alone: By contract; unavailable where nothing could be simulated.
        together: Of the whole.
        paths: How many of each.
    """

    alone: dict[str, Passage | Unavailable]
    together: Distribution
    paths: int


def cases_of(plan: HedgePlan, view: MarketView) -> Cases:
    """What is simulated of a plan, over its horizon.

    Args:
        plan: With at least one order.
        view: The market as known at the plan's moment.

    Raises:
        InputError: If the plan has no orders.
        UnavailableError: If BTC has no price series.
    """
    if not plan.orders:
        raise InputError("the plan shorts nothing", cure="give a plan with orders", where="plan")
    view = read_once(view)
    lookup = Lookup.of(view)
    alone = tuple(
        _alone(plan, margin, position, view, lookup) for margin in plan.margins for position in margin.positions
    )
    held = {row.asset: row.value for row in plan.exposure.assets if not row.is_cash}
    coins = sorted(held.keys() | {order.contract.base for order in plan.orders} | {"BTC", "ETH"})
    returns = coin_returns(view, lookup, [coin for coin in coins if coin in lookup.assets()])[0]
    weight = np.array([held.get(coin, 0.0) for coin in returns.coins])
    covariance = risk_model(returns, weight, plan.tolerance.horizon).covariance
    together = JointSpec.of(_backed(plan), covariance, max(1, plan.tolerance.horizon // _HOUR))
    return Cases(alone, together)


def _alone(plan: HedgePlan, margin: VenueMargin, position: PositionMargin, view: MarketView, lookup: Lookup) -> Case:
    order = next(o for o in plan.orders if o.contract.id == position.contract)
    if position.coins is not None:
        return Case(position.contract, Unavailable("backed by its coins: no rise can liquidate it"), _HOUR)
    info = lookup.contract(order.contract.venue, order.contract.symbol)
    if info is None:
        return Case(position.contract, Unavailable("no price series"), _HOUR)
    moves = bar_moves(load_bars(view, info)[0], info.bar)
    fit = fit_garch(np.log(moves.usable()[1][-BARS:]))
    if isinstance(fit, Unavailable):
        return Case(position.contract, fit, moves.bar)
    size = to_float(order.notional)
    rule = rule_for(margin.venue, plan.as_of.date())[0]
    fee = to_float(order.contract.taker_fee) if rule.counts_fee and rule.basis is Basis.MARK else 0.0
    steps = moves.steps(plan.tolerance.horizon)
    spec = PassageSpec(
        walk=Walk.of(fit),
        steps=steps,
        collateral=to_float(position.collateral) / size,
        envelope=Envelope.of(position.table, size, fee),
        funding=_funding(plan, position.contract, size, steps, moves.bar),
    )
    return Case(position.contract, spec, moves.bar)


def _funding(plan: HedgePlan, contract: str, size: float, steps: int, bar: timedelta) -> Funding | None:
    """The plan's expectation in equal parts; none where it has none."""
    expected = plan.cost.by_contract[contract][0]
    every = max(1, SETTLEMENT // bar)
    if isinstance(expected, Unavailable) or expected == 0 or steps < every:
        return None
    return Funding(every=every, rate=expected / size / (steps // every))


def _backed(plan: HedgePlan) -> HedgePlan:
    """The plan with accounts that its coins back made safe: no rise liquidates those."""
    return replace(
        plan,
        margins=tuple(
            margin
            if margin.coins is None
            else replace(
                margin,
                positions=tuple(replace(p, collateral=p.collateral * _FULLY) for p in margin.positions),
            )
            for margin in plan.margins
        ),
    )


@dataclass(frozen=True, slots=True)
class WalkPaths:
    """Walks a shard: the number of the specification, the first path, and how many."""

    specs: tuple[PassageSpec | JointSpec, ...]

    def __call__(self, shard: tuple[int, int, int]) -> tuple[int, Partial | JointPartial]:
        """The number of the specification, and the counts."""
        number, start, count = shard
        spec = self.specs[number]
        if isinstance(spec, JointSpec):
            return number, run_joint(spec, start, count)
        return number, run(spec, start, count)


def walk(
    cases: Cases,
    paths: int,
    *,
    workers: Workers | None = None,
    size: int = SHARD,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Walk so many paths of each case and of the whole.

    Args:
        cases: What is simulated.
        paths: How many of each.
        workers: Who walks; the result does not depend on them, nor on ``size``.
        size: Paths in a shard.
        tell: Called with the shards that are done, and of how many.

    Raises:
        InputError: If there is no path.
    """
    if paths < 1:
        raise InputError(f"{paths} paths", cure="give at least one", where="--paths")
    specs = cases.specs
    total = len(specs) * -(-paths // size)
    found: dict[int, Partial | JointPartial] = {}
    tell(0, total)
    for done, (_, (number, part)) in enumerate(
        (workers or Serial()).map(WalkPaths(specs), _shards(len(specs), paths, size)), 1
    ):
        found[number] = _merged(found[number], part) if number in found else part
        tell(done, total)
    passages = iter(Passage(cast(Partial, found[i])) for i in range(len(specs) - 1))
    return Found(
        {c.contract: c.spec if isinstance(c.spec, Unavailable) else next(passages) for c in cases.alone},
        Distribution(cast(JointPartial, found[len(specs) - 1])),
        paths,
    )


def _shards(specs: int, paths: int, size: int) -> Iterator[tuple[int, int, int]]:
    for number in range(specs):
        for start in range(0, paths, size):
            yield number, start, min(size, paths - start)


def _merged(one: Partial | JointPartial, other: Partial | JointPartial) -> Partial | JointPartial:
    if isinstance(one, JointPartial):
        return merge_joint(one, cast(JointPartial, other))
    return merge(one, cast(Partial, other))
