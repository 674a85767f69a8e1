from datetime import timedelta

import polars as pl

from stormsail.market.schema import Kind
from tests.support import HOUR, START, MemorySource, bars, funding, info_of, random_walk


def _source() -> MemorySource:
    price = bars(random_walk(48, seed=1))
    rate = funding([0.0001] * 6)
    return MemorySource(
        {info_of(price, Kind.SPOT, "BTC", bar=HOUR): price, info_of(rate, Kind.FUNDING, "BTCUSDT"): rate}
    )


def test_the_source_gives_only_rows_in_the_span() -> None:
    source = _source()
    key = source.catalogue()[-1].key
    rows = source.read([key], start=START + 5 * HOUR, end=START + 9 * HOUR)[key]
    assert rows["known_at"].to_list() == [START + i * HOUR for i in range(5, 10)]


def test_scrambling_changes_the_future_and_nothing_else() -> None:
    source = _source()
    as_of = START + timedelta(days=1)
    other = source.scrambled_after(as_of)
    for key, frame in source.frames.items():
        assert frame.filter(pl.col("known_at") <= as_of).equals(other.frames[key].filter(pl.col("known_at") <= as_of))
        assert not frame.equals(other.frames[key])
