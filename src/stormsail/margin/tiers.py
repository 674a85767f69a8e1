"""Maintenance-margin brackets: reading, checking, and asking them.

The maintenance margin of a notional ``v`` in bracket ``n`` is ``M(v) = v * rate_n - deduction_n`` with
``deduction_n = deduction_{n-1} + floor_n * (rate_n - rate_{n-1})``. With rates that never fall, ``M`` is continuous and
convex, hence the upper envelope of its lines: ``M(v) = max_n (v * rate_n - deduction_n)``. Everything exact about
liquidation in this room rests on that one fact.

Source: Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts" (2020-08-14, maintenance amount);
Hyperliquid docs, "Margin tiers" (same construction).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, localcontext
from itertools import pairwise

import polars as pl

from stormsail.core import Contract, Payoff, SchemaError, Tenor, Unavailable, from_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.types import Tier, TierTable
from stormsail.market.schema import Kind, conform

_DEDUCTION_SLACK = Decimal("0.01")
"""Venues print deductions to the cent; more than that is an inconsistent table."""

OPEN_END = Decimal(10) ** 12
"""Cap of the last bracket of a made-up table: more than any position."""


def deductions(floors: Sequence[Decimal], rates: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """The deductions that make maintenance continuous over brackets with these floors and rates.

    >>> deductions([Decimal(0), Decimal(50000)], [Decimal("0.004"), Decimal("0.005")])
    (Decimal('0'), Decimal('50.000'))
    """
    found = [Decimal(0)]
    with localcontext(MONEY_CONTEXT):
        for floor, low, high in zip(floors[1:], rates[:-1], rates[1:], strict=True):
            found.append(found[-1] + floor * (high - low))
    return tuple(found)


def build_table(
    contract: str,
    effective_from: date,
    brackets: Sequence[tuple[Decimal, Decimal, Decimal]],
    source: str,
    *,
    assumed: bool = False,
) -> TierTable:
    """A continuous table from ``(cap, rate, max_leverage)`` by rising cap; the first bracket starts at 0."""
    caps = [cap for cap, _, _ in brackets]
    rates = [rate for _, rate, _ in brackets]
    floors = [Decimal(0), *caps[:-1]]
    taken = deductions(floors, rates)
    tiers = tuple(
        Tier(floor, cap, rate, deduction, leverage)
        for floor, (cap, rate, leverage), deduction in zip(floors, brackets, taken, strict=True)
    )
    return TierTable(contract, effective_from, tiers, source, assumed)


def tier_table(frame: pl.DataFrame, contract: Contract, as_of: date) -> TierTable | Unavailable:
    """The brackets in force on ``as_of``: the latest snapshot not after that day.

    Args:
        frame: Rows of kind ``tiers`` of this contract, all dates.
        contract: Whose table it is.
        as_of: Day of the question; later snapshots are not looked at.

    Returns:
        The table, or ``Unavailable`` when no snapshot is that old.

    Raises:
        SchemaError: If the snapshot has gaps, missing numbers, falling rates, or deductions that break continuity.
            Nothing is repaired.
    """
    rows = conform(frame, Kind.TIERS, where=contract.id).filter(pl.col("known_at").dt.date() <= as_of)
    if rows.is_empty():
        return Unavailable(f"no margin brackets of {contract.id} on or before {as_of}")
    stamp = rows["known_at"].max()
    latest = rows.filter(pl.col("known_at") == stamp).sort("floor")
    effective = latest["known_at"].dt.date()[0]
    if latest.select(pl.any_horizontal(pl.all().is_null().any())).item():
        raise _broken(contract, effective, "a number is missing")
    tiers = tuple(
        Tier(*(from_float(row[name]) for name in ("floor", "cap", "maintenance_rate", "deduction", "max_leverage")))
        for row in latest.iter_rows(named=True)
    )
    _check(contract, effective, tiers)
    return TierTable(contract.id, effective, tiers, f"{contract.venue} margin brackets of {effective}")


def _broken(contract: Contract, day: date, what: str) -> SchemaError:
    return SchemaError(
        f"margin brackets of {day} are inconsistent: {what}",
        cure="read the venue's table again, or remove this snapshot",
        where=contract.id,
    )


def _check(contract: Contract, day: date, tiers: Sequence[Tier]) -> None:
    if tiers[0].floor != 0:
        raise _broken(contract, day, f"they start at {tiers[0].floor}, not 0")
    expected = deductions([t.floor for t in tiers], [t.rate for t in tiers])
    for number, (tier, wanted) in enumerate(zip(tiers, expected, strict=True), start=1):
        if not (tier.floor < tier.cap and 0 < tier.rate < 1 and tier.max_leverage > 0):
            raise _broken(contract, day, f"tier {number} has impossible bounds, rate or leverage")
        if abs(tier.deduction - wanted) > _DEDUCTION_SLACK:
            raise _broken(contract, day, f"tier {number} deducts {tier.deduction}, continuity needs {wanted}")
    for number, (low, high) in enumerate(pairwise(tiers), start=2):
        if low.cap != high.floor:
            raise _broken(contract, day, f"tier {number} starts at {high.floor}, the one below ends at {low.cap}")
        if high.rate < low.rate:
            raise _broken(contract, day, f"the rate falls from {low.rate} to {high.rate} at tier {number}")


def tier_index(notional: Decimal, table: TierTable) -> int:
    """Index of the bracket of ``notional``; the last one beyond the last cap."""
    for index, tier in enumerate(table.tiers):
        if notional <= tier.cap:
            return index
    return len(table.tiers) - 1


def tier_at(notional: Decimal, table: TierTable) -> Tier:
    """The bracket of ``notional``: ``floor < notional <= cap``; the last one beyond the last cap."""
    return table.tiers[tier_index(notional, table)]


def maintenance(notional: Decimal, table: TierTable) -> Decimal:
    """Maintenance margin of an absolute notional, in its unit: ``notional * rate - deduction`` (never below 0).

    >>> t = build_table("x", date(2025, 4, 30), [(Decimal(50000), Decimal("0.004"), Decimal(125)),
    ...     (Decimal(600000), Decimal("0.005"), Decimal(100))], "example")
    >>> maintenance(Decimal(100000), t)
    Decimal('450.000')
    """
    tier = tier_at(notional, table)
    with localcontext(MONEY_CONTEXT):
        return max(Decimal(0), notional * tier.rate - tier.deduction)


def maintenance_rate(notional: Decimal, table: TierTable) -> Decimal:
    """Maintenance margin as a fraction of ``notional`` (the first bracket's rate at 0)."""
    if notional <= 0:
        return table.tiers[0].rate
    with localcontext(MONEY_CONTEXT):
        return maintenance(notional, table) / notional


def max_leverage(notional: Decimal, table: TierTable) -> Decimal:
    """Largest leverage the venue allows at that notional; 0 beyond the last cap, where nothing may be opened."""
    return Decimal(0) if notional > table.tiers[-1].cap else tier_at(notional, table).max_leverage


def initial(notional: Decimal, leverage: Decimal, table: TierTable) -> Decimal:
    """Initial margin at ``leverage``, cut to what the bracket allows: ``notional / min(leverage, allowed)``.

    Raises:
        ValueError: If ``leverage`` is not positive.
    """
    if leverage <= 0:
        raise ValueError(f"leverage must be positive, not {leverage}")
    with localcontext(MONEY_CONTEXT):
        return notional / min(leverage, tier_at(notional, table).max_leverage)


LARGE_ALTS = frozenset({"ADA", "AVAX", "BCH", "BNB", "DOGE", "DOT", "LINK", "LTC", "SOL", "TRX", "XRP"})
"""Coins whose brackets on the largest venue have been wide in every snapshot from 2022 to 2025."""

_ASSUMED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "majors": (
        ("100000", "0.01", "50"),
        ("1000000", "0.02", "25"),
        ("10000000", "0.025", "20"),
        ("50000000", "0.05", "10"),
        ("100000000", "0.10", "5"),
        ("200000000", "0.25", "2"),
        (str(OPEN_END), "0.50", "1"),
    ),
    "large alts": (
        ("50000", "0.01", "50"),
        ("250000", "0.025", "20"),
        ("1000000", "0.05", "10"),
        ("2000000", "0.10", "5"),
        ("5000000", "0.125", "4"),
        ("10000000", "0.25", "2"),
        (str(OPEN_END), "0.50", "1"),
    ),
    "other alts": (
        ("5000", "0.02", "25"),
        ("25000", "0.025", "20"),
        ("100000", "0.05", "10"),
        ("250000", "0.10", "5"),
        ("500000", "0.125", "4"),
        ("1000000", "0.25", "2"),
        (str(OPEN_END), "0.50", "1"),
    ),
}
_CLASSES = tuple(_ASSUMED)


