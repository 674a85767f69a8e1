"""Print what protection was worth over three long spans, by policy: the table of docs/how-to/backtest.md.

Needs a directory of market data: ``STORMSAIL_DATA=... python scripts/backtest_table.py``.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from stormsail.adapters.files.venue_files import load_venues
from stormsail.adapters.sources.directory import DirectorySource
from stormsail.audit import Tolerance
from stormsail.lab.backtest import Backtest, backtest, with_policy
from stormsail.lab.effect import Effect
from stormsail.lab.storms import STORMS, equal_stakes
from stormsail.lab.summary import HEDGED, NAIVE, SOLD, UNHEDGED
from stormsail.market.source import MarketView
from stormsail.watch.named import POLICIES

COVERAGE, REPLAN, RESERVE = 0.6, timedelta(days=30), Decimal(60_000)
COINS = STORMS["ftx-2022"].coins

SPANS = {
    "2021-05 to 2021-06": (datetime(2021, 5, 1, tzinfo=UTC), datetime(2021, 7, 1, tzinfo=UTC)),
    "2022-04 to 2022-12": (datetime(2022, 4, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)),
    "2023-10 to 2024-03": (datetime(2023, 10, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)),
}
"""A crash, a year of falling, and a rally, in which a hedge must be kept alive and costs what the coins gain."""


def tests(span: str, data: DirectorySource) -> list[tuple[str, Backtest]]:
    """One span by every policy; the plans are made once."""
    start, end = SPANS[span]
    holding, venues = equal_stakes(COINS, MarketView(data, start)), load_venues()
    found: list[tuple[str, Backtest]] = []
    for name, policy in POLICIES.items():
        if found:
            found.append((name, with_policy(found[0][1], policy, data, venues)))
            continue
        first = backtest(
            holding, data, Tolerance(coverage=COVERAGE), replace(policy, replan=REPLAN), start=start, end=end,
            venues=venues, reserve={"USDT": RESERVE},
        )  # fmt: skip
        found.append((name, first))
    return found


def row(span: str, name: str, test: Backtest) -> str:
    """One policy in one span."""
    made, parts = test.summary, test.attribution
    ways = {way: made.outcome(way) for way in (UNHEDGED, HEDGED, NAIVE, SOLD)}
    changes = [f"{way.change / way.first:+.1%}" if way else "unavailable" for way in ways.values()]
    falls = [f"{way.fall.depth:.0%}" if way else "unavailable" for name, way in ways.items() if name != SOLD]
    found = test.effect
    removed = "unavailable"
    if isinstance(found, Effect):
        removed = f"{found.variance.value:.0%} ({found.variance.low:.0%} to {found.variance.high:.0%})"
    value = test.paths.unhedged[0]
    highest = max(account.highest for account in made.accounts)
    cells = [
        span, name, *changes, " / ".join(falls), removed, f"{float(parts.funding) / value:+.2%}",
        f"{float(parts.fees + parts.slippage) / value:+.2%}", f"{highest:.1%}",
        str(sum(account.liquidations for account in made.accounts)),
        str(test.ledger_frame().filter(flow="trade").height),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Print every span by every policy."""
    named = os.environ.get("STORMSAIL_DATA")
    if not named:
        print("not run: STORMSAIL_DATA is not set to a directory of market data")
        return 1
    for span in SPANS:
        for name, test in tests(span, DirectorySource(Path(named))):
            print(row(span, name, test), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
