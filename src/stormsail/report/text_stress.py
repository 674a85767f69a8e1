"""Storms over a plan, told: what each costs with and without the hedge, what fails first, what would help."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from stormsail.core import Unavailable
from stormsail.lab.scenario import Scenario
from stormsail.lab.stress_result import HELPS, StormResult, StressReport
from stormsail.report.format import (
    count,
    ended,
    listing,
    moment,
    money,
    percent,
    points,
    signed_points,
)
from stormsail.report.page import say, show_section
from stormsail.report.tables import Builder, Cell, Column, Section, Table, present
from stormsail.report.text_storm import storm_section, whole

IN_FULL = 3
"""So many storms at most are told in full on a terminal; the page tells all."""

NOTHING = "none of these"


def print_stress(console: Console, report: StressReport, storms: Sequence[Scenario], *, top: int = 40) -> None:
    """Print a report: all storms side by side, and each in full where there are few.

    Args:
        console: Where to print.
        report: What came of the storms.
        storms: The storms themselves, for their words.
        top: Rows shown of a long table.
    """
    say(console, f"Storms over {report.portfolio}", style="bold")
    say(console, dated(report), style="dim")
    console.print()
    sections = stress_sections(report, storms, in_full=len(report.storms) <= IN_FULL)
    for number, section in enumerate(sections, 1):
        show_section(console, section, number=number, top=top)


def print_storms(console: Console, storms: Sequence[Scenario]) -> None:
    """Print the storms there are."""
    build = Builder(
        "",
        (
            Column("Name", number=False),
            Column("Hours"),
            Column("BTC", "%", drop=2),
            Column("Alts", "%", drop=2),
            Column("What it is", number=False),
        ),
        ("Largest moves of the file. Past storms first; they are replayed on recorded bars where the data has them.",),
    )
    for storm in storms:
        build.add(storm.name, f"{storm.hours:,}", *(_largest(storm, name) for name in ("BTC", "alts")), storm.title)
    show_section(console, Section("storms", "Storms", (), (build.table(),)), top=len(storms))


def _largest(storm: Scenario, name: str) -> str:
    moves = [frame.moves[name] for frame in storm.keyframes if name in frame.moves]
    return signed_points(max(moves, key=abs), 0) if moves else ""


def dated(report: StressReport) -> str:
    """Moment and size of what the storms come over, in a line."""
    reserve = sum(float(amount) for amount in report.reserve.values())
    return (
        f"Each storm begins at {moment(report.plan_as_of)}, at the prices of then: "
        f"{money(report.value, report.currency)} held, {money(report.short, report.currency)} short on "
        f"{money(report.collateral, report.currency)} of collateral, {money(reserve, report.currency)} in reserve."
    )


def stress_sections(report: StressReport, storms: Sequence[Scenario], *, in_full: bool = True) -> tuple[Section, ...]:
    """All chapters in order; text and HTML show the same ones."""
    words = {storm.name: storm for storm in storms}
    told = [storm_section(result, words.get(result.name), report.currency) for result in report.storms]
    return (
        Section("brief", "In short", brief(report)),
        side_by_side(report),
        helpers_section(report),
        *(told if in_full else ()),
    )


def brief(report: StressReport) -> tuple[str, ...]:
    """The report in a few sentences."""
    found = report.storms
    told = [f"{name} could not be run: {ended(why)}" for name, why in report.refused.items()]
    if not found:
        return (*told, "No storm was run.")
    currency = report.currency
    worst = min(found, key=lambda s: s.hedged.deepest)
    bare = min(found, key=lambda s: s.unhedged.deepest)
    lines = [
        f"The worst of {count(len(found), 'storm')} without the hedge is {bare.name}: at its deepest "
        f"{money(-bare.unhedged.deepest, currency)} are lost, {money(-bare.hedged.deepest, currency)} with it.",
        f"The worst with the hedge is {worst.name}: {money(-worst.hedged.deepest, currency)}, "
        f"against {money(-worst.unhedged.deepest, currency)} without.",
    ]
    broken = [s for s in found if s.failure is not None]
    if broken:
        lines.append(f"A leg of the hedge fails in {len(broken)}: {listing([_short(s) for s in broken], most=12)}.")
    else:
        lines.append("No leg of the hedge fails in any.")
    harmed = [s for s in found if s.saved <= -HELPS * report.value]
    if harmed:
        lines.append(
            f"In {len(harmed)} the hedge makes the deepest point worse: {listing([s.name for s in harmed], most=12)}."
        )
    helps = Counter(s.best for s in found if s.best)
    if helps:
        name, times = min(helps.items(), key=lambda item: (-item[1], item[0]))
        lines.append(f"The change that helps most, most often, is {name}: in {times} of {len(found)}.")
    else:
        lines.append("None of the changes tried helps in any.")
    return (*told, *lines)


def _short(result: StormResult) -> str:
    failure = result.failure
    return result.name if failure is None else f"{result.name} ({failure.what})"


def side_by_side(report: StressReport) -> Section:
    """The tables of all storms: what is lost, and what fails and helps."""
    return Section("storms", "Storms side by side", (), present([_losses(report), _failures(report)]))


def _losses(report: StressReport) -> Table:
    currency = report.currency
    build = Builder(
        "What is lost at the deepest moment",
        (
            Column("Storm", number=False),
            Column("Without", currency),
            Column("With", currency),
            Column("1:1", currency, drop=3),
            Column(f"{percent(report.covered, 0)}\nsold", currency, drop=2),
            Column("With, at\nthe end", currency, drop=1),
            Column("Margin\nratio", "%", drop=4),
            Column("From\nreserve", currency, drop=6),
            Column("Recorded\ncoins", drop=7, number=False),
        ),
        (
            "Change of value, hour by hour. 1:1: every coin by its own perpetual to the coverage asked for, by the "
            "same policy and without regard to caps. Sold: the covered share sold before.",
            "Margin ratio: highest requirement over balance on an hourly mark; at 100 % an account is liquidated.",
        ),
    )
    for s in report.storms:
        naive = build.gap(s.naive.reason) if isinstance(s.naive, Unavailable) else Cell(whole(s.naive.deepest))
        ratio = build.gap("nothing is short") if math.isnan(s.margin_ratio) else Cell(points(s.margin_ratio, 0))
        build.add(
            s.name, whole(s.unhedged.deepest), whole(s.hedged.deepest), naive, whole(s.sold.deepest),
            whole(s.hedged.end), ratio, whole(s.reserve_used), f"{s.recorded} of {len(s.moves)}",
        )  # fmt: skip
    return build.table()


def _failures(report: StressReport) -> Table:
    build = Builder(
        "What fails first, and which one change helps most",
        (
            Column("Storm", number=False),
            Column("First failure", number=False),
            Column("after\nhours"),
            Column("Helps most", number=False),
            Column("by", report.currency),
        ),
        (f"{NOTHING}: no change tried lifts the deepest point by a thousandth of the value.",),
    )
    for s in report.storms:
        failed = ("", "") if s.failure is None else (f"{s.failure.what}: {s.failure.where}", f"{s.failure.hour}")
        helper = s.helper
        build.add(s.name, *failed, s.best or NOTHING, "" if helper is None else whole(helper.gain))
    return build.table()


def helpers_section(report: StressReport) -> Section:
    """The chapter on what would help."""
    build = Builder(
        "",
        (
            Column("Change", number=False),
            Column("Helps in"),
            Column("Harms in"),
            Column("Most it\nlifts", report.currency),
            Column("in", number=False, drop=1),
            Column("Most it\nlowers", report.currency, drop=2),
            Column("What is done", number=False, drop=3),
        ),
        ("By how much the deepest point of the hedged value lies higher or lower, each change alone.",),
    )
    least = HELPS * report.value
    for k, name in enumerate(tried.name for tried in (report.storms[0].tried if report.storms else ())):
        runs = [(s, s.tried[k]) for s in report.storms]
        known = [(s, t) for s, t in runs if not isinstance(t.loss, Unavailable)]
        if not known:
            loss = runs[0][1].loss
            gap = build.gap(loss.reason if isinstance(loss, Unavailable) else "")
            build.add(name, gap, gap, gap, "", gap, "")
            continue
        storm, most = max(known, key=lambda pair: pair[1].gain)
        low = min(t.gain for _, t in known)
        build.add(
            name, f"{sum(t.gain >= least for _, t in known)}", f"{sum(t.gain <= -least for _, t in known)}",
            whole(max(most.gain, 0.0)), storm.name if most.gain >= least else "", whole(min(low, 0.0)), most.what,
        )  # fmt: skip
    return Section("helps", "What would help", (), present([build.table()]))
