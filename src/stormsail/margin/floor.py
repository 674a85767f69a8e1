"""Method 5: rises that have happened, measured across the whole market, below which no estimate may go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from stormsail.core import InputError
from stormsail.margin.types import Method, UpMove

SOURCE = "Binance perpetuals 2020-2026, last price, own measurement"


class RiseClass(StrEnum):
    """Which row of the measured table a coin belongs to."""

    BTC = "BTC"
    ETH = "ETH"
    SOL = "SOL"
    ALT = "alt"
    YOUNG = "young alt"


FLOOR_HOURS = (8.0, 24.0, 72.0, 168.0)

FloorTable = Mapping[RiseClass, tuple[tuple[float, float], ...]]
"""By class and span of :data:`FLOOR_HOURS`: the rise (largest high over open) reached in 1 % and in 0.1 % of spans."""

MEASURED: FloorTable = {
    RiseClass.BTC: ((0.070, 0.126), (0.118, 0.211), (0.208, 0.405), (0.309, 0.526)),
    RiseClass.ETH: ((0.086, 0.138), (0.143, 0.276), (0.248, 0.613), (0.388, 0.755)),
    RiseClass.SOL: ((0.145, 0.304), (0.247, 0.538), (0.476, 0.800), (0.810, 1.12)),
    RiseClass.ALT: ((0.166, 0.373), (0.299, 0.644), (0.550, 1.03), (0.876, 1.33)),
    RiseClass.YOUNG: ((0.329, 0.877), (0.680, 1.61), (1.42, 2.50), (2.22, 3.54)),
}
"""The table in force.

``alt`` is the median coin, ``young alt`` the worst tenth of coins: one cannot tell which a new coin will prove to be.
"""

SETTLED = timedelta(days=180)
"""History from which a coin counts as a settled one.

Measured on the 147 alts among 150 Binance perpetuals (2020 to August 2025, four-hour bars, a chance of 1 % in 30 days,
all methods but the simulation): spans that failed, by days since listing, with the median row and, after the comma,
with the worst tenth's.

========  ==========  ===============  ================  =============
top-up    promised    day 1 to 30      day 31 to 180     from day 181
========  ==========  ===============  ================  =============
8 hours   0.011 %     0.023 %, 0 %     0.006 %, 0 %      0.003 %
1 day     0.033 %     0.094 %, 0 %     0.046 %, 0.005 %  0.015 %
7 days    0.233 %     2.9 %, 0.17 %    0.62 %, 0.17 %    0.20 %
========  ==========  ===============  ================  =============

So the worst tenth's row is needed for the first half year. With a week to top up it would be needed for longer: from
day 181 to 365 the median row failed in 0.43 % of the weeks (14 of 3,235).
"""


RECORDING_STARTS = timedelta(days=3)
"""Distance from the first price of a whole recording within which a coin's own first price says nothing of its age."""


def is_young(first: datetime, recording: datetime, as_of: datetime) -> bool:
    """Whether a coin is seen to have traded for less than ``SETTLED``.

    A coin whose first price is also the first of its recording may be of any age and does not count as young.

    Args:
        first: First price of the coin.
        recording: First price of any coin in the same recording.
        as_of: Moment of the decision.

    >>> start, listed = datetime(2024, 1, 1), datetime(2024, 9, 1)
    >>> is_young(listed, start, datetime(2024, 10, 1)), is_young(start, start, datetime(2024, 2, 1))
    (True, False)
    """
    return as_of - first < SETTLED and first > recording + RECORDING_STARTS


def rise_class(base: str, *, young: bool = False) -> RiseClass:
    """Class of a coin: BTC, ETH and SOL have their own rows; other coins are alts, young or settled.

    >>> rise_class("BTC"), rise_class("PEPE"), rise_class("PEPE", young=True)
    (<RiseClass.BTC: 'BTC'>, <RiseClass.ALT: 'alt'>, <RiseClass.YOUNG: 'young alt'>)
    """
    if base in ("BTC", "ETH", "SOL"):
        return RiseClass(base)
    return RiseClass.YOUNG if young else RiseClass.ALT


