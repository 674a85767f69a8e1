"""What the hedge costs or earns, read as an insurance premium."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from stormsail.core import Unavailable
from stormsail.plan.types import Cost, HedgePlan, Insurance, MaybeFigure
from stormsail.report.format import amount_rows, ended, money, percent, span
from stormsail.report.tables import Builder, Cell, Column, Section, Table, present
from stormsail.report.text_basis import basis_lead, basis_table

SIGN_NOTE = "Received is positive, paid is negative."


def cost_section(plan: HedgePlan) -> Section:
    """The chapter on cost and insurance."""
    currency, horizon = plan.portfolio.currency, plan.tolerance.horizon
    if not plan.orders:
        return Section("cost", "What it costs or earns", ("Nothing is shorted, so nothing is paid or earned.",))
    lead = (
        cost_lead(plan.cost, horizon, currency),
        insurance_lead(plan.insurance, plan.tolerance.survive, horizon, currency),
        *basis_lead(plan.cost.basis_risk, currency),
    )
    tables = (
        _parts(plan.cost, currency),
        _by_contract(plan.cost, currency),
        basis_table(plan.cost.basis_risk, currency),
        _notes(plan.cost.notes),
    )
    return Section("cost", "What it costs or earns", lead, present(tables))


def flow(value: float, currency: str) -> str:
    """A cash flow in words: earned or paid.

    >>> flow(-12.0, "USD"), flow(1200.0, "USD")
    ('cost 12.00 USD', 'earn 1,200 USD')
    """
    if math.isnan(value):
        return "have a cost that is unavailable"
    if value == 0:
        return "cost nothing"
    return f"{'earn' if value > 0 else 'cost'} {money(abs(value), currency)}"


def without(left_out: Sequence[str]) -> str:
    """What a total does without, to be said right behind it; empty if it is complete.

    >>> without(["slippage"])
    ' (without slippage, which is unavailable)'
    """
    if not left_out:
        return ""
    return f" (without {' and '.join(left_out)}, which {'is' if len(left_out) == 1 else 'are'} unavailable)"


def cost_lead(cost: Cost, horizon: timedelta, currency: str) -> str:
    """Expected and bad-case cost in a sentence."""
    return (
        f"Over {span(horizon)} the hedge is expected to {flow(cost.total, currency)}{without(cost.left_out)}; "
        f"if funding turns as bad as in its worst 5 %, it will {flow(cost.total_low, currency)}."
    )


def insurance_lead(policy: Insurance, survive: float, horizon: timedelta, currency: str) -> str:
    """The hedge as a policy, in sentences."""
    if math.isnan(policy.premium):
        text = "Read as insurance: the premium is unavailable."
    elif policy.premium > 0:
        text = f"Read as insurance: the premium is {money(policy.premium, currency)}{without(policy.left_out)}"
        text += f", {percent(policy.premium_rate)} of the protected value a year."
    else:
        text = f"Read as insurance: you are expected to be paid {money(-policy.premium, currency)} for holding it"
        text += f"{without(policy.left_out)}, {percent(-policy.premium_rate)} of the protected value a year."
    if math.isnan(policy.deductible + policy.cover + policy.es_99_hedged + policy.es_99_unhedged):
        return f"{text} What it would leave you to bear is unavailable ({policy.method})."
    text += f" If your coins fall by {percent(survive, 0)} together, you bear {money(policy.deductible, currency)} "
    text += f"yourself (the deductible) and the hedge pays {money(policy.cover, currency)} (the cover)."
    text += (
        f" In the worst 1 % of spans of {span(horizon)} the mean loss is {money(policy.es_99_hedged, currency)} with "
    )
    text += f"the hedge and {money(policy.es_99_unhedged, currency)} without it ({policy.method})."
    return text


def _parts(cost: Cost, currency: str) -> Table:
    build = Builder(
        "Part by part",
        (Column("Part", number=False), Column("Expected", currency), Column("Funding in its\nworst 5 %", currency)),
        (
            f"{SIGN_NOTE} Funding: what holders of perpetuals pay each other; a short receives a positive rate. "
            "Basis: distance of a dated contract to spot, which shrinks to nothing at its end. "
            "Fees and slippage are for opening and closing.",
        ),
    )
    rows = (
        ("Funding", cost.funding, cost.funding_low),
        ("Basis", cost.basis, cost.basis),
        ("Fees", cost.fees, cost.fees),
        ("Slippage", cost.slippage, cost.slippage),
        ("Total", cost.total, cost.total_low),
    )
    for (name, *values), texts in zip(rows, _texts([row[1:] for row in rows]), strict=True):
        cells = (_cell(build, value, text) for value, text in zip(values, texts, strict=True))
        build.add(name, *cells, strong=name == "Total")
    return build.table()


def _notes(notes: tuple[str, ...]) -> Table:
    build = Builder("What these figures rest on, or leave out", (Column("Note", number=False),))
    for note in notes:
        build.add(ended(note))
    return build.table()


def _texts(rows: Sequence[Sequence[MaybeFigure]]) -> list[list[str]]:
    """Amounts of a table with one number of decimals; what is unavailable takes its place and is not read."""
    return amount_rows([[math.nan if isinstance(x, Unavailable) else x for x in row] for row in rows], sign=True)


def _cell(build: Builder, value: MaybeFigure, text: str) -> Cell:
    return build.gap(value.reason) if isinstance(value, Unavailable) else build.number(value, lambda _: text)


def _sum(parts: Sequence[MaybeFigure]) -> float:
    """Sum of the parts that are known."""
    return sum(x for x in parts if not isinstance(x, Unavailable) and not math.isnan(x))


def _by_contract(cost: Cost, currency: str) -> Table:
    build = Builder(
        "By contract",
        (
            Column("Contract", number=False),
            Column("Funding", currency),
            Column("Basis", currency),
            Column("Fees", currency),
            Column("Slippage", currency),
            Column("Sum", currency),
        ),
        (f"{SIGN_NOTE} A sum leaves out what is unavailable.",),
    )
    rows = [(*parts, _sum(parts)) for parts in cost.by_contract.values()]
    for contract, values, texts in zip(cost.by_contract, rows, _texts(rows), strict=True):
        build.add(contract, *(_cell(build, value, text) for value, text in zip(values, texts, strict=True)))
    return build.table()
