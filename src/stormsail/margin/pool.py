"""A venue's whole account: several collateral coins, loans, and positions of every payoff behind one requirement.

Valued in one unit of account (US dollars by custom) with a price ``P_a`` for every asset ``a``:

    x_a  =  balance_a - loan_a + sum of unrealised profit of the positions that pay in a
    equity       =  sum_a min(r_a x_a, x_a) P_a                    r_a: collateral rate
    requirement  =  sum_i M_i(notional_i) P_a(i)  +  rate * sum_a loan_a P_a

The account is liquidated when ``equity <= trigger * requirement``; the trigger is 1 for cross margin and 1.05 for
Binance's portfolio margin (formerly 1.2).

Source: Binance, "Portfolio Margin Pro Maintenance Margin Ratio Calculation" (faq 5e33af8e6ac04d57a1d0a3398e0a0752,
2022-04-18 and later copies); multi-assets mode values balances by the same minimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from enum import StrEnum

from stormsail.core import InputError, Unavailable, UnavailableError, plus
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.account import Position
from stormsail.margin.haircuts import Haircuts

Amounts = tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What stands on one venue behind one requirement.

    Attributes:
        venue: Venue key.
        balances: Asset and wallet balance, negative where it is owed; each asset once.
        positions: Longs and shorts of any payoff; both legs of a contract in hedge mode.
        haircuts: Collateral rates.
        loans: Asset and amount borrowed, positive.
        loan_rate: Maintenance margin of a loan, as a fraction of it.
        trigger: Equity over requirement at which the account is liquidated.
    """

    venue: str
    balances: Amounts
    positions: tuple[Position, ...]
    haircuts: Haircuts
    loans: Amounts = ()
    loan_rate: Decimal = Decimal(0)
    trigger: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        for name, amounts in (("balances", self.balances), ("loans", self.loans)):
            if len({asset for asset, _ in amounts}) < len(amounts):
                raise InputError(f"{name} name an asset twice", cure="give each asset once", where=self.venue)
        if any(amount < 0 for _, amount in self.loans) or self.loan_rate < 0 or self.trigger <= 0:
            raise InputError("a loan or its rate is negative, or the trigger is not positive",
                             cure="give amounts owed as positive loans", where=self.venue)  # fmt: skip

    @property
    def assets(self) -> tuple[str, ...]:
        """Every asset that is held, owed or paid in, sorted."""
        held = {a for a, _ in self.balances} | {a for a, _ in self.loans} | {p.asset for p in self.positions}
        return tuple(sorted(held))


def price_of(asset: str, prices: Mapping[str, Decimal], venue: str) -> Decimal:
    """Price of an asset in the unit of account.

    Raises:
        UnavailableError: If there is none, or it is not positive.
    """
    price = prices.get(asset)
    if price is None or price <= 0:
        raise UnavailableError(
            f"no positive price of {asset}", cure="give the price of every asset of the account", where=venue
        )
    return price


def net_balances(account: Account) -> dict[str, Decimal]:
    """Each asset's wallet balance less loan plus unrealised profit, in the asset."""
    net = dict.fromkeys(account.assets, Decimal(0))
    with localcontext(MONEY_CONTEXT):
        for asset, amount in account.balances:
            net[asset] += amount
        for asset, amount in account.loans:
            net[asset] -= amount
        for position in account.positions:
            net[position.asset] += position.profit
    return net


def equity(account: Account, prices: Mapping[str, Decimal]) -> Decimal:
    """Adjusted equity in the unit of account: ``sum_a min(r_a x_a, x_a) P_a``.

    Args:
        account: Balances, loans and positions.
        prices: Price of every asset of the account.

    Raises:
        UnavailableError: If a price is missing.
    """
    with localcontext(MONEY_CONTEXT):
        return plus(
            min(amount * account.haircuts.rate(asset), amount) * price_of(asset, prices, account.venue)
            for asset, amount in net_balances(account).items()
        )


def requirement(account: Account, prices: Mapping[str, Decimal]) -> Decimal:
    """Maintenance margin of positions and loans in the unit of account.

    Raises:
        UnavailableError: If a price is missing.
    """
    with localcontext(MONEY_CONTEXT):
        held = plus(p.requirement * price_of(p.asset, prices, account.venue) for p in account.positions)
        owed = plus(amount * price_of(asset, prices, account.venue) for asset, amount in account.loans)
        return held + account.loan_rate * owed


def margin_ratio(account: Account, prices: Mapping[str, Decimal]) -> Decimal:
    """Requirement over equity; infinite once the equity is gone."""
    held = equity(account, prices)
    if held <= 0:
        return Decimal("Infinity")
    with localcontext(MONEY_CONTEXT):
        return requirement(account, prices) / held


def unified_ratio(account: Account, prices: Mapping[str, Decimal]) -> Decimal:
    """Equity over requirement, as portfolio margin counts it (uniMMR); infinite where nothing is required."""
    needed = requirement(account, prices)
    if needed == 0:
        return Decimal("Infinity")
    with localcontext(MONEY_CONTEXT):
        return equity(account, prices) / needed


def free_equity(account: Account, prices: Mapping[str, Decimal]) -> Decimal:
    """``equity - trigger * requirement``: what may be lost before liquidation; at or below 0 it is due."""
    with localcontext(MONEY_CONTEXT):
        return equity(account, prices) - account.trigger * requirement(account, prices)


class Standing(StrEnum):
    """What a portfolio-margin account may still do."""

    FREE = "free"
    REMINDED = "reminded"
    REDUCE_ONLY = "reduce only"
    LIQUIDATED = "liquidated"


@dataclass(frozen=True, slots=True)
class UnifiedLevels:
    """Levels of the unified ratio: at or below each the next, harsher standing begins."""

    venue: str
    effective_from: date
    remind: Decimal
    reduce_only: Decimal
    liquidate: Decimal
    source: str

    def standing(self, ratio: Decimal) -> Standing:
        """Standing of an account with that ratio.

        >>> UNIFIED_LEVELS[-1].standing(Decimal("1.3"))
        <Standing.REMINDED: 'reminded'>
        """
        if ratio > self.remind:
            return Standing.FREE
        if ratio > self.reduce_only:
            return Standing.REMINDED
        return Standing.REDUCE_ONLY if ratio > self.liquidate else Standing.LIQUIDATED


_PAGE = "binance.com faq 5e33af8e6ac04d57a1d0a3398e0a0752"
UNIFIED_LEVELS = (
    UnifiedLevels(
        "binance", date(2022, 4, 18), Decimal("2.0"), Decimal("1.5"), Decimal("1.2"), f"{_PAGE}, first copy of 2022"
    ),
    UnifiedLevels("binance", date(2023, 1, 1), Decimal("1.5"), Decimal("1.2"), Decimal("1.05"), f"{_PAGE}, later copy"),
)
"""By day. The venue prints no day for the change: a copy of 2022 has the old levels, later copies the new ones, and the
turn of the year stands in for the day."""


def unified_levels(venue: str, on: date) -> UnifiedLevels | Unavailable:
    """Levels of portfolio margin on that day, or the reason there are none.

    >>> unified_levels("binance", date(2022, 6, 1)).liquidate, unified_levels("binance", date(2025, 6, 1)).liquidate
    (Decimal('1.2'), Decimal('1.05'))
    """
    held = [level for level in UNIFIED_LEVELS if level.venue == venue and level.effective_from <= on]
    if not held:
        return Unavailable(f"no portfolio-margin levels of {venue} on or before {on} were read")
    return held[-1]