def _quantiles(kind: RiseClass, top_up: timedelta, measured: FloorTable) -> tuple[float, float]:
    """The 99 % and 99.9 % rises at a horizon, by straight lines in log rise over log time.

    Below 8 hours the 8-hour figures stand (a floor may be too strict, not too lax); beyond 7 days the last line goes
    on.
    """
    rows = measured[kind]
    hours = max(top_up / timedelta(hours=1), FLOOR_HOURS[0])
    right = next((i for i in range(1, len(FLOOR_HOURS)) if hours <= FLOOR_HOURS[i]), len(FLOOR_HOURS) - 1)
    share = math.log(hours / FLOOR_HOURS[right - 1]) / math.log(FLOOR_HOURS[right] / FLOOR_HOURS[right - 1])
    low, high = rows[right - 1], rows[right]
    often, rarely = (math.exp((1 - share) * math.log(a) + share * math.log(b)) for a, b in zip(low, high, strict=True))
    return often, rarely


def floor_rise(
    kind: RiseClass | str | Mapping[str, float],
    top_up: timedelta,
    alpha: float = 0.001,
    *,
    measured: FloorTable = MEASURED,
) -> Method:
    """Method 5: the measured rise at the chance allowed in one top-up span.

    The rise follows a straight line in log rise over log chance, a power tail through both measured points. A stricter
    ``alpha`` follows the line beyond them, so that the promise holds by this method too where history is too short for
    the others; a laxer one than 1 % takes the 1 % figure, since it is a floor.

    Args:
        kind: Class of the coin; or weights by class for a book, whose floor is the weighted mean (all rise together).
        top_up: Time until more collateral arrives.
        alpha: Chance per top-up span.
        measured: The table, where it is not the one in force.

    Raises:
        InputError: If a class is unknown, weights are not positive, or alpha is not a chance.

    >>> floor_rise("BTC", timedelta(days=1)).move
    0.211
    >>> round(floor_rise({"BTC": 1.0, "alt": 1.0}, timedelta(days=1)).move, 4)
    0.4275
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha {alpha} is not a chance", cure="give a number between 0 and 1", where="alpha")
    shares = dict(kind) if isinstance(kind, Mapping) else {str(kind): 1.0}
    unknown = sorted(set(shares) - {str(c) for c in RiseClass})
    if unknown or not shares or min(shares.values()) <= 0:
        raise InputError(
            f"classes {shares}", cure=f"use positive weights of {[str(c) for c in RiseClass]}", where="floor"
        )
    total = sum(shares.values())
    often = rarely = 0.0
    for name in sorted(shares):
        one, two = _quantiles(RiseClass(name), top_up, measured)
        often += shares[name] / total * one
        rarely += shares[name] / total * two
    steep = math.log(rarely / often)
    level = max(-math.log10(alpha), 2.0) - 2.0

    def exceed(rise: float) -> float:
        if rise <= 0:
            return 1.0
        return min(1.0, math.pow(10.0, -2.0 - math.log(rise / often) / steep))

    move = often * math.exp(steep * level)
    names = " + ".join(sorted(shares))
    detail = f"{names} over {top_up / timedelta(days=1):g} d; {SOURCE}"
    return Method(UpMove("floor", round(move, 12), detail, 0), exceed)


def ceiling_rise(top_up: timedelta, alpha: float, *, measured: FloorTable = MEASURED) -> float:
    """Most that an estimate may ask for: the measured rise of the worst tenth of coins at that chance.

    A few hundred days of one coin, or a model fitted to them, cannot show that it will do worse than the worst tenth of
    all coins since 2020; where an estimate says so, a single bar of its past or the shape of its tail has decided.

    >>> round(ceiling_rise(timedelta(days=1), 0.01 / 30), 3)
    2.429
    """
    return floor_rise(RiseClass.YOUNG, top_up, alpha, measured=measured).move
