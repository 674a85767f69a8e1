"""How coins move together: returns on one grid, and a factor covariance whose proxy ratios are the contest's.

Each coin's return is ``beta_btc f_btc + beta_eth f_eth + beta_alts g + e`` with ``g`` the part of the equal-weight
alt index that BTC and ETH do not explain. Betas are exponentially weighted least squares, shrunk half-way to their mean
over the alts; coins with too little history take that mean. Then the betas of the alts held are shifted together, so
that the ratio the covariance implies for the whole of them is exactly the one the contest's winner gives: the plan
hedges with the estimator that won and with no other.

Source: exponential weights as in RiskMetrics (1996), decay 0.97 a day; shrinkage as in Vasicek (1973).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from stormsail.core import STABLECOINS, Finding, Trouble, Unavailable, UnavailableError
from stormsail.market.load import load_panel
from stormsail.market.lookup import Lookup
from stormsail.market.panel import Panel
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey
from stormsail.market.source import MarketView
from stormsail.plan.problem import FactorCovariance, FloatArray

BoolArray = NDArray[np.bool_]

DAYS = 365
"""Daily returns behind a plan."""

ENOUGH = 60
"""Returns below which a coin borrows its betas."""

DECAY_PER_DAY = 0.97
SHRINK = 0.5
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_HOURS = 60 * 24
_MONTH = timedelta(days=30)
_NO_RISK = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class CoinReturns:
    """Simple returns of coins on one grid; NaN is *unavailable*.

    Attributes:
        panel: Shape (T, K).
        bars_per_day: 1, or 24 where less than ``ENOUGH`` days are known.
    """

    panel: Panel
    bars_per_day: int

    @property
    def coins(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.panel.names

    @property
    def values(self) -> FloatArray:
        """The returns, shape (T, K)."""
        return self.panel.values

    def column(self, coin: str) -> FloatArray:
        """Returns of one coin, shape (T,)."""
        return self.panel.column(coin)


def coin_returns(
    view: MarketView, lookup: Lookup, coins: Sequence[str]
) -> tuple[CoinReturns, Mapping[str, SeriesInfo], tuple[Finding, ...]]:
    """Returns of the coins and the series they come from; hourly ones where there are not sixty days.

    Raises:
        UnavailableError: If BTC has no fresh price series: every beta refers to it.
    """
    series: dict[str, SeriesInfo] = {}
    findings: list[Finding] = []
    start = view.as_of - DAYS * _DAY
    for coin in coins:
        fresh = (i for i in lookup.fresh if i.asset == coin and i.key.kind in (Kind.SPOT, Kind.PERPETUAL))
        best = deepest((i for i in fresh if i.quote in STABLECOINS), start)
        if best is not None:
            series[coin] = best
        else:
            why = lookup.price_series(coin)
            cause = why.reason if isinstance(why, Unavailable) else "no series in dollars"
            findings.append(Finding(Trouble.UNAVAILABLE, coin, cause, "it is left out of the risk model"))
    if "BTC" not in series:
        raise UnavailableError("no fresh price series of BTC", cure="add BTC to the market data", where="market data")
    panel, found_daily = load_panel(view, series, step=_DAY, length=DAYS + 1)
    returns = panel.returns()
    if np.isfinite(returns.column("BTC")).sum() >= ENOUGH:
        return CoinReturns(_trim(returns), 1), series, tuple(findings) + found_daily
    panel, found_hourly = load_panel(view, series, step=_HOUR, length=_HOURS + 1)
    findings.append(
        Finding(
            Trouble.DEGRADED,
            "history",
            f"fewer than {ENOUGH} days of BTC are known",
            "hourly returns are used and scaled to days",
        )
    )
    return CoinReturns(_trim(panel.returns()), 24), series, tuple(findings) + found_hourly


def deepest(infos: Iterable[SeriesInfo], start: datetime) -> SeriesInfo | None:
    """The series that reaches furthest back since ``start``, in steps of a month; of equals spot, then the finest bar.

    Bars under an hour come last: they cost time to read and tell nothing more here.
    """

    def rank(info: SeriesInfo) -> tuple[int, bool, bool, timedelta, SeriesKey]:
        bar = info.bar or _DAY
        return (
            max(info.start - start, timedelta(0)) // _MONTH,
            info.key.kind is not Kind.SPOT,
            bar < _HOUR,
            bar,
            info.key,
        )

    return min(infos, key=rank, default=None)


def _trim(returns: Panel) -> Panel:
    """Without the leading rows before BTC is known."""
    known = np.flatnonzero(np.isfinite(returns.column("BTC")))
    return returns.last(len(returns.times) - int(known[0])) if len(known) else returns


@dataclass(frozen=True, slots=True, eq=False)
class RiskModel:
    """The covariance over the horizon, and what it was made of.

    Attributes:
        covariance: Of the coins, over the horizon.
        market_beta: Slope of each coin on BTC implied by the model, shape (K,).
        complete: Returns with holes filled by the model, shape (T, K).
        borrowed: Coins whose betas are the mean of the others.
        implied: The ratio to (BTC, ETH) implied for the alts together.
    """

    covariance: FactorCovariance
    market_beta: FloatArray
    complete: FloatArray
    borrowed: tuple[str, ...]
    implied: FloatArray


def risk_model(
    returns: CoinReturns,
    weight: FloatArray,
    horizon: timedelta,
    *,
    anchor: FloatArray | None = None,
) -> RiskModel:
    """Estimate the covariance.

    Args:
        returns: Of K coins, BTC among them.
        weight: Value of each coin in the exposure, shape (K,); what ``anchor`` is averaged with.
        horizon: Over which variances are stated; returns are taken as independent over time.
        anchor: Ratio to (BTC, ETH) that the contest's winner gives for the alts together, shape (2,).
    """
    r, coins = returns.values, returns.coins
    alts = np.array([coin not in {"BTC", "ETH"} for coin in coins], dtype=bool)
    decay = DECAY_PER_DAY ** (1.0 / returns.bars_per_day)
    age = decay ** np.arange(len(r) - 1, -1, -1)
    factors = _factors(r, coins, alts, age)
    known: BoolArray = np.asarray(np.isfinite(factors).all(axis=1), dtype=bool)
    scale = horizon / _DAY * returns.bars_per_day
    spread = _weighted_square(factors[known], age[known]) * scale
    raw, residual, young = _betas(r, factors, known, age)
    loadings, borrowed = _shrunk(raw, young, alts)
    usual = residual[alts & ~young]
    residual = np.where(young, np.quantile(usual, 0.75) if len(usual) else np.nanmax(residual, initial=0.0), residual)
    for name, row in (("BTC", [1.0, 0.0, 0.0]), ("ETH", [0.0, 1.0, 0.0])):
        if name in coins:
            loadings[coins.index(name)] = row
            residual[coins.index(name)] = 0.0
    loadings, implied = _anchored(loadings, weight * alts, anchor if "ETH" in coins else None)
    covariance = FactorCovariance(coins, loadings, spread, np.maximum(residual, 0.0) * scale + _NO_RISK)
    btc = coins.index("BTC")
    return RiskModel(
        covariance,
        covariance.apply(np.eye(len(coins))[btc]) / max(spread[0, 0], _NO_RISK),
        _filled(r, factors, loadings),
        tuple(coin for coin, b in zip(coins, borrowed, strict=True) if b),
        implied,
    )


def _factors(r: FloatArray, coins: Sequence[str], alts: BoolArray, age: FloatArray) -> FloatArray:
    """BTC, ETH, and what they leave of the alt index, shape (T, 3); a factor that does not exist is 0."""
    btc = r[:, coins.index("BTC")]
    eth = r[:, coins.index("ETH")] if "ETH" in coins else np.zeros(len(r))
    group = r[:, alts]
    there = np.isfinite(group)
    count = there.sum(axis=1)
    index = np.where(count >= 2, np.where(there, group, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
    majors = np.column_stack([btc, eth])
    both = np.isfinite(majors).all(axis=1) & np.isfinite(index)
    if both.sum() < ENOUGH:
        return np.column_stack([majors, np.zeros(len(r))])
    slope = _least_squares(index[both], majors[both], age[both])
    return np.column_stack([majors, np.where(both, index - majors @ slope, 0.0)])


def _weighted_square(x: FloatArray, age: FloatArray) -> FloatArray:
    """``sum a x x' / sum a``: covariance about zero, shape (m, m)."""
    return np.asarray((x * age[:, None]).T @ x / age.sum())


