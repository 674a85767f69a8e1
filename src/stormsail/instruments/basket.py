"""``Alts-10``: a basket of liquid altcoin perpetuals chosen by rule, as it could have been chosen at the time.

The rule, at a moment: of the perpetuals trading then, without BTC, ETH, stablecoins, wrapped coins, metals and indices,
with at least 90 days of history (half of what there is where no coin has that), take the ten with the largest median
daily quote volume over the last 30 days, in equal weights. The history of the basket applies the rule again on the
first of each month (and ten days into the data), reading nothing later; between, each constituent is held, and one that
stops trading leaves at its last price. What the source never recorded (coins delisted before it was made) is missing
from it, and is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stormsail.core import STABLECOINS, Contract, Finding, Payoff, Tenor, Trouble, Unavailable
from stormsail.core.symbol import is_alt
from stormsail.instruments.series import longest
from stormsail.instruments.types import Candidate, Leg, Route
from stormsail.instruments.volumes import MIN_VOLUME_DAYS, VOLUME_DAYS
from stormsail.market.load import load_panel
from stormsail.market.lookup import Lookup
from stormsail.market.panel import FloatArray, Panel
from stormsail.market.schema import Kind, SeriesInfo
from stormsail.market.source import MarketView

NAME = "Alts-10"
SIZE = 10
HISTORY = 90
FEW_ENDED = 0.05
"""Share of perpetuals that end within the window below which the source is taken to hold survivors only."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class AltMarket:
    """Closes and volumes of every alt perpetual known at the moment, also of those that ended.

    Attributes:
        prices: Shape (T, N), one column per coin.
        volumes: Quote volume of the 24 hours before each moment, shape (T, N); NaN is *unavailable*.
        findings: What was noticed while reading.
    """

    prices: Panel
    volumes: FloatArray
    findings: tuple[Finding, ...]

    @property
    def per_day(self) -> int:
        """Rows of a day."""
        return max(1, round(_DAY / self.prices.step))


@dataclass(frozen=True, slots=True)
class Basket:
    """The basket as of the moment, and its past.

    Attributes:
        candidate: Its legs in equal weights; unavailable where fewer than two coins qualify.
        returns: Returns of the rule per step, shape (T, 1), column ``Alts-10``; NaN before it could be applied.
        members: First of each month (ISO) to its constituents then.
        findings: What was noticed.
    """

    candidate: Candidate | Unavailable
    returns: Panel
    members: Mapping[str, tuple[str, ...]]
    findings: tuple[Finding, ...]


def alt_market(view: MarketView, lookup: Lookup, *, length: int, step: timedelta = _DAY) -> AltMarket:
    """Read ``length`` closes and volumes, a ``step`` apart, of all alt perpetuals known at the moment."""
    series = _one_each(lookup.known)
    prices, findings = load_panel(view, series, step=step, length=length)
    return AltMarket(prices, _volumes(view, series, prices), findings)


def _one_each(known: Sequence[SeriesInfo]) -> dict[str, SeriesInfo]:
    """For each coin its perpetual with the longest history, sorted by coin."""
    alts = (i for i in known if i.key.kind is Kind.PERPETUAL and i.quote in STABLECOINS and is_alt(i.asset))
    return dict(sorted(longest(alts, lambda info: info.asset).items()))


def _volumes(view: MarketView, series: Mapping[str, SeriesInfo], prices: Panel) -> FloatArray:
    """Sum of quote volume over the 24 hours before each moment of the grid; NaN where none is recorded in them."""
    rows = len(prices.times)
    values = np.full(prices.values.shape, np.nan)
    if not rows:
        return values
    width = int(prices.step / timedelta(microseconds=1))
    per_day = max(1, round(_DAY / prices.step))
    origin = int(prices.times[0].astype("datetime64[us]").astype(np.int64)) - per_day * width
    start = datetime.fromtimestamp(origin / 1e6, UTC)
    frames = view.read_many([info.key for info in series.values()], start=start)
    for j, info in enumerate(series.values()):
        frame = frames[info.key].filter(pl.col("quote_volume").is_not_null())
        stamps = frame["known_at"].dt.timestamp("us").to_numpy()
        at = (stamps - origin - 1) // width
        inside = (stamps > origin) & (at < rows + per_day - 1)
        sums = np.bincount(at[inside], weights=frame["quote_volume"].to_numpy()[inside], minlength=rows + per_day - 1)
        counts = np.bincount(at[inside], minlength=rows + per_day - 1)
        day_sums, day_counts = (np.convolve(v, np.ones(per_day), mode="valid") for v in (sums, counts))
        values[day_counts > 0.5, j] = day_sums[day_counts > 0.5]
    return values


