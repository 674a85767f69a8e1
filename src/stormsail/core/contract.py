"""Futures contracts: what is traded, in what unit, and what it pays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum

from stormsail.core.exact import MONEY_CONTEXT
from stormsail.core.symbol import split_multiplier


class Tenor(StrEnum):
    """Whether a contract ends."""

    PERPETUAL = "perpetual"
    DATED = "dated"


class Payoff(StrEnum):
    """In what currency a contract pays, and therefore the shape of its profit.

    ``linear`` pays in the quote currency, ``inverse`` in the coin itself, ``quanto`` in a third coin.
    """

    LINEAR = "linear"
    INVERSE = "inverse"
    QUANTO = "quanto"


@dataclass(frozen=True, slots=True, order=True)
class Contract:
    """One futures contract on one venue.

    Attributes:
        venue: Venue key, such as ``binance``.
        symbol: The venue's own symbol, such as ``1000PEPEUSDT`` or ``BTCUSDT_251226``.
        base: The coin it is about, without multiplier: ``PEPE``.
        quote: Currency of its price: ``USDT`` or ``USD``.
        tenor: Perpetual or dated.
        payoff: Linear, inverse or quanto.
        size: What one contract unit stands for: coins of ``base`` (linear: 1000 for 1000PEPE), or units of
            ``quote`` (inverse: 100 for a 100 USD contract), or settlement coins per unit of price (quanto).
        lot: Smallest step of an order's quantity, in contract units.
        tick: Smallest step of its price.
        min_notional: Smallest order value in ``quote``.
        maker_fee: Fee rate for resting orders, as a fraction of notional.
        taker_fee: Fee rate for crossing orders.
        expiry: Moment of settlement of a dated contract, else ``None``.
        origin: Where lot, tick, fees and minimum came from.
    """

    venue: str
    symbol: str
    base: str
    quote: str
    tenor: Tenor
    payoff: Payoff
    size: Decimal
    lot: Decimal
    tick: Decimal
    min_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    expiry: datetime | None = None
    origin: str = ""

    def __post_init__(self) -> None:
        for name in ("size", "lot", "tick"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{self.venue}:{self.symbol}: {name} must be positive, not {getattr(self, name)}")
        if (self.tenor is Tenor.DATED) != (self.expiry is not None):
            raise ValueError(f"{self.venue}:{self.symbol}: a dated contract has an expiry and a perpetual has none")

    @property
    def id(self) -> str:
        """Unique name across venues: ``binance:BTCUSDT``."""
        return f"{self.venue}:{self.symbol}"

    @property
    def coins_quoted(self) -> int:
        """Coins that one price on the venue's screen is about; prices here are always per one coin.

        1000 for ``1000PEPEUSDT``, 1 for ``BTCUSDT`` and ``1INCHUSDT``.
        """
        return split_multiplier(re.split(r"[^A-Z0-9]", self.symbol)[0])[1]

    def notional(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Absolute value in ``quote`` of ``quantity`` contract units at ``price`` (quanto: in settlement coin)."""
        with localcontext(MONEY_CONTEXT):
            if self.payoff is Payoff.INVERSE:
                return abs(quantity) * self.size
            return abs(quantity) * self.size * price

    def quantity_for(self, notional: Decimal, price: Decimal) -> Decimal:
        """Contract units worth ``notional`` at ``price``, not yet rounded to lots."""
        with localcontext(MONEY_CONTEXT):
            if self.payoff is Payoff.INVERSE:
                return notional / self.size
            return notional / (self.size * price)


def profit(contract: Contract, quantity: Decimal, entry: Decimal, exit_price: Decimal) -> Decimal:
    """Profit of a signed position from ``entry`` to ``exit_price``, in the currency the contract pays.

    Linear and quanto: ``q * size * (exit - entry)``; inverse: ``q * size * (1/entry - 1/exit)`` in coin.
    Long is positive ``q``, short is negative.

    Source: Binance USD-M and COIN-M futures guides, "How to calculate profit and loss" (2024).
    """
    with localcontext(MONEY_CONTEXT):
        if contract.payoff is Payoff.INVERSE:
            return quantity * contract.size * (1 / entry - 1 / exit_price)
        return quantity * contract.size * (exit_price - entry)
