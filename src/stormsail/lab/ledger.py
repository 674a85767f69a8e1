"""The ledger of a replay: every movement of money, contracts and coins is one row of whole numbers.

Amounts are counted in the smallest unit of their currency, contracts in lots, coins in hundred-millionths, so that
sums are exact. What one row gives, another party gives up: the market (trades, slippage), the venue (fees, liquidation
charges), the other side of a contract (funding), or another of the holder's own accounts (transfers).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

STEP, FLOW, ACCOUNT, ITEM, CURRENCY, AMOUNT, UNITS, TICKS = range(8)
"""Columns of a row."""

COLUMNS = 8


class Flow(IntEnum):
    """Why something moved.

    ``TRADE`` is booked at the price that valued the contract at that moment; what the fill cost beyond it is
    ``SLIPPAGE``. ``LIQUIDATION``, ``ADL`` and ``DELIVERY`` rows with units are such trades too, forced ones; what their
    price took beyond the mark is a row of the same flow without units.
    """

    DEPOSIT = 0
    TRADE = 1
    SLIPPAGE = 2
    FEE = 3
    FUNDING = 4
    TRANSFER = 5
    TRANSFER_COST = 6
    DELIVERY = 7
    LIQUIDATION = 8
    ADL = 9
    BORROW = 10
    SPOT = 11
    TAX = 12
    LOSS = 13
    REFUSED = 14


POSITION_FLOWS = (Flow.TRADE, Flow.DELIVERY, Flow.LIQUIDATION, Flow.ADL, Flow.LOSS)
"""Flows whose rows with units change a position."""


@dataclass(slots=True)
class Ledger:
    """Rows in the order they happened; the compiled part writes into ``rows`` up to its end, then asks for more.

    Attributes:
        rows: Shape (capacity, 8), whole numbers in the order of the columns above.
        used: Rows that are filled.
    """

    rows: IntArray = field(default_factory=lambda: np.zeros((1024, COLUMNS), dtype=np.int64))
    used: int = 0

    def post(
        self, step: int, flow: Flow, account: int, item: int, currency: int, amount: int, units: int = 0, ticks: int = 0
    ) -> None:
        """Append one row."""
        if self.used == len(self.rows):
            self.grow()
        self.rows[self.used] = (step, flow, account, item, currency, amount, units, ticks)
        self.used += 1

    def grow(self) -> None:
        """Make room for as many rows again."""
        self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])

    @property
    def filled(self) -> IntArray:
        """The rows written so far, shape (used, 8)."""
        return self.rows[: self.used]
