"""What a policy may ask for; every act carries its reason, and the desk and the lab carry out the same acts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the holder; nothing else."""

    account: str
    reason: str


@dataclass(frozen=True, slots=True)
class TopUp:
    """Send collateral from the reserve to an account; it arrives after the time a transfer takes."""

    account: str
    currency: str
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Send collateral that is not needed back to the reserve."""

    account: str
    currency: str
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Trade:
    """Change a position by ``quantity`` contract units (signed: buying is positive)."""

    account: str
    contract: str
    quantity: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class SellSpot:
    """Sell coins that the hedge no longer protects."""

    asset: str
    quantity: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Replan:
    """Make the plan anew with what is known now."""

    reason: str


Act = Warn | TopUp | Withdraw | Trade | SellSpot | Replan
