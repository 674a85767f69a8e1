"""Stablecoins stay at par, and what the market says of them is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from stormsail.audit import audit
from stormsail.audit.pegs import peg_findings
from stormsail.core import Finding, Holding, Portfolio, Trouble
from stormsail.market.lookup import Lookup
from stormsail.market.schema import Kind
from stormsail.market.source import MarketView
from tests.support import DAY, HOUR, START, MemorySource, bars, info_of

END = START + 10 * DAY


def said(price: float, *, quote: str = "USDT", silent: timedelta = timedelta(0)) -> Finding:
    hours = (END - START - silent) // HOUR
    frame = bars([1.0] * (hours - 1) + [price])
    view = MemorySource({info_of(frame, Kind.SPOT, "USDC", bar=HOUR, quote=quote): frame}).view(END)
    (found,) = peg_findings(view, Lookup.of(view), ["USDC"])
    return found


@pytest.mark.parametrize("price", [0.991, 0.9996, 1.0, 1.009])
def test_within_one_percent_it_is_a_note_with_the_price(price: float) -> None:
    found = said(price)
    assert found.trouble is Trouble.NOTE and f"{price:.4f} USDT at binance, 2024-01-11 00:00" in found.cause
    assert "at par" in found.cure


@pytest.mark.parametrize(("price", "words"), [(0.93, "7.0% below par"), (1.0201, "2.0% above par")])
def test_beyond_one_percent_it_is_degraded_with_the_figure(price: float, words: str) -> None:
    found = said(price)
    assert found.trouble is Trouble.DEGRADED and found.cause.startswith(words)
    assert f"{price:.1%} of what is shown" in found.cure


def test_without_a_fresh_price_in_dollars_nothing_is_claimed() -> None:
    for found in (said(0.9, silent=4 * DAY), said(0.9, quote="BUSD")):
        assert found.trouble is Trouble.NOTE and "no fresh price to check its peg by" in found.cause


def test_nothing_later_is_seen() -> None:
    frame = bars([1.0] * 48 + [0.5] * 48)
    view = MemorySource({info_of(frame, Kind.SPOT, "USDC", bar=HOUR): frame}).view(START + 2 * DAY)
    assert [f.trouble for f in peg_findings(view, Lookup.of(view), ["USDC"])] == [Trouble.NOTE]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("coin", "moment", "cause"),
    [
        ("FDUSD", datetime(2025, 4, 2, 16, tzinfo=UTC), "3.5% below par: it stood at 0.9650 USDT at binance"),
        ("FDUSD", datetime(2025, 4, 1, tzinfo=UTC), "a stablecoin; it stood at 0.99"),
        ("USDC", datetime(2022, 9, 1, tzinfo=UTC), "a stablecoin; it stood at 1.00"),
        ("USDC", datetime(2024, 8, 4, tzinfo=UTC), "a stablecoin; no fresh price"),
    ],
)
def test_real_coins_on_calm_and_stormy_days(real_data: Path, coin: str, moment: datetime, cause: str) -> None:
    from stormsail.adapters.sources.directory import DirectorySource

    holdings = (Holding("SOL", Decimal(10)), Holding(coin, Decimal(1000)))
    found = audit(Portfolio(holdings), MarketView(DirectorySource(real_data), moment))
    (said,) = [f for f in found.findings if f.subject == coin]
    assert said.cause.startswith(cause)
    assert found.value - found.risky_value == pytest.approx(1000.0)
