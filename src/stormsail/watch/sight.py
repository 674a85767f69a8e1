"""What a policy is shown: the accounts and contracts as they are at one moment, and nothing later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from stormsail.core import Contract, Unavailable, to_float


@dataclass(frozen=True, slots=True)
class HeldShort:
    """One position of an account.

    Attributes:
        contract: What is held.
        quantity: Signed contract units.
        price: Last price.
        target: Signed contract units the hedge wants.
        tradable: Whether it can be traded now.
        carry: Forecast yearly carry for a short, as a fraction; positive is received. Of a dated contract its annual
            basis.
        protects: Coins the whole position stands for, by asset; empty for a short on its own coin, whose coins follow
            from its size.
        seen: When ``price`` was known; ``None`` for the moment of the sight.
    """

    contract: Contract
    quantity: Decimal
    price: float
    target: Decimal
    tradable: bool = True
    carry: float | Unavailable = Unavailable("no forecast was made")  # noqa: RUF009  frozen value
    protects: Mapping[str, Decimal] = field(default_factory=dict)
    seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A contract that could be shorted now, whether or not it is held: where a short can go.

    Attributes:
        account: Account it would be held in.
        contract: What.
        price: Last price.
        room: Value in quote currency that may be shorted in that account on top of what is.
        carry: As in :class:`HeldShort`.
        cost: Fee and slippage of one way, as a fraction of value; ``None`` for the taker fee alone.
        held: Signed contract units that account holds already.
        tradable: Whether it can be traded now.
    """

    account: str
    contract: Contract
    price: float
    room: float
    carry: float | Unavailable = Unavailable("no forecast was made")  # noqa: RUF009  frozen value
    cost: float | None = None
    held: Decimal = Decimal(0)
    tradable: bool = True

    @property
    def one_way(self) -> float:
        """Cost of trading it one way, as a fraction of value."""
        return to_float(self.contract.taker_fee) if self.cost is None else self.cost


@dataclass(frozen=True, slots=True)
class AccountSight:
    """One margin account.

    Attributes:
        name: The venue, or the contract of an isolated position.
        venue: Venue key.
        currency: Currency it is judged in.
        balance: Margin balance with open profit, in ``currency``.
        requirement: Maintenance margin, in ``currency``.
        on_the_way: Collateral sent and not yet arrived, in ``currency``.
        shorts: Its positions.
    """

    name: str
    venue: str
    currency: str
    balance: float
    requirement: float
    on_the_way: float
    shorts: tuple[HeldShort, ...]

    @property
    def ratio(self) -> float:
        """Requirement over balance; at 1 the account is liquidated, and it is infinite once the balance is gone."""
        return self.requirement / self.balance if self.balance > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything a policy may look at.

    Attributes:
        now: The moment.
        accounts: Margin accounts.
        reserve: Cash that can be sent to an account, by currency.
        spot: Price of each coin held.
        held: Coins held, exact.
        sellable: Coins that may be sold now, exact.
        offers: Contracts that could be shorted now, at every venue where there is an account.
    """

    now: datetime
    accounts: tuple[AccountSight, ...]
    reserve: Mapping[str, Decimal]
    spot: Mapping[str, float]
    held: Mapping[str, Decimal]
    sellable: Mapping[str, Decimal]
    offers: tuple[Offer, ...] = ()
