"""Caps of funding: the venue's, else what has been seen and what venues set for such coins."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from stormsail.instruments.carry import assumed_cap
from stormsail.market.schema import FUNDING


def settled(rates: list[float], hours: int) -> pl.DataFrame:
    start = datetime(2022, 11, 1, tzinfo=UTC)
    stamps = [start + timedelta(hours=hours * i) for i in range(len(rates))]
    return pl.DataFrame({"known_at": stamps, "rate_per_interval": rates, "interval_hours": None}, schema=FUNDING)


@pytest.mark.parametrize(
    ("base", "rates", "hours", "cap"),
    [
        ("BTC", [0.0001] * 20, 8, 0.003),
        ("ETH", [0.0001] * 10 + [-0.00375] + [0.0001] * 9, 8, 0.00375),
        ("SOL", [0.0001] * 20, 8, 0.02),
        ("SOL", [-0.025] * 20, 2, 0.025),
    ],
)
def test_a_cap_is_at_least_what_was_seen_and_what_venues_set(base, rates, hours, cap) -> None:
    assert assumed_cap(base, settled(rates, hours)) == (cap, float(hours))


def test_the_interval_is_the_last_one() -> None:
    slow, fast = settled([0.0001] * 30, 8), settled([0.0001] * 30, 2)
    late = fast.with_columns(pl.col("known_at") + (slow["known_at"][-1] + timedelta(hours=2) - fast["known_at"][0]))
    assert assumed_cap("SOL", pl.concat([slow, late])) == (0.02, 2.0)
