"""Which venue liquidates how, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from stormsail.core import Unavailable


class Manner(StrEnum):
    """How a venue closes."""

    BRACKET = "down to a lower bracket that suffices, else taken over"
    TWO_BRACKETS = "two brackets at a time, else taken over"
    SHARE = "a fifth of a large position first, then all; taken over below two thirds of maintenance"
    STEPS = "as few lots as suffice"
    WHOLE = "all at market"


@dataclass(frozen=True, slots=True)
class CloseoutRule:
    """How a venue liquidates, from one day.

    Attributes:
        venue: Venue key.
        effective_from: First day it is known to hold.
        manner: What is closed.
        fee: Fee rate on what is closed; ``None`` is the contract's taker fee (Deribit: its liquidation fee by coin).
        to_fund: Whether that fee is the insurance fund's.
        source: Page and its date.
    """

    venue: str
    effective_from: date
    manner: Manner
    fee: Decimal | None
    to_fund: bool
    source: str


CLOSEOUT_RULES: tuple[CloseoutRule, ...] = (
    CloseoutRule(
        "binance", date(2019, 9, 9), Manner.BRACKET, Decimal("0.0125"), True,
        "binance.com faq 360033525271, Liquidation Protocols; fee: exchangeInfo liquidationFee of BTCUSDT, 2025-03-10",
    ),
    CloseoutRule(
        "bybit", date(2020, 3, 1), Manner.BRACKET, None, False,
        "bybit.com help-centre 000001098, Liquidation Process, 2024-01-24",
    ),
    CloseoutRule(
        "okx", date(2022, 6, 17), Manner.TWO_BRACKETS, None, True,
        "okx.com help, forced partial liquidation; okx.com/help-center/6997123251341, 2024-04-04",
    ),
    CloseoutRule(
        "hyperliquid", date(2023, 6, 1), Manner.SHARE, Decimal(0), False,
        "hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations",
    ),
    CloseoutRule(
        "deribit", date(2020, 1, 1), Manner.STEPS, None, True,
        "support.deribit.com 25944777576477, Insurance Fund; fees 25944826427293, 11 January 2022",
    ),
    CloseoutRule(
        "dydx", date(2023, 10, 26), Manner.WHOLE, Decimal("0.015"), True,
        "help.dydx.exchange 8580691, Liquidations on dYdX Chain (largest penalty 1.5 %)",
    ),
)  # fmt: skip
"""By venue, then by day. As with the liquidation rules, a day is the page's, or roughly the contract's first where the
page has none. Binance prints neither the size of its first order nor how fees differ by symbol: the order is taken
to go down to the highest lower bracket that suffices, and the fee may be given to :func:`close_out`."""


def closeout_rule(venue: str, on: date) -> CloseoutRule | Unavailable:
    """How ``venue`` liquidated on that day, or the reason it is not known.

    >>> str(closeout_rule("gate", date(2025, 1, 1)))
    'unavailable (how gate liquidates on 2025-01-01 was not read)'
    """
    held = [rule for rule in CLOSEOUT_RULES if rule.venue == venue and rule.effective_from <= on]
    return held[-1] if held else Unavailable(f"how {venue} liquidates on {on} was not read")
