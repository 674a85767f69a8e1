from datetime import timedelta

import polars as pl
import pytest

from stormsail.core import SchemaError
from stormsail.market.schema import Kind, SeriesKey, columns, conform, empty
from tests.support import START


def test_rows_are_cast_sorted_and_completed_with_nulls() -> None:
    frame = pl.DataFrame({"close": [2, 1], "known_at": [START + timedelta(hours=1), START], "extra": ["a", "b"]})
    got = conform(frame, Kind.SPOT, where="x")
    assert dict(got.schema) == columns(Kind.SPOT)
    assert got["close"].to_list() == [1.0, 2.0]
    assert got["high"].null_count() == 2


@pytest.mark.parametrize("frame", [pl.DataFrame({"close": [1.0]}), pl.DataFrame({"known_at": [START], "foo": [1]})])
def test_a_frame_without_time_or_values_names_place_and_cure(frame: pl.DataFrame) -> None:
    with pytest.raises(SchemaError, match=r"E220 some\.parquet: .* Cure: give at least known_at"):
        conform(frame, Kind.SPOT, where="some.parquet")


def test_a_wrong_type_is_an_error() -> None:
    frame = pl.DataFrame({"known_at": [START], "close": ["twelve"]})
    with pytest.raises(SchemaError, match="wrong type"):
        conform(frame, Kind.SPOT, where="some.parquet")


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_an_empty_frame_stamped_with_time(kind: Kind) -> None:
    assert empty(kind).columns[0] == "known_at"
    assert empty(kind).is_empty()


def test_a_key_knows_its_contract() -> None:
    assert SeriesKey(Kind.PERPETUAL, "binance", "1000PEPEUSDT@4h").contract == "1000PEPEUSDT"
    assert SeriesKey(Kind.PERPETUAL, "binance", "BTCUSDT").contract == "BTCUSDT"
