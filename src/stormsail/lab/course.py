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
from numpy.typing import NDArray

from stormsail.core import Contract, Finding, InputError, Payoff, Trouble
from stormsail.lab.reading import (
    DAY,
    HOUR,
    FlagArray,
    end_of,
    grid,
    impact_of,
    mark_of,
    moment_of,
    on_grid,
    series_of,
    spot_of,
    step_of,
    worth_of,
    write_funding,
)
from stormsail.market.load import load_bars
from stormsail.market.lookup import Lookup
from stormsail.market.panel import FloatArray
from stormsail.market.source import MarketView

__all__ = [
    "ASSUMED_SLIPPAGE",
    "DAY",
    "HALF_SPREAD",
    "HOUR",
    "Course",
    "grid",
    "moment_of",
    "record",
    "settlement_currency",
]

LOOK_BACK = timedelta(days=30)
"""Volume and volatility behind the slippage of a trade are those of the thirty days before it."""

ASSUMED_SLIPPAGE = 0.001
"""Slippage where no volume is known, as a fraction: ten times the half spread of a liquid contract."""

HALF_SPREAD = 0.0001
"""Half the spread assumed beside the impact, as a fraction; recorded books of liquid perpetuals show less."""


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
    infos = {c.id: series_of(c, now, later, view) for c in contracts}
    times = grid(start, view.as_of, step or step_of(infos.values()))
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
        bars = on_grid(frame, times)
        last[:, j], tradable[:, j] = bars.close, np.isfinite(bars.close)
        marked = mark_of(info, later, view, start, times)
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
        ends[j] = end_of(contract, frame, times, view.as_of, findings)
        tradable[ends[j] :, j] = False
        write_funding(contract, info, later, view, times, rate[:, j], settles[:, j], findings)
        impact[:, j] = impact_of(frame, times, info.multiplier)
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
        np.column_stack([spot_of(coin, view, now, later, times, findings) for coin in coins])
        if coins
        else np.empty((len(times), 0))
    )
    worth = np.column_stack([worth_of(c, pegs or {}, view, now, later, times, findings) for c in money])
    return Course(
        times=times, contracts=tuple(contracts), coins=tuple(coins), currencies=money,
        last=last, mark=mark, high=high, low=low, rate=rate, settles=settles, tradable=tradable, ends=ends,
        half_spread=half, impact=impact, spot=spot, worth=worth,
        worst=np.minimum(worth, np.vstack([worth[:1], worth[:-1]])), account=account,
        findings=tuple(dict.fromkeys(findings)),
    )  # fmt: skip
