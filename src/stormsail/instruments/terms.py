"""What it takes to short each contract: volume, carry, cost, and the room its venue leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from stormsail.core import Contract, Payoff, Tenor, Unavailable, to_float
from stormsail.forecast.funding import baseline_carry, dated_carry, forecast_carry
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.instruments.candidates import MAJORS
from stormsail.instruments.diligence import score
from stormsail.instruments.evidence import CONTRACT_KINDS, history_series
from stormsail.instruments.types import VenueRecord
from stormsail.instruments.universe import day_of
from stormsail.market.book import latest_book, slippage_from_book, square_root_impact
from stormsail.market.lookup import Lookup
from stormsail.market.schema import SeriesInfo, SeriesKey
from stormsail.market.source import MarketView

VOLUME_DAYS = 30
MIN_VOLUME_DAYS = 10

COLLATERAL_RATE = {True: 0.5, False: 1.0}
"""Collateral per unit of short notional taken for ranking: half for BTC and ETH, all of it for alts.

An assumption near the measured 7-day rises; the plan replaces it by the requirement of each contract.
"""

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """One contract's terms at the moment of the decision.

    Attributes:
        contract: Which.
        volume: Median daily quote volume over 30 days.
        carry: Forecast carry of a short over the horizon, as a fraction of notional.
        room: Notional that the venue's cap leaves room for, in quote currency.
        book: Its last order book, if fresh.
    """

    contract: Contract
    volume: float | Unavailable
    carry: MaybeCarry
    room: float
    book: pl.DataFrame | Unavailable

    def slippage(self, notional: float, volatility: float) -> float | Unavailable:
        """Expected slippage of selling ``notional``: from the book, else square-root impact, else unavailable."""
        if isinstance(self.book, pl.DataFrame):
            walked = slippage_from_book(self.book, "sell", notional)
            if not isinstance(walked, Unavailable):
                return walked
        if isinstance(self.volume, Unavailable):
            return self.volume
        if not np.isfinite(volatility):
            return Unavailable("volatility is unavailable")
        return square_root_impact(notional, self.volume, volatility)


def terms_of(
    view: MarketView,
    lookup: Lookup,
    contracts: Sequence[Contract],
    venues: Mapping[str, VenueRecord],
    *,
    value: float,
    horizon: timedelta,
    spot: Mapping[str, float],
    last: Mapping[str, float],
    volumes: Mapping[str, float | Unavailable],
) -> dict[str, Terms]:
    """Terms of each contract, by id.

    Args:
        view: Market data at the moment.
        lookup: Index of ``view``.
        contracts: Which contracts.
        venues: Their venues' records.
        value: Value of the portfolio, of which a venue's cap is a share.
        horizon: How long the short is held.
        spot: Price of each coin.
        last: Last price per coin of each contract, by id.
        volumes: Median daily volume, by id.
    """
    day = day_of(view.as_of)
    caps = {venue: score(venues[venue], day).cap for venue in sorted({c.venue for c in contracts})}
    carry = carries(view, lookup, contracts, venues, spot, last, horizon)
    return {
        c.id: Terms(c, volumes[c.id], carry[c.id], room(c, caps[c.venue], value), _book(view, lookup, c))
        for c in contracts
    }


def _book(view: MarketView, lookup: Lookup, contract: Contract) -> pl.DataFrame | Unavailable:
    info = lookup.contract(contract.venue, contract.symbol)
    held = lookup.book(info) if info else None
    return latest_book(view.read(held.key), view.as_of) if held else Unavailable("no order book")


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


def carries(
    view: MarketView,
    lookup: Lookup,
    contracts: Sequence[Contract],
    venues: Mapping[str, VenueRecord],
    spot: Mapping[str, float],
    last: Mapping[str, float],
    horizon: timedelta,
) -> dict[str, MaybeCarry]:
    """Carry of a short of each contract over the horizon, by contract id.

    Perpetuals: forecast from settled funding where known, else the venue's baseline, which is said to be assumed.
    Dated contracts: convergence of their price to spot.

    Args:
        view: Market data at the moment.
        lookup: Index of ``view``.
        contracts: Which contracts.
        venues: Their venues, for baselines.
        spot: Price of each coin.
        last: Last price per coin of each contract, by id.
        horizon: How long the short is held.
    """
    info_of = {c.id: lookup.contract(c.venue, c.symbol) for c in contracts}
    paid = {name: lookup.funding(info) for name, info in info_of.items() if info is not None}
    frames = _frames(view, [info for info in paid.values() if info is not None])
    found: dict[str, MaybeCarry] = {}
    for c in contracts:
        if c.tenor is Tenor.DATED:
            found[c.id] = _dated(c, spot.get(c.base), last.get(c.id), view.as_of, horizon)
            continue
        info = paid.get(c.id)
        forecast = forecast_carry(frames[info.key], horizon, as_of=view.as_of) if info else None
        usable = isinstance(forecast, CarryForecast)
        found[c.id] = forecast if usable and forecast else baseline(venues[c.venue], view.as_of, horizon)
    return found


def _frames(view: MarketView, infos: Sequence[SeriesInfo]) -> dict[SeriesKey, pl.DataFrame]:
    return view.read_many([info.key for info in infos]) if infos else {}


def _dated(
    contract: Contract, spot: float | None, price: float | None, as_of: datetime, horizon: timedelta
) -> MaybeCarry:
    if spot is None or price is None or contract.expiry is None:
        return Unavailable("no price of coin and contract at one moment")
    return dated_carry(price, spot, contract.expiry, as_of, horizon)


def baseline(record: VenueRecord, as_of: datetime, horizon: timedelta) -> MaybeCarry:
    """The carry a venue's baseline funding would give, assumed where no history is at hand."""
    rule = record.rule("funding", day_of(as_of))
    if isinstance(rule, Unavailable):
        return rule
    return baseline_carry(
        float(rule.values["baseline_rate_per_interval"]), float(rule.values["interval_hours"]), horizon
    )


def room(contract: Contract, cap: float, value: float) -> float:
    """Notional that a venue's cap leaves room for: ``cap * value / collateral rate``.

    An inverse short is backed by its own coin and counts in full.
    """
    major = contract.base in MAJORS and contract.payoff is Payoff.LINEAR
    return cap * value / COLLATERAL_RATE[major]


def fee(contract: Contract) -> float:
    """Taker fee both ways, as a fraction of notional."""
    return 2.0 * to_float(contract.taker_fee)
