"""The shortlist: every candidate judged for every coin and for the portfolio, best first, with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stormsail.audit.tolerance import Tolerance
from stormsail.audit.types import AssetExposure, ExposureReport, Risk
from stormsail.core import Contract, Estimate, Finding, Trouble, Unavailable, to_float
from stormsail.core.symbol import MAJORS
from stormsail.instruments.candidates import DIRECT, OWN, major_contracts, own_candidates, proxy_candidates
from stormsail.instruments.evidence import SHORT, Evidence, gather, weighted
from stormsail.instruments.fit import MIN_TRAIN, effectiveness_of, effects_of, walk_many
from stormsail.instruments.judge import PRIOR, Fit, Need, judge, suffices
from stormsail.instruments.offers import Offer, offers_of
from stormsail.instruments.types import Candidate, CandidateScore, Leg, Route, Shortlist, VenueRecord
from stormsail.instruments.volumes import median_volumes
from stormsail.market.lookup import Lookup
from stormsail.market.once import read_once
from stormsail.market.panel import ENOUGH_WEIGHT, FloatArray
from stormsail.market.source import MarketView
from stormsail.market.term import TermStructure, term_structures
from stormsail.ratio.contest import contest
from stormsail.ratio.effectiveness import MINIMUM, shortfall
from stormsail.ratio.types import MaybeEffectiveness

WHOLE = "portfolio"


@dataclass(frozen=True, slots=True, eq=False)
class _Desk:
    """What every judgement needs; ``fits`` holds a proxy's fit by (candidate, target)."""

    exposure: ExposureReport
    tolerance: Tolerance
    contracts: tuple[Contract, ...]
    evidence: Evidence
    offers: Mapping[str, Offer]
    majors: Mapping[str, Contract]
    fits: dict[tuple[str, str], Fit]

    @property
    def risky(self) -> tuple[AssetExposure, ...]:
        return tuple(a for a in self.exposure.assets if not a.is_cash)


def shortlist(
    exposure: ExposureReport,
    tolerance: Tolerance,
    view: MarketView,
    lookup: Lookup,
    contracts: Sequence[Contract],
    venues: Mapping[str, VenueRecord],
    *,
    days: int = 365,
) -> Shortlist:
    """Judge and rank what could hedge each coin and the portfolio.

    All as fractions of the value to protect, over the horizon::

        score        = risk_removed * min(1, room / need) + carry - cost
        risk_removed = ES * (1 - sqrt(1 - HE)),   ES = min(1, ES_95 of a day * sqrt(days))
        need         = coverage * value * ratio
        room         = min(volume_share * median daily volume, what the venue's cap leaves, what unlocked coins back)
        cost         = ratio * 2 * (taker fee + slippage)

    Where the carry of a contract is unavailable, the score counts a stand-in that is never income, as the programme
    does (:func:`stormsail.instruments.counted.counted_carry`).

    Contracts on the coin itself with enough room come first, whatever the score of a proxy; candidates that may not be
    used come last. Where a coin is priced by its own perpetual, the effectiveness of that contract cannot be measured:
    it is unavailable, and the documented prior (0.998) takes its place in the score. Inverse contracts are usable
    where unlocked coins can back them (:mod:`stormsail.instruments.backing`).

    Args:
        exposure: What is held and what it could lose.
        tolerance: How much to protect, for how long.
        view: Market data at the moment.
        lookup: Index of ``view``.
        contracts: The universe (see :mod:`stormsail.instruments.universe`).
        venues: Records of the contracts' venues.
        days: Length of the window that effectiveness is measured on.
    """
    view = read_once(view)
    evidence = gather(exposure, view, lookup, contracts, days=days)
    legs = () if isinstance(evidence.basket.candidate, Unavailable) else evidence.basket.candidate.legs
    needed = {*evidence.contracts, *(leg.contract.id for leg in legs)}
    used = tuple(c for c in contracts if c.id in needed)
    volumes = median_volumes(view, lookup, used)
    offers = offers_of(
        view,
        lookup,
        used,
        venues,
        value=exposure.value,
        horizon=tolerance.horizon,
        spot={a.asset: a.price for a in exposure.assets},
        last=evidence.last,
        volumes=volumes,
        free={a.asset: to_float(a.sellable) * a.price for a in exposure.assets},
    )
    known = {name: volume for name, volume in volumes.items() if not isinstance(volume, Unavailable)}
    desk = _Desk(exposure, tolerance, used, evidence, offers, major_contracts(used, known), {})
    _fit_proxies(desk)
    by_asset = {a.asset: _for_asset(desk, a) for a in desk.risky}
    curves = _curves(view, lookup, contracts, [a.asset for a in desk.risky])
    findings = (*_findings(desk, by_asset), *(found for curve in curves for found in curve.findings))
    return Shortlist(dict(sorted(by_asset.items())), _for_portfolio(desk, by_asset), findings, curves)


