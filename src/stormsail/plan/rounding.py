"""From real-valued notionals to whole lots, without ever breaking a limit.

Every target is cut down to whole lots, orders below the venue's minimum are dropped, and then lots are added, one at
a time unless thousands are missing, where the objective falls most, as long as every limit still holds. A position is
either nothing or at least the venue's minimum. If cutting down breaks a limit that wants *more* hedge (a floor, or a
budget that lives on carry), it is mended first; if no whole-lot book can be found, the error says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Contract, InfeasibleError, ceil_to, nearest_to, times, to_float
from stormsail.plan.problem import FloatArray, Limits, Problem

IntArray = NDArray[np.int64]

_SHRINK = (1.0, 0.999, 0.99, 0.97, 0.9, 0.75, 0.5, 0.0)


@dataclass(frozen=True, slots=True)
class Step:
    """The grid one contract is traded on.

    Attributes:
        contract: Which contract.
        price: Reference price, a multiple of the tick.
        lot_value: What one lot is worth, in quote currency.
        least: Fewest lots an order may have.
    """

    contract: Contract
    price: Decimal
    lot_value: Decimal
    least: int

    @classmethod
    def of(cls, contract: Contract, price: Decimal, *, smallest: Decimal = Decimal(0)) -> Step:
        """The grid of a contract at a price; ``smallest`` is the least notional worth an order to the holder."""
        price = max(nearest_to(price, contract.tick), contract.tick)
        value = contract.notional(contract.lot, price)
        wanted = max(contract.min_notional, smallest)
        return cls(contract, price, value, max(int(ceil_to(wanted, value) / value), 1))

    def quantity(self, lots: int) -> Decimal:
        """Contract units of that many lots."""
        return Decimal(format(times(self.contract.lot, Decimal(lots)), "f"))

    def notional(self, lots: int) -> Decimal:
        """Worth of that many lots, in quote currency."""
        return self.contract.notional(self.quantity(lots), self.price)


def round_book(problem: Problem, h: FloatArray, steps: Sequence[Step]) -> IntArray:
    """Whole lots of each contract, shape (n,), for target notionals ``h``; every limit of ``problem`` holds.

    Raises:
        InfeasibleError: If no whole-lot book near the target satisfies every limit.
    """
    lot = np.array([to_float(s.lot_value) for s in steps])
    least = np.array([s.least for s in steps], dtype=np.int64)
    held = np.zeros(len(h)) if problem.previous is None else problem.previous
    curve, slope = problem.quadratic()
    return whole_lots(problem.limits, Pull(curve, slope, problem.cost, held, problem.value), h, lot, least)


@dataclass(frozen=True, slots=True, eq=False)
class Pull:
    """The objective ``0.5 h'Ph + g'h + cost'|h - held|`` by which lots are added.

    Attributes:
        curve: ``P``, shape (n, n).
        slope: ``g``, shape (n,).
        cost: Shape (n,).
        held: What is short already, shape (n,).
        value: The portfolio's value, in which the objective's noise is told.
    """

    curve: FloatArray
    slope: FloatArray
    cost: FloatArray
    held: FloatArray
    value: float


def whole_lots(limits: Limits, pull: Pull, h: FloatArray, lot: FloatArray, least: IntArray) -> IntArray:
    """Whole lots of each contract, shape (n,), for target notionals ``h``, as :func:`round_book` does.

    Args:
        limits: None of which is broken.
        pull: The objective.
        h: Target notionals, shape (n,).
        lot: Worth of a lot, shape (n,).
        least: Fewest lots of an order, shape (n,).

    Raises:
        InfeasibleError: If no whole-lot book near the target satisfies every limit.
    """
    # a target that is a whole number of lots but for the last bit of a division must not lose one
    whole = np.floor(h / lot * (1 + 1e-12) + 1e-9) if len(h) else h
    for share in _SHRINK:
        lots = whole.astype(np.int64) if share == 1.0 else np.floor(whole * share).astype(np.int64)
        lots[lots < least] = 0
        mended = _mend(limits, lots, lot, least)
        if mended is not None:
            return _improve(limits, pull, mended, lot, least)
    raise InfeasibleError(
        "the limits leave no room for whole lots",
        cure="loosen the limit that binds a little, or use a contract with smaller lots",
        where="rounding",
    )


def _holds(limits: Limits, h: FloatArray) -> bool:
    return limits.hold(h, tolerance=_tolerance(limits))


def _tolerance(limits: Limits) -> float:
    """What a limit may be missed by in the last digits."""
    return 1e-9 * float(np.abs(limits.bounds).max(initial=1.0)) * 1e-3


def _broken(limits: Limits, h: FloatArray) -> float:
    return float(np.maximum(-limits.slack(h), 0.0).sum())


def _mend(limits: Limits, lots: IntArray, lot: FloatArray, least: IntArray) -> IntArray | None:
    """Add or take lots until every limit holds, each time the move that mends most; ``None`` if stuck."""
    lots = lots.copy()
    for _ in range(4 * len(lots) + 8):
        h = lots * lot
        if _holds(limits, h):
            return lots
        now = _broken(limits, h)
        best, move = now * (1 - 1e-9), None
        for i in range(len(lots)):
            for target in (_more(lots[i], least[i]), _fewer(lots[i], least[i])):
                trial = h.copy()
                trial[i] = target * lot[i]
                left = _broken(limits, trial)
                if target != lots[i] and left < best:
                    best, move = left, (i, target)
        if move is None:
            return None
        lots[move[0]] = move[1]
    return None


def _more(lots: int, least: int) -> int:
    return lots + 1 if lots else least


def _fewer(lots: int, least: int) -> int:
    return lots - 1 if lots > least else 0


def _improve(limits: Limits, pull: Pull, lots: IntArray, lot: FloatArray, least: IntArray) -> IntArray:
    """Add lots where the objective falls most, while it falls and every limit holds."""
    from stormsail.plan._kernels import add_lots

    found: IntArray = add_lots(
        np.ascontiguousarray(pull.curve),
        pull.slope,
        pull.cost,
        pull.held,
        np.ascontiguousarray(limits.rows.T),
        limits.bounds,
        lot,
        least,
        lots,
        1e-12 * pull.value,
        _tolerance(limits),
    )
    return found


def notionals(lots: IntArray, steps: Sequence[Step]) -> tuple[Decimal, ...]:
    """Exact worth of each position, in quote currency."""
    return tuple(step.notional(int(k)) for step, k in zip(steps, lots, strict=True))


def smallest_useful(value: float) -> Decimal:
    """Orders under two thousandths of the portfolio are not worth their trouble; as a round sum.

    >>> smallest_useful(103_250.0)
    Decimal('100')
    """
    return Decimal(10) ** math.floor(math.log10(max(value * 2e-3, 1e-9)))
