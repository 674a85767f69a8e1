"""The collateral that keeps a promise: the largest rise any method wants survived, turned into a margin.

A linear short with collateral ``m`` per unit of notional is liquidated at the rise ``b`` where
``m - b = mmr (1 + b)``, so surviving ``b`` takes ``m = b + mmr (1 + b)`` (Alexander, Deng and Zou 2023, "Hedging with
automatic liquidation and leverage selection on bitcoin futures", the same event). ``b`` is the largest rise that the
five methods (:mod:`stormsail.margin.rise`, ``tail``, ``floor``) name for the chance allowed in one top-up span.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Finding, InputError, Trouble, Unavailable
from stormsail.margin.floor import SETTLED, RiseClass, floor_rise
from stormsail.margin.moves import Moves
from stormsail.margin.rise import ENOUGH, bootstrap_rise, ewma_sigma_daily, from_simulation, reflection
from stormsail.margin.tail import block_maxima, pareto_tail
from stormsail.margin.types import CollateralRequirement, Promise, UpMove

__all__ = [
    "allowance",
    "block_maxima",
    "bootstrap_rise",
    "collateral_requirement",
    "ewma_sigma_daily",
    "floor_rise",
    "from_simulation",
    "margin_for",
    "pareto_tail",
    "reflection",
    "standard_methods",
    "survive",
]


def survive(promise: Promise) -> UpMove:
    """The rise the holder asked to survive, whatever the statistics say."""
    return UpMove("survive", promise.survive, "asked for", 0)


def allowance(
    *, funding_cap: float, interval_hours: float, hours: float, fee: float = 0.0, haircut: float = 0.0
) -> float:
    """Extra collateral per unit of notional: funding at its cap against the short until the top-up, the closing fee,
    and the collateral's own haircut, all as fractions.

    ``|funding_cap| * ceil(hours / interval_hours) + fee + haircut``.

    >>> round(allowance(funding_cap=0.003, interval_hours=8, hours=24, fee=0.0005), 6)
    0.0095
    """
    return abs(funding_cap) * math.ceil(hours / interval_hours) + fee + haircut


def margin_for(move: float, maintenance_rate: float, extras: float = 0.0) -> float:
    """Collateral per unit of notional that survives a rise: ``b + mmr (1 + b) + extras``.

    >>> round(margin_for(0.30, 0.01), 6)
    0.313
    """
    return move + maintenance_rate * (1.0 + move) + extras


def collateral_requirement(
    subject: str,
    methods: Sequence[UpMove],
    promise: Promise,
    maintenance_rate: float,
    extras: float = 0.0,
) -> CollateralRequirement:
    """Collateral per unit of short notional that keeps ``promise``: the largest of the methods decides.

    Args:
        subject: Contract id, or the name of a book.
        methods: What each method wants survived; the promise's own ``survive`` is added if it is not among them.
        promise: Chance, horizon, top-up span, and the rise to survive in any case.
        maintenance_rate: Maintenance rate at the liquidation price.
        extras: See :func:`allowance`.

    Returns:
        The requirement; ``chance`` holds, by method, the chance that the chosen rise is reached within one top-up span.

    Raises:
        InputError: If a method's rise is not a finite number at or above 0.

    >>> from datetime import timedelta
    >>> p = Promise(0.01, timedelta(days=30), timedelta(days=1), 0.30)
    >>> r = collateral_requirement("x", [UpMove("floor", 0.25, "", 0)], p, 0.01)
    >>> r.decided_by, round(r.rate, 4)
    ('survive', 0.313)
    """
    wanted = list(methods)
    if all(m.method != "survive" for m in wanted):
        wanted.append(survive(promise))
    for method in wanted:
        if not (math.isfinite(method.move) and method.move >= 0):
            raise InputError(
                f"method {method.method} gives a rise of {method.move}",
                cure="leave the method out, or give it enough history",
                where=subject,
            )
    ordered = sorted(wanted, key=lambda m: (-m.move, m.method))
    top = ordered[0]
    return CollateralRequirement(
        subject=subject,
        move=top.move,
        decided_by=top.method,
        methods=tuple(replace(m, exceed=None) for m in ordered),
        maintenance_rate=maintenance_rate,
        rate=margin_for(top.move, maintenance_rate, extras),
        extras=extras,
        chance=tuple((m.method, float(m.exceed(top.move))) for m in ordered if m.exceed is not None),
    )


def standard_methods(
    subject: str,
    moves: Moves | Unavailable,
    kind: RiseClass | Mapping[str, float],
    promise: Promise,
    *,
    simulated: NDArray[np.float64] | None = None,
    simulation: str = "",
    paths: int = 10_000,
    seed: int = 20_250_831,
) -> tuple[tuple[UpMove, ...], tuple[Finding, ...]]:
    """Every method that the history at hand can carry, and a finding for each that it cannot.

    A single alt with less than :data:`~stormsail.margin.floor.SETTLED` of history is put in the row of young alts.

    Args:
        subject: Contract id, or the name of a book.
        moves: Bar moves of the contract or book (:func:`~stormsail.margin.moves.bar_moves`), known at the decision.
        kind: Row of the floor table, or weights by row for a book.
        promise: The promise to keep.
        simulated: Largest simulated rises within one top-up span, for method 3.
        simulation: The model behind them, in one line.
        paths: Bootstrap paths.
        seed: Key of bootstrap and refits.
    """
    alpha, span = promise.alpha_per_top_up, promise.top_up
    findings: list[Finding] = []
    if kind is RiseClass.ALT and (isinstance(moves, Unavailable) or moves.history < SETTLED):
        kind = RiseClass.YOUNG
        cause = f"less than {SETTLED.days} days of bars"
        findings.append(
            Finding(Trouble.NOTE, f"collateral {subject}", cause, "judged as a young coin, the worst tenth")
        )
    found: list[UpMove] = [survive(promise), floor_rise(kind, span, alpha)]

    def add(result: UpMove | Unavailable) -> None:
        if isinstance(result, Unavailable):
            cure = "the floor table and the other methods decide"
            findings.append(Finding(Trouble.UNAVAILABLE, f"collateral {subject}", result.reason, cure))
        else:
            found.append(result)

    if simulated is not None:
        found.append(from_simulation(simulated, alpha, simulation))
    if isinstance(moves, Unavailable):
        add(moves)
        return tuple(found), tuple(findings)
    sigma = ewma_sigma_daily(moves)
    add(sigma if isinstance(sigma, Unavailable) else reflection(sigma, span, alpha))
    add(bootstrap_rise(moves, span, alpha, paths=paths, seed=seed))
    if moves.history >= ENOUGH:
        add(pareto_tail(block_maxima(moves, span), alpha, seed=seed))
    return tuple(found), tuple(findings)
