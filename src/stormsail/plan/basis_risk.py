"""Basis risk of a hedge: what one bad week of the basis costs, and where what is left of the variance comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Payoff, Unavailable, format_span
from stormsail.market.beside import basis_panel, years_left
from stormsail.market.convergence import FEWEST, WORST, residual_over
from stormsail.market.lookup import Lookup
from stormsail.market.panel import book_return
from stormsail.market.schema import Kind, SeriesInfo
from stormsail.market.source import MarketView
from stormsail.market.term import term_structures
from stormsail.plan.desk import Desk
from stormsail.plan.model import deepest
from stormsail.plan.problem import FloatArray
from stormsail.plan.terms import Terms
from stormsail.plan.types import BasisRisk, BookBasis, FailureMode, MaybeFigure
from stormsail.ratio.types import Contest

WEEK = timedelta(days=7)
DAYS, HOURS = 365, 60 * 24
"""Moments behind the book's basis: daily for a year, or hourly for sixty days where the plan rests on hours."""

_DAY = timedelta(days=1)
_Z99 = 2.3263478740408408
_ROUNDING = 0.005


def book_basis(
    view: MarketView,
    lookup: Lookup,
    desk: Desk,
    worth: FloatArray,
    *,
    proxy: FloatArray,
    stand_in: FloatArray,
    contests: Sequence[Contest],
    cash: float,
    bars_per_day: int,
) -> BookBasis | Unavailable:
    """The basis of a book of shorts over a week: what it locks, what it may cost, and what else is left of the risk.

    The residual of each short (:func:`stormsail.market.convergence.residual_over`) is weighed by its value and summed
    moment by moment, so that bases that move together count together. Shorts of coins that only the contract itself
    prices cannot be measured: their value is named, and the figures are those of the others.

    Args:
        view: The market.
        lookup: Its index.
        desk: What was on the table.
        worth: Notional of each contract, shape (n,).
        proxy: Value of each coin that proxies protect, shape (K,).
        stand_in: Value short of each coin beyond what was wanted of it, shape (K,).
        contests: Walk-forward tables; the first has the error of the proxies' ratio.
        cash: Cash collateral posted.
        bars_per_day: 1, or 24 where the plan rests on hourly returns.

    Returns:
        Unavailable where nothing is short.
    """
    shorts = [i for i in range(len(worth)) if worth[i] > 0]
    if not shorts:
        return Unavailable("nothing is short")
    step = _DAY / bars_per_day
    pairs = {i: pair for i in shorts if (pair := _pair(lookup, desk.terms[i])) is not None}
    weekly, single = _residuals(view, desk, pairs, step)
    sd, worst, weeks, method = _week(weekly, single, worth[list(pairs)], step)
    unmeasured = float(worth.sum() - worth[list(pairs)].sum())
    return BookBasis(
        locked=_locked(view, lookup, desk.terms, worth),
        sd=sd,
        worst=worst,
        weeks=weeks,
        unmeasured=unmeasured if unmeasured > _ROUNDING else 0.0,
        method=method,
        risk=BasisRisk(
            horizon=WEEK,
            basis=sd if isinstance(sd, Unavailable) else sd**2,
            beta=_beta_error(desk, float(proxy.sum()), contests),
            idiosyncratic=desk.covariance.variance(proxy - stand_in) * (WEEK / desk.tolerance.horizon),
            stablecoin=_peg(view, lookup, desk.terms, worth, cash),
        ),
    )


def _pair(lookup: Lookup, terms: Terms) -> tuple[SeriesInfo, SeriesInfo] | None:
    """The longest series of the contract's own last price, and of its coin's spot."""
    spot = lookup.spot(terms.contract.base)
    if spot is None:
        return None
    start = lookup.as_of - DAYS * _DAY
    own = (terms.info.key.kind, terms.info.key.venue, terms.info.key.contract)
    traded = deepest((i for i in lookup.fresh if (i.key.kind, i.key.venue, i.key.contract) == own), start)
    same = (i for i in lookup.fresh if i.key.kind is Kind.SPOT and (i.asset, i.quote) == (spot.asset, spot.quote))
    base = deepest(same, start)
    return None if traded is None or base is None else (traded, base)


def _residuals(
    view: MarketView, desk: Desk, pairs: dict[int, tuple[SeriesInfo, SeriesInfo]], step: timedelta
) -> tuple[FloatArray, FloatArray]:
    """Residuals of each pair over a week and over one step, shapes (T - steps, n) and (T - 1, n)."""
    length = DAYS if step == _DAY else HOURS
    named = {desk.terms[i].contract.id: pair for i, pair in pairs.items()}
    panel = basis_panel(view, named, step=step, length=length)
    found = []
    for steps in (round(WEEK / step), 1):
        columns = [
            residual_over(panel.values[:, j], years_left(panel, desk.terms[i].contract.expiry), steps)
            for j, i in enumerate(pairs)
        ]
        found.append(np.column_stack(columns) if columns else np.empty((length - steps, 0)))
    return found[0], found[1]


