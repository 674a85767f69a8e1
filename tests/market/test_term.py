"""Term structure: textbook figures, stale legs, no look-ahead, and the quarterlies of July 2025."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.adapters.sources.directory import DirectorySource
from stormsail.core import InputError, Trouble, Unavailable
from stormsail.market.basis import annual_basis, implied_rate
from stormsail.market.schema import Kind
from stormsail.market.source import MarketView
from stormsail.market.term import TermPoint, TermStructure, constant_maturity, forward_rates, term_structures
from tests.support import DAY, HOUR, START, MemorySource, bars, funding, info_of

END = START + 20 * DAY


def point(days: float, rate: float, name: str = "x") -> TermPoint:
    futures = 100.0 * math.exp(rate * days / 365)
    level = futures / 100 - 1
    return TermPoint(
        f"{name}:{days:g}", END, END + timedelta(days=days), days, futures, 100.0, level, level * 365 / days, rate
    )


def test_forward_rates_are_those_of_the_textbook() -> None:
    """Hull, table 4.5: zero rates 3, 4, 4.6, 5, 5.3 % give forwards 5, 5.8, 6.2, 6.5 %."""
    curve = [point(365 * (i + 1), r) for i, r in enumerate((0.03, 0.04, 0.046, 0.05, 0.053))]
    assert [f.rate for f in forward_rates(curve[::-1])] == pytest.approx([0.05, 0.058, 0.062, 0.065], abs=1e-12)
    assert forward_rates(curve[:1]) == ()


def test_constant_maturity_keeps_the_forward_flat_and_is_unavailable_outside() -> None:
    curve = [point(20, 0.05), point(80, 0.08)]
    between = forward_rates(curve)[0].rate
    assert constant_maturity(curve, 30) == pytest.approx((0.05 * 20 + between * 10) / 30, abs=1e-15)
    assert constant_maturity(curve, 80) == pytest.approx(0.08, abs=1e-15)
    for outside in (19.9, 80.1):
        assert isinstance(constant_maturity(curve, outside), Unavailable)
    assert constant_maturity([], 30) == Unavailable("no dated contract")
    with pytest.raises(InputError, match="end together"):
        constant_maturity([point(20, 0.05), point(20, 0.06, "y")], 20)
    with pytest.raises(InputError, match="positive"):
        constant_maturity(curve, 0)


@given(
    st.lists(st.tuples(st.floats(1, 700), st.floats(-0.3, 0.5)), min_size=2, max_size=6, unique_by=lambda p: p[0]),
    st.floats(0, 1),
)
def test_growing_at_the_forwards_gives_the_last_rate(rates: list[tuple[float, float]], where: float) -> None:
    curve = [point(round(days * 24) / 24, rate) for days, rate in rates]
    if len({p.days for p in curve}) < len(curve):
        return
    order = sorted(curve, key=lambda p: p.days)
    growth = order[0].rate * order[0].days
    growth += sum(f.rate * ((f.end - f.start) / DAY) for f in forward_rates(curve))
    assert growth == pytest.approx(order[-1].rate * order[-1].days, abs=1e-6)
    days = order[0].days + where * (order[-1].days - order[0].days)
    found = constant_maturity(curve, days)
    if not isinstance(found, Unavailable):
        i = min(int(np.searchsorted([p.days for p in order], days)), len(order) - 1)
        ends = sorted(p.rate * p.days for p in order[max(i - 1, 0) : i + 1])
        assert ends[0] - 1e-9 <= found * days <= ends[-1] + 1e-9


def _market(late: timedelta = timedelta(0), *, days: int = 20) -> MemorySource:
    rows = days * 24
    spot = 40_000.0 + np.arange(rows, dtype=float)
    held = {}
    frame = bars(spot)
    held[info_of(frame, Kind.SPOT, "BTC", bar=HOUR)] = frame
    for name, end, rate in (("240329", END + 30 * DAY, 0.10), ("240628", END + 120 * DAY, 0.12)):
        stamps = frame["known_at"].to_list()
        left = np.array([(end - s) / DAY for s in stamps])
        dated = bars(spot * np.exp(rate * left / 365))
        if name == "240628" and late:
            dated = dated.filter(dated["known_at"] <= stamps[-1] - late)
        held[info_of(dated, Kind.DATED, f"BTCUSDT_{name}", asset="BTC", bar=HOUR, expiry=end)] = dated
    perpetual = bars(spot * 1.0005)
    held[info_of(perpetual, Kind.PERPETUAL, "BTCUSDT", bar=HOUR)] = perpetual
    paid = funding([0.0001] * (3 * days), start=START + 8 * HOUR)
    held[info_of(paid, Kind.FUNDING, "BTCUSDT")] = paid
    return MemorySource(held)


def only(source: MemorySource, when: datetime = END) -> TermStructure:
    (found,) = term_structures(source.view(when), "BTC")
    return found


def test_the_curve_of_a_coin() -> None:
    curve = only(_market())
    assert [p.contract for p in curve.dated] == ["binance:BTCUSDT_240329", "binance:BTCUSDT_240628"]
    assert [p.rate for p in curve.dated] == pytest.approx([0.10, 0.12], abs=1e-12)
    assert [p.days for p in curve.dated] == [30, 120]
    assert curve.dated[0].level == pytest.approx(math.exp(0.1 * 30 / 365) - 1, abs=1e-14)
    assert curve.forwards[0].rate == pytest.approx((0.12 * 120 - 0.10 * 30) / 90, abs=1e-12)
    assert curve.constant(90) == pytest.approx((0.10 * 30 + 60 * curve.forwards[0].rate) / 90, abs=1e-12)
    (floating,) = curve.perpetuals
    assert floating.level == pytest.approx(0.0005, abs=1e-12)
    assert floating.rate == pytest.approx(0.0001 * 3 * 365, abs=1e-12)
    assert curve.findings == ()


def test_prices_are_compared_where_both_were_known() -> None:
    curve = only(_market(late=3 * HOUR))
    near, far = curve.dated
    assert (near.moment, far.moment) == (END, END - 3 * HOUR)
    assert far.spot == near.spot - 3
    assert far.rate == pytest.approx(0.12, abs=1e-12)


def test_a_leg_whose_prices_do_not_meet_within_a_bar_is_left_out_and_named() -> None:
    source = _market()
    spot = next(info for info in source.infos.values() if info.key.kind is Kind.SPOT)
    frame = source.frames[spot.key]
    hole = frame.filter((frame["known_at"] <= END - 5 * HOUR) | (frame["known_at"] > END - HOUR))
    dated = next(info for info in source.infos.values() if info.key.symbol == "BTCUSDT_240628")
    ended = source.frames[dated.key].filter(source.frames[dated.key]["known_at"] <= END - 2 * HOUR)
    rest = {info: source.frames[info.key] for info in source.infos.values()}
    curve = only(MemorySource({**rest, spot: hole, dated: ended}))
    (found,) = curve.findings
    assert (found.trouble, found.subject) == (Trouble.UNAVAILABLE, "basis binance:BTCUSDT_240628")
    assert "3h apart" in found.cause
    assert len(curve.dated) == 1


def test_nothing_later_is_seen() -> None:
    now = START + 15 * DAY
    whole, early = _market(), _market(days=15)
    assert only(whole, now) == only(early, now) == only(whole.scrambled_after(now), now)


def test_without_spot_there_is_no_curve() -> None:
    source = _market()
    rest = {i: source.frames[i.key] for i in source.infos.values() if i.key.kind is not Kind.SPOT}
    assert term_structures(MemorySource(rest).view(END), "BTC") == ()


@pytest.mark.realdata
def test_quarterlies_of_july_2025(real_data: Path) -> None:
    source = DirectorySource(real_data)
    for coin, level, rate in (("BTC", 0.034948176, 0.076530484), ("ETH", 0.030971685, 0.067954031)):
        (curve,) = term_structures(MarketView(source, datetime(2025, 7, 15, 12, 7, tzinfo=UTC)), coin)
        (dated,) = curve.dated
        assert dated.contract == f"binance:{coin}USDT_251226"
        assert dated.moment == datetime(2025, 7, 15, 12, tzinfo=UTC)
        assert (dated.level, dated.rate) == pytest.approx((level, rate), abs=1e-8)
        (own,) = curve.perpetuals
        assert isinstance(own.rate, float)
        assert abs(own.level) < 0.001 and 0.05 < own.rate < 0.10
        assert isinstance(curve.constant(30), Unavailable)


@pytest.mark.realdata
def test_a_curve_of_thirteen_ends_on_deribit(real_data: Path) -> None:
    """Quotes of 2026-08-01, against the perpetual: nearly flat at 4 % a year beyond the first month."""
    rows = pl.read_parquet(real_data / "deribit_term_structure_2026.parquet").filter(
        (pl.col("ts").dt.year() == 2026) & (pl.col("ts").dt.month() == 8) & (pl.col("base") == "BTC")
    )
    now = rows["ts"][0]
    middle = {row["instrument"]: (row["bid"] + row["ask"]) / 2 for row in rows.iter_rows(named=True)}
    spot, curve = middle.pop("BTC-PERPETUAL"), []
    for name, futures in middle.items():
        end = datetime.strptime(name.removeprefix("BTC-"), "%d%b%y").replace(hour=8, tzinfo=UTC)
        days = (end - now) / DAY
        level, rate = futures / spot - 1, implied_rate(futures, spot, days)
        curve.append(TermPoint(name, now, end, days, futures, spot, level, annual_basis(futures, spot, days), rate))
    assert len(curve) == 13
    assert constant_maturity(curve, 30) == pytest.approx(0.0390895, abs=1e-7)
    assert constant_maturity(curve, 90) == pytest.approx(0.0398468, abs=1e-7)
    assert all(0.03 < f.rate < 0.05 for f in forward_rates(curve) if f.start - now > 20 * DAY)
