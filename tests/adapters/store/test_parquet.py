import json
import os
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stormsail.adapters.store.parquet import ParquetStore
from stormsail.core import InputError, SchemaError
from stormsail.market.schema import TIME, Kind, SeriesInfo, SeriesKey, columns, conform
from tests.support import DAY, HOUR, START, MemorySource, bars, funding, info_of

END = datetime(2030, 1, 1, tzinfo=UTC)


def adding(text: str) -> SeriesInfo:
    frame = bars([1.0])
    return info_of(frame, Kind.SPOT, text, asset=text, bar=HOUR)


@st.composite
def series(draw: st.DrawFn) -> tuple[SeriesInfo, pl.DataFrame]:
    kind = draw(st.sampled_from([Kind.SPOT, Kind.PERPETUAL, Kind.MARK, Kind.FUNDING]))
    names = st.text(st.characters(min_codepoint=32, max_codepoint=0x3000, exclude_categories=["Cs"]), min_size=1)
    symbol = draw(names.filter(lambda s: len(s.encode()) < 60))
    hours = draw(st.lists(st.integers(0, 10_000), min_size=1, max_size=20, unique=True))
    number = st.none() | st.floats(allow_nan=False, width=64)
    values = {
        name: draw(st.lists(number, min_size=len(hours), max_size=len(hours)))
        for name in columns(kind)
        if name != "known_at"
    }
    frame = pl.DataFrame(
        {"known_at": pl.Series([START + HOUR * h for h in hours], dtype=TIME), **values},
        schema_overrides=dict.fromkeys(values, pl.Float64),
    )
    info = SeriesInfo(
        SeriesKey(kind, draw(st.sampled_from(["binance", "a/b", ".."])), symbol),
        draw(names),
        draw(st.sampled_from([1, 1000])),
        START,
        START,
        0,
        draw(st.none() | st.timedeltas(timedelta(0), timedelta(days=9)).map(lambda t: timedelta(seconds=t.seconds))),
        draw(names.filter(lambda s: " + " not in s)),
        "USDT",
        draw(st.none() | st.just(START)),
    )
    return info, conform(frame, kind, where="test")


@given(held=series())
def test_what_is_written_is_read_back_whole(held: tuple[SeriesInfo, pl.DataFrame]) -> None:
    info, frame = held
    with tempfile.TemporaryDirectory() as root:
        store = ParquetStore(root)
        store.write(info, frame)
        read = store.read([info.key], start=None, end=END)[info.key]
        assert read.equals(frame)
        (told,) = ParquetStore(root).catalogue()
        assert told.key == info.key
        assert (told.asset, told.multiplier, told.bar, told.origin, told.quote, told.expiry) == (
            info.asset,
            info.multiplier,
            info.bar,
            info.origin,
            info.quote,
            info.expiry,
        )
        assert (told.start, told.end, told.rows) == (frame["known_at"].min(), frame["known_at"].max(), frame.height)
        assert store.path(info.key).resolve().is_relative_to(Path(root).resolve())


@given(cut=st.integers(1, 29), overlap=st.integers(0, 10), first=st.booleans())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_writing_pieces_does_not_matter(cut: int, overlap: int, first: bool) -> None:
    frame = bars([float(i + 1) for i in range(30)])
    info = info_of(frame, Kind.PERPETUAL, "ADAUSDT", bar=HOUR)
    pieces = [frame.head(min(30, cut + overlap)), frame.slice(cut)]
    with tempfile.TemporaryDirectory() as root:
        store = ParquetStore(root)
        for piece in pieces if first else reversed(pieces):
            store.write(info, piece)
        assert store.read([info.key], start=None, end=END)[info.key].equals(frame)


