"""The advice perpetual or dated for this portfolio, and what it leaves on the table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from stormsail.audit import Tolerance
from stormsail.core import Contract, Finding, Tenor, Trouble, Unavailable
from stormsail.instruments.offers import round_trip
from stormsail.plan.advice import advise, rolls_needed
from stormsail.plan.terms import Terms
from stormsail.plan.types import TenorAdvice

ABOUT = ("BTC", "ETH")


def tenor_advice(terms: Sequence[Terms], tolerance: Tolerance, as_of: datetime, size: float) -> TenorAdvice:
    """Compare the perpetual and the dated contract of BTC, or of ETH where BTC has no dated one.

    Args:
        terms: Of the contracts in play.
        tolerance: For the horizon.
        as_of: Moment of the decision.
        size: Notional at which slippage is judged.
    """
    for coin in ABOUT:
        mine = [t for t in terms if t.contract.base == coin]
        floating = _best([t for t in mine if t.contract.tenor is Tenor.PERPETUAL])
        fixed = _best([t for t in mine if t.contract.expiry is not None], tolerance, as_of)
        if floating is not None and fixed is not None and fixed.contract.expiry is not None:
            cost = _cost(fixed, size)
            return advise(
                floating.carry,
                fixed.carry,
                horizon=tolerance.horizon,
                perpetual_cost=_cost(floating, size),
                dated_cost=cost,
                life=fixed.contract.expiry - as_of,
                roll_cost=cost,
                about=coin,
            )
    perpetual = next((t.carry for t in terms if t.contract.base in ABOUT), Unavailable("no contract on BTC or ETH"))
    none = Unavailable("no dated contract on BTC or ETH is known")
    return advise(perpetual, none, horizon=tolerance.horizon, perpetual_cost=0.0, dated_cost=0.0)


def _best(terms: Sequence[Terms], tolerance: Tolerance | None = None, as_of: datetime | None = None) -> Terms | None:
    """The most traded; of dated ones first those that outlive the horizon, the nearest of them."""
    if not terms:
        return None
    if tolerance is None or as_of is None:
        return min(terms, key=lambda t: (-_volume(t), t.contract.id))
    end = as_of + tolerance.horizon
    lasting = [t for t in terms if t.contract.expiry is not None and t.contract.expiry >= end]
    pool = lasting or terms
    return min(pool, key=lambda t: (abs((t.contract.expiry or end) - end), t.contract.id))


def _volume(terms: Terms) -> float:
    return 0.0 if isinstance(terms.volume, Unavailable) else terms.volume


def _cost(terms: Terms, size: float) -> float:
    return round_trip(terms.contract, terms.slippage(size))


def follow(terms: Sequence[Terms], advice: TenorAdvice) -> tuple[Terms, ...]:
    """The contracts the advice leaves: no dated ones, or no perpetuals of coins that have a dated one."""
    if advice.tenor is Tenor.PERPETUAL:
        return tuple(t for t in terms if t.contract.tenor is Tenor.PERPETUAL)
    dated = {t.contract.base for t in terms if t.contract.tenor is Tenor.DATED}
    return tuple(t for t in terms if t.contract.tenor is Tenor.DATED or t.contract.base not in dated)


def rolls_of(contract: Contract, as_of: datetime, horizon: timedelta) -> int:
    """Times a short of the contract must be replaced within the horizon; none where it has no end."""
    return 0 if contract.expiry is None else rolls_needed(horizon, contract.expiry - as_of)


def ends_within(contract: Contract, as_of: datetime, horizon: timedelta) -> bool:
    """Whether it is settled before the horizon ends, so that a short of it must be rolled."""
    return contract.expiry is not None and contract.expiry < as_of + horizon


def roll_findings(shorts: Sequence[Terms], as_of: datetime, horizon: timedelta) -> tuple[Finding, ...]:
    """That shorts end before the horizon does, one for each day on which some do."""
    ending: dict[datetime, list[Contract]] = {}
    for terms in shorts:
        if terms.contract.expiry is not None and ends_within(terms.contract, as_of, horizon):
            ending.setdefault(terms.contract.expiry, []).append(terms.contract)
    found = []
    for expiry, contracts in sorted(ending.items()):
        subject = f"expiry of {', '.join(sorted(c.id for c in contracts))}"
        cause = f"settled on {expiry:%Y-%m-%d}, {(as_of + horizon - expiry).days} days before the horizon ends"
        times = rolls_of(contracts[0], as_of, horizon)
        cure = f"roll before that day or the hedge ends; {times} roll{'s' if times > 1 else ''} in the cost"
        found.append(Finding(Trouble.DEGRADED, subject, cause, f"{cure}, the basis after it is a guess"))
    return tuple(found)
