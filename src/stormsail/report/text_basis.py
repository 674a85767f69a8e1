"""The basis in words and tables: what it locks, what it may cost on the way, what else is left of the risk."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stormsail.core import Unavailable
from stormsail.market.term import TermStructure
from stormsail.plan.types import BasisRisk, BookBasis
from stormsail.report.format import amount, money, price, share_points, signed_points, span
from stormsail.report.tables import Builder, Column, Table

PARTS = {
    "basis": "Contracts moving against their coins",
    "beta": "Error of the substitutes' ratio",
    "idiosyncratic": "What coins do that their substitutes do not",
    "stablecoin": "The contracts' currency moving against the dollar",
}


def basis_lead(basis: BookBasis | Unavailable, currency: str) -> tuple[str, ...]:
    """Locked and residual in a sentence or two; nothing where nothing is short."""
    if isinstance(basis, Unavailable):
        return ()
    text = "Basis: "
    if isinstance(basis.locked, Unavailable):
        text += f"what the dated shorts lock is {basis.locked}; "
    elif basis.locked:
        word = "earns" if basis.locked > 0 else "costs"
        text += f"held to their ends, what the dated shorts have locked {word} {money(abs(basis.locked), currency)}; "
    if isinstance(basis.worst, Unavailable):
        return (f"{text}what one bad week costs on the way is {basis.worst}.",)
    text += f"one bad week (the worst 1 %) costs {money(-basis.worst, currency)} if the shorts must be closed in it"
    if basis.unmeasured:
        text += f", shorts of {money(basis.unmeasured, currency)} left out, whose coins nothing else prices"
    return (f"{text} ({basis.method}).",)


def basis_table(basis: BookBasis | Unavailable, currency: str) -> Table:
    """Parts of what is left of the variance over a week."""
    columns = (
        Column("Part", number=False),
        Column("Standard\ndeviation", currency),
        Column("Share of\nthe variance", "%"),
    )
    over = "a week" if isinstance(basis, Unavailable) else span(basis.risk.horizon)
    note = "Of the part that is hedged; shares are of the parts that are known. Deviations do not add up, variances do."
    build = Builder(f"What the hedge leaves over {over}", columns, (note,))
    if not isinstance(basis, Unavailable):
        _fill(build, basis.risk)
    return build.table()


def _fill(build: Builder, risk: BasisRisk) -> None:
    shares = risk.shares
    for name, words in PARTS.items():
        if name in risk.missing:
            build.add(words, build.gap(risk.missing[name]), "")
        else:
            share = share_points(shares[name]) if name in shares else ""
            build.add(words, amount(math.sqrt(risk.known[name])), share)
    build.add("Together", amount(math.sqrt(risk.variance)), "", strong=True)


def curves_table(curves: Sequence[TermStructure]) -> Table:
    """Dated contracts against spot, with funding of the perpetuals beside them."""
    build = Builder(
        "Futures against spot: what time costs",
        (
            Column("Contract", number=False),
            Column("Price"),
            Column("Spot", drop=2),
            Column("Days left"),
            Column("Above spot", "%"),
            Column("A year", "%"),
            Column("From the one\nbefore, a year", "%", drop=1),
        ),
        (
            "Above spot: what a short held to the end has locked. A year: the same as a yearly rate, continuously "
            "compounded; of perpetuals the funding settled over the last seven days, as a simple one. "
            "From the one before: the rate between two ends, by which rolling pays.",
        ),
    )
    for curve in curves:
        for own in curve.perpetuals:
            rate = build.gap(own.rate.reason) if isinstance(own.rate, Unavailable) else signed_points(own.rate)
            build.add(
                own.contract, price(own.futures), price(own.spot), "no end", signed_points(own.level, 2), rate, ""
            )
        before = ["", *(signed_points(forward.rate) for forward in curve.forwards)]
        for point, forward in zip(curve.dated, before, strict=True):
            left = f"{point.days:,.0f}"
            level, rate = signed_points(point.level, 2), signed_points(point.rate)
            build.add(point.contract, price(point.futures), price(point.spot), left, level, rate, forward)
    return build.table()
