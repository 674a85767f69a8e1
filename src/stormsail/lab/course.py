"""What the market did over a span: every price, rate and volume a replay needs, on one grid.

A course is recorded from market data (:func:`record`) or made of another by a storm; the replay reads nothing else.
Prices are floats per one coin. A moment of the grid is the end of a bar: a bar's high is what happened since the moment
before, and a funding rate settles at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import (
    STABLECOINS,
    Contract,
    Finding,
    InputError,
    Payoff,
    Trouble,
    Unavailable,
    UnavailableError,
)
from stormsail.market.load import load_bars
from stormsail.market.lookup import Lookup
from stormsail.market.panel import FloatArray
from stormsail.market.schema import Kind, SeriesInfo
from stormsail.market.source import MarketView

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOOK_BACK = timedelta(days=30)
"""Volume and volatility behind the slippage of a trade are those of the thirty days before it."""

LONGEST_HOLE = timedelta(days=2)
"""A price series silent for longer has ended: its contract is settled, its coin keeps its last price and is named."""

ASSUMED_SLIPPAGE = 0.001
"""Slippage where no volume is known, as a fraction: ten times the half spread of a liquid contract."""

HALF_SPREAD = 0.0001
"""Half the spread assumed beside the impact, as a fraction; recorded books of liquid perpetuals show less."""

FlagArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Prices and rates on a grid: T moments, n contracts, K coins, C currencies.

    Attributes:
        times: Moments, shape (T,), ``datetime64[us]``; the first is that of the decision.
        contracts: Columns of the contract arrays.
        coins: Columns of ``spot``.
        currencies: Columns of ``worth`` and ``worst``: what contracts settle in, and what collateral is posted in.
        last, mark: Last traded price and mark at each moment, shape (T, n); NaN before the listing.
        high, low: Extremes of the mark since the moment before, shape (T, n).
        rate: Funding settled at the moment, per interval, shape (T, n); NaN where it settled and is not known.
        settles: Whether funding settles, shape (T, n).
        tradable: Whether the contract trades, shape (T, n).
        ends: Index of the moment each contract is settled for good, T if it goes on, shape (n,).
        half_spread, impact: Slippage of a trade worth ``v`` is ``half_spread + impact * sqrt(v)``, shape (T, n).
        spot: Price of each coin, shape (T, K).
        worth, worst: Price of each currency in the currency of account at the moment, and its lowest since the moment
            before, shape (T, C).
        account: Currency of account.
        findings: What was noticed on recording.
    """

    times: NDArray[np.datetime64]
    contracts: tuple[Contract, ...]
    coins: tuple[str, ...]
    currencies: tuple[str, ...]
    last: FloatArray
    mark: FloatArray
    high: FloatArray
    low: FloatArray
    rate: FloatArray
    settles: FlagArray
    tradable: FlagArray
    ends: NDArray[np.int64]
    half_spread: FloatArray
    impact: FloatArray
    spot: FloatArray
    worth: FloatArray
    worst: FloatArray
    account: str = "USD"
    findings: tuple[Finding, ...] = field(default=())

    def __post_init__(self) -> None:
        shape = (len(self.times), len(self.contracts))
        for name in ("last", "mark", "high", "low", "rate", "settles", "tradable", "half_spread", "impact"):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")
        if self.spot.shape != (len(self.times), len(self.coins)):
            raise ValueError(f"spot has shape {self.spot.shape}, not {(len(self.times), len(self.coins))}")
        if self.worth.shape != (len(self.times), len(self.currencies)) or self.worst.shape != self.worth.shape:
            raise ValueError("worth and worst must have one column for each currency")
        bad = np.argwhere(~(self.spot > 0))
        if len(bad):
            t, k = bad[0]
            raise InputError(
                f"price {self.spot[t, k]} at {str(self.times[t])[:16]}",
                cure="a price must be positive; repair the data or leave the coin out",
                where=self.coins[k],
            )

    @property
    def dearest(self) -> FloatArray:
        """Highest price of each currency known within each bar, shape (T, C): what is owed is judged by it."""
        before = np.vstack([self.worth[:1], self.worth[:-1]])
        return np.maximum(np.maximum(self.worth, before), self.worst)

    @property
    def step(self) -> timedelta:
        """Distance of two moments."""
        span: timedelta = (self.times[1] - self.times[0]).astype("timedelta64[us]").astype(object)
        return span

    def moment(self, index: int) -> datetime:
        """The moment with that index, UTC."""
        return moment_of(self.times[index])

    def index_of(self, when: datetime) -> int:
        """The first index not before ``when``; ``len(times)`` if there is none."""
        return int(np.searchsorted(self.times, np.datetime64(when.astimezone(UTC).replace(tzinfo=None), "us")))


