"""How far prices may move, together or one alone, before a whole account is liquidated.

A common move multiplies the price of every coin by one factor; coins held as collateral move with the rest, which is
the wrong-way risk of posting what is hedged. Cash (:data:`stormsail.core.STABLECOINS`) stays. A contract's own price
moves by its base and against its quote, so ETH priced in BTC stays where it is.

The closed forms and the search are those of :mod:`stormsail.margin.curve`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal, localcontext

from stormsail.core import STABLECOINS, InputError, Payoff, ceil_to, floor_to
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.account import Position
from stormsail.margin.curve import NOTHING, Curve, Demand, Purse, add, first_crossing
from stormsail.margin.pool import Account, price_of
from stormsail.margin.types import Unliquidatable

Prices = Mapping[str, Decimal]


def liquidation_factor(
    account: Account, prices: Prices, *, up: bool, moving: Collection[str] | None = None
) -> Decimal | Unliquidatable:
    """The common factor on coin prices at which the account is liquidated, going up or going down.

    Args:
        account: Balances and positions; marks are those of the positions.
        prices: Price of every asset of the account in the unit of account.
        up: Whether prices rise (factor above 1) or fall (below 1).
        moving: Assets whose price moves; all but cash by default.

    Returns:
        The factor; 1 if the account is due already; ``Unliquidatable`` if no move that way liquidates it. The crossing
        is the first one on the way.

    Raises:
        UnavailableError: If a price is missing.
        InputError: If a position's profit moves as no polynomial of the factor does.
    """

    def moves(asset: str) -> int:
        return int(asset not in STABLECOINS if moving is None else asset in moving)

    def power(position: Position) -> int:
        relative = moves(position.contract.base) - moves(position.contract.quote)
        return -relative if position.contract.payoff is Payoff.INVERSE else relative

    found = first_crossing(_curve(account, prices, power, moves), up=up)
    if found is None:
        return Unliquidatable("no common rise liquidates it" if up else "no common fall liquidates it")
    return found


def contract_liquidation(
    account: Account, prices: Prices, contract_id: str, *, up: bool | None = None
) -> Decimal | Unliquidatable:
    """The mark price of one contract at which the account is liquidated, everything else as it is.

    Both legs of a contract in hedge mode move together, as the venue's formula has it. Values of collateral coins do
    not move; with one asset that is Binance's formula for USD-M and COIN-M, with several the same idea.

    Args:
        account: Balances and positions.
        prices: Price of every asset of the account.
        contract_id: Which contract moves.
        up: Direction; by default the dangerous one, up for a net short and down for a net long.

    Returns:
        The price, rounded to the tick against the trader (down when rising, up when falling); the mark itself if the
        account is due already; or ``Unliquidatable``.

    Raises:
        InputError: If the account does not hold the contract.
        UnavailableError: If a price is missing.
    """
    return _alone(account, prices, contract_id, up, bankrupt=False)


def contract_bankruptcy(
    account: Account, prices: Prices, contract_id: str, *, up: bool | None = None
) -> Decimal | Unliquidatable:
    """The mark price of one contract at which the account's equity is zero, everything else as it is.

    Arguments, rounding and errors as :func:`contract_liquidation`.
    """
    return _alone(account, prices, contract_id, up, bankrupt=True)


def _alone(
    account: Account, prices: Prices, contract_id: str, up: bool | None, *, bankrupt: bool
) -> Decimal | Unliquidatable:
    legs = [p for p in account.positions if p.contract.id == contract_id]
    if not legs:
        raise InputError(f"no position in {contract_id}", cure="name a contract of the account", where=account.venue)
    contract, mark = legs[0].contract, legs[0].mark
    if any(p.mark != mark for p in legs):
        raise InputError("its legs have different mark prices", cure="give both the same mark", where=contract_id)
    rising = sum((p.quantity for p in legs), Decimal(0)) < 0 if up is None else up
    inverse = contract.payoff is Payoff.INVERSE
    curve = _curve(account, prices, lambda p: int(p.contract.id == contract_id), lambda _: 0, absolute=True)
    if bankrupt:
        curve = Curve(curve.purses, ())
    # an inverse contract is linear in the reciprocal of its price, which falls when the price rises
    with localcontext(MONEY_CONTEXT):
        found = first_crossing(curve, up=rising != inverse, start=1 / mark if inverse else mark)
    if found is None:
        what = "takes all its equity" if bankrupt else "liquidates it"
        return Unliquidatable(f"no {'rise' if rising else 'fall'} of {contract_id} alone {what}")
    with localcontext(MONEY_CONTEXT):
        price = 1 / found if inverse else found
    return floor_to(price, contract.tick) if rising else ceil_to(price, contract.tick)


def _curve(
    account: Account,
    prices: Prices,
    power: Callable[[Position], int],
    moves: Callable[[str], int],
    *,
    absolute: bool = False,
) -> Curve:
    """Free equity against a factor ``t``; ``power`` is the exponent with which a position's own measure moves. With
    ``absolute``, ``t`` is that measure itself and not its ratio to today's.

    A linear or quanto position is measured in its price ``y = p``, an inverse one in ``y = 1/p``: then profit is
    ``slope (y - y_entry)`` and notional ``|slope| y`` for all three.
    """
    with localcontext(MONEY_CONTEXT):
        worth = {a: price_of(a, prices, account.venue) for a in account.assets}
        values = dict.fromkeys(account.assets, NOTHING)
        rest = NOTHING
        for asset, amount in account.balances:
            values[asset] = add(values[asset], moves(asset), amount * worth[asset])
        for asset, amount in account.loans:
            values[asset] = add(values[asset], moves(asset), -amount * worth[asset])
            rest = add(rest, moves(asset), -account.trigger * account.loan_rate * amount * worth[asset])
        demands = []
        for p in account.positions:
            inverse = p.contract.payoff is Payoff.INVERSE
            slope = p.quantity * p.contract.size * (-1 if inverse else 1)
            now, entry = (1 / p.mark, 1 / p.entry) if inverse else (p.mark, p.entry)
            own, level = power(p), moves(p.asset)
            if absolute and own:
                now = Decimal(1)
            if not 0 <= own + level <= 2:
                raise InputError("its profit moves against its coin", cure="hold it in an account of its own",
                                 where=p.contract.id)  # fmt: skip
            values[p.asset] = add(values[p.asset], own + level, slope * now * worth[p.asset])
            values[p.asset] = add(values[p.asset], level, -slope * entry * worth[p.asset])
            charged, at = (abs(slope) * entry, 0) if p.at_entry else (abs(slope) * now, own)
            demands.append(Demand(charged, at, worth[p.asset] * account.trigger, level, p.table.tiers, p.fee))
        purses = [Purse(values[a], account.haircuts.rate(a)) for a in account.assets]
    return Curve(purses, demands, rest)
