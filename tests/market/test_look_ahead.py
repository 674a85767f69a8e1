"""What happens after the moment of the decision changes nothing that is said at that moment."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormsail.core import LookAheadError
from stormsail.market.load import load_bars, load_panel
from stormsail.market.lookup import Lookup
from stormsail.market.quality import verify
from stormsail.market.schema import Kind, SeriesInfo
from stormsail.market.source import MarketView
from tests.support import DAY, HOUR, START, MemorySource, bars, funding, info_of, random_walk


def _source() -> MemorySource:
    held: dict[SeriesInfo, pl.DataFrame] = {}
    for i, symbol in enumerate(["BTC", "ETH", "ADA"]):
        frame = bars(random_walk(24 * 60 + i, seed=i, volatility=0.02), spread=0.002)
        held[info_of(frame, Kind.SPOT, symbol, bar=HOUR)] = frame
    resumed = bars(random_walk(24 * 60, seed=9)).filter(~pl.int_range(pl.len()).is_between(400, 900))
    held[info_of(resumed, Kind.SPOT, "SOL", bar=HOUR)] = resumed
    late = bars(random_walk(24 * 20, seed=8), start=START + 30 * DAY)
    held[info_of(late, Kind.PERPETUAL, "1000PEPEUSDT", bar=HOUR)] = late
    rates = funding(np.linspace(-1e-3, 1e-3, 170))
    held[info_of(rates, Kind.FUNDING, "BTCUSDT")] = rates
    return MemorySource(held)


SOURCE = _source()
SERIES = {i.asset: i for i in SOURCE.catalogue() if i.key.kind is not Kind.FUNDING}


def _truncated(as_of: datetime) -> MemorySource:
    """The source as it would have been recorded up to ``as_of``."""
    held = {}
    for info in SOURCE.catalogue():
        frame = SOURCE.frames[info.key].filter(pl.col("known_at") <= as_of)
        if frame.height:
            made = info_of(frame, info.key.kind, info.key.symbol, bar=info.bar)
            held[made] = frame
    return MemorySource(held)


def _said(source: MemorySource, as_of: datetime, step: timedelta) -> tuple[object, ...]:
    view = source.view(as_of)
    lookup = Lookup.of(view)
    panel, findings = load_panel(view, SERIES, step=step, length=30)
    frames = tuple(load_bars(view, info)[0].write_csv() for info in SERIES.values())
    known = tuple((i.key, i.start, i.end) for i in lookup.known)
    fresh = tuple(i.key for i in lookup.fresh)
    return known, fresh, lookup.assets(), panel.times.tobytes(), panel.values.tobytes(), findings, verify(view), frames


@pytest.mark.parametrize("step", [HOUR, DAY])
@given(st.integers(24, 24 * 61))
def test_scrambling_or_removing_the_future_changes_nothing(step: timedelta, hour: int) -> None:
    as_of = START + hour * HOUR
    said = _said(SOURCE, as_of, step)
    assert said == _said(SOURCE.scrambled_after(as_of), as_of, step)
    assert said == _said(_truncated(as_of), as_of, step)


class _Leaky(MemorySource):
    """A source that ignores the end it was asked for."""

    def read(self, keys, *, start, end):  # type: ignore[no-untyped-def]
        return {key: self.frames[key] for key in keys}


def test_a_source_that_gives_too_much_is_cut_by_the_view() -> None:
    as_of = START + 500 * HOUR
    leaky = _Leaky({info: SOURCE.frames[info.key] for info in SOURCE.catalogue()})
    key = SERIES["BTC"].key
    assert leaky.view(as_of).read(key).equals(SOURCE.view(as_of).read(key))
    panel = load_panel(leaky.view(as_of), SERIES, step=DAY, length=10)[0]
    assert panel.values.tobytes() == load_panel(SOURCE.view(as_of), SERIES, step=DAY, length=10)[0].values.tobytes()


def test_a_view_opens_backwards_only() -> None:
    view = MarketView(SOURCE, START + 10 * DAY)
    assert view.earlier(START + 9 * DAY).as_of == START + 9 * DAY
    with pytest.raises(LookAheadError, match="E230"):
        view.earlier(START + 11 * DAY)
