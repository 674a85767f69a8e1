"""Tables and sections as plain values: built once from a result, then shown as text or as HTML."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from stormsail.core import Maybe, Unavailable
from stormsail.report.format import NOT_KNOWN, clean

HTML_ONLY = 9
"""The ``drop`` of a column that is too wide for a terminal at any width."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, its unit, and when it may be left out.

    Attributes:
        title: Heading; a newline breaks it.
        unit: Unit of its numbers, shown under the heading.
        number: Whether it is aligned to the right.
        drop: 0 is always shown; where room is short, the highest is left out first.
    """

    title: str
    unit: str = ""
    number: bool = True
    drop: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place: a text and, beside it, the number of a note."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells, a line of words under it, and whether it is the one to look at."""

    cells: tuple[Cell, ...]
    note: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption.

    Attributes:
        caption: What it shows.
        columns: Its columns.
        rows: Its rows, one cell per column.
        footers: What its words mean.
        notes: The numbers beside cells, and the reason behind each.
        terminal: Whether it is short enough to be shown on a terminal.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footers: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    terminal: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter: sentences first, then tables.

    Attributes:
        key: Short name, used as anchor and to place figures.
        title: Heading.
        lead: Sentences, one paragraph each.
        tables: Tables in order.
    """

    key: str
    title: str
    lead: tuple[str, ...]
    tables: tuple[Table, ...] = ()


@dataclass(slots=True)
class Builder:
    """Collects the rows of a table and numbers the reasons of its gaps.

    A line of words that would stand under several rows is told once, as a numbered note; ``noted`` is the column that
    carries the number.

    >>> b = Builder("Coins", (Column("Asset", number=False), Column("Volatility", "%")))
    >>> b.add("NEW", b.gap("nine days of history"))
    >>> b.table().rows[0].cells[1], b.table().notes
    (Cell(text='n/a', mark='[1]'), (('[1]', 'nine days of history'),))
    """

    caption: str
    columns: tuple[Column, ...]
    footers: tuple[str, ...] = ()
    terminal: bool = True
    noted: int = 0
    _rows: list[Row] = field(default_factory=list)
    _reasons: dict[str, int] = field(default_factory=dict)

    def add(self, *cells: str | Cell, note: str = "", strong: bool = False) -> None:
        """Add a row with one cell per column."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{self.caption}: {len(cells)} cells for {len(self.columns)} columns")
        made = tuple(cell if isinstance(cell, Cell) else Cell(clean(cell)) for cell in cells)
        self._rows.append(Row(made, clean(note), strong))

    def marked(self, text: str, reason: str) -> Cell:
        """A cell with a note under the table; equal notes share a number."""
        number = self._reasons.setdefault(clean(reason), len(self._reasons) + 1)
        return Cell(text, f"[{number}]")

    def gap(self, reason: str) -> Cell:
        """A cell for a number that could not be had."""
        return self.marked(NOT_KNOWN, reason)

    def maybe(self, value: Maybe, write: Callable[[float], str]) -> Cell:
        """An estimate, or its gap; strength borrowed from a group is noted."""
        if isinstance(value, Unavailable):
            return self.gap(value.reason)
        if value.borrowed_from:
            return self.marked(write(value.value), f"history too short; borrowed from {value.borrowed_from}")
        return self.number(value.value, write)

    def error(self, value: Maybe, write: Callable[[float], str]) -> Cell:
        """Standard error of an estimate; empty where there is none."""
        if isinstance(value, Unavailable) or value.error is None or math.isnan(value.error):
            return Cell("")
        return Cell(write(value.error))

    def number(self, value: float, write: Callable[[float], str], *, unknown: str = "it could not be computed") -> Cell:
        """A number, or its gap where it is NaN."""
        return self.gap(unknown) if math.isnan(value) else Cell(write(value))

    def table(self) -> Table:
        """The finished table."""
        told = Counter(row.note for row in self._rows if row.note)
        rows = tuple(self._once(row) if told[row.note] > 1 else row for row in self._rows)
        notes = tuple((f"[{number}]", reason) for reason, number in self._reasons.items())
        return Table(self.caption, self.columns, rows, self.footers, notes, self.terminal)

    def _once(self, row: Row) -> Row:
        """The row with its line of words behind a number; a cell that has a number already keeps both as they are."""
        cell = row.cells[self.noted]
        if cell.mark:
            return row
        marked = self.marked(cell.text, row.note)
        return replace(row, cells=(*row.cells[: self.noted], marked, *row.cells[self.noted + 1 :]), note="")


def present(tables: Iterable[Table]) -> tuple[Table, ...]:
    """The tables that have rows."""
    return tuple(table for table in tables if table.rows)


def value_of(maybe: Maybe) -> float:
    """The value of an estimate, NaN where it is unavailable."""
    return math.nan if isinstance(maybe, Unavailable) else maybe.value
