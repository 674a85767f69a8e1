"""Rows of text to holdings: cells are read, rows alike are found, lots are gathered, every trouble is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, Inexact, localcontext
from typing import TypeVar

from stormsail.adapters.files._numbers import (
    CellError,
    read_asset,
    read_cost,
    read_day,
    read_flag,
    read_positive,
    read_venue,
)
from stormsail.core import Holding, Lot, PortfolioError

MAX_SHOWN = 20
_T = TypeVar("_T")
_Place = tuple[str, str | None, bool, date | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row as text, with its place in the file for messages; empty cells are left out."""

    place: str
    cells: Mapping[str, str]


@dataclass(slots=True)
class Troubles:
    """What is wrong with a file, gathered so that one run shows all of it."""

    file: str
    found: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, place: str, cause: str, cure: str) -> None:
        """Note one trouble."""
        self.found.append((place, cause, cure))

    def raise_if_any(self) -> None:
        """Raise what was gathered as one error.

        Raises:
            PortfolioError: If anything was.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            place, cause, cure = self.found[0]
            raise PortfolioError(cause, cure=cure, where=f"{self.file}, {place}")
        lines = [f"  {place}: {cause}; {cure}" for place, cause, cure in self.found[:MAX_SHOWN]]
        if len(self.found) > MAX_SHOWN:
            lines.append(f"  and {len(self.found) - MAX_SHOWN} more like these")
        raise PortfolioError(
            f"{len(self.found)} problems:\n" + "\n".join(lines),
            cure="correct each as said beside it",
            where=self.file,
        )


@dataclass(frozen=True, slots=True)
class _Parsed:
    place: str
    where: _Place
    lot: Lot


def holdings_of(rows: Iterable[Row], troubles: Troubles, *, comma_country: bool = False) -> tuple[Holding, ...]:
    """Read every row and gather them into holdings, in the order in which each first appears.

    Rows of one asset, venue and lock are the lots of one holding. Rows alike in all but quantity are duplicates, unless
    both date and cost are given: one order is often filled in several parts of one day at one price.

    Args:
        rows: Rows with canonical column names.
        troubles: Receives what cannot be read; the caller raises.
        comma_country: Whether the file is parted by semicolons, see :func:`read_number`.
    """
    parsed = [p for p in (_parse(row, troubles, comma_country) for row in rows) if p is not None]
    _report_duplicates(parsed, troubles)
    grouped: dict[_Place, list[_Parsed]] = {}
    for item in parsed:
        grouped.setdefault(item.where, []).append(item)
    return tuple(h for h in (_holding(*group, troubles) for group in grouped.items()) if h is not None)


def _parse(row: Row, troubles: Troubles, comma_country: bool) -> _Parsed | None:
    cells = row.cells
    before = len(troubles.found)

    def read(column: str, reader: Callable[[str], _T]) -> _T | None:
        text = cells.get(column)
        if text is None:
            return None
        try:
            return reader(text)
        except CellError as error:
            troubles.add(f"{row.place}, column {column}", error.cause, error.cure)
            return None

    for column in ("asset", "quantity"):
        if column not in cells:
            troubles.add(f"{row.place}, column {column}", f"no {column}", "fill it in, or remove the row")
    asset = read("asset", read_asset)
    quantity = read("quantity", lambda t: read_positive(t, comma_country=comma_country))
    cost = read("unit_cost", lambda t: read_cost(t, comma_country=comma_country))
    acquired = read("acquired", read_day)
    until = read("locked_until", read_day)
    locked = read("locked", read_flag)
    venue = read("venue", read_venue)
    if locked is False and until is not None:
        troubles.add(f"{row.place}, column locked", f"not locked, yet locked until {until}", "empty one of the two")
    if len(troubles.found) > before or asset is None or quantity is None:
        return None
    held = locked if locked is not None else until is not None
    return _Parsed(row.place, (asset, venue, held, until), Lot(quantity, acquired, cost))


def is_fill(lot: Lot) -> bool:
    """Whether a lot tells its date and its cost; another one like it is then a second fill, not a slip.

    >>> from datetime import date
    >>> is_fill(Lot(Decimal(1), date(2024, 8, 3), Decimal(20))), is_fill(Lot(Decimal(1), date(2024, 8, 3)))
    (True, False)
    """
    return lot.acquired is not None and lot.unit_cost is not None


def _report_duplicates(parsed: list[_Parsed], troubles: Troubles) -> None:
    seen: dict[tuple[_Place, date | None, Decimal | None], _Parsed] = {}
    for item in parsed:
        if is_fill(item.lot):
            continue
        first = seen.setdefault((item.where, item.lot.acquired, item.lot.unit_cost), item)
        if first is not item:
            troubles.add(
                f"{first.place} and {item.place}",
                f"{item.where[0]} stands twice with nothing but the quantity to tell them apart "
                f"({first.lot.quantity} and {item.lot.quantity})",
                "remove one, add them up, or give each its date and cost, or its venue",
            )


def _holding(where: _Place, items: list[_Parsed], troubles: Troubles) -> Holding | None:
    asset, venue, locked, until = where
    lots = tuple(item.lot for item in items)
    with localcontext() as context:
        context.clear_flags()
        total = sum((lot.quantity for lot in lots), Decimal(0))
        rounded = context.flags[Inexact]
    if rounded:
        troubles.add(items[0].place, f"the lots of {asset} have too many digits to add up exactly", "round them")
        return None
    plain = len(lots) == 1 and lots[0].acquired is None and lots[0].unit_cost is None
    return Holding(asset, total, () if plain else lots, locked, until, venue)
