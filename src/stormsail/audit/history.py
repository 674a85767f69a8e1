"""The past returns an audit rests on: held coins, BTC, ETH and the other alts on one grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from stormsail.audit.betas import alt_index
from stormsail.audit.sample import MIN_OBSERVATIONS, FloatArray, Sample
from stormsail.core import STABLECOINS, Finding
from stormsail.core.symbol import MAJORS, is_alt
from stormsail.market.load import load_panel
from stormsail.market.lookup import Lookup
from stormsail.market.panel import Panel
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey
from stormsail.market.source import MarketView

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
HOURLY_DAYS = 62


@dataclass(frozen=True, eq=False)
class History:
    """Simple returns of everything an audit looks at.

    Attributes:
        returns: Shape (T, N); held coins, BTC and ETH first, then the other alts.
        bars_per_day: 1, or 24 where only hourly bars reach sixty observations.
        alts: Names of the columns that make up the alt index.
        findings: What was noticed about the series of held coins and of BTC and ETH.
    """

    returns: Panel
    bars_per_day: int
    alts: tuple[str, ...]
    findings: tuple[Finding, ...]

    def sample(self, asset: str) -> Sample:
        """Returns of one coin."""
        return self.of(self.column(asset))

    def of(self, returns: FloatArray) -> Sample:
        """A sample of returns on this grid, its window cut to the bars that are there."""
        there = np.flatnonzero(np.isfinite(returns))
        if not len(there):
            return Sample(returns, self.bars_per_day, "empty")
        first, last = there[0], there[-1]
        bar = "1d" if self.bars_per_day == 1 else "1h"
        window = f"{str(self.returns.times[first])[:10]}..{str(self.returns.times[last])[:10]} {bar}"
        return Sample(returns, self.bars_per_day, window)

    def column(self, asset: str) -> FloatArray:
        """Returns of one coin, shape (T,); all NaN if it has no series."""
        if asset not in self.returns.names:
            return np.full(len(self.returns.times), np.nan)
        return self.returns.column(asset)

    def columns(self, assets: Sequence[str]) -> FloatArray:
        """Returns of several coins, shape (T, len(assets))."""
        if not assets:
            return np.empty((len(self.returns.times), 0))
        return np.column_stack([self.column(asset) for asset in assets])

    @property
    def window(self) -> str:
        """First and last day of the grid and the bar."""
        return self.returns.window

    @cached_property
    def _alt_matrix(self) -> FloatArray:
        return self.returns.select(self.alts).values

    @property
    def alt_counts(self) -> tuple[int, ...]:
        """Number of returns of each alt."""
        return tuple(int(n) for n in np.isfinite(self._alt_matrix).sum(axis=0))

    @cached_property
    def whole_index(self) -> FloatArray:
        """The equal-weight index of all alts, shape (T,)."""
        return alt_index(self._alt_matrix)

    def index_without(self, asset: str) -> FloatArray:
        """The equal-weight alt index without one coin, shape (T,)."""
        return alt_index(self._alt_matrix, self.alts.index(asset)) if asset in self.alts else self.whole_index


def load_history(view: MarketView, lookup: Lookup, held: Iterable[str], days: int) -> History:
    """Daily returns of the last ``days`` days, or hourly ones where no coin has sixty daily returns but hours do.

    The alts are every coin with a price on a bar, also those that stopped trading before the end; so the index has no
    survivors' bias beyond that of the data.
    """
    wanted = tuple(dict.fromkeys([*held, *MAJORS]))
    series = _series(lookup, wanted, view.as_of - days * DAY)
    alts = tuple(name for name in series if is_alt(name))
    panel, findings, per_day = _panel(view, series, wanted, days)
    subjects = {str(series[name].key) for name in wanted if name in series}
    kept = tuple(f for f in findings if f.subject in subjects)
    return History(panel.returns(), per_day, alts, kept)


def _panel(
    view: MarketView, series: dict[str, SeriesInfo], wanted: tuple[str, ...], days: int
) -> tuple[Panel, tuple[Finding, ...], int]:
    panel, findings = load_panel(view, series, step=DAY, length=days + 1)
    if _best(panel, wanted) >= MIN_OBSERVATIONS:
        return panel, findings, 1
    if not any(series[n].bar is not None and (series[n].bar or DAY) <= HOUR for n in wanted if n in series):
        return panel, findings, 1
    hourly, found = load_panel(view, series, step=HOUR, length=min(days, HOURLY_DAYS) * 24 + 1)
    return (hourly, found, 24) if _best(hourly, wanted) >= MIN_OBSERVATIONS else (panel, findings, 1)


def _best(panel: Panel, wanted: tuple[str, ...]) -> int:
    """The number of returns of the held coin or major that has most."""
    there = np.isfinite(panel.returns().values).sum(axis=0)
    return max((int(count) for name, count in zip(panel.names, there, strict=True) if name in wanted), default=0)


def _series(lookup: Lookup, wanted: tuple[str, ...], start: datetime) -> dict[str, SeriesInfo]:
    """The series of each wanted coin, of each other living coin, and of those that ended since ``start``."""
    living = _longest((i for i in lookup.fresh if i.key.kind in (Kind.SPOT, Kind.PERPETUAL)), start)
    ended = _longest((i for i in lookup.known if i.key.kind is Kind.SPOT and i.end >= start), start)
    rest = {name: info for name, info in sorted({**ended, **living}.items()) if is_alt(name)}
    return {**{name: living[name] for name in wanted if name in living}, **rest}


def _longest(infos: Iterable[SeriesInfo], start: datetime) -> dict[str, SeriesInfo]:
    """Of each coin the dollar series that reaches furthest back since ``start``: spot first, then the finest bar."""
    best: dict[str, tuple[tuple[bool, datetime, timedelta, SeriesKey], SeriesInfo]] = {}
    for info in infos:
        rank = (info.key.kind is not Kind.SPOT, max(info.start, start), info.bar or DAY, info.key)
        if info.quote in STABLECOINS and (info.asset not in best or rank < best[info.asset][0]):
            best[info.asset] = (rank, info)
    return {asset: info for asset, (_, info) in best.items()}
