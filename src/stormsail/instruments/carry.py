"""What a short of each contract earns or pays by being held: funding, or the basis of a dated contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from stormsail.core import Contract, Tenor, Unavailable
from stormsail.forecast.funding import baseline_carry, dated_carry, forecast_carry
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.instruments.types import VenueRecord
from stormsail.instruments.universe import day_of
from stormsail.market.lookup import Lookup
from stormsail.market.schema import SeriesInfo, SeriesKey
from stormsail.market.source import MarketView


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
