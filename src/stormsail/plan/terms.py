"""What is known of each contract that the plan may short: price, volume, volatility, carry, brackets, bars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl

from stormsail.core import (
    Contract,
    Finding,
    Payoff,
    Tenor,
    Trouble,
    Unavailable,
    from_float,
    nearest_to,
)
from stormsail.forecast.types import MaybeCarry
from stormsail.instruments.carry import carries, funding_caps
from stormsail.instruments.carry import stated_cap as _cap
from stormsail.instruments.offers import books
from stormsail.instruments.types import VenueRecord
from stormsail.instruments.volumes import median_volumes
from stormsail.margin.floor import is_young
from stormsail.margin.moves import Moves, bar_moves
from stormsail.margin.rise import ewma_sigma_daily
from stormsail.margin.tiers import assumed_table, tier_table
from stormsail.margin.types import TierTable
from stormsail.market.book import expected_slippage
from stormsail.market.load import per_coin
from stormsail.market.lookup import Lookup
from stormsail.market.once import tidied
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey
from stormsail.market.source import MarketView
from stormsail.plan.model import deepest

HISTORY = timedelta(days=730)
"""Bars behind collateral: two years."""

_LAST = timedelta(days=3)

FALLBACK_CAP = (0.003, 8.0)
"""Cap of one settlement and its hours where the venue states none: that of BTCUSDT on Binance."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """One contract as the plan sees it; prices are per coin.

    Attributes:
        contract: Which contract.
        info: Series of its price.
        deep: Series that reaches furthest back, behind ``moves``.
        price: Last close known, on the tick.
        moves: Bar moves, of the mark price where there is one.
        volume: Median daily quote volume over 30 days.
        sigma_daily: Daily volatility now.
        carry: Of a short over the horizon, per unit of notional.
        carry_origin: Where it came from.
        book: Last order book, or why there is none.
        table: Margin brackets.
        funding_cap: Cap of one settlement and hours between two: the venue's, else assumed, which a finding says.
        young: Whether the coin is seen to have traded for less than ``margin.floor.SETTLED``.
    """

    contract: Contract
    info: SeriesInfo
    deep: SeriesInfo
    price: Decimal
    moves: Moves
    volume: float | Unavailable
    sigma_daily: float | Unavailable
    carry: MaybeCarry
    carry_origin: str
    book: pl.DataFrame | Unavailable
    table: TierTable
    funding_cap: tuple[float, float]
    young: bool

    def slippage(self, notional: float) -> float | Unavailable:
        """Expected slippage of one way, as a fraction."""
        return expected_slippage(notional, book=self.book, daily_volume=self.volume, daily_volatility=self.sigma_daily)

    def capacity(self, share: float) -> float | Unavailable:
        """Most that may be short within a share of a day's volume."""
        return self.volume if isinstance(self.volume, Unavailable) else self.volume * share


def contract_terms(
    view: MarketView,
    lookup: Lookup,
    contracts: Sequence[Contract],
    venues: Mapping[str, VenueRecord],
    spot: Mapping[str, float],
    horizon: timedelta,
    day: date,
) -> tuple[dict[str, Terms], tuple[Finding, ...]]:
    """Terms of every contract that has a price, by contract id, and what was noticed.

    Args:
        view: Market data.
        lookup: Its index.
        contracts: Which contracts.
        venues: Venue records, for baselines.
        spot: Price of each coin, for the basis of dated contracts.
        horizon: Over which carry is stated.
        day: Day of the decision.
    """
    infos = {c.id: info for c in contracts if (info := lookup.contract(c.venue, c.symbol)) is not None}
    start = view.as_of - HISTORY
    deep = {cid: _deep(lookup, info, start) for cid, info in infos.items()}
    frames = _read(view, deep.values(), start)
    frames |= _read(view, [i for i in infos.values() if i.key not in frames], view.as_of - _LAST)
    brackets = _read_tiers(view, lookup, infos)
    orders = books(view, lookup, contracts)
    volumes = median_volumes(view, lookup, contracts)
    last = {cid: float(rows["close"][-1]) for cid, i in infos.items() if len(rows := frames[i.key])}
    paid = carries(view, lookup, contracts, venues, spot, last, horizon)
    caps = funding_caps(view, lookup, contracts, venues)
    young = young_coins(lookup)
    terms: dict[str, Terms] = {}
    findings: list[Finding] = []
    for contract in contracts:
        info = infos.get(contract.id)
        bars = frames.get(info.key) if info is not None else None
        if info is None or bars is None or bars.is_empty() or frames[deep[contract.id].key].height < 2:
            findings.append(Finding(Trouble.UNAVAILABLE, contract.id, "no fresh price", "it is not used"))
            continue
        price = max(nearest_to(from_float(bars["close"][-1]), contract.tick), contract.tick)
        moving = deep[contract.id]
        rows = frames[moving.key]
        moves = bar_moves(rows, moving.bar)
        carry = paid[contract.id]
        origin, found = _origin(contract, carry)
        table, found_tiers = _brackets(brackets.get(contract.id), contract, day)
        cap = _cap(venues.get(contract.venue), contract, day)
        findings += [*found, *found_tiers, *_assumed_cap(contract, cap, caps[contract.id])]
        terms[contract.id] = Terms(
            contract=contract,
            info=info,
            deep=moving,
            price=price,
            moves=moves,
            volume=volumes[contract.id],
            sigma_daily=ewma_sigma_daily(moves),
            carry=carry,
            carry_origin=origin,
            book=orders[contract.id],
            table=table,
            funding_cap=caps[contract.id],
            young=contract.base in young,
        )
    return terms, merged(findings)


