"""Portfolios of sixteen or more alts on the eve of five storms, and what is done with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from stormsail.adapters.files.venue_files import load_venues
from stormsail.adapters.sources.directory import DirectorySource
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Holding, Portfolio, end_of_day, parse_moment
from stormsail.lab import Held, hold
from stormsail.market.load import load_bars
from stormsail.market.lookup import Lookup
from stormsail.market.source import MarketView
from stormsail.plan import make_plan
from stormsail.plan.types import HedgePlan

STAKE = 6_000
OLD = (
    "ADA",
    "SOL",
    "LINK",
    "DOT",
    "XRP",
    "LTC",
    "AAVE",
    "UNI",
    "ATOM",
    "ALGO",
    "DOGE",
    "XLM",
    "VET",
    "FIL",
    "SUSHI",
    "YFI",
)
LAST = (
    "ADA",
    "BNB",
    "DOGE",
    "DOT",
    "LINK",
    "LTC",
    "SOL",
    "XLM",
    "XRP",
    "AAVE",
    "SUI",
    "HBAR",
    "ARB",
    "ONDO",
    "VET",
    "ALGO",
)
NEW = (
    "ADA",
    "SOL",
    "LINK",
    "DOT",
    "XRP",
    "LTC",
    "AAVE",
    "UNI",
    "ALGO",
    "DOGE",
    "XLM",
    "INJ",
    "FIL",
    "SUI",
    "SEI",
    "TIA",
    "RUNE",
)


@dataclass(frozen=True)
class Storm:
    """A date to plan on, a date to look back from, and what is held; equal stakes in dollars."""

    eve: str
    until: str
    coins: tuple[str, ...]


STORMS = {
    "china-ban-2021": Storm("2021-05-18", "2021-05-23", (*OLD, "MATIC", "FTM", "EOS")),
    "luna-2022": Storm("2022-05-06", "2022-05-13", (*OLD, "MATIC", "FTM", "WAVES")),
    "ftx-2022": Storm("2022-11-05", "2022-11-13", OLD),
    "yen-carry-2024": Storm("2024-08-03", "2024-08-06", NEW),
    "end-of-data-2025": Storm("2025-08-31", "2025-08-31", LAST),
}  # fmt: skip


def equal_stakes(coins: tuple[str, ...], view: MarketView) -> Portfolio:
    """About ``STAKE`` dollars of every coin at the prices known then."""
    lookup = Lookup.of(view)
    holdings = []
    for coin in coins:
        series = lookup.price_series(coin)
        frame, _ = load_bars(view, series.info, start=view.as_of - timedelta(days=3))
        price = frame["close"].drop_nulls()[-1]
        holdings.append(Holding(coin, Decimal(f"{STAKE / price:.4g}")))
    return Portfolio(tuple(holdings), name="equal stakes")


def plan_before(storm: Storm, data: Path, tolerance: Tolerance) -> HedgePlan:
    """The plan made with what was known on the eve."""
    view = MarketView(DirectorySource(data), parse_moment(storm.eve))
    return make_plan(equal_stakes(storm.coins, view), view, tolerance, venues=load_venues())


def hold_through(plan: HedgePlan, storm: Storm, data: Path) -> Held:
    """What became of it."""
    until: datetime = end_of_day(datetime.fromisoformat(storm.until).date())
    return hold(plan, MarketView(DirectorySource(data), until))
