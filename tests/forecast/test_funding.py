from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormsail.core import InputError, Unavailable
from stormsail.forecast.funding import (
    FEWEST,
    LONG,
    baseline_carry,
    daily_series,
    dated_carry,
    forecast_carry,
    forecast_sum,
    trailing_mean,
    usual,
)
from stormsail.market.schema import FUNDING

END = datetime(2025, 6, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
DAY = timedelta(days=1)


def frame(daily, hours=8, end=END):
    """Settlements every ``hours`` that add up to ``daily`` (oldest first), the last at ``end``."""
    per_day = 24 // hours
    rates = np.repeat(np.asarray(daily, dtype=float) / per_day, per_day)
    stamps = [end - timedelta(hours=hours * i) for i in range(len(rates) - 1, -1, -1)]
    rows = {"known_at": stamps, "rate_per_interval": rates, "interval_hours": np.full(len(rates), float(hours))}
    return pl.DataFrame(rows, schema=FUNDING)


def reverting(days=500, rho=0.8, mean=0.0003, sd=0.0003, seed=1):
    rng = np.random.default_rng(seed)
    x = np.empty(days)
    x[0] = mean
    for i in range(1, days):
        x[i] = mean + rho * (x[i - 1] - mean) + sd * rng.normal()
    return x


@pytest.mark.parametrize("hours", [1, 2, 4, 8])
def test_interval_does_not_change_the_forecast(hours):
    series = reverting()
    got, eight = (forecast_carry(frame(series, h), MONTH, as_of=END) for h in (hours, 8))
    assert (got.expected, got.low, got.high) == pytest.approx((eight.expected, eight.low, eight.high), rel=1e-9)


def test_change_of_interval_is_followed():
    old = frame(np.full(60, 0.0003), 8, END - timedelta(days=60))
    new = frame(np.full(60, 0.0003), 4)
    got = forecast_carry(pl.concat([old, new]), MONTH, as_of=END)
    assert got.expected == pytest.approx(0.009, rel=1e-3)


def test_constant_funding_is_its_own_forecast():
    got = forecast_carry(frame(np.full(200, 0.0003)), MONTH, as_of=END)
    assert (got.expected, got.low, got.high) == pytest.approx((0.009, 0.009, 0.009), abs=1e-12)
    assert (got.horizon, got.assumed, got.n) == (MONTH, False, 200)


def test_positive_funding_is_received_by_the_short():
    assert forecast_carry(frame(reverting()), MONTH, as_of=END).expected > 0
    assert forecast_carry(frame(-reverting()), MONTH, as_of=END).expected < 0


def test_spike_fades_towards_the_mean():
    series = np.full(300, 0.0003) + 1e-5 * np.sin(np.arange(300))
    series[-3:] = 0.01
    day = forecast_carry(frame(series), timedelta(days=1), as_of=END).expected
    month = forecast_carry(frame(series), MONTH, as_of=END).expected / 30
    assert 0.0003 < month < day <= 0.01 + 1e-12
    assert month < 0.004


def test_a_storm_is_neither_a_new_mean_nor_lasting():
    """Two days at -5 % and -15 % after a calm year: what fades by a half in five settlements, plus a little."""
    calm = 0.0003 + 1e-4 * np.sin(np.arange(365))
    series = np.r_[calm, -0.05, -0.15]
    fade = 0.5**0.6
    held = np.quantile(series, 0.05)
    beyond = (-0.05 - 0.15 + calm[-1] - (2 * held + calm[-1])) / 3
    month = forecast_carry(frame(series), MONTH, as_of=END)
    assert month.expected == pytest.approx(30 * 0.0003 + beyond * fade / (1 - fade), abs=0.012)
    assert month.low < month.expected - 0.01
    later = forecast_carry(frame(np.r_[series, calm[:20]]), MONTH, as_of=END)
    assert later.expected == pytest.approx(30 * 0.0003, abs=0.002)


def test_usual_holds_three_days_on_each_side():
    series = np.r_[np.linspace(0.0, 1.0, 21), np.nan]
    assert (np.nanmin(usual(series)), np.nanmax(usual(series))) == pytest.approx((3 / 21, 18 / 21))
    assert np.isnan(usual(series)[-1])


def test_known_process_is_forecast_better_than_no_change_and_covered():
    """500 days of an AR(1); the truth is its own continuation."""
    better, inside = 0.0, 0
    naive = 0.0
    for seed in range(80):
        whole = reverting(530, seed=seed)
        got = forecast_carry(frame(whole[:500]), MONTH, as_of=END)
        truth = whole[500:].sum()
        better += (got.expected - truth) ** 2
        naive += (30 * whole[499] - truth) ** 2
        inside += got.low <= truth <= got.high
    assert better < 0.5 * naive
    assert 0.82 <= inside / 80 <= 1.0


def test_nothing_after_the_decision_reaches_it():
    series = reverting(400)
    rows = frame(series)
    as_of = END - timedelta(days=100)
    before = forecast_carry(rows, MONTH, as_of=as_of)
    spoilt = rows.with_columns(
        pl.when(pl.col("known_at") > as_of).then(0.5).otherwise(pl.col("rate_per_interval")).alias("rate_per_interval")
    )
    assert before == forecast_carry(spoilt, MONTH, as_of=as_of)
    assert before == forecast_carry(rows.filter(pl.col("known_at") <= as_of), MONTH, as_of=as_of)


def test_thin_history_is_wider_and_says_so():
    series = reverting(400)
    thin = forecast_carry(frame(series[-20:]), MONTH, as_of=END)
    thick = forecast_carry(frame(series), MONTH, as_of=END)
    assert "only 20 days" in thin.method
    assert "only" not in thick.method
    assert thin.high - thin.low > thick.high - thick.low


@pytest.mark.parametrize("days", [0, 1, FEWEST - 1])
def test_no_history_is_unavailable(days):
    got = forecast_carry(frame(np.full(days, 0.0003)), MONTH, as_of=END)
    assert isinstance(got, Unavailable)


def test_old_history_is_unavailable():
    got = forecast_carry(frame(np.full(100, 0.0003)), MONTH, as_of=END + timedelta(days=4))
    assert isinstance(got, Unavailable)
    assert "2025-06-01" in got.reason


def test_days_with_a_lost_settlement_are_not_counted():
    rows = frame(np.full(100, 0.0003))
    holed = rows.filter(pl.int_range(pl.len()) != 151)
    series, last = daily_series(holed, END)
    assert last == END
    assert np.isnan(series).sum() >= 1
    assert np.nanmax(np.abs(series - 0.0003)) < 1e-15
    assert forecast_carry(holed, MONTH, as_of=END).n < 100


def test_unfinished_day_is_not_used():
    rows = frame(np.full(50, 0.0003))
    series, last = daily_series(rows, END - timedelta(hours=5))
    assert last == END - timedelta(days=1)
    assert len(series) == 49


def test_caps_bind():
    got = forecast_carry(frame(reverting(sd=0.003)), MONTH, as_of=END, cap_per_day=0.0002, floor_per_day=-0.0001)
    assert got.high <= 0.006 + 1e-15
    assert got.low >= -0.003 - 1e-15
    assert got.low <= got.expected <= got.high


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 200), st.floats(0.2, 120))
def test_low_expected_high_are_in_order_and_finite(seed, days, horizon):
    got = forecast_carry(frame(reverting(days, seed=seed)), timedelta(days=horizon), as_of=END)
    assert -np.inf < got.low <= got.expected <= got.high < np.inf


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50))
def test_forecast_scales_with_funding(seed, scale):
    series = reverting(200, seed=seed)
    a, b = (forecast_carry(frame(s), MONTH, as_of=END) for s in (series, scale * series))
    assert (b.expected, b.low, b.high) == pytest.approx(tuple(scale * v for v in (a.expected, a.low, a.high)), rel=1e-6)


