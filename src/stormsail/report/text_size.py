"""How much: the planned ratio, its error, and the contest it won against ratio 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console

from stormsail.core import Tenor, Unavailable
from stormsail.forecast.types import MaybeCarry
from stormsail.plan.types import HedgePlan, TenorAdvice
from stormsail.ratio.types import Contest
from stormsail.report.format import (
    bar_of,
    count,
    fixed,
    listing,
    percent,
    points,
    sample,
    sentence,
    share_percent,
    share_points,
    signed_points,
    span,
    variance,
    window,
)
from stormsail.report.page import TOP, show_section
from stormsail.report.tables import Builder, Cell, Column, Section, Table, present
from stormsail.report.text_choose import EFFECTIVENESS_NOTE, effectiveness_cells, effectiveness_words

ESTIMATORS = (
    "naive: ratio 1, split equally; ols: slope of past returns; ewma: the same, recent returns weigh more; "
    "ewma_shrunk: ewma drawn toward a prior (the equal split, or the coin's group); combination: mean of naive, ewma "
    "and ols; down: from falling returns only."
)


def print_contests(console: Console, contests: Sequence[Contest], *, top: int = TOP) -> None:
    """Print the contests of estimators: the first in full, then every winner with its ratio and error.

    Args:
        console: Where to print; its width and encoding are respected.
        contests: The first is told in full.
        top: Rows shown of a long table.
    """
    show_section(console, contests_section(contests), top=top)


def contests_section(contests: Sequence[Contest], lead: tuple[str, ...] = ()) -> Section:
    """The chapter on size, from the contests alone."""
    if not contests:
        return Section("size", "How much to short", (*lead, "No contest of estimators was held."))
    said = f"{_said(contests[0])} {sentence(contests[0].reason)}"
    return Section("size", "How much to short", (*lead, said), present([contest_table(contests[0]), _ratios(contests)]))


def _said(contest: Contest) -> str:
    rivals = count(len(contest.rows), "way")
    samples = {sample(row.effectiveness.n, row.effectiveness.window) for row in contest.rows}
    tested = f" ({samples.pop()})" if len(samples) == 1 else ""
    return (
        f"{rivals} of finding the ratio were tried on {_whole(contest.target)}, hedged with "
        f"{listing(contest.instruments)}, each judged only on returns it had not seen{tested}; "
        f"'{contest.winner}' is used."
    )


def _whole(target: str) -> str:
    if target == "portfolio":
        return "the whole portfolio"
    return f"the {target}" if target.startswith("portfolio ") else target


def size_lead(plan: HedgePlan) -> tuple[str, ...]:
    """The planned hedge beside ratio 1 on the part it protects, and the book with what is left open, in sentences."""
    planned, naive = plan.effectiveness, plan.effectiveness_naive
    if isinstance(planned, Unavailable):
        return (f"How well the planned hedge would have done out of sample is {planned}.",)
    bar = bar_of(planned.window)
    text = (
        f"Judged on all that was to be protected, reached or not, as far as its coins could be judged, on {bar}s it "
        f"had not seen, the planned hedge removed {effectiveness_words(planned)} of the {variance(planned.window)}; "
        f"the same contracts at ratio 1 (short as much as you protect) removed {effectiveness_words(naive)}."
    )
    cut, before, after = planned.es_95_cut, planned.worst_day_unhedged, planned.worst_day_hedged
    if not math.isnan(cut):
        text += f" It cut the mean loss in the worst 5 % of those {bar}s by {share_percent(cut, 0)}."
    if not math.isnan(before + after):
        text += f" In the worst {bar} of them ({percent(before)}) it made {percent(after)} with its hedge."
    return (f"{text} Sample: {sample(planned.n, planned.window)}.", *_whole_book(plan))


def _whole_book(plan: HedgePlan) -> tuple[str, ...]:
    if isinstance(plan.history, Unavailable) or isinstance(plan.history.effectiveness, Unavailable):
        return ()
    past = plan.history.effectiveness
    return (
        f"All you hold, what is left open included, would have had {share_percent(past.value)} less variance with "
        f"today's orders held through {window(past.window)}; this looks back with today's weights and is no forecast.",
    )


def contest_table(contest: Contest) -> Table:
    """Every estimator of a contest, out of sample, beside ratio 1."""
    build = Builder(
        f"The contest: {_whole(contest.target)} against {listing(contest.instruments)}",
        (
            Column("Estimator", number=False),
            Column("Effective-\nness", "%"),
            Column("95 %\ninterval", "%"),
            Column("Gain on\nratio 1", "points"),
            Column("p\n(Holm)"),
            Column("Cut of\nworst 5 %", "%"),
            Column("In the\nworst 5 %", "%", drop=3),
            Column("Mean\nratio", drop=1),
            Column("Change\na step", drop=2),
        ),
        (
            EFFECTIVENESS_NOTE,
            ESTIMATORS,
            "p: chance of such a gain by luck alone if the estimator were no better than ratio 1, corrected (Holm) for "
            "the number tried; below 0.05 it counts. The winner is in bold and marked *.",
        ),
    )
    for row in contest.rows:
        won, he = row.estimator == contest.winner, row.effectiveness
        build.add(
            f"{row.estimator} *" if won else row.estimator,
            *effectiveness_cells(build, he),
            build.number(row.gain_over_naive, signed_points),
            build.number(row.p_holm, lambda p: fixed(p, 3)),
            build.number(he.es_95_cut, share_points),
            build.number(he.value_worst_days, points),
            Cell(" ".join(fixed(x, 2) for x in row.mean_ratio[:3]) + (" .." if len(row.mean_ratio) > 3 else "")),
            build.number(row.turnover, lambda x: fixed(x, 3)),
            strong=won,
        )
    return build.table()


def _ratios(contests: Sequence[Contest]) -> Table:
    """The ratio of every contest's winner, one row per instrument."""
    build = Builder(
        "The ratios as of now",
        (
            Column("For", number=False),
            Column("Short", number=False),
            Column("Ratio"),
            Column("+-"),
            Column("Estimator", number=False),
            Column("Obser-\nvations", drop=1),
            Column("Sample", number=False, drop=2),
            Column("Reason", number=False, drop=9),
        ),
        ("Ratio: value to short per value held. +- is its standard error; ratio 1 is not estimated and has none.",),
    )
    for contest in contests:
        ratio = contest.ratio
        for i, (name, value, error) in enumerate(zip(ratio.instruments, ratio.values, ratio.errors, strict=True)):
            text = fixed(value.value, 3)
            borrowed = ratio.borrowed_from
            build.add(
                "" if i else ratio.target,
                name,
                build.marked(text, f"history too short; borrowed from {borrowed}") if borrowed else text,
                "" if math.isnan(error) else fixed(error, 3),
                ratio.estimator,
                f"{ratio.n:,}",
                window(ratio.window),
                "" if i else contest.reason,
            )
    return build.table()


