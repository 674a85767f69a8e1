"""How much of each contract is traded in a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from stormsail.core import Contract, Unavailable
from stormsail.instruments.series import CONTRACT_KINDS, history_series
from stormsail.market.lookup import Lookup
from stormsail.market.schema import SeriesInfo
from stormsail.market.source import MarketView

VOLUME_DAYS = 30
MIN_VOLUME_DAYS = 10
_DAY_US = 86_400_000_000


def median_volumes(view: MarketView, lookup: Lookup, contracts: Sequence[Contract]) -> dict[str, float | Unavailable]:
    """Median daily quote volume of each contract over the last 30 days, by contract id.

    Days are 24 hours counted back from the moment. The longest series of a contract is asked first; where it has fewer
    than ten days of volume, the one with most days counts, and with fewer than ten there is none.
    """
    long = history_series(lookup)
    found = _day_volumes(view, {c.id: long[c.venue, c.symbol] for c in contracts if (c.venue, c.symbol) in long})
    poor = {c.id for c in contracts if found.get(c.id, (0, 0.0))[0] < MIN_VOLUME_DAYS}
    for info in lookup.fresh:
        name = f"{info.key.venue}:{info.key.contract}"
        if name in poor and info.key.kind in CONTRACT_KINDS:
            other = _day_volumes(view, {name: info})[name]
            found[name] = max(found.get(name, (0, 0.0)), other, key=lambda held: held[0])
    return {
        c.id: found[c.id][1]
        if found.get(c.id, (0, 0.0))[0] >= MIN_VOLUME_DAYS
        else Unavailable(f"{found.get(c.id, (0, 0.0))[0]} days of volume, {MIN_VOLUME_DAYS} needed")
        for c in contracts
    }


def _day_volumes(view: MarketView, infos: Mapping[str, SeriesInfo]) -> dict[str, tuple[int, float]]:
    """Number of days with a volume and their median, of one series for each name."""
    found = {}
    start = view.as_of - timedelta(days=VOLUME_DAYS)
    for kind in CONTRACT_KINDS:
        names = {info.key: name for name, info in infos.items() if info.key.kind is kind}
        frames = view.read_many(list(names), start=start) if names else {}
        found.update({names[key]: _median_day(frame, view.as_of) for key, frame in frames.items()})
    return found


def _median_day(frame: pl.DataFrame, as_of: datetime) -> tuple[int, float]:
    """Number of days with a volume and their median."""
    held = frame.filter(pl.col("quote_volume").is_not_null())
    age = (np.int64(as_of.timestamp() * 1e6) - held["known_at"].dt.timestamp("us").to_numpy()) // _DAY_US
    inside = (age >= 0) & (age < VOLUME_DAYS)
    counts = np.bincount(age[inside], minlength=VOLUME_DAYS)
    sums = np.bincount(age[inside], weights=held["quote_volume"].to_numpy()[inside], minlength=VOLUME_DAYS)
    days = sums[counts > 0]
    return len(days), float(np.median(days)) if len(days) else 0.0
