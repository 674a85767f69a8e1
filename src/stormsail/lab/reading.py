"""One series laid on the grid of a course: closes carried on, extremes since the moment before, what settled, and what
is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import STABLECOINS, Contract, Finding, Trouble, Unavailable, UnavailableError
from stormsail.market.load import load_bars
from stormsail.market.lookup import Lookup
from stormsail.market.panel import FloatArray
from stormsail.market.schema import Kind, SeriesInfo
from stormsail.market.source import MarketView

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LONGEST_HOLE = timedelta(days=2)
"""A price series silent for longer has ended: its contract is settled, its coin keeps its last price and is named."""

FlagArray = NDArray[np.bool_]


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
class Bars:
    """Close carried on, and extremes since the moment before; NaN where nothing is known."""

    close: FloatArray
    high: FloatArray
    low: FloatArray


def step_of(infos: Iterable[SeriesInfo]) -> timedelta:
    """Step of a grid: that of the coarsest bars, at least an hour and at most a day."""
    bars = [info.bar or HOUR for info in infos]
    return min(max([HOUR, *bars]), DAY)


def series_of(contract: Contract, now: Lookup, later: Lookup, view: MarketView) -> SeriesInfo:
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


def stamps_of(frame: pl.DataFrame) -> NDArray[np.datetime64]:
    """Moments at which the rows were known, shape (n,)."""
    return frame["known_at"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")


def on_grid(frame: pl.DataFrame, times: NDArray[np.datetime64]) -> Bars:
    """The last close known at each moment, and the extremes of what became known since the moment before."""
    known = frame.filter(pl.col("close").is_not_null())
    stamps = stamps_of(known)
    at = np.searchsorted(stamps, times, side="right") - 1
    closes = known["close"].to_numpy().astype(np.float64)
    close = np.where(at >= 0, closes[np.maximum(at, 0)] if len(closes) else np.nan, np.nan)
    high, low = close.copy(), close.copy()
    slot = np.searchsorted(times, stamps, side="left")
    inside = (slot > 0) & (slot < len(times))
    for column, extreme, pick in (("high", high, np.fmax), ("low", low, np.fmin)):
        values = known.select(pl.coalesce(column, "close")).to_series().to_numpy()
        pick.at(extreme, slot[inside], values[inside])
    return Bars(close, high, low)


def mark_of(
    info: SeriesInfo, lookup: Lookup, view: MarketView, start: datetime, times: NDArray[np.datetime64]
) -> Bars | None:
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
    bars = on_grid(frame, times)
    stamps = stamps_of(frame)
    at = np.searchsorted(stamps, times, side="right") - 1
    fresh = at >= 0
    if len(stamps):
        fresh &= times - stamps[np.maximum(at, 0)] < times[1] - times[0]
    return Bars(*(np.where(fresh, a, np.nan) for a in (bars.close, bars.high, bars.low)))


def end_of(
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


def write_funding(
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
    slot = np.searchsorted(times, stamps_of(frame), side="left")
    inside = (slot > 0) & (slot < len(times))
    rates = frame["rate_per_interval"].cast(pl.Float64).to_numpy()
    np.add.at(rate, slot[inside], rates[inside])
    settles[slot[inside]] = True
    span = (times[-1] - times[0]) / np.timedelta64(1, "h")
    if inside.sum() * 8 < 0.9 * span:
        cause = f"{int(inside.sum())} settlements in {span:.0f} hours, at least {span / 8:.0f} expected"
        findings.append(Finding(Trouble.DEGRADED, f"funding {contract.id}", cause, "what is missing is left out"))


def impact_of(frame: pl.DataFrame, times: NDArray[np.datetime64], _multiplier: int) -> FloatArray:
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
    stamps = stamps_of(rolled)
    at = np.searchsorted(stamps, times, side="right") - 1
    values = rolled["impact"].to_numpy().astype(np.float64)
    found = np.where(at >= 0, values[np.maximum(at, 0)], np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def spot_of(
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
    path = on_grid(frame, times).close
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
    other = on_grid(load_bars(view, second.info, start=ended - 2 * DAY)[0], times).close
    findings.append(
        Finding(Trouble.DEGRADED, coin, f"its series ends on {ended:%Y-%m-%d}", f"continued with {second.info.key}")
    )
    return np.where(after & np.isfinite(other), other, path)


def worth_of(
    currency: str, pegs: Mapping[str, str], view: MarketView, now: Lookup, later: Lookup,
    times: NDArray[np.datetime64], findings: list[Finding],
) -> FloatArray:  # fmt: skip
    """Price of a currency in the currency of account: that of its coin, or of the coin named for its peg, else par."""
    if currency in pegs or currency not in STABLECOINS | {"USD"}:
        return spot_of(pegs.get(currency, currency), view, now, later, times, findings)
    return np.ones(len(times))
