from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import Finding, Trouble
from stormsail.market.quality import max_age, tidy, verify
from stormsail.market.schema import Kind, SeriesInfo, conform
from tests.strategies import price_bars
from tests.support import DAY, HOUR, START, MemorySource, bars, funding, info_of, random_walk


def _tidy(
    frame: pl.DataFrame, *, bar: timedelta = HOUR, late: timedelta = timedelta(0)
) -> tuple[pl.DataFrame, list[str]]:
    info = info_of(frame, Kind.SPOT, "XYZ", bar=bar)
    clean, findings = tidy(frame, info, frame.select(pl.col("known_at").max()).item() + late)
    return clean, [f"{f.trouble.value}: {f.cause}" for f in findings]


def _close_only(frame: pl.DataFrame) -> pl.DataFrame:
    return conform(frame.select("known_at", "close"), Kind.SPOT, where="test")


def test_a_good_series_is_left_alone() -> None:
    frame = bars(random_walk(500, seed=1), spread=0.001)
    clean, found = _tidy(frame)
    assert clean.equals(frame)
    assert found == []


def test_exact_duplicates_are_dropped_and_of_contradictions_the_first_is_kept() -> None:
    frame = bars(random_walk(50, seed=1))
    wrong = frame.slice(20, 2).with_columns(pl.col("close") * 1.02, high=pl.col("close") * 1.05)
    clean, found = _tidy(pl.concat([frame, frame.slice(10, 3), wrong]))
    assert clean.equals(frame)
    assert found == ["note: 3 rows held more than once", "degraded: 2 rows at odds with an earlier one"]


@pytest.mark.parametrize(
    ("column", "value"),
    [("close", 0.0), ("close", float("nan")), ("low", -1.0), ("open", float("inf")), ("high", 1e-9)],
)
def test_rows_with_impossible_prices_are_dropped(column: str, value: float) -> None:
    frame = bars(random_walk(50, seed=1))
    at = pl.int_range(pl.len()) == 30
    clean, found = _tidy(frame.with_columns(pl.when(at).then(value).otherwise(pl.col(column)).alias(column)))
    assert clean.equals(pl.concat([frame.slice(0, 30), frame.slice(31)]))
    assert found[0] == "degraded: 1 row with an impossible price, the first at 2024-01-02 07:00"


def test_a_price_that_was_not_given_is_not_impossible() -> None:
    frame = _close_only(bars(random_walk(50, seed=1)))
    clean, found = _tidy(frame)
    assert clean.equals(frame)
    assert found == []


def test_gaps_stay_holes() -> None:
    frame = bars(random_walk(2000, seed=1))
    holed = frame.filter(~pl.int_range(pl.len()).is_between(100, 102) & (pl.int_range(pl.len()) != 500))
    clean, found = _tidy(holed)
    assert clean.equals(holed)
    assert found == ["note: 2 gaps, 4 bars missing, the longest 4h from 2024-01-05 04:00"]
    assert _tidy(frame.filter(~pl.int_range(pl.len()).is_between(100, 300)))[1][0].startswith("degraded: 1 gap, 201")


def _rescaled(frame: pl.DataFrame, row: int, factor: float) -> pl.DataFrame:
    before = pl.int_range(pl.len()) < row
    names = ["open", "high", "low", "close"]
    return frame.with_columns(pl.when(before).then(pl.col(n) / factor).otherwise(pl.col(n)).alias(n) for n in names)


@pytest.mark.parametrize("factor", [1000.0, 100.0, 10.0, 5.0, 0.2, 0.1, 0.001])
@pytest.mark.parametrize("opens", [True, False])
@pytest.mark.parametrize("silence", [0, 4])
def test_history_before_a_redenomination_is_cut(factor: float, opens: bool, silence: int) -> None:
    frame = bars(random_walk(200, seed=2, volatility=0.05), bar=DAY)
    # The first bar in the new unit opens where the last one closed.
    broken = _rescaled(frame, 100, factor).filter(~pl.int_range(pl.len()).is_between(100 - silence, 99))
    clean, found = _tidy(broken if opens else _close_only(broken), bar=DAY)
    assert clean["known_at"][0] == frame["known_at"][100]
    assert clean["close"].to_list() == frame["close"][100:].to_list()
    assert found[0].startswith("degraded: redenomination at 2024-04-11 00:00: price ")


def test_of_two_redenominations_the_last_counts() -> None:
    frame = _rescaled(_rescaled(bars(random_walk(200, seed=2), bar=DAY), 60, 100.0), 120, 0.1)
    clean, found = _tidy(frame, bar=DAY)
    assert clean.height == 80
    assert len(found) == 2


