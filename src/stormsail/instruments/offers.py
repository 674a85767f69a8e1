"""What the market offers on each contract: volume, carry, order book, and the room its venue leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from stormsail.core import Contract, Payoff, Unavailable, to_float
from stormsail.core.symbol import MAJORS
from stormsail.forecast.types import MaybeCarry
from stormsail.instruments.backing import backing_of, is_inverse
from stormsail.instruments.carry import carries, funding_caps
from stormsail.instruments.counted import counted_carry
from stormsail.instruments.diligence import score
from stormsail.instruments.types import VenueRecord
from stormsail.instruments.universe import day_of
from stormsail.market.book import expected_slippage, latest_book
from stormsail.market.lookup import Lookup
from stormsail.market.source import MarketView

COLLATERAL_RATE = {True: 0.5, False: 1.0}
"""Collateral per unit of short notional taken for ranking: half for BTC and ETH, all of it for alts.

An assumption near the measured 7-day rises; the plan replaces it by the requirement of each contract.
"""

BOOK_SPAN = timedelta(days=1)
"""How far back order books are read; whether the last one is fresh is judged by ``market.book.latest_book``."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One contract at the moment of the decision, as the ranking needs it.

    Attributes:
        contract: Which.
        volume: Median daily quote volume over 30 days.
        carry: Forecast carry of a short over the horizon, as a fraction of notional.
        counted: The carry a score counts with: expected, or a stand-in where it is unavailable, which is never income
            (see :func:`stormsail.instruments.counted.counted_carry`).
        room: Notional that the venue's cap leaves room for, in quote currency.
        book: Its last order book, if fresh.
        coins: Notional that the unlocked coins held can back, in quote currency; ``inf`` where cash is the collateral.
    """

    contract: Contract
    volume: float | Unavailable
    carry: MaybeCarry
    counted: float
    room: float
    book: pl.DataFrame | Unavailable
    coins: float = math.inf

    def slippage(self, notional: float, volatility: float) -> float | Unavailable:
        """Expected slippage of selling ``notional``, as a fraction."""
        return expected_slippage(notional, book=self.book, daily_volume=self.volume, daily_volatility=volatility)


def offers_of(
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
    free: Mapping[str, float] | None = None,
) -> dict[str, Offer]:
    """The offer on each contract, by id.

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
        free: Value of the unlocked coins held, by coin, which alone can back inverse contracts.
    """
    day = day_of(view.as_of)
    caps = {venue: score(venues[venue], day).cap for venue in sorted({c.venue for c in contracts})}
    carry = carries(view, lookup, contracts, venues, spot, last, horizon)
    counted, _ = counted_carry([(c, carry[c.id]) for c in contracts])
    read = books(view, lookup, contracts)
    inverse = [c for c in contracts if is_inverse(c)]
    drained = funding_caps(view, lookup, inverse, venues)
    coins = {
        c.id: (free or {}).get(c.base, 0.0) / to_float(backing_of(c, drained[c.id], horizon, day).rate) for c in inverse
    }
    return {
        c.id: Offer(
            c,
            volumes[c.id],
            carry[c.id],
            counts,
            room(c, caps[c.venue], value),
            read[c.id],
            coins.get(c.id, math.inf),
        )
        for c, counts in zip(contracts, counted.tolist(), strict=True)
    }


def books(view: MarketView, lookup: Lookup, contracts: Sequence[Contract]) -> dict[str, pl.DataFrame | Unavailable]:
    """The last order book of each contract, by id, if fresh."""
    infos = {c.id: lookup.contract(c.venue, c.symbol) for c in contracts}
    held = {name: lookup.book(info) for name, info in infos.items() if info is not None}
    keys = {name: info.key for name, info in held.items() if info is not None}
    frames = view.read_many(sorted(set(keys.values())), start=view.as_of - BOOK_SPAN) if keys else {}
    return {
        c.id: latest_book(frames[keys[c.id]], view.as_of) if c.id in keys else Unavailable("no order book")
        for c in contracts
    }


def room(contract: Contract, cap: float, value: float) -> float:
    """Notional that a venue's cap leaves room for: ``cap * value / collateral rate``.

    An inverse short is backed by its own coin and counts in full.
    """
    major = contract.base in MAJORS and contract.payoff is Payoff.LINEAR
    return cap * value / COLLATERAL_RATE[major]


def round_trip(contract: Contract, slippage: float | Unavailable) -> float:
    """Taker fee and slippage both ways, as a fraction of notional; slippage that is unavailable is left out."""
    return 2.0 * (to_float(contract.taker_fee) + (0.0 if isinstance(slippage, Unavailable) else slippage))
