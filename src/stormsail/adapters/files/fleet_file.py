"""Fleets as Parquet: many portfolios in long form, read shard by shard, and what came of them.

Only the column of names is ever looked at as a whole, in pieces; a shard is read when it is its turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stormsail.adapters.files.shard_folder import ShardFolder
from stormsail.core import InputError, PortfolioError
from stormsail.lab.fleet import FleetPlans, FleetShard

COLUMNS = ("portfolio", "asset", "quantity")
OPTIONAL = ("coverage", "collateral")
ORDERS, PORTFOLIOS = "orders", "portfolios"
_PIECE = 2_000_000
_MOST_CENTS = 10**14


@dataclass(frozen=True, slots=True)
class FleetFile:
    """A file of portfolios, looked through.

    Attributes:
        path: Where it lies.
        digest: SHA-256 of its bytes.
        portfolios: How many there are.
        symbols: Distinct symbols, sorted.
        spans: First row and number of rows of each shard.
    """

    path: Path
    digest: str
    portfolios: int
    symbols: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    def shards(self, skip: frozenset[int] = frozenset()) -> Iterator[tuple[int, FleetShard]]:
        """Number and content of each shard, read one by one; those of ``skip`` are not read."""
        for number, (first, rows) in enumerate(self.spans):
            if number not in skip:
                yield number, _shard(_scan(self.path).slice(first, rows).collect())


def look_through(path: Path, *, size: int) -> FleetFile:
    """Look through a file of portfolios without keeping it.

    Args:
        path: Parquet with the columns ``portfolio``, ``asset``, ``quantity`` and, if wanted, ``coverage`` and
            ``collateral``; the rows of a portfolio stand together.
        size: Portfolios in a shard.

    Raises:
        InputError: If it is no Parquet file.
        PortfolioError: If a column is missing, nothing is in it, or the rows of a portfolio do not stand together.
    """
    scan = _scan(path)
    rows = int(scan.select(pl.len()).collect().item())
    if rows == 0:
        raise PortfolioError("no portfolios are in it", cure="write at least one row", where=str(path))
    names = scan.select("portfolio")
    last: str | None = None
    starts: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    marks: list[np.ndarray[Any, np.dtype[np.uint64]]] = []
    for first in range(0, rows, _PIECE):
        column = names.slice(first, _PIECE).collect()["portfolio"]
        new = (column != column.shift(1)).fill_null(value=True)
        new[0] = first == 0 or column[0] != last
        begins = new.arg_true()
        starts.append(begins.to_numpy().astype(np.int64) + first)
        marks.append(column.gather(begins).hash().to_numpy())
        last = column[-1]
    begin, mark = np.concatenate(starts), np.concatenate(marks)
    _, counts = np.unique(mark, return_counts=True)
    if (counts > 1).any():
        _scattered(path, begin, mark)
    edges = np.append(begin[::size], rows)
    symbols = scan.select(pl.col("asset").unique()).collect(engine="streaming")["asset"].drop_nulls().to_list()
    return FleetFile(
        path,
        _digest(path),
        len(begin),
        tuple(sorted(symbols)),
        tuple((int(a), int(b - a)) for a, b in pairwise(edges)),
    )


def _scan(path: Path) -> pl.LazyFrame:
    """The columns in their types; what is no number becomes null."""
    try:
        scan = pl.scan_parquet(path)
        schema = scan.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        cause = f"not readable as Parquet: {str(error).splitlines()[0]}"
        raise InputError(cause, cure="write it as one Parquet file", where=str(path)) from error
    missing = [name for name in COLUMNS if name not in schema]
    if missing:
        raise PortfolioError(
            f"no column {', '.join(missing)}; it has {', '.join(schema)}",
            cure=f"name them {', '.join(COLUMNS)} and, if wanted, {', '.join(OPTIONAL)}",
            where=str(path),
        )
    optional = [
        pl.col(name).cast(pl.Float64, strict=False) if name in schema else pl.lit(None, pl.Float64).alias(name)
        for name in OPTIONAL
    ]
    return scan.select(
        pl.col("portfolio").cast(pl.String).fill_null(""),
        pl.col("asset").cast(pl.String).str.strip_chars().str.to_uppercase(),
        pl.col("quantity").cast(pl.Float64, strict=False),
        *optional,
    )


def _scattered(path: Path, begin: np.ndarray[Any, Any], mark: np.ndarray[Any, Any]) -> None:
    """Name a portfolio whose rows do not stand together."""
    order = np.argsort(mark, kind="stable")
    twice = order[1:][mark[order][1:] == mark[order][:-1]]
    row = int(begin[twice.min()])
    name = _scan(path).select("portfolio").slice(row, 1).collect().item()
    raise PortfolioError(
        f"portfolio {name!r} comes again in row {row + 1}, after others",
        cure="sort the file: pl.scan_parquet(file).sort('portfolio').sink_parquet(other)",
        where=str(path),
    )


def _shard(rows: pl.DataFrame) -> FleetShard:
    name = rows["portfolio"]
    new = (name != name.shift(1)).fill_null(value=True)
    begins = new.arg_true().to_numpy().astype(np.int64)
    start = np.append(begins, rows.height)
    symbols = rows["asset"].drop_nulls().unique().sort()
    index = {s: i for i, s in enumerate(symbols.to_list())}
    at = rows["asset"].replace_strict(index, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()
    names = name.gather(begins).to_list()
    faults = {i: "a portfolio without a name" for i, n in enumerate(names) if not n}
    coverage, found = _one_each(rows["coverage"], start, "coverage")
    faults |= found
    cash, found = _one_each(rows["collateral"], start, "collateral")
    faults |= found
    faults |= {int(i): f"collateral is {cash[i]:g}" for i in np.flatnonzero(cash < 0)}
    cents = np.floor(np.minimum(np.nan_to_num(cash, nan=0.0) * 100 + 1e-6, _MOST_CENTS)).astype(np.int64)
    return FleetShard(
        names=tuple(names),
        start=start,
        symbols=tuple(symbols.to_list()),
        symbol=at,
        quantity=rows["quantity"].fill_null(np.nan).to_numpy(),
        coverage=coverage,
        collateral=np.where(np.isnan(cash), -1, cents),
        faults=faults,
    )


def _one_each(column: pl.Series, start: np.ndarray[Any, Any], name: str) -> tuple[np.ndarray[Any, Any], dict[int, str]]:
    """The figure of each portfolio, NaN for none, and which portfolios have two."""
    values = column.fill_null(np.nan).to_numpy()
    low = np.fmin.reduceat(values, start[:-1])
    high = np.fmax.reduceat(values, start[:-1])
    two = np.flatnonzero(low < high)
    return low, {int(i): f"two figures of {name}: {low[i]:g} and {high[i]:g}" for i in two}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class FleetFolder:
    """What came of a fleet: ``manifest.json``, ``orders/*.parquet`` and ``portfolios/*.parquet``."""

    path: Path

    @property
    def _folder(self) -> ShardFolder:
        return ShardFolder(self.path, "stormsail fleet", (ORDERS, PORTFOLIOS))

    def begin(self, about: Mapping[str, Any]) -> frozenset[int]:
        """See :meth:`~stormsail.adapters.files.shard_folder.ShardFolder.begin`."""
        return self._folder.begin(about)

    def write(self, number: int, plans: FleetPlans) -> None:
        """Keep what came of a shard."""
        self._folder.write(number, (orders_table(plans), portfolios_table(plans)))

    def totals(self) -> pl.DataFrame:
        """Portfolios, notional, collateral and carry by status, from the files themselves."""
        return (
            self._folder.rows()
            .group_by("status")
            .agg(
                pl.len().alias("portfolios"),
                pl.col("value").fill_nan(None).sum(),
                pl.col("notional", "collateral").sum(),
                pl.col("carry").fill_nan(None).sum(),
                pl.col("cost").sum(),
                pl.col("orders").sum(),
            )
            .sort("status")
            .collect()
        )


def orders_table(plans: FleetPlans) -> pl.DataFrame:
    """One row per order; see the reference of the file."""
    steps = pl.Series(plans.steps, dtype=pl.Decimal(38, 12))
    return pl.DataFrame(
        {
            "portfolio": pl.Series(plans.names, dtype=pl.String).gather(plans.portfolio),
            "contract": pl.Series(plans.contracts, dtype=pl.String).gather(plans.contract),
            "lots": plans.lots,
            "step": steps.gather(plans.contract),
            "units": plans.notional,
            "cents": plans.collateral,
            "carry": plans.carry,
        }
    ).select(
        "portfolio",
        "contract",
        (_whole("lots") * pl.col("step")).alias("quantity"),
        _money("units", 8).alias("notional"),
        _money("cents", 2).alias("collateral"),
        "carry",
    )


def portfolios_table(plans: FleetPlans) -> pl.DataFrame:
    """One row per portfolio, whatever became of it."""
    many = len(plans.names)
    units, cents = np.zeros(many, dtype=np.int64), np.zeros(many, dtype=np.int64)
    np.add.at(units, plans.portfolio, plans.notional)
    np.add.at(cents, plans.portfolio, plans.collateral)
    return pl.DataFrame(
        {
            "portfolio": pl.Series(plans.names, dtype=pl.String),
            "status": [str(s) for s in plans.status],
            "reason": list(plans.reason),
            "value": plans.value,
            "wanted": plans.wanted,
            "coverage": plans.coverage,
            "orders": np.bincount(plans.portfolio, minlength=many),
            "units": units,
            "cents": cents,
            "carry": np.bincount(plans.portfolio, weights=plans.carry, minlength=many).astype(np.float64),
            "cost": plans.cost,
        },
        schema_overrides={"status": pl.String, "reason": pl.String, "orders": pl.Int64},
    ).select(
        *("portfolio", "status", "reason", "value", "wanted", "coverage", "orders"),
        _money("units", 8).alias("notional"),
        _money("cents", 2).alias("collateral"),
        *("carry", "cost"),
    )


def _whole(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Decimal(38, 0))


def _money(name: str, digits: int) -> pl.Expr:
    """An integer of small units as an exact amount."""
    return _whole(name) * pl.lit(Decimal(1).scaleb(-digits), dtype=pl.Decimal(38, digits))