def settlement_currency(contract: Contract) -> str:
    """What a contract pays in: its quote for a linear one, its coin for an inverse one.

    Raises:
        InputError: For a quanto contract, which does not name the third coin it pays in.
    """
    if contract.payoff is Payoff.QUANTO:
        raise InputError("a quanto contract pays in a third coin", cure="name it as settle of its leg",
                         where=contract.id)  # fmt: skip
    return contract.quote if contract.payoff is Payoff.LINEAR else contract.base


def record(
    view: MarketView,
    contracts: Sequence[Contract],
    coins: Sequence[str],
    *,
    start: datetime,
    step: timedelta | None = None,
    pegs: Mapping[str, str] | None = None,
    currencies: Sequence[str] = (),
    account: str = "USD",
) -> Course:
    """Record what the market did from ``start`` to the view's moment.

    The grid's step is that of the coarsest contract, at least an hour and at most a day. A hole carries the last price
    on, without a high; a contract silent for two days has ended at its last bar and is settled there; a coin silent for
    longer keeps its last price; all of it is found and told. Stablecoins are taken at par unless ``pegs`` names the
    coin whose price series is theirs.

    Args:
        view: The source, seen from the end of the span.
        contracts: Contracts to record.
        coins: Coins to record; a coin that is money (a stablecoin) needs no series.
        start: First moment.
        step: Grid step.
        pegs: Currency to the asset whose spot series prices it.
        currencies: Currencies to price beside those the contracts settle in: other collateral, and what a quanto
            contract pays in.
        account: Currency of account.

    Raises:
        UnavailableError: If a coin has no price at ``start``, a contract has no series at all, or nothing is known
            after ``start``.
    """
    findings: list[Finding] = []
    now, later = Lookup.of(view.earlier(start)), Lookup.of(view)
    infos = {c.id: _series_of(c, now, later, view) for c in contracts}
    times = grid(start, view.as_of, step or _step(infos.values()))
    shape = (len(times), len(contracts))
    last, high, low = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    mark, rate = np.full(shape, np.nan), np.zeros(shape)
    settles, tradable = np.zeros(shape, bool), np.zeros(shape, bool)
    impact = np.full(shape, np.nan)
    half = np.full(shape, HALF_SPREAD)
    ends = np.full(shape[1], len(times), dtype=np.int64)
    for j, contract in enumerate(contracts):
        info = infos[contract.id]
        frame, seen = load_bars(view, info, start=start - LOOK_BACK - DAY)
        findings.extend(f for f in seen if f.trouble is not Trouble.NOTE)
        bars = _on_grid(frame, times)
        last[:, j], tradable[:, j] = bars.close, np.isfinite(bars.close)
        marked = _mark(info, later, view, start, times)
        own = np.isfinite(marked.close) if marked else np.zeros(len(times), bool)
        mark[:, j] = np.where(own, marked.close, bars.close) if marked else bars.close
        high[:, j] = np.fmax(np.where(own, marked.high, bars.high) if marked else bars.high, mark[:, j])
        low[:, j] = np.fmin(np.where(own, marked.low, bars.low) if marked else bars.low, mark[:, j])
        if not own.all():
            text = (
                "no mark price" if not own.any() else f"mark price missing at {int((~own).sum())} of {len(own)} moments"
            )
            findings.append(
                Finding(Trouble.DEGRADED, contract.id, text, "the last price decides about liquidation there")
            )
        ends[j] = _end(contract, frame, times, view.as_of, findings)
        tradable[ends[j] :, j] = False
        _funding(contract, info, later, view, times, rate[:, j], settles[:, j], findings)
        impact[:, j] = _impact(frame, times, info.multiplier)
    unknown = ~np.isfinite(impact) & tradable
    for j in np.flatnonzero(unknown.any(axis=0)).tolist():
        where = f"volume unknown at {int(unknown[:, j].sum())} of {len(times)} moments"
        findings.append(
            Finding(Trouble.DEGRADED, contracts[j].id, where, f"slippage of {ASSUMED_SLIPPAGE:.2%} assumed there")
        )
    half[unknown], impact[~np.isfinite(impact)] = ASSUMED_SLIPPAGE, 0.0
    paid = {settlement_currency(c) for c in contracts if c.payoff is not Payoff.QUANTO}
    money = tuple(sorted(paid | set(currencies) | {"USDT"}))
    spot = (
        np.column_stack([_spot(coin, view, now, later, times, findings) for coin in coins])
        if coins
        else np.empty((len(times), 0))
    )
    worth = np.column_stack([_worth(c, pegs or {}, view, now, later, times, findings) for c in money])
    return Course(
        times=times, contracts=tuple(contracts), coins=tuple(coins), currencies=money,
        last=last, mark=mark, high=high, low=low, rate=rate, settles=settles, tradable=tradable, ends=ends,
        half_spread=half, impact=impact, spot=spot, worth=worth,
        worst=np.minimum(worth, np.vstack([worth[:1], worth[:-1]])), account=account,
        findings=tuple(dict.fromkeys(findings)),
    )  # fmt: skip


