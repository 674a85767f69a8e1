"""Contracts beside spot: their basis on one grid, taken only where a bar of both has just ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from stormsail.core import YEAR
from stormsail.market.load import grid_end, per_coin
from stormsail.market.panel import FloatArray, Panel, align
from stormsail.market.schema import SeriesInfo
from stormsail.market.source import MarketView

BROKEN = 0.5
"""A basis beyond this is a break in one of the two series and not a basis: it is left out."""


def basis_panel(
    view: MarketView, pairs: Mapping[str, tuple[SeriesInfo, SeriesInfo]], *, step: timedelta, length: int
) -> Panel:
    """Basis ``F / S - 1`` of several contracts on the grid of whole steps that ends at the moment of ``view``.

    Args:
        view: Source and moment.
        pairs: Name of the column to the series of the contract and of its coin's spot.
        step: Grid step.
        length: Number of grid moments.

    Returns:
        Panel of shape (length, len(pairs)); NaN where not both had a bar end at that very moment.
    """
    end = grid_end(view.as_of, step)
    frames: dict[SeriesInfo, pl.DataFrame] = {}
    infos = sorted({info for pair in pairs.values() for info in pair})
    for kind in sorted({info.key.kind for info in infos}):
        same = [info for info in infos if info.key.kind is kind]
        read = view.read_many([info.key for info in same], start=end - length * step)
        frames |= {info: per_coin(read[info.key], info) for info in same}
    named = {str(info.key): frame for info, frame in frames.items()}
    prices = align(named, end=end, step=step, length=length, tolerance=timedelta(0))
    columns = [prices.column(str(far.key)) / prices.column(str(near.key)) - 1.0 for far, near in pairs.values()]
    values = np.column_stack(columns) if columns else np.empty((length, 0))
    values[~(np.abs(values) < BROKEN)] = np.nan
    return Panel(prices.times, tuple(pairs), values, step)


def years_left(panel: Panel, expiry: datetime | None) -> FloatArray | None:
    """Time to expiry at each moment in years of 365 days, negative after it; ``None`` for a perpetual; shape (T,)."""
    if expiry is None:
        return None
    left = np.datetime64(expiry.replace(tzinfo=None), "us") - panel.times
    return np.asarray(left / np.timedelta64(1, "us") / (YEAR / timedelta(microseconds=1)))
