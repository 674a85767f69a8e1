"""Free equity as a function of one move, and where it first falls to zero.

Everything in an account that moves with a factor ``t`` is a power of it, so free equity is a sum of pieces: each asset
gives the smaller of two polynomials (with and without haircut), each position takes the largest of its bracket lines.

- Without quanto positions every polynomial is a line. A smallest of lines less a largest of lines is *concave*, so free
  equity crosses zero at most once on each side of today. Newton's method started beyond the crossing walks down one
  piece at a time and ends exactly on it.
- A quanto position moves with its price and with the coin it pays in, which gives a square. The pieces are then swept
  outward from today one by one, and the first root of the first piece that has one is the first crossing.

No tolerance, no number of steps to choose; where no crossing is, ``None`` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise

from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.types import Tier

Poly = tuple[Decimal, Decimal, Decimal]
"""Coefficients of 1, t and t squared."""

ZERO, ONE = Decimal(0), Decimal(1)
NOTHING: Poly = (ZERO, ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class Purse:
    """One asset: its net value before the haircut, as a polynomial, and the rate that counts of a credit."""

    value: Poly
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Demand:
    """One position's requirement: ``(notional t**power (rate + fee) - deduction) worth t**level``.

    Attributes:
        notional: In the asset it pays in, at ``t = 1``.
        power: How the notional moves: -1, 0 or 1.
        worth: Value of the asset at ``t = 1``, times the account's trigger.
        level: How the asset's value moves: 0 or 1.
        tiers: Brackets.
        fee: Fee rate that counts as maintenance.
    """

    notional: Decimal
    power: int
    worth: Decimal
    level: int
    tiers: Sequence[Tier]
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Curve:
    """Free equity: purses, less demands, plus the rest."""

    purses: Sequence[Purse]
    demands: Sequence[Demand]
    rest: Poly = NOTHING

    @property
    def straight(self) -> bool:
        """Whether every piece is a line."""
        return self.rest[2] == 0 and all(p.value[2] == 0 for p in self.purses) and all(
            d.power + d.level < 2 for d in self.demands
        )  # fmt: skip

    def piece(self, t: Decimal | None) -> Poly:
        """The polynomial that holds around ``t``; 0 is just above zero and ``None`` is beyond everything."""
        total = list(self.rest)
        for purse in self.purses:
            share = purse.rate if _positive(purse.value, t) else ONE
            for power in range(3):
                total[power] += share * purse.value[power]
        for demand in self.demands:
            tier = _tier(demand, t)
            total[demand.power + demand.level] -= demand.notional * (tier.rate + demand.fee) * demand.worth
            total[demand.level] += tier.deduction * demand.worth
        return (total[0], total[1], total[2])

    def at(self, t: Decimal) -> Decimal:
        """Free equity at ``t``."""
        return value(self.piece(t), t)


def add(total: Poly, power: int, amount: Decimal) -> Poly:
    """``total + amount t**power``."""
    return (
        total[0] + (amount if power == 0 else ZERO),
        total[1] + (amount if power == 1 else ZERO),
        total[2] + (amount if power == 2 else ZERO),
    )


def value(poly: Poly, t: Decimal) -> Decimal:
    """The polynomial at ``t``."""
    return poly[0] + t * (poly[1] + t * poly[2])


def first_crossing(curve: Curve, *, up: bool, start: Decimal = ONE) -> Decimal | None:
    """The nearest ``t`` above (or below) ``start`` at which free equity is zero; ``start`` if it is zero or less there.

    Returns:
        That ``t``, or ``None`` when there is no crossing however far the move goes (down: to zero).
    """
    with localcontext(MONEY_CONTEXT):
        if curve.at(start) <= 0:
            return start
        if curve.straight:
            return _newton_up(curve) if up else _newton_down(curve)
        return _sweep(curve, start, up=up)


def _newton_up(curve: Curve) -> Decimal | None:
    level, slope, _ = curve.piece(None)
    if slope >= 0:
        return None
    at = -level / slope
    while True:
        level, slope, _ = curve.piece(at)
        closer = -level / slope
        if closer >= at:
            return at
        at = closer


def _newton_down(curve: Curve) -> Decimal | None:
    level, slope, _ = curve.piece(ZERO)
    if level >= 0:
        return None
    at = -level / slope
    while True:
        level, slope, _ = curve.piece(at)
        closer = -level / slope
        if closer <= at:
            return at
        at = closer


def _sweep(curve: Curve, start: Decimal, *, up: bool) -> Decimal | None:
    stops = sorted(t for t in set(_stops(curve)) if (t > start if up else 0 < t < start))
    edges: list[Decimal] = [start, *(stops if up else stops[::-1])]
    for near, far in pairwise(edges):
        if curve.at(near) <= 0:
            return near
        roots = _roots(curve.piece((near + far) / 2))
        inside = [t for t in roots if min(near, far) <= t <= max(near, far)]
        if inside:
            return min(inside) if up else max(inside)
    last = edges[-1]
    if curve.at(last) <= 0:
        return last
    beyond = [t for t in _roots(curve.piece(None if up else ZERO)) if (t >= last if up else 0 < t <= last)]
    return (min(beyond) if up else max(beyond)) if beyond else None


def _stops(curve: Curve) -> list[Decimal]:
    """Factors at which a piece may change: bracket bounds and changes of sign."""
    found = [t for purse in curve.purses for t in _roots(purse.value)]
    for demand in curve.demands:
        if demand.power:
            bounds = [tier.cap / demand.notional for tier in demand.tiers[:-1]]
            found += bounds if demand.power > 0 else [1 / t for t in bounds]
    return found


def _roots(poly: Poly) -> list[Decimal]:
    c, b, a = poly
    if a == 0:
        return [-c / b] if b else []
    under = b * b - 4 * a * c
    if under < 0:
        return []
    # the stable form: no difference of nearly equal numbers
    half = -(b + under.sqrt().copy_sign(b)) / 2
    return [half / a, c / half] if half else [ZERO]


def _positive(poly: Poly, t: Decimal | None) -> bool:
    if t is None:
        return next((c for c in reversed(poly) if c), ZERO) > 0
    if t == 0:
        return next((c for c in poly if c), ZERO) > 0
    return value(poly, t) > 0


def _tier(demand: Demand, t: Decimal | None) -> Tier:
    tiers = demand.tiers
    if demand.power and (t is None or t == 0):
        return tiers[-1] if (t is None) == (demand.power > 0) else tiers[0]
    notional = demand.notional
    if t is not None and demand.power:
        notional = notional * t if demand.power > 0 else notional / t
    return next((tier for tier in tiers if notional <= tier.cap), tiers[-1])
