import math

import numpy as np
import pytest

from stormsail.core import InputError
from stormsail.ratio.contest import contest, diebold_mariano, holm, losses, walk, window_text
from stormsail.ratio.effectiveness import shortfall
from stormsail.ratio.estimators import ESTIMATORS, estimate

START = np.datetime64("2024-01-01", "us")
DAY = np.timedelta64(1, "D")


def days(rows):
    return START + np.arange(rows) * DAY


def world(rows=365, ratios=(1.6,), noise=0.02, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(ratios))) * 0.04
    return x @ np.array(ratios) + noise * rng.normal(size=rows), x


def run(y, x, **settings):
    names = ["BTC", "ETH", "SOL"][: x.shape[1]]
    return contest("portfolio", y, names, x, days(len(y)), **settings)


@pytest.mark.parametrize(("embargo", "step"), [(1, 1), (3, 1), (1, 7), (5, 4)])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_ratio_of_a_row_comes_from_rows_before_it(name, embargo, step):
    y, x = world(120, (0.9, 0.4))
    walked = walk(ESTIMATORS[name], y, x, min_train=60, embargo=embargo, step=step)
    assert walked.rows[0] == 60 + embargo - 1
    for i in (0, 1, step, len(walked.rows) - 1):
        at = walked.rows[i - i % step]
        want = estimate(name, y[: at - embargo + 1], x[: at - embargo + 1])
        np.testing.assert_allclose(walked.ratios[i], want, rtol=1e-9)
        assert walked.hedged[i] == pytest.approx(y[walked.rows[i]] - x[walked.rows[i]] @ walked.ratios[i], abs=1e-15)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_changing_tomorrow_changes_no_ratio_up_to_tomorrow(name):
    y, x = world(200, (0.9, 0.4))
    before = walk(ESTIMATORS[name], y, x)
    y[150:] *= -9.0
    x[150:] += 0.5
    after = walk(ESTIMATORS[name], y, x)
    known = before.rows <= 150
    assert before.ratios[known].tobytes() == after.ratios[known].tobytes()
    if name != "naive":
        assert (before.ratios[~known] != after.ratios[~known]).any()


def test_shifting_the_exposure_by_a_day_destroys_the_hedge():
    """If a ratio peeked, a shifted series would still be hedged."""
    y, x = world()
    shifted = run(y[1:], x[:-1])
    assert all(row.effectiveness.value < 0.1 for row in shifted.rows if row.estimator != "naive")
    assert shifted.rows[0].effectiveness.value < 0.0


def test_true_ratio_away_from_one_beats_naive():
    result = run(*world())
    by_name = {row.estimator: row for row in result.rows}
    assert result.winner != "naive"
    assert by_name[result.winner].p_holm < 0.05
    assert by_name[result.winner].gain_over_naive > 0.05
    assert result.ratio.values[0].value == pytest.approx(1.6, abs=0.15)
    assert "beats naive" in result.reason


def test_rows_are_naive_first_and_consistent():
    result = run(*world(ratios=(0.6, 0.7)))
    naive = result.rows[0]
    assert [row.estimator for row in result.rows] == list(ESTIMATORS)
    assert (naive.p_value, naive.p_holm, naive.gain_over_naive, naive.turnover) == (1.0, 1.0, 0.0, 0.0)
    assert naive.mean_ratio == (0.5, 0.5)
    for row in result.rows[1:]:
        assert row.p_value <= row.p_holm <= 1.0
        assert row.gain_over_naive == pytest.approx(row.effectiveness.value - naive.effectiveness.value)
        assert row.effectiveness.low <= row.effectiveness.value <= row.effectiveness.high
        assert row.turnover > 0.0
    assert naive.effectiveness.n == 305
    assert naive.effectiveness.window == "2024-03-01..2024-12-30 1d"
    assert result.ratio.window == "2024-01-01..2024-12-30 1d"


def test_naive_stays_where_one_is_the_truth_in_nineteen_of_twenty_worlds():
    kept = sum(run(*world(200, (1.0,), 0.03, seed=s)).winner == "naive" for s in range(100))
    assert kept >= 95


def test_simplest_of_the_level_beaters_wins():
    for seed in range(5):
        result = run(*world(365, (1.6,), 0.02, seed))
        names = list(ESTIMATORS)
        beaters = [r.estimator for r in result.rows if r.p_holm < 0.05 and r.gain_over_naive > 0]
        assert result.winner in beaters
        best = max(result.rows, key=lambda r: r.effectiveness.value).estimator
        assert names.index(result.winner) <= names.index(best)


def test_holes_are_left_out():
    y, x = world()
    y[100], x[200] = np.nan, np.nan
    result = run(y, x)
    assert result.rows[0].effectiveness.n == 303
    assert result.ratio.n == 363


@pytest.mark.parametrize("rows", [0, 1, 10, 79])
def test_too_little_history_leaves_naive_and_says_so(rows):
    y, x = world(rows)
    result = run(y, x)
    assert (result.winner, result.rows) == ("naive", ())
    assert "20 needed" in result.reason or "do not move" in result.reason
    assert result.ratio.values[0].value == 1.0


def test_eighty_days_are_enough():
    assert len(run(*world(80)).rows) == len(ESTIMATORS)