def grid(start: datetime, end: datetime, step: timedelta) -> NDArray[np.datetime64]:
    """Moments from ``start`` to ``end``, ``step`` apart; at least two.

    Raises:
        UnavailableError: If ``end`` lies less than a step after ``start``.
    """
    count = (end - start) // step
    if count < 1:
        raise UnavailableError(
            f"nothing is known between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M}",
            cure="end at a later moment that the data covers",
        )
    width = np.timedelta64(round(step.total_seconds() * 1e6), "us")
    return np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "us") + width * np.arange(count + 1)


def moment_of(stamp: np.datetime64) -> datetime:
    """A moment of the grid as a UTC time."""
    value: datetime = stamp.astype("datetime64[us]").astype(object)
    return value.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class _Bars:
    """Close carried on, and extremes since the moment before; NaN where nothing is known."""

    close: FloatArray
    high: FloatArray
    low: FloatArray


def _step(infos: object) -> timedelta:
    bars = [info.bar or HOUR for info in infos]  # type: ignore[attr-defined]
    return min(max([HOUR, *bars]), DAY)


def _series_of(contract: Contract, now: Lookup, later: Lookup, view: MarketView) -> SeriesInfo:
    """The contract's series: fresh at the start, else fresh at the end, else any that was ever known."""
    kinds = (Kind.PERPETUAL, Kind.INVERSE, Kind.DATED)
    found = now.contract(contract.venue, contract.symbol) or later.contract(contract.venue, contract.symbol)
    if found is None:
        named = [
            i
            for i in later.known
            if i.key.kind in kinds and (i.key.venue, i.key.contract) == (contract.venue, contract.symbol)
        ]
        if not named:
            raise UnavailableError("no price series", cure="replay on data that holds this contract", where=contract.id)
        found = min(named, key=lambda i: (i.bar or DAY, i.key))
    return found


