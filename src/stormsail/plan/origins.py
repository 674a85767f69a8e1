"""Where each figure of a plan came from, by its dotted path in the plan file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stormsail.plan.desk import Desk
from stormsail.plan.problem import RISK_AVERSION
from stormsail.plan.settle import Settled
from stormsail.plan.survey import Survey


def origins(survey: Survey, desk: Desk, book: Settled, priced: Mapping[str, str]) -> dict[str, str]:
    """Dotted path to origin, sorted by path.

    Args:
        survey: What was known.
        desk: What was on the table.
        book: What was decided.
        priced: Origin of each asset's price.
    """
    returns = survey.returns.panel.window
    found = {
        "exposure.assets": f"audit of {survey.view.source.name}; each measure names its own window",
        "contests": f"walk-forward on {returns}, estimators see the past only",
        "orders.quantity": f"convex programme, risk aversion {RISK_AVERSION:g}, rounded to lots",
        "margins.rise": "brackets at the liquidation price, all shorts rising together",
        "cost.fees": "taker fee both ways",
        "insurance.es_99_hedged": f"joint bootstrap of {returns}",
        "insurance.deductible": "every coin at its tail ratio, so that the portfolio falls by what is to be survived",
        "coverage.proxy": f"market betas of the covariance, {returns}",
        "history": f"closes of {returns}, today's weights",
        "venues": "venue data files, each fact with source and date",
    }
    for asset, origin in priced.items():
        found[f"exposure.assets.{asset}.price"] = origin
    for i in _short(book):
        terms = desk.terms[i]
        cid = terms.contract.id
        found[f"orders.{cid}.price"] = f"last close of {terms.info.key}"
        found[f"orders.{cid}.contract"] = terms.contract.origin or "venue metadata"
        found[f"orders.{cid}.carry"] = terms.carry_origin or "unavailable"
        own = desk.backing[i]
        found[f"margins.{cid}.requirement"] = (
            f"bars of {terms.deep.key}, {terms.moves.window}"
            if own is None
            else f"coins short times {own.rate:f}: 1, fees {own.fees:f}, funding at its cap {own.funding:f}, "
            f"maintenance {own.maintenance:f}"
        )
        found[f"margins.{cid}.maintenance"] = terms.table.source
    return dict(sorted(found.items()))


def _short(book: Settled) -> Sequence[int]:
    return [i for i, lots in enumerate(book.lots) if lots > 0]
