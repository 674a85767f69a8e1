"""What a short of each contract earns or pays by being held: funding, or the basis of a dated contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import polars as pl

from stormsail.core import Contract, Tenor, Unavailable
from stormsail.core.symbol import MAJORS
from stormsail.forecast.funding import baseline_carry, dated_carry, forecast_carry
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.instruments.types import VenueRecord
from stormsail.instruments.universe import day_of
from stormsail.market.funding import true_intervals
from stormsail.market.lookup import Lookup
from stormsail.market.schema import SeriesInfo, SeriesKey
from stormsail.market.source import MarketView

MAJOR_CAP, OTHER_CAP = 0.003, 0.02
"""Least cap of one settlement that is assumed of BTC and ETH, and of other coins."""


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
    caps = funding_caps(view, lookup, contracts, venues)
    found: dict[str, MaybeCarry] = {}
    for c in contracts:
        if c.tenor is Tenor.DATED:
            found[c.id] = _dated(c, spot.get(c.base), last.get(c.id), view.as_of, horizon)
            continue
        info = paid.get(c.id)
        cap, hours = caps[c.id]
        most = cap * 24.0 / hours
        forecast = (
            forecast_carry(frames[info.key], horizon, as_of=view.as_of, cap_per_day=most, floor_per_day=-most)
            if info
            else None
        )
        usable = isinstance(forecast, CarryForecast)
        found[c.id] = forecast if usable and forecast else baseline(venues[c.venue], view.as_of, horizon)
    return found


def funding_caps(
    view: MarketView, lookup: Lookup, contracts: Sequence[Contract], venues: Mapping[str, VenueRecord]
) -> dict[str, tuple[float, float]]:
    """Cap of one settlement and the hours between two, by contract id: the venue's, else :func:`assumed_cap`."""
    info_of = {c.id: lookup.contract(c.venue, c.symbol) for c in contracts}
    paid = {name: lookup.funding(info) for name, info in info_of.items() if info is not None}
    frames = _frames(view, [info for info in paid.values() if info is not None])
    found: dict[str, tuple[float, float]] = {}
    for c in contracts:
        info = paid.get(c.id)
        stated = stated_cap(venues.get(c.venue), c, day_of(view.as_of))
        found[c.id] = (
            assumed_cap(c.base, frames[info.key] if info else None) if isinstance(stated, Unavailable) else stated
        )
    return found


def stated_cap(record: VenueRecord | None, contract: Contract, day: date) -> tuple[float, float] | Unavailable:
    """Cap of one settlement and its hours by the venue's rule of the day; 0 for a dated contract, which pays none."""
    if contract.tenor is Tenor.DATED:
        return 0.0, 8.0
    rule = Unavailable("no record of the venue") if record is None else record.rule("funding", day)
    if isinstance(rule, Unavailable):
        return rule
    cap = rule.values.get("cap_per_interval")
    if cap is None:
        return Unavailable(f"{contract.venue} states no cap that holds for {contract.symbol}")
    return float(cap), float(rule.values["interval_hours"])


def assumed_cap(base: str, frame: pl.DataFrame | None) -> tuple[float, float]:
    """Cap of one settlement and its hours where the venue states none for the contract.

    The largest rate settled so far on either side, but not below 0.3 % for BTC and ETH and 2 % for other coins: caps on
    Binance, by symbol (fundingInfo, 2023: BTCUSDT 0.3 %, contracts of up to 25 times leverage 2 % and 3 %). The hours
    are those between the last settlements known, eight where none are.

    >>> assumed_cap("BTC", None), assumed_cap("SOL", None)
    ((0.003, 8.0), (0.02, 8.0))
    """
    least = MAJOR_CAP if base in MAJORS else OTHER_CAP
    if frame is None or frame.is_empty():
        return least, 8.0
    seen = frame["rate_per_interval"].fill_nan(None).abs().max()
    last = true_intervals(frame.tail(12))["interval_hours"].drop_nulls()
    return max(least, float(seen) if isinstance(seen, float) else 0.0), float(last[-1]) if len(last) else 8.0


def _frames(view: MarketView, infos: Sequence[SeriesInfo]) -> dict[SeriesKey, pl.DataFrame]:
    return view.read_many([info.key for info in infos]) if infos else {}


def _dated(
    contract: Contract, spot: float | None, price: float | None, as_of: datetime, horizon: timedelta
) -> MaybeCarry:
    if spot is None or price is None or contract.expiry is None:
        return Unavailable("no price of the coin and of its dated contract at one moment")
    return dated_carry(price, spot, contract.expiry, as_of, horizon)


def baseline(record: VenueRecord, as_of: datetime, horizon: timedelta) -> MaybeCarry:
    """The carry a venue's baseline funding would give, assumed where no history is at hand."""
    rule = record.rule("funding", day_of(as_of))
    if isinstance(rule, Unavailable):
        return rule
    return baseline_carry(
        float(rule.values["baseline_rate_per_interval"]), float(rule.values["interval_hours"]), horizon
    )
