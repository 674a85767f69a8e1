"""Print what plans made on the eve of a storm were worth through it: the table of docs/concepts/storms.md.

Needs a directory of market data: ``STORMSAIL_DATA=... python scripts/storm_table.py``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stormsail.adapters.files.venue_files import load_venues
from stormsail.adapters.sources.directory import DirectorySource
from stormsail.audit import Tolerance
from stormsail.lab.storms import STORMS, hold_through, plan_before
from stormsail.ratio.types import Effectiveness

COVERAGE = 0.6


def row(name: str, data: DirectorySource) -> str:
    """One storm."""
    storm = STORMS[name]
    plan = plan_before(storm, data, Tolerance(coverage=COVERAGE), load_venues())
    held = hold_through(plan, storm, data)
    value = plan.exposure.risky_value
    direct, proxy = (sum(getattr(c, part) for c in plan.coverage) / value for part in ("direct", "proxy"))
    cash = sum(float(m.cash) for m in plan.margins) / value
    effect = plan.effectiveness
    known = f"{effect.value:.2f}" if isinstance(effect, Effectiveness) else "unavailable"
    cells = [
        f"{storm.eve} to {storm.until}",
        str(len(plan.exposure.assets)),
        f"{direct:.0%} + {proxy:.0%}",
        f"{cash:.0%}",
        known,
        f"-{held.fall_unhedged:.1%}",
        f"-{held.fall_hedged:.1%}",
        f"{held.shorts / value:+.1%}",
        f"{held.funding / value:+.2%}",
        f"{held.fees / value:+.2%}",
        ", ".join(held.liquidated) or "none",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Print every storm whose aftermath is in the data."""
    named = os.environ.get("STORMSAIL_DATA")
    if not named:
        print("not run: STORMSAIL_DATA is not set to a directory of market data")
        return 1
    for name in STORMS:
        if STORMS[name].eve != STORMS[name].until:
            print(row(name, DirectorySource(Path(named))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