def _curves(
    view: MarketView, lookup: Lookup, contracts: Sequence[Contract], held: Sequence[str]
) -> tuple[TermStructure, ...]:
    """Term structures of the coins held, and of BTC and ETH, that have a dated contract among those that may be used.

    Perpetuals stand in them only where they may be used as well.
    """
    allowed = frozenset(c.id for c in contracts)
    coins = sorted({c.base for c in contracts if c.expiry is not None and (c.base in held or c.base in MAJORS)})
    found = []
    for curve in (curve for coin in coins for curve in term_structures(view, coin, lookup)):
        dated = tuple(p for p in curve.dated if p.contract in allowed)
        floating = tuple(p for p in curve.perpetuals if p.contract in allowed)
        if dated:
            found.append(replace(curve, dated=dated, perpetuals=floating))
    return tuple(found)


def _columns(desk: _Desk, candidate: Candidate) -> FloatArray:
    """Returns of a candidate's instruments, shape (T, k): a contract each, or the basket as one."""
    if candidate.route is Route.BASKET:
        return desk.evidence.basket.returns.values
    return np.column_stack([desk.evidence.contracts[leg.contract.id] for leg in candidate.legs])


def _fit_proxies(desk: _Desk) -> None:
    """Walk every proxy forward against all coins at once."""
    names = tuple(desk.evidence.coins)
    if not names:
        return
    y = np.column_stack([desk.evidence.coins[name] for name in names])
    for candidate in proxy_candidates(None, desk.majors, desk.evidence.basket.candidate):
        walked = walk_many(y, _columns(desk, candidate))
        measures = effects_of(y, walked.hedged, desk.evidence.times)
        for name, measured, ratios in zip(names, measures, walked.ratios, strict=True):
            ratio = float(ratios.sum())
            desk.fits[candidate.name, name] = Fit(measured, ratio if math.isfinite(ratio) else 1.0)


def _own_fit(desk: _Desk, asset: str, contract: Contract) -> Fit:
    """Ratio 1 against the coin's spot series; unavailable where its own perpetual is all that prices it."""
    if asset not in desk.evidence.spot_priced:
        return Fit(Unavailable("priced by its own perpetual"), 1.0)
    y = desk.evidence.coins[asset]
    return Fit(effectiveness_of(y, y - desk.evidence.contracts[contract.id], desk.evidence.times), 1.0)


def _horizon_shortfall(desk: _Desk, risk: Risk, returns: FloatArray | None) -> float:
    """Expected shortfall over the horizon, at most all: of the audit, else of the returns, else of the portfolio."""
    days = desk.tolerance.horizon.total_seconds() / 86_400
    if isinstance(risk.es_95, Estimate):
        return min(1.0, risk.es_95.value * math.sqrt(days))
    for series in (returns, desk.evidence.portfolio):
        known = series[np.isfinite(series)] if series is not None else np.empty(0)
        if len(known) >= MINIMUM:
            return min(1.0, shortfall(known) * math.sqrt(days * desk.evidence.per_day))
    return 1.0


def _for_asset(desk: _Desk, asset: AssetExposure) -> tuple[CandidateScore, ...]:
    returns = desk.evidence.coins.get(asset.asset)
    volatility = desk.evidence.daily_volatility(returns) if returns is not None else math.nan
    value = desk.tolerance.coverage * asset.value
    need = Need(asset.asset, value, _horizon_shortfall(desk, asset.risk, returns), volatility)
    own = [(c, _own_fit(desk, asset.asset, c.legs[0].contract)) for c in own_candidates(asset.asset, desk.contracts)]
    nothing = Fit(Unavailable(f"no returns of {asset.asset}"), 1.0)
    proxies = [
        (c, desk.fits.get((c.name, asset.asset), nothing))
        for c in proxy_candidates(asset.asset, desk.majors, desk.evidence.basket.candidate)
    ]
    scores = [judge(c, need, fit, desk.offers, desk.tolerance) for c, fit in (*own, *proxies)]
    return tuple(sorted(scores, key=lambda s: _order(s, value)))


def _order(score: CandidateScore, value: float) -> tuple[bool, bool, float, str]:
    """Usable first; then the coin's own contracts with enough room; then by falling score."""
    own = score.candidate.route in OWN and suffices(score, value)
    return not score.usable, not own, -score.score, score.candidate.name


def _for_portfolio(desk: _Desk, by_asset: Mapping[str, tuple[CandidateScore, ...]]) -> tuple[CandidateScore, ...]:
    """Candidates for the whole: every coin by its own contract, BTC, ETH, both, the basket."""
    value = desk.tolerance.coverage * desk.exposure.risky_value
    es = _horizon_shortfall(desk, desk.exposure.risk, desk.evidence.portfolio)
    need = Need(WHOLE, value, es, desk.evidence.daily_volatility(desk.evidence.portfolio))
    scores = []
    direct = _all_direct(desk, by_asset)
    if direct is not None:
        scores.append(judge(direct[0], need, direct[1], desk.offers, desk.tolerance))
    for candidate in proxy_candidates(None, desk.majors, desk.evidence.basket.candidate):
        scores.append(judge(candidate, need, _contest_fit(desk, candidate), desk.offers, desk.tolerance))
    return tuple(sorted(scores, key=lambda s: _order(s, value)))


