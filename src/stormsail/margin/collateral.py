"""The collateral that keeps a promise: the largest rise any method wants survived, turned into a margin.

A linear short with collateral ``m`` per unit of notional is liquidated at the rise ``b`` where
``m - b = mmr (1 + b)``, so surviving ``b`` takes ``m = b + mmr (1 + b)`` (Alexander, Deng and Zou 2023, "Hedging with
automatic liquidation and leverage selection on bitcoin futures", the same event). ``b`` is the largest rise that the
five methods (:mod:`stormsail.margin.methods`) name for the chance allowed in one top-up span.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stormsail.core import Finding, InputError, Trouble, from_float, to_float
from stormsail.margin.tiers import maintenance_rate, max_leverage
from stormsail.margin.types import CollateralRequirement, Method, Promise, TierTable, UpMove


def survive(promise: Promise) -> UpMove:
    """The rise the holder asked to survive, whatever the statistics say."""
    return UpMove("survive", promise.survive, "asked for", 0)


def allowance(*, funding: float, fee: float = 0.0, haircut: float = 0.0) -> float:
    """Extra collateral per unit of notional: funding paid until the top-up (:mod:`stormsail.margin.paid`), the closing
    fee, and the collateral's own haircut, all as fractions: ``funding + fee + haircut``.

    >>> from stormsail.margin.paid import funding_buffer
    >>> round(allowance(funding=funding_buffer("BTC", 24, cap=0.003, interval_hours=8), fee=0.0005), 6)
    0.004
    """
    return funding + fee + haircut


def margin_for(move: float, maintenance_rate: float, extras: float = 0.0) -> float:
    """Collateral per unit of notional that survives a rise: ``b + mmr (1 + b) + extras``.

    >>> round(margin_for(0.30, 0.01), 6)
    0.313
    """
    return move + maintenance_rate * (1.0 + move) + extras


def collateral_requirement(
    subject: str,
    methods: Sequence[Method],
    promise: Promise,
    maintenance_rate: float,
    extras: float = 0.0,
) -> CollateralRequirement:
    """Collateral per unit of short notional that keeps ``promise``: the largest of the methods decides.

    Args:
        subject: Contract id, or the name of a book.
        methods: What each method wants survived; the promise's own ``survive`` is added.
        promise: Chance, horizon, top-up span, and the rise to survive in any case.
        maintenance_rate: Maintenance rate at the liquidation price.
        extras: See :func:`allowance`.

    Returns:
        The requirement; ``chance`` holds, by method, the chance that the chosen rise is reached within one top-up span.

    Raises:
        InputError: If a method's rise is not a finite number at or above 0.

    >>> from datetime import timedelta
    >>> from stormsail.margin.floor import floor_rise
    >>> p = Promise(0.01, timedelta(days=30), timedelta(days=1), 0.30)
    >>> r = collateral_requirement("x", [floor_rise("BTC", p.top_up)], p, 0.01)
    >>> r.decided_by, round(r.rate, 4)
    ('survive', 0.313)
    """
    for method in methods:
        if not (math.isfinite(method.move) and method.move >= 0):
            raise InputError(
                f"method {method.name} gives a rise of {method.move}",
                cure="leave the method out, or give it enough history",
                where=subject,
            )
    ordered = sorted(methods, key=lambda m: (-m.move, m.name))
    rises = sorted([*(m.rise for m in methods), survive(promise)], key=lambda m: (-m.move, m.method))
    top = rises[0]
    return CollateralRequirement(
        subject=subject,
        move=top.move,
        decided_by=top.method,
        methods=tuple(rises),
        maintenance_rate=maintenance_rate,
        rate=margin_for(top.move, maintenance_rate, extras),
        extras=extras,
        chance=tuple((m.name, float(m.exceed(top.move))) for m in ordered),
    )


@dataclass(frozen=True, slots=True)
class Leg:
    """One linear short of a requirement.

    Attributes:
        notional: Absolute value now, positive.
        table: Its brackets.
        extras: See :func:`allowance`.
    """

    notional: float
    table: TierTable
    extras: float


def shorts_requirement(
    subject: str, methods: Sequence[Method], promise: Promise, legs: Sequence[Leg]
) -> CollateralRequirement:
    """Collateral of one short, or of a book that rises as one, per unit of notional.

    Maintenance is that of the brackets at the liquidation price; allowances are weighted by notional. Where the venue's
    leverage limit asks for more, the difference counts as extra.

    Args:
        subject: Contract id, or the name of a book.
        methods: What each method wants survived.
        promise: The promise to keep.
        legs: The shorts, at least one.
    """
    move = max([m.move for m in methods] + [promise.survive])
    notionals = np.array([leg.notional for leg in legs])
    weights = notionals / notionals.sum()
    at_end = [from_float(leg.notional * (1.0 + move)) for leg in legs]
    shares = [to_float(maintenance_rate(n, leg.table)) for n, leg in zip(at_end, legs, strict=True)]
    rate = sum(w * r for w, r in zip(weights, shares, strict=True))
    extras = sum(w * leg.extras for w, leg in zip(weights, legs, strict=True))
    least = sum(
        w / max(to_float(max_leverage(from_float(leg.notional), leg.table)), 1.0)
        for w, leg in zip(weights, legs, strict=True)
    )
    full = collateral_requirement(subject, methods, promise, float(rate), float(extras))
    short = least - full.rate
    if short <= 0:
        return full
    return collateral_requirement(subject, methods, promise, float(rate), float(extras + short))


def ceiling_findings(requirement: CollateralRequirement) -> tuple[Finding, ...]:
    """That methods asked for more than the ceiling, and how much, as one finding.

    >>> rise = UpMove("pareto", 2.4, "", 276, asked=9.8)
    >>> r = CollateralRequirement("x", 2.4, "pareto", (rise,), 0.01, 2.434, 0.0, ())
    >>> print(ceiling_findings(r)[0])
    degraded  collateral x: pareto asked to survive a rise of 980 %; held to 240 %, that of the worst tenth of all coins
    """
    held = [m for m in requirement.methods if m.asked is not None]
    if not held:
        return ()
    asked = ", ".join(f"{m.method} asked to survive a rise of {100 * (m.asked or 0.0):,.0f} %" for m in held)
    cure = f"held to {100 * held[0].move:,.0f} %, that of the worst tenth of all coins"
    return (Finding(Trouble.DEGRADED, f"collateral {requirement.subject}", asked, cure),)
