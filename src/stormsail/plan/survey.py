"""Everything a plan knows before it decides: exposure, contracts, venues, shortlist, contest, risk model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stormsail.audit import Tolerance, audit, check_tolerance
from stormsail.audit.types import ExposureReport
from stormsail.core import Contract, Finding, Portfolio, ToleranceError, suggest
from stormsail.core.symbol import MAJORS
from stormsail.instruments.diligence import score
from stormsail.instruments.ranking import shortlist
from stormsail.instruments.types import Route, Shortlist, VenueRecord, VenueScore
from stormsail.instruments.universe import day_of
from stormsail.instruments.universe import survey as survey_contracts
from stormsail.market.lookup import Lookup
from stormsail.market.once import read_once
from stormsail.market.source import MarketView
from stormsail.plan.history import book_return
from stormsail.plan.model import CoinReturns, RiskModel, coin_returns, risk_model
from stormsail.plan.problem import FloatArray
from stormsail.plan.tails import per_coin, tail_ratios
from stormsail.ratio import Contest, contest

Progress = Callable[[str], None]
WHOLE = "portfolio"


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What is known before the decision.

    Attributes:
        view: The market at the moment of the decision.
        tolerance: What is wanted, and with what means.
        venues: Due-diligence records by venue key.
        lookup: Its index.
        exposure: The audit.
        contracts: Contracts that may be used.
        scores: Due diligence by venue.
        shortlist: What could hedge it, ranked.
        contests: Walk-forward tables, the whole portfolio's first.
        returns: Of the coins held and of those that could stand proxy.
        model: Their covariance.
        held: Value held of each coin, shape (K,).
        tail: Tail ratio of each coin, shape (K,).
        findings: What was noticed.
    """

    view: MarketView
    tolerance: Tolerance
    venues: Mapping[str, VenueRecord]
    lookup: Lookup
    exposure: ExposureReport
    contracts: tuple[Contract, ...]
    scores: Mapping[str, VenueScore]
    shortlist: Shortlist
    contests: tuple[Contest, ...]
    returns: CoinReturns
    model: RiskModel
    held: FloatArray
    tail: FloatArray
    findings: tuple[Finding, ...]

    @property
    def coins(self) -> tuple[str, ...]:
        """Coins of the risk model, in the order of its arrays."""
        return self.returns.coins


def survey(
    portfolio: Portfolio,
    view: MarketView,
    tolerance: Tolerance,
    *,
    venues: Mapping[str, VenueRecord],
    progress: Progress | None = None,
) -> Survey:
    """Audit the portfolio, rank what could hedge it, and let the estimators compete.

    Args:
        portfolio: What is held.
        view: The market as known at the moment of the decision.
        tolerance: What is wanted, and with what means.
        venues: Due-diligence records by venue key.
        progress: Told the name of each step.

    Raises:
        StormsailError: As the rooms below raise them: unknown symbols, missing prices, broken data.
    """
    tell = progress or _silent
    _check_venues(tolerance.venues, venues)
    view = read_once(view)
    tell("audit")
    lookup = Lookup.of(view)
    exposure = audit(portfolio, view, lookup=lookup)
    day = day_of(view.as_of)
    tell("venues and contracts")
    scores = {key: score(record, day) for key, record in sorted(venues.items())}
    known = survey_contracts(view, venues, tolerance.venues, lookup)
    tell("shortlist")
    ranked = shortlist(exposure, tolerance, view, lookup, known.contracts, venues)
    tell("contest")
    returns, _, found = coin_returns(view, lookup, _coins(exposure, ranked))
    held = per_coin([a.asset for a in exposure.assets], returns.coins, [a.value for a in exposure.assets])
    contests = _contests(returns, held)
    anchor = np.array([v.value for v in contests[0].ratio.values]) if contests else None
    model = risk_model(returns, held, tolerance.horizon, anchor=anchor)
    tail, found_tail = tail_ratios(exposure, returns, model.market_beta)
    findings = (
        *exposure.findings,
        *check_tolerance(tolerance, exposure.risky_value, exposure.value - exposure.risky_value),
        *known.findings,
        *ranked.findings,
        *found,
        *found_tail,
    )
    return Survey(
        view=view,
        tolerance=tolerance,
        venues=venues,
        lookup=lookup,
        exposure=exposure,
        contracts=known.contracts,
        scores=scores,
        shortlist=ranked,
        contests=contests,
        returns=returns,
        model=model,
        held=held,
        tail=tail,
        findings=tuple(dict.fromkeys(findings)),
    )


def _check_venues(allowed: Sequence[str], venues: Mapping[str, VenueRecord]) -> None:
    """Refuse a venue of which nothing is recorded."""
    for name in allowed:
        if name not in venues:
            raise ToleranceError(f"no record of a venue {name!r}", cure=suggest(name, venues), where="venues")


def _silent(step: str) -> None:
    return None


def _coins(exposure: ExposureReport, ranked: Shortlist) -> tuple[str, ...]:
    """Coins held, BTC, ETH and the members of the basket, sorted."""
    held = {a.asset for a in exposure.assets if not a.is_cash}
    legs = {
        leg.contract.base
        for row in ranked.portfolio
        if row.candidate.route is Route.BASKET
        for leg in row.candidate.legs
    }
    return tuple(sorted(held | legs | {*MAJORS}))


def _contests(returns: CoinReturns, held: FloatArray) -> tuple[Contest, ...]:
    """The alts as a whole against BTC+ETH, BTC and ETH; the portfolio itself where it holds no alts.

    BTC and ETH are hedged by their own contracts at ratio 1, so they are not part of what is estimated.
    """
    coins = returns.coins
    alts = np.array([c not in MAJORS for c in coins], dtype=bool) & (held > 0)
    weight = np.where(alts, held, 0.0) if alts.any() else held
    if weight.sum() <= 0 or "ETH" not in coins:
        return ()
    y = book_return(returns.values, weight / weight.sum())
    target = WHOLE if not held[~alts].any() or not alts.any() else f"{WHOLE} without BTC and ETH"
    columns = {name: returns.column(name) for name in MAJORS}
    least = 60 if returns.bars_per_day == 1 else 240
    tables = []
    for names in (MAJORS, ("BTC",), ("ETH",)):
        x = np.column_stack([columns[n] for n in names])
        tables.append(contest(target, y, names, x, returns.panel.times, min_train=least))
    return tuple(tables)
