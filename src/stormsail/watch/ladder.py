"""The ladder: what is done as an account's margin runs short, one rung after the other.

With requirement ``R`` and balance ``B``, an account is liquidated at ``R / B = 1``. A transfer ``x`` that arrives
brings ``R / (B + x)``; buying back a share ``f`` of every short leaves at most ``(1 - f) R``, because maintenance is
convex in the position and nothing at 0 (:mod:`stormsail.margin.tiers`), and costs ``f C`` in fees. Hence::

    top up:  x = R / top_up_to - B - on the way
    reduce:  f = (R - reduce_to B) / (R - reduce_to C)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext

from stormsail.core import STABLECOINS, ceil_to, floor_to, from_float, plus, times, to_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.watch.acts import Act, SellSpot, TopUp, Trade, Warn, Withdraw
from stormsail.watch.legs import best, coins_of, exact_price, fitting, least_units, twins, units_of, used, value_of
from stormsail.watch.policy import Ladder
from stormsail.watch.sight import AccountSight, HeldShort, Offer, Sight

REARM = 0.9
"""A rung is armed again once the ratio has fallen below this share of it."""

_NOTHING: Mapping[str, Decimal] = {}


def rungs(ladder: Ladder, account: AccountSight) -> tuple[float, float]:
    """The next margin ratios at which to be woken: above ``upper`` or below ``lower``.

    Between them nothing new is to be decided, so nobody is woken at every bar; falling below ``lower`` arms again the
    rung that was climbed.

    Returns:
        ``inf`` for an upper and ``-1`` for a lower one that does not exist.

    >>> def at(ratio): return rungs(Ladder(), AccountSight("v", "v", "USDT", 100.0, 100.0 * ratio, 0.0, ()))
    >>> at(0.2), at(0.01), at(0.95)
    ((0.3, 0.09), (0.05, -1.0), (inf, 0.54))
    """
    levels, ratio = (ladder.warn, ladder.top_up, ladder.reduce, ladder.close), account.ratio
    upper = next((level for level in levels if level > ratio), math.inf)
    climbed = [level for level in levels if level <= ratio]
    if climbed:
        return upper, REARM * climbed[-1]
    return upper, ladder.withdraw if 0 < ladder.withdraw < ratio else -1.0


def respond(
    ladder: Ladder,
    account: AccountSight,
    reserve: Decimal,
    *,
    sellable: Mapping[str, Decimal] = _NOTHING,
    offers: Sequence[Offer] = (),
    falling: bool = False,
) -> tuple[Act, ...]:
    """What one account asks for now; to be called when a rung of :func:`rungs` is passed or a transfer has arrived.

    Args:
        ladder: The policy.
        account: As it is.
        reserve: What can be sent, in the account's currency.
        sellable: Coins that may be sold, for ``with_spot``.
        offers: Contracts at other accounts, for ``move``.
        falling: Woken because the ratio fell: then only a withdrawal can follow, and no rung speaks twice.
    """
    ratio = account.ratio
    if ratio < ladder.warn:
        return _withdraw(ladder, account)
    if falling:
        return ()
    if ratio >= ladder.close:
        return _shrink(ladder, account, 1.0, sellable, offers)
    if ratio >= ladder.reduce:
        coming = account.requirement / (account.balance + account.on_the_way)
        if account.on_the_way > 0 and coming < ladder.reduce:
            told = f"{account.on_the_way:,.2f} {account.currency} on the way bring {coming:.2f}"
            return (Warn(account.name, f"{_at(account, ladder.reduce)}; {told}"),)
        if not ladder.latency and reserve >= from_float(account.requirement / ladder.top_up_to - account.balance):
            return _top_up(ladder, account, reserve)  # what arrives at once keeps the hedge whole
        return _shrink(ladder, account, share_to(account, ladder.reduce_to), sellable, offers)
    if ratio >= ladder.top_up:
        return _top_up(ladder, account, reserve)
    return (Warn(account.name, _at(account, ladder.warn)),)


def tend(ladder: Ladder, sight: Sight, *, falling: frozenset[str] = frozenset()) -> tuple[Act, ...]:
    """:func:`respond` for every account, the one nearest to liquidation first, out of one reserve.

    Args:
        ladder: The policy.
        sight: What is seen.
        falling: Names of the accounts that were woken because their ratio fell.
    """
    reserve, sellable, offers = dict(sight.reserve), dict(sight.sellable), sight.offers
    acts: list[Act] = []
    for account in sorted(sight.accounts, key=lambda a: (-a.ratio, a.name)):
        left = reserve.get(account.currency, Decimal(0))
        found = respond(
            ladder, account, left, sellable=sellable, offers=offers, falling=account.name in falling
        )  # fmt: skip
        for act in found:
            if isinstance(act, TopUp):
                reserve[act.currency] = plus([reserve[act.currency], -act.amount])
            elif isinstance(act, SellSpot):
                sellable[act.asset] = plus([sellable[act.asset], -act.quantity])
            elif isinstance(act, Trade):
                offers = used(offers, act)
        acts += found
    return tuple(acts)


def share_to(account: AccountSight, ratio: float) -> float:
    """Share of every short to buy back so that the margin ratio comes to ``ratio`` or below, closing fees counted.

    1 where no smaller share does it. Slippage is not known here and not counted.

    >>> round(share_to(AccountSight("v", "v", "USDT", 1000.0, 800.0, 0.0, ()), 0.4), 9)
    0.5
    """
    fees = sum(value_of(s) * to_float(s.contract.taker_fee) for s in account.shorts if s.quantity < 0)
    over, slope = account.requirement - ratio * account.balance, account.requirement - ratio * fees
    if over <= 0:
        return 0.0
    return min(over / slope, 1.0) if slope > 0 else 1.0


def quantum(currency: str) -> Decimal:
    """Step of a transfer: cents of a stablecoin, hundred-millionths of a coin."""
    return Decimal("0.01") if currency in STABLECOINS else Decimal("1e-8")


def _at(account: AccountSight, rung: float) -> str:
    return f"margin ratio {account.ratio:.2f}, at or above {rung:g}"


def _top_up(ladder: Ladder, account: AccountSight, reserve: Decimal) -> tuple[Act, ...]:
    missing = account.requirement / ladder.top_up_to - account.balance - account.on_the_way
    if missing <= 0:
        return ()
    step, told = quantum(account.currency), _at(account, ladder.top_up)
    amount = min(ceil_to(from_float(missing), step), floor_to(max(reserve, Decimal(0)), step))
    if amount <= 0:
        return (Warn(account.name, f"{told}, {missing:,.2f} {account.currency} short; the reserve is empty"),)
    after = account.requirement / (account.balance + account.on_the_way + to_float(amount))
    why = f"{told}; brings {after:.2f}" + (", all the reserve has" if to_float(amount) < missing else "")
    return (TopUp(account.name, account.currency, amount, why),)


def _withdraw(ladder: Ladder, account: AccountSight) -> tuple[Act, ...]:
    if account.ratio >= ladder.withdraw or account.on_the_way > 0:
        return ()
    spare = account.balance - account.requirement / ladder.top_up_to
    amount = floor_to(from_float(max(spare, 0.0)), quantum(account.currency))
    if amount <= 0:
        return ()
    told = f"margin ratio {account.ratio:.2f}, below {ladder.withdraw:g}; leaves {ladder.top_up_to:g}"
    return (Withdraw(account.name, account.currency, amount, told),)


def _shrink(
    ladder: Ladder, account: AccountSight, share: float, sellable: Mapping[str, Decimal], offers: Sequence[Offer]
) -> tuple[Act, ...]:
    """Buy back ``share`` of the value of all shorts, proportionally; of those that can be traded, so much more."""
    told = _at(account, ladder.close if account.ratio >= ladder.close else ladder.reduce)
    shorts = [s for s in account.shorts if s.quantity < 0]
    free = [s for s in shorts if s.tradable and s.price > 0]
    stuck = [s for s in shorts if s not in free]
    acts: list[Act] = []
    if stuck:
        acts.append(Warn(account.name, f"{told}; cannot be traded now: {', '.join(s.contract.id for s in stuck)}"))
    value = sum(value_of(s) for s in free)
    if value <= 0:
        return tuple(acts) or (Warn(account.name, f"{told}; there is no short to reduce"),)
    share = min(share * (1.0 + sum(value_of(s) for s in stuck if s.price > 0) / value), 1.0)
    naked: dict[str, Decimal] = {}
    for short in free:
        units = _units(short, share)
        moved = _moved(account, short, units, offers) if ladder.move else None
        left = units
        if moved is not None:
            acts.append(moved[0])
            offers, left = used(offers, moved[0]), plus([units, -moved[1]])
        acts.append(Trade(account.name, short.contract.id, units, f"{told}: {share:.0%} bought back"))
        for coin, count in _stands_for(short).items():
            with localcontext(MONEY_CONTEXT):
                naked[coin] = naked.get(coin, Decimal(0)) + count * left / -short.quantity
    return (*acts, *(_sales(naked, sellable, told) if ladder.with_spot else ()))


def _units(short: HeldShort, share: float) -> Decimal:
    """Units to buy back: whole lots upwards, not less than the venue's smallest order, at most all of it."""
    held = -short.quantity
    wanted = ceil_to(times(held, from_float(share)), short.contract.lot)
    return held if share >= 1.0 else min(max(wanted, least_units(short.contract, exact_price(short.price))), held)


