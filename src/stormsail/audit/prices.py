"""Today's price and daily volume of each held coin, and the series they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from stormsail.audit.liquidity import VOLUME_DAYS, daily_volume
from stormsail.core import STABLECOINS, Estimate, Maybe, Unavailable
from stormsail.market.lookup import Lookup, PriceSeries
from stormsail.market.once import tidied
from stormsail.market.schema import Kind, SeriesInfo
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
    spot = _recent(view, lookup, Kind.SPOT, frozenset(assets))
    volumes = {asset: _volume(spot.get(asset, []), view.as_of) for asset in assets}
    priced = {asset: lookup.price_series(asset) for asset in assets}
    by_perpetual = {a for a, p in priced.items() if not isinstance(p, Unavailable) and p.info.key.kind is not Kind.SPOT}
    without = {asset for asset, volume in volumes.items() if isinstance(volume, Unavailable)}
    perpetual = _recent(view, lookup, Kind.PERPETUAL, by_perpetual | without)
    volumes |= {asset: _volume(perpetual.get(asset, []), view.as_of) for asset in without}
    return {a: _quote(priced[a], [*spot.get(a, []), *perpetual.get(a, [])], volumes[a]) for a in assets}


_Bars = list[tuple[SeriesInfo, pl.DataFrame]]


def _recent(view: MarketView, lookup: Lookup, kind: Kind, assets: Collection[str]) -> dict[str, _Bars]:
    """Tidied bars of the last 30 days of every fresh dollar series of one kind."""
    infos = [i for i in lookup.fresh if i.key.kind is kind and i.asset in assets and i.quote in STABLECOINS]
    if not infos:
        return {}
    by_key = tidied(view, infos, start=view.as_of - timedelta(days=VOLUME_DAYS))
    found: defaultdict[str, _Bars] = defaultdict(list)
    for info in infos:
        found[info.asset].append((info, by_key[info.key][0]))
    return dict(found)


def _quote(priced: PriceSeries | Unavailable, bars: _Bars, volume: Maybe) -> Quote | Unavailable:
    if isinstance(priced, Unavailable):
        return priced
    info = priced.info
    frame = next((f for i, f in bars if i.key == info.key), None)
    closes = np.empty(0) if frame is None else frame["close"].to_numpy()
    known = np.flatnonzero(np.isfinite(closes) & (closes > 0))
    if frame is None or not len(known):
        return Unavailable(f"{info.key} has no price in the last {VOLUME_DAYS} days")
    last = int(known[-1])
    return Quote(float(closes[last]) / info.multiplier, frame["known_at"][last], info, priced.priced_by, volume)


def _volume(bars: _Bars, as_of: datetime) -> Maybe:
    volumes = [daily_volume(frame, as_of, info.bar, str(info.key)) for info, frame in bars]
    known = [v for v in volumes if isinstance(v, Estimate) and v.value > 0]
    return max(known, key=lambda v: v.value, default=Unavailable("no series of it tells a volume"))
