"""Rolling a dated short into the next contract: states, transitions with reasons, never flat and never double.

``holding -> rolling k of n -> rolled``, or ``stuck`` while nothing can take the short. Each step buys back a slice and
shorts as many coins of the next contract, so that the coins short in both together stay within one lot of the target.
The old contract's price comes near its settlement price only over the averaging window, so the roll begins a stated
time before that window, and earlier if the next contract pays enough more.

Coins are what is kept equal, as an own contract protects coins; at one price for both that is equal value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum

from stormsail.core import Finding, InputError, Tenor, Trouble, Unavailable, floor_to, nearest_to, plus, to_float, years
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.market.delivery import delivery_window
from stormsail.watch.acts import Act, Trade, Warn
from stormsail.watch.legs import best, coins_of, exact_price, least_units, twins, units_of, value_of
from stormsail.watch.policy import Roll
from stormsail.watch.sight import HeldShort, Offer


class Stage(StrEnum):
    """Where a roll stands."""

    HOLDING = "holding"
    ROLLING = "rolling"
    ROLLED = "rolled"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Rolling:
    """State of one roll; the next is made from it by :func:`advance`.

    Attributes:
        stage: Where it stands.
        account: Account of the contract it goes to.
        contract: Id of that contract; empty before one is chosen.
        done: Slices done.
        of: Slices in all.
        units: Contract units of the new contract this roll has shorted, positive.
        coins: Coins those stood for when they were shorted.
        elsewhere: Coins it shorted in contracts that could then be traded no more.
        reason: Why it stands there.
    """

    stage: Stage = Stage.HOLDING
    account: str = ""
    contract: str = ""
    done: int = 0
    of: int = 0
    units: Decimal = Decimal(0)
    coins: Decimal = Decimal(0)
    elsewhere: Decimal = Decimal(0)
    reason: str = "not due"


@dataclass(frozen=True, slots=True)
class RollStep:
    """What one look leads to: the next state, what is to be done, and what was noticed."""

    state: Rolling
    acts: tuple[Act, ...] = ()
    findings: tuple[Finding, ...] = ()


def window_start(short: HeldShort) -> datetime:
    """When the averaging window of a dated contract begins.

    Raises:
        InputError: If the contract has no end.
    """
    contract = short.contract
    if contract.expiry is None:
        raise InputError("a perpetual is not rolled", cure="give a dated contract", where=contract.id)
    return contract.expiry - delivery_window(contract.venue, contract.expiry)


def latest_start(roll: Roll, short: HeldShort) -> datetime:
    """When the roll begins if nothing makes it begin earlier."""
    return window_start(short) - roll.before


def split(
    short: HeldShort, goal: Offer, done: int, of: int, elsewhere: Decimal = Decimal(0)
) -> tuple[Decimal, Decimal]:
    """Units short of the old and of the new contract after ``done`` of ``of`` slices, positive and in whole lots.

    The coins of both and ``elsewhere`` stay within a lot of those of ``short.target``. Never more of the old than is
    held, and no less where it cannot be traded.
    """
    old, new = short.contract, goal.contract
    price, fresh = exact_price(short.price), exact_price(goal.price)
    total = coins_of(old, short.target, price)
    with localcontext(MONEY_CONTEXT):
        share = total * (of - done) / of
    held = max(-short.quantity, Decimal(0))
    keep = min(floor_to(units_of(old, share, price), old.lot), held) if short.tradable else held
    missing = max(plus([total, -elsewhere, -coins_of(old, keep, price)]), Decimal(0))
    return keep, nearest_to(units_of(new, missing, fresh), new.lot)


def advance(
    roll: Roll, state: Rolling, account: str, short: HeldShort, offers: Sequence[Offer], now: datetime
) -> RollStep:
    """One look at a roll.

    Args:
        roll: The policy.
        state: As the look before left it. It counts what was asked for as done; if less was, hand in a state that
            says so.
        account: Account the short is in.
        short: The dated short. Its ``target`` is what the hedge wants of both contracts together, in units of this one;
            its quantity is 0 once it is settled, its price then the one of settlement.
        offers: What could take its place.
        now: The moment.

    Raises:
        InputError: If the contract has no end.
    """
    start, end = latest_start(roll, short), window_start(short)
    if state.stage is Stage.ROLLED or short.target >= 0 or not short.price > 0:
        return RollStep(state)
    if state.stage is Stage.HOLDING and short.quantity >= 0:
        return RollStep(state)
    if state.stage is Stage.HOLDING and now < start:
        early = _early(roll, account, short, offers, now)
        if early is None:
            return RollStep(state)
        return _step(_begin(roll, short, *early), account, short, early[0], now, end)
    goal = _same(state, offers)
    if goal is not None:
        return _step(state, account, short, goal, now, end)
    if state.stage is Stage.ROLLING and now < end:
        asked = next((o for o in offers if _key(o) == (state.account, state.contract)), None)
        if asked is not None:
            told = f"cannot be traded now, {state.done} of {state.of} slices are rolled"
            return RollStep(state, (), (Finding(Trouble.DEFER, state.contract, told, "tried again at the next look"),))
    found = _goal(roll, account, short, offers, now)
    if found is None:
        return _stuck(state, account, short)
    return _step(_begin(roll, short, *found, state), account, short, found[0], now, end)


def _step(state: Rolling, account: str, short: HeldShort, goal: Offer, now: datetime, end: datetime) -> RollStep:
    """The next slice; all that is left once the averaging window has begun."""
    done = state.of if now >= end else min(state.done + 1, state.of)
    keep, units = split(short, goal, done, state.of, state.elsewhere)
    told = f"roll {done} of {state.of}, {short.contract.symbol} to {goal.contract.symbol}: {state.reason}"
    opened, closed = plus([units, -state.units]), plus([-short.quantity, -keep])
    acts: list[Act] = []
    if opened:
        acts.append(Trade(goal.account, goal.contract.id, -opened, told))
    if closed > 0 and short.tradable:
        acts.append(Trade(account, short.contract.id, closed, told))
    stage = Stage.ROLLED if done == state.of and keep == 0 else Stage.ROLLING
    coins = coins_of(goal.contract, units, exact_price(goal.price))
    return RollStep(replace(state, stage=stage, done=done, units=units, coins=coins), tuple(acts))


def _begin(roll: Roll, short: HeldShort, goal: Offer, reason: str, before: Rolling | None = None) -> Rolling:
    """A roll to that contract, in as many slices as the venue's smallest orders allow; what an earlier goal took, it
    keeps."""
    coins = coins_of(short.contract, short.target, exact_price(short.price))
    fit = roll.slices
    for contract, price in ((short.contract, short.price), (goal.contract, goal.price)):
        at = exact_price(price)
        with localcontext(MONEY_CONTEXT):
            fit = min(fit, int(units_of(contract, coins, at) / least_units(contract, at)))
    state = Rolling(Stage.ROLLING, goal.account, goal.contract.id, 0, max(fit, 1), reason=reason)
    if before is None or before.of == 0:
        return state
    return replace(state, done=min(before.done, state.of - 1), elsewhere=plus([before.elsewhere, before.coins]))


def _early(
    roll: Roll, account: str, short: HeldShort, offers: Sequence[Offer], now: datetime
) -> tuple[Offer, str] | None:
    """The next dated contract, if its annual basis beats this one's by ``early`` and the cost of changing over."""
    chosen = _next(roll, account, short, offers, now)
    if chosen is None or isinstance(chosen.carry, Unavailable) or isinstance(short.carry, Unavailable):
        return None
    if short.contract.expiry is None or now >= short.contract.expiry:
        return None
    cost = (max(to_float(short.contract.taker_fee), chosen.one_way) + chosen.one_way) / years(
        short.contract.expiry - now
    )
    if chosen.carry - short.carry - cost <= roll.early:
        return None
    told = f"annual basis {chosen.carry:+.2%} against {short.carry:+.2%}, {cost:.2%} a year of cost between them"
    return chosen, told


