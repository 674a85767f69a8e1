"""Time is UTC; a date means the end of that day; a span is written ``30d``, ``12h`` or ``90m``."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

YEAR = timedelta(days=365)
"""The year every annual figure refers to: 365 days, because the market never closes."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Clock(Protocol):
    """What the domain is given instead of asking the machine for the time."""

    def now(self) -> datetime:
        """The current moment in UTC."""
        ...


def parse_moment(text: str) -> datetime:
    """Read ``2024-08-03`` (the end of that UTC day) or ``2024-08-03T06:00`` (that moment; UTC by default).

    Raises:
        ValueError: If ``text`` is neither.

    >>> parse_moment("2024-08-03").isoformat()
    '2024-08-04T00:00:00+00:00'
    >>> parse_moment("2024-08-03T06:00").isoformat()
    '2024-08-03T06:00:00+00:00'
    """
    text = text.strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return end_of_day(date.fromisoformat(text))
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def end_of_day(day: date) -> datetime:
    """The first moment after ``day`` in UTC: everything of that day is known then."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def parse_span(text: str) -> timedelta:
    """Read a span such as ``30d``, ``12h``, ``2w`` or ``90m``.

    Raises:
        ValueError: If ``text`` is not a positive number followed by m, h, d or w.

    >>> parse_span("12h")
    datetime.timedelta(seconds=43200)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", text.strip().lower())
    if not match or float(match[1]) <= 0:
        raise ValueError(f"not a span: {text!r} (write 30d, 12h, 2w or 90m)")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def format_span(span: timedelta) -> str:
    """Write a span the way :func:`parse_span` reads it.

    >>> format_span(timedelta(hours=36))
    '36h'
    """
    minutes = round(span.total_seconds() / 60)
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def years(span: timedelta) -> float:
    """Length of ``span`` in years of 365 days.

    >>> years(timedelta(days=73))
    0.2
    """
    return span / YEAR
