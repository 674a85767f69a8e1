"""Uniting what a store holds of a series with what comes in, row by row."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import or_

import polars as pl

from stormsail.core import SchemaError
from stormsail.market.schema import Kind, SeriesInfo

_IDENTITY: dict[Kind, tuple[str, ...]] = {
    Kind.BOOK: ("known_at", "side", "level"),
    Kind.TIERS: ("known_at", "tier"),
    Kind.CONTRACTS: ("known_at", "symbol"),
}


def identity(kind: Kind) -> tuple[str, ...]:
    """Columns that no two rows of a series share.

    >>> identity(Kind.SPOT), identity(Kind.TIERS)
    (('known_at',), ('known_at', 'tier'))
    """
    return _IDENTITY.get(kind, ("known_at",))


def distinct(frame: pl.DataFrame, kind: Kind, *, where: str) -> pl.DataFrame:
    """``frame`` without repeated rows, sorted by identity.

    Raises:
        SchemaError: If two rows with the same identity differ.
    """
    rows = frame.unique(maintain_order=True).sort(identity(kind), maintain_order=True)
    unlike = rows.filter(pl.struct(identity(kind)).is_duplicated())
    if not unlike.is_empty():
        raise SchemaError(
            f"two different rows are stamped {unlike['known_at'][0]:%Y-%m-%d %H:%M:%S}",
            cure="remove the wrong one from what is written",
            where=where,
        )
    return rows


def merge(old: pl.DataFrame, new: pl.DataFrame, kind: Kind, *, replace: bool, where: str) -> pl.DataFrame:
    """Rows of both, sorted by time; what is unavailable (null) on one side is taken from the other.

    Args:
        old: Rows held, in the schema of ``kind``.
        new: Rows to add.
        kind: Kind of the series.
        replace: Whether new rows drive out all old rows of the same moment; otherwise a contradiction is refused.
        where: For the error.

    Raises:
        SchemaError: If a value differs and ``replace`` is not set.
    """
    if replace:
        kept = old.join(new, on="known_at", how="anti")
        return pl.concat([kept, new]).sort(identity(kind), maintain_order=True)
    on = list(identity(kind))
    values = [name for name in old.columns if name not in on]
    both = old.join(new, on=on, how="inner", suffix=" new")
    differs = reduce(or_, (pl.col(name) != pl.col(f"{name} new") for name in values))
    fights = both.filter(differs.fill_null(value=False))
    if not fights.is_empty():
        raise SchemaError(
            f"{fights.height} rows differ from those held, first at {fights['known_at'][0]:%Y-%m-%d %H:%M:%S}",
            cure="write with replace=True if the new rows are right",
            where=where,
        )
    united = old.join(new, on=on, how="full", suffix=" new", coalesce=True)
    return united.select(
        name if name in on else pl.coalesce(name, f"{name} new").alias(name) for name in old.columns
    ).sort(on, maintain_order=True)


def agree(old: SeriesInfo, new: SeriesInfo, *, overrule: bool) -> SeriesInfo:
    """The description of the united series; origins are listed in the order they came.

    Raises:
        SchemaError: If asset, multiplier, bar, quote or expiry differ and ``overrule`` is not set.
    """
    for name in ("asset", "multiplier", "bar", "quote", "expiry"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after and not overrule:
            raise SchemaError(
                f"its {name} is {before}, not {after}",
                cure="give the series another key, or write with replace=True",
                where=str(new.key),
            )
    origins = dict.fromkeys((*old.origin.split(" + "), *new.origin.split(" + ")))
    return replace(new, origin=" + ".join(origins))
