"""Finding the series that prices a coin or a contract, as known at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from stormsail.core import STABLECOINS, Unavailable
from stormsail.market.quality import max_age
from stormsail.market.schema import PRICE_KINDS, Kind, SeriesInfo, SeriesKey
from stormsail.market.source import MarketView

_FUNDING_AGE = timedelta(days=2)
_AGING = PRICE_KINDS | {Kind.FUNDING}
_CONTRACT_KINDS = (Kind.PERPETUAL, Kind.INVERSE, Kind.DATED)


@dataclass(frozen=True, slots=True)
class PriceSeries:
    """The series that prices a coin.

    Attributes:
        info: Which series.
        priced_by: ``spot``, or ``perpetual`` where no fresh spot series exists.
    """

    info: SeriesInfo
    priced_by: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is known of each coin and contract at ``as_of``.

    Attributes:
        as_of: Moment of the decision.
        known: Every series with a row before it, also those that ended; ``end`` is the last row known.
        fresh: Those young enough to price with.
    """

    as_of: datetime
    known: tuple[SeriesInfo, ...]
    fresh: tuple[SeriesInfo, ...]
    _by_asset: Mapping[tuple[Kind, str], tuple[SeriesInfo, ...]] = field(repr=False)
    _by_contract: Mapping[tuple[Kind, str, str], SeriesInfo] = field(repr=False)

    @classmethod
    def of(cls, view: MarketView) -> Lookup:
        """Index the catalogue of ``view``.

        A series whose recording goes on after ``as_of`` may still have been silent at ``as_of``; such series are asked
        for their recent rows, so that nothing later decides what is fresh.
        """
        known = _with_true_ends(view, view.catalogue())
        fresh = tuple(info for info in known if _is_fresh(info, view.as_of))
        by_asset: defaultdict[tuple[Kind, str], list[SeriesInfo]] = defaultdict(list)
        by_contract: defaultdict[tuple[Kind, str, str], list[SeriesInfo]] = defaultdict(list)
        for info in fresh:
            if info.quote in STABLECOINS:
                by_asset[info.key.kind, info.asset].append(info)
            by_contract[info.key.kind, info.key.venue, info.key.contract].append(info)
        return cls(
            view.as_of,
            known,
            fresh,
            {key: tuple(sorted(infos, key=_preference)) for key, infos in sorted(by_asset.items())},
            {key: min(infos, key=_preference) for key, infos in sorted(by_contract.items())},
        )

    def assets(self) -> tuple[str, ...]:
        """Coins that a fresh series prices, sorted."""
        kinds = (Kind.SPOT, Kind.PERPETUAL)
        return tuple(sorted({asset for kind, asset in self._by_asset if kind in kinds}))

    def all_symbols(self) -> tuple[str, ...]:
        """Every coin ever known at ``as_of``, also those whose series ended, sorted."""
        return tuple(sorted({info.asset for info in self.known}))

    def spot(self, asset: str) -> SeriesInfo | None:
        """The spot series of a coin: fresh, in a dollar currency, with the finest bar, then the longest."""
        return next(iter(self._by_asset.get((Kind.SPOT, asset), ())), None)

    def perpetuals(self, asset: str) -> tuple[SeriesInfo, ...]:
        """Fresh linear perpetuals of a coin on all venues, one series per contract, by venue and symbol."""
        return self._contracts(Kind.PERPETUAL, asset)

    def inverse(self, asset: str) -> tuple[SeriesInfo, ...]:
        """Fresh inverse (coin-margined) contracts of a coin on all venues, one series per contract."""
        return self._contracts(Kind.INVERSE, asset)

    def dated(self, asset: str) -> tuple[SeriesInfo, ...]:
        """Fresh dated contracts of a coin that have not expired, on all venues, one series per contract."""
        return self._contracts(Kind.DATED, asset)

    def _contracts(self, kind: Kind, asset: str) -> tuple[SeriesInfo, ...]:
        series = self._by_asset.get((kind, asset), ())
        names = sorted({(info.key.venue, info.key.contract) for info in series})
        return tuple(self._by_contract[kind, venue, contract] for venue, contract in names)

    def contract(self, venue: str, symbol: str) -> SeriesInfo | None:
        """The fresh price series of a contract by venue and the venue's symbol: finest bar, then longest."""
        found = (self._by_contract.get((kind, venue, symbol)) for kind in _CONTRACT_KINDS)
        return next((info for info in found if info is not None), None)

    def mark(self, contract: SeriesInfo) -> SeriesInfo | None:
        """The mark-price series of a contract, if there is a fresh one."""
        return self._beside(contract, Kind.MARK)

    def funding(self, contract: SeriesInfo) -> SeriesInfo | None:
        """The funding series of a contract, if it has settled within two days."""
        return self._beside(contract, Kind.FUNDING)

    def book(self, contract: SeriesInfo) -> SeriesInfo | None:
        """The order-book series of a contract, of any age: :func:`~stormsail.market.book.latest_book` judges that."""
        return self._beside(contract, Kind.BOOK)

    def tiers(self, contract: SeriesInfo) -> SeriesInfo | None:
        """The margin-bracket series of a contract."""
        return self._beside(contract, Kind.TIERS)

    def _beside(self, contract: SeriesInfo, kind: Kind) -> SeriesInfo | None:
        return self._by_contract.get((kind, contract.key.venue, contract.key.contract))

    def price_series(self, asset: str) -> PriceSeries | Unavailable:
        """What prices a coin: its spot series, else a perpetual (finest bar, then longest), and which of the two."""
        spot = self.spot(asset)
        if spot is not None:
            return PriceSeries(spot, "spot")
        perpetuals = self._by_asset.get((Kind.PERPETUAL, asset), ())
        if perpetuals:
            return PriceSeries(perpetuals[0], "perpetual")
        if asset in self.all_symbols():
            return Unavailable(f"every series of {asset} ended before {self.as_of:%Y-%m-%d %H:%M}")
        return Unavailable(f"no series of {asset}")


