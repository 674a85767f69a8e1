"""Which series of a contract or a coin this room reads: the one with the longest history."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import timedelta
from typing import TypeVar

from stormsail.market.lookup import Lookup
from stormsail.market.schema import Kind, SeriesInfo

CONTRACT_KINDS = (Kind.PERPETUAL, Kind.INVERSE, Kind.DATED)
"""Kinds of series that tell the price of a contract one can short."""

Name = TypeVar("Name", bound=Hashable)


def longest(infos: Iterable[SeriesInfo], name: Callable[[SeriesInfo], Name]) -> dict[Name, SeriesInfo]:
    """For each name its series with the longest history; of equals the one with the coarsest bar, quickest to read."""
    best: dict[Name, SeriesInfo] = {}
    for info in infos:
        key = name(info)
        if key not in best or _worth(info) > _worth(best[key]):
            best[key] = info
    return best


def _worth(info: SeriesInfo) -> tuple[timedelta, timedelta]:
    return info.end - info.start, info.bar or timedelta(0)


def history_series(lookup: Lookup) -> dict[tuple[str, str], SeriesInfo]:
    """For each contract, by venue and symbol, its fresh series with the longest history."""
    fresh = (info for info in lookup.fresh if info.key.kind in CONTRACT_KINDS)
    return longest(fresh, lambda info: (info.key.venue, info.key.contract))
