"""Tables of text: which sign parts the columns, which column is which, and where each row stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from stormsail.adapters.files._columns import COLUMNS, canonical, nearest_column
from stormsail.adapters.files._rows import Row, Troubles
from stormsail.core import PortfolioError

_DELIMITERS = (",", ";", "\t", "|")


def table_rows(text: str, troubles: Troubles) -> tuple[list[Row], str]:
    """Read a table with a header; blank lines and lines that start with ``#`` are passed over.

    Args:
        text: The whole file.
        troubles: Receives rows that do not fit the header.

    Returns:
        The rows with canonical column names, and the sign that parts the columns.

    Raises:
        PortfolioError: If there is no header with asset and quantity, or a column is unknown or stands twice.
    """
    try:
        delimiter = _delimiter(text, troubles.file)
        lines = _lines(text, delimiter)
        _, header = next(lines, (0, []))
        names = _header(header, troubles.file)
        return [row for row in (_row(n, cells, names, troubles) for n, cells in lines) if row is not None], delimiter
    except csv.Error as error:
        raise PortfolioError(
            f"not a table: {error}", cure="check the quotation marks, or write the file anew", where=troubles.file
        ) from error


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    start = 1
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if any(stripped) and not stripped[0].startswith("#"):
            yield start, stripped
        start = reader.line_num + 1


def _delimiter(text: str, file: str) -> str:
    """The sign that makes the header name the most known columns."""
    best, most = ",", 0
    for delimiter in _DELIMITERS:
        try:
            _, header = next(_lines(text, delimiter), (0, []))
        except csv.Error:
            continue
        known = sum(canonical(name) is not None for name in header)
        if known > most:
            best, most = delimiter, known
    if not most:
        _, header = next(_lines(text, ","), (0, []))
        if not header:
            raise PortfolioError("the file has no rows", cure="write a header and one row per coin", where=file)
        raise PortfolioError(
            f"the first row {', '.join(header)[:80]!r} names no known column",
            cure="begin with a header such as asset,quantity",
            where=f"{file}, row 1",
        )
    return best


def _header(header: list[str], file: str) -> list[str | None]:
    names = [canonical(name) for name in header]
    for written, name in zip(header, names, strict=True):
        if name is None and written:
            raise PortfolioError(
                f"unknown column {written[:60]!r}", cure=nearest_column(written), where=f"{file}, header"
            )
        if name is not None and names.count(name) > 1:
            twice = " and ".join(repr(w) for w, n in zip(header, names, strict=True) if n == name)
            raise PortfolioError(f"columns {twice} both mean {name}", cure="keep one of them", where=f"{file}, header")
    for needed in ("asset", "quantity"):
        if needed not in names:
            raise PortfolioError(
                f"no column {needed!r} among {', '.join(w for w in header if w)[:80]!r}",
                cure=f"add it; columns may be {', '.join(COLUMNS)}",
                where=f"{file}, header",
            )
    return names


def _row(number: int, cells: list[str], names: list[str | None], troubles: Troubles) -> Row | None:
    place = f"row {number}"
    extra = [cell for cell, name in zip(cells, names, strict=False) if name is None and cell]
    if extra or any(cells[len(names) :]):
        troubles.add(
            place,
            f"{len(cells)} cells under {len([n for n in names if n])} columns",
            "write numbers with a decimal point and no thousands sign (1234.56), and put texts with commas in quotes",
        )
        return None
    return Row(place, {name: cell for name, cell in zip(names, cells, strict=False) if name and cell})
