"""Fetching public market data of some coins from a venue: no keys, one series at a time, straight into a store."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from stormsail.adapters.cex._client import Client, Sleep
from stormsail.adapters.cex._markets import Listing, listings, serves, shapes_of
from stormsail.adapters.cex._readers import HOUR, READERS, Span
from stormsail.adapters.cex._table import Cex, venue_of
from stormsail.core import Finding, InputError, Trouble
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey

Write = Callable[[SeriesInfo, pl.DataFrame], object]
Progress = Callable[[int, int], object]


def fetch(
    venue: str,
    assets: Collection[str],
    kinds: Collection[Kind],
    start: datetime,
    end: datetime,
    write: Write,
    base_url: str | None = None,
    progress: Progress | None = None,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Sleep = time.sleep,
) -> tuple[Finding, ...]:
    """Fetch series of the wanted kinds and coins and hand each to ``write``.

    Bars are hourly and finished; prices, mark and funding cover ``start`` to ``end`` as far as the venue has them.
    Books, tiers and contract metadata are what the venue says now, and are stamped so.

    Args:
        venue: Key of the venue, such as ``binance``.
        assets: Coins, without multiplier.
        kinds: Which kinds of series.
        start: First ``known_at`` wanted.
        end: Last ``known_at`` wanted.
        write: Receives each series; usually :meth:`ParquetStore.write`.
        base_url: Scheme and host to speak to instead of the venue's own.
        progress: Called with (series done, series in all).
        now: The current moment.
        sleep: What waits between tries.

    Returns:
        What could not be had, and why.

    Raises:
        ConfigError: If the venue is not known.
        InputError: If the span is empty.
        MissingExtraError: If ccxt is not installed.
        VenueError: If the venue refuses, stays silent, or contradicts itself. Series written before stay written.

    Source: Binance USD-M market data (developers.binance.com) and Bybit v5 market (bybit-exchange.github.io), 2025.
    """
    cex = venue_of(venue)
    span = Span(start, min(end, now()), now())
    if span.start >= span.end:
        raise InputError(f"nothing lies between {start:%Y-%m-%d} and {end:%Y-%m-%d}", cure="choose an earlier start")
    wanted = sorted(set(kinds))
    found = _open(cex, wanted, {asset.upper() for asset in assets}, base_url, sleep)
    jobs = [(kind, one) for kind in wanted for one in found if serves(kind, one)]
    findings = list(_absent(cex, wanted, assets, jobs))
    for done, (kind, one) in enumerate(jobs, 1):
        frame = READERS[kind](cex, one, span)
        if isinstance(frame, str):
            findings.append(_unavailable(f"{kind.value} {cex.venue}:{one.symbol}", frame))
        else:
            info = _info(cex, kind, one, frame)
            write(info, frame)
            findings += _short(info, kind, span)
        if progress is not None:
            progress(done, len(jobs))
    return tuple(findings)


def _open(cex: Cex, kinds: Sequence[Kind], coins: Collection[str], base_url: str | None, sleep: Sleep) -> list[Listing]:
    shapes = shapes_of(kinds)
    found: list[Listing] = []
    for door in cex.doors:
        served = door.shapes & shapes
        if served:
            found += listings(cex, Client(cex.venue, door, base_url, sleep), served, coins)
    return found


def _info(cex: Cex, kind: Kind, one: Listing, frame: pl.DataFrame) -> SeriesInfo:
    first, last = frame["known_at"][0].astimezone(UTC), frame["known_at"][-1].astimezone(UTC)
    bar = HOUR if kind in _BAR_KINDS else None
    origin = f"{cex.venue} through ccxt"
    key = SeriesKey(kind, cex.venue, one.symbol)
    return SeriesInfo(key, one.coin, one.multiplier, first, last, frame.height, bar, origin, one.quote, one.expiry)


_BAR_KINDS = frozenset({Kind.SPOT, Kind.PERPETUAL, Kind.INVERSE, Kind.DATED, Kind.MARK})


def _absent(
    cex: Cex, kinds: Sequence[Kind], coins: Collection[str], jobs: Sequence[tuple[Kind, Listing]]
) -> Iterator[Finding]:
    """A finding for every kind in which the venue does not list all the wanted coins."""
    held = {(kind, one.coin) for kind, one in jobs}
    for kind in kinds:
        missing = [coin for coin in sorted(coin.upper() for coin in coins) if (kind, coin) not in held]
        if kind is Kind.INDEX:
            yield _unavailable(f"index {cex.venue}", "index prices are not fetched")
        elif missing:
            yield _unavailable(f"{kind.value} {cex.venue}", f"the venue lists no such market of {', '.join(missing)}")


def _unavailable(subject: str, cause: str) -> Finding:
    return Finding(Trouble.UNAVAILABLE, subject, cause, "nothing is put in its place")


def _short(info: SeriesInfo, kind: Kind, span: Span) -> Iterator[Finding]:
    """A note if a history begins more than a day after the span, or ends more than a day before it."""
    if kind not in _BAR_KINDS and kind is not Kind.FUNDING:
        return
    for label, lacking in (("begins", info.start - span.start), ("ends", span.end - info.end)):
        if lacking > timedelta(days=1):
            at = info.start if label == "begins" else info.end
            cause = f"the venue's history {label} at {at:%Y-%m-%d %H:%M}"
            yield Finding(Trouble.NOTE, str(info.key), cause, "only that much was written")