def test_horizon_must_be_positive():
    with pytest.raises(InputError):
        forecast_carry(frame(np.full(100, 0.0003)), timedelta(0), as_of=END)


def test_trailing_mean_needs_four_fifths():
    x = np.array([1.0, 2.0, np.nan, 4.0, 5.0, np.nan, np.nan])
    got = trailing_mean(x, 5)
    assert got[:2].tolist() == [1.0, 1.5]
    assert np.isnan(got[2])
    assert got[4] == 3.0
    assert np.isnan(got[6])


def test_baseline_is_assumed_with_a_worst_case():
    got = baseline_carry(0.0001, 8, MONTH)
    assert got.expected == pytest.approx(0.009)
    assert (got.low, got.high) == pytest.approx((-0.018, 0.051))
    assert (got.assumed, got.n) == (True, 0)
    assert "assumed" in got.method
    assert baseline_carry(0.0000125, 1, MONTH).expected == pytest.approx(0.009)
    with pytest.raises(InputError):
        baseline_carry(0.0001, 0, MONTH)


def test_dated_basis_is_locked_to_expiry():
    got = dated_carry(103.0, 100.0, END + MONTH, END, MONTH)
    assert (got.expected, got.low, got.high) == pytest.approx((0.03, 0.03, 0.03))
    assert dated_carry(98.0, 100.0, END + MONTH, END, MONTH).expected == pytest.approx(-0.02)