def _week(
    weekly: FloatArray, single: FloatArray, worth: FloatArray, step: timedelta
) -> tuple[MaybeFigure, MaybeFigure, int, str]:
    """Deviation and worst 1 % of a week in currency, how many weeks were measured, and how it was told."""
    total, steps = float(worth.sum()), round(WEEK / step)
    if not total > 0:
        why = Unavailable("no short has a spot price apart from its own")
        return why, why, 0, why.reason
    known = _book(weekly, worth, total)
    if len(known) >= FEWEST * steps:
        worst = min(float(np.quantile(known, WORST)), 0.0)
        return float(np.std(known, ddof=1)), worst, len(known), f"{len(known)} overlapping weeks"
    short = _book(single, worth, total)
    if len(short) < FEWEST:
        why = Unavailable(f"{len(short)} moments at which contracts and spot are known, {FEWEST} needed")
        return why, why, 0, why.reason
    sd = float(np.std(short, ddof=1)) * math.sqrt(steps)
    method = f"{len(short)} moves over {format_span(step)}, carried on as a random walk with a normal tail"
    return sd, -_Z99 * sd, 0, method


def _book(residuals: FloatArray, worth: FloatArray, total: float) -> FloatArray:
    """Sum over the shorts where four fifths of their value are known, scaled up to all of it, in currency."""
    together = total * book_return(residuals, worth / total)
    return np.asarray(together[np.isfinite(together)])


def _locked(view: MarketView, lookup: Lookup, terms: Sequence[Terms], worth: FloatArray) -> MaybeFigure:
    """Basis of the dated shorts to their own ends, where contract and spot were last known together."""
    dated = [(t.contract, float(v)) for t, v in zip(terms, worth, strict=True) if v > 0 and t.contract.expiry]
    coins = sorted({contract.base for contract, _ in dated})
    curves = [curve for coin in coins for curve in term_structures(view, coin, lookup)]
    levels = {point.contract: point.level for curve in curves for point in curve.dated}
    gone = next((contract.id for contract, _ in dated if contract.id not in levels), None)
    if gone is not None:
        return Unavailable(f"no price of {gone} and of its coin at one moment")
    return sum((value * levels[contract.id] for contract, value in dated), 0.0)


def _beta_error(desk: Desk, proxied: float, contests: Sequence[Contest]) -> MaybeFigure:
    """``sum (value * error)^2 Var(F)`` over a week; errors of several ratios are taken as independent."""
    if proxied <= _ROUNDING:
        return 0.0
    if not contests:
        return Unavailable("no ratio was estimated")
    table, total = contests[0], 0.0
    for name, error in zip(table.ratio.instruments, table.ratio.errors, strict=True):
        if not math.isfinite(error):
            return Unavailable(f"the ratio of {table.winner} is set and not estimated")
        coin = np.array([float(c == name) for c in desk.coins])
        total += (proxied * error) ** 2 * desk.covariance.variance(coin)
    return total * (WEEK / desk.tolerance.horizon)


def _peg(view: MarketView, lookup: Lookup, terms: Sequence[Terms], worth: FloatArray, cash: float) -> MaybeFigure:
    """Variance of a week of what lies in the contracts' currency: the shorts' value and the cash behind them.

    A short paid in a stablecoin is long that coin by its value: falls it, prices in it rise, and the short with them.
    """
    stakes: dict[str, float] = {}
    for t, value in zip(terms, worth, strict=True):
        if value > 0 and t.contract.payoff is Payoff.LINEAR and t.contract.quote != "USD":
            stakes[t.contract.quote] = stakes.get(t.contract.quote, 0.0) + float(value)
    if not stakes:
        return 0.0
    if len(stakes) > 1:
        return Unavailable(f"shorts in {len(stakes)} stablecoins, whose falls are not measured together")
    ((coin, value),) = stakes.items()
    series = min(
        (i for i in lookup.fresh if i.key.kind is Kind.SPOT and i.asset == coin and i.quote == "USD"),
        key=lambda i: (i.start, i.key),
        default=None,
    )
    if series is None:
        return Unavailable(f"no price of {coin} in dollars")
    moves = _weekly_moves(view, series)
    if len(moves) < FEWEST:
        return Unavailable(f"{len(moves)} weeks of {coin} in dollars, {FEWEST} needed")
    return (value + cash) ** 2 * float(np.var(moves, ddof=1))


def _weekly_moves(view: MarketView, series: SeriesInfo) -> NDArray[np.float64]:
    """Returns of a coin over weeks that do not overlap."""
    from stormsail.market.load import load_panel

    panel, _ = load_panel(view, {series.asset: series}, step=WEEK, length=DAYS // 7)
    moves = panel.returns().values[:, 0]
    return np.asarray(moves[np.isfinite(moves)])


def basis_failure(basis: BookBasis | Unavailable) -> tuple[FailureMode, ...]:
    """The basis as something the hedge still fails against; none where nothing is short."""
    if isinstance(basis, Unavailable):
        return ()
    loss: MaybeFigure = basis.worst if isinstance(basis.worst, Unavailable) else -basis.worst
    told = "what a bad week costs is not known"
    if not isinstance(basis.worst, Unavailable):
        told = f"in the worst 1 % of weeks that costs {-basis.worst:,.0f} ({basis.method})"
    if basis.unmeasured:
        told += f"; shorts of {basis.unmeasured:,.0f} cannot be measured, because nothing else prices their coins"
    locked = ""
    if not isinstance(basis.locked, Unavailable) and basis.locked:
        word = "brings" if basis.locked > 0 else "costs"
        locked = (
            f" Held to their ends the dated shorts are sure of what they locked, which {word} {abs(basis.locked):,.0f}."
        )
    return (
        FailureMode(
            "basis moves against the shorts",
            f"Contracts part from spot for a while, and a hedge that must be closed then pays for it: {told}.{locked}",
            loss,
            "Hold dated shorts to their end, where the basis is nothing; close perpetuals when they are back at spot.",
        ),
    )
