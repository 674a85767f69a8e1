"""What came of a fleet taken through history, as Parquet: one row per portfolio."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl

from stormsail.adapters.files.shard_folder import ShardFolder
from stormsail.core import nearest_to, plus
from stormsail.lab.fleet_backtest import FleetRun
from stormsail.lab.result import Attribution

DIGITS = 8
MONEY = pl.Decimal(38, DIGITS)
_UNIT = Decimal(1).scaleb(-DIGITS)
PARTS = Attribution.PARTS
RUNS = "portfolios"

SCHEMA: dict[str, pl.DataType] = {
    "portfolio": pl.String(), "status": pl.String(), "reason": pl.String(), "plans": pl.Int64(),
    "coverage": pl.Float64(), "value": pl.Float64(), "unhedged": pl.Float64(), "hedged": MONEY,
    "fall_unhedged": pl.Float64(), "fall_hedged": pl.Float64(), **dict.fromkeys(PARTS, MONEY),
    "liquidations": pl.Int64(), "ratio": pl.Float64(), "events": pl.String(),
}  # fmt: skip
"""Columns of the table; see the reference of the file."""


def runs_table(runs: Sequence[FleetRun]) -> pl.DataFrame:
    """One row per portfolio, whatever became of it; figures are null where it was not run."""
    return pl.DataFrame([_row(run) for run in runs], schema=SCHEMA, orient="row")


def rounded(parts: Attribution) -> dict[str, Decimal]:
    """The parts in whole hundred-millionths that still add up to the change, ``hedged``, without a rest.

    Each is rounded to the nearest; what rounding leaves over, a few units at most, goes to ``spot``, whose prices are
    the least exact.
    """
    found = {name: nearest_to(getattr(parts, name), _UNIT) for name in PARTS}
    change = nearest_to(parts.change, _UNIT)
    found["spot"] = plus([found["spot"], change, *(-value for value in found.values())])
    return {"hedged": change, **found}


def _row(run: FleetRun) -> tuple[object, ...]:
    about = (run.name, str(run.fate), run.reason, run.plans, None if run.coverage != run.coverage else run.coverage)
    figures = run.figures
    if figures is None:
        return about + (None,) * (len(SCHEMA) - len(about))
    money = rounded(figures.parts)
    ratio = None if figures.ratio != figures.ratio else figures.ratio
    return (
        *about, figures.value, figures.unhedged, money["hedged"], figures.fall_unhedged, figures.fall_hedged,
        *(money[name] for name in PARTS), figures.liquidations, ratio, json.dumps(figures.events),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunFolder:
    """``manifest.json`` and ``portfolios/*.parquet``.

    Attributes:
        path: Where it is.
    """

    path: Path

    @property
    def folder(self) -> ShardFolder:
        """The files themselves."""
        return ShardFolder(self.path, "stormsail fleet backtest", (RUNS,))

    def write(self, number: int, runs: Sequence[FleetRun]) -> None:
        """Keep what came of a shard."""
        self.folder.write(number, (runs_table(runs),))

    def totals(self) -> pl.DataFrame:
        """Portfolios and sums by status, from the files themselves."""
        return (
            self.folder.rows()
            .group_by("status")
            .agg(pl.len().alias("portfolios"), pl.col("value", "unhedged", "hedged", *PARTS, "liquidations").sum())
            .sort("status")
            .collect()
        )
