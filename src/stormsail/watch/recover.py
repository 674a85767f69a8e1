"""After a venue has closed a short, by liquidation or auto-deleveraging: short again, sell the coins, or nothing.

What was lost is not won back here. Auto-deleveraging takes winners, and a short wins at the low: one that is opened
again at that price protects against what falls further, and loses if prices recover, as they did after 10 October 2025.
Selling there makes the loss final. Which of the three is done is the holder's to say beforehand; until it is done the
coins are naked, and every look says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum

from stormsail.core import Contract, Finding, Trouble, floor_to, plus, to_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.watch.acts import Act, SellSpot, Trade
from stormsail.watch.legs import best, coins_of, exact_price, fitting, least_units, units_of, used
from stormsail.watch.policy import AfterLoss, Lost
from stormsail.watch.sight import Offer, Sight

_COIN = Decimal("1e-8")


class Closed(StrEnum):
    """How a venue took a short."""

    LIQUIDATED = "liquidated"
    DELEVERAGED = "auto-deleveraged"
    DELISTED = "delisted"
    VENUE_GONE = "lost with its venue"


@dataclass(frozen=True, slots=True)
class Loss:
    """A short that a venue has closed.

    Attributes:
        account: Where it was.
        contract: What it was.
        quantity: Contract units closed, positive.
        price: Price per coin it was closed at.
        when: When.
        how: By what.
        protects: Coins those units stood for, by asset; empty for a short on its own coin.
    """

    account: str
    contract: Contract
    quantity: Decimal
    price: float
    when: datetime
    how: Closed
    protects: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def coins(self) -> Decimal:
        """Coins of the contract's base that were short."""
        return coins_of(self.contract, self.quantity, exact_price(self.price))

    @property
    def naked(self) -> Mapping[str, Decimal]:
        """Coins that were protected."""
        return self.protects or {self.contract.base: self.coins}


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is done about a loss.

    Attributes:
        acts: Trades or sales.
        left: Share of what was lost that is unprotected after them.
        findings: The naked finding, while ``left`` is not 0.
    """

    acts: tuple[Act, ...]
    left: float
    findings: tuple[Finding, ...]


def recover(policy: AfterLoss, loss: Loss, sight: Sight) -> Recovery:
    """What is done now about a short that was closed; nothing before the policy's latency has passed.

    Args:
        policy: The holder's choice.
        loss: What was closed; after a part is short again, the rest.
        sight: What is seen, with the contracts that could be shorted and the coins that may be sold.
    """
    due = loss.when + policy.latency
    if policy.then is Lost.NOTHING:
        return _told(loss, (), 1.0, "the policy does nothing about it")
    if sight.now < due:
        return _told(loss, (), 1.0, f"{policy.then.value} is due on {due:%Y-%m-%d %H:%M} UTC")
    return _rehedge(loss, sight) if policy.then is Lost.REHEDGE else _sell(loss, sight)


def _rehedge(loss: Loss, sight: Sight) -> Recovery:
    """Short the same coins where there is room: the same contract first, then by carry."""
    acts: list[Act] = []
    missing, offers = loss.coins, sight.offers
    same = [o for o in offers if o.tradable and o.price > 0 and o.contract.base == loss.contract.base]
    for chosen in sorted(best(same), key=lambda o: (o.account, o.contract.id) != (loss.account, loss.contract.id)):
        offer = next(o for o in offers if _key(o) == _key(chosen))
        units = _fit(offer, missing)
        if units <= 0:
            continue
        price = exact_price(offer.price)
        why = f"short again after {loss.contract.id} was {loss.how.value} at {loss.price:g}, now {offer.price:g}"
        act = Trade(offer.account, offer.contract.id, -units, why)
        acts.append(act)
        offers, missing = used(offers, act), plus([missing, -coins_of(offer.contract, units, price)])
    with localcontext(MONEY_CONTEXT):
        left = max(to_float(missing / loss.coins), 0.0) if loss.coins else 0.0
    done = not any(_smallest(o, missing) for o in same) and bool(acts)
    return _told(loss, tuple(acts), 0.0 if done else left, "no account has room for the rest")


def _fit(offer: Offer, coins: Decimal) -> Decimal:
    """Units that may be shorted of it, none if that is below the venue's smallest order."""
    price = exact_price(offer.price)
    units = fitting(offer, units_of(offer.contract, coins, price))
    return units if units >= least_units(offer.contract, price) else Decimal(0)


def _smallest(offer: Offer, coins: Decimal) -> bool:
    """Whether the coins still missing are worth an order."""
    price = exact_price(offer.price)
    return units_of(offer.contract, max(coins, Decimal(0)), price) >= least_units(offer.contract, price)


def _sell(loss: Loss, sight: Sight) -> Recovery:
    """Sell what is naked, as far as it may be sold."""
    acts, worth, unsold = [], 0.0, 0.0
    why = f"its short was {loss.how.value} at {loss.price:g}"
    for coin, count in sorted(loss.naked.items()):
        sold = floor_to(max(min(count, sight.sellable.get(coin, Decimal(0))), Decimal(0)), _COIN)
        if sold > 0:
            acts.append(SellSpot(coin, sold, why))
        price = sight.spot.get(coin, 1.0)
        worth, unsold = worth + to_float(count) * price, unsold + to_float(max(count - sold, Decimal(0))) * price
    left = unsold / worth if worth > 0 else 0.0
    return _told(loss, tuple(acts), left if left > 1e-9 else 0.0, "the rest is locked")


def _told(loss: Loss, acts: tuple[Act, ...], left: float, cure: str) -> Recovery:
    if left <= 0:
        return Recovery(acts, 0.0, ())
    coins = ", ".join(f"{count:,.4g} {coin}" for coin, count in sorted(loss.naked.items()))
    cause = f"{loss.how.value} on {loss.when:%Y-%m-%d %H:%M} UTC; {left:.0%} of {coins} is unprotected"
    return Recovery(acts, left, (Finding(Trouble.NAKED, loss.contract.id, cause, cure),))


def _key(offer: Offer) -> tuple[str, str]:
    return offer.account, offer.contract.id
