"""The table the decision is made at: contracts in play with their terms, and the programme they make."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from stormsail.audit import Tolerance
from stormsail.core import Contract, Finding, Tenor, Trouble, Unavailable, to_float
from stormsail.core.symbol import MAJORS
from stormsail.instruments.backing import STEP, Backing, backing_of, is_inverse
from stormsail.instruments.counted import counted_carry
from stormsail.instruments.offers import round_trip
from stormsail.instruments.types import Route
from stormsail.instruments.universe import day_of
from stormsail.plan.problem import FactorCovariance, FloatArray, Problem, build_limits
from stormsail.plan.survey import Survey
from stormsail.plan.tails import falls
from stormsail.plan.terms import Terms, merged, usable

IN_PLAY = 60
"""Most contracts in the programme; assets beyond are protected by proxies."""

BASIS_SD_PER_DAY = {Tenor.PERPETUAL: 0.0007, Tenor.DATED: 0.0015}
"""Daily deviation of a contract against its coin: the median over 264 perpetuals of Binance in the first half of 2025,
own measurement; twice that for a dated contract, whose basis moves with rates as well."""

MISSING = 0.02
"""Share of what is wanted that must lack a contract of its own before the basket may stand in."""

_CENT = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """What bounds each short: the volume of the contract, and what it may protect.

    Attributes:
        at: Index of each contract's coin, shape (n,).
        major: Contracts on BTC and ETH, which may stand for any coin, shape (n,).
        member: Contracts on coins of the basket, which may stand for what has too little of its own, shape (n,).
        members: Coins in the basket.
        volume: Most within the share of a day's volume, shape (n,); NaN is *unavailable*.
        inverse: Contracts backed by coins, shape (n,). They do not count as room that a coin has of its own, so that
            having them never takes room from another contract.
    """

    at: NDArray[np.int64]
    major: NDArray[np.bool_]
    member: NDArray[np.bool_]
    members: int
    volume: FloatArray
    inverse: NDArray[np.bool_]

    def capacity(self, wanted: FloatArray) -> FloatArray:
        """Most that may be short of each contract, shape (n,).

        Args:
            wanted: Value to be protected of each coin, shape (K,).
        """
        total = float(wanted.sum())
        own = wanted[self.at]
        room = np.where(np.isnan(self.volume), np.where(self.major, total, own), self.volume)
        direct = np.zeros(len(wanted))
        np.add.at(direct, self.at, np.where(self.inverse, 0.0, room))
        missing = float(np.maximum(wanted - direct, 0.0).sum())
        needed = missing > MISSING * total and self.members > 0
        share = missing / max(0.5 * self.members, 1.0) if needed else 0.0
        return np.minimum(np.where(self.major, 2.0 * total, own + share * self.member), room)


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """Everything the programme needs except the collateral rates.

    Attributes:
        tolerance: What is wanted.
        value: Value of the portfolio.
        risky: Value of its coins.
        coins: Names, length K.
        covariance: Of the coins.
        beta: Market betas, shape (K,), not below 0.
        held, wanted: Value held and value to be protected, shape (K,).
        fall: Fall of each coin in the event to be survived, shape (K,).
        market_fall: Fall of BTC then.
        terms: Of each contract in play, length n.
        at: Index of each contract's coin, shape (n,).
        reach: What bounds each short.
        capacity: Most that may be short of each, shape (n,).
        carry, cost: Per unit over the horizon, shape (n,).
        caps: Most collateral that may be posted at each venue, in currency.
        backing: What stands behind each inverse short; ``None`` for contracts with cash as collateral, length n.
        posted: Value of the coins posted per unit of short, shape (n,); 0 for contracts with cash as collateral.
        unlocked: Coins that may be posted, by coin, exactly.
        prices: What one coin is worth in the portfolio's currency, by coin.
    """

    tolerance: Tolerance
    value: float
    risky: float
    coins: tuple[str, ...]
    covariance: FactorCovariance
    beta: FloatArray
    held: FloatArray
    wanted: FloatArray
    fall: FloatArray
    market_fall: float
    terms: tuple[Terms, ...]
    at: tuple[int, ...]
    reach: Reach
    capacity: FloatArray
    carry: FloatArray
    cost: FloatArray
    caps: Mapping[str, float]
    backing: tuple[Backing | None, ...]
    posted: FloatArray
    unlocked: Mapping[str, Decimal]
    prices: Mapping[str, float]

    @property
    def mapping(self) -> FloatArray:
        """``B``, shape (K, n)."""
        out = np.zeros((len(self.coins), len(self.terms)))
        out[list(self.at), np.arange(len(self.terms))] = 1.0
        return out

    @property
    def venues(self) -> tuple[str, ...]:
        """Venues of the contracts in play, sorted."""
        return tuple(sorted({t.contract.venue for t in self.terms}))

    @property
    def cash(self) -> float:
        """Collateral there is, less a cent for each venue: what is posted is rounded up to cents."""
        given = self.tolerance.collateral
        posting = {t.contract.venue for t, own in zip(self.terms, self.backing, strict=True) if own is None}
        return math.inf if given is None else max(to_float(given) - _CENT * len(posting), 0.0)

    def cap(self, venue: str) -> float:
        """Most collateral that may be posted at a venue, less a cent for each account there."""
        return max(self.caps[venue] - _CENT * self.accounts(self.at_venue(venue)), 0.0)

    def accounts(self, among: FloatArray) -> int:
        """Most accounts that some contracts can need: one of cash, and one for each that coins back."""
        return 1 + int(((self.posted > 0) * among).sum())

    @property
    def backed(self) -> tuple[str, ...]:
        """Coins behind inverse contracts in play, sorted."""
        return tuple(sorted({t.contract.base for t, own in zip(self.terms, self.backing, strict=True) if own}))

    def cash_rates(self, rates: FloatArray) -> FloatArray:
        """Collateral rates in cash: 0 where coins are posted, shape (n,)."""
        return np.where(self.posted > 0, 0.0, rates)

    def on(self, coin: str) -> FloatArray:
        """Which contracts are on a coin, 0 or 1, shape (n,)."""
        return np.array([float(t.contract.base == coin) for t in self.terms])

    def free(self, coin: str, factor: float = 1.0) -> float:
        """Value of a coin that may be posted, less a cent and a step of rounding for each contract it backs.

        Args:
            coin: Which.
            factor: New price of the coin over that of the decision.
        """
        price = self.prices[coin] * factor
        backed = self.accounts(self.on(coin)) - 1
        return max(to_float(self.unlocked[coin]) * price - backed * (_CENT + to_float(STEP) * price), 0.0)

    def at_venue(self, venue: str) -> FloatArray:
        """Which contracts trade there, 0 or 1, shape (n,)."""
        return np.array([float(t.contract.venue == venue) for t in self.terms])

    def of(self, contracts: Sequence[str]) -> FloatArray:
        """Which contracts are among those ids, 0 or 1, shape (n,)."""
        wanted = frozenset(contracts)
        return np.array([float(t.contract.id in wanted) for t in self.terms])

    def short(self, notionals: FloatArray) -> FloatArray:
        """Value short of each coin, shape (K,)."""
        return self.mapping @ notionals

    def problem(self, rates: FloatArray, *, allowed: FloatArray, previous: FloatArray | None = None) -> Problem:
        """The programme with these collateral rates.

        Args:
            rates: Cash collateral per unit of short, shape (n,); of no meaning where coins are posted.
            allowed: Most that may be short of each contract, shape (n,).
            previous: What is short already.
        """
        wish, mapping, cash = self.tolerance, self.mapping, self.cash_rates(rates)
        floor = -math.inf
        if wish.floor is not None:
            floor = to_float(wish.floor) - (self.value - float(self.fall @ self.held))
        limits = build_limits(
            len(self.terms),
            names=tuple(t.contract.id for t in self.terms),
            capacity=allowed,
            cash_rate=cash,
            collateral=self.cash,
            coins=self.backed,
            coin_rate=np.array([self.posted * self.on(coin) for coin in self.backed]),
            coin_free=np.array([self.free(coin) for coin in self.backed]),
            venues=self.venues,
            venue_rate=np.array([(cash + self.posted) * self.at_venue(v) for v in self.venues]),
            venue_cap=np.array([self.cap(v) for v in self.venues]),
            running_cost=self.cost - self.carry,
            budget=math.inf if wish.budget is None else to_float(wish.budget),
            delta=self.beta @ mapping,
            delta_cap=float(self.beta @ (self.wanted + wish.max_net_delta * self.held)),
            relief=self.fall @ mapping + self.carry - self.cost,
            needed_relief=floor,
        )
        days = wish.horizon / timedelta(days=1)
        basis = np.array([BASIS_SD_PER_DAY[t.contract.tenor] ** 2 * days for t in self.terms])
        return Problem(
            value=self.risky or 1.0,  # without coins there are no contracts, and nothing depends on it
            wanted=self.wanted,
            mapping=mapping,
            covariance=self.covariance,
            basis_variance=basis,
            carry=self.carry,
            cost=self.cost,
            limits=limits,
            previous=previous,
        )


def in_play(survey: Survey) -> tuple[Contract, ...]:
    """Usable contracts: BTC's and ETH's (dated ones too), the basket's, direct ones by falling value held; beside
    these every inverse contract that unlocked coins can back; none where no coin is held that could fall."""
    if survey.exposure.risky_value <= 0:
        return ()
    ranked = survey.shortlist
    rows = [row for asset in ranked.by_asset for row in ranked.by_asset[asset]] + list(ranked.portfolio)
    value = {a.asset: a.value for a in survey.exposure.assets}
    first: dict[str, tuple[int, float, str]] = {}
    found: dict[str, Contract] = {}
    for row in rows:
        for leg in row.candidate.legs if row.usable else ():
            contract = leg.contract
            if not usable(contract) or is_inverse(contract) or contract.base not in survey.coins:
                continue
            rank = 0 if contract.base in MAJORS else 2 if row.candidate.route is Route.BASKET else 1
            key = (rank, -value.get(contract.base, 0.0), contract.id)
            if contract.id not in first or key < first[contract.id]:
                first[contract.id], found[contract.id] = key, contract
    for contract in survey.contracts:
        dated = contract.base in MAJORS and contract.tenor is Tenor.DATED
        if dated and usable(contract) and not is_inverse(contract):
            found[contract.id], first[contract.id] = contract, (0, 0.0, contract.id)
    order = sorted(found, key=lambda cid: first[cid])[:IN_PLAY]
    return tuple(sorted((*(found[cid] for cid in order), *_backed(survey))))


def _backed(survey: Survey) -> tuple[Contract, ...]:
    """Inverse contracts on coins of which some can be posted; those that the shortlist refuses are left out."""
    unlocked = {a.asset for a in survey.exposure.assets if a.sellable > 0 and not a.is_cash}
    refused = {
        row.candidate.name
        for rows in survey.shortlist.by_asset.values()
        for row in rows
        if row.candidate.route is Route.INVERSE and not row.usable
    }
    fit = [c for c in survey.contracts if is_inverse(c) and c.base in unlocked and c.base in survey.coins]
    return tuple(c for c in fit if c.id not in refused)


def lay_out(survey: Survey, terms: Sequence[Terms]) -> tuple[Desk, tuple[Finding, ...]]:
    """Put the contracts on the table.

    Contracts on the coins themselves come first: none is shorted beyond what was wanted of its coin, except those of
    BTC and ETH, which may stand for any coin, and those of the basket's members, which may stand for what has no
    contract or too little volume of its own. Slippage is judged at the largest order a contract could get.

    Args:
        survey: What is known.
        terms: Of the contracts in play.
    """
    tolerance, coins, held = survey.tolerance, survey.coins, survey.held
    beta = np.maximum(survey.model.market_beta, 0.0)
    wanted = tolerance.coverage * held
    fall, market_fall = falls(held, survey.tail, tolerance.survive)
    at = tuple(coins.index(t.contract.base) for t in terms)
    reach, findings = _reach(survey, terms, at)
    carry, unknown = counted_carry([(t.contract, t.carry) for t in terms])
    capacity = reach.capacity(wanted)
    total = float(wanted.sum())
    cost = np.array(
        [round_trip(t.contract, t.slippage(min(most, total))) for t, most in zip(terms, capacity, strict=True)]
    )
    value = survey.exposure.value
    prices = {a.asset: a.price for a in survey.exposure.assets}
    day = day_of(survey.view.as_of)
    backing = tuple(
        backing_of(t.contract, t.funding_cap, tolerance.horizon, day, t.table) if is_inverse(t.contract) else None
        for t in terms
    )
    return Desk(
        tolerance=tolerance,
        value=value,
        risky=survey.exposure.risky_value,
        coins=coins,
        covariance=survey.model.covariance,
        beta=beta,
        held=held,
        wanted=wanted,
        fall=fall,
        market_fall=market_fall,
        terms=tuple(terms),
        at=at,
        reach=reach,
        capacity=capacity,
        carry=carry,
        cost=cost,
        caps={venue: score.cap * value for venue, score in survey.scores.items()},
        backing=backing,
        posted=np.array(
            [
                0.0 if own is None else to_float(own.rate) * prices[t.contract.base] / to_float(t.price)
                for t, own in zip(terms, backing, strict=True)
            ]
        ),
        unlocked={a.asset: a.sellable for a in survey.exposure.assets},
        prices=prices,
    ), (*findings, *merged(unknown))


def _reach(survey: Survey, terms: Sequence[Terms], at: Sequence[int]) -> tuple[Reach, tuple[Finding, ...]]:
    """What bounds each short, and which volumes are unavailable."""
    volume, findings = np.full(len(terms), np.nan), []
    for i, t in enumerate(terms):
        found = t.capacity(survey.tolerance.volume_share)
        if isinstance(found, Unavailable):
            cure = "it is used for its own coin only, up to what is wanted"
            findings.append(Finding(Trouble.UNAVAILABLE, f"capacity {t.contract.id}", found.reason, cure))
        else:
            volume[i] = found
    basket = _basket(survey)
    return Reach(
        at=np.array(at, dtype=np.int64),
        major=np.array([t.contract.base in MAJORS for t in terms], dtype=bool),
        member=np.array([t.contract.base in basket for t in terms], dtype=bool),
        members=len(basket),
        volume=volume,
        inverse=np.array([is_inverse(t.contract) for t in terms], dtype=bool),
    ), tuple(findings)


def _basket(survey: Survey) -> frozenset[str]:
    """Coins of the basket's members."""
    return frozenset(
        leg.contract.base
        for row in survey.shortlist.portfolio
        if row.candidate.route is Route.BASKET and row.usable
        for leg in row.candidate.legs
    )
