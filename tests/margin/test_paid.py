"""Funding a short may have to pay before a top-up: the measure against a plain loop, the table against the past."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.margin.paid import funding_buffer, largest_paid, paid_before

CUT = pl.datetime(2024, 1, 1)


def slow(hours: list[float], rates: list[float], span: float) -> list[float]:
    found = []
    for i, begin in enumerate(hours):
        inside = [k for k in range(i, len(hours)) if hours[k] < begin + span - 0.02]
        after = inside[-1] + 1
        if after >= len(hours):
            break
        if any(hours[k + 1] - hours[k] > 8.02 for k in range(i, after)):
            continue
        running, most = 0.0, 0.0
        for k in inside:
            running -= rates[k]
            most = max(most, running)
        found.append(most)
    return found


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 4, 8, 16]), st.floats(-0.02, 0.02)), min_size=1, max_size=40),
    st.sampled_from([8.0, 24.0, 72.0]),
)
def test_the_largest_sum_equals_a_plain_loop(steps: list[tuple[int, float]], span: float) -> None:
    hours = np.cumsum([gap for gap, _ in steps])
    rates = [rate for _, rate in steps]
    times = np.datetime64("2024-01-01", "s") + hours * np.timedelta64(3600, "s")
    found = largest_paid(times, np.array(rates), span)
    np.testing.assert_allclose(found, slow([float(h) for h in hours], rates, span), atol=1e-12)


@given(st.floats(0.5, 2000), st.floats(0.5, 2000), st.sampled_from(["BTC", "ETH", "SOL", "PEPE"]))
def test_longer_spans_pay_no_less_and_majors_no_more(a: float, b: float, base: str) -> None:
    low, high = sorted((a, b))
    assert 0 < paid_before(base, low) <= paid_before(base, high) * (1 + 1e-12)
    assert paid_before("BTC", a) < paid_before("DOGE", a)


@given(st.floats(0, 0.05), st.sampled_from([1.0, 2.0, 4.0, 8.0]), st.floats(1, 400), st.booleans())
def test_the_cap_bounds_the_buffer(cap: float, interval: float, hours: float, young: bool) -> None:
    found = funding_buffer("SOL", hours, cap=-cap, interval_hours=interval, young=young)
    most = cap * np.ceil(hours / interval)
    assert 0 <= found <= most
    assert found == (most if young else pytest.approx(min(most, paid_before("SOL", hours))))


@pytest.mark.realdata
def test_the_table_is_what_was_paid_and_held_afterwards(real_data: Path) -> None:
    frame = pl.read_parquet(real_data / "funding_binance.parquet").with_columns(pl.col("ts").dt.replace_time_zone(None))
    frame = frame.unique(["symbol", "ts"]).sort("symbol", "ts")
    for hours in (8.0, 24.0, 72.0, 168.0):
        for early in (True, False):
            part = frame.filter(pl.col("ts") < CUT if early else pl.col("ts") >= CUT)
            spans = {
                str(name): largest_paid(one["ts"].to_numpy(), one["rate"].to_numpy(), hours)
                for (name,), one in part.group_by(["symbol"], maintain_order=True)
            }
            spans = {name: s for name, s in spans.items() if len(s) >= 200}
            majors = [spans.pop("BTC"), spans.pop("ETH")]
            together = np.concatenate(list(spans.values()))
            if early:
                worst = np.quantile([np.quantile(s, 0.999) for s in spans.values()], 0.9)
                for base, measured in (
                    ("BTC", max(np.quantile(s, 0.999) for s in majors)),
                    ("SOL", max(worst, np.quantile(together, 0.999))),
                ):
                    assert measured <= paid_before(base, hours) <= 1.06 * measured
            else:
                assert (np.concatenate(majors) > paid_before("BTC", hours)).mean() <= 0.001
                assert (together > paid_before("SOL", hours)).mean() <= 0.001
