"""Which futures contracts may be used: fresh at the moment of the decision, on venues that pass due diligence.

Metadata (lot, tick, fees) is the venue's own where a series of it is known, else it is derived from price and the
venue's default rules, and the contract's ``origin`` says *assumed*. All prices, and therefore ticks, are per one coin;
a ``1000PEPE`` contract has size 1000 and a thousandth of the tick that the venue quotes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from stormsail.core import STABLECOINS, Contract, Finding, Payoff, Tenor, Trouble, Unavailable, exact
from stormsail.instruments.diligence import score
from stormsail.instruments.series import CONTRACT_KINDS
from stormsail.instruments.types import Rule, VenueRecord
from stormsail.market.lookup import Lookup
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey
from stormsail.market.source import MarketView

_PRICE_SPAN = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Universe:
    """The contracts that may be used, sorted by id, and why others may not."""

    contracts: tuple[Contract, ...]
    findings: tuple[Finding, ...]


def day_of(as_of: datetime) -> date:
    """The day a moment belongs to; midnight belongs to the day it ends.

    >>> from datetime import UTC
    >>> day_of(datetime(2024, 8, 4, tzinfo=UTC)).isoformat()
    '2024-08-03'
    """
    return (as_of - timedelta(microseconds=1)).date()


def universe(
    view: MarketView, venues: Mapping[str, VenueRecord], allowed: Collection[str], lookup: Lookup
) -> tuple[Contract, ...]:
    """Contracts that may be used at ``view.as_of``; see :func:`survey` for those left out."""
    return survey(view, venues, allowed, lookup).contracts


def survey(view: MarketView, venues: Mapping[str, VenueRecord], allowed: Collection[str], lookup: Lookup) -> Universe:
    """Contracts with a fresh price on usable venues, and a finding for each venue or contract left out.

    Args:
        view: Market data as known at the moment of the decision.
        venues: Venue records by key.
        allowed: Venues the holder allows; empty allows all.
        lookup: Index of ``view``.
    """
    series = _series(lookup)
    refused = _refused(sorted({info.key.venue for info in series}), venues, allowed, day_of(view.as_of))
    usable = [info for info in series if info.key.venue not in refused]
    metadata = _metadata(view, {info.key.venue for info in usable})
    prices = _last_prices(view, usable)
    contracts: list[Contract] = []
    findings = [Finding(Trouble.NOTE, f"venue {v}", why, "its contracts are not used") for v, why in refused.items()]
    for info in usable:
        row = metadata.get((info.key.venue, info.key.contract))
        made = _given(info, row) if row else _assumed(info, prices.get(info.key), venues[info.key.venue], view.as_of)
        if isinstance(made, Contract):
            contracts.append(made)
        else:
            findings.append(Finding(Trouble.UNAVAILABLE, f"contract {info.key}", made.reason, "it is not used"))
    live = sorted(c for c in contracts if c.expiry is None or c.expiry > view.as_of)
    return Universe(tuple(live), tuple(findings))


def _series(lookup: Lookup) -> list[SeriesInfo]:
    """One fresh series per contract, without contracts on stablecoins."""
    assets = sorted({info.asset for info in lookup.fresh if info.key.kind in CONTRACT_KINDS} - STABLECOINS)
    finders = (lookup.perpetuals, lookup.inverse, lookup.dated)
    return [info for asset in assets for find in finders for info in find(asset)]


def _refused(
    keys: Iterable[str], venues: Mapping[str, VenueRecord], allowed: Collection[str], on: date
) -> dict[str, str]:
    reasons = {}
    for key in keys:
        if allowed and key not in allowed:
            reasons[key] = "not among the venues allowed"
        elif key not in venues:
            reasons[key] = "no due diligence recorded"
        else:
            judged = score(venues[key], on)
            if judged.cap <= 0:
                reasons[key] = f"due-diligence score {judged.score:.0f}, cap 0 ({judged.reasons[0]})"
    return reasons


def _metadata(view: MarketView, venues: Collection[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Last metadata row of each contract known at the moment."""
    infos = [info for info in view.catalogue(Kind.CONTRACTS) if info.key.venue in venues]
    frames = view.read_many([info.key for info in infos]) if infos else {}
    return {(key.venue, row["symbol"]): row for key, frame in frames.items() for row in frame.iter_rows(named=True)}