def young_coins(lookup: Lookup) -> frozenset[str]:
    """Coins that began to trade a short while ago, as far as the data can tell: by the first of their prices anywhere,
    beside the first of its venue's recording (:func:`~stormsail.margin.floor.is_young`)."""
    priced = [i for i in lookup.known if i.key.kind in (Kind.SPOT, Kind.PERPETUAL)]
    recording: dict[tuple[Kind, str], datetime] = {}
    first: dict[str, SeriesInfo] = {}
    for info in priced:
        place = (info.key.kind, info.key.venue)
        recording[place] = min(recording.get(place, info.start), info.start)
        first[info.asset] = min(first.get(info.asset, info), info, key=lambda i: i.start)
    return frozenset(
        asset
        for asset, info in first.items()
        if is_young(info.start, recording[info.key.kind, info.key.venue], lookup.as_of)
    )


def _deep(lookup: Lookup, info: SeriesInfo, start: datetime) -> SeriesInfo:
    """The series collateral is judged by: the mark price unless the last price reaches further back.

    A dated contract is young by nature; the perpetual of its coin on the same venue stands for it.
    """
    own = (info.key.venue, info.key.contract)
    same = [i for i in lookup.fresh if (i.key.venue, i.key.contract) == own and i.key.kind is info.key.kind]
    if info.key.kind is Kind.DATED:
        kind = Kind.PERPETUAL
        same += [
            i for i in lookup.fresh if i.asset == info.asset and i.key.venue == info.key.venue and i.key.kind is kind
        ]
    traded = deepest(same, start) or info
    mark = lookup.mark(info)
    late = timedelta(days=30)
    return mark if mark is not None and mark.start <= max(traded.start, start) + late else traded


def _read(view: MarketView, infos: Iterable[SeriesInfo], start: datetime) -> dict[SeriesKey, pl.DataFrame]:
    """Tidied bars per coin of many series."""
    wanted = sorted(set(infos))
    by_key = tidied(view, wanted, start=start)
    return {info.key: per_coin(by_key[info.key][0], info) for info in wanted}


def _read_tiers(view: MarketView, lookup: Lookup, infos: Mapping[str, SeriesInfo]) -> dict[str, pl.DataFrame]:
    """Brackets of the contracts that have some, by contract id."""
    keys = {cid: held.key for cid, info in infos.items() if (held := lookup.tiers(info)) is not None}
    frames = view.read_many(sorted(set(keys.values()))) if keys else {}
    return {cid: frames[key] for cid, key in keys.items()}


def merged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings that say the same of several contracts, as one: ``funding of 3 contracts (a, b, c)``."""
    groups: defaultdict[tuple[Trouble, str, str, str], list[str]] = defaultdict(list)
    for found in findings:
        topic, _, name = found.subject.partition(" ")
        groups[found.trouble, topic, found.cause, found.cure].append(name)
    told = []
    for (trouble, topic, cause, cure), names in groups.items():
        subject = (
            f"{topic} {names[0]}" if len(names) == 1 else f"{topic} of {len(names)} contracts ({', '.join(names)})"
        )
        told.append(Finding(trouble, subject.strip(), cause, cure))
    return tuple(told)


def _origin(contract: Contract, carry: MaybeCarry) -> tuple[str, list[Finding]]:
    """Where a carry came from, and what to say where it is assumed or missing."""
    if isinstance(carry, Unavailable):
        return "", [Finding(Trouble.UNAVAILABLE, f"carry {contract.id}", carry.reason, "left out of the cost")]
    if carry.assumed:
        cure = "the venue's baseline is assumed, with a stated worst case"
        return f"baseline of {contract.venue}", [
            Finding(Trouble.DEGRADED, f"funding {contract.id}", "no usable history", cure)
        ]
    kind = "price against spot" if contract.tenor is Tenor.DATED else "settled funding"
    return f"{kind} of {contract.id}", []


def _brackets(frame: pl.DataFrame | None, contract: Contract, day: date) -> tuple[TierTable, list[Finding]]:
    known = Unavailable("no brackets are known") if frame is None else tier_table(frame, contract, day)
    if isinstance(known, TierTable):
        return known, []
    found = Finding(Trouble.DEGRADED, f"margin {contract.id}", known.reason, "a strict stand-in table is assumed")
    return assumed_table(contract, day), [found]


def _assumed_cap(
    contract: Contract, cap: tuple[float, float] | Unavailable, taken: tuple[float, float] = FALLBACK_CAP
) -> list[Finding]:
    if not isinstance(cap, Unavailable):
        return []
    rate, hours = taken
    cure = f"{rate:.1%} per {hours:g}h is assumed, as the most that collateral keeps and for funding at its cap"
    return [Finding(Trouble.DEGRADED, f"funding-cap {contract.id}", f"{contract.venue} states no cap for it", cure)]


def usable(contract: Contract) -> bool:
    """Whether the plan can short it: linear contracts with cash as collateral, inverse ones with the coin itself."""
    return contract.payoff in (Payoff.LINEAR, Payoff.INVERSE)
