"""Shows sections and tables on a terminal of any width; numbers are never cut."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from stormsail.report.format import clean
from stormsail.report.tables import HTML_ONLY, Cell, Column, Row, Section, Table

TOP = 12
"""Rows shown of a long table."""

GAP = "  "
_MIN_NAME = 12
_FEW = 3  # so few rows are shown rather than counted


def show_section(console: Console, section: Section, *, number: int | None = None, top: int = TOP) -> None:
    """Print a section: title, sentences, tables."""
    title = section.title if number is None else f"{number}. {section.title}"
    say(console, title, style="bold")
    say(console, "-" * cell_len(title), style="dim")
    for paragraph in section.lead:
        say(console, paragraph)
    for table in section.tables:
        if table.terminal:
            console.print()
            show_table(console, table, top=top)
    console.print()


def say(console: Console, words: str, *, style: str = "", indent: int = 0) -> None:
    """Print words, wrapped to the console, taken literally, in characters the console can write."""
    text = Text(_writable(console, clean(words)))
    for line in text.wrap(console, max(20, console.width - indent)):
        _line(console, " " * indent + line.plain, style)


def show_table(console: Console, table: Table, *, top: int = TOP) -> None:
    """Print a table: its caption, its first ``top`` rows, its footers, and the notes that its shown cells refer to."""
    if len(table.rows) <= top + _FEW:
        top = len(table.rows)
    shown = _fitting(table, table.rows[:top], console.width)
    columns = tuple(table.columns[i] for i in shown)
    rows, notes = _renumbered(table, [tuple(row.cells[i] for i in shown) for row in table.rows[:top]])
    widths, marks = _widths(columns, rows)
    widths = _narrow(columns, widths, marks, console.width)
    if table.caption:
        say(console, table.caption, style="bold")
    for line in _heading(columns, widths, marks):
        _line(console, line, "dim")
    for row, cells in zip(table.rows[:top], rows, strict=True):
        for line in _cells(console, cells, columns, widths, marks):
            _line(console, line, "bold" if row.strong else "")
        if row.note:
            say(console, row.note, indent=4, style="dim")
    if len(table.rows) > top:
        say(console, f"and {len(table.rows) - top:,} more", style="dim")
    for footer in (*table.footers, *notes):
        say(console, footer, style="dim", indent=2)


def _renumbered(table: Table, rows: Sequence[tuple[Cell, ...]]) -> tuple[list[tuple[Cell, ...]], list[str]]:
    """The cells shown, and the notes they refer to, numbered from 1 without gaps."""
    marked = {cell.mark for cells in rows for cell in cells}
    told = [(mark, reason) for mark, reason in table.notes if mark in marked]
    new = {mark: f"[{number}]" for number, (mark, _) in enumerate(told, 1)}
    cells = [tuple(Cell(cell.text, new.get(cell.mark, cell.mark)) for cell in row) for row in rows]
    return cells, [f"{new[mark]} {reason}" for mark, reason in told]


def _writable(console: Console, text: str) -> str:
    return text.encode(console.encoding, "replace").decode(console.encoding, "replace")


def _line(console: Console, line: str, style: str) -> None:
    text = Text(_writable(console, line.rstrip()), style=style)
    console.print(text, no_wrap=True, overflow="ignore", crop=False, highlight=False)


def _total(widths: Sequence[int], marks: Sequence[int]) -> int:
    return sum(widths) + sum(marks) + len(GAP) * (len(widths) - 1)


def _fitting(table: Table, rows: Sequence[Row], width: int) -> list[int]:
    """Columns that fit: the highest ``drop`` goes first, the rightmost of equals."""
    used = [any(row.cells[i].text for row in rows) for i in range(len(table.columns))]
    shown = [i for i, column in enumerate(table.columns) if column.drop < HTML_ONLY and (used[i] or not column.drop)]
    while True:
        columns = [table.columns[i] for i in shown]
        widths, marks = _widths(columns, [tuple(row.cells[i] for i in shown) for row in rows])
        spare = max(shown, key=lambda i: (table.columns[i].drop, i))
        if _total(widths, marks) <= width or not table.columns[spare].drop:
            return shown
        shown.remove(spare)


def _titles(column: Column) -> list[str]:
    return [*column.title.split("\n"), *([column.unit] if column.unit else [])]


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> tuple[list[int], list[int]]:
    """Width of each column's text and of its note numbers."""
    widths = [max(map(cell_len, _titles(column))) for column in columns]
    marks = [0] * len(columns)
    for row in rows:
        for i, cell in enumerate(row):
            widths[i] = max(widths[i], cell_len(cell.text))
            marks[i] = max(marks[i], cell_len(cell.mark))
    return widths, marks


def _narrow(columns: Sequence[Column], widths: list[int], marks: Sequence[int], width: int) -> list[int]:
    """Take what is too much from the widest columns of words; numbers keep their width."""
    narrowed = list(widths)
    words = [i for i, column in enumerate(columns) if not column.number]
    while _total(narrowed, marks) > width and words:
        widest = max(words, key=lambda i: narrowed[i])
        if narrowed[widest] <= _MIN_NAME:
            break
        narrowed[widest] -= 1
    return narrowed


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * max(0, width - cell_len(text))
    return space + text if right else text + space


def _heading(columns: Sequence[Column], widths: Sequence[int], marks: Sequence[int]) -> list[str]:
    titles = [_titles(column) for column in columns]
    height = max(map(len, titles))
    lines = []
    for level in range(height):
        parts = [
            _pad(([""] * (height - len(title)) + title)[level], w, right=c.number) + " " * m
            for title, c, w, m in zip(titles, columns, widths, marks, strict=True)
        ]
        lines.append(GAP.join(parts))
    return [*lines, GAP.join("-" * (w + m) for w, m in zip(widths, marks, strict=True))]


def _cells(
    console: Console, cells: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], marks: Sequence[int]
) -> list[str]:
    """Lines of one row; words that are too long for their column go on below."""
    wrapped = [
        [cell.text] if column.number else [part.plain for part in Text(cell.text).wrap(console, width)] or [""]
        for cell, column, width in zip(cells, columns, widths, strict=True)
    ]
    lines = []
    for level in range(max(map(len, wrapped))):
        parts = []
        for texts, cell, column, width, mark in zip(wrapped, cells, columns, widths, marks, strict=True):
            text = texts[level].rstrip() if level < len(texts) else ""
            beside = _pad("" if level else cell.mark, mark, right=False)
            parts.append(_pad(text, width, right=column.number) + beside)
        lines.append(GAP.join(parts))
    return lines
