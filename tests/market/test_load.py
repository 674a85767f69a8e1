from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.market.load import grid_end, load_bars, load_panel
from stormsail.market.lookup import Lookup
from stormsail.market.schema import Kind, SeriesInfo
from stormsail.market.source import MarketView
from tests.support import DAY, HOUR, START, MemorySource, bars, info_of, random_walk


def _one(
    symbol: str, frame: pl.DataFrame, kind: Kind = Kind.SPOT, bar: timedelta = HOUR
) -> dict[SeriesInfo, pl.DataFrame]:
    return {info_of(frame, kind, symbol, bar=bar): frame}


def _series(source: MemorySource) -> dict[str, SeriesInfo]:
    return {info.asset: info for info in source.catalogue()}


def test_days_are_closes_at_midnight_per_one_coin() -> None:
    spot, perpetual = bars(random_walk(24 * 10 + 7, seed=1)), bars(1000 * random_walk(24 * 10 + 5, seed=2))
    source = MemorySource(_one("ADA", spot) | _one("1000PEPEUSDT", perpetual, Kind.PERPETUAL))
    panel, findings = load_panel(source.view(), _series(source), step=DAY, length=5)
    assert panel.times[-1] == np.datetime64("2024-01-11T00:00", "us")
    assert panel.names == ("PEPE", "ADA")
    at = [24 * d - 1 for d in range(6, 11)]
    assert panel.column("ADA").tolist() == spot["close"].to_numpy()[at].tolist()
    assert panel.column("PEPE").tolist() == (perpetual["close"].to_numpy()[at] / 1000).tolist()
    assert findings == ()


@pytest.mark.parametrize(
    ("moment", "step", "expected"),
    [
        (datetime(2024, 8, 3, 23, 59, tzinfo=UTC), DAY, datetime(2024, 8, 3, tzinfo=UTC)),
        (datetime(2024, 8, 3, tzinfo=UTC), DAY, datetime(2024, 8, 3, tzinfo=UTC)),
        (datetime(2024, 8, 3, 17, 30, tzinfo=UTC), 8 * HOUR, datetime(2024, 8, 3, 16, tzinfo=UTC)),
        (datetime(2024, 8, 3, 17, 30, tzinfo=UTC), HOUR, datetime(2024, 8, 3, 17, tzinfo=UTC)),
    ],
)
def test_the_grid_ends_at_the_last_whole_step(moment: datetime, step: timedelta, expected: datetime) -> None:
    assert grid_end(moment, step) == expected


def test_holes_stay_holes_and_make_no_zero_returns() -> None:
    frame = bars(random_walk(500, seed=1))
    holed = frame.filter(~pl.int_range(pl.len()).is_between(200, 209))
    source = MemorySource(_one("ADA", holed))
    panel, findings = load_panel(source.view(), _series(source), step=HOUR, length=499)
    assert int(np.isnan(panel.values).sum()) == 10
    assert np.isnan(panel.returns().values).sum() == 11
    assert not (panel.returns().values == 0).any()
    assert len(findings) == 1


def test_bars_coarser_than_the_step_are_told_and_not_repeated() -> None:
    frame = bars(random_walk(100, seed=1), bar=4 * HOUR)
    source = MemorySource(_one("ADA", frame, bar=4 * HOUR))
    panel, findings = load_panel(source.view(), _series(source), step=HOUR, length=40)
    assert int(np.isfinite(panel.values).sum()) == 10
    assert findings[0].cause == "bars of 4h on a grid of 1h"


def test_an_ended_series_ends_in_holes_beside_a_living_one() -> None:
    alive, dead = bars(random_walk(2400, seed=1)), bars(random_walk(1200, seed=2))
    source = MemorySource(_one("ADA", alive) | _one("DEAD", dead))
    panel, findings = load_panel(source.view(), _series(source), step=DAY, length=90)
    assert np.isfinite(panel.column("ADA")).all()
    assert np.isfinite(panel.column("DEAD")).sum() == 40
    assert [f.subject for f in findings] == ["spot/binance/DEAD"]


def test_the_whole_grid_lies_where_the_data_lies() -> None:
    source = MemorySource(_one("ADA", bars(random_walk(2400, seed=1))))
    panel, _ = load_panel(source.view(START + 900 * DAY), _series(source), step=DAY, length=90)
    assert panel.times[-1] == np.datetime64("2024-04-10T00:00", "us")
    assert np.isfinite(panel.values).all()