@given(price_bars(steepest=6.0))
def test_a_continuously_traded_crash_is_never_a_redenomination(frame: pl.DataFrame) -> None:
    clean, found = _tidy(frame)
    assert clean.equals(frame)
    assert not [f for f in found if "redenomination" in f or "re-used" in f]


@pytest.mark.parametrize("opens", [True, False])
def test_a_fall_by_99_99_percent_over_three_days_is_a_crash(opens: bool) -> None:
    calm = random_walk(300, seed=4, volatility=0.01)
    rng = np.random.Generator(np.random.Philox(key=5))
    # Hourly steps of a collapse: 99.99 % in 72 hours, with bounces and with hours that lose 80 % and more.
    steps = rng.normal(0.0, 0.4, 72)
    steps[[20, 30, 41]] -= 1.7
    steps += (np.log(1e-4) - steps.sum()) / 72
    path = np.concatenate([calm, calm[-1] * np.exp(np.cumsum(steps)), calm[-1] * 1e-4 * random_walk(48, seed=6) / 100])
    assert path[371] / path[299] == pytest.approx(1e-4)
    assert (path[1:] / path[:-1]).min() < 0.2
    frame = bars(path)
    clean, found = _tidy(frame if opens else _close_only(frame))
    assert clean.height == frame.height
    assert found == []


@pytest.mark.parametrize("bars_long", [1, 2])
@pytest.mark.parametrize("factor", [20.0, 0.05])
def test_a_bad_print_in_closes_is_not_a_redenomination(bars_long: int, factor: float) -> None:
    path = random_walk(100, seed=1)
    path[50 : 50 + bars_long] *= factor
    frame = _close_only(bars(path))
    assert _tidy(frame)[0].height == 100


def test_a_bad_first_price_after_an_outage_is_not_a_redenomination() -> None:
    path = random_walk(200, seed=1)
    path[150] *= 20
    frame = _close_only(bars(path)).filter(~pl.int_range(pl.len()).is_between(100, 149))
    clean, found = _tidy(frame)
    assert clean.equals(frame)
    assert [f.split(",")[0] for f in found] == ["degraded: 1 gap"]


def test_a_ticker_given_to_another_coin_loses_its_earlier_life() -> None:
    first = bars(random_walk(100, seed=1, first=0.0001), bar=DAY)
    second = bars(random_walk(100, seed=2, first=9.0), bar=DAY, start=START + 150 * DAY)
    clean, found = _tidy(pl.concat([first, second]), bar=DAY)
    assert clean.equals(second)
    assert found[0].startswith("degraded: re-used ticker at 2024-05-31 00:00: price x ")


def test_a_relaunch_weeks_after_a_crash_loses_the_crashed_coin() -> None:
    # Price falls from 80 to 0.0001 in six daily bars, is silent for 18 days, and comes back as a new coin at 9.
    fall = np.array([80.0, 64.0, 30.0, 5.0, 0.1, 0.0001])
    first = bars(np.concatenate([80 * random_walk(50, seed=1) / 100, fall]), bar=DAY)
    second = bars(random_walk(100, seed=2, first=9.0), bar=DAY, start=START + 74 * DAY)
    clean, found = _tidy(pl.concat([first, second]), bar=DAY)
    assert clean.equals(second)
    assert found[0].startswith("degraded: redenomination")


def test_a_long_silence_at_the_same_price_is_only_a_gap() -> None:
    first = bars(random_walk(100, seed=1, first=1.0), bar=DAY)
    second = bars(random_walk(100, seed=2, first=1.2), bar=DAY, start=START + 260 * DAY)
    clean, found = _tidy(pl.concat([first, second]), bar=DAY)
    assert clean.height == 200
    assert found[0].startswith("degraded: 1 gap, 160 bars missing")


def test_a_wick_is_told_and_kept() -> None:
    frame = bars(random_walk(100, seed=1, volatility=0.001))
    at = pl.int_range(pl.len()) == 40
    clean, found = _tidy(frame.with_columns(low=pl.when(at).then(pl.col("low") * 0.48).otherwise(pl.col("low"))))
    assert clean.height == 100
    assert found == ["note: 1 single-bar wick, the largest 52% at 2024-01-02 17:00"]


@pytest.mark.parametrize(
    ("late", "word"), [(24, None), (25, "is late: last row"), (24 * 30, "ended, perhaps delisted, last row")]
)
def test_age(late: int, word: str | None) -> None:
    found = _tidy(bars(random_walk(100, seed=1)), late=late * HOUR)[1]
    assert found == [] if word is None else word in found[0]
    assert max_age(DAY) == 2 * DAY
    assert max_age(timedelta(minutes=5)) == DAY


def test_an_expired_contract_says_so() -> None:
    frame = bars(random_walk(100, seed=1))
    end = frame["known_at"][-1]
    info = info_of(frame, Kind.DATED, "XYZ_240105", bar=HOUR, expiry=end)
    assert "expired last row" in tidy(frame, info, end + 5 * DAY)[1][0].cause


