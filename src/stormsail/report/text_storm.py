"""One storm over a plan, told in full."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stormsail.core import Finding, Unavailable
from stormsail.lab.effect import Effect
from stormsail.lab.replay import Happening
from stormsail.lab.result import Attribution
from stormsail.lab.scenario import Scenario
from stormsail.lab.stress_result import Loss, StormResult
from stormsail.report.format import amounts, clean, count, ended, listing, money, percent, points, signed_points
from stormsail.report.tables import Builder, Cell, Column, Section, Table, present
from stormsail.report.text_backtest import PARTS


def whole(value: float) -> str:
    """An amount of money to the unit, so that columns of storms large and small read alike.

    >>> whole(-1234.5), whole(0.2)
    ('-1,234', '0')
    """
    return amounts([value, 1e6])[0]


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
            name, whole(loss.deepest), points(loss.deepest / s.value), f"{loss.hour}", whole(loss.end),
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
            each.name, whole(each.loss.deepest), whole(each.gain), whole(each.gain_end), each.what,
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
