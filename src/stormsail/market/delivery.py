"""How a dated contract's delivery price is made: the length of the averaging window, by venue and date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_HALF_HOUR, _HOUR = timedelta(minutes=30), timedelta(hours=1)

_SINCE: tuple[tuple[str, datetime, timedelta], ...] = (
    ("binance", datetime(2019, 9, 1, tzinfo=UTC), _HOUR),
    ("binance", datetime(2024, 11, 11, 8, tzinfo=UTC), _HALF_HOUR),
    ("deribit", datetime(2018, 1, 1, tzinfo=UTC), _HALF_HOUR),
    ("bitmex", datetime(2016, 1, 1, tzinfo=UTC), _HALF_HOUR),
)
"""Venue, first moment, window. Source: Binance announcement on the delivery price, in force 2024-11-11 08:00 UTC (mean
of 1,800 one-second index prices; 3,600 before); Deribit, contract specifications (07:30 to 08:00 UTC); BitMEX,
.BXBT30M."""


def delivery_window(venue: str, when: datetime) -> timedelta:
    """Span before ``when`` whose mean index price settles a contract; half an hour where a venue's rule was not read.

    >>> delivery_window("binance", datetime(2024, 9, 27, 8, tzinfo=UTC))
    datetime.timedelta(seconds=3600)
    """
    held = [window for name, since, window in _SINCE if name == venue and since <= when]
    return held[-1] if held else _HALF_HOUR
