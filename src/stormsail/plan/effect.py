"""How well the planned hedge would have done on days it had not seen, beside ratio 1 with the same instruments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Unavailable
from stormsail.market.load import load_panel
from stormsail.market.panel import Panel, book_return
from stormsail.market.schema import SeriesInfo
from stormsail.market.source import MarketView
from stormsail.plan.coverage import split_cover
from stormsail.plan.desk import Desk
from stormsail.plan.model import CoinReturns
from stormsail.plan.problem import FloatArray
from stormsail.ratio import ESTIMATORS, MaybeEffectiveness, effectiveness
from stormsail.ratio.contest import walk

MEASURABLE = 0.5
"""Share of what is to be protected that must be priced apart from its hedge before anything is measured."""


LASTING = 0.8
LASTING_DAYS = 120
"""A coin must be known on four fifths of the last 120 days to be judged."""


def planned_effectiveness(
    view: MarketView,
    desk: Desk,
    returns: CoinReturns,
    worth: FloatArray,
    priced_by: Mapping[str, str],
    winner: str,
) -> tuple[MaybeEffectiveness, MaybeEffectiveness]:
    """Effectiveness of the planned hedge, and of the same contracts at ratio 1, on the part that was to be protected.

    Direct shorts stand at ratio 1 and are judged by the contract's returns against the coin's. What the proxies hedge
    is walked forward: at each day the winning estimator sizes the proxies (in today's proportions) on the days before.
    Coins priced by the very perpetual that hedges them, or known on less than four fifths of the last 120 days, cannot
    be judged and are left out.

    Args:
        view: The market.
        desk: What was on the table.
        returns: Of the coins.
        worth: Notional of each contract, shape (n,).
        priced_by: ``spot`` or ``perpetual`` by coin.
        winner: Estimator that won the contest.
    """
    direct, proxied = split_cover(desk.wanted, desk.short(worth), desk.beta)
    apart = np.array([priced_by.get(c, "spot") == "spot" for c in desk.coins], dtype=bool)
    recent = returns.values[-LASTING_DAYS * returns.bars_per_day :]
    known_share = np.isfinite(recent).mean(axis=0)
    judged = np.where((apart | (direct < 0.5 * desk.wanted)) & (known_share >= LASTING), desk.wanted, 0.0)
    total, asked = float(judged.sum()), float(desk.wanted.sum())
    if asked <= 0 or not (worth > 0).any():
        return Unavailable("nothing is hedged"), Unavailable("nothing is hedged")
    if total < MEASURABLE * asked:
        why = Unavailable("most coins are too young, or are priced by the contracts that hedge them")
        return why, why
    moves = _contract_returns(view, desk, returns, worth)
    hedge = np.zeros(len(returns.values))
    for i, t in enumerate(desk.terms):
        k = desk.at[i]
        if worth[i] > 0 and judged[k] > 0 and desk.short(worth)[k] > 0:
            hedge += moves[t.contract.id] * worth[i] / desk.short(worth)[k] * min(direct[k], judged[k]) / total
    alone = _sum(returns.values, judged / total)
    rest = _sum(returns.values, np.where(judged > 0, proxied, 0.0) / total)
    share = float(np.where(judged > 0, proxied, 0.0).sum()) / total
    if share < 1e-6:
        tested = np.isfinite(alone) & np.isfinite(hedge)
        result = effectiveness(alone, alone - hedge, _window(returns, np.flatnonzero(tested)))
        return result, result
    proxy = _proxy_returns(desk, moves, worth)
    known = np.isfinite(rest) & np.isfinite(proxy) & np.isfinite(alone) & np.isfinite(hedge)
    least = 60 if returns.bars_per_day == 1 else 240
    walked = walk(ESTIMATORS[winner], rest[known] / share, proxy[known][:, None], min_train=least)
    rows = np.flatnonzero(known)[walked.rows]
    window = _window(returns, rows)
    planned = alone[rows] - hedge[rows] - share * (proxy[rows] * walked.ratios[:, 0])
    naive = alone[rows] - hedge[rows] - share * proxy[rows]
    return effectiveness(alone[rows], planned, window), effectiveness(alone[rows], naive, window)


def _window(returns: CoinReturns, rows: NDArray[np.int64]) -> str:
    """First and last day of the rows that were tested."""
    return Panel(returns.panel.times[rows], returns.coins, returns.values[rows], returns.panel.step).window


def _sum(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted sum over the coins that have a weight, shape (T,)."""
    own = weights != 0.0
    return np.asarray(values[:, own] @ weights[own])


def _contract_returns(view: MarketView, desk: Desk, returns: CoinReturns, worth: FloatArray) -> dict[str, FloatArray]:
    """Returns of the contracts that are short, on the grid of the coins' returns.

    A contract known on less than four fifths of the last 120 days is represented by its coin.
    """
    series: dict[str, SeriesInfo] = {t.contract.id: t.deep for t, w in zip(desk.terms, worth, strict=True) if w > 0}
    step = timedelta(days=1) / returns.bars_per_day
    panel, _ = load_panel(view, series, step=step, length=len(returns.values) + 2)
    found = panel.returns()
    at = {moment: row for row, moment in enumerate(found.times)}
    rows = np.array([at.get(moment, -1) for moment in returns.panel.times])
    grid = np.where((rows >= 0)[:, None], found.values[rows], np.nan)
    own = {name: grid[:, j] for j, name in enumerate(found.names)}
    coin = {t.contract.id: returns.column(t.contract.base) for t in desk.terms}
    recent = LASTING_DAYS * returns.bars_per_day
    return {n: r if np.isfinite(r[-recent:]).mean() >= LASTING else coin[n] for n, r in own.items()}


def _proxy_returns(desk: Desk, moves: Mapping[str, FloatArray], worth: FloatArray) -> FloatArray:
    """Return of the proxies in today's proportions: what is short of each coin beyond what was wanted of it."""
    short = desk.short(worth)
    excess = np.maximum(short - desk.wanted, 0.0)
    weights = {
        t.contract.id: worth[i] / short[desk.at[i]] * excess[desk.at[i]]
        for i, t in enumerate(desk.terms)
        if worth[i] > 0 and excess[desk.at[i]] > 0
    }
    values = np.column_stack([moves[name] for name in weights])
    shares = np.array(list(weights.values()))
    return book_return(values, shares / shares.sum())
