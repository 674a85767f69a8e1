"""Collateral: for each contract alone, for a venue's book as a whole, and what is posted in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from stormsail.core import Finding, Trouble, Unavailable, from_float, to_float
from stormsail.margin.collateral import allowance, collateral_requirement
from stormsail.margin.floor import floor_rise, rise_class
from stormsail.margin.moves import Moves
from stormsail.margin.rise import ENOUGH, bootstrap_rise, ewma_sigma_daily, from_simulation, reflection
from stormsail.margin.tail import block_maxima, pareto_tail
from stormsail.margin.tiers import maintenance_rate, max_leverage
from stormsail.margin.types import CollateralRequirement, Promise, UpMove
from stormsail.plan.problem import FloatArray
from stormsail.plan.terms import Terms

PATHS = 10_000
_GARCH_BARS = 1000
_FALLBACK_CAP = 0.003


def rises(moves: Moves, promise: Promise, kind: str | Mapping[str, float]) -> tuple[list[UpMove], list[str]]:
    """The rise each method wants survived within one top-up span, and why others say nothing.

    Args:
        moves: Bar moves of a contract or a book.
        promise: Chance and span.
        kind: Class of the coin, or weights by class for a book.
    """
    alpha, span = promise.alpha_per_top_up, promise.top_up
    found: list[UpMove | Unavailable] = []
    sigma = ewma_sigma_daily(moves)
    found.append(sigma if isinstance(sigma, Unavailable) else reflection(sigma, span, alpha))
    found.append(bootstrap_rise(moves, span, alpha, paths=PATHS))
    found.append(_garch(moves, span, alpha))
    found.append(pareto_tail(block_maxima(moves, span), alpha))
    found.append(floor_rise(kind, span, alpha))
    return [m for m in found if isinstance(m, UpMove)], [m.reason for m in found if isinstance(m, Unavailable)]


def _garch(moves: Moves, span: timedelta, alpha: float) -> UpMove | Unavailable:
    from stormsail.forecast.garch import fit_garch, simulate_max_rise

    if moves.history < ENOUGH:
        return Unavailable("garch: less than 30 days of history")
    closes = moves.usable()[1][-_GARCH_BARS:]
    fit = fit_garch(np.log(closes))
    if isinstance(fit, Unavailable):
        return fit
    maxima = simulate_max_rise(fit, moves.steps(span), PATHS)
    return from_simulation(maxima, alpha, f"GARCH(1,1)-t: {fit.detail}")


@dataclass(frozen=True, slots=True, eq=False)
class Keeper:
    """Works out requirements under one promise.

    Attributes:
        promise: What must be kept.
    """

    promise: Promise

    def alone(self, terms: Terms, notional: float) -> CollateralRequirement:
        """Requirement of one contract short by ``notional``, standing alone."""
        kind = rise_class(terms.contract.base, young=terms.young)
        methods, _ = rises(terms.moves, self.promise, str(kind))
        return self._close(terms.contract.id, methods, [terms], np.array([max(notional, 1.0)]))

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
            kind = str(rise_class(term.contract.base, young=term.young))
            shares[kind] = shares.get(kind, 0.0) + float(notional)
        if isinstance(moves, Unavailable):
            methods = [floor_rise(shares, self.promise.top_up, self.promise.alpha_per_top_up)]
        else:
            methods, _ = rises(moves, self.promise, shares)
        return self._close(f"{venue} book", methods, terms, notionals)

    def _close(
        self, subject: str, methods: Sequence[UpMove], terms: Sequence[Terms], notionals: FloatArray
    ) -> CollateralRequirement:
        """Put maintenance at the liquidation price, allowances and the venue's leverage limit on top of the rise."""
        move = max([m.move for m in methods] + [self.promise.survive])
        weights = notionals / notionals.sum()
        at_end = [from_float(float(n) * (1.0 + move)) for n in notionals]
        rate = sum(w * to_float(maintenance_rate(n, t.table)) for w, n, t in zip(weights, at_end, terms, strict=True))
        extras = sum(w * self._allowance(t) for w, t in zip(weights, terms, strict=True))
        least = sum(
            w / max(to_float(max_leverage(from_float(float(n)), t.table)), 1.0)
            for w, n, t in zip(weights, notionals, terms, strict=True)
        )
        full = collateral_requirement(subject, methods, self.promise, float(rate), float(extras))
        short = least - full.rate
        return (
            full
            if short <= 0
            else collateral_requirement(subject, methods, self.promise, float(rate), float(extras + short))
        )

    def _allowance(self, terms: Terms) -> float:
        cap, hours = (_FALLBACK_CAP, 8.0) if isinstance(terms.funding_cap, Unavailable) else terms.funding_cap
        return allowance(
            funding_cap=cap,
            interval_hours=hours,
            hours=self.promise.top_up / timedelta(hours=1),
            fee=to_float(terms.contract.taker_fee),
        )


def coarsened(moves: Moves, bar: timedelta) -> Moves:
    """The same moves on longer bars; a long bar counts only if all of its short ones are known.

    Args:
        moves: Moves on bars that divide ``bar``.
        bar: The longer length.
    """
    count = bar // moves.bar
    if count <= 1:
        return moves
    width = round(bar / timedelta(microseconds=1))
    group = -(-moves.times.astype(np.int64) // width)
    names, first, size = np.unique(group, return_index=True, return_counts=True)
    full = size == count
    rows = first[full][:, None] + np.arange(count)
    closes, highs = moves.closes[rows], moves.highs[rows]
    level = np.cumprod(closes, axis=1)
    top = (level / closes * highs).max(axis=1)
    times = (names[full] * width).astype("datetime64[us]")
    return Moves(times, top, level[:, -1], bar)


def joint_moves(terms: Sequence[Terms], notionals: FloatArray) -> tuple[Moves | Unavailable, tuple[Finding, ...]]:
    """Moves of a book of shorts at today's weights, from the contracts that have enough history.

    Bars are brought to the coarsest length among them. Contracts with less than 30 days, or less than half of the
    longest history, are represented by the rest of the book; the measured floor still counts them in their own class.
    """
    longest = max((t.moves.history for t in terms), default=timedelta(0))
    fit = [i for i, t in enumerate(terms) if t.moves.history >= max(ENOUGH, 0.5 * longest)]
    if not fit:
        return Unavailable("no contract of the book has 30 days of history"), ()
    bar = max(terms[i].moves.bar for i in fit)
    parts = [coarsened(terms[i].moves, bar) for i in fit]
    common = parts[0].times
    for part in parts[1:]:
        common = np.intersect1d(common, part.times, assume_unique=True)
    weight = notionals[fit] / notionals[fit].sum()
    highs, closes = np.zeros(len(common)), np.zeros(len(common))
    for w, part in zip(weight, parts, strict=True):
        at = np.searchsorted(part.times, common)
        highs += w * part.highs[at]
        closes += w * part.closes[at]
    left = [t.contract.id for i, t in enumerate(terms) if i not in set(fit)]
    findings: tuple[Finding, ...] = ()
    if left:
        cause = f"little history of {', '.join(left)} beside the others"
        cure = "the rest of the book stands for them; the measured floor counts them"
        findings = (Finding(Trouble.DEGRADED, "book history", cause, cure),)
    return Moves(common, highs, closes, bar), findings
