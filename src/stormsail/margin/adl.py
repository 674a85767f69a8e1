"""Auto-deleveraging: when a bankrupt position is too much for the insurance fund, winners are closed against it.

Each venue ranks the holders on the other side by profit and leverage and closes from the top until the quantity is
found. Contracts and money are conserved: what the bankrupt side is relieved of, the closed winners give up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal, localcontext
from enum import StrEnum

from stormsail.core import Contract, InputError, Unavailable, floor_to, plus, profit
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.account import Position
from stormsail.margin.liquidation import margin_notional

ZERO = Decimal(0)
FLOOR = Decimal("1e-8")
"""Hyperliquid's engine takes neither factor of its score as less."""


class Ranking(StrEnum):
    """Formulas of rank; the highest is closed first.

    With profit share ``r`` (profit over entry value), leverage ``l`` (value over equity), collateral ``c`` (equity less
    profit) and maintenance ``m``:
    """

    PROFIT_LEVERAGE = "r l, or r / l at a loss"
    PROFIT_RATIO = "profit / c times m / equity"
    PRICE_INDEX = "mark / entry (a short: entry / mark) times l"
    ENGINE = "max(r, 1e-8) times max(l, 1e-8)"


@dataclass(frozen=True, slots=True)
class AdlRule:
    """How a venue deleverages, from one day.

    Attributes:
        venue: Venue key.
        effective_from: First day it is known to hold.
        ranking: Formula of rank.
        at_bankruptcy: Whether winners are closed at the bankrupt's bankruptcy price; else at the last mark price.
        source: Page and its date.
    """

    venue: str
    effective_from: date
    ranking: Ranking
    at_bankruptcy: bool
    source: str


ADL_RULES: tuple[AdlRule, ...] = (
    AdlRule("binance", date(2019, 9, 9), Ranking.PROFIT_RATIO, True, "binance.com faq 360033525471, 2019-09-09"),
    AdlRule("bitmex", date(2015, 1, 1), Ranking.PROFIT_LEVERAGE, True, "support.bitmex.com 18589621443357"),
    AdlRule("bybit", date(2020, 3, 1), Ranking.PROFIT_LEVERAGE, True, "help.bybit.com 900000031623; 2024-09-06"),
    AdlRule(
        "hyperliquid", date(2024, 12, 1), Ranking.PRICE_INDEX, False,
        "hyperliquid.gitbook.io/hyperliquid-docs/trading/auto-deleveraging",
    ),
    AdlRule(
        "hyperliquid", date(2026, 6, 22), Ranking.ENGINE, False,
        "osec.io/blog/2026-06-22-hyperliquid-risk-engine (recovered from the node)",
    ),
    AdlRule("mexc", date(2020, 10, 14), Ranking.PROFIT_LEVERAGE, True, "mexc.com/support/articles/360042504091"),
)  # fmt: skip
"""By venue, then by day of the page (BitMEX, whose page has none: roughly when it began there).

As printed, Hyperliquid's index of a *short* falls with its profit, against the page's own words; the reciprocal is
taken, and the score recovered from the node, which rises with profit on both sides, from the day it was published."""

_WHY_NOT = {
    "deribit": "Deribit shares losses beyond its fund among the day's winners instead (support 25944777576477)",
    "dydx": "dYdX's pages contradict each other: by profit and leverage (docs.dydx.community), or at random "
    "(help.dydx.trade 166973)",
    "okx": "of OKX's formula only the half for positions in profit was read",
}


def adl_rule(venue: str, on: date) -> AdlRule | Unavailable:
    """How ``venue`` deleverages on that day, or why it is not known."""
    held = [rule for rule in ADL_RULES if rule.venue == venue and rule.effective_from <= on]
    if held:
        return held[-1]
    return Unavailable(_WHY_NOT.get(venue, f"how {venue} ranks for auto-deleveraging on {on} was not read"))


@dataclass(frozen=True, slots=True)
class Holder:
    """One holder of a contract.

    Attributes:
        name: Who.
        position: What is held, at its mark price.
        equity: Margin balance behind it at the mark price, in the currency it pays, profit included.
    """

    name: str
    position: Position
    equity: Decimal

    def __post_init__(self) -> None:
        if self.equity <= 0:
            raise InputError(f"equity {self.equity} is not positive", cure="liquidate the holder first",
                             where=self.name)  # fmt: skip


def score(holder: Holder, ranking: Ranking) -> Decimal:
    """Rank of a holder by that formula; higher is closed sooner.

    Source: BitMEX, "What is Auto-Deleveraging": effective leverage = |mark value| / (mark value - bankrupt value), and
    that denominator is the equity; the others as in :data:`ADL_RULES`.

    Raises:
        InputError: With ``PROFIT_RATIO``, if the holder has no collateral besides the profit itself.
    """
    p = holder.position
    with localcontext(MONEY_CONTEXT):
        share = p.profit / margin_notional(p.contract, p.quantity, p.entry)
        leverage = p.notional / holder.equity
        if ranking is Ranking.PROFIT_LEVERAGE:
            return share * leverage if share > 0 else share / leverage
        if ranking is Ranking.ENGINE:
            return max(share, FLOOR) * max(leverage, FLOOR)
        if ranking is Ranking.PRICE_INDEX:
            moved = p.mark / p.entry
            return (moved if p.quantity > 0 else 1 / moved) * leverage
        collateral = holder.equity - p.profit
        if collateral <= 0:
            raise InputError(f"collateral {collateral} is not positive", cure="give equity with its profit in it",
                             where=holder.name)  # fmt: skip
        return p.profit / collateral * (p.requirement / holder.equity)


