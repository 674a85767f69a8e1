"""A plan held untouched through what came after it: hedged against unhedged, with funding and the test for liquidation.

The spot side keeps its quantities. Every short keeps its quantity until the end, or until its venue's account falls
below maintenance at the *highs* of a bar, all shorts at their highs together, which is the strict reading; under
isolated margin every short is an account of its own. An account that is liquidated loses what is left of its collateral
and its shorts; nothing is topped up or re-hedged.

An inverse short of ``N`` entered at ``P0`` gains ``N (1 / p - 1 / P0)`` coins, and its funding is paid in coins; both
are worth the contract's price at the time. The coins behind it are part of the holding and lie in the spot path: they
are counted there, and taken off only where a liquidation loses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import Finding, Trouble, Unavailable, UnavailableError, to_float
from stormsail.core import times as times_exact
from stormsail.margin.rules import Basis, rule_for
from stormsail.margin.types import MarginMode, TierTable
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
        liquidated: Accounts that were liquidated, with the moment: by venue, or by contract where margin is isolated.
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
    for margin in plan.margins:
        orders = [order for order in plan.orders if order.contract.id in margin.contracts]
        for account in _accounts(margin, orders, series, lookup, view, times, findings):
            path, dead = account.run()
            hedge += path
            last = dead if dead is not None else len(times) - 1
            shorts += float(path[-1] - account.funding[last])
            funding += float(account.funding[last])
            if dead is not None:
                liquidated[account.name] = _moment(times[dead])
                lost -= account.collateral * (1.0 if account.coins is None else float(account.coins[dead]))
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
    """Shorts that share collateral, on the grid; arrays are (T, n), prices per price at entry.

    Attributes:
        name: What is reported if it is liquidated: the venue, or the one contract of an isolated short.
        collateral: Posted; for an inverse short its coins at the price of entry.
        entry_notional: Shape (n,).
        close, high: Prices.
        needed: Maintenance margin at the highs, shape (T,).
        funding: Received so far, shape (T,); for an inverse short the coins received at what they are worth.
        coins: Worth of a coin at each moment per price at entry, shape (T,), of an account of coins; else ``None``.
    """

    name: str
    collateral: float
    entry_notional: FloatArray
    close: FloatArray
    high: FloatArray
    needed: FloatArray
    funding: FloatArray
    coins: FloatArray | None = None

    def run(self) -> tuple[FloatArray, int | None]:
        """Profit with funding at each grid moment, and the index of liquidation if there was one."""
        profit = (1.0 - self.close) @ self.entry_notional + self.funding
        worth = np.ones(len(profit)) if self.coins is None else self.coins
        highest = worth if self.coins is None else self.high[:, 0]
        # the coins already received are worth more at the high as well
        paid = self.funding * highest / worth
        worst = self.collateral * highest + (1.0 - self.high) @ self.entry_notional + paid
        dead = np.flatnonzero(worst < self.needed)
        if not len(dead):
            return profit, None
        first = int(dead[0])
        profit[first:] = -self.collateral * worth[first:]
        return profit, first


def _accounts(
    margin: VenueMargin,
    orders: Sequence[Order],
    series: Mapping[str, SeriesInfo],
    lookup: Lookup,
    view: MarketView,
    times: NDArray[np.datetime64],
    findings: list[Finding],
) -> Iterator[_Account]:
    """A venue's account, or one for each of its shorts where margin is isolated, as it is where coins are posted."""
    tables = {p.contract: p.table for p in margin.positions}
    rule, _ = rule_for(margin.venue, _moment(times[0]).date())
    alone = margin.mode is MarginMode.ISOLATED
    posted = {p.contract: p.collateral for p in margin.positions}
    for order in orders:
        coins = next(p.coins for p in margin.positions if p.contract == order.contract.id)
        if coins is not None:
            posted[order.contract.id] = times_exact(coins.quantity, order.price)
    for together in [[order] for order in orders] if alone else [list(orders)]:
        closes, highs = np.ones((len(times), len(together))), np.ones((len(times), len(together)))
        cash, needed = np.zeros(len(times)), np.zeros(len(times))
        for j, order in enumerate(together):
            info, entry, value = series[order.contract.id], to_float(order.price), to_float(order.notional)
            frame, seen = load_bars(view, info, start=_moment(times[0]) - DAY)
            findings.extend(f for f in seen if f.trouble is not Trouble.NOTE)
            closes[:, j] = _carried(frame, "close", times) / entry
            judged = _judged_by(info, lookup, view, frame, times)
            highs[:, j] = _window_high(judged, times, closes[:, j] * entry) / entry
            inverse = margin.coins is not None
            cash += _funding_path(order, info, lookup, view, times, closes[:, j], findings, inverse=inverse)
            at_entry = alone and rule.basis is Basis.ENTRY
            charged = to_float(order.contract.taker_fee) if rule.counts_fee and rule.basis is Basis.MARK else 0.0
            if inverse:
                # brackets count coins, N / p; what they ask for is worth more the higher the price
                at = entry if at_entry else highs[:, j] * entry
                short = np.full(len(times), value) / at
                asked = maintenance_path(short, tables[order.contract.id]) + charged * short
                needed += asked * highs[:, j] * entry
                continue
            judged_value = np.full(len(times), value) if at_entry else highs[:, j] * value
            needed += maintenance_path(judged_value, tables[order.contract.id]) + charged * judged_value
        yield _Account(
            name=together[0].contract.id if alone else margin.venue,
            collateral=to_float(posted[together[0].contract.id] if alone else margin.collateral),
            entry_notional=np.array([to_float(order.notional) for order in together]),
            close=closes,
            high=highs,
            needed=needed,
            funding=cash,
            coins=None if margin.coins is None else closes[:, 0],
        )


def maintenance_path(notional: FloatArray, table: TierTable) -> FloatArray:
    """Maintenance margin of a notional as it moves, by the brackets and their deductions, shape (T,).

    The largest of the brackets' lines ``notional * rate - deduction``: rates rise and deductions keep them continuous,
    so that is the bracket the notional lies in (:func:`stormsail.margin.tiers.maintenance`).
    """
    rates = np.array([to_float(t.rate) for t in table.tiers])
    deductions = np.array([to_float(t.deduction) for t in table.tiers])
    lines = notional[:, None] * rates - deductions
    return np.asarray(np.maximum(lines.max(axis=1), 0.0))


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
    *,
    inverse: bool = False,
) -> FloatArray:
    """Funding received so far by one short at each moment: ``sum of rate * notional at settlement``.

    An inverse short receives ``rate * N / price`` coins instead, which are worth the price of the moment.
    """
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
    at = close[slot[inside]]
    np.add.at(paid, slot[inside], rates * to_float(order.notional) * (1.0 / at if inverse else at))
    received: FloatArray = np.cumsum(paid)
    return received * close if inverse else received


def _moment(stamp: np.datetime64) -> datetime:
    value: datetime = stamp.astype("datetime64[us]").astype(object)
    return value.replace(tzinfo=UTC)
