"""Print how often the collateral rule failed in the past: the table of docs/concepts/collateral.md.

Needs a directory of market data: ``STORMSAIL_DATA=... python scripts/coverage_table.py``.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from stormsail.core import split_multiplier  # noqa: E402  # after the path to the tests is known
from stormsail.margin.coverage import coverage_table  # noqa: E402
from stormsail.margin.floor import rise_class  # noqa: E402
from stormsail.margin.types import Promise  # noqa: E402
from tests.margin.test_collateral import real_moves  # noqa: E402

DAY = timedelta(days=1)
TOP_UPS = (timedelta(hours=8), DAY, 7 * DAY)


def line(row: dict[str, Any]) -> str:
    """One class as a row of the table."""
    shares = [f"{row[name]:.3%}".replace("%", " %") for name in ("share", "promised", "low", "high")]
    name = str(row["subject"]).removeprefix("all ") or "all"
    cells = [name, f"{row['windows']:,}", str(row["failures"]), *shares[:2], f"{shares[2]} to {shares[3]}"]
    return f"| {' | '.join(cells)} | {row['mean_move']:.0%} |".replace("%  |", "% |")


def main() -> int:
    """Measure and print, one table per top-up span; contracts whose band stays above the promise are named."""
    named = os.environ.get("STORMSAIL_DATA")
    if not named:
        print("not run: STORMSAIL_DATA is not set to a directory of market data")
        return 1
    moves = real_moves(Path(named) / "perp_4h_binance.parquet", timedelta(hours=4), 40 * DAY)
    kinds = {name: rise_class(split_multiplier(name)[0]) for name in moves}
    for span in TOP_UPS:
        promise = Promise(alpha=0.01, horizon=30 * DAY, top_up=span, survive=0.0)
        table = coverage_table(moves, kinds, promise, warm_up=DAY, refit=30 * DAY)
        pooled = pl.col("subject").str.starts_with("all")
        print(f"top-up within {span / timedelta(hours=1):g} hours", flush=True)
        for row in table.filter(pooled).iter_rows(named=True):
            print(line(row))
        single = table.filter(~pooled)
        broken = [
            f"{r['subject']} ({r['class']}) {r['failures']} of {r['windows']}"
            for r in single.iter_rows(named=True)
            if not r["kept"]
        ]
        print(f"{single.height} counts of {len(moves)} contracts; not kept: {', '.join(broken) or 'none'}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
