"""Maintenance as a function of the price alone: straight lines whose largest is what the venue asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stormsail.core import InputError, to_float
from stormsail.margin.types import TierTable


@dataclass(frozen=True, slots=True)
class Envelope:
    """Maintenance margin ``max_n (rate_n S - deduction_n)`` of a short, or of a book of shorts that moves as one.

    ``S`` is the price as a multiple of that at the start, and everything is a fraction of the notional at the start.
    With brackets whose rates never fall the largest line is the bracket's own (:mod:`stormsail.margin.tiers`).

    Attributes:
        rates: Slopes, each at or above 0; a fee of closing that counts as maintenance is part of them.
        deductions: One for each slope; negative where maintenance does not go to zero with the price.

    >>> Envelope.flat(0.01).barrier(0.5)
    1.4851485148514851
    """

    rates: tuple[float, ...]
    deductions: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.rates or len(self.rates) != len(self.deductions) or min(self.rates) < 0.0:
            raise InputError(
                "an envelope without lines, or with a negative rate", cure="give a rate for each deduction"
            )

    @classmethod
    def flat(cls, rate: float) -> Envelope:
        """The same rate at every price."""
        return cls((rate,), (0.0,))

    @classmethod
    def at_entry(cls, rate: float) -> Envelope:
        """Maintenance fixed at the entry price: ``rate`` of the notional at the start, whatever the price."""
        return cls((0.0,), (-rate,))

    @classmethod
    def of(cls, table: TierTable, notional: float, fee: float = 0.0) -> Envelope:
        """That of one short of ``notional`` (in the unit of the table) at the start."""
        return cls.of_book([table], [notional], [fee])

    @classmethod
    def of_book(cls, tables: Sequence[TierTable], notionals: Sequence[float], fees: Sequence[float]) -> Envelope:
        """That of shorts under cross margin whose prices move by the same factor; exact.

        The sum of convex functions with straight pieces is one too: its kinks are all the kinks, and between two of
        them slopes and deductions add.

        Raises:
            InputError: If a notional is not positive.
        """
        whole = sum(notionals)
        if not notionals or min(notionals) <= 0.0:
            raise InputError(f"notionals {list(notionals)}", cure="give positive ones")
        books = [
            [(to_float(t.floor) / n, to_float(t.rate) + fee, to_float(t.deduction)) for t in table.tiers]
            for table, n, fee in zip(tables, notionals, fees, strict=True)
        ]
        kinks = sorted({floor for tiers in books for floor, _, _ in tiers})
        lines: list[tuple[float, float]] = []
        for kink in kinks:
            held = [max(t for t in tiers if t[0] <= kink) for tiers in books]
            slope = sum(rate * n for (_, rate, _), n in zip(held, notionals, strict=True)) / whole
            line = (slope, sum(deduction for _, _, deduction in held) / whole)
            if line not in lines:
                lines.append(line)
        return cls(tuple(rate for rate, _ in lines), tuple(deduction for _, deduction in lines))

    def maintenance(self, price: float) -> float:
        """What is asked for at a price, never below 0."""
        return max(0.0, *(rate * price - d for rate, d in zip(self.rates, self.deductions, strict=True)))

    def barrier(self, wallet: float) -> float:
        """Price that liquidates a short with this wallet: ``min_n (1 + wallet + deduction_n) / (1 + rate_n)``."""
        return min((1.0 + wallet + d) / (1.0 + rate) for rate, d in zip(self.rates, self.deductions, strict=True))

    def warning(self, wallet: float, ratio: float) -> float:
        """Price at which maintenance is ``ratio`` of the balance: ``min_n (ratio (1 + wallet) + deduction_n) / (rate_n
        + ratio)``.
        """
        return min(
            (ratio * (1.0 + wallet) + d) / (rate + ratio) for rate, d in zip(self.rates, self.deductions, strict=True)
        )
