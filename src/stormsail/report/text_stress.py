"""Storms over a plan, told: what each costs with and without the hedge, what fails first, what would help."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from stormsail.core import Finding, Unavailable
from stormsail.lab.effect import Effect
from stormsail.lab.replay import Happening
from stormsail.lab.result import Attribution
from stormsail.lab.scenario import Scenario
from stormsail.lab.stress import Loss, StormResult, StressReport
from stormsail.report.format import (
    amounts,
    clean,
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
from stormsail.report.text_backtest import PARTS

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
    harmed = [s for s in found if s.saved < -1e-9 * report.value]
    if harmed:
        lines.append(
            f"In {len(harmed)} the hedge makes the deepest point worse: {listing([s.name for s in harmed], most=12)}."
        )
    helps = Counter(s.best for s in found if s.best)
    if helps:
        name, times = min(helps.items(), key=lambda item: (-item[1], item[0]))
        lines.append(f"The one change that helps most in most storms is {name}: in {times} of {len(found)}.")
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
        naive = build.gap(s.naive.reason) if isinstance(s.naive, Unavailable) else Cell(_amount(s.naive.deepest))
        ratio = build.gap("nothing is short") if math.isnan(s.margin_ratio) else Cell(points(s.margin_ratio, 0))
        build.add(
            s.name, _amount(s.unhedged.deepest), _amount(s.hedged.deepest), naive, _amount(s.sold.deepest),
            _amount(s.hedged.end), ratio, _amount(s.reserve_used), f"{s.recorded} of {len(s.moves)}",
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
        build.add(s.name, *failed, s.best or NOTHING, "" if helper is None else _amount(helper.gain))
    return build.table()


def _amount(value: float) -> str:
    return amounts([value, 1e6], sign=False)[0]


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
    least = 0.001 * report.value
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
            _amount(max(most.gain, 0.0)), storm.name if most.gain >= least else "", _amount(min(low, 0.0)), most.what,
        )  # fmt: skip
    return Section("helps", "What would help", (), present([build.table()]))


def storm_section(s: StormResult, scenario: Scenario | None, currency: str) -> Section:
    """One storm in full."""
    lead = [clean(scenario.about)] if scenario is not None and scenario.about else []
    lead.append(
        f"At its deepest, after {count(s.unhedged.hour, 'hour')}, {money(-s.unhedged.deepest, currency)} are lost "
        f"without the hedge; with it {money(-s.hedged.deepest, currency)}, after {count(s.hedged.hour, 'hour')}."
    )
    lead.append(_failed(s))
    lead.append(_helped(s, currency))
    if s.failed:
        lead.append(f"What failed then: {'; '.join(clean(each) for each in s.failed)}.")
    tables = (
        _ways(s, currency), _tried(s, currency), _parts(s, currency), _moves(s), _log(s.log), _grounds(scenario),
        _findings(s.findings),
    )  # fmt: skip
    return Section(f"storm-{s.name}", f"{s.name}: {clean(s.title)}", tuple(lead), present(tables))


def _failed(s: StormResult) -> str:
    ratio = "" if math.isnan(s.margin_ratio) else f" The highest margin ratio was {percent(s.margin_ratio)}"
    where = f", at {s.nearest}." if ratio else ""
    if s.failure is None:
        return f"No leg of the hedge failed.{ratio}{where}"
    return (
        f"First failed, after {count(s.failure.hour, 'hour')}: {s.failure.what} of {clean(s.failure.where)}, "
        f"{ended(s.failure.reason)}{ratio}{where}"
    )


def _helped(s: StormResult, currency: str) -> str:
    helper = s.helper
    if helper is None:
        return "None of the changes tried helps."
    return (
        f"What would help most: {helper.name} ({clean(helper.what)}), by {money(helper.gain, currency)} at the deepest "
        f"and {money(helper.gain_end, currency)} at the end."
    )


def _ways(s: StormResult, currency: str) -> Table:
    build = Builder(
        "Ways side by side",
        (
            Column("Way", number=False),
            Column("Deepest", currency),
            Column("Deepest", "%"),
            Column("after\nhours", drop=1),
            Column("End", currency),
            Column("End", "%"),
        ),
    )
    ways: tuple[tuple[str, Loss | Unavailable], ...] = (
        ("without the hedge", s.unhedged), ("with the hedge", s.hedged), ("1:1", s.naive), ("sold before", s.sold),
    )  # fmt: skip
    for name, loss in ways:
        if isinstance(loss, Unavailable):
            gap = build.gap(loss.reason)
            build.add(name, gap, gap, "", gap, gap)
            continue
        build.add(
            name, _amount(loss.deepest), points(loss.deepest / s.value), f"{loss.hour}", _amount(loss.end),
            points(loss.end / s.value), strong=name == "with the hedge",
        )  # fmt: skip
    build.footers = (_effect_words(s),)
    return build.table()


def _effect_words(s: StormResult) -> str:
    if isinstance(s.effect, Unavailable):
        return f"Risk removed: unavailable ({s.effect.reason})."
    return _effect_line(s.effect)


def _effect_line(found: Effect) -> str:
    parts = [
        f"{name} {points(r.value, 0)} % ({points(r.low, 0)} to {points(r.high, 0)})"
        for name, r in (("variance", found.variance), ("tail loss", found.es95), ("deepest fall", found.drawdown))
    ]
    return f"Removed within the storm: {', '.join(parts)}; {found.n} hours, 95 % intervals."


def _tried(s: StormResult, currency: str) -> Table:
    build = Builder(
        "What one change would do",
        (
            Column("Change", number=False),
            Column("Deepest", currency),
            Column("Lifts\nit by", currency),
            Column("Lifts the\nend by", currency),
            Column("What is done", number=False, drop=1),
        ),
    )
    for each in s.tried:
        if isinstance(each.loss, Unavailable):
            gap = build.gap(each.loss.reason)
            build.add(each.name, gap, gap, gap, each.what)
            continue
        build.add(
            each.name, _amount(each.loss.deepest), _amount(each.gain), _amount(each.gain_end), each.what,
            strong=each.name == s.best,
        )  # fmt: skip
    return build.table()


def _parts(s: StormResult, currency: str) -> Table:
    build = Builder(
        "Where the change with the hedge came from",
        (Column("Part", number=False), Column("Amount", currency), Column("What it is", number=False)),
        ("At the end of the storm; what the hedge cost are its negative parts.",),
    )
    parts = s.attribution
    shown = [name for name in Attribution.PARTS if getattr(parts, name)]
    for name, text in zip(shown, amounts([getattr(parts, n) for n in shown], sign=True), strict=True):
        build.add(PARTS[name][0], text, PARTS[name][1])
    return build.table()


def _moves(s: StormResult) -> Table:
    build = Builder(
        "How far each coin goes",
        (
            Column("Coin", number=False),
            Column("Furthest", "%"),
            Column("End", "%"),
            Column("By its\nbeta alone", "%", drop=1),
            Column("Rule", number=False),
        ),
        ("On hourly closes. By its beta alone: its beta to BTC times BTC's move at that hour, as a check.",),
    )
    for move in s.moves:
        check = build.gap("its beta is unknown") if math.isnan(move.check) else Cell(signed_points(move.check, 0))
        build.add(move.asset, signed_points(move.extreme), signed_points(move.end), check, move.how)
    return build.table()


def _log(log: Sequence[Happening]) -> Table:
    build = Builder(
        "What happened",
        (
            Column("When", number=False),
            Column("What", number=False),
            Column("Where", number=False),
            Column("Why", number=False),
        ),
    )
    for each in log:
        build.add(f"{each.when:%Y-%m-%d %H:%M}", each.what, each.where, each.reason)
    return build.table()


def _grounds(scenario: Scenario | None) -> Table:
    build = Builder(
        "Where the figures come from",
        (Column("Figures", number=False), Column("How known", number=False), Column("Source", number=False)),
        terminal=False,
    )
    for each in scenario.grounds if scenario is not None else ():
        build.add(", ".join(each.of), each.kind.value, each.text)
    return build.table()


def _findings(findings: Sequence[Finding]) -> Table:
    """What was noticed, the same of several subjects told once."""
    build = Builder(
        "What was noticed",
        (Column("Word", number=False), Column("About", number=False), Column("What", number=False)),
    )
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for each in findings:
        grouped.setdefault((each.trouble.value, each.cause, each.cure), []).append(each.subject)
    for (word, cause, cure), subjects in grouped.items():
        build.add(word, listing(subjects, most=3), ended(f"{cause}; {cure}"))
    return build.table()