def advice_table(advice: TenorAdvice) -> Table:
    """Perpetual beside dated: what the short would earn."""
    build = Builder(
        "Perpetual or dated: what the short earns (+) or pays (-)",
        (
            Column("Contract", number=False),
            Column("Expected", "%"),
            Column("Worst 5 %", "%"),
            Column("Best 5 %", "%"),
            Column("Over"),
            Column("How", number=False, drop=1),
        ),
        (
            "Percent of the value shorted. A perpetual has no end and pays or receives funding; "
            "a dated contract ends, and locks today's distance to spot (the basis).",
        ),
    )
    for tenor, carry in ((Tenor.PERPETUAL, advice.perpetual), (Tenor.DATED, advice.dated)):
        build.add(tenor.value, *_carry_cells(build, carry), strong=tenor is advice.tenor)
    return build.table()


def _carry_cells(build: Builder, carry: MaybeCarry) -> tuple[Cell, ...]:
    if isinstance(carry, Unavailable):
        return build.gap(carry.reason), *[Cell("")] * 4
    expected = Cell(signed_points(carry.expected, 2))
    if carry.assumed:
        expected = build.marked(expected.text, "no history: the venue's baseline is assumed")
    low, high = signed_points(carry.low, 2), signed_points(carry.high, 2)
    return expected, Cell(low), Cell(high), Cell(span(carry.horizon)), Cell(carry.method)
