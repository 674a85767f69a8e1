"""What a floor asks of the coverage, and whether the two contradict each other."""

from __future__ import annotations

from stormsail.audit.tolerance import Tolerance
from stormsail.core import Finding, Trouble, to_float


def coverage_for_floor(value: float, floor: float, survive: float) -> float:
    """Smallest coverage that leaves ``floor`` after the portfolio falls by ``survive``.

    A share ``c`` hedged one to one leaves ``value (1 - survive (1 - c))``; solved for ``c``:
    ``1 - (1 - floor/value) / survive``, clipped to [0, 1]. A floor above ``value`` cannot be reached by hedging: 1.

    Args:
        value: Value of the risky holdings today, positive.
        floor: Value to keep, 0 or more.
        survive: Fall to be survived, in (0, 1).

    Raises:
        ValueError: If an argument is out of range.

    >>> coverage_for_floor(100_000, 85_000, 0.3)
    0.5
    """
    if not value > 0 or not floor >= 0 or not 0 < survive < 1:
        raise ValueError(f"value {value}, floor {floor} or survive {survive} is out of range")
    return min(max(1.0 - (1.0 - floor / value) / survive, 0.0), 1.0)


def value_after_fall(value: float, coverage: float, survive: float) -> float:
    """What is left of ``value`` after a fall by ``survive`` with that share hedged one to one.

    >>> value_after_fall(100_000, 0.5, 0.3)
    85000.0
    """
    return value * (1.0 - survive * (1.0 - coverage))


def check_tolerance(tolerance: Tolerance, risky_value: float, cash: float = 0.0) -> tuple[Finding, ...]:
    """Findings where the wishes cannot all be had at this value of the portfolio.

    Args:
        tolerance: The wishes.
        risky_value: Value of what can fall, in the currency of the wishes.
        cash: Stablecoins held beside it, which do not fall.
    """
    found: list[Finding] = []
    if tolerance.floor is not None and risky_value > 0:
        found += _floor_findings(tolerance, to_float(tolerance.floor), risky_value, cash)
    if tolerance.budget is not None and risky_value > 0 and to_float(tolerance.budget) > risky_value:
        found.append(
            Finding(
                Trouble.NOTE,
                "budget",
                f"a budget of {tolerance.budget:,f} exceeds the risky value of {risky_value:,.0f}",
                "it limits nothing; check the unit",
            )
        )
    return tuple(found)


def _floor_findings(tolerance: Tolerance, floor: float, risky_value: float, cash: float) -> list[Finding]:
    left = cash + value_after_fall(risky_value, tolerance.coverage, tolerance.survive)
    total = cash + risky_value
    if floor > total:
        return [
            Finding(
                Trouble.FAIL_CLOSED,
                "floor",
                f"a floor of {floor:,.0f} is above the portfolio's value of {total:,.0f}",
                "a hedge keeps value and does not add any; lower the floor",
            )
        ]
    if left >= floor * (1 - 1e-12):
        return []
    needed = coverage_for_floor(risky_value, max(floor - cash, 0.0), tolerance.survive)
    return [
        Finding(
            Trouble.FAIL_CLOSED,
            "floor against coverage",
            f"after a fall of {tolerance.survive:.1%}, coverage {tolerance.coverage:.1%} leaves {left:,.0f}, "
            f"below the floor of {floor:,.0f}",
            f"raise coverage to {needed:.1%} or lower the floor to {left:,.0f}",
        )
    ]
