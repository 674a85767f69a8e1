"""Bracket tables: reading, refusing, asking; and every real table there is."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal as D
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Contract, Payoff, SchemaError, Tenor, Unavailable
from stormsail.margin.tiers import (
    assumed_table,
    initial,
    maintenance,
    maintenance_rate,
    max_leverage,
    tier_at,
    tier_table,
)
from stormsail.margin.types import TierTable
from stormsail.margin.venue_tables import deribit_table


def contract(base: str = "BTC", payoff: Payoff = Payoff.LINEAR, tenor: Tenor = Tenor.PERPETUAL) -> Contract:
    expiry = datetime(2025, 12, 26, 8, tzinfo=UTC) if tenor is Tenor.DATED else None
    return Contract(
        "v", f"{base}USDT", base, "USDT", tenor, payoff, D(1), D("0.001"), D("0.1"), D(5), D(0), D(0), expiry
    )


ROWS = [
    (1, 0.0, 50000.0, 0.004, 125.0, 0.0),
    (2, 50000.0, 600000.0, 0.005, 100.0, 50.0),
    (3, 600000.0, 3e6, 0.0065, 75.0, 950.0),
]


def frame(rows: list[tuple[int, float, float, float, float, float]] = ROWS, day: int = 1) -> pl.DataFrame:
    names = ["tier", "floor", "cap", "maintenance_rate", "max_leverage", "deduction"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    return table.with_columns(pl.lit(datetime(2025, 4, day, tzinfo=UTC)).alias("known_at"))


def test_the_snapshot_of_the_day_holds() -> None:
    later = [(1, 0.0, 1000.0, 0.02, 25.0, 0.0)]
    both = pl.concat([frame(), frame(later, day=10)])
    old = tier_table(both, contract(), date(2025, 4, 9))
    new = tier_table(both, contract(), date(2025, 4, 10))
    assert isinstance(old, TierTable) and isinstance(new, TierTable)
    assert (len(old.tiers), old.effective_from) == (3, date(2025, 4, 1))
    assert (len(new.tiers), new.effective_from) == (1, date(2025, 4, 10))
    assert isinstance(tier_table(both, contract(), date(2025, 3, 31)), Unavailable)


def test_asking_a_table() -> None:
    table = tier_table(frame(), contract(), date(2025, 5, 1))
    assert isinstance(table, TierTable)
    assert maintenance(D(1_000_000), table) == D(5550)
    assert maintenance_rate(D(1_000_000), table) == D("0.00555")
    assert maintenance_rate(D(0), table) == D("0.004")
    assert tier_at(D(50000), table).rate == D("0.004")
    assert tier_at(D(50001), table).rate == D("0.005")
    assert initial(D(100_000), D(10), table) == D(10_000)
    assert initial(D(100_000), D(125), table) == D(1_000)
    assert (max_leverage(D(100_000), table), max_leverage(D(4_000_000), table)) == (D(100), D(0))
    with pytest.raises(ValueError, match="leverage"):
        initial(D(1), D(0), table)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([ROWS[0], (2, 50000.0, 6e5, 0.005, 100.0, 51.0)], "continuity"),
        ([ROWS[0], (2, 60000.0, 6e5, 0.005, 100.0, 60.0)], "ends at"),
        ([(1, 0.0, 5e4, 0.005, 100.0, 0.0), (2, 5e4, 6e5, 0.004, 125.0, -50.0)], "falls"),
        ([ROWS[1]], "not 0"),
        ([(1, 0.0, 5e4, 1.5, 100.0, 0.0)], "impossible"),
        ([(1, 0.0, 5e4, None, 100.0, 0.0)], "missing"),
    ],
)
def test_inconsistent_tables_are_refused(
    rows: list[tuple[int, float, float, float, float, float]], complaint: str
) -> None:
    with pytest.raises(SchemaError, match=complaint):
        tier_table(frame(rows), contract(), date(2025, 5, 1))


@given(
    st.sampled_from(["BTC", "SOL", "PEPE"]), st.sampled_from(list(Tenor)), st.sampled_from(list(Payoff)),
    st.integers(1, 10**10),
)  # fmt: skip
def test_assumed_tables_are_continuous_convex_and_ordered(
    base: str, tenor: Tenor, payoff: Payoff, notional: int
) -> None:
    table = assumed_table(contract(base, payoff, tenor), date(2025, 8, 31))
    assert table.assumed
    v = D(notional)
    assert maintenance(v, table) == max(v * t.rate - t.deduction for t in table.tiers)
    assert 0 < maintenance(v, table) <= v / 2
    if payoff is Payoff.LINEAR:
        major = assumed_table(contract("BTC"), date(2025, 8, 31))
        assert maintenance(v, table) >= maintenance(v, major)


def test_deribit_rate_grows_with_size() -> None:
    """Deribit, "Linear Perpetual": 25 BTC take 1.125 %, 350 BTC 2.75 %; 25 SOL take 2.0125 %."""
    for base, size, rate in (("BTC", 25, "0.01125"), ("BTC", 350, "0.0275"), ("SOL", 25, "0.020125")):
        table = deribit_table(contract(base), D(-size), date(2025, 1, 1))
        assert isinstance(table, TierTable)
        assert table.tiers[0].rate == D(rate)
    assert isinstance(deribit_table(contract("PEPE"), D(1), date(2025, 1, 1)), Unavailable)


@pytest.mark.realdata
def test_every_real_snapshot_is_consistent_and_the_stand_in_is_strict(real_data: Path) -> None:
    raw = pl.read_parquet(real_data / "margin_tiers_binance.parquet").filter(pl.col("quote") == "USDT")
    rows = raw.select(
        pl.col("symbol"), pl.col("base"),
        pl.col("snapshot_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("known_at"),
        "tier", pl.col("min_notional").alias("floor"), pl.col("max_notional").alias("cap"),
        pl.col("maint_margin_rate").alias("maintenance_rate"), "max_leverage",
        pl.col("cum_maint_amount").alias("deduction"),
    ).filter(~pl.col("symbol").str.contains("-"))  # fmt: skip
    read = strict = 0
    for (_, base, stamp), part in rows.group_by(["symbol", "base", "known_at"], maintain_order=True):
        assert isinstance(stamp, datetime)
        table = tier_table(part, contract(str(base)), stamp.date())
        assert isinstance(table, TierTable)
        read += 1
        stand_in = assumed_table(contract(str(base)), stamp.date())
        levels = [D(10_000), D(100_000), D(1_000_000)]
        strict += all(maintenance(v, stand_in) >= maintenance(v, table) * D("0.95") for v in levels)
    assert read > 2000
    assert strict / read > 0.85
