"""What has drifted away from the plan: checks on what is seen, each answering with findings and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from stormsail.core import ConfigError, Finding, Trouble, Unavailable, format_span, to_float
from stormsail.watch.legs import coins_of, exact_price
from stormsail.watch.sight import AccountSight, HeldShort, Sight


@dataclass(frozen=True, slots=True)
class Limits:
    """How far things may drift before they are told.

    Attributes:
        delta: Distance of a position from its target, as a fraction of the target.
        ratio: Margin ratio.
        carry: Fall of a contract's yearly carry below the plan's assumption, as a fraction of value.
        basis: Distance of a contract's price from its coin's, as a fraction.
        stale: Age of a price.
    """

    delta: float = 0.1
    ratio: float = 0.35
    carry: float = 0.1
    basis: float = 0.02
    stale: timedelta = timedelta(hours=2)

    def __post_init__(self) -> None:
        for name in ("delta", "ratio", "carry", "basis"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}", cure="give a positive fraction", where=name)
        if self.stale <= timedelta(0):
            raise ConfigError(f"stale is {self.stale}", cure="give a span such as 2h", where="stale")


def drifted(limits: Limits, sight: Sight, assumed: Mapping[str, float] | None = None) -> tuple[Finding, ...]:
    """Every check on everything that is seen, in the order of the accounts.

    Args:
        limits: How far is too far.
        sight: What is seen.
        assumed: Yearly carry the plan assumed, by contract id.
    """
    return tuple(_all(limits, sight, assumed or {}))


def _all(limits: Limits, sight: Sight, assumed: Mapping[str, float]) -> Iterator[Finding]:
    for account in sight.accounts:
        checks = [margin(account, limits.ratio)]
        for short in account.shorts:
            checks.append(delta(short, limits.delta))
            checks.append(stale(short, sight.now, limits.stale))
            if short.contract.base in sight.spot:
                checks.append(basis(short, sight.spot[short.contract.base], limits.basis))
            if short.contract.id in assumed:
                checks.append(carry(short, assumed[short.contract.id], limits.carry))
        yield from (found for found in checks if found is not None)


def delta(short: HeldShort, limit: float) -> Finding | None:
    """A position further from its target than ``limit`` of it; naked where nothing is short that should be."""
    if short.target == 0:
        if short.quantity == 0:
            return None
        cause = f"{short.quantity:f} held, nothing wanted"
        return Finding(Trouble.DEGRADED, short.contract.id, cause, "close it")
    off = to_float(short.quantity - short.target) / abs(to_float(short.target))
    if abs(off) <= limit:
        return None
    coins = (
        coins_of(short.contract, short.quantity - short.target, exact_price(short.price)) if short.price > 0 else None
    )
    much = "" if coins is None else f", {coins:,.4g} {short.contract.base}"
    if short.quantity == 0:
        return Finding(Trouble.NAKED, short.contract.id, f"nothing is short of {-short.target:f}{much}", "hedge again")
    cause = f"{short.quantity:f} held, {short.target:f} wanted: {abs(off):.1%} off{much}, limit {limit:.1%}"
    return Finding(Trouble.DEGRADED, short.contract.id, cause, "trade to the target")


def margin(account: AccountSight, limit: float) -> Finding | None:
    """A margin ratio above ``limit``; fatal once the account is liquidated."""
    if account.ratio <= limit:
        return None
    cause = f"margin ratio {account.ratio:.2f}, limit {limit:.2f}"
    if account.ratio >= 1.0:
        return Finding(Trouble.FATAL, account.name, cause, "the venue liquidates it")
    return Finding(Trouble.DEGRADED, account.name, cause, "send collateral or reduce")


def carry(short: HeldShort, assumed: float, limit: float) -> Finding | None:
    """Carry that fell more than ``limit`` a year below what the plan assumed."""
    if isinstance(short.carry, Unavailable):
        return Finding(Trouble.UNAVAILABLE, f"carry {short.contract.id}", short.carry.reason, "not compared")
    if assumed - short.carry <= limit:
        return None
    cause = f"{short.carry:+.1%} a year, the plan assumed {assumed:+.1%}"
    return Finding(Trouble.DEGRADED, f"carry {short.contract.id}", cause, "plan again, or change contracts")


def basis(short: HeldShort, spot: float, limit: float) -> Finding | None:
    """A price further than ``limit`` from its coin's: it protects that much less while it stays there."""
    if not (spot > 0 and short.price > 0):
        return Finding(Trouble.UNAVAILABLE, f"basis {short.contract.id}", "a price is missing", "not compared")
    off = short.price / spot - 1.0
    if abs(off) <= limit:
        return None
    cause = f"{short.price:g} against {spot:g} of the coin: {off:+.1%}, limit {limit:.1%}"
    return Finding(Trouble.DEGRADED, f"basis {short.contract.id}", cause, "do not trade at it before it is explained")


def stale(short: HeldShort, now: datetime, limit: timedelta) -> Finding | None:
    """A price older than ``limit``."""
    if short.seen is None or now - short.seen <= limit:
        return None
    age = format_span(now - short.seen)
    return Finding(
        Trouble.FAIL_CLOSED,
        f"price {short.contract.id}",
        f"{age} old, limit {format_span(limit)}",
        "do not trade on it",
    )
