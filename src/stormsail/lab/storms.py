"""Storms of the past: a plan made on the eve with what was known then, and held through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from stormsail.audit.tolerance import Tolerance
from stormsail.core import Holding, Portfolio, Unavailable, UnavailableError, end_of_day, parse_moment
from stormsail.instruments.types import VenueRecord
from stormsail.lab.held import Held, hold
from stormsail.market.load import load_bars
from stormsail.market.lookup import Lookup
from stormsail.market.source import MarketSource, MarketView
from stormsail.plan import make_plan
from stormsail.plan.types import HedgePlan

STAKE = 6_000
"""Dollars held of each coin."""

_OLD = (
    "ADA", "SOL", "LINK", "DOT", "XRP", "LTC", "AAVE", "UNI", "ATOM", "ALGO", "DOGE", "XLM", "VET", "FIL", "SUSHI",
    "YFI",
)  # fmt: skip
_NEW = (
    "ADA", "SOL", "LINK", "DOT", "XRP", "LTC", "AAVE", "UNI", "ALGO", "DOGE", "XLM", "INJ", "FIL", "SUI", "SEI",
    "TIA", "RUNE",
)  # fmt: skip
_LAST = (
    "ADA", "BNB", "DOGE", "DOT", "LINK", "LTC", "SOL", "XLM", "XRP", "AAVE", "SUI", "HBAR", "ARB", "ONDO", "VET",
    "ALGO",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Storm:
    """What came over a portfolio of equal stakes.

    Attributes:
        eve: Day on whose end the plan is made.
        until: Day on whose end it is looked back at.
        coins: What is held.
    """

    eve: str
    until: str
    coins: tuple[str, ...]


STORMS: Mapping[str, Storm] = {
    "china-ban-2021": Storm("2021-05-18", "2021-05-23", (*_OLD, "MATIC", "FTM", "EOS")),
    "luna-2022": Storm("2022-05-06", "2022-05-13", (*_OLD, "MATIC", "FTM", "WAVES")),
    "ftx-2022": Storm("2022-11-05", "2022-11-13", _OLD),
    "yen-carry-2024": Storm("2024-08-03", "2024-08-06", _NEW),
    "end-of-data-2025": Storm("2025-08-31", "2025-08-31", _LAST),
}
"""Sixteen or more alts before each; the last has no aftermath and shows a plan of a calm day."""


def equal_stakes(coins: tuple[str, ...], view: MarketView) -> Portfolio:
    """About ``STAKE`` dollars of every coin at the prices known then.

    Raises:
        UnavailableError: If a coin has no price.
    """
    lookup = Lookup.of(view)
    holdings = []
    for coin in coins:
        series = lookup.price_series(coin)
        if isinstance(series, Unavailable):
            raise UnavailableError(series.reason, cure="name data that holds it", where=coin)
        frame, _ = load_bars(view, series.info, start=view.as_of - timedelta(days=3))
        price = frame["close"].drop_nulls()[-1]
        holdings.append(Holding(coin, Decimal(f"{STAKE / price:.4g}")))
    return Portfolio(tuple(holdings), name="equal stakes")


def plan_before(
    storm: Storm, source: MarketSource, tolerance: Tolerance, venues: Mapping[str, VenueRecord]
) -> HedgePlan:
    """The plan made with what was known on the eve.

    Args:
        storm: Which storm.
        source: Market data that holds its coins.
        tolerance: What is wanted.
        venues: Due-diligence records by venue key.

    Raises:
        StormsailError: As the rooms below raise them.
    """
    view = MarketView(source, parse_moment(storm.eve))
    return make_plan(equal_stakes(storm.coins, view), view, tolerance, venues=venues)


def hold_through(plan: HedgePlan, storm: Storm, source: MarketSource) -> Held:
    """What became of it.

    Raises:
        UnavailableError: If there is no bar after the eve.
    """
    return hold(plan, MarketView(source, end_of_day(date.fromisoformat(storm.until))))
