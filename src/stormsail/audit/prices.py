"""Today's price and daily volume of each held coin, and the series they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from stormsail.audit.liquidity import VOLUME_DAYS, daily_volume
from stormsail.core import STABLECOINS, Estimate, Maybe, Unavailable
from stormsail.market.lookup import Lookup
from stormsail.market.quality import tidy
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey
from stormsail.market.source import MarketView


@dataclass(frozen=True, slots=True)
class Quote:
    """What one coin costs, and how much of it is traded.

    Attributes:
        price: Price of one coin.
        known_at: When that price was known.
        info: The series it came from.
        priced_by: ``spot`` or ``perpetual``.
        volume: Median daily quote volume, see :func:`~stormsail.audit.liquidity.daily_volume`.
    """

    price: float
    known_at: datetime
    info: SeriesInfo
    priced_by: str
    volume: Maybe

    @property
    def origin(self) -> str:
        """Series and moment, in one line."""
        return f"{self.info.key} at {self.known_at:%Y-%m-%d %H:%M} UTC"


def quotes(view: MarketView, lookup: Lookup, assets: Iterable[str]) -> dict[str, Quote | Unavailable]:
    """Latest price and volume of each coin as known at the moment of ``view``.

    The volume is the one of the deepest spot series; where no spot series tells it, the perpetual's, which the
    estimate's method names.
    """
    assets = tuple(assets)
    names = frozenset(assets)
    traded = [i for i in lookup.fresh if i.asset in names and i.key.kind in (Kind.SPOT, Kind.PERPETUAL)]
    frames = _recent(view, [i for i in traded if i.quote in STABLECOINS])
    return {asset: _quote(asset, view.as_of, lookup, frames) for asset in assets}


_Frames = dict[str, list[tuple[SeriesInfo, pl.DataFrame]]]


def _recent(view: MarketView, infos: Sequence[SeriesInfo]) -> _Frames:
    start = view.as_of - timedelta(days=VOLUME_DAYS)
    kinds: defaultdict[Kind, list[SeriesKey]] = defaultdict(list)
    for info in infos:
        kinds[info.key.kind].append(info.key)
    raw: dict[SeriesKey, pl.DataFrame] = {}
    for keys in kinds.values():
        raw.update(view.read_many(keys, start=start))
    frames: defaultdict[str, list[tuple[SeriesInfo, pl.DataFrame]]] = defaultdict(list)
    for info in infos:
        frames[info.asset].append((info, tidy(raw[info.key], info, view.as_of)[0]))
    return frames


def _quote(asset: str, as_of: datetime, lookup: Lookup, frames: _Frames) -> Quote | Unavailable:
    priced = lookup.price_series(asset)
    if isinstance(priced, Unavailable):
        return priced
    frame = next((f for i, f in frames[asset] if i.key == priced.info.key), pl.DataFrame({"close": []}))
    known = frame.filter(pl.col("close").is_finite() & (pl.col("close") > 0))
    if known.is_empty():
        return Unavailable(f"{priced.info.key} has no price in the last {VOLUME_DAYS} days")
    price = float(known["close"][-1]) / priced.info.multiplier
    return Quote(price, known["known_at"][-1], priced.info, priced.priced_by, _volume(asset, as_of, frames))


def _volume(asset: str, as_of: datetime, frames: _Frames) -> Maybe:
    for kind in (Kind.SPOT, Kind.PERPETUAL):
        volumes = [daily_volume(f, as_of, i.bar, str(i.key)) for i, f in frames[asset] if i.key.kind is kind]
        known = [v for v in volumes if isinstance(v, Estimate) and v.value > 0]
        if known:
            return max(known, key=lambda v: v.value)
    return Unavailable("no series of it tells a volume")