def _stamps(frame: pl.DataFrame) -> NDArray[np.datetime64]:
    return frame["known_at"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")


def _on_grid(frame: pl.DataFrame, times: NDArray[np.datetime64]) -> _Bars:
    known = frame.filter(pl.col("close").is_not_null())
    stamps = _stamps(known)
    at = np.searchsorted(stamps, times, side="right") - 1
    closes = known["close"].to_numpy().astype(np.float64)
    close = np.where(at >= 0, closes[np.maximum(at, 0)] if len(closes) else np.nan, np.nan)
    high, low = close.copy(), close.copy()
    slot = np.searchsorted(times, stamps, side="left")
    inside = (slot > 0) & (slot < len(times))
    for column, extreme, pick in (("high", high, np.fmax), ("low", low, np.fmin)):
        values = known.select(pl.coalesce(column, "close")).to_series().to_numpy()
        pick.at(extreme, slot[inside], values[inside])
    return _Bars(close, high, low)


def _mark(
    info: SeriesInfo, lookup: Lookup, view: MarketView, start: datetime, times: NDArray[np.datetime64]
) -> _Bars | None:
    """Mark bars, NaN at moments whose own bar is missing: a mark is never carried on."""
    found = next(
        (
            i
            for i in lookup.known
            if i.key.kind is Kind.MARK and (i.key.venue, i.key.contract) == (info.key.venue, info.key.contract)
        ),
        None,
    )
    if found is None:
        return None
    frame = load_bars(view, found, start=start - DAY)[0]
    bars = _on_grid(frame, times)
    stamps = _stamps(frame)
    at = np.searchsorted(stamps, times, side="right") - 1
    fresh = at >= 0
    if len(stamps):
        fresh &= times - stamps[np.maximum(at, 0)] < times[1] - times[0]
    return _Bars(*(np.where(fresh, a, np.nan) for a in (bars.close, bars.high, bars.low)))


def _end(
    contract: Contract, frame: pl.DataFrame, times: NDArray[np.datetime64], until: datetime, findings: list[Finding]
) -> int:
    """Index at which the contract is settled for good."""
    if contract.expiry is not None:
        return int(np.searchsorted(times, np.datetime64(contract.expiry.replace(tzinfo=None), "us")))
    last: datetime = frame["known_at"][-1] if not frame.is_empty() else until
    if until - last <= LONGEST_HOLE:
        return len(times)
    findings.append(
        Finding(
            Trouble.DEGRADED, contract.id, f"its last price is of {last:%Y-%m-%d %H:%M}", "settled there as delisted"
        )
    )
    return int(np.searchsorted(times, np.datetime64(last.replace(tzinfo=None), "us")))


def _funding(
    contract: Contract, info: SeriesInfo, lookup: Lookup, view: MarketView, times: NDArray[np.datetime64],
    rate: FloatArray, settles: FlagArray, findings: list[Finding],
) -> None:  # fmt: skip
    """Write the settled rates; those between two moments settle at the later one."""
    if contract.expiry is not None:
        return
    names = (info.key.venue, info.key.contract)
    series = next(
        (i for i in lookup.known if i.key.kind is Kind.FUNDING and (i.key.venue, i.key.contract) == names), None
    )
    if series is None:
        findings.append(Finding(Trouble.UNAVAILABLE, f"funding {contract.id}", "no history", "left out of the result"))
        return
    frame = view.read(series.key, start=moment_of(times[0]))
    slot = np.searchsorted(times, _stamps(frame), side="left")
    inside = (slot > 0) & (slot < len(times))
    rates = frame["rate_per_interval"].cast(pl.Float64).to_numpy()
    np.add.at(rate, slot[inside], rates[inside])
    settles[slot[inside]] = True
    span = (times[-1] - times[0]) / np.timedelta64(1, "h")
    if inside.sum() * 8 < 0.9 * span:
        cause = f"{int(inside.sum())} settlements in {span:.0f} hours, at least {span / 8:.0f} expected"
        findings.append(Finding(Trouble.DEGRADED, f"funding {contract.id}", cause, "what is missing is left out"))


def _impact(frame: pl.DataFrame, times: NDArray[np.datetime64], _multiplier: int) -> FloatArray:
    """``sigma / sqrt(V)`` of the thirty days before each moment, from daily sums; NaN where volume is unknown.

    The square-root law with coefficient 1 (:func:`stormsail.market.book.square_root_impact`).
    """
    daily = (
        frame.filter(pl.col("close").is_not_null())
        .group_by_dynamic("known_at", every="1d", closed="right", label="right")
        .agg(pl.col("close").last(), pl.col("quote_volume").sum(), pl.col("quote_volume").count().alias("n"))
    )
    if daily.height < 3:
        return np.full(len(times), np.nan)
    rolled = daily.with_columns(
        pl.when(pl.col("n") > 0).then(pl.col("quote_volume")).alias("volume"),
        pl.col("close").log().diff().alias("r"),
    ).select(
        "known_at",
        (pl.col("r").rolling_std(30, min_samples=5) / pl.col("volume").rolling_median(30, min_samples=5).sqrt()).alias(
            "impact"
        ),
    )
    stamps = _stamps(rolled)
    at = np.searchsorted(stamps, times, side="right") - 1
    values = rolled["impact"].to_numpy().astype(np.float64)
    found = np.where(at >= 0, values[np.maximum(at, 0)], np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _spot(
    coin: str, view: MarketView, now: Lookup, later: Lookup, times: NDArray[np.datetime64], findings: list[Finding]
) -> FloatArray:
    """Price of a coin at each moment; a series that ends is continued by another of the coin, else carried on."""
    if coin in STABLECOINS:
        return np.ones(len(times))
    first = now.price_series(coin)
    if isinstance(first, Unavailable):
        raise UnavailableError(first.reason, cure="start on a day on which the coin has a price", where=coin)
    frame, seen = load_bars(view, first.info, start=moment_of(times[0]) - 2 * DAY)
    findings.extend(f for f in seen if f.trouble is not Trouble.NOTE)
    path = _on_grid(frame, times).close
    if not np.isfinite(path[0]):
        raise UnavailableError("no price at the first moment", cure="check the data with data verify", where=coin)
    ended: datetime = frame["known_at"][-1]
    if view.as_of - ended > LONGEST_HOLE:
        path = _continued(coin, path, ended, view, later, times, findings)
    return path


def _continued(
    coin: str, path: FloatArray, ended: datetime, view: MarketView, later: Lookup, times: NDArray[np.datetime64],
    findings: list[Finding],
) -> FloatArray:  # fmt: skip
    second = later.price_series(coin)
    after = times > np.datetime64(ended.replace(tzinfo=None), "us")
    if isinstance(second, Unavailable):
        findings.append(
            Finding(Trouble.UNAVAILABLE, coin, f"no price after {ended:%Y-%m-%d %H:%M}", "its last price is carried on")
        )
        return path
    other = _on_grid(load_bars(view, second.info, start=ended - 2 * DAY)[0], times).close
    findings.append(
        Finding(Trouble.DEGRADED, coin, f"its series ends on {ended:%Y-%m-%d}", f"continued with {second.info.key}")
    )
    return np.where(after & np.isfinite(other), other, path)


def _worth(
    currency: str, pegs: Mapping[str, str], view: MarketView, now: Lookup, later: Lookup,
    times: NDArray[np.datetime64], findings: list[Finding],
) -> FloatArray:  # fmt: skip
    if currency in pegs or currency not in STABLECOINS | {"USD"}:
        return _spot(pegs.get(currency, currency), view, now, later, times, findings)
    return np.ones(len(times))
