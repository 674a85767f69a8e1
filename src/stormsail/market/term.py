"""The term structure of a coin: what its futures say of the price of time, contract by contract and between them.

Prices are compared only where a bar of the contract and a bar of spot ended at the same moment, to within a bar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from stormsail.core import Finding, InputError, Trouble, Unavailable, format_span
from stormsail.market.basis import annual_basis, implied_rate
from stormsail.market.funding import daily_funding
from stormsail.market.load import per_coin
from stormsail.market.lookup import Lookup
from stormsail.market.once import read_once, tidied
from stormsail.market.schema import Kind, SeriesInfo, stamps
from stormsail.market.source import MarketView

RECENT = 7
"""Days whose settled funding stands for a perpetual's rate."""

_LEAST = 5
_DAY = timedelta(days=1)
_LOOK_BACK = timedelta(days=4)
_YEAR_DAYS = 365.0


@dataclass(frozen=True, slots=True)
class TermPoint:
    """One dated contract against spot.

    Attributes:
        contract: Its id, such as ``binance:BTCUSDT_251226``.
        moment: When both prices were known.
        expiry: Settlement.
        days: From ``moment`` to ``expiry``.
        futures, spot: Prices per coin.
        level: ``F / S - 1``.
        annual: Simple annual basis ``level * 365 / days``.
        rate: Implied rate ``ln(F/S) * 365 / days``, continuously compounded.
    """

    contract: str
    moment: datetime
    expiry: datetime
    days: float
    futures: float
    spot: float
    level: float
    annual: float
    rate: float


@dataclass(frozen=True, slots=True)
class Floating:
    """One perpetual against spot; funding takes the place of time.

    Attributes:
        contract: Its id.
        moment: When both prices were known.
        futures, spot: Prices per coin.
        level: ``F / S - 1``.
        rate: Funding settled over the last seven whole days, as a simple annual rate; positive is received by a short.
        days: Whole days behind it.
    """

    contract: str
    moment: datetime
    futures: float
    spot: float
    level: float
    rate: float | Unavailable
    days: int


@dataclass(frozen=True, slots=True)
class Forward:
    """The rate that two contracts lock between their ends.

    Attributes:
        start, end: Ends of the nearer and of the farther contract.
        rate: Continuously compounded, per year.
    """

    start: datetime
    end: datetime
    rate: float


