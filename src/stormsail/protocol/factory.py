"""Exact model of ``SeriesFactory.vy``: which series may be made, and which have been."""

from __future__ import annotations

from dataclasses import dataclass, field

from stormsail.protocol.band import BandFuture, Terms
from stormsail.protocol.ledger import NOBODY, Coin
from stormsail.protocol.oracle import OracleAdapter
from stormsail.protocol.refused import Refused, need

DAY = 86_400
DELAY = 7 * DAY
SHORTEST = DAY
LONGEST = 2 * 365 * DAY


@dataclass(frozen=True, slots=True)
class Market:
    """A pair of oracle and collateral that series may be made of, from ``ready_at`` on."""

    oracle: OracleAdapter
    collateral: Coin
    label: str
    lot: int
    window: int
    grace: int
    ready_at: int = 0


@dataclass(slots=True)
class SeriesFactory:
    """The registry. Markets go by a key of the caller's choice, such as the two addresses."""

    keeper: str
    markets: dict[str, Market] = field(default_factory=dict)
    series: list[BandFuture] = field(default_factory=list)
    terms: set[tuple[str, int, int, int]] = field(default_factory=set)
    named: str = NOBODY
    named_from: int = 0

    def propose_market(self, now: int, sender: str, key: str, market: Market) -> None:
        """The keeper opens a market, usable after ``DELAY``."""
        rules = market.oracle.rules
        need(sender == self.keeper, "only keeper")
        need(0 < len(market.label) <= 16 and 0 < market.lot <= 10**9, "market")
        need(800 <= market.window <= DAY and market.grace <= 30 * DAY, "market")
        short = market.grace < rules.halt_max + 2 * market.window or rules.cooldown < 2 * market.window
        need(not short, "halt outlasts grace")
        self.markets[key] = Market(
            market.oracle, market.collateral, market.label, market.lot, market.window, market.grace, now + DELAY
        )

    def close_market(self, sender: str, key: str) -> None:
        """The keeper closes a market to new series at once."""
        need(sender == self.keeper, "only keeper")
        self.markets.pop(key, None)

    def create(self, now: int, key: str, address: str, lower: int, upper: int, expiry: int) -> BandFuture:
        """Anyone makes a series; ``address`` is where it will lie."""
        market = self.markets.get(key)
        if market is None or now < market.ready_at:
            raise Refused("market not open")
        need(now + SHORTEST + market.window <= expiry <= now + LONGEST, "expiry")
        need((key, lower, upper, expiry) not in self.terms, "exists")
        flags, price = market.oracle.consult(now)
        need(flags == 0, "price refused")
        need(lower <= price * 9 // 10 and price * 11 // 10 <= upper <= price * 10, "band")
        terms = Terms(lower, upper, expiry, market.lot, market.collateral.decimals, market.window, market.grace)
        terms.check(now)
        market.oracle.poke(now)
        made = BandFuture(address, terms, market.collateral, market.oracle)
        self.series.append(made)
        self.terms.add((key, lower, upper, expiry))
        return made

    def name_keeper(self, now: int, sender: str, keeper: str) -> None:
        """The keeper names a successor."""
        need(sender == self.keeper, "only keeper")
        self.named, self.named_from = keeper, now + DELAY

    def accept_keeper(self, now: int, sender: str) -> None:
        """The successor takes over after the delay."""
        need(sender == self.named, "only named")
        need(now >= self.named_from, "too early")
        self.keeper, self.named = sender, NOBODY