def assumed_table(contract: Contract, as_of: date) -> TierTable:
    """A stated, deliberately strict stand-in where the venue's brackets are not known.

    Three classes (BTC and ETH; eleven large alts; every other coin), each a round figure at or above the bracket rate
    that nine in ten tables of its class carried at that notional in ten snapshots of Binance USD-M brackets from
    2022-05-01 to 2025-04-30 (2,462 tables of USDT perpetuals; at 10,000, 100,000 and 1,000,000 together the stand-in
    asks for at least as much as 90 % of them). Leverage is half the inverse of the rate, as venues
    set it. A dated contract takes the next stricter class, because its brackets are narrower. Inverse contracts count
    notional in coin, where dollar bounds mean nothing: one bracket of 2.5 % (BTC, ETH) or 5 % stands in.
    """
    rank = 0 if contract.base in {"BTC", "ETH"} else 1 if contract.base in LARGE_ALTS else 2
    if contract.payoff is Payoff.INVERSE:
        rate = Decimal("0.025") if rank == 0 else Decimal("0.05")
        brackets = [(OPEN_END, rate, 1 / (2 * rate))]
        return build_table(contract.id, as_of, brackets, "assumed: one bracket for an inverse contract", assumed=True)
    if contract.tenor is Tenor.DATED:
        rank = min(rank + 1, 2)
    kind = _CLASSES[rank]
    brackets = [(Decimal(cap), Decimal(rate), Decimal(leverage)) for cap, rate, leverage in _ASSUMED[kind]]
    return build_table(contract.id, as_of, brackets, f"assumed: {kind}, measured 2022-05 to 2025-04", assumed=True)


def flat_table(contract: Contract, as_of: date, rate: Decimal, source: str) -> TierTable:
    """One bracket with one maintenance rate, for venues that publish one per market (dYdX)."""
    return build_table(contract.id, as_of, [(OPEN_END, rate, 1 / (2 * rate))], source)
