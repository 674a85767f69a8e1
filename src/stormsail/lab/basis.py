"""The basis part of a replay's profit, split into what was known on the day of each trade and what nobody knew.

The known part is carry: the basis at which a lot was opened, earned in proportion to time until its contract ends
(:mod:`stormsail.market.convergence`). The residual is the rest. A perpetual locks nothing: its basis is all residual,
and what it pays for being held is ``funding``, a part of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stormsail.core.exact import MONEY_CONTEXT
from stormsail.lab.ledger import FLOW, ITEM, POSITION_FLOWS, STEP, TICKS, UNITS
from stormsail.lab.replay import Replay
from stormsail.lab.result import Worth

PLACES = 18
"""Decimals of the parts: finer than any currency's smallest unit, and they add up to the last one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class BasisPart:
    """Profit from a contract moving against spot, in the currency of account.

    Attributes:
        known: Basis at which the lots were opened, as far as it was earned while they were held.
        residual: The rest; ``known + residual`` is ``total`` to the last decimal.
    """

    known: Decimal
    residual: Decimal

    @property
    def total(self) -> Decimal:
        """Both parts."""
        with localcontext(MONEY_CONTEXT):
            return self.known + self.residual


@dataclass(frozen=True, slots=True)
class BasisSplit:
    """The ``basis`` of :class:`~stormsail.lab.result.Attribution`, taken apart.

    Attributes:
        known, residual: Sums over the contracts; together they are ``basis`` to 18 decimals for each contract traded.
        by_contract: By contract id, those that were traded.
    """

    known: Decimal
    residual: Decimal
    by_contract: Mapping[str, BasisPart]

    @property
    def total(self) -> Decimal:
        """Both parts."""
        with localcontext(MONEY_CONTEXT):
            return self.known + self.residual


def split_basis(replay: Replay) -> BasisSplit:
    """Split the basis part of a replay's profit into known carry and residual, exactly.

    A lot opened at basis ``b`` with time ``l`` left earns ``-lots * b / l`` for each unit of time it is held, so a
    short of a contract above spot earns; lots of several trades are averaged, and closing some keeps the average of the
    rest. ``b`` is the value of a lot at the contract's price less that at spot, in the currency of account, which makes
    it exact for linear and for inverse contracts.

    Args:
        replay: What happened.

    Returns:
        Known carry and residual, in all and by contract id.
    """
    worth = Worth(replay)
    rows = replay.ledger
    traded = rows[(rows[:, UNITS] != 0) & np.isin(rows[:, FLOW], POSITION_FLOWS)]
    traded = traded[np.argsort(traded[:, STEP], kind="stable")]
    parts: dict[str, list[BasisPart]] = {}
    for i, leg in enumerate(replay.books.legs):
        mine = traded[traded[:, ITEM] == i]
        if len(mine):
            total, known = _profit(worth, i, mine), _known(worth, i, mine)
            parts.setdefault(leg.contract.id, []).append(_part(known, total))
    by_contract = {name: _added(parts[name]) for name in sorted(parts)}
    whole = _added(list(by_contract.values()))
    return BasisSplit(whole.known, whole.residual, by_contract)


def _profit(worth: Worth, i: int, rows: NDArray[np.int64]) -> Fraction:
    """Price profit of a contract less what it had been at its coin's spot price."""
    total = worth.at_end(rows)
    for row in rows:
        total -= worth.contract(i, -int(row[UNITS]), worth.spot_of(row))
    held = int(worth.books.state.lots[i])
    return total + held * _basis(worth, i, int(worth.books.tape.close[worth.last, i]), worth.spot_at(i, worth.last))


def _basis(worth: Worth, i: int, ticks: int, spot: Fraction) -> Fraction:
    """Value of one lot at the contract's price, less that at spot; 0 at expiry."""
    return worth.contract(i, 1, Fraction(ticks, 10 ** worth.books.digits[i])) - worth.contract(i, 1, spot)


def _known(worth: Worth, i: int, rows: NDArray[np.int64]) -> Fraction:
    """Basis earned in proportion to time while the lots were held; 0 for a perpetual."""
    expiry = worth.books.legs[i].contract.expiry
    if expiry is None:
        return Fraction(0)
    end = (expiry - _EPOCH) // _US
    earned, pace = Fraction(0), Fraction(0)
    lots = before = 0
    for row in rows:
        now = min(_moment(worth, int(row[STEP])), end)
        earned += pace * (now - before)
        pace = _pace(pace, lots, row, end - now, worth)
        lots, before = lots + int(row[UNITS]), now
    total: Fraction = earned + pace * (min(_moment(worth, worth.last), end) - before)
    return total


def _pace(pace: Fraction, lots: int, row: NDArray[np.int64], left: int, worth: Worth) -> Fraction:
    """What the position earns per microsecond after a trade."""
    i, change = int(row[ITEM]), int(row[UNITS])
    after = lots + change
    if lots * change < 0 <= lots * after:
        return pace * Fraction(after, lots)
    opened = after if lots * after < 0 else change
    kept = pace if opened == change else Fraction(0)
    if left <= 0:
        return kept
    return kept - opened * _basis(worth, i, int(row[TICKS]), worth.spot_of(row)) / left


def _moment(worth: Worth, step: int) -> int:
    """A moment of the course in microseconds since 1970."""
    return int(worth.course.times[step].astype("datetime64[us]").astype(np.int64))


def _part(known: Fraction, total: Fraction) -> BasisPart:
    """Both in decimals of :data:`PLACES`, rounded so that they still add up."""
    first = round(known * 10**PLACES)
    return BasisPart(_decimal(first), _decimal(round(total * 10**PLACES) - first))


def _added(parts: list[BasisPart]) -> BasisPart:
    with localcontext(MONEY_CONTEXT):
        return BasisPart(sum((p.known for p in parts), Decimal(0)), sum((p.residual for p in parts), Decimal(0)))


def _decimal(units: int) -> Decimal:
    with localcontext(MONEY_CONTEXT):
        return Decimal(units).scaleb(-PLACES)
