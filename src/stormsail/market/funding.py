"""Funding of perpetuals: its true interval, its sign, its annual rate, and the cash it moves."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal, localcontext

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import YEAR, Contract, Payoff
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.market.panel import FloatArray

INTERVALS = (1.0, 2.0, 4.0, 8.0)
"""Settlement intervals venues use, in hours."""

_JITTER_HOURS = 1.0 / 60.0
_HOUR_US = 3_600_000_000
_DAY = timedelta(days=1)


def true_intervals(frame: pl.DataFrame) -> pl.DataFrame:
    """Replace ``interval_hours`` by what the settlement times say; null where they say nothing certain.

    The interval of a row is its distance to the row before, if that is 1, 2, 4 or 8 hours to within a minute. Three
    cases are *unavailable*: any other distance (rows are missing); a single interval longer than two equal neighbours
    (4 4 8 4 4 is a lost settlement, not a change of rule); the first row, unless the two intervals after it agree.

    Args:
        frame: Funding rows sorted by ``known_at``.

    Returns:
        The same rows.
    """
    stamps = frame["known_at"].dt.timestamp("us").to_numpy()
    hours = np.diff(stamps) / _HOUR_US
    steps = np.full(len(hours), np.nan)
    for grid in INTERVALS:
        steps[np.abs(hours - grid) <= _JITTER_HOURS] = grid
    steps[1:-1][(steps[:-2] == steps[2:]) & (steps[1:-1] > steps[:-2])] = np.nan
    column = pl.Series("interval_hours", np.concatenate([_first(steps, len(stamps)), steps]), dtype=pl.Float64)
    return frame.with_columns(column.fill_nan(None))


def _first(steps: FloatArray, rows: int) -> FloatArray:
    """The interval of the first row: that of the next one, unless the one after differs."""
    if rows == 0:
        return np.empty(0)
    agrees = len(steps) == 1 or (len(steps) > 1 and steps[0] == steps[1])
    return np.array([steps[0] if agrees else np.nan])


def annual_rate(rate: float, interval_hours: float) -> float:
    """Simple annual rate of a rate per interval, over a year of 365 days: ``rate * 8760 / interval_hours``.

    >>> round(annual_rate(0.0001, 8), 6)
    0.1095
    """
    return rate * (YEAR / timedelta(hours=interval_hours))


def funding_cash(contract: Contract, quantity: Decimal, price: Decimal, rate: Decimal) -> Decimal:
    """Cash one settlement moves, exact: positive is received, in the currency the contract pays in.

    Linear and quanto: ``-quantity * size * price * rate``; inverse: ``-quantity * size / price * rate`` in coin. A
    short (negative quantity) receives while the rate is positive.

    Args:
        contract: What is held.
        quantity: Signed contract units, long positive.
        price: The venue's reference (mark, or oracle) at settlement, per coin.
        rate: For the interval that ends; positive means longs pay shorts.

    Source: Binance, "Introduction to Binance Futures Funding Rates" (2024): the amount is the position's value at mark
    times the rate.
    """
    with localcontext(MONEY_CONTEXT):
        value = contract.size / price if contract.payoff is Payoff.INVERSE else contract.size * price
        return -quantity * value * rate


def daily_funding(frame: pl.DataFrame) -> pl.DataFrame:
    """Funding per whole UTC day: the sum of the settlements after 00:00 up to and including the next 00:00.

    Args:
        frame: Funding rows sorted by ``known_at``; intervals are taken from their times.

    Returns:
        Columns ``known_at`` (the 00:00 that ends the day), ``rate_per_day``, ``settlements``. A day whose settlements
        do not cover 24 hours has a null rate: part of it is not known. Days without any settlement have no row.
    """
    ends = pl.col("known_at").dt.offset_by("-1us").dt.truncate("1d") + _DAY
    covered = (pl.col("interval_hours").sum() == 24.0) & pl.col("interval_hours").is_not_null().all()
    return (
        true_intervals(frame)
        .group_by(ends.alias("known_at"), maintain_order=True)
        .agg(
            pl.when(covered & pl.col("rate_per_interval").is_not_null().all())
            .then(pl.col("rate_per_interval").sum())
            .alias("rate_per_day"),
            pl.len().alias("settlements"),
        )
    )


def held_funding(frame: pl.DataFrame, start: datetime, end: datetime) -> FloatArray:
    """Rates settled on a position opened at ``start`` and held to ``end``: those with ``start < known_at <= end``.

    Returns:
        Shape (settlements,); their sum is what a short of constant notional received.
    """
    held = frame.filter((pl.col("known_at") > start) & (pl.col("known_at") <= end))
    rates: NDArray[np.float64] = held["rate_per_interval"].cast(pl.Float64).to_numpy()
    return rates
