"""The words of exchanging one short for another: how many coins it stands for, and the pair of trades that moves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, localcontext

from stormsail.core import Contract, Payoff, Unavailable, ceil_to, floor_to, from_float, nearest_to, to_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.watch.acts import Trade
from stormsail.watch.sight import HeldShort, Offer


def coins_of(contract: Contract, quantity: Decimal, price: Decimal) -> Decimal:
    """Coins a position stands for, absolute: ``|q| * size``, of an inverse contract ``|q| * size / price``."""
    with localcontext(MONEY_CONTEXT):
        coins = abs(quantity) * contract.size
        return coins / price if contract.payoff is Payoff.INVERSE else coins


def units_of(contract: Contract, coins: Decimal, price: Decimal) -> Decimal:
    """Contract units that stand for so many coins, positive and not yet whole lots."""
    with localcontext(MONEY_CONTEXT):
        return coins * price / contract.size if contract.payoff is Payoff.INVERSE else coins / contract.size


def least_units(contract: Contract, price: Decimal) -> Decimal:
    """Smallest order the venue takes, in whole lots."""
    return max(contract.lot, ceil_to(contract.quantity_for(contract.min_notional, price), contract.lot))


def exact_price(price: float) -> Decimal:
    """A price for exact arithmetic."""
    return from_float(price)


def value_of(short: HeldShort) -> float:
    """Absolute value of a position in its quote currency."""
    return to_float(short.contract.notional(short.quantity, exact_price(short.price)))


def twins(short: HeldShort, offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Offers on the same coin that can be traded now and are not the contract itself, by id."""
    same = [o for o in offers if o.tradable and o.contract.base == short.contract.base and o.price > 0]
    return tuple(sorted((o for o in same if o.contract != short.contract), key=lambda o: o.contract.id))


def exchange(account: str, short: HeldShort, offer: Offer, units: Decimal, reason: str) -> tuple[Trade, ...]:
    """Buy back ``units`` of a short and sell as many coins of the offer, to the nearest whole lot.

    Args:
        account: Where the short is.
        short: What is given up.
        offer: What takes its place; its room is the caller's to judge.
        units: Positive contract units, whole lots, at most what is short.
        reason: For both.

    Returns:
        The pair, the new short first so that nothing is naked between them; nothing if a side would be empty.
    """
    coins = coins_of(short.contract, units, exact_price(short.price))
    sold = nearest_to(units_of(offer.contract, coins, exact_price(offer.price)), offer.contract.lot)
    if units <= 0 or sold <= 0:
        return ()
    return Trade(offer.account, offer.contract.id, -sold, reason), Trade(account, short.contract.id, units, reason)


def fitting(offer: Offer, units: Decimal) -> Decimal:
    """The part of ``units`` (positive) the offer has room for, in whole lots."""
    with localcontext(MONEY_CONTEXT):
        room = offer.contract.quantity_for(from_float(max(offer.room, 0.0)), exact_price(offer.price))
    return floor_to(min(units, room), offer.contract.lot)


def best(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """In order of preference: known carry before unknown, more before less, then room, then id."""

    def rank(offer: Offer) -> tuple[bool, float, float, str]:
        known = not isinstance(offer.carry, Unavailable)
        carry = 0.0 if isinstance(offer.carry, Unavailable) else offer.carry
        return not known, -carry, -offer.room, offer.contract.id

    return tuple(sorted(offers, key=rank))


def used(offers: Sequence[Offer], trade: Trade) -> tuple[Offer, ...]:
    """The offers after a trade: a short opened in an account takes room from all its contracts."""
    opened = [o for o in offers if (o.account, o.contract.id) == (trade.account, trade.contract)]
    if not opened or trade.quantity >= 0:
        return tuple(offers)
    value = to_float(opened[0].contract.notional(trade.quantity, exact_price(opened[0].price)))
    return tuple(replace(o, room=max(o.room - value, 0.0)) if o.account == trade.account else o for o in offers)
