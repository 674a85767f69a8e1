"""All measures of one asset, of the portfolio, and of coins too young to speak for themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from stormsail.audit.betas import beta, side_beta, tail_ratio
from stormsail.audit.borrow import Group, shrink
from stormsail.audit.history import History
from stormsail.audit.measures import drawdown, historical_risk, normal_risk, volatility
from stormsail.audit.sample import MIN_OBSERVATIONS, FloatArray, Sample
from stormsail.audit.types import Risk
from stormsail.core import Estimate, Maybe, Unavailable

MEASURES = tuple(f.name for f in fields(Risk))
SLOPES = ("beta_btc", "beta_eth", "beta_alts", "beta_up", "beta_down")
FULL_SHARE = 0.9
MIN_VALUE_SHARE = 0.8


def nothing(reason: str) -> Risk:
    """Every measure unavailable for one reason."""
    return Risk(*(Unavailable(reason) for _ in MEASURES))


def measure(sample: Sample, history: History, index: FloatArray, index_name: str) -> Risk:
    """Every measure of one series of returns.

    Args:
        sample: The returns, on the grid of ``history``.
        history: Where BTC and ETH are.
        index: Returns of the alt index to compare with, shape (T,).
        index_name: What that index is, for the method.
    """
    btc, eth = history.column("BTC"), history.column("ETH")
    var_95, es_95 = historical_risk(sample, 0.95)
    var_99, es_99 = historical_risk(sample, 0.99)
    var_normal, es_normal = normal_risk(sample, 0.95)
    return Risk(
        volatility(sample),
        drawdown(sample),
        var_95,
        es_95,
        var_99,
        es_99,
        var_normal,
        es_normal,
        beta(sample, btc, "BTC"),
        beta(sample, eth, "ETH"),
        beta(sample, index, index_name),
        side_beta(sample, btc, "BTC", up=True),
        side_beta(sample, btc, "BTC", up=False),
        tail_ratio(sample, btc),
    )


def measure_asset(asset: str, history: History) -> Risk:
    """Every measure of one coin by itself; the alt index leaves it out."""
    index = history.index_without(asset)
    return measure(history.sample(asset), history, index, "the equal-weight index of the other alts")


def measure_assets(assets: Sequence[str], history: History) -> dict[str, Risk]:
    """Measures of each coin; those with fewer than sixty returns borrow from the coins with a full history."""
    own = {asset: measure_asset(asset, history) for asset in assets}
    young = [asset for asset in assets if history.sample(asset).n < MIN_OBSERVATIONS]
    if not young:
        return own
    groups = _groups(history, own)
    return {asset: _borrowed(risk, groups) if asset in young else risk for asset, risk in own.items()}


def _borrowed(own: Risk, groups: Mapping[str, Group | Unavailable]) -> Risk:
    return Risk(*(shrink(getattr(own, name), groups[name]) for name in MEASURES))


def _groups(history: History, own: Mapping[str, Risk]) -> dict[str, Group | Unavailable]:
    """The spread of each measure over the alts with at least 90 % of the longest history among them."""
    counts = dict(zip(history.alts, history.alt_counts, strict=True))
    least = max(FULL_SHARE * max(counts.values(), default=0), MIN_OBSERVATIONS)
    members = [name for name, n in counts.items() if n >= least]
    risks = [own.get(name) or measure_asset(name, history) for name in members]
    label = f"{len(members)} alts with a full history"
    return {name: Group.of(label, [getattr(risk, name) for risk in risks]) for name in MEASURES}


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioReturns:
    """Past returns of today's weights.

    Attributes:
        returns: Shape (T,); NaN where too little of the value had a return.
        patched: Bars on which the weights were spread over the coins that had a return.
        dropped: Bars with some returns, but for less than 80 % of the value.
    """

    returns: FloatArray
    patched: int
    dropped: int


def constant_weight_returns(returns: FloatArray, weights: FloatArray) -> PortfolioReturns:
    """``sum w_i r_i / sum w_i`` over the coins with a return, where those hold at least 80 % of the value.

    Args:
        returns: Shape (T, N); NaN is unavailable.
        weights: Shape (N,), positive.

    >>> r = constant_weight_returns(np.array([[0.1, 0.2], [0.1, np.nan]]), np.array([0.5, 0.5]))
    >>> r.returns.tolist(), r.dropped
    ([0.15000000000000002, nan], 1)
    """
    there = np.isfinite(returns)
    covered = there @ weights / weights.sum()
    total = np.where(there, returns, 0.0) @ weights / weights.sum()
    enough = covered >= MIN_VALUE_SHARE - 1e-12
    values = np.where(enough, total / np.where(enough, covered, 1.0), np.nan)
    patched = int((enough & ~there.all(axis=1)).sum())
    return PortfolioReturns(values, patched, int((there.any(axis=1) & ~enough).sum()))


def measure_portfolio(sample: Sample, history: History, risks: Sequence[Risk], weights: FloatArray) -> Risk:
    """Measures of the portfolio's risky part, as fractions of its value.

    With fewer than sixty returns of its own the slopes are the weighted means of the coins' slopes, and the rest is
    unavailable, because it cannot be had without the coins' common history.
    """
    if sample.n >= MIN_OBSERVATIONS:
        return measure(sample, history, history.whole_index, "the equal-weight alt index, own coins included")
    short = nothing(f"{sample.n} returns with 80% of the value, {MIN_OBSERVATIONS} are needed")
    means = {name: _mean_slope([getattr(risk, name) for risk in risks], weights) for name in SLOPES}
    return Risk(*(means.get(name, getattr(short, name)) for name in MEASURES))


def _mean_slope(slopes: Sequence[Maybe], weights: FloatArray) -> Maybe:
    known = [s for s in slopes if isinstance(s, Estimate)]
    if len(known) < len(slopes) or not known:
        return Unavailable(f"{len(slopes) - len(known)} of {len(slopes)} coins have no slope")
    shares = weights / weights.sum()
    value = math.fsum(w * s.value for w, s in zip(shares, known, strict=True))
    error = None
    if all(s.error is not None for s in known):
        error = math.fsum(w * (s.error or 0.0) for w, s in zip(shares, known, strict=True))
    borrowed = sorted({s.borrowed_from for s in known if s.borrowed_from})
    method = "weighted mean of the coins' slopes; error as if theirs moved together"
    return Estimate(value, error, min(s.n for s in known), known[0].window, method, ", ".join(borrowed) or None)