def _least_squares(y: FloatArray, x: FloatArray, age: FloatArray) -> FloatArray:
    square = _weighted_square(x, age)
    ridge = np.diag(np.where(np.diag(square) > 0, 1e-9 * np.diag(square), 1.0))
    return np.asarray(np.linalg.solve(square + ridge, (x * age[:, None]).T @ y / age.sum()))


def _betas(
    r: FloatArray, factors: FloatArray, known: BoolArray, age: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Slopes (K, 3), residual variance per bar (K,), and whether a coin has too little history (K,)."""
    count = r.shape[1]
    slopes, rest, young = np.zeros((count, 3)), np.zeros(count), np.zeros(count, dtype=bool)
    for j in range(count):
        mine = known & np.isfinite(r[:, j])
        if mine.sum() < ENOUGH:
            young[j] = True
            continue
        slopes[j] = _least_squares(r[mine, j], factors[mine], age[mine])
        left = r[mine, j] - factors[mine] @ slopes[j]
        rest[j] = float((age[mine] * left**2).sum() / age[mine].sum())
    return slopes, rest, young


def _shrunk(raw: FloatArray, young: BoolArray, alts: BoolArray) -> tuple[FloatArray, BoolArray]:
    grown = alts & ~young
    mean = raw[grown].mean(axis=0) if grown.any() else np.array([0.5, 0.5, 1.0])
    shrunk = np.where(alts[:, None], (1 - SHRINK) * raw + SHRINK * mean, raw)
    return np.where(young[:, None], mean, shrunk), young & alts


def _anchored(loadings: FloatArray, weight: FloatArray, anchor: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Shift the alts' BTC and ETH loadings so that their weighted mean is the anchor."""
    total = weight.sum()
    if total <= 0:
        return loadings, np.zeros(2)
    implied = weight @ loadings[:, :2] / total
    if anchor is None:
        return loadings, implied
    alt = weight > 0
    moved = loadings.copy()
    moved[alt, :2] += anchor - implied
    return moved, anchor


def _filled(r: FloatArray, factors: FloatArray, loadings: FloatArray) -> FloatArray:
    """Returns with holes filled by what the factors say (0 for a factor that is not known)."""
    return np.where(np.isfinite(r), r, np.nan_to_num(factors) @ loadings.T)