def _preference(info: SeriesInfo) -> tuple[timedelta, timedelta, SeriesKey]:
    return info.bar or timedelta.max, -(info.end - info.start), info.key


def _age_limit(info: SeriesInfo) -> timedelta:
    return _FUNDING_AGE if info.key.kind is Kind.FUNDING else max_age(info.bar)


def _is_fresh(info: SeriesInfo, as_of: datetime) -> bool:
    if info.key.kind not in _AGING:
        return True
    return as_of - info.end <= _age_limit(info) and (info.expiry is None or info.expiry > as_of)


def _with_true_ends(view: MarketView, infos: Iterable[SeriesInfo]) -> tuple[SeriesInfo, ...]:
    """The same series, each with the last row known at ``as_of`` as its end."""
    unsure: defaultdict[Kind, list[SeriesInfo]] = defaultdict(list)
    sure: list[SeriesInfo] = []
    beyond = {info.key for info in view.source.catalogue() if info.end > view.as_of}
    for info in infos:
        goes_on = info.key in beyond and info.key.kind in _AGING
        (unsure[info.key.kind] if goes_on else sure).append(info)
    for kind in sorted(unsure):
        span = max(_age_limit(info) for info in unsure[kind])
        silent = _settle(view, unsure[kind], view.as_of - span, sure)
        _settle(view, silent, None, sure)
    return tuple(sorted(sure, key=lambda info: info.key))


def _settle(
    view: MarketView, infos: list[SeriesInfo], start: datetime | None, sure: list[SeriesInfo]
) -> list[SeriesInfo]:
    """Append those with rows since ``start`` to ``sure``; return the others."""
    frames = view.read_many([info.key for info in infos], start=start) if infos else {}
    sure.extend(replace(i, end=frames[i.key]["known_at"][-1]) for i in infos if not frames[i.key].is_empty())
    return [info for info in infos if frames[info.key].is_empty()]
