"""Judging one candidate for one target: room, carry, cost, risk removed, and the reason in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stormsail.audit.tolerance import Tolerance
from stormsail.core import Unavailable, to_float
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.instruments.candidates import OWN
from stormsail.instruments.offers import Offer, round_trip
from stormsail.instruments.types import Candidate, CandidateScore, Route
from stormsail.ratio.types import Effectiveness, MaybeEffectiveness

PRIOR = 0.998
"""Effectiveness taken for a coin's own contract where it cannot be measured: the 5 % quantile over 264 Binance coins
against their own perpetuals, daily, first half of 2025 (own measurement)."""

BACKED = "backed by the coin itself: no cash, and no rise can liquidate it"
"""Why a contract whose collateral is the coin held is worth having."""

_WORDS = {
    Route.DIRECT: "own perpetual",
    Route.DATED: "own dated contract",
    Route.INVERSE: "own inverse contract",
    Route.PROXY: "proxy",
    Route.MIX: "two proxies",
    Route.BASKET: "basket",
}


@dataclass(frozen=True, slots=True)
class Need:
    """What a candidate must do.

    Attributes:
        target: Asset, or ``portfolio``.
        value: Value to protect, in quote currency (coverage applied).
        shortfall: Expected shortfall (95 %) of a unit of it over the horizon.
        volatility: Its daily volatility, for the cost of trading.
    """

    target: str
    value: float
    shortfall: float
    volatility: float


@dataclass(frozen=True, slots=True)
class Fit:
    """How a candidate fits a target.

    Attributes:
        effectiveness: Out of sample.
        ratio: Notional per value to protect.
        remark: Something to add to the reason.
        reach: Share of the value that the candidate speaks for; below 1 where some coins stay uncovered.
    """

    effectiveness: MaybeEffectiveness
    ratio: float
    remark: str = ""
    reach: float = 1.0


def judge(
    candidate: Candidate, need: Need, fit: Fit, offers: Mapping[str, Offer], tolerance: Tolerance
) -> CandidateScore:
    """Score a candidate; see :func:`stormsail.instruments.ranking.shortlist` for the formula."""
    notional = need.value * fit.ratio
    capacity = capacity_of(candidate, offers, tolerance.volume_share, notional)
    venue_cap = _venue_room(candidate, offers)
    carry = _scaled(carry_of(candidate, offers), fit.ratio)
    cost, unpriced = _cost(candidate, offers, notional, need.volatility)
    cost *= fit.ratio
    coins = _coin_room(candidate, offers, notional)
    room = _least(capacity, venue_cap, coins)
    share = min(1.0, room / notional) if notional > 0 else 0.0
    believed = _believed(candidate, fit)
    removed = (
        fit.reach * need.shortfall * (1.0 - math.sqrt(max(0.0, 1.0 - believed))) if math.isfinite(believed) else 0.0
    )
    expected = fit.ratio * sum(leg.weight * offers[leg.contract.id].counted for leg in candidate.legs)
    smallest = _smallest(candidate)
    measured = isinstance(fit.effectiveness, Effectiveness)
    refusal = _refusal(candidate, believed, room, smallest, coins)
    words = [
        refusal,
        _WORDS[candidate.route],
        BACKED if candidate.route is Route.INVERSE and not refusal else "",
        f"ratio {fit.ratio:.2f}" if candidate.route not in OWN else "",
        "" if measured and fit.remark else _effect_words(fit.effectiveness, candidate),
        _room_words(capacity, venue_cap, coins, share),
        f"carry unavailable and counted as {expected:+.2%} ({carry.reason})" if isinstance(carry, Unavailable) else "",
        "slippage unavailable and left out of the cost" if unpriced else "",
        fit.remark,
    ]
    return CandidateScore(
        target=need.target,
        candidate=candidate,
        effectiveness=fit.effectiveness,
        risk_removed=removed,
        carry=carry,
        cost=cost,
        capacity=capacity,
        venue_cap=venue_cap,
        score=removed * share + expected - cost,
        usable=not refusal,
        reason="; ".join(word for word in words if word),
        coins=coins,
    )


def suffices(score: CandidateScore, notional: float) -> bool:
    """Whether the room of a candidate carries that notional."""
    return score.usable and _least(score.capacity, score.venue_cap, score.coins) >= notional


def _least(capacity: float | Unavailable, venue_cap: float, coins: float) -> float:
    """The room: the least of what is known to bound it."""
    return min(venue_cap if isinstance(capacity, Unavailable) else capacity, venue_cap, coins)


def _smallest(candidate: Candidate) -> float:
    """Smallest notional that can be ordered: all legs of a mix or basket, any leg of a set of own contracts."""
    legs = candidate.legs
    if candidate.route in OWN:
        return min(to_float(leg.contract.min_notional) for leg in legs)
    return max(to_float(leg.contract.min_notional) / leg.weight for leg in legs)


def capacity_of(
    candidate: Candidate, offers: Mapping[str, Offer], share: float, notional: float
) -> float | Unavailable:
    """Notional that keeps every leg within ``share`` of its median daily volume; unavailable if a volume is.

    The legs of a mix or basket move together. Several contracts of their own do not: there each leg takes what it can
    of its part of ``notional``.
    """
    volumes = []
    for leg in candidate.legs:
        volume = offers[leg.contract.id].volume
        if isinstance(volume, Unavailable):
            several = f"{leg.contract.id}: " if len(candidate.legs) > 1 else ""
            return Unavailable(f"{several}{volume.reason}")
        volumes.append((leg.weight, share * volume))
    if candidate.route in OWN and len(volumes) > 1:
        return sum(min(most, weight * notional) for weight, most in volumes)
    return min(most / weight for weight, most in volumes)


def _venue_room(candidate: Candidate, offers: Mapping[str, Offer]) -> float:
    """Notional at which the first venue is full: one over the sum of ``weight / room`` of its legs."""
    used: dict[str, float] = {}
    for leg in candidate.legs:
        free = offers[leg.contract.id].room
        used[leg.contract.venue] = used.get(leg.contract.venue, 0.0) + (leg.weight / free if free > 0 else math.inf)
    fullest = max(used.values())
    return 0.0 if math.isinf(fullest) else 1.0 / fullest


def _coin_room(candidate: Candidate, offers: Mapping[str, Offer], notional: float) -> float:
    """Notional that the unlocked coins can back; ``inf`` where no leg is backed by coins."""
    legs = [(leg.weight, offers[leg.contract.id].coins) for leg in candidate.legs]
    if all(math.isinf(most) for _, most in legs):
        return math.inf
    if candidate.route in OWN and len(legs) > 1:
        return sum(min(most, weight * notional) for weight, most in legs)
    return min(most / weight for weight, most in legs)


def carry_of(candidate: Candidate, offers: Mapping[str, Offer]) -> MaybeCarry:
    """Weighted carry of the legs; the bad (good) case takes all legs bad (good) at once."""
    found = [(leg.weight, offers[leg.contract.id].carry) for leg in candidate.legs]
    for leg, (_, carry) in zip(candidate.legs, found, strict=True):
        if isinstance(carry, Unavailable):
            return Unavailable(f"{leg.contract.id}: {carry.reason}")
    known = [(weight, carry) for weight, carry in found if isinstance(carry, CarryForecast)]
    if len(known) == 1:
        return known[0][1]
    return CarryForecast(
        expected=sum(w * c.expected for w, c in known),
        low=sum(w * c.low for w, c in known),
        high=sum(w * c.high for w, c in known),
        horizon=known[0][1].horizon,
        method=f"weighted sum of {len(known)} legs, all bad or good at once",
        n=min(c.n for _, c in known),
        assumed=any(c.assumed for _, c in known),
    )


def _scaled(carry: MaybeCarry, ratio: float) -> MaybeCarry:
    """Carry as a fraction of the value to protect."""
    if isinstance(carry, Unavailable) or ratio == 1.0:
        return carry
    low, high = sorted((carry.low * ratio, carry.high * ratio))
    return CarryForecast(carry.expected * ratio, low, high, carry.horizon, carry.method, carry.n, carry.assumed)


def _cost(candidate: Candidate, offers: Mapping[str, Offer], notional: float, volatility: float) -> tuple[float, bool]:
    """Fees and slippage both ways as a fraction of notional, and whether some slippage could not be priced."""
    total, missing = 0.0, False
    for leg in candidate.legs:
        slip = offers[leg.contract.id].slippage(max(leg.weight * notional, 1e-9), volatility)
        missing |= isinstance(slip, Unavailable)
        total += leg.weight * round_trip(leg.contract, slip)
    return total, missing


def _believed(candidate: Candidate, fit: Fit) -> float:
    """Effectiveness used in the score: as measured, else the prior for a coin's own contract, else NaN."""
    if isinstance(fit.effectiveness, Effectiveness):
        return fit.effectiveness.value
    return PRIOR if candidate.route in OWN else math.nan


