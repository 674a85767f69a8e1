"""Print how often the collateral rule failed in the past: the tables of docs/concepts/collateral.md.

Needs a directory of market data: ``STORMSAIL_DATA=... python scripts/coverage_table.py [windows.parquet]``. The walk
takes about a quarter of an hour; with a file named, its windows are kept there and printed again without another walk.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from stormsail.core import Contract, Payoff, Tenor, split_multiplier  # noqa: E402  # after the path
from stormsail.instruments.carry import assumed_cap  # noqa: E402
from stormsail.margin.census import floor_census  # noqa: E402
from stormsail.margin.coverage import METHODS, Past, binomial_band, promise_windows  # noqa: E402
from stormsail.margin.floor import MEASURED, FloorTable, rise_class  # noqa: E402
from stormsail.margin.moves import Moves, bar_moves  # noqa: E402
from stormsail.margin.tiers import LARGE_ALTS, assumed_table, build_table  # noqa: E402
from stormsail.margin.types import Promise, TierTable  # noqa: E402
from stormsail.plan.collateral import simulated  # noqa: E402

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CHANCES = (0.10, 0.05, 0.01)
TOP_UPS = (8 * HOUR, DAY, 3 * DAY)
PROMISES = [Promise(chance, 30 * DAY, span, 0.0) for span in TOP_UPS for chance in CHANCES]
HELD_OUT = np.datetime64("2024-01-01", "us")
LATE = 30 * DAY
CLASSES = ("BTC, ETH", "large alt", "other alt", "young alt")
FEE = Decimal("0.0005")


def bars(path: Path, bar: timedelta) -> dict[str, Moves]:
    """Bar moves by coin."""
    frame = pl.read_parquet(path).with_columns((pl.col("ts").cast(pl.Datetime("us", "UTC")) + bar).alias("known_at"))
    return {
        str(symbol): bar_moves(part.unique("ts").sort("known_at"), bar)
        for (symbol,), part in frame.group_by(["symbol"], maintain_order=True)
    }


def deepest(name: str, traded: Mapping[str, Moves], fine: Mapping[str, Moves]) -> Moves:
    """Mark bars of an hour where they begin no later than a month after the traded ones, else those of four hours."""
    mark = fine.get(name)
    own = traded[name]
    return mark if mark is not None and mark.times[0] <= own.times[0] + np.timedelta64(LATE) else own


def brackets(data: Path) -> Callable[[Contract], Callable[[date], TierTable]]:
    """Brackets by contract and day: the last snapshot not after it, else the strict stand-in."""
    frame = pl.read_parquet(data / "margin_tiers_binance.parquet")
    symbols = frame["symbol"].str.split(":").list.first().alias("pair")
    frame = frame.with_columns(symbols).sort("pair", "snapshot_date", "tier")
    snapshots: dict[tuple[str, date], TierTable] = {}
    for (pair, day), part in frame.group_by(["pair", "snapshot_date"], maintain_order=True):
        columns = part.select("max_notional", "maint_margin_rate", "max_leverage").rows()
        rows = [tuple(Decimal(repr(x)) for x in row) for row in columns]
        snapshots[str(pair), day] = build_table(str(pair), day, rows, "snapshot")  # type: ignore[arg-type]  # triples
    days = sorted({day for _, day in snapshots})

    def of(contract: Contract) -> Callable[[date], TierTable]:
        pair = f"{contract.symbol.removesuffix('USDT')}/USDT"

        def on(day: date) -> TierTable:
            known = [snapshots[pair, d] for d in days if d <= day and (pair, d) in snapshots]
            return known[-1] if known else assumed_table(contract, day)

        return on

    return of


def settled(data: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Settlement times and rates by coin."""
    frame = pl.read_parquet(data / "funding_binance.parquet").with_columns(pl.col("ts").dt.replace_time_zone(None))
    return {
        str(symbol): (part["ts"].cast(pl.Datetime("us")).to_numpy(), part["rate"].to_numpy())
        for (symbol,), part in frame.unique(["symbol", "ts"])
        .sort("symbol", "ts")
        .group_by(["symbol"], maintain_order=True)
    }


