"""What an order would be filled at: the paper broker's price, fee and slippage, as pure functions.

A market order pays half the spread and pushes the price by the square root of its size; where an order book is known
and deep enough, it walks the book instead. The price is the reference made worse by that share, to the whole tick that
is worse. The compiled walk of the lab fills at the same tick.

Sources: :func:`stormsail.market.book.square_root_impact` and :func:`~stormsail.market.book.slippage_from_book`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext

import polars as pl

from stormsail.core import Contract, InputError, Payoff, Unavailable, times, to_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.market.book import IMPACT_COEFFICIENT, Side, slippage_from_book, square_root_impact

HALF_SPREAD = 0.0001
"""Half the spread assumed where no book is known, as a fraction."""


@dataclass(frozen=True, slots=True)
class Fill:
    """An order as it was filled.

    Attributes:
        contract: What.
        quantity: Signed contract units; buying is positive.
        reference: Price it was judged by, per coin.
        price: Price paid or received, a multiple of the tick.
        slippage: Cost of filling at ``price`` instead of ``reference``, never negative, in ``currency``.
        fee: Taker fee on the value at ``price``, never negative, in ``currency``.
        currency: What the contract settles in: quote, or the coin of an inverse one.
    """

    contract: Contract
    quantity: Decimal
    reference: Decimal
    price: Decimal
    slippage: Decimal
    fee: Decimal
    currency: str


def slip_share(
    notional: float,
    side: Side,
    *,
    book: pl.DataFrame | Unavailable,
    daily_volume: float | Unavailable,
    daily_volatility: float | Unavailable,
    half_spread: float = HALF_SPREAD,
    coefficient: float = IMPACT_COEFFICIENT,
) -> float | Unavailable:
    """Slippage of a market order as a fraction of the price, positive whatever the side.

    Args:
        notional: Order value in quote currency; 0 slips by nothing.
        side: Buying walks the asks, selling the bids.
        book: One snapshot, or why there is none; used if it shows enough, and then it holds the spread as well.
        daily_volume: Volume a day in quote currency.
        daily_volatility: Standard deviation of daily returns.
        half_spread: Half the spread as a fraction, where the book does not tell.
        coefficient: Of the square-root law.

    Returns:
        The fraction; unavailable where neither book nor volume and volatility are known.
    """
    if notional <= 0:
        return 0.0
    if not isinstance(book, Unavailable):
        walked = slippage_from_book(book, side, notional)
        if not isinstance(walked, Unavailable):
            return walked
    if isinstance(daily_volume, Unavailable) or not daily_volume > 0:
        return Unavailable("neither order book nor volume is known")
    if isinstance(daily_volatility, Unavailable) or not daily_volatility > 0:
        return Unavailable("neither order book nor volatility is known")
    return half_spread + square_root_impact(notional, daily_volume, daily_volatility, coefficient=coefficient)


def fill_ticks(buying: bool, ticks: int, share: float) -> int:
    """Ticks paid where ``ticks`` is the price: worse by ``share``, to the whole tick that is worse, at least one.

    >>> fill_ticks(True, 10_000, 0.00015), fill_ticks(False, 10_000, 0.00015)
    (10002, 9998)
    """
    return math.ceil(ticks * (1.0 + share)) if buying else max(math.floor(ticks * (1.0 - share)), 1)


def fill(contract: Contract, quantity: Decimal, reference: Decimal, share: float) -> Fill:
    """Fill a market order.

    Args:
        contract: What is traded.
        quantity: Signed contract units, not 0, a multiple of the lot.
        reference: Last price per coin; taken to its nearest tick.
        share: Slippage as a fraction, from :func:`slip_share`.

    Raises:
        InputError: If quantity, price or share cannot be, or the contract is a quanto, whose currency it does not name.
    """
    if contract.payoff is Payoff.QUANTO:
        raise InputError("a quanto contract is not filled on paper", cure="use a linear one", where=contract.id)
    with localcontext(MONEY_CONTEXT):
        ticks, whole = int((reference / contract.tick).to_integral_value()), not quantity % contract.lot
    if not quantity or not whole or ticks < 1 or not 0.0 <= share < 1.0:
        raise InputError(
            f"{quantity:f} at {reference:f} with slippage {share:g}",
            cure=f"give whole lots of {contract.lot:f}, a price of at least {contract.tick:f} and a share from 0 to 1",
            where=contract.id,
        )
    price = times(contract.tick, Decimal(fill_ticks(quantity > 0, ticks, share)))
    last = times(contract.tick, Decimal(ticks))
    paid, judged = _value(contract, quantity, price), _value(contract, quantity, last)
    return Fill(
        contract=contract,
        quantity=quantity,
        reference=last,
        price=price,
        slippage=abs(paid - judged),
        fee=times(paid, contract.taker_fee),
        currency=contract.base if contract.payoff is Payoff.INVERSE else contract.quote,
    )


def _value(contract: Contract, quantity: Decimal, price: Decimal) -> Decimal:
    """Absolute value in the currency it settles in."""
    with localcontext(MONEY_CONTEXT):
        value = contract.notional(quantity, price)
        return value / price if contract.payoff is Payoff.INVERSE else value


def cost_share(filled: Fill) -> float:
    """Fee and slippage together, as a fraction of the value at the reference price."""
    return to_float((filled.slippage + filled.fee) / _value(filled.contract, filled.quantity, filled.reference))
