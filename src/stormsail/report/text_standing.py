"""How accounts stand: what liquidates them, where, by which rule, and what more collateral would change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from rich.console import Console

from stormsail.core import Finding, Unavailable
from stormsail.lab.standing import After, Standing
from stormsail.margin.explain import ExplainedPosition
from stormsail.margin.types import MarginMode, Unliquidatable
from stormsail.report.format import amount, clean, count, fine_points, moment, percent, points, price, quantity
from stormsail.report.page import TOP, say, show_section
from stormsail.report.tables import Builder, Cell, Column, Section, Table, present
from stormsail.report.text_findings import findings_section

UNIT = "USD"


def print_standing(
    console: Console, told: Sequence[Standing], findings: Sequence[Finding], when: datetime, *, top: int = TOP
) -> None:
    """Print every account, chapter by chapter."""
    say(console, "Margin", style="bold")
    say(console, f"By the rules and brackets of {moment(when)}.", style="dim")
    console.print()
    for number, section in enumerate(standing_sections(told, findings), 1):
        show_section(console, section, number=number, top=top)


def standing_sections(told: Sequence[Standing], findings: Sequence[Finding]) -> tuple[Section, ...]:
    """All chapters in order."""
    if not told:
        return (Section("brief", "In short", ("Nothing is shorted, so there is no account.",)),)
    return (
        Section("brief", "In short", tuple(_said(each) for each in told)),
        Section("accounts", "The accounts", (), present([_accounts(told), _moves(told), _top_ups(told)])),
        Section("positions", "The positions", (), (_positions(told),)),
        *([promise] if (promise := _promise(told)).tables else []),
        Section("rules", "The rules", (), (_rules(told),)),
        findings_section(findings),
    )


def _said(each: Standing) -> str:
    question, now = each.question, each.explained
    name = clean(question.name)
    behind = f"{amount(question.collateral)} {question.asset} stand behind {count(len(now.positions), 'position')}"
    held = f"At {name}, {behind}"
    if now.equity <= now.requirement:
        missing = amount(now.requirement - now.equity)
        return f"{held}: the account is due for liquidation now; {missing} {UNIT} of equity are missing."
    ways = [text for text in (_way(now.up, up=True), _way(now.down, up=False)) if text]
    ends = " and ".join(ways) if ways else "no common move of its coins liquidates it"
    return f"{held}; the margin ratio is {percent(float(now.ratio))}, and {ends}."


def _way(factor: Decimal | Unliquidatable, *, up: bool) -> str:
    if isinstance(factor, Unliquidatable):
        return ""
    move = float(factor) - 1
    return f"a common {'rise' if up else 'fall'} of {percent(abs(move))} liquidates it"


def _accounts(told: Sequence[Standing]) -> Table:
    build = Builder(
        "Now",
        (
            Column("Account", number=False),
            Column("Equity", UNIT),
            Column("Needed", UNIT),
            Column("Ratio", "%"),
            Column("Rise that\nliquidates", "%"),
            Column("Fall that\nliquidates", "%"),
        ),
        ("Ratio: needed over equity; at 100 % the venue liquidates. Rises and falls are of all coins together.",),
    )
    for each in told:
        now = each.explained
        build.add(
            each.question.name, amount(now.equity), amount(now.requirement), points(float(now.ratio), 2),
            _move(build, now.up), _move(build, now.down),
        )  # fmt: skip
    return build.table()


def _move(build: Builder, factor: Decimal | Unliquidatable) -> Cell:
    if isinstance(factor, Unliquidatable):
        return build.marked("never", factor.reason)
    return Cell(points(float(factor) - 1))


def _moves(told: Sequence[Standing]) -> Table:
    first = next((each.moved for each in told if each.moved is not None), None)
    words = "" if first is None else f"After every coin has moved by {_signed(first.what)}"
    return _after(words, [(each, each.moved) for each in told if each.moved is not None])


def _signed(move: Decimal) -> str:
    return f"{'+' if move > 0 else ''}{percent(float(move))}"


def _top_ups(told: Sequence[Standing]) -> Table:
    return _after("After a top-up", [(each, each.added) for each in told], added=True)


def _after(caption: str, rows: Sequence[tuple[Standing, After]], *, added: bool = False) -> Table:
    build = Builder(
        caption,
        (
            Column("Account", number=False),
            *((Column("Added", number=False),) if added else ()),
            Column("Equity", UNIT),
            Column("Needed", UNIT),
            Column("Ratio", "%"),
            Column("Stands", number=False),
            Column("Rise that\nliquidates", "%"),
            Column("Missing", UNIT, drop=1),
        ),
    )
    for each, after in rows:
        ratio = points(float(after.ratio), 2) if after.ratio.is_finite() else build.gap("nothing is left")
        build.add(
            each.question.name, *((f"{amount(after.what)} {each.question.asset}",) if added else ()),
            amount(after.equity), amount(after.requirement), ratio, "yes" if after.alive else "liquidated",
            _move(build, after.up), amount(after.missing) if after.missing else "",
        )  # fmt: skip
    return build.table()


def _positions(told: Sequence[Standing]) -> Table:
    build = Builder(
        "",
        (
            Column("Contract", number=False),
            Column("Quantity"),
            Column("Mark"),
            Column("Liquidation"),
            Column("away", "%"),
            Column("Bankruptcy", drop=2),
            Column("Bracket\nnow", drop=3),
            Column("there", drop=3),
            Column("Needed", drop=4),
            Column("Rank\nscore", drop=5),
        ),
        (
            "Liquidation and bankruptcy: mark price of this contract alone, everything else of its account as it is. "
            "Brackets are counted from 1; ? is one of a stand-in table. Rank score: by the venue's own formula; higher "
            "is deleveraged sooner, and the place in the queue is known to the venue alone.",
        ),
    )
    for each in told:
        for row in each.explained.positions:
            build.add(*_position(build, row))
    return build.table()


def _position(build: Builder, row: ExplainedPosition) -> tuple[str | Cell, ...]:
    held = row.position
    end, there, away = row.liquidation, row.liquidation_tier, row.distance
    return (
        held.contract.id,
        quantity(held.quantity),
        price(held.mark),
        build.marked("never", end.reason) if isinstance(end, Unliquidatable) else price(end),
        "" if isinstance(away, Unliquidatable) else points(float(away)),
        "never" if isinstance(row.bankruptcy, Unliquidatable) else price(row.bankruptcy),
        str(row.tier + 1) + ("?" if held.table.assumed else ""),
        "" if isinstance(there, Unliquidatable) else str(there + 1),
        f"{amount(held.requirement)} {held.asset}",
        build.gap(row.adl.reason) if isinstance(row.adl, Unavailable) else f"{float(row.adl):.3g}",
    )


def _promise(told: Sequence[Standing]) -> Section:
    """What each method wants survived before a top-up arrives, where the accounts come from a plan."""
    build = Builder(
        "",
        (
            Column("Account", number=False),
            Column("Method", number=False),
            Column("Rise to\nsurvive", "%"),
            Column("Chance", "%"),
            Column("Seen in", number=False, drop=1),
        ),
        ("Chance of a rise beyond the largest of them before a top-up arrives, as each method sees it.",),
    )
    for each in told:
        asked = each.question.requirement
        if asked is None:
            continue
        chances = dict(asked.chance)
        for way in asked.methods:
            chance = chances.get(way.method, math.nan)
            told_chance = "" if math.isnan(chance) else fine_points(chance, 2)
            build.add(
                each.question.name, way.method, points(way.move), told_chance, way.detail,
                strong=way.method == asked.decided_by,
            )  # fmt: skip
    return Section("promise", "The promise behind the collateral", (), present([build.table()]))


def _rules(told: Sequence[Standing]) -> Table:
    build = Builder("", (Column("What", number=False), Column("Rule", number=False), Column("Source", number=False)))
    seen: dict[str, Standing] = {}
    for each in told:
        seen.setdefault(f"{each.question.venue} {each.question.mode.value}", each)
    for name, each in seen.items():
        rule = each.explained.rule
        basis = (
            "entry price" if rule.basis.value == "entry" and each.question.mode is MarginMode.ISOLATED else "mark price"
        )
        fee = ", closing fee included" if rule.counts_fee else ""
        build.add(f"{name}: maintenance", f"at the {basis}{fee}; since {rule.effective_from}", rule.source)
        closing = each.explained.closing
        if isinstance(closing, Unavailable):
            build.add(f"{name}: closing", build.gap(closing.reason), "")
        else:
            build.add(f"{name}: closing", f"{closing.manner.value}; since {closing.effective_from}", closing.source)
        ranking = each.explained.deleveraging
        if isinstance(ranking, Unavailable):
            build.add(f"{name}: deleveraging", build.gap(ranking.reason), "")
        else:
            text = f"by {ranking.ranking.value}; since {ranking.effective_from}"
            build.add(f"{name}: deleveraging", text, ranking.source)
        table = each.question.held[0].table
        build.add(f"{name}: brackets", f"of {table.effective_from}", table.source)
    return build.table()
