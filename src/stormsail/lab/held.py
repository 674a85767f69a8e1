"""A plan held untouched through what came after it: hedged against unhedged, with funding and the test for liquidation.

The spot side keeps its quantities. Every short keeps its quantity until the end, or until its venue's account falls
below maintenance at the *highs* of a bar, all shorts at their highs together, which is the strict reading. An account
that is liquidated loses what is left of its collateral and its shorts; nothing is topped up or re-hedged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import Finding, Trouble, Unavailable, UnavailableError, to_float
from stormsail.market.load import load_bars
from stormsail.market.lookup import Lookup
from stormsail.market.panel import FloatArray
from stormsail.market.schema import SeriesInfo
from stormsail.market.source import MarketView
from stormsail.plan.types import HedgePlan, Order, VenueMargin

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What became of a plan that was held.

    Money is in the portfolio's currency; gains are positive.

    Attributes:
        start, end: From the decision to the last moment.
        times: Grid, shape (T,), ``datetime64[us]``.
        unhedged: Value of the spot holdings, shape (T,).
        hedged: The same plus profit of the shorts, funding and fees, shape (T,).
        spot: Change of the spot value.
        shorts: Price profit of the shorts.
        funding: Funding received (negative: paid).
        fees: Fees and slippage of opening and closing (negative).
        lost: Collateral lost in liquidations (negative), already part of ``shorts``.
        liquidated: Venues whose account was liquidated, with the moment.
        lowest_unhedged, lowest_hedged: Lowest value on the grid, from bar closes.
        findings: What was noticed.
    """

    start: datetime
    end: datetime
    times: NDArray[np.datetime64]
    unhedged: FloatArray
    hedged: FloatArray
    spot: float
    shorts: float
    funding: float
    fees: float
    lost: float
    liquidated: Mapping[str, datetime]
    lowest_unhedged: float
    lowest_hedged: float
    findings: tuple[Finding, ...]

    @property
    def fall_unhedged(self) -> float:
        """Largest fall below the starting value without the hedge, as a fraction."""
        return 1.0 - self.lowest_unhedged / float(self.unhedged[0])

    @property
    def fall_hedged(self) -> float:
        """The same with the hedge."""
        return 1.0 - self.lowest_hedged / float(self.unhedged[0])