def _refusal(candidate: Candidate, believed: float, room: float, smallest: float, coins: float) -> str:
    if candidate.route is Route.INVERSE and coins <= 0.0:
        return "no unlocked coin to back it with"
    if not math.isfinite(believed):
        return "its effectiveness is unavailable"
    if believed <= 0.0:
        return f"it adds risk out of sample (effectiveness {believed:.2f})"
    if room < smallest:
        return f"room {room:,.0f} is below the smallest order {smallest:,.0f}"
    return ""


def _effect_words(effectiveness: MaybeEffectiveness, candidate: Candidate) -> str:
    if isinstance(effectiveness, Effectiveness):
        return f"measured on {effectiveness.n} observations"
    if candidate.route in OWN:
        return f"effectiveness taken as {PRIOR} (5 % quantile of 264 coins), not measured: {effectiveness.reason}"
    return f"effectiveness unavailable: {effectiveness.reason}"


def _room_words(capacity: float | Unavailable, venue_cap: float, coins: float, share: float) -> str:
    """What limits the room, where it falls short or where its volume is not known."""
    short = f", {share:.0%} of what is wanted" if share < 1.0 else ""
    if coins < _least(capacity, venue_cap, math.inf):
        return f"room {coins:,.0f} by the unlocked coins{short}" if short else ""
    if isinstance(capacity, Unavailable):
        return f"room by the venue's cap alone{short}, volume unavailable ({capacity.reason})"
    least, by = (capacity, "volume") if capacity <= venue_cap else (venue_cap, "venue cap")
    return f"room {least:,.0f} by {by}{short}" if short else ""
