"""Exact model of ``BandFuture.vy``: a long and a short token that share one fully paid pot."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from stormsail.protocol.ledger import NOBODY, WAD, Coin, PairToken
from stormsail.protocol.refused import need

MAX_SUPPLY = 10**30
MAX_PAIR = 10**27
MAX_PRICE = 2**128


class Source(IntEnum):
    """Where a final price came from, best first."""

    WINDOW_AVERAGE = 1
    PARTIAL_AVERAGE = 2
    LAST_CHECKPOINT = 3
    MIDPOINT = 4


class Priced(Protocol):
    """What a future needs of an oracle."""

    def consult(self, now: int) -> tuple[int, int]:
        """Flags (0: the price counts) and price in 1e18ths, changing nothing."""

    def poke(self, now: int) -> tuple[int, int]:
        """The same, remembering what was seen."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The fixed terms of a series.

    Attributes:
        lower: Price at and below which the long is worth nothing, 1e18ths.
        upper: Price at and above which the short is worth nothing, 1e18ths.
        expiry: Moment of expiry, seconds.
        lot: Units of the underlying that 1e18 tokens stand for.
        decimals: Decimals of the collateral.
        window: Seconds before expiry over which the price is averaged.
        grace: Seconds after expiry in which a short window may still be filled.
    """

    lower: int
    upper: int
    expiry: int
    lot: int = 1
    decimals: int = 6
    window: int = 3_600
    grace: int = 86_400

    @property
    def hold(self) -> int:
        """Seconds a checkpoint speaks for at most."""
        return self.window // 8

    @property
    def enough(self) -> int:
        """Seconds that must be spoken for."""
        return self.window // 2

    @property
    def unit(self) -> int:
        """Collateral units per 1e18 tokens and per 1.0 of price."""
        one: int = 10**self.decimals
        return self.lot * one

    @property
    def pair(self) -> int:
        """Collateral units per 1e18 pairs."""
        return (self.upper - self.lower) * self.unit // WAD

    def check(self, now: int) -> None:
        """Refuse terms that the contract's constructor refuses."""
        need(self.lower < self.upper, "band")
        need(0 < self.lot <= 10**9, "lot")
        need(800 <= self.window <= 86_400, "window")
        need(self.window <= self.grace <= 30 * 86_400, "grace")
        need(self.expiry > now + self.window, "expiry")
        need(self.decimals <= 18, "decimals")
        need((self.upper - self.lower) * self.unit % WAD == 0, "width does not divide")
        need(self.pair <= MAX_PAIR, "width")

    def cost(self, amount: int) -> int:
        """Collateral for minting ``amount`` pairs, rounded up.

        >>> Terms(lower=50 * WAD, upper=150 * WAD, expiry=0).cost(1)
        1
        """
        need(amount <= MAX_SUPPLY, "too many")
        return -(-amount * self.pair // WAD)

    def refund(self, amount: int) -> int:
        """Collateral for giving back ``amount`` pairs, rounded down."""
        return amount * self.pair // WAD

    def clamp(self, price: int) -> int:
        """``price`` held within the band."""
        return max(self.lower, min(price, self.upper))

    def worth(self, long_amount: int, short_amount: int, price: int) -> int:
        """What legs receive at a final price within the band: ``floor((n_L (p - lower) + n_S (upper - p)) unit)``.

        >>> Terms(lower=50 * WAD, upper=150 * WAD, expiry=0).worth(0, WAD, 60 * WAD)
        90000000
        """
        return (long_amount * (price - self.lower) + short_amount * (self.upper - price)) * self.unit // WAD**2


@dataclass(slots=True)
class BandFuture:
    """One series; every act takes the moment and the sender first and refuses exactly when the contract does."""

    address: str
    terms: Terms
    collateral: Coin
    oracle: Priced
    long: PairToken = field(default_factory=PairToken)
    short: PairToken = field(default_factory=PairToken)
    backing: int = 0
    price: int = 0
    price_at: int = 0
    weighted: int = 0
    covered: int = 0
    settled: bool = False
    final_price: int = 0
    source: int = 0

    def mint(self, now: int, sender: str, amount: int, long_to: str, short_to: str, max_cost: int) -> int:
        """Pay for pairs; needs a price that counts, which becomes a checkpoint. Returns what was paid."""
        need(amount > 0, "nothing")
        need(now < self.terms.expiry, "expired")
        cost = self.terms.cost(amount)
        need(cost <= max_cost, "above maximum")
        need(self.long.supply + amount <= MAX_SUPPLY, "too many")
        need(self.collateral.allowances.get((sender, self.address), 0) >= cost, "allowance")
        need(self.collateral.balance(sender) >= cost, "balance")
        need(NOBODY not in (long_to, short_to), "no receiver")
        self._checkpoint(now)
        self.collateral.transfer_from(self.address, sender, self.address, cost)
        self.backing += cost
        self.long.mint(long_to, amount)
        self.short.mint(short_to, amount)
        return cost

    def redeem(self, now: int, sender: str, amount: int, to: str) -> int:
        """Give pairs back for their collateral, at any time. Returns what was received."""
        del now
        need(amount > 0, "nothing")
        need(to != NOBODY, "no receiver")
        self._burn(sender, amount, amount)
        return self._pay(to, self.terms.refund(amount))

    def checkpoint(self, now: int, sender: str = "") -> None:
        """Record the price now; anyone may."""
        del sender
        need(not self.settled, "settled")
        self._checkpoint(now)

    def settle(self, now: int, sender: str = "") -> int:
        """Fix the final price from the checkpoints; anyone may, once. Returns it."""
        del sender
        need(not self.settled, "settled")
        self._fix(*self._final(now))
        return self.final_price

    def claim(self, now: int, sender: str, long_amount: int, short_amount: int, to: str, min_paid: int) -> int:
        """After expiry, give legs for what they are worth. Returns what was received."""
        need(to != NOBODY, "no receiver")
        need(long_amount > 0 or short_amount > 0, "nothing")
        final, source = (self.final_price, self.source) if self.settled else self._final(now)
        need(self.long.balance(sender) >= long_amount and self.short.balance(sender) >= short_amount, "balance")
        paid = self.terms.worth(long_amount, short_amount, final)
        need(paid >= min_paid, "below minimum")
        if not self.settled:
            self._fix(final, source)
        self._burn(sender, long_amount, short_amount)
        return self._pay(to, paid)

    def covered_until(self, now: int) -> int:
        """Seconds of the window that checkpoints speak for by ``now``."""
        return self._covered(now)[1]

    def _burn(self, owner: str, long_amount: int, short_amount: int) -> None:
        need(self.long.balance(owner) >= long_amount and self.short.balance(owner) >= short_amount, "balance")
        self.long.burn(owner, long_amount)
        self.short.burn(owner, short_amount)

    def _pay(self, to: str, amount: int) -> int:
        self.backing -= amount
        self.collateral.transfer(self.address, to, amount)
        return amount

    def _checkpoint(self, now: int) -> None:
        terms = self.terms
        total, covered = self._covered(now)
        if now >= terms.expiry:
            need(now < terms.expiry + terms.grace and covered < terms.enough, "closed")
        flags, price = self.oracle.consult(now)
        need(flags == 0 and price <= MAX_PRICE, "price refused")
        self.oracle.poke(now)
        self.weighted, self.covered, self.price, self.price_at = total, covered, price, now

    def _covered(self, now: int) -> tuple[int, int]:
        terms = self.terms
        if self.price_at == 0:
            return self.weighted, self.covered
        start = max(self.price_at, terms.expiry - terms.window)
        end = min(now, terms.expiry + terms.grace, self.price_at + terms.hold)
        inside = max(0, min(end, terms.expiry) - start)
        late = max(0, end - max(start, terms.expiry))
        late = min(late, max(0, terms.enough - self.covered - inside))
        return self.weighted + self.price * (inside + late), self.covered + inside + late

    def _final(self, now: int) -> tuple[int, int]:
        terms = self.terms
        need(now >= terms.expiry, "not expired")
        total, covered = self._covered(now)
        if covered >= terms.enough:
            return terms.clamp(total // covered), Source.WINDOW_AVERAGE
        need(now >= terms.expiry + terms.grace, "window open")
        if covered > 0:
            return terms.clamp(total // covered), Source.PARTIAL_AVERAGE
        if self.price_at > 0:
            return terms.clamp(self.price), Source.LAST_CHECKPOINT
        return (terms.lower + terms.upper) // 2, Source.MIDPOINT

    def _fix(self, price: int, source: int) -> None:
        self.final_price, self.source, self.settled = price, source, True
