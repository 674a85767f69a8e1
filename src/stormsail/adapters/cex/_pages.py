"""Reading histories page by page, going on from what came back instead of from what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from stormsail.core import VenueError

Row = TypeVar("Row")
Stamp = Callable[[Row], int]


def windows(
    page: Callable[[int, int, int], list[Row]], stamp: Stamp[Row], start: int, end: int, step: int, limit: int
) -> list[Row]:
    """Rows stamped in [start, end), read forwards in windows of ``limit`` steps.

    After a page the next begins one step after the last row that came back (a venue may give fewer than asked); after
    an empty page, at the end of its window.

    Args:
        page: From (since, until, limit) to rows; ``until`` is the last moment wanted, in milliseconds.
        stamp: Time of a row in milliseconds.
        start: First moment wanted.
        end: First moment not wanted.
        step: Distance of rows.
        limit: Rows to ask for at once.
    """
    rows: list[Row] = []
    since = start
    while since < end:
        until = min(since + limit * step, end)
        fresh = [row for row in page(since, until - 1, limit) if since <= stamp(row) < until]
        rows += fresh
        since = max(map(stamp, fresh)) + step if fresh else until
    return rows


def forward(page: Callable[[int, int], list[Row]], stamp: Stamp[Row], start: int, end: int, limit: int) -> list[Row]:
    """Rows stamped in [start, end), oldest first, where their distance is not known beforehand.

    Args:
        page: From (since, limit) to the oldest rows from ``since`` on.
        stamp: Time of a row in milliseconds.
        start: First moment wanted.
        end: First moment not wanted.
        limit: Rows to ask for at once.
    """
    rows: list[Row] = []
    since = start
    while since < end:
        fresh = [row for row in page(since, limit) if stamp(row) >= since]
        if not fresh:
            break
        rows += fresh
        since = max(map(stamp, fresh)) + 1
    return [row for row in rows if stamp(row) < end]


def backward(page: Callable[[int, int], list[Row]], stamp: Stamp[Row], start: int, end: int, limit: int) -> list[Row]:
    """Rows stamped in [start, end), read from the newest back.

    Args:
        page: From (until, limit) to the newest rows up to and including ``until``.
        stamp: Time of a row in milliseconds.
        start: First moment wanted.
        end: First moment not wanted.
        limit: Rows to ask for at once.
    """
    rows: list[Row] = []
    until = end - 1
    while until >= start:
        fresh = [row for row in page(until, limit) if stamp(row) <= until]
        if not fresh:
            break
        rows += fresh
        until = min(map(stamp, fresh)) - 1
    return [row for row in rows if stamp(row) >= start]


def once(rows: Iterable[tuple[int, Row]], what: str) -> list[Row]:
    """Rows in the order of their stamps, repeated ones once.

    Raises:
        VenueError: If two rows of one stamp differ.
    """
    kept: dict[int, Row] = {}
    for stamp, row in rows:
        if kept.setdefault(stamp, row) != row:
            raise VenueError(f"{what}: two answers for one moment differ", cure="fetch again later", where=str(stamp))
    return [kept[stamp] for stamp in sorted(kept)]