def _moved(
    account: AccountSight, short: HeldShort, units: Decimal, offers: Sequence[Offer]
) -> tuple[Trade, Decimal] | None:
    """The short to open at another venue for ``units`` that are bought back here, and how many of them it replaces."""
    coins = coins_of(short.contract, units, exact_price(short.price))
    for offer in best(twins(short, offers)):
        away = offer.account != account.name and offer.contract.venue != account.venue
        if not away or offer.contract.tenor is not short.contract.tenor:
            continue
        price = exact_price(offer.price)
        sold = fitting(offer, units_of(offer.contract, coins, price))
        if sold < least_units(offer.contract, price):
            continue
        back = units_of(short.contract, coins_of(offer.contract, sold, price), exact_price(short.price))
        why = f"{short.contract.id} moves here: margin ratio {account.ratio:.2f} at {account.name}"
        return Trade(offer.account, offer.contract.id, -sold, why), min(back, units)
    return None


def _stands_for(short: HeldShort) -> Mapping[str, Decimal]:
    """Coins the whole short protects."""
    own = coins_of(short.contract, short.quantity, exact_price(short.price))
    return short.protects or {short.contract.base: own}


def _sales(naked: Mapping[str, Decimal], sellable: Mapping[str, Decimal], told: str) -> tuple[SellSpot, ...]:
    """Sell what is no longer protected, as far as it may be sold."""
    found = []
    for coin in sorted(naked):
        count = floor_to(min(naked[coin], sellable.get(coin, Decimal(0))), Decimal("1e-8"))
        if count > 0:
            found.append(SellSpot(coin, count, f"{told}: its short was bought back"))
    return tuple(found)
