"""Collateral: for each contract alone, for a venue's book as a whole, and what is posted in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from stormsail.core import Finding, Trouble, Unavailable, to_float
from stormsail.margin.collateral import Leg, allowance, shorts_requirement
from stormsail.margin.floor import rise_class
from stormsail.margin.methods import Simulated, standard_methods
from stormsail.margin.moves import ENOUGH, Moves, book_moves
from stormsail.margin.paid import funding_buffer
from stormsail.margin.types import CollateralRequirement, Method, Promise
from stormsail.plan.problem import FloatArray
from stormsail.plan.terms import Terms

_GARCH_BARS = 1000


def simulated(moves: Moves, span: timedelta) -> Simulated | Unavailable:
    """Largest rises within ``span`` on paths of a GARCH(1,1) with Student's t, fitted to the last 1,000 bars."""
    from stormsail.forecast.garch import fit_garch, rare_max_rise

    if moves.history < ENOUGH:
        return Unavailable("simulation: less than 30 days of history")
    fit = fit_garch(np.log(moves.usable()[1][-_GARCH_BARS:]))
    if isinstance(fit, Unavailable):
        return fit
    rises, weights = rare_max_rise(fit, moves.steps(span))
    return Simulated(rises, f"GARCH(1,1)-t: {fit.detail}", weights)


def joint_moves(terms: Sequence[Terms], notionals: FloatArray) -> tuple[Moves | Unavailable, tuple[Finding, ...]]:
    """Moves of a book of shorts at today's weights, and the contracts that the rest of the book stands for."""
    moves, left = book_moves([t.moves for t in terms], notionals)
    if isinstance(moves, Unavailable) or not left:
        return moves, ()
    cause = f"little history of {', '.join(terms[i].contract.id for i in left)} beside the others"
    cure = "the rest of the book stands for them; the measured floor counts them"
    return moves, (Finding(Trouble.DEGRADED, "book history", cause, cure),)


@dataclass(frozen=True, slots=True, eq=False)
class Keeper:
    """Works out requirements under one promise.

    Attributes:
        promise: What must be kept.
    """

    promise: Promise

    def alone(self, terms: Terms, notional: float) -> CollateralRequirement:
        """Requirement of one contract short by ``notional``, standing alone."""
        methods = self._methods(terms.moves, {_row(terms): 1.0})
        return self._close(terms.contract.id, methods, [terms], np.array([max(notional, 1.0)]))

    def each(self, terms: Sequence[Terms], notionals: FloatArray) -> tuple[CollateralRequirement, ...]:
        """:meth:`alone` of every contract; two at a time, since the paths are drawn without holding the interpreter."""
        pairs = [(t, float(n)) for t, n in zip(terms, notionals, strict=True)]
        first = [self.alone(*pair) for pair in pairs[:1]]  # it draws the numbers that all share
        with ThreadPoolExecutor(max_workers=2) as workers:
            return (*first, *workers.map(lambda pair: self.alone(*pair), pairs[1:]))

    def together(
        self, venue: str, terms: Sequence[Terms], notionals: FloatArray, moves: Moves | Unavailable
    ) -> CollateralRequirement:
        """Requirement of a venue's book under cross margin.

        Args:
            venue: Its key.
            terms: Of each short.
            notionals: Of each short, positive.
            moves: Of the book as a whole.
        """
        shares: dict[str, float] = {}
        for term, notional in zip(terms, notionals, strict=True):
            shares[_row(term)] = shares.get(_row(term), 0.0) + float(notional)
        return self._close(f"{venue} book", self._methods(moves, shares), terms, notionals)

    def _methods(self, moves: Moves | Unavailable, shares: Mapping[str, float]) -> tuple[Method, ...]:
        drawn = None if isinstance(moves, Unavailable) else simulated(moves, self.promise.top_up)
        return standard_methods(moves, shares, self.promise, simulated=drawn)[0]

    def _close(
        self, subject: str, methods: Sequence[Method], terms: Sequence[Terms], notionals: FloatArray
    ) -> CollateralRequirement:
        """Put maintenance at the liquidation price, allowances and the venue's leverage limit on top of the rise."""
        legs = [Leg(float(n), t.table, self._allowance(t)) for n, t in zip(notionals, terms, strict=True)]
        return shorts_requirement(subject, methods, self.promise, legs)

    def _allowance(self, terms: Terms) -> float:
        cap, hours = terms.funding_cap
        span = self.promise.top_up / timedelta(hours=1)
        paid = funding_buffer(terms.contract.base, span, cap=cap, interval_hours=hours, young=terms.young)
        return allowance(funding=paid, fee=to_float(terms.contract.taker_fee))


def _row(terms: Terms) -> str:
    """The contract's row of the floor table."""
    return str(rise_class(terms.contract.base, young=terms.young))
