"""Inverse shorts backed by the coin itself: how many coins stand behind them.

A short of ``N`` quote units of an inverse contract entered at ``P`` loses less than ``N / P`` coins, however high the
price goes; with that many coins behind it no rise can liquidate it (:mod:`stormsail.margin.liquidation`). On top of
them lies what may be taken out of them while the short is held: the fees of opening and closing (again for each
further contract where dated ones must follow one another), funding at its cap against the short for the whole horizon,
and the maintenance margin where the venue fixes that at the entry price::

    coins = N / P * (1 + 2 * taker fee + cap * settlements + maintenance)

Funding is counted at today's price: at half of it the same rate takes twice the coins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext

from stormsail.core import Contract, Payoff, Tenor, ceil_to, end_of_day, from_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.rules import Basis, rule_for
from stormsail.margin.tiers import assumed_table
from stormsail.margin.types import TierTable

STEP = Decimal("1e-8")
"""Coins are posted in steps of this many."""


def is_inverse(contract: Contract) -> bool:
    """Whether coins, and not cash, stand behind a short of the contract."""
    return contract.payoff is Payoff.INVERSE


@dataclass(frozen=True, slots=True)
class Backing:
    """What stands behind one inverse short, per coin that is short.

    Attributes:
        fees: Opening and closing, and rolling between.
        funding: Every settlement of the horizon at the cap against the short.
        maintenance: Maintenance margin, where the venue fixes it at the entry price; else 0, because the coins cover
            it at every price.
    """

    fees: Decimal
    funding: Decimal
    maintenance: Decimal

    @property
    def rate(self) -> Decimal:
        """Coins posted per coin short: one, and all that may be taken out of them."""
        with localcontext(MONEY_CONTEXT):
            return 1 + self.fees + self.funding + self.maintenance

    def coins(self, notional: Decimal, price: Decimal) -> Decimal:
        """Coins behind a short of ``notional`` entered at ``price``, rounded up to ``STEP``.

        >>> Backing(Decimal("0.001"), Decimal("0.27"), Decimal(0)).coins(Decimal(60_000), Decimal(60_000))
        Decimal('1.27100000')
        """
        with localcontext(MONEY_CONTEXT):
            return ceil_to(notional / price * self.rate, STEP)


def backing_of(
    contract: Contract, funding_cap: tuple[float, float], horizon: timedelta, day: date, table: TierTable | None = None
) -> Backing:
    """What must stand behind a short of an inverse contract.

    Args:
        contract: Which.
        funding_cap: Cap of one settlement, and hours between two.
        horizon: How long it is held.
        day: Day of the decision, for the venue's rule.
        table: Its brackets; the assumed ones if not given. The last rate is taken, which is the highest.
    """
    cap, hours = funding_cap
    settled = math.ceil(horizon / timedelta(hours=hours)) if contract.tenor is Tenor.PERPETUAL else 0
    left = contract.expiry - end_of_day(day) if contract.expiry else horizon
    followed = max(math.ceil(horizon / left), 1) if left > timedelta(0) else 1
    at_entry = rule_for(contract.venue, day)[0].basis is Basis.ENTRY
    brackets = table or assumed_table(contract, day)
    return Backing(
        fees=2 * followed * contract.taker_fee,
        funding=from_float(abs(cap)) * settled,
        maintenance=brackets.tiers[-1].rate if at_entry else Decimal(0),
    )