@dataclass(frozen=True, slots=True)
class TermStructure:
    """Futures on one coin, paid in one currency at one venue, at one moment.

    Attributes:
        coin: Which coin.
        venue: Where.
        quote: Currency of the prices.
        as_of: The moment asked for.
        dated: Dated contracts by rising expiry.
        perpetuals: Perpetuals by id.
        findings: Contracts left out because their price and spot do not meet, and why.
    """

    coin: str
    venue: str
    quote: str
    as_of: datetime
    dated: tuple[TermPoint, ...]
    perpetuals: tuple[Floating, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def forwards(self) -> tuple[Forward, ...]:
        """Forward rates from each end to the next; see :func:`forward_rates`."""
        return forward_rates(self.dated)

    def constant(self, days: float) -> float | Unavailable:
        """Implied rate at a constant distance; see :func:`constant_maturity`."""
        return constant_maturity(self.dated, days)


def forward_rates(points: Sequence[TermPoint]) -> tuple[Forward, ...]:
    """Rates between neighbouring expiries: ``(r2 T2 - r1 T1) / (T2 - T1)``, by which a roll from one to the next pays.

    Args:
        points: Contracts of one curve, any order.

    Raises:
        InputError: If two of them end together.

    Source: Hull, Options, Futures and Other Derivatives, eq. 4.5 (forward rates from zero rates).
    """
    return tuple(
        Forward(near.expiry, far.expiry, (far.rate * far.days - near.rate * near.days) / (far.days - near.days))
        for near, far in pairwise(_in_order(points))
    )


def constant_maturity(points: Sequence[TermPoint], days: float) -> float | Unavailable:
    """Implied rate ``days`` ahead: ``ln(F/S)`` is interpolated in time, which keeps the forward rate flat in between.

    Args:
        points: Contracts of one curve, any order.
        days: Distance, positive.

    Returns:
        The rate, continuously compounded per year; unavailable before the first expiry and beyond the last.

    Raises:
        InputError: If two contracts end together, or ``days`` is not positive.

    Source: Hagan & West 2006, Interpolation methods for curve construction, section 2 (raw interpolation).
    """
    if not days > 0:
        raise InputError(f"a distance of {days} days", cure="give a positive number of days", where="days")
    order = _in_order(points)
    if not order:
        return Unavailable("no dated contract")
    if not order[0].days <= days <= order[-1].days:
        ends = f"{order[0].days:.0f}" if len(order) == 1 else f"{order[0].days:.0f} to {order[-1].days:.0f}"
        return Unavailable(f"{days:.0f} days lie outside the contracts, which end in {ends} days")
    growth = np.interp(days, [p.days for p in order], [p.rate * p.days for p in order])
    return float(growth) / days


def _in_order(points: Sequence[TermPoint]) -> list[TermPoint]:
    order = sorted(points, key=lambda p: (p.expiry, p.contract))
    for near, far in pairwise(order):
        if near.expiry == far.expiry:
            raise InputError(
                f"{near.contract} and {far.contract} end together",
                cure="give the contracts of one venue and currency",
                where="term structure",
            )
    return order


def term_structures(view: MarketView, coin: str, lookup: Lookup | None = None) -> tuple[TermStructure, ...]:
    """The curves of a coin at the moment of ``view``, one for each venue and currency with a dated or perpetual price.

    Spot is the venue's own series where there is a fresh one in that currency, else the one that prices the coin.

    Args:
        view: Market data and the moment.
        coin: Which coin.
        lookup: Index of ``view``.

    Returns:
        By venue and quote currency; empty where the coin has no spot price or no contract.
    """
    view = read_once(view)
    known = lookup or Lookup.of(view)
    infos = (*known.dated(coin), *known.perpetuals(coin), *known.inverse(coin))
    found = []
    for venue, quote in sorted({(i.key.venue, i.quote) for i in infos}):
        spot = _spot_of(known, coin, venue)
        if spot is not None:
            own = [i for i in infos if (i.key.venue, i.quote) == (venue, quote)]
            found.append(_curve(view, known, coin, spot, own))
    return tuple(found)


def _spot_of(lookup: Lookup, coin: str, venue: str) -> SeriesInfo | None:
    general = lookup.spot(coin)
    at_venue = [
        i for i in lookup.fresh
        if general and i.key.kind is Kind.SPOT and (i.asset, i.key.venue, i.quote) == (coin, venue, general.quote)
    ]  # fmt: skip
    return min(at_venue, key=lambda i: (i.bar or _DAY, i.start, i.key), default=general)


def _curve(view: MarketView, lookup: Lookup, coin: str, spot: SeriesInfo, infos: Sequence[SeriesInfo]) -> TermStructure:
    frames = tidied(view, (spot, *infos), start=view.as_of - _LOOK_BACK)
    base = per_coin(frames[spot.key][0], spot)
    dated: list[TermPoint] = []
    floating: list[Floating] = []
    findings: list[Finding] = []
    for info in infos:
        name = f"{info.key.venue}:{info.key.contract}"
        met = _meeting(per_coin(frames[info.key][0], info), info, base, spot)
        if isinstance(met, Unavailable):
            findings.append(Finding(Trouble.UNAVAILABLE, f"basis {name}", met.reason, "left out of the term structure"))
            continue
        moment, futures, price = met
        if info.expiry is None:
            rate, count = _funding_rate(view, lookup, info)
            floating.append(Floating(name, moment, futures, price, futures / price - 1.0, rate, count))
        elif info.expiry > moment:
            left = (info.expiry - moment) / _DAY
            annual, rate = annual_basis(futures, price, left), implied_rate(futures, price, left)
            level = futures / price - 1.0
            dated.append(TermPoint(name, moment, info.expiry, left, futures, price, level, annual, rate))
    return TermStructure(
        coin=coin,
        venue=infos[0].key.venue,
        quote=infos[0].quote,
        as_of=view.as_of,
        dated=tuple(sorted(dated, key=lambda p: (p.expiry, p.contract))),
        perpetuals=tuple(sorted(floating, key=lambda p: p.contract)),
        findings=tuple(findings),
    )


def _meeting(
    futures: pl.DataFrame, info: SeriesInfo, spot: pl.DataFrame, base: SeriesInfo
) -> tuple[datetime, float, float] | Unavailable:
    """The last moment at which both prices were known to within a bar of the finer one, and the two prices."""
    far, near = (f.filter(pl.col("close").is_finite() & (pl.col("close") > 0)) for f in (futures, spot))
    if far.is_empty() or near.is_empty():
        return Unavailable(f"no price of {'the contract' if far.is_empty() else 'spot'} in the last days")
    ours, theirs = stamps(far), stamps(near)
    moment = min(int(ours[-1]), int(theirs[-1]))
    i, j = (int(np.searchsorted(s, moment, side="right")) - 1 for s in (ours, theirs))
    bar = min(info.bar or _DAY, base.bar or _DAY)
    apart = timedelta(microseconds=abs(int(ours[i]) - int(theirs[j]))) if min(i, j) >= 0 else _LOOK_BACK
    if apart > bar:
        return Unavailable(f"its last price and spot lie {format_span(apart)} apart, more than a bar")
    return datetime.fromtimestamp(moment / 1e6, UTC), float(far["close"][i]), float(near["close"][j])


def _funding_rate(view: MarketView, lookup: Lookup, info: SeriesInfo) -> tuple[float | Unavailable, int]:
    """Funding of the last seven whole days as a simple annual rate, and how many of them are known."""
    paid = lookup.funding(info)
    if paid is None:
        return Unavailable("no settled funding"), 0
    start = view.as_of.replace(hour=0, minute=0, second=0, microsecond=0) - (RECENT + 1) * _DAY
    days = daily_funding(view.read(paid.key, start=start))["rate_per_day"].drop_nulls().drop_nans()[-RECENT:]
    if len(days) < _LEAST:
        return Unavailable(f"{len(days)} whole days of settled funding in the last week, {_LEAST} needed"), len(days)
    return math.fsum(days) / len(days) * _YEAR_DAYS, len(days)