def hold(plan: HedgePlan, view: MarketView) -> Held:
    """Hold ``plan`` from its decision to ``view.as_of``.

    Args:
        plan: The plan; made from the same source, at an earlier moment.
        view: The source seen from the end of the holding.

    Raises:
        UnavailableError: If there is no bar after the decision.
    """
    lookup = Lookup.of(view.earlier(plan.as_of))
    series = {order.contract.id: _contract_series(order, lookup) for order in plan.orders}
    step = max([HOUR, *(info.bar or HOUR for info in series.values())])
    times = _grid(plan.as_of, view.as_of, min(step, DAY))
    findings: list[Finding] = []
    unhedged = _spot_path(plan, view, lookup, times, findings)
    hedge = np.zeros(len(times))
    shorts = funding = lost = 0.0
    liquidated: dict[str, datetime] = {}
    for account in plan.margins:
        orders = [order for order in plan.orders if order.contract.venue == account.venue]
        book = _Account.of(account, orders, series, lookup, view, times, findings)
        path, dead = book.run()
        hedge += path
        last = dead if dead is not None else len(times) - 1
        shorts += float(path[-1] - book.funding[last])
        funding += float(book.funding[last])
        if dead is not None:
            liquidated[account.venue] = _moment(times[dead])
            lost -= to_float(account.collateral)
    fees = plan.cost.fees
    if isinstance(plan.cost.slippage, Unavailable):
        findings.append(Finding(Trouble.UNAVAILABLE, "slippage", plan.cost.slippage.reason, "left out of the result"))
    else:
        fees += plan.cost.slippage
    hedged = unhedged + hedge + fees
    return Held(
        start=plan.as_of, end=_moment(times[-1]), times=times, unhedged=unhedged, hedged=hedged,
        spot=float(unhedged[-1] - unhedged[0]), shorts=shorts, funding=funding, fees=fees, lost=lost,
        liquidated=liquidated, lowest_unhedged=float(unhedged.min()), lowest_hedged=float(hedged.min()),
        findings=tuple(findings),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Account:
    """One venue's shorts on the grid; arrays are (T, n), per contract unit of notional at entry."""

    collateral: float
    entry_notional: FloatArray
    close: FloatArray
    high: FloatArray
    maintenance: FloatArray
    funding: FloatArray

    @classmethod
    def of(
        cls,
        account: VenueMargin,
        orders: list[Order],
        series: Mapping[str, SeriesInfo],
        lookup: Lookup,
        view: MarketView,
        times: NDArray[np.datetime64],
        findings: list[Finding],
    ) -> _Account:
        rates = {p.contract: p.requirement.maintenance_rate for p in account.positions}
        closes, highs, cash = [], [], np.zeros(len(times))
        for order in orders:
            info = series[order.contract.id]
            entry = to_float(order.price)
            frame, seen = load_bars(view, info, start=_moment(times[0]) - DAY)
            findings.extend(f for f in seen if f.trouble is not Trouble.NOTE)
            closes.append(_carried(frame, "close", times) / entry)
            highs.append(_window_high(_judged_by(info, lookup, view, frame, times), times, closes[-1] * entry) / entry)
            cash += _funding_path(order, info, lookup, view, times, closes[-1], findings)
        notional = np.array([to_float(order.notional) for order in orders])
        return cls(
            collateral=to_float(account.collateral),
            entry_notional=notional,
            close=np.column_stack(closes) if closes else np.ones((len(times), 0)),
            high=np.column_stack(highs) if highs else np.ones((len(times), 0)),
            maintenance=np.array([rates[order.contract.id] for order in orders]),
            funding=cash,
        )

    def run(self) -> tuple[FloatArray, int | None]:
        """Profit with funding at each grid moment, and the index of liquidation if there was one."""
        profit = (1.0 - self.close) @ self.entry_notional + self.funding
        worst = self.collateral + (1.0 - self.high) @ self.entry_notional + self.funding
        needed = self.high @ (self.entry_notional * self.maintenance)
        dead = np.flatnonzero(worst < needed)
        if not len(dead):
            return profit, None
        first = int(dead[0])
        profit[first:] = -self.collateral
        return profit, first


def _contract_series(order: Order, lookup: Lookup) -> SeriesInfo:
    info = lookup.contract(order.contract.venue, order.contract.symbol)
    if info is None:
        raise UnavailableError(
            "no price series", cure="hold the plan on the data it was made with", where=order.contract.id
        )
    return info


def _spot_path(
    plan: HedgePlan, view: MarketView, lookup: Lookup, times: NDArray[np.datetime64], findings: list[Finding]
) -> FloatArray:
    total = np.zeros(len(times))
    for asset in plan.exposure.assets:
        if asset.is_cash:
            total += asset.value
            continue
        found = lookup.price_series(asset.asset)
        if isinstance(found, Unavailable):
            raise UnavailableError(found.reason, cure="hold the plan on the data it was made with", where=asset.asset)
        frame, seen = load_bars(view, found.info, start=_moment(times[0]) - 2 * DAY)
        findings.extend(f for f in seen if f.trouble is not Trouble.NOTE)
        path = _carried(frame, "close", times)
        total += asset.value * path / path[0]
    return total


def _grid(start: datetime, end: datetime, step: timedelta) -> NDArray[np.datetime64]:
    count = (end - start) // step
    if count < 1:
        raise UnavailableError(
            f"nothing is known between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M}",
            cure="hold the plan until a later moment that the data covers",
        )
    width = np.timedelta64(int(step.total_seconds() * 1e6), "us")
    return np.datetime64(start.replace(tzinfo=None), "us") + width * np.arange(count + 1)


def _stamps(frame: pl.DataFrame) -> NDArray[np.datetime64]:
    return frame["known_at"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")


def _carried(frame: pl.DataFrame, column: str, times: NDArray[np.datetime64]) -> FloatArray:
    """The last value known at each moment: a mark of value, not an estimate, so a hole carries it on."""
    known = frame.filter(pl.col(column).is_not_null())
    at = np.searchsorted(_stamps(known), times, side="right") - 1
    if known.is_empty() or at[0] < 0:
        raise UnavailableError("no price at the moment of the decision", cure="check the data with data verify")
    return known[column].to_numpy()[at].astype(np.float64)


def _window_high(frame: pl.DataFrame, times: NDArray[np.datetime64], close: FloatArray) -> FloatArray:
    """Highest high between two grid moments; the first is its close, and a bar without a high counts by its close."""
    high = close.copy()
    values = frame.select(pl.coalesce("high", "close")).to_series().to_numpy()
    slot = np.searchsorted(times, _stamps(frame), side="left")
    inside = (slot > 0) & (slot < len(times)) & np.isfinite(values)
    np.maximum.at(high, slot[inside], values[inside])
    return high


def _judged_by(
    info: SeriesInfo, lookup: Lookup, view: MarketView, last: pl.DataFrame, times: NDArray[np.datetime64]
) -> pl.DataFrame:
    """Mark-price bars where the contract has them, since the mark decides; else its last-price bars."""
    mark = lookup.mark(info)
    return last if mark is None else load_bars(view, mark, start=_moment(times[0]) - DAY)[0]


def _funding_path(
    order: Order,
    info: SeriesInfo,
    lookup: Lookup,
    view: MarketView,
    times: NDArray[np.datetime64],
    close: FloatArray,
    findings: list[Finding],
) -> FloatArray:
    """Funding received so far by one short at each moment: ``sum of rate * notional at settlement``."""
    series = lookup.funding(info)
    if series is None:
        findings.append(
            Finding(Trouble.UNAVAILABLE, f"funding {order.contract.id}", "no history", "left out of the result")
        )
        return np.zeros(len(times))
    frame = view.read(series.key, start=_moment(times[0])).filter(pl.col("known_at") > _moment(times[0]))
    slot = np.searchsorted(times, _stamps(frame), side="left")
    paid = np.zeros(len(times))
    inside = slot < len(times)
    rates = frame["rate_per_interval"].to_numpy()[inside]
    np.add.at(paid, slot[inside], rates * close[slot[inside]] * to_float(order.notional))
    return np.cumsum(paid)


def _moment(stamp: np.datetime64) -> datetime:
    value: datetime = stamp.astype("datetime64[us]").astype(object)
    return value.replace(tzinfo=UTC)