def test_funding_loses_its_duplicates_and_tells_its_age() -> None:
    frame = funding([0.0001, 0.0002, 0.0003])
    info = info_of(frame, Kind.FUNDING, "XYZUSDT")
    clean, findings = tidy(pl.concat([frame, frame.slice(1, 1)]), info, frame["known_at"][-1] + 3 * DAY)
    assert clean.equals(frame)
    assert [f.trouble for f in findings] == [Trouble.NOTE, Trouble.UNAVAILABLE]


def test_funding_without_a_number_is_dropped_and_not_zero() -> None:
    frame = funding([0.0001, float("nan"), 0.0003])
    clean, findings = tidy(frame, info_of(frame, Kind.FUNDING, "XYZUSDT"), frame["known_at"][-1])
    assert clean["rate_per_interval"].to_list() == [0.0001, 0.0003]
    assert [f.cause for f in findings] == ["1 row without a rate"]


def test_a_price_that_stands_still_is_told() -> None:
    path = random_walk(200, seed=1)
    path[100:140] = path[100]
    path[10:15] = path[10]
    assert _tidy(bars(path))[1] == ["note: price stands still once, the longest for 40 bars from 2024-01-05 05:00"]


def test_nothing_at_all_is_unavailable() -> None:
    frame = bars(random_walk(5, seed=1))
    info = info_of(frame, Kind.SPOT, "XYZ", bar=HOUR)
    assert [f.cause for f in tidy(frame.clear(), info, START)[1]] == ["no rows"]
    clean, findings = tidy(frame.with_columns(close=pl.lit(0.0)), info, START)
    assert clean.is_empty()
    assert findings[0].trouble is Trouble.DEGRADED


@given(price_bars(), st.data())
def test_tidying_twice_changes_nothing_and_no_row_is_invented(frame: pl.DataFrame, data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=frame.height, max_size=frame.height))
    extra = frame.filter(pl.Series(mask))
    once, _ = _tidy(pl.concat([frame, extra.with_columns(pl.col("close") * 1.5)]))
    assert once.equals(_tidy(once)[0]) if once.height else True
    assert once["known_at"].is_unique().all()
    assert once.join(frame, on=once.columns, how="anti", nulls_equal=True).is_empty()


def _source() -> MemorySource:
    frames: dict[SeriesInfo, pl.DataFrame] = {}
    for i, symbol in enumerate(["AAA", "BBB", "CCC"]):
        frame = bars(random_walk(100, seed=i))
        if symbol == "BBB":
            frame = pl.concat([frame, frame.slice(3, 1)])
        frames[info_of(frame, Kind.SPOT, symbol, bar=HOUR)] = frame
    return MemorySource(frames)


def test_verify_looks_at_every_series_and_says_how_far_it_is() -> None:
    seen: list[tuple[int, int]] = []
    findings = verify(_source().view(), progress=lambda done, total: seen.append((done, total)))
    assert [(f.subject, f.cause) for f in findings] == [("spot/binance/BBB", "1 row held more than once")]
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("symbol", "day", "factor"),
    [
        ("BTCST", "2021-03-20", "/ 10"),
        ("COCOS", "2021-01-24", "x 1,000"),
        ("DREP", "2021-04-03", "x 100"),
        ("SUN", "2021-06-19", "/ 1,000"),
    ],
)
def test_recorded_redenominations(real_data: object, symbol: str, day: str, factor: str) -> None:
    found = [f for f in _spot_1d_breaks(str(real_data)) if f.subject.endswith(f"/{symbol}")]
    assert len(found) == 1
    assert found[0].cause.startswith(f"redenomination at {day} 00:00: price {factor}")


@pytest.mark.realdata
def test_no_recorded_pump_or_crash_is_taken_for_one(real_data: object) -> None:
    # Among them UNFI x 5.5, DOGE x 4.9 and ONG x 4.7 in a day.
    assert len(_spot_1d_breaks(str(real_data))) == 4


def _spot_1d_breaks(path: str) -> list[Finding]:
    raw = pl.read_parquet(f"{path}/spot_1d_binance_2021_2022.parquet")
    found: list[Finding] = []
    for (symbol,), rows in raw.group_by("symbol", maintain_order=True):
        stamped = rows.with_columns(known_at=pl.col("ts").dt.offset_by("1d"))
        frame = conform(stamped, Kind.SPOT, where=str(symbol))
        info = info_of(frame, Kind.SPOT, str(symbol), bar=DAY)
        findings = tidy(frame, info, frame["known_at"][-1])[1]
        found.extend(f for f in findings if "redenomination" in f.cause or "re-used" in f.cause)
    return found