def _last_prices(view: MarketView, infos: Iterable[SeriesInfo]) -> dict[SeriesKey, float]:
    """Last close of each series, as quoted."""
    prices: dict[SeriesKey, float] = {}
    for kind in CONTRACT_KINDS:
        keys = [info.key for info in infos if info.key.kind is kind]
        frames = view.read_many(keys, start=view.as_of - _PRICE_SPAN) if keys else {}
        for key, frame in frames.items():
            close = frame.filter(pl.col("close") > 0)["close"]
            if len(close):
                prices[key] = close[-1]
    return prices


def _given(info: SeriesInfo, row: Mapping[str, Any]) -> Contract | Unavailable:
    """The contract as the venue describes it; its tick, quoted per ``multiplier`` coins, becomes one per coin."""
    try:
        numbers = {name: exact(row[name]) for name in ("size", "lot", "tick", "min_notional", "maker_fee", "taker_fee")}
        numbers["tick"] /= info.multiplier
        return Contract(
            venue=info.key.venue,
            symbol=info.key.contract,
            base=row["base"] or info.asset,
            quote=row["quote"] or info.quote,
            tenor=Tenor(row["tenor"]),
            payoff=Payoff(row["payoff"]),
            expiry=row["expiry"],
            origin=row["origin"] or "venue metadata",
            **numbers,
        )
    except (TypeError, ValueError) as error:
        return Unavailable(f"metadata cannot be used: {error}")


def _assumed(info: SeriesInfo, quoted: float | None, record: VenueRecord, as_of: datetime) -> Contract | Unavailable:
    """The contract as the venue's default rules make it."""
    fees, defaults = record.rule("fees", day_of(as_of)), record.rule("defaults", day_of(as_of))
    if quoted is None:
        return Unavailable("no price in the last three days")
    if isinstance(fees, Unavailable) or isinstance(defaults, Unavailable):
        return Unavailable(f"neither metadata nor default rules of {record.name} are known")
    inverse = info.key.kind is Kind.INVERSE
    size = _inverse_size(defaults, info.asset) if inverse else Decimal(info.multiplier)
    price = quoted / info.multiplier
    unit_value = 1.0 if inverse else price * info.multiplier
    return Contract(
        venue=info.key.venue,
        symbol=info.key.contract,
        base=info.asset,
        quote=info.quote,
        tenor=Tenor.PERPETUAL if info.expiry is None else Tenor.DATED,
        payoff=Payoff.INVERSE if inverse else Payoff.LINEAR,
        size=size,
        lot=Decimal(1) if inverse else _lot(defaults, info.asset, unit_value),
        tick=power_of_ten(price) * power_of_ten(10.0 ** -defaults.values["tick_digits"]),
        min_notional=max(defaults.values["min_notional"], size) if inverse else defaults.values["min_notional"],
        maker_fee=fees.values["maker"],
        taker_fee=fees.values["taker"],
        expiry=info.expiry,
        origin=f"assumed: lot, tick, minimum by default rule; fees as of {fees.effective_from} ({fees.evidence.value})",
    )


def _lot(defaults: Rule, asset: str, unit_value: float) -> Decimal:
    """The lot the venue is known to use for a coin, else a round one worth about what its lots usually are."""
    known: Mapping[str, Decimal] = defaults.values.get("lot", {})
    return known.get(asset, power_of_ten(float(defaults.values["lot_value"]) / unit_value))


def _inverse_size(defaults: Rule, asset: str) -> Decimal:
    sizes: Mapping[str, Decimal] = defaults.values.get("inverse_size", {})
    return sizes.get(asset, sizes.get("other", Decimal(10)))


def power_of_ten(value: float) -> Decimal:
    """Largest power of ten not above a positive value (exact; a value printed as a power of ten is one).

    >>> power_of_ten(0.5), power_of_ten(60_000.0), power_of_ten(0.001)
    (Decimal('0.1'), Decimal('1E+4'), Decimal('0.001'))
    """
    exponent = math.floor(math.log10(value) + 1e-12)
    return Decimal(1).scaleb(exponent)