@dataclass(frozen=True, slots=True)
class Place:
    """A holder's place in the queue: score, and lights from 5 (closed first) to 1."""

    name: str
    score: Decimal
    lights: int


def queue(holders: Sequence[Holder], ranking: Ranking) -> tuple[Place, ...]:
    """Holders of one side by falling score, equal scores by name, with their quintile of the quantity as lights.

    Source: BitMEX, "Auto-Deleveraging Examples": quintiles of the cumulated quantity.
    """
    scored = sorted(((score(h, ranking), h) for h in holders), key=lambda pair: (-pair[0], pair[1].name))
    places, below = [], ZERO
    with localcontext(MONEY_CONTEXT):
        whole = sum((abs(h.position.quantity) for h in holders), ZERO)
        for points, holder in scored:
            below += abs(holder.position.quantity)
            fifth = (5 * below / whole).to_integral_value(ROUND_CEILING)
            places.append(Place(holder.name, points, 6 - int(fifth)))
    return tuple(places)


@dataclass(frozen=True, slots=True)
class Closed:
    """What auto-deleveraging took from one holder.

    Attributes:
        name: Who.
        quantity: Closed, with the sign of the holder's position.
        realised: Profit at the price of closing.
        given_up: Profit at the mark price less that; negative if the price was better than the mark.
    """

    name: str
    quantity: Decimal
    realised: Decimal
    given_up: Decimal


@dataclass(frozen=True, slots=True)
class Deleveraging:
    """The outcome: who was closed at which price, and what could not be matched (with the bankrupt position's sign)."""

    price: Decimal
    closed: tuple[Closed, ...]
    unmatched: Decimal


def auto_deleverage(
    contract: Contract, quantity: Decimal, price: Decimal, holders: Sequence[Holder], ranking: Ranking
) -> Deleveraging:
    """Close holders on the other side, from the top of the queue, until ``quantity`` is matched.

    Args:
        contract: The contract.
        quantity: Bankrupt quantity, signed as its position.
        price: Price of closing: the bankruptcy price, or the last mark price, by the venue's rule.
        holders: Holders of the contract; those on the bankrupt side are passed over.
        ranking: Formula of rank.

    Raises:
        ValueError: If the quantity is 0 or a holder's position is in another contract.
    """
    if quantity == 0 or any(h.position.contract.id != contract.id for h in holders):
        raise ValueError(f"deleveraging {quantity} of {contract.id} needs a quantity and holders of that contract")
    others = {h.name: h for h in holders if (h.position.quantity > 0) != (quantity > 0)}
    left, closed = abs(quantity), []
    with localcontext(MONEY_CONTEXT):
        for place in queue(tuple(others.values()), ranking):
            if left == 0:
                break
            p = others[place.name].position
            taken = min(left, abs(p.quantity)).copy_sign(p.quantity)
            left -= abs(taken)
            realised = profit(contract, taken, p.entry, price)
            closed.append(Closed(place.name, taken, realised, profit(contract, taken, p.entry, p.mark) - realised))
    return Deleveraging(price, tuple(closed), left.copy_sign(quantity) if left else ZERO)


@dataclass(frozen=True, slots=True)
class Absorbed:
    """How a bankrupt position left the books.

    Attributes:
        by_fund: Quantity the fund closed in the market, with the position's sign.
        fund: What is left of the fund.
        deleveraged: What was closed against winners; ``None`` if the fund sufficed.
    """

    by_fund: Decimal
    fund: Decimal
    deleveraged: Deleveraging | None


def absorb(
    bankrupt: Position, price: Decimal, fill: Decimal, fund: Decimal, holders: Sequence[Holder], ranking: Ranking
) -> Absorbed:
    """The fund takes a position over at its bankruptcy price and closes it at ``fill`` while it can pay; the rest is
    closed against winners at the bankruptcy price.

    Args:
        bankrupt: The position.
        price: Its bankruptcy price, at which it is taken over.
        fill: Price at which the market closes it.
        fund: Balance of the insurance fund, not negative.
        holders: Holders on the other side.
        ranking: Formula of rank.

    Returns:
        The fund keeps a gain where ``fill`` is better than ``price``. It pays for whole lots only and never goes below
        zero.

    Raises:
        ValueError: If the fund is negative.
    """
    if fund < 0:
        raise ValueError(f"an insurance fund cannot be {fund}")
    contract, quantity = bankrupt.contract, bankrupt.quantity
    with localcontext(MONEY_CONTEXT):
        result = profit(contract, quantity, price, fill)
        if fund + result >= 0:
            return Absorbed(quantity, plus([fund, result]), None)
        able = floor_to(abs(quantity) * fund / -result, contract.lot).copy_sign(quantity)
        left = plus([fund, profit(contract, able, price, fill)]) if able else fund
    rest = auto_deleverage(contract, quantity - able, price, holders, ranking)
    return Absorbed(able, left, rest)