def test_instrument_that_stands_still_leaves_naive():
    result = run(world()[0], np.zeros((365, 1)))
    assert (result.winner, result.rows) == ("naive", ())
    assert "do not move" in result.reason


def test_shortfall_can_be_the_judge():
    result = run(*world(500), loss="shortfall")
    assert "expected shortfall" in result.reason
    assert result.winner != "naive"


def test_mean_of_the_losses_is_the_criterion():
    e = np.random.default_rng(1).normal(size=400)
    assert losses(e).mean() == pytest.approx(e.var())
    assert losses(e, "shortfall").mean() == pytest.approx(shortfall(e), rel=0.02)


def test_diebold_mariano_by_hand():
    """Two lags of autocovariance would be kept at n = 8; the statistic is worked out term by term."""
    a = np.array([4.0, 3.0, 5.0, 6.0, 4.0, 5.0, 7.0, 6.0])
    b = np.array([3.0, 3.0, 4.0, 4.0, 4.0, 3.0, 5.0, 6.0])
    d = a - b
    c = d - d.mean()
    lag = math.floor(4 * (8 / 100) ** (2 / 9))
    long_run = (c @ c) / 8 + 2 * sum((1 - j / (lag + 1)) * (c[j:] @ c[:-j]) / 8 for j in range(1, lag + 1))
    statistic = d.mean() / math.sqrt(long_run / 8) * math.sqrt(7 / 8)
    from scipy.stats import t

    assert diebold_mariano(a, b) == pytest.approx(t.sf(statistic, 7), rel=1e-12)
    assert diebold_mariano(b, a) == pytest.approx(t.cdf(statistic, 7), rel=1e-12)


def test_diebold_mariano_is_uniform_when_nothing_differs():
    rng = np.random.default_rng(5)
    p = np.array([diebold_mariano(*rng.normal(size=(2, 250)) ** 2) for _ in range(600)])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert p.mean() == pytest.approx(0.5, abs=0.05)


def test_holm_by_the_book():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
    assert holm([0.9, 0.8]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("times", "text"),
    [
        (days(3), "2024-01-01..2024-01-03 1d"),
        (START + np.arange(5) * np.timedelta64(4, "h"), "2024-01-01..2024-01-01 4h"),
        (days(0), "empty"),
    ],
)
def test_window_is_written_out(times, text):
    assert window_text(times) == text


@pytest.mark.parametrize("settings", [{"embargo": 0}, {"step": 0}, {"min_train": 0}])
def test_impossible_walks_are_refused(settings):
    with pytest.raises(InputError):
        run(*world(), **settings)


def test_wrong_shapes_are_refused():
    y, x = world()
    with pytest.raises(InputError):
        contest("p", y, ["BTC", "ETH"], x, days(365))
    with pytest.raises(InputError):
        contest("p", y, ["BTC"], x, days(364))


def test_same_input_same_table():
    y, x = world(365, (0.5, 0.4, 0.3))
    first = run(y, x)
    second = run(y, x)
    assert first.rows == second.rows
    assert first.reason == second.reason


@pytest.mark.realdata
def test_real_alts_keep_naive_on_most_and_gain_little_elsewhere(real_data):
    """Perpetuals on Binance, 365 days to each storm: winners of the contest, coin by coin, hedged with BTC and ETH."""
    import polars as pl

    bars = pl.read_parquet(real_data / "perp_4h_binance.parquet", columns=["symbol", "ts", "close"])
    daily = bars.filter(pl.col("ts").dt.hour() == 20).with_columns(pl.col("ts").dt.date().alias("day"))
    wide = daily.pivot(on="symbol", index="day", values="close", aggregate_function="last").sort("day")
    report = []
    for end in ("2022-05-06", "2022-11-05", "2024-08-03", "2025-08-31"):
        year = wide.filter(pl.col("day") <= pl.lit(end).str.to_date()).tail(366)
        returns = {c: (year[c] / year[c].shift() - 1).to_numpy()[1:] for c in year.columns if c != "day"}
        alts = [c for c in sorted(returns) if c not in ("BTC", "ETH") and np.isfinite(returns[c]).all()][:40]
        x = np.column_stack([returns["BTC"], returns["ETH"]])
        when = year["day"].to_numpy()[1:].astype("datetime64[us]")
        done = [contest(a, returns[a], ["BTC", "ETH"], x, when) for a in alts]
        mean = contest("alts", np.mean([returns[a] for a in alts], axis=0), ["BTC", "ETH"], x, when)
        kept = np.mean([c.winner == "naive" for c in done])
        value = np.median([c.rows[0].effectiveness.value for c in done])
        gain = np.median([max(r.gain_over_naive for r in c.rows) for c in done])
        report.append((kept, gain))
        print(f"{end}: {len(alts)} coins, naive kept {kept:.2f}, effectiveness {value:.2f}, best gain {gain:.3f}")
        print(f"    equal weight: {mean.winner}, {mean.reason}")
        assert len(alts) >= 15
        assert 0.1 < value < 0.9
    assert np.mean([kept for kept, _ in report]) > 0.5
    assert all(gain < 0.1 for _, gain in report)