def test_the_same_series_gives_the_same_bytes(tmp_path: Path) -> None:
    frame = bars([1.0, 2.0, 3.0])
    info = info_of(frame, Kind.SPOT, "ADA", bar=HOUR)
    paths = []
    for name in ("a", "b"):
        store = ParquetStore(tmp_path / name)
        store.write(info, frame)
        paths.append(store.path(info.key))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_reading_keeps_to_the_span(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    frame = bars([1.0, 2.0, 3.0])
    info = store.write(info_of(frame, Kind.SPOT, "ADA", bar=HOUR), frame)
    read = store.read([info.key], start=START + 2 * HOUR, end=START + 2 * HOUR)[info.key]
    assert read["close"].to_list() == [2.0]
    missing = SeriesKey(Kind.SPOT, "binance", "NONE")
    assert store.read([missing], start=None, end=END)[missing].is_empty()


def test_a_contradiction_is_refused_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    info = store.write(adding("ADA"), bars([1.0, 2.0]))
    before = store.path(info.key).read_bytes()
    with pytest.raises(SchemaError, match="1 rows differ from those held, first at 2024-01-01 02:00:00"):
        store.write(info, bars([1.0, 2.5, 3.0]).with_columns(low=1.0, high=3.0, open=1.0).slice(1, 1))
    assert store.path(info.key).read_bytes() == before
    store.write(info, bars([9.0]), replace=True)
    assert store.read([info.key], start=None, end=END)[info.key]["close"].to_list() == [9.0, 2.0]


def test_what_is_unavailable_is_completed_from_the_other_side(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    frame = funding([1e-4, 2e-4, 3e-4])
    info = info_of(frame, Kind.FUNDING, "ADAUSDT")
    store.write(info, frame.head(2))
    later = frame.slice(1).with_columns(
        pl.when(pl.int_range(pl.len()) > 0).then("interval_hours").alias("interval_hours")
    )
    store.write(info, later)
    assert store.read([info.key], start=None, end=END)[info.key]["interval_hours"].to_list() == [8.0, 8.0, 8.0]


def test_a_snapshot_is_replaced_as_a_whole(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    key = SeriesKey(Kind.BOOK, "binance", "ADAUSDT")
    info = SeriesInfo(key, "ADA", 1, START, START, 0, None, "test")

    def book(prices: list[float]) -> pl.DataFrame:
        n = len(prices)
        return pl.DataFrame(
            {
                "known_at": pl.Series([START] * n, dtype=TIME),
                "side": ["ask"] * n,
                "level": list(range(n)),
                "price": prices,
                "quantity": [1.0] * n,
            }
        )

    store.write(info, book([1.0, 2.0, 3.0]))
    store.write(info, book([1.5, 2.5]), replace=True)
    assert store.read([key], start=None, end=END)[key]["price"].to_list() == [1.5, 2.5]


def test_rows_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    frame = pl.concat([bars([1.0]), bars([2.0])])
    with pytest.raises(SchemaError, match="two different rows are stamped 2024-01-01 01:00:00"):
        ParquetStore(tmp_path).write(adding("ADA"), frame)
    assert ParquetStore(tmp_path).catalogue() == ()
    repeated = pl.concat([bars([1.0]), bars([1.0])])
    assert ParquetStore(tmp_path).write(adding("ADA"), repeated).rows == 1


def test_another_coin_under_the_same_key_is_refused(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    info = store.write(adding("LUNA"), bars([1.0]))
    other = SeriesInfo(info.key, "LUNA2", 1, START, START, 0, HOUR, "test")
    with pytest.raises(SchemaError, match="its asset is LUNA, not LUNA2"):
        store.write(other, bars([2.0], start=START + DAY))


def test_nothing_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows"):
        ParquetStore(tmp_path).write(adding("ADA"), bars([1.0]).clear())
    assert list(tmp_path.rglob("*.parquet")) == []


def test_importing_copies_what_was_asked_and_says_how_far_it_is(tmp_path: Path) -> None:
    one, two, rates = bars([1.0, 2.0]), bars([3.0]), funding([1e-4])
    source = MemorySource(
        {
            info_of(one, Kind.SPOT, "ADA", bar=HOUR): one,
            info_of(two, Kind.SPOT, "SOL", bar=HOUR): two,
            info_of(rates, Kind.FUNDING, "ADAUSDT"): rates,
        }
    )
    seen: list[tuple[int, int]] = []
    store = ParquetStore(tmp_path)
    store.import_from(source, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert store.catalogue() == source.catalogue()
    some = ParquetStore(tmp_path / "some")
    some.import_from(source, [SeriesKey(Kind.SPOT, "binance", "SOL"), SeriesKey(Kind.SPOT, "binance", "NONE")])
    assert [str(info.key) for info in some.catalogue()] == ["spot/binance/SOL"]


def test_broken_and_foreign_files_are_named(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    info = store.write(adding("ADA"), bars([1.0]))
    path = store.path(info.key)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SchemaError, match=r"ADA\.parquet"):
        store.catalogue()
    with pytest.raises(SchemaError, match=r"ADA\.parquet"):
        store.read([info.key], start=None, end=END)
    bars([1.0]).write_parquet(path)
    with pytest.raises(SchemaError, match="its metadata lacks 'stormsail'"):
        store.catalogue()
    bars([1.0]).write_parquet(path, metadata={"stormsail": json.dumps({"version": 2})})
    with pytest.raises(SchemaError, match="version 2"):
        store.catalogue()


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.write(adding("ADA"), bars([1.0]))
    (tmp_path / "portfolio.csv").write_text("asset,quantity\n")
    (tmp_path / "spot" / "binance" / ".half.part").write_bytes(b"")
    assert len(store.catalogue()) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from stormsail.adapters.store.parquet import ParquetStore
from stormsail.market.schema import Kind, SeriesKey
from datetime import datetime, timezone
Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
store = ParquetStore(sys.argv[1])
(info,) = store.catalogue()
frame = store.read([info.key], start=None, end=datetime(2030, 1, 1, tzinfo=timezone.utc))[info.key]
store.write(info, frame.with_columns(close=frame["close"] * 2), replace=True)
"""


def test_a_killed_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    info = store.write(adding("ADA"), bars([1.0, 2.0]))
    before = store.path(info.key).read_bytes()
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=dict(os.environ), check=False)
    assert ended.returncode == -signal.SIGKILL
    assert store.path(info.key).read_bytes() == before
    assert store.catalogue() == (info,)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ParquetStore(tmp_path)
    info = store.write(adding("ADA"), bars([1.0]))

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OSError, match="no space"):
        store.write(info, bars([1.0, 2.0]))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["ADA.parquet"]


@pytest.mark.realdata
def test_real_series_survive_the_journey(real_data: Path, tmp_path: Path) -> None:
    from stormsail.adapters.sources.directory import DirectorySource

    source = DirectorySource(real_data)
    infos = [info for info in source.catalogue() if info.asset == "SOL"]
    store = ParquetStore(tmp_path)
    store.import_from(source, [info.key for info in infos])
    assert store.catalogue() == tuple(infos)
    for info in infos:
        old = source.read([info.key], start=None, end=END)[info.key]
        assert store.read([info.key], start=None, end=END)[info.key].equals(old)