def choose(market: AltMarket, row: int, *, size: int = SIZE, history: int = HISTORY) -> tuple[int, ...]:
    """Columns of the constituents at a row of the grid, reading nothing after it; best volume first.

    ``history`` is halved to what the longest history then allows, where no coin reaches it.
    """
    prices = market.prices.values[: row + 1]
    known = np.isfinite(prices)
    age = np.where(known.any(axis=0), row - known.argmax(axis=0), -1)
    wanted = history * market.per_day
    if not (age >= wanted).any():
        wanted = int(age.max(initial=0)) // 2
    recent = market.volumes[max(0, row + 1 - VOLUME_DAYS * market.per_day) : row + 1]
    enough = np.isfinite(recent).sum(axis=0) * 2 >= len(recent)
    eligible = known[-1] & (age >= wanted) & (age > 0) & enough
    columns = np.flatnonzero(eligible)
    median = np.nanmedian(recent[:, columns], axis=0) if len(columns) else np.empty(0)
    order = np.argsort(-median, kind="stable")[:size]
    return tuple(int(c) for c in columns[order])


def basket(market: AltMarket, contracts: Sequence[Contract], *, size: int = SIZE, history: int = HISTORY) -> Basket:
    """The basket as of the last row of ``market``, and the returns of the rule before.

    Args:
        market: Closes and volumes up to the moment.
        contracts: The universe; legs are its linear perpetuals.
        size: Number of constituents.
        history: Days of history asked of a constituent.
    """
    names = market.prices.names
    returns, members = _held(market, size=size, history=history)
    direct = {c.base: c for c in reversed(contracts) if c.tenor is Tenor.PERPETUAL and c.payoff is Payoff.LINEAR}
    tradable = replace(market, volumes=np.where([n in direct for n in names], market.volumes, np.nan))
    last = len(market.prices.times) - 1
    chosen = choose(tradable, last, size=size, history=history) if last >= 0 and names else ()
    candidate: Candidate | Unavailable = Unavailable(f"only {len(chosen)} alt perpetuals qualify")
    if len(chosen) >= 2:
        legs = tuple(Leg(direct[names[c]], 1.0 / len(chosen)) for c in chosen)
        candidate = Candidate(NAME, Route.BASKET, legs)
    panel = Panel(market.prices.times[1:], (NAME,), returns[:, None], market.prices.step)
    return Basket(candidate, panel, members, (*_notes(market, chosen, size, history),))


def _month_starts(times: NDArray[np.datetime64], earliest: int) -> list[int]:
    """First rows of the months, and ``earliest``, the first row at which the rule may be applied."""
    months = times.astype("datetime64[M]")
    firsts = [int(i) + 1 for i in np.flatnonzero(months[1:] != months[:-1]) if i + 1 > earliest]
    return [earliest, *firsts] if len(times) > earliest else []


def _held(market: AltMarket, *, size: int, history: int) -> tuple[FloatArray, dict[str, tuple[str, ...]]]:
    """Returns (T - 1,) of the rule, NaN before it can first be applied, and the constituents by month."""
    prices, times = market.prices.values, market.prices.times
    returns = np.full(max(0, len(times) - 1), np.nan)
    members: dict[str, tuple[str, ...]] = {}
    starts = _month_starts(times, MIN_VOLUME_DAYS * market.per_day)
    for first, after in zip(starts, [*starts[1:], len(times) - 1], strict=True):
        chosen = choose(market, first, size=size, history=history)
        if len(chosen) < 2 or after <= first:
            continue
        members[str(times[first])[:10]] = tuple(market.prices.names[c] for c in chosen)
        worth = hold(prices[first : after + 1][:, list(chosen)])
        returns[first:after] = worth[1:] / worth[:-1] - 1.0
    return returns, members


def hold(prices: FloatArray) -> FloatArray:
    """Value over time of an equal-weight holding bought at the first row; a missing price stands at the last one.

    Args:
        prices: Shape (T, n), the first row complete.

    >>> hold(np.array([[1.0, 2.0], [2.0, np.nan], [3.0, np.nan]]))
    array([1. , 1.5, 2. ])
    """
    at = np.where(np.isfinite(prices), np.arange(len(prices))[:, None], 0)
    last = np.maximum.accumulate(at, axis=0)
    worth: FloatArray = (np.take_along_axis(prices, last, axis=0) / prices[0]).mean(axis=1)
    return worth


def _notes(market: AltMarket, chosen: Sequence[int], size: int, history: int) -> list[Finding]:
    notes = []
    known = np.isfinite(market.prices.values)
    longest = int(known.sum(axis=0).max(initial=0)) // market.per_day
    if longest and longest <= history:
        cause = f"no coin has {history} days of history; {longest // 2} of {longest} were asked for"
        notes.append(Finding(Trouble.DEGRADED, NAME, cause, "its constituents are less proven"))
    if 2 <= len(chosen) < size:
        cause = f"{len(chosen)} coins qualify, not {size}"
        notes.append(Finding(Trouble.DEGRADED, NAME, cause, "the basket is narrower"))
    ended = int((known.any(axis=0) & ~known[-1]).sum()) if len(known) else 0
    if len(known) > history * market.per_day and ended < FEW_ENDED * known.shape[1]:
        span = f"{ended} of {known.shape[1]} perpetuals ended within {len(known) // market.per_day} days"
        cause = f"{span}: coins that died seem left out"
        cure = "its past returns are flattered; its fit to a holding is less affected"
        notes.append(Finding(Trouble.NOTE, NAME, cause, cure))
    return notes
