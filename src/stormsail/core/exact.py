"""Where exact money and statistical floats meet; nothing else in the project converts between them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, localcontext

MONEY_CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN)
"""Context for exact arithmetic: fifty digits, so that no product of quantity and price is ever rounded unseen."""

LARGEST = Decimal("1e15")
"""No amount of money is larger; what is, is a slip of the finger."""


def exact(value: str | int | Decimal) -> Decimal:
    """Read an exact decimal number; refuses NaN and infinity.

    Raises:
        ValueError: If ``value`` is not a finite decimal number.

    >>> exact("1.10")
    Decimal('1.10')
    """
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"not a decimal number: {value!r}") from error
    if not number.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    return number


def from_float(value: float) -> Decimal:
    """The decimal a float prints as (its shortest repr), so 1.5 becomes exactly 1.5.

    >>> from_float(0.1)
    Decimal('0.1')
    """
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {value!r}")
    return Decimal(repr(float(value)))


def to_float(value: Decimal) -> float:
    """The float nearest to an exact number, for statistics only."""
    return float(value)


def times(*factors: Decimal) -> Decimal:
    """Exact product (fifty digits).

    >>> times(Decimal("50000"), Decimal("1.5"))
    Decimal('75000.0')
    """
    with localcontext(MONEY_CONTEXT):
        product = Decimal(1)
        for factor in factors:
            product *= factor
        return product


def plus(terms: Iterable[Decimal]) -> Decimal:
    """Exact sum (fifty digits); the built-in ``sum`` rounds to the 28 of the thread's own context.

    >>> plus([Decimal("1e20"), Decimal("1e-12")])
    Decimal('100000000000000000000.000000000001')
    """
    with localcontext(MONEY_CONTEXT):
        return sum(terms, Decimal(0))


def _round_to(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= 0:
        raise ValueError(f"step must be positive, not {step}")
    with localcontext(MONEY_CONTEXT):
        return (value / step).quantize(Decimal(1), rounding=rounding) * step


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Largest multiple of ``step`` not above ``value``.

    >>> floor_to(Decimal("1.237"), Decimal("0.01"))
    Decimal('1.23')
    """
    return _round_to(value, step, ROUND_FLOOR)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Smallest multiple of ``step`` not below ``value``.

    >>> ceil_to(Decimal("1.231"), Decimal("0.01"))
    Decimal('1.24')
    """
    return _round_to(value, step, ROUND_CEILING)


def nearest_to(value: Decimal, step: Decimal) -> Decimal:
    """Multiple of ``step`` nearest to ``value``, ties to even.

    >>> nearest_to(Decimal("1.235"), Decimal("0.01"))
    Decimal('1.24')
    """
    return _round_to(value, step, ROUND_HALF_EVEN)