def pasts(data: Path) -> dict[str, Past]:
    """Every contract with at least 31 days of bars."""
    traded = {n: m for n, m in bars(data / "perp_4h_binance.parquet", 4 * HOUR).items() if m.history >= 31 * DAY}
    marks = bars(data / "mark_1h_binance.parquet", HOUR)
    tables, funding = brackets(data), settled(data)
    nothing = (np.empty(0, dtype="datetime64[us]"), np.empty(0))
    found = {}
    for name in sorted(traded):
        base = split_multiplier(name)[0]
        contract = Contract(
            "binance", f"{name}USDT", base, "USDT", Tenor.PERPETUAL, Payoff.LINEAR,
            Decimal(1), Decimal(1), Decimal("1e-8"), Decimal(5), Decimal(0), FEE,
        )  # fmt: skip  # one line per field says no more
        moves = deepest(name, traded, marks)
        found[name] = Past(
            contract, moves, rise_class(base), tables(contract), funding.get(name, nothing), assumed_cap(base, None)
        )
    return found


def table_before(data: Path, all_pasts: Mapping[str, Past], end: np.datetime64) -> FloorTable:
    """The floor table as it could have been measured on that day, of contracts with at least 40 days."""
    known = {n: m.before(end) for n, m in bars(data / "perp_4h_binance.parquet", 4 * HOUR).items() if n in all_pasts}
    known = {n: m for n, m in known.items() if m.history >= 40 * DAY}
    return floor_census(known, {n: all_pasts[n].kind for n in known})


def walk(data: Path) -> pl.DataFrame:
    """All windows: by the table in force, and those from 2024 on also by the table measured before them."""
    everything = pasts(data)
    recording = min(p.moves.times[0] for p in everything.values())
    tables = {"in force": (MEASURED, None), "before 2024": (table_before(data, everything, HELD_OUT), HELD_OUT)}
    parts = []
    for label, (measured, since) in tables.items():
        for name, past in everything.items():
            windows = promise_windows(
                past, PROMISES, recording=recording, simulate=simulated, since=since, measured=measured
            )
            parts.append(windows.with_columns(pl.lit(label).alias("table"), pl.lit(name).alias("coin")))
            print(f"{label} {name} {windows.height}", file=sys.stderr, flush=True)
    return pl.concat(parts)


def classed(windows: pl.DataFrame) -> pl.DataFrame:
    """Windows with the class of coin a reader asks for."""
    majors, large = pl.col("coin").is_in(["BTC", "ETH"]), pl.col("coin").is_in(sorted(LARGE_ALTS))
    kind = (
        pl.when(majors).then(pl.lit("BTC, ETH"))
        .when(pl.col("row") == "young alt").then(pl.lit("young alt"))
        .when(large).then(pl.lit("large alt"))
        .otherwise(pl.lit("other alt"))
    )  # fmt: skip  # one case per line
    return windows.with_columns(kind.alias("class"))


def cell(failures: int, windows: int, promised: float) -> str:
    """``failures of windows, share (band)``; a star where the band lies above the promise."""
    low, high = binomial_band(failures, windows)
    broken = " *" if low > promised else ""
    return f"{failures} of {windows:,}: {failures / windows:.1%} ({low:.1%} to {high:.1%}){broken}".replace("%", " %")


def by_class(windows: pl.DataFrame, span: timedelta) -> None:
    """One row per class, one column per chance."""
    print("| class | " + " | ".join(f"{c:.0%} promised".replace("%", " %") for c in CHANCES) + " | rise at 1 % |")
    print("|---" * (len(CHANCES) + 2) + "|")
    part = windows.filter(pl.col("hours") == span / HOUR)
    for name in [*CLASSES, "all"]:
        rows = part if name == "all" else part.filter(pl.col("class") == name)
        cells = []
        for chance in CHANCES:
            these = rows.filter(pl.col("chance") == chance)
            cells.append(cell(int((these["failed"] > 0).sum()), these.height, chance))
        mean = rows.filter(pl.col("chance") == CHANCES[-1]).select(pl.col("move").mean()).item()
        print(f"| {name} | {' | '.join(cells)} | {mean:.0%} |".replace("% |", " % |").replace("  %", " %"))