def test_history_before_a_redenomination_is_not_in_the_panel() -> None:
    path = random_walk(2400, seed=1)
    path[:1200] *= 1000
    source = MemorySource(
        _one("ADA", bars(path).with_columns(open=pl.col("close"), high=pl.col("close"), low=pl.col("close")))
    )
    panel, findings = load_panel(source.view(), _series(source), step=DAY, length=90)
    assert np.isfinite(panel.values).sum() == 50
    assert "redenomination" in findings[0].cause


def test_no_series_is_an_empty_panel_and_no_rows_is_a_column_of_holes() -> None:
    source = MemorySource(_one("ADA", bars(random_walk(100, seed=1))))
    assert load_panel(source.view(), {}, step=DAY, length=3)[0].values.shape == (3, 0)
    panel, findings = load_panel(source.view(START), _series(source), step=DAY, length=3)
    assert np.isnan(panel.values).all()
    assert findings[0].cause == "no rows"


def test_bars_of_a_multiplied_contract_are_per_coin_with_the_volume_as_it_was() -> None:
    frame = bars(random_walk(100, seed=1), spread=0.01)
    source = MemorySource(_one("1000PEPEUSDT", frame, Kind.PERPETUAL))
    got, findings = load_bars(source.view(), source.catalogue()[0])
    for name in ("open", "high", "low", "close"):
        assert got[name].to_list() == (frame[name] / 1000).to_list()
    assert got["quote_volume"].equals(frame["quote_volume"])
    assert findings == ()


@given(
    st.integers(1, 60),
    st.integers(1, 30),
    st.sampled_from([HOUR, 2 * HOUR, 8 * HOUR, DAY]),
    st.sets(st.integers(0, 239), max_size=60),
    st.integers(0, 260),
)
def test_every_value_is_a_close_known_at_its_moment(
    length: int, seed: int, step: timedelta, lost: set[int], seen: int
) -> None:
    frame = bars(random_walk(240, seed=seed)).filter(~pl.int_range(pl.len()).is_in(sorted(lost)))
    source = MemorySource(_one("ADA", frame))
    panel, _ = load_panel(source.view(START + seen * HOUR), _series(source), step=step, length=length)
    known = dict(zip(frame["known_at"].dt.replace_time_zone(None).to_list(), frame["close"], strict=True))
    for moment, value in zip(panel.times.tolist(), panel.values[:, 0], strict=True):
        ages = [moment - stamp for stamp in known if timedelta(0) <= moment - stamp <= min(4 * HOUR, step / 2)]
        visible = [age for age in ages if moment - age <= (START + seen * HOUR).replace(tzinfo=None)]
        if visible:
            assert value == known[moment - min(visible)]
        else:
            assert np.isnan(value)


def test_two_hundred_columns_from_43800_hours() -> None:
    first = bars(random_walk(43_800, seed=1))
    source = MemorySource({info_of(first, Kind.SPOT, f"C{i}", bar=HOUR): first for i in range(200)})
    view, series = source.view(), _series(source)
    panel, _ = load_panel(view, series, step=DAY, length=1825)
    assert panel.values.shape == (1825, 200)


@pytest.mark.realdata
def test_recorded_closes(real_data: Path) -> None:
    from stormsail.adapters.sources.directory import DirectorySource
    from stormsail.core import parse_moment

    view = MarketView(DirectorySource(real_data), parse_moment("2021-12-31"))
    lookup = Lookup.of(view)
    series = {a: s for a in ("BTC", "ETH", "SUN", "ADA") if (s := lookup.spot(a))}
    panel, findings = load_panel(view, series, step=DAY, length=365)
    assert panel.times[-1] == np.datetime64("2022-01-01T00:00", "us")
    assert panel.column("BTC")[-1] == pytest.approx(46_216.93, rel=1e-6)
    assert np.isfinite(panel.column("SUN")).sum() == 197
    assert any("redenomination" in f.cause and f.subject.startswith("spot/binance/SUN") for f in findings)
    bar_frame, _ = load_bars(view, series["BTC"])
    day = bar_frame.filter(
        pl.col("known_at").is_between(datetime(2021, 11, 10, 1, tzinfo=UTC), datetime(2021, 11, 11, tzinfo=UTC))
    )
    assert day["high"].max() == 69_000
