"""From the survey to the table that the decision and the re-plan begin with alike: contracts, terms, promise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from stormsail.core import Finding, Unavailable
from stormsail.core.symbol import MAJORS
from stormsail.instruments.backing import is_inverse
from stormsail.instruments.universe import day_of
from stormsail.margin.types import Promise
from stormsail.market.load import load_bars
from stormsail.plan.collateral import Keeper
from stormsail.plan.desk import Desk, in_play, lay_out
from stormsail.plan.survey import Survey
from stormsail.plan.tenor import follow, tenor_advice
from stormsail.plan.terms import contract_terms
from stormsail.plan.types import TenorAdvice

MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Everything before the programme is solved.

    Attributes:
        known: What was surveyed.
        advice: Perpetual or dated.
        desk: The contracts on the table and what is wanted of them.
        keeper: The promise collateral must keep.
        findings: What was noticed since the survey.
    """

    known: Survey
    advice: TenorAdvice
    desk: Desk
    keeper: Keeper
    findings: tuple[Finding, ...]


def prepare(known: Survey) -> Prepared:
    """Look up the terms of what could be shorted, and lay it on the table.

    Args:
        known: What was surveyed.

    Raises:
        StormsailError: As the rooms below raise them.
    """
    view, tolerance, day = known.view, known.tolerance, day_of(known.view.as_of)
    spot = {a.asset: a.price for a in known.exposure.assets} | _proxy_prices(known)
    terms, found_terms = contract_terms(view, known.lookup, in_play(known), known.venues, spot, tolerance.horizon, day)
    linear = tuple(t for t in terms.values() if not is_inverse(t.contract))
    advice = tenor_advice(linear, tolerance, view.as_of, tolerance.coverage * known.exposure.risky_value)
    # the advice weighs funding against basis; that a short needs no cash and cannot be liquidated is beside it
    kept = {t.contract.id for t in follow(linear, advice)}
    played = [t for t in terms.values() if is_inverse(t.contract) or t.contract.id in kept]
    desk, found_desk = lay_out(known, played)
    keeper = Keeper(Promise(tolerance.liquidation_chance, MONTH, tolerance.top_up, tolerance.survive))
    return Prepared(known, advice, desk, keeper, (*found_terms, *found_desk))


def _proxy_prices(known: Survey) -> dict[str, float]:
    """Last price of BTC and ETH, for the basis of their dated contracts."""
    found = {}
    for coin in MAJORS:
        series = known.lookup.price_series(coin)
        if not isinstance(series, Unavailable):
            bars, _ = load_bars(known.view, series.info, start=known.view.as_of - timedelta(days=3))
            if not bars.is_empty():
                found[coin] = float(bars["close"][-1])
    return found