def test_what_lies_beyond_expiry_is_not_locked():
    """3 % in 30 days are 36.5 % a year; half of it for another 30 days, known to the square root of 45 days."""
    got = dated_carry(103.0, 100.0, END + MONTH, END, timedelta(days=60))
    band = 1.6448536269514722 * 0.01 * np.sqrt(45) * 30 / 365
    assert got.expected == pytest.approx(0.045)
    assert (got.low, got.high) == pytest.approx((0.045 - band, 0.045 + band))
    assert "the 30 days after it" in got.method
    widths = [g.high - g.low for d in (31, 60, 120, 365) if (g := dated_carry(103, 100, END + MONTH, END, d * DAY))]
    assert widths == sorted(widths) and widths[0] > 0


def test_closing_early_earns_its_share_with_basis_risk():
    got = dated_carry(104.0, 100.0, END + timedelta(days=120), END, MONTH)
    band = 1.6448536269514722 * 0.01 * np.sqrt(30) * 90 / 365
    assert got.expected == pytest.approx(0.01)
    assert (got.low, got.high) == pytest.approx((0.01 - band, 0.01 + band))


@pytest.mark.parametrize(
    "arguments",
    [
        (0.0, 100.0, END + MONTH, END, MONTH),
        (100.0, -1.0, END + MONTH, END, MONTH),
        (100.0, 100.0, END, END, MONTH),
        (100.0, 100.0, END + MONTH, END, timedelta(0)),
    ],
)
def test_dated_contract_must_make_sense(arguments):
    with pytest.raises(InputError):
        dated_carry(*arguments)


def settled(rows, coin):
    one = rows.filter(pl.col("symbol") == coin).unique("ts", maintain_order=True).sort("ts")
    return one.select(
        pl.col("ts").cast(FUNDING["known_at"]).alias("known_at"),
        pl.col("rate").alias("rate_per_interval"),
        pl.lit(None, dtype=pl.Float64).alias("interval_hours"),
    )


@pytest.mark.realdata
@pytest.mark.parametrize(("days", "limit"), [(7, 0.92), (30, 0.8)])
def test_real_funding_is_forecast_better_than_no_change(real_data, days, limit):
    """Every day of five to six years: ratio of root mean squared errors, and how often the worst 5 % was undercut."""
    rows = pl.read_parquet(real_data / "funding_binance.parquet")
    ratios, under, tests = [], 0, 0
    for coin in ("BTC", "ETH", "SOL"):
        series, _ = daily_series(settled(rows, coin), datetime(2030, 1, 1, tzinfo=UTC))
        ours, same = [], []
        for t in range(LONG + 30, len(series) - days):
            truth = series[t + 1 : t + 1 + days].sum()
            if np.isfinite(truth) and np.isfinite(series[t]):
                got = forecast_sum(series[: t + 1], days)
                ours.append(got.expected - truth)
                same.append(days * series[t] - truth)
                under += truth < got.low
                tests += 1
        ratios.append(np.sqrt(np.mean(np.square(ours)) / np.mean(np.square(same))))
    print(f"{days} d: RMSE over no change {np.round(ratios, 3)}, below the worst 5 %: {under / tests:.3f} of {tests}")
    assert max(ratios) < limit
    assert under / tests < 0.05


@pytest.mark.realdata
def test_the_storm_of_november_2022_does_not_last_a_month(real_data):
    """SOL had settled -22 % in two days; the month after it cost another 13 %."""
    rows = pl.read_parquet(real_data / "funding_binance.parquet")
    as_of = datetime(2022, 11, 11, tzinfo=UTC)
    got = forecast_carry(settled(rows, "SOL"), MONTH, as_of=as_of)
    assert -0.35 < got.expected < -0.05
    assert got.low < -0.134
