"""Print what storms do to a plan made on real data: the table of docs/how-to/stress.md.

Needs a directory of market data: ``STORMSAIL_DATA=... python scripts/stress_table.py``.
"""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from pathlib import Path

from stormsail.adapters.files.storm_files import load_storms
from stormsail.app.api import Workbench
from stormsail.audit import Tolerance
from stormsail.core import Unavailable
from stormsail.lab.storms import STORMS, equal_stakes
from stormsail.lab.stress import stress
from stormsail.lab.stress_result import StormResult

EVE = "yen-carry-2024"
RESERVE = {"USDT": Decimal(20_000)}


def row(found: StormResult) -> str:
    """One storm, in percent of what is held."""

    def share(value: float) -> str:
        return f"{value / found.value:+.1%}"

    naive = "n/a" if isinstance(found.naive, Unavailable) else share(found.naive.deepest)
    failed = "none" if found.failure is None else f"{found.failure.what}, hour {found.failure.hour}"
    helper = found.helper
    helped = "none" if helper is None else f"{helper.name}, {share(helper.gain)}"
    cells = [
        found.name, f"{found.recorded} of {len(found.moves)}", share(found.unhedged.deepest),
        share(found.hedged.deepest), naive, share(found.sold.deepest), share(found.unhedged.end),
        share(found.hedged.end), failed, helped,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Print every storm over the plan of one eve."""
    named = os.environ.get("STORMSAIL_DATA")
    if not named:
        print("not run: STORMSAIL_DATA is not set to a directory of market data")
        return 1
    storm, bench = STORMS[EVE], Workbench.open(Path(named), STORMS[EVE].eve)
    plan = bench.plan(equal_stakes(storm.coins, bench.view), Tolerance(coverage=0.6))
    latest = Workbench.open(Path(named)).view
    for found in stress(plan, tuple(load_storms().values()), latest, venues=bench.venues, reserve=RESERVE).storms:
        print(row(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
