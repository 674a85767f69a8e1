"""A plan held untouched through what came after it: hedged against unhedged, with the whole account.

It is a replay (:mod:`stormsail.lab.replay`) under the policy that trades once and touches nothing after: shorts keep
their quantity until the end or until their venue closes them, nothing is topped up or re-hedged. Coins that back an
inverse short are part of the holding and lie in the spot path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Finding, to_float
from stormsail.lab.course import record
from stormsail.lab.ledger import AMOUNT, CURRENCY, FLOW, Flow
from stormsail.lab.replay import Replay, replay
from stormsail.lab.result import paths
from stormsail.lab.setup import coins_of, contracts_of, set_up
from stormsail.market.panel import FloatArray
from stormsail.market.source import MarketView
from stormsail.plan.types import HedgePlan
from stormsail.watch.policy import HOLD


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What became of a plan that was held.

    Money is in the portfolio's currency; gains are positive. ``spot``, ``shorts``, ``funding`` and ``fees`` add up to
    the change of ``hedged`` from the value held at the start.

    Attributes:
        start, end: From the decision to the last moment.
        times: Grid, shape (T,), ``datetime64[us]``.
        unhedged: Value of the spot holdings, shape (T,).
        hedged: The same plus profit of the shorts, funding and fees, shape (T,).
        spot: Change of the spot value.
        shorts: Price profit of the shorts, with what venues kept of those they liquidated.
        funding: Funding received (negative: paid); what was received in coins at their last price.
        fees: Fees and slippage (negative).
        lost: Collateral that went with liquidated accounts (negative), already part of ``shorts``.
        liquidated: Accounts that were liquidated, with the moment: by venue, or by contract where margin is isolated.
        lowest_unhedged, lowest_hedged: Lowest value on the grid, from bar closes.
        findings: What was noticed.
    """

    start: datetime
    end: datetime
    times: NDArray[np.datetime64]
    unhedged: FloatArray
    hedged: FloatArray
    spot: float
    shorts: float
    funding: float
    fees: float
    lost: float
    liquidated: Mapping[str, datetime]
    lowest_unhedged: float
    lowest_hedged: float
    findings: tuple[Finding, ...]

    @property
    def fall_unhedged(self) -> float:
        """Largest fall below the starting value without the hedge, as a fraction."""
        return 1.0 - self.lowest_unhedged / float(self.unhedged[0])

    @property
    def fall_hedged(self) -> float:
        """The same with the hedge."""
        return 1.0 - self.lowest_hedged / float(self.unhedged[0])


def hold(plan: HedgePlan, view: MarketView) -> Held:
    """Hold ``plan`` from its decision to ``view.as_of``.

    Args:
        plan: The plan; made from the same source, at an earlier moment.
        view: The source seen from the end of the holding.

    Raises:
        UnavailableError: If there is no bar after the decision, or a price is missing at it.
    """
    course = record(view, contracts_of([plan]), coins_of(plan), start=plan.as_of)
    setup = set_up([plan], course)
    run = replay(course, setup.accounts, setup.holdings, setup.aim, HOLD, sellable=setup.sellable)
    found, money = paths(run), to_float(setup.money)
    unhedged, hedged = found.unhedged + money, found.hedged + money
    liquidated: dict[str, datetime] = {}
    for line in run.log:
        if line.what == "liquidation":
            liquidated.setdefault(line.where, line.when)
    spot, funding, fees = float(unhedged[-1] - unhedged[0]), _funding(run), _fees(run)
    return Held(
        start=plan.as_of, end=course.moment(len(course.times) - 1), times=course.times, unhedged=unhedged,
        hedged=hedged, spot=spot, shorts=float(hedged[-1] - unhedged[0]) - spot - funding - fees, funding=funding,
        fees=fees, lost=_lost(run, liquidated), liquidated=liquidated, lowest_unhedged=float(unhedged.min()),
        lowest_hedged=float(hedged.min()), findings=run.findings,
    )  # fmt: skip


def _funding(run: Replay) -> float:
    """Funding received, at the last price of what it was received in."""
    terms = run.books.terms
    rate = terms.quantum[terms.currency] * run.course.worth[-1, terms.currency]
    return float((run.paid.sum(axis=0) * rate).sum())


def _fees(run: Replay) -> float:
    """Fees and slippage paid, at the last price of what they were paid in."""
    rows = run.ledger[np.isin(run.ledger[:, FLOW], (Flow.FEE, Flow.SLIPPAGE))]
    rate = run.books.terms.quantum * run.course.worth[-1]
    return float((rows[:, AMOUNT] * rate[rows[:, CURRENCY]]).sum())


def _lost(run: Replay, liquidated: Mapping[str, datetime]) -> float:
    """What was posted to accounts that ended, less what is left of it, at the prices of the end of that bar."""
    lost = 0.0
    for a, account in enumerate(run.books.accounts):
        legs = slice(int(run.books.terms.first[a]), int(run.books.terms.first[a + 1]))
        if account.name not in liquidated or run.books.state.lots[legs].any():
            continue
        worth = run.course.worth[run.course.index_of(liquidated[account.name])]
        for c, currency in enumerate(run.course.currencies):
            left = float(run.books.state.cash[a, c]) * float(run.books.terms.quantum[c])
            posted = to_float(account.deposit[currency]) if currency in account.deposit else 0.0
            lost += min(left - posted, 0.0) * float(worth[c])
    return lost