def _all_direct(desk: _Desk, by_asset: Mapping[str, tuple[CandidateScore, ...]]) -> tuple[Candidate, Fit] | None:
    """Each coin by the best of its own contracts, in proportion to value; coins without one stay uncovered."""
    best = {
        a.asset: next((s for s in by_asset[a.asset] if s.candidate.route in OWN and s.usable), None) for a in desk.risky
    }
    values = {a.asset: a.value for a in desk.risky}
    covered = {asset: s for asset, s in best.items() if s is not None}
    total, reached = sum(values.values()), sum(values[asset] for asset in covered)
    if not covered or reached <= 0:
        return None
    legs = tuple(Leg(s.candidate.legs[0].contract, values[a] / reached) for a, s in sorted(covered.items()))
    missing = sorted(set(values) - set(covered))
    verb = "has" if len(missing) == 1 else "have"
    without = f"without {', '.join(missing)} ({1 - reached / total:.0%} of value), which {verb} no usable contract"
    remark = without if missing else ""
    candidate = Candidate(DIRECT, Route.DIRECT, legs)
    return candidate, Fit(_direct_effect(desk, covered, values), reached / total, remark, reach=reached / total)


def _direct_effect(
    desk: _Desk, covered: Mapping[str, CandidateScore], values: Mapping[str, float]
) -> MaybeEffectiveness:
    """Ratio 1 on the covered coins that have a spot series, if they are most of what is covered."""
    evidence = desk.evidence
    spot = {a: s.candidate.name for a, s in covered.items() if a in evidence.spot_priced}
    share = sum(values[a] for a in spot) / sum(values[a] for a in covered)
    if share < ENOUGH_WEIGHT:
        return Unavailable(f"coins with {1 - share:.0%} of its value are priced by their own perpetuals")
    length = len(evidence.times)
    y = weighted({a: evidence.coins[a] for a in spot}, values, length)
    hedged = weighted({a: evidence.coins[a] - evidence.contracts[name] for a, name in spot.items()}, values, length)
    return effectiveness_of(y, hedged, evidence.times)


def _contest_fit(desk: _Desk, candidate: Candidate) -> Fit:
    """The winner of the walk-forward contest of estimators for the whole portfolio."""
    y, x = desk.evidence.portfolio, _columns(desk, candidate)
    complete = np.isfinite(y) & np.isfinite(x).all(axis=1)
    if complete.sum() < MINIMUM:
        return Fit(Unavailable(f"{int(complete.sum())} common returns, {MINIMUM} needed"), 1.0)
    names = [candidate.name] if x.shape[1] == 1 else [leg.contract.id for leg in candidate.legs]
    held = contest(WHOLE, y, names, x, desk.evidence.times, min_train=MIN_TRAIN)
    ratio = sum(value.value for value in held.ratio.values)
    row = next((row for row in held.rows if row.estimator == held.winner), None)
    return Fit(row.effectiveness if row else Unavailable(held.reason), ratio, held.reason if row else "")


def _findings(desk: _Desk, by_asset: Mapping[str, tuple[CandidateScore, ...]]) -> tuple[Finding, ...]:
    """What was noticed while judging."""
    found = list(desk.evidence.basket.findings)
    cause, cure = "open interest is not recorded", "capacity rests on volume alone"
    found.append(Finding(Trouble.UNAVAILABLE, "open interest", cause, cure))
    if desk.evidence.per_day > 1:
        cause = f"less than {SHORT.days} days of history"
        cure = "effectiveness is measured on returns of four hours"
        found.append(Finding(Trouble.DEGRADED, "effectiveness", cause, cure))
    unmeasured = [a.asset for a in desk.risky if a.asset not in desk.evidence.spot_priced]
    if unmeasured:
        cause = f"{', '.join(unmeasured)}: priced by their own perpetual, which cannot be measured against itself"
        found.append(Finding(Trouble.UNAVAILABLE, "effectiveness", cause, f"{PRIOR} is taken for the direct hedge"))
    found += [finding for a in desk.risky for finding in _locked_out(a, by_asset[a.asset])]
    for asset, scores in sorted(by_asset.items()):
        if not any(score.usable for score in scores):
            found.append(Finding(Trouble.NAKED, asset, "no candidate can be used", "it stays uncovered"))
        elif not any(score.usable and score.candidate.route in OWN for score in scores):
            cause = "no usable contract of its own"
            found.append(Finding(Trouble.DEGRADED, asset, cause, "a proxy covers part of its risk"))
    return tuple(found)


def _locked_out(asset: AssetExposure, scores: Sequence[CandidateScore]) -> tuple[Finding, ...]:
    """That a coin's inverse contracts cannot be used because it is locked."""
    kept = sorted(s.candidate.name for s in scores if s.candidate.route is Route.INVERSE and not s.usable)
    if not kept or asset.sellable >= asset.quantity:
        return ()
    locked = 1.0 - to_float(asset.sellable) / to_float(asset.quantity)
    cause = f"{locked:.0%} of the {asset.asset} held is locked, and locked coins cannot be posted behind "
    cure = "contracts with cash as collateral take their place"
    return (Finding(Trouble.NOTE, f"inverse {asset.asset}", cause + ", ".join(kept), cure),)