def by_span(windows: pl.DataFrame) -> None:
    """One row per top-up span and chance: windows, spans, and how failures bunch."""
    print("| top-up within | promised | windows that failed | per span: promised | happened | days, most on one |")
    print("|---" * 6 + "|")
    for span in TOP_UPS:
        for chance in CHANCES:
            rows = windows.filter((pl.col("hours") == span / HOUR) & (pl.col("chance") == chance))
            failed = rows.filter(pl.col("failed") > 0)
            days = failed.group_by(pl.col("first").dt.date()).len()["len"]
            each = chance * (span / (30 * DAY))
            share = int(rows["failed"].sum()) / int(rows["spans"].sum())
            told = f"{each:.3%} | {share:.3%} | {len(days)}, {days.max()}".replace("%", " %")
            found = cell(failed.height, rows.height, chance)
            print(
                f"| {span / HOUR:g} hours | {chance:.0%} | {found} | {told} |".replace("% |", " % |").replace(
                    "  %", " %"
                )
            )


def by_method(windows: pl.DataFrame, span: timedelta) -> None:
    """What each method would have kept alone, and how often it decided."""
    print("| method | " + " | ".join(f"{c:.0%} promised".replace("%", " %") for c in CHANCES) + " | decided at 1 % |")
    print("|---" * (len(CHANCES) + 2) + "|")
    part = windows.filter(pl.col("hours") == span / HOUR)
    for name in METHODS:
        cells = []
        for chance in CHANCES:
            these = part.filter((pl.col("chance") == chance) & pl.col(name).is_not_null())
            cells.append(cell(int((these[f"{name}_failed"] > 0).sum()), these.height, chance))
        strict = part.filter(pl.col("chance") == CHANCES[-1])
        share = (strict["decided_by"] == name).mean()
        print(f"| {name} | {' | '.join(cells)} | {share:.0%} |".replace("% |", " % |"))


def broken_coins(windows: pl.DataFrame) -> list[str]:
    """Coins whose own band lies above the promise, of all counts of 24 hours."""
    found = []
    for (name, chance), part in windows.group_by(["coin", "chance"], maintain_order=True):
        failures = int((part["failed"] > 0).sum())
        if binomial_band(failures, part.height)[0] > float(chance):  # type: ignore[arg-type]  # a chance
            found.append(f"{name} at {chance:.0%}: {failures} of {part.height}")
    return found


def main() -> int:
    """Walk or read the windows, and print the tables."""
    named = os.environ.get("STORMSAIL_DATA")
    kept = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if kept and kept.exists():
        windows = pl.read_parquet(kept)
    elif named:
        windows = walk(Path(named))
        if kept:
            windows.write_parquet(kept)
    else:
        print("not run: STORMSAIL_DATA is not set to a directory of market data")
        return 1
    windows = classed(windows)
    force, before = (windows.filter(pl.col("table") == label) for label in ("in force", "before 2024"))
    first, last = force["start"].min(), force["start"].max()
    count = force.height // len(PROMISES)
    print(f"{force['coin'].n_unique()} coins, {count:,} windows that begin {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    for title, part in (
        ("whole past", force),
        ("from 2024, table in force", force.filter(pl.col("start") >= pl.lit(HELD_OUT))),
        ("from 2024, table measured before", before),
    ):
        print(f"\n{title}, top-up within 24 hours\n")
        by_class(part, DAY)
    print("\nby top-up\n")
    by_span(force)
    print("\neach method alone, top-up within 24 hours\n")
    by_method(force, DAY)
    print(f"\nnot kept alone: {'; '.join(broken_coins(force.filter(pl.col('hours') == 24.0))) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
