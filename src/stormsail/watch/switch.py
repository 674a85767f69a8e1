"""Perpetual for dated and back: the funding that is forecast against the basis that is locked.

A perpetual pays what funding will be, a dated contract what its annual basis says until it ends. They are exchanged
when the other pays more than ``gain`` a year beyond the cost of changing over, spread over the time it can be held, and
not sooner than ``hold`` after the last change: two thresholds that keep a short from going to and fro.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stormsail.core import Tenor, Unavailable, format_span, to_float, years
from stormsail.watch.acts import Trade
from stormsail.watch.legs import exact_price, exchange, least_units, twins, value_of
from stormsail.watch.policy import Switch
from stormsail.watch.sight import HeldShort, Offer


@dataclass(frozen=True, slots=True)
class Switched:
    """An exchange worth making.

    Attributes:
        to: What takes the short.
        acts: The pair of trades.
        gain: Annual carry gained, cost deducted.
        reason: With the figures.
    """

    to: Offer
    acts: tuple[Trade, ...]
    gain: float
    reason: str


def annual_gain(short: HeldShort, offer: Offer, span: timedelta) -> float | Unavailable:
    """Annual carry of the offer beyond the short's own and the cost of changing over, which is spread over ``span``."""
    if isinstance(short.carry, Unavailable):
        return short.carry
    if isinstance(offer.carry, Unavailable):
        return offer.carry
    cost = max(to_float(short.contract.taker_fee), offer.one_way) + offer.one_way
    return offer.carry - short.carry - cost / years(span)


def consider(
    switch: Switch,
    account: str,
    short: HeldShort,
    offers: Sequence[Offer],
    now: datetime,
    *,
    horizon: timedelta,
    since: datetime | None = None,
) -> Switched | Unavailable:
    """The best exchange of a perpetual for a dated contract or back, or why there is none.

    Args:
        switch: The policy.
        account: Account the short is in; there the margin it frees makes the room, elsewhere there must be room.
        short: What is held, with its forecast carry.
        offers: What could take its place.
        now: The moment.
        horizon: How long protection is wanted; a dated contract is held until it ends if that is sooner.
        since: When the last change was made.
    """
    if since is not None and now - since < switch.hold:
        return Unavailable(f"changed {format_span(now - since)} ago, the policy holds {format_span(switch.hold)}")
    if short.quantity >= 0 or not short.tradable or not short.price > 0:
        return Unavailable("no short that can be traded")
    found: list[tuple[float, str, Offer]] = []
    for offer in twins(short, offers):
        span = _span(offer, switch, now, horizon)
        if offer.contract.tenor is short.contract.tenor or span is None or not _room(account, short, offer):
            continue
        gain = annual_gain(short, offer, span)
        if not isinstance(gain, Unavailable):
            found.append((-gain, offer.contract.id, offer))
    if not found:
        return Unavailable("no contract of the other kind with room and a known carry")
    loss, _, offer = min(found, key=lambda row: row[:2])
    if -loss <= switch.gain:
        return Unavailable(f"{offer.contract.symbol} would gain {-loss:+.2%} a year, {switch.gain:.2%} is asked")
    told = f"{_told(offer.contract.tenor, offer.carry)} against {_told(short.contract.tenor, short.carry)}"
    reason = f"{told}; {-loss:+.2%} a year after the cost of changing over"
    acts = exchange(account, short, offer, -short.quantity, reason)
    return Switched(offer, acts, -loss, reason) if acts else Unavailable("less than a lot of the other contract")


def _span(offer: Offer, switch: Switch, now: datetime, horizon: timedelta) -> timedelta | None:
    """How long the offer would be held; not at all if it ends before another change is allowed."""
    if offer.contract.expiry is None:
        return horizon
    life = offer.contract.expiry - now
    return min(life, horizon) if life > max(switch.hold, timedelta(0)) else None


def _room(account: str, short: HeldShort, offer: Offer) -> bool:
    value = value_of(short)
    large = to_float(
        offer.contract.notional(least_units(offer.contract, exact_price(offer.price)), exact_price(offer.price))
    )
    return (offer.account == account or offer.room >= value) and value >= large


def _told(tenor: Tenor, carry: float | Unavailable) -> str:
    kind = "dated locks" if tenor is Tenor.DATED else "perpetual is forecast to pay"
    return f"{kind} {carry:+.2%} a year" if not isinstance(carry, Unavailable) else f"{kind} an unknown carry"