def _goal(
    roll: Roll, account: str, short: HeldShort, offers: Sequence[Offer], now: datetime
) -> tuple[Offer, str] | None:
    """Where the short goes, and why: the next dated contract, else a perpetual, else nowhere."""
    chosen = _next(roll, account, short, offers, now)
    if chosen is not None:
        return chosen, f"{short.contract.symbol} is averaged from {window_start(short):%Y-%m-%d %H:%M} UTC"
    endless = [o for o in _takers(account, short, offers) if o.contract.tenor is Tenor.PERPETUAL]
    if not endless:
        return None
    here = sorted(best(endless), key=lambda o: o.account != account)
    return here[0], "no later dated contract can be traded, so the perpetual takes it"


def _next(roll: Roll, account: str, short: HeldShort, offers: Sequence[Offer], now: datetime) -> Offer | None:
    """The nearest later contract that need not be rolled at once."""
    later = []
    for offer in _takers(account, short, offers):
        end = offer.contract.expiry
        if end is None or short.contract.expiry is None or end <= short.contract.expiry:
            continue
        if now < end - delivery_window(offer.contract.venue, end) - roll.before:
            later.append((end, offer.account != account, -offer.room, offer.contract.id, offer))
    return min(later, key=lambda row: row[:4])[4] if later else None


def _takers(account: str, short: HeldShort, offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Contracts on the coin that can take the whole short; in its own account the margin it frees makes the room."""
    coins = coins_of(short.contract, short.target, exact_price(short.price))
    value = value_of(replace(short, quantity=short.target))
    return tuple(
        o
        for o in twins(short, offers)
        if (o.account == account or o.room >= value)
        and units_of(o.contract, coins, exact_price(o.price)) >= least_units(o.contract, exact_price(o.price))
    )


def _key(offer: Offer) -> tuple[str, str]:
    return offer.account, offer.contract.id


def _same(state: Rolling, offers: Sequence[Offer]) -> Offer | None:
    """The contract it is rolling to, if it can be traded now."""
    if state.stage is not Stage.ROLLING:
        return None
    return next((o for o in offers if _key(o) == (state.account, state.contract) and o.tradable and o.price > 0), None)


def _stuck(state: Rolling, account: str, short: HeldShort) -> RollStep:
    why = f"no contract on {short.contract.base} can take the short of {short.contract.symbol}"
    if state.stage is Stage.STUCK:
        return RollStep(state)
    end = f"it is settled on {short.contract.expiry:%Y-%m-%d %H:%M} UTC"
    found = Finding(Trouble.NAKED, short.contract.id, why, f"{end} and its coins are unprotected from then on")
    return RollStep(replace(state, stage=Stage.STUCK, reason=why), (Warn(account, f"{why}; {end}"),), (found,))
