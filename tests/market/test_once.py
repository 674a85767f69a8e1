"""What is kept for one moment never answers for another, and is what the source itself would have said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stormsail.market.once import ReadOnce, read_once, tidied
from stormsail.market.quality import tidy
from stormsail.market.schema import Kind, SeriesKey
from stormsail.market.source import MarketView
from tests.support import DAY, HOUR, START, MemorySource, bars, info_of


class Counting(MemorySource):
    """Counts the series it was asked for."""

    asked = 0

    def read(
        self, keys: Sequence[SeriesKey], *, start: datetime | None, end: datetime
    ) -> dict[SeriesKey, pl.DataFrame]:
        self.asked += len(keys)
        return super().read(keys, start=start, end=end)


def walk(seed: int) -> pl.DataFrame:
    steps = np.random.Generator(np.random.Philox(key=seed)).normal(0, 0.01, 1500)
    return bars(100 * np.exp(np.cumsum(steps)), spread=0.01)


def market() -> Counting:
    frames = [(walk(seed), name) for seed, name in ((1, "AAA"), (2, "BBB"))]
    return Counting({info_of(frame, Kind.SPOT, name, bar=HOUR): frame for frame, name in frames})


LAST = st.integers(100, 1500)
SPAN = st.one_of(st.none(), st.integers(1, 1600))


@given(requests=st.lists(st.tuples(LAST, SPAN, st.booleans()), min_size=1, max_size=8))
def test_any_order_of_requests_gives_what_the_source_gives(requests: list[tuple[int, int | None, bool]]) -> None:
    source = market()
    kept = ReadOnce(source)
    for last, span, clean in requests:
        as_of = START + last * HOUR
        start = None if span is None else as_of - span * HOUR
        for info in source.catalogue():
            truth = MarketView(source, as_of).read(info.key, start=start)
            if not clean:
                assert MarketView(kept, as_of).read(info.key, start=start).equals(truth)
                continue
            found, noticed = tidied(MarketView(kept, as_of), (info,), start=start)[info.key]
            expected, told = tidy(truth, info, as_of)
            assert found.equals(expected)
            assert noticed == told
            assert found.is_empty() or found["known_at"][-1] <= as_of


def test_a_longer_request_after_a_short_one_reads_no_more() -> None:
    source = market()
    view = read_once(MarketView(source, START + 1400 * HOUR))
    infos = source.catalogue()
    for days in (30, 3, 50):
        tidied(view, infos, start=view.as_of - days * DAY)
    assert source.asked == len(infos)
    # a glance at the last day is not worth all of history
    glance = read_once(MarketView(source, START + 1300 * HOUR))
    glance.read(infos[0].key, start=glance.as_of - timedelta(days=1))
    assert glance.read(infos[0].key).height == 1300


def test_a_source_that_gives_later_rows_is_cut() -> None:
    source = market()
    info = source.catalogue()[0]

    class Leaky(Counting):
        def read(
            self, keys: Sequence[SeriesKey], *, start: datetime | None, end: datetime
        ) -> dict[SeriesKey, pl.DataFrame]:
            return {key: self.frames[key] for key in keys}

    leaky = Leaky({i: source.frames[i.key] for i in source.catalogue()})
    as_of = START + 700 * HOUR
    found, _ = tidied(read_once(MarketView(leaky, as_of)), (info,), start=as_of - 20 * DAY)[info.key]
    assert found["known_at"][-1] == as_of
    assert found.equals(tidied(MarketView(source, as_of), (info,), start=as_of - 20 * DAY)[info.key][0])
