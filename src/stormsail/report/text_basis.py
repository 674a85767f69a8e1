"""What the basis locks, what it may cost on the way, and where what is left of the risk comes from."""

from __future__ import annotations

import math

from stormsail.core import Unavailable
from stormsail.plan.types import BasisRisk, BookBasis
from stormsail.report.format import amount, money, share_points, span
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
