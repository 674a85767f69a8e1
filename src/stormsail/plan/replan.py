"""The decision again at changed prices, in about a millisecond: for a desk that watches prices as they move.

The survey, the contracts' terms, the covariance and the programme are those of the last whole decision. At new prices
the value held, the value wanted, the contracts' prices and every bound that follows from them are worked out anew, the
programme is solved again, and its answer is rounded to lots that keep every limit.

Reused, and for how long that may be done is the holder's judgement: volumes, betas, variances, carry, trading cost per
unit, the collateral rates of the last book, the fall of each coin in the event to be survived, and which contracts were
worth an order at all. A contract's price moves with its coin. :func:`~stormsail.plan.decide.make_plan` decides all of
that anew, and judges the collateral of the new book by its own history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import numpy as np

from stormsail.audit import Tolerance
from stormsail.core import Contract, InputError, NumericalError, Portfolio, ceil_to, to_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.instruments.backing import is_inverse
from stormsail.instruments.types import VenueRecord
from stormsail.margin.types import MarginMode
from stormsail.market.source import MarketView
from stormsail.plan.coverage import split_cover
from stormsail.plan.desk import Desk
from stormsail.plan.prepare import prepare
from stormsail.plan.problem import FloatArray, Limit, Limits, Problem
from stormsail.plan.rounding import IntArray, Pull, smallest_useful, whole_lots
from stormsail.plan.settle import Settled, settle
from stormsail.plan.solver import Programme
from stormsail.plan.survey import survey

_ROUNDS = 4
_MONEY = 1e-6


@dataclass(frozen=True, slots=True)
class Target:
    """What should be short of one contract.

    Attributes:
        contract: Which.
        quantity: Contract units, a multiple of the lot.
        price: The price it was worked out at, a multiple of the tick.
        notional: ``contract.notional(quantity, price)``.
    """

    contract: Contract
    quantity: Decimal
    price: Decimal
    notional: Decimal


@dataclass(frozen=True, slots=True, eq=False)
class Replanned:
    """The book at the new prices.

    Attributes:
        orders: What should be short, in the order of the contracts; those that should not are left out.
        notionals: Of every contract in play, shape (n,).
        held, wanted: Value held and to be protected of each coin, shape (K,).
        direct, proxy: Protected by contracts on the coin itself, and by proxies at its beta, shape (K,).
        need: Cash collateral by venue, at the rates of the last whole decision; within cash and the venues' caps.
        coins: Coins to post behind each inverse short, by contract id; within those that are unlocked.
    """

    orders: tuple[Target, ...]
    notionals: FloatArray
    held: FloatArray
    wanted: FloatArray
    direct: FloatArray
    proxy: FloatArray
    need: Mapping[str, float]
    coins: Mapping[str, Decimal]

    @property
    def coverage(self) -> float:
        """Share of the value held that is protected."""
        held = float(self.held.sum())
        return float((self.direct + self.proxy).sum()) / held if held > 0 else 0.0


class _Grid:
    """Lots and ticks of every contract as whole numbers, so that prices move without a loop over decimals."""

    def __init__(self, desk: Desk, book: Settled) -> None:
        self.contracts = tuple(t.contract for t in desk.terms)
        self.at = np.array(desk.at, dtype=np.int64)
        self.last = np.array([to_float(s.price) for s in book.steps])
        self.tick = np.array([to_float(c.tick) for c in self.contracts])
        # worth of one lot at a price of one tick, exactly and as a float; that of an inverse contract at any price
        self.fixed = np.array([is_inverse(c) for c in self.contracts], dtype=bool)
        self.exact = tuple(c.notional(c.lot, c.tick) for c in self.contracts)
        self.unit = np.array([to_float(x) for x in self.exact])
        self._wanted: dict[Decimal, IntArray] = {}

    def ticks(self, factors: FloatArray) -> IntArray:
        """Price of each contract in ticks when its coin's price is multiplied by its factor, at least one."""
        ticks: FloatArray = np.maximum(np.rint(self.last * factors[self.at] / self.tick), 1.0)
        return ticks.astype(np.int64)

    def lots(self, ticks: IntArray) -> FloatArray:
        """Worth of one lot of each contract, shape (n,)."""
        return self.unit * np.where(self.fixed, 1, ticks)

    def drift(self, factors: FloatArray, ticks: IntArray) -> FloatArray:
        """Price of each contract by its coin's factor over the one on the tick, shape (n,)."""
        return self.last * factors[self.at] / (self.tick * ticks)

    def least(self, ticks: IntArray, smallest: Decimal) -> IntArray:
        """Fewest lots of an order: those worth the venue's minimum and what is worth an order to the holder."""
        if smallest not in self._wanted:
            self._wanted[smallest] = np.array(
                [
                    int(ceil_to(max(c.min_notional, smallest), unit) / unit)
                    for c, unit in zip(self.contracts, self.exact, strict=True)
                ],
                dtype=np.int64,
            )
        lots: IntArray = np.maximum(-(-self._wanted[smallest] // np.where(self.fixed, 1, ticks)), 1)
        return lots

    def targets(self, lots: IntArray, ticks: IntArray) -> tuple[Target, ...]:
        """Exact quantities, prices and notionals of what is short."""
        found = []
        with localcontext(MONEY_CONTEXT):  # once for all: entering it costs more than the products
            for i in np.flatnonzero(lots).tolist():
                contract, count, price = self.contracts[i], int(lots[i]), int(ticks[i])
                worth = self.exact[i] * (count if self.fixed[i] else count * price)
                quantity = Decimal(format(contract.lot * count, "f"))
                found.append(Target(contract, quantity, contract.tick * price, worth))
        return tuple(found)


class Replanner:
    """A decision that can be repeated at other prices; make one with :meth:`of` or from a settled book.

    Args:
        desk: What was on the table.
        book: What was decided.
        mode: Isolated or cross margin.

    Attributes:
        coins: Coins whose prices may change, in the order of the factors.
        book: What was decided.
    """

    def __init__(self, desk: Desk, book: Settled, mode: MarginMode) -> None:
        self.coins = desk.coins
        self.book = book
        self._desk = desk
        self._problem = book.problem
        self._programme = Programme()
        self._programme.solve(self._problem)
        self._grid = _Grid(desk, book)
        self._allowed = self._problem.limits.bounds[: len(desk.terms)] > 0.0
        scale = self._problem.risk_aversion / self._problem.value
        # of the objective for a portfolio worth 1: curve (n, n), and what a unit wanted pulls, (n, K)
        self._curve = (self._problem.quadratic()[0] / scale) * self._problem.risk_aversion
        self._wish = self._problem.risk_aversion * self._problem.covariance.apply(self._problem.mapping).T
        self._run = self._problem.cost - self._problem.carry
        self._need = _need_rates(desk, book, mode)
        self._own = {t.contract.id: b for t, b in zip(desk.terms, desk.backing, strict=True) if b is not None}
        self._there = {venue: desk.at_venue(venue) for venue in desk.venues}
        self._on = {coin: desk.on(coin) for coin in desk.backed}
        self._cents = {venue: 0.01 * desk.accounts(there) for venue, there in self._there.items()}

    @classmethod
    def of(
        cls,
        portfolio: Portfolio,
        view: MarketView,
        tolerance: Tolerance,
        *,
        venues: Mapping[str, VenueRecord],
        mode: MarginMode = MarginMode.CROSS,
    ) -> Replanner:
        """Decide once in full, and keep what can be used again.

        Args:
            portfolio: What is held.
            view: The market as known at the moment of the decision.
            tolerance: What is wanted, and with what means.
            venues: Due-diligence records by venue key.
            mode: Cross margin judges a venue's book as a whole, isolated each short alone.

        Raises:
            InfeasibleError: If limits contradict each other.
            StormsailError: As the rooms below raise them.
        """
        made = prepare(survey(portfolio, view, tolerance, venues=venues))
        return cls(made.desk, settle(made.desk, made.keeper, mode), mode)

    def at(self, factors: FloatArray) -> Replanned:
        """The book when every price is multiplied by its factor.

        Args:
            factors: New price over price at the decision, of each of :attr:`coins`, shape (K,).

        Raises:
            InputError: If there is not one positive, finite factor for each coin.
            InfeasibleError: If the limits contradict each other at these prices.
            NumericalError: If no book is found whose collateral fits.
        """
        factors = np.asarray(factors, dtype=np.float64)
        if factors.shape != (len(self.coins),) or not (np.isfinite(factors) & (factors > 0.0)).all():
            raise InputError("factors are not positive numbers", cure="give one for each of coins", where="factors")
        desk = self._desk
        held = desk.held * factors
        wanted = desk.tolerance.coverage * held
        risky = desk.risky + float((held - desk.held).sum())
        value = desk.value + risky - desk.risky
        ticks = self._grid.ticks(factors)
        lot = self._grid.lots(ticks)
        drift = self._grid.drift(factors, ticks)
        least = self._grid.least(ticks, smallest_useful(risky))
        bounds = self._bounds(held, wanted, value, factors, drift)
        limits = self._problem.limits
        slope = self._run - self._wish @ wanted / risky
        h = self._programme.again(self._problem, slope, bounds, risky) if len(lot) else np.zeros(0)
        pull = Pull(self._curve / risky, slope - self._problem.cost, self._problem.cost, np.zeros(len(lot)), risky)
        for _ in range(_ROUNDS):
            limits = Limits(limits.groups, limits.names, limits.rows, bounds)
            lots = whole_lots(limits, pull, h, lot, least)
            worth: FloatArray = lots * lot
            need = {venue: float(rate @ worth) for venue, rate in self._need.items()}
            if self._fits(need, desk.posted * drift * worth, value):
                direct, proxy = split_cover(wanted, desk.short(worth), desk.beta)
                orders = self._grid.targets(lots, ticks)
                return Replanned(orders, worth, held, wanted, direct, proxy, need, self._coins(orders))
            limits = self._dearer(limits)
            h = Programme().solve(self._scaled(limits, wanted, risky)).h
        raise NumericalError(
            f"no book in {_ROUNDS} rounds whose collateral fits", cure="make the whole plan anew", where="replan"
        )

    def _coins(self, orders: Sequence[Target]) -> dict[str, Decimal]:
        """Coins behind each inverse short."""
        own = self._own
        return {o.contract.id: own[o.contract.id].coins(o.notional, o.price) for o in orders if o.contract.id in own}

    def _bounds(
        self, held: FloatArray, wanted: FloatArray, value: float, factors: FloatArray, drift: FloatArray
    ) -> FloatArray:
        """What the limits allow at these prices, in the order of their rows.

        The rows count coins at a contract's price before it is put on its tick; where the tick lies below, they are
        allowed that much less.
        """
        desk, wish = self._desk, self._desk.tolerance
        limits = self._problem.limits
        bounds = limits.bounds.copy()
        n = len(desk.terms)
        bounds[:n] = np.where(self._allowed, desk.reach.capacity(wanted), 0.0)
        for row in range(n, len(bounds)):
            group = limits.groups[row]
            if group is Limit.VENUE:
                venue = limits.names[row]
                bounds[row] = self._cap(venue, value) / self._finer(drift, self._there[venue])
            elif group is Limit.COINS:
                coin = limits.names[row]
                free = desk.free(coin, float(factors[desk.coins.index(coin)]))
                bounds[row] = free / self._finer(drift, self._on[coin])
            elif group is Limit.DELTA:
                bounds[row] = float(desk.beta @ (wanted + wish.max_net_delta * held))
            elif group is Limit.FLOOR and wish.floor is not None:
                bounds[row] = value - float(desk.fall @ held) - to_float(wish.floor)
        return bounds

    def _cap(self, venue: str, value: float) -> float:
        """Most that may lie at a venue, which is a share of the portfolio's value, less a cent for each account."""
        return max(self._desk.caps[venue] * (value / self._desk.value) - self._cents[venue], 0.0)

    def _finer(self, drift: FloatArray, among: FloatArray) -> float:
        """Largest drift of an inverse contract among some, at least 1."""
        return float((drift * among * (self._desk.posted > 0)).max(initial=1.0))

    def _fits(self, need: Mapping[str, float], posted: FloatArray, value: float) -> bool:
        desk = self._desk
        if sum(need.values()) > desk.cash + _MONEY:
            return False
        return all(
            amount + float(posted @ self._there[venue]) <= self._cap(venue, value) + _MONEY
            for venue, amount in need.items()
        )

    def _dearer(self, limits: Limits) -> Limits:
        """The limits with collateral counted at what the book is judged by, where that is more."""
        rows = limits.rows.copy()
        for row, (group, name) in enumerate(zip(limits.groups, limits.names, strict=True)):
            if group is Limit.VENUE:
                rows[row] = np.maximum(rows[row], self._need[name] + self._desk.posted * self._there[name])
            elif group is Limit.COLLATERAL:
                rows[row] = np.maximum(rows[row], sum(self._need.values()))
        return replace(limits, rows=rows)

    def _scaled(self, limits: Limits, wanted: FloatArray, risky: float) -> Problem:
        return replace(self._problem, limits=limits, wanted=wanted, value=risky)


def _need_rates(desk: Desk, book: Settled, mode: MarginMode) -> dict[str, FloatArray]:
    """Collateral per unit of each short, by venue, shape (n,): of the contract alone, times what the venue's last book
    as a whole needed over what its parts needed."""
    alone = desk.cash_rates(np.array([r.rate for r in book.alone]))
    found = {}
    for venue in desk.venues:
        rates = alone * desk.at_venue(venue)
        parts = float(rates @ book.worth)
        share = book.need[venue] / parts if parts > 0 and mode is MarginMode.CROSS else 1.0
        found[venue] = rates * share
    return found
