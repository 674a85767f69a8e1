"""The returns that candidates are judged on, on one grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from stormsail.audit.types import ExposureReport
from stormsail.core import Contract
from stormsail.instruments.basket import Basket, alt_market, basket
from stormsail.instruments.series import history_series
from stormsail.market.load import load_panel
from stormsail.market.lookup import Lookup, PriceSeries
from stormsail.market.panel import FloatArray, Panel, book_return
from stormsail.market.schema import SeriesInfo
from stormsail.market.source import MarketView

SHORT = timedelta(days=100)
"""With less history than this, bars of four hours take the place of days."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Returns and prices on one grid.

    Attributes:
        times: Moments of the returns, shape (T,).
        step: Length of a return.
        coins: Returns of each coin held, by symbol, shape (T,).
        contracts: Returns of each contract, by id.
        spot_priced: Coins with a spot series of their own; the others are priced by their own perpetual.
        last: Last price per coin of each contract, by id.
        basket: The basket, its returns on the same moments.
        portfolio: Returns of the risky holdings at today's weights, shape (T,).
    """

    times: NDArray[np.datetime64]
    step: timedelta
    coins: Mapping[str, FloatArray]
    contracts: Mapping[str, FloatArray]
    spot_priced: frozenset[str]
    last: Mapping[str, float]
    basket: Basket
    portfolio: FloatArray

    @property
    def per_day(self) -> float:
        """Returns in a day."""
        return _DAY / self.step

    def daily_volatility(self, returns: FloatArray, days: int = 60) -> float:
        """Standard deviation of a day's return over the last ``days``; NaN with fewer than ten returns."""
        recent = returns[-round(days * self.per_day) :]
        known = recent[np.isfinite(recent)]
        return float(known.std() * np.sqrt(self.per_day)) if len(known) >= 10 else float("nan")


def gather(
    exposure: ExposureReport, view: MarketView, lookup: Lookup, contracts: Sequence[Contract], *, days: int = 365
) -> Evidence:
    """Read the returns of everything held, of its own contracts, of BTC and ETH perpetuals, and of the basket.

    Args:
        exposure: What is held.
        view: Market data at the moment.
        lookup: Index of ``view``.
        contracts: The universe; those on coins held and on BTC and ETH are read.
        days: Length of the window.
    """
    held = [a.asset for a in exposure.assets if not a.is_cash]
    series_of = history_series(lookup)
    priced = {asset: lookup.price_series(asset) for asset in held}
    wanted = {c.id: series_of[c.venue, c.symbol] for c in contracts if c.base in {*held, "BTC", "ETH"}}
    spot = {asset: p.info for asset, p in priced.items() if isinstance(p, PriceSeries)}
    spot_priced = frozenset(a for a, p in priced.items() if isinstance(p, PriceSeries) and p.priced_by == "spot")
    for asset in sorted(set(spot) - spot_priced):
        same = series_of.get((spot[asset].key.venue, spot[asset].key.contract))
        spot[asset] = same or spot[asset]
    span = _span([*spot.values(), *wanted.values()], view)
    step = _DAY if span >= SHORT else timedelta(hours=4)
    length = min(days, max(2, span // _DAY)) * round(_DAY / step) + 1
    panel, _ = load_panel(view, {**{f"/{a}": i for a, i in spot.items()}, **wanted}, step=step, length=length)
    returns = panel.returns()
    columns = dict(zip(returns.names, returns.values.T, strict=True))
    alts = alt_market(view, lookup, length=length, step=step)
    coins = {a: columns[f"/{a}"] for a in spot}
    last = {name: _last(panel.column(name)) for name in wanted}
    return Evidence(
        times=returns.times,
        step=step,
        coins=coins,
        contracts={name: columns[name] for name in wanted},
        spot_priced=spot_priced,
        last={name: price for name, price in last.items() if np.isfinite(price)},
        basket=_on_grid(basket(alts, contracts), returns.times),
        portfolio=weighted(coins, {a.asset: a.value for a in exposure.assets}, len(returns.times)),
    )


def _span(infos: Sequence[SeriesInfo], view: MarketView) -> timedelta:
    """Longest history among the series."""
    return max((view.as_of - info.start for info in infos), default=timedelta(0))


def _last(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else float("nan")


def _on_grid(made: Basket, times: NDArray[np.datetime64]) -> Basket:
    """The basket with its returns on the moments of the others; NaN where it has none."""
    values = np.full((len(times), 1), np.nan)
    _, here, there = np.intersect1d(times, made.returns.times, return_indices=True)
    values[here] = made.returns.values[there]
    return replace(made, returns=Panel(times, made.returns.names, values, made.returns.step))


def weighted(returns: Mapping[str, FloatArray], values: Mapping[str, float], length: int) -> FloatArray:
    """Return of a portfolio at constant weights, shape (length,); NaN where too little of its value has one."""
    if not returns:
        return np.full(length, np.nan)
    held = np.array([values[asset] for asset in returns])
    return book_return(np.column_stack(list(returns.values())), held / max(float(held.sum()), 1e-300))
