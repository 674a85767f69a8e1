"""How much of a collateral coin's value a venue counts, by day.

A balance ``x`` of a coin with rate ``r`` counts ``min(r x, x)``: a credit is cut, a debt is not. A coin that is not on
the list counts nothing as a credit and in full as a debt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from stormsail.core import Unavailable


@dataclass(frozen=True, slots=True)
class Haircuts:
    """The collateral rates of a venue from one day.

    Attributes:
        venue: Venue key.
        effective_from: First day they are known to hold.
        rates: Asset and the share of its value that counts, by asset.
        source: Page and its date.
    """

    venue: str
    effective_from: date
    rates: tuple[tuple[str, Decimal], ...]
    source: str

    def __post_init__(self) -> None:
        for asset, rate in self.rates:
            if not 0 <= rate <= 1:
                raise ValueError(f"{self.venue}: the collateral rate of {asset} is {rate}, not between 0 and 1")

    def rate(self, asset: str) -> Decimal:
        """Share of the asset's value that counts; 0 for an asset that is not accepted."""
        return dict(self.rates).get(asset, Decimal(0))


def rates(venue: str, effective_from: date, shares: Mapping[str, str], source: str) -> Haircuts:
    """Haircuts from shares written as text, so that they are exact.

    >>> rates("x", date(2025, 1, 1), {"BTC": "0.95"}, "page").rate("BTC")
    Decimal('0.95')
    """
    return Haircuts(venue, effective_from, tuple((a, Decimal(shares[a])) for a in sorted(shares)), source)


SCHEDULES: tuple[Haircuts, ...] = (
    rates(
        "binance",
        date(2021, 5, 28),
        {
            "BTC": "0.95", "ETH": "0.95", "BNB": "0.95", "XRP": "0.90", "ADA": "0.90", "DOT": "0.90", "SOL": "0.90",
            "USDT": "0.9999", "USDC": "0.9999", "BUSD": "1",
        },
        "binance.com/support/faq/29b45c485d664028b9ca1cdf90b24f6f, What Is Multi-Assets Mode, 2021-05-28",
    ),
)  # fmt: skip
"""Venues whose list was read, by day."""


def haircuts(venue: str, on: date) -> Haircuts | Unavailable:
    """The collateral rates of ``venue`` on that day, or the reason there are none.

    >>> str(haircuts("okx", date(2025, 1, 1)))
    'unavailable (no list of collateral rates of okx on or before 2025-01-01 was read)'
    """
    held = [s for s in SCHEDULES if s.venue == venue and s.effective_from <= on]
    if not held:
        return Unavailable(f"no list of collateral rates of {venue} on or before {on} was read")
    return held[-1]


def one_coin(venue: str, asset: str, on: date) -> Haircuts:
    """Haircuts of an account that holds a single asset, counted in full, as in single-asset mode."""
    return Haircuts(venue, on, ((asset, Decimal(1)),), "single-asset mode: no haircut")
