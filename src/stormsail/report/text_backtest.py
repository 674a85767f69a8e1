"""A backtest, told: what protection cost, what it saved, and where it failed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console

from stormsail.core import Unavailable, plus
from stormsail.lab.backtest import Backtest
from stormsail.lab.effect import Effect, Reduction
from stormsail.lab.replay import Happening
from stormsail.lab.result import Attribution
from stormsail.lab.summary import HEDGED, NAIVE, SOLD, UNHEDGED, Funding, Outcome, Summary
from stormsail.plan.types import HedgePlan
from stormsail.report.format import (
    amount_rows,
    amounts,
    clean,
    count,
    listing,
    moment,
    money,
    percent,
    points,
    signed_points,
    span,
)  # fmt: skip
from stormsail.report.page import TOP, say, show_section
from stormsail.report.tables import Builder, Cell, Column, Section, Table, present
from stormsail.report.text_findings import findings_section

PARTS = {
    "spot": ("Coins", "change of their value, sold or held"),
    "hedge": ("Shorts", "as if they had moved with spot alone"),
    "basis": ("Basis", "futures moving against spot"),
    "funding": ("Funding", "received less paid"),
    "fees": ("Fees", "of trades, deliveries and sales"),
    "slippage": ("Slippage", "fills beyond the last price"),
    "transfers": ("Transfers", "cost of moving collateral"),
    "liquidation": ("Liquidation", "kept by venues, less paid by their funds"),
    "deleveraging": ("Deleveraging", "forced buy-backs beyond the mark"),
    "lost": ("Lost", "written off with venues that are gone"),
    "currency": ("Currencies", "balances in currencies that moved"),
    "tax": ("Tax", "booked on the way"),
    "interest": ("Interest", "paid on what was owed"),
}
"""Parts of the change of equity: their names, and what they are."""

QUIET = frozenset({"trade"})
"""Events of which only every plan's are told on a terminal; the page tells all."""


def print_backtest(console: Console, test: Backtest, *, top: int = TOP) -> None:
    """Print a whole backtest, chapter by chapter.

    Args:
        console: Where to print.
        test: What was run.
        top: Rows shown of a long table.
    """
    say(console, f"Backtest of {test.portfolio.name}", style="bold")
    say(console, dated(test), style="dim")
    console.print()
    for number, section in enumerate(backtest_sections(test), 1):
        show_section(console, section, number=number, top=top)


def dated(test: Backtest) -> str:
    """Span, bars and name of the data, in a line."""
    made = test.summary
    return (
        f"{moment(made.start)} to {moment(made.end)}, bars of {span(made.step)}, {count(made.plans, 'plan')}; "
        f"data from {clean(test.source)}."
    )


def backtest_sections(test: Backtest) -> tuple[Section, ...]:
    """All chapters in order; text and HTML show the same ones."""
    made, currency = test.summary, test.course.account
    return (
        Section("brief", "In short", brief(test)),
        outcomes_section(made, currency),
        effect_section(made),
        attribution_section(made.attribution, currency),
        days_section(made, currency),
        funding_section(made, currency),
        accounts_section(made, currency),
        plans_section(test, currency),
        events_section(test.replay.log),
        findings_section(test.findings),
    )


def brief(test: Backtest) -> tuple[str, ...]:
    """The backtest in a few sentences."""
    made, currency = test.summary, test.course.account
    plain, hedged = made.outcome(UNHEDGED), made.outcome(HEDGED)
    if plain is None or hedged is None:
        return ("Nothing was run.",)
    how = "by one plan" if made.plans == 1 else f"by {count(made.plans, 'plan')}, each made with what was known then"
    asked = f"{percent(test.tolerance.coverage, 0)} of the coins were to be protected, {how}."
    held = (
        f"Coins worth {money(plain.first, currency)} {_became(plain, currency)} by doing nothing; with the hedge "
        f"they {_became(hedged, currency)}{_counted(made.funding)}. The deepest fall was "
        f"{percent(plain.fall.depth)} without it and {percent(hedged.fall.depth)} with it."
    )
    return asked, held, *_rivals(made, hedged, currency), *_losses(made)


def _counted(funding: Sequence[Funding]) -> str:
    """What is in the figure."""
    if not funding or all(row.known for row in funding):
        return ", cost and funding counted"
    if any(row.known for row in funding):
        return ", cost counted, and funding where it is known"
    return ", cost counted; funding is unavailable and not in it"


def _became(row: Outcome, currency: str) -> str:
    word = "gained" if row.change >= 0 else "lost"
    return f"{word} {money(abs(row.change), currency)}"


def _rivals(made: Summary, hedged: Outcome, currency: str) -> tuple[str, ...]:
    """Which rival did better, said first, and which did worse."""
    told = []
    names = {
        NAIVE: "Shorting every coin one to one, by the same policy,",
        SOLD: "Selling that share at the start, and holding cash,",
    }
    for name, words in names.items():
        rival = made.outcome(name)
        if rival is None:
            told.append(f"{words} could not be tried: {made.missing.get(name, 'it was left out')}.")
            continue
        gap = rival.change - hedged.change
        verdict = (
            f"would have left {money(abs(gap), currency)} {'more' if gap > 0 else 'less'} than the plan's hedge, with "
            f"a deepest fall of {percent(rival.fall.depth)}"
        )
        told.append(f"{words} {verdict}{_winner(rival, hedged)}.")
    return tuple(told)


def _winner(rival: Outcome, hedged: Outcome) -> str:
    if rival.change > hedged.change and rival.fall.depth < hedged.fall.depth:
        return ": here it was the better choice on both counts"
    return ""


def _losses(made: Summary) -> tuple[str, ...]:
    ends = sum(account.liquidations for account in made.accounts)
    highest = max((a.highest for a in made.accounts if not math.isnan(a.highest)), default=math.nan)
    if ends:
        names = listing([account.name for account in made.accounts if account.liquidations])
        return (f"Venues closed positions by force in {count(ends, 'bar')}: {names}. What was done is told below.",)
    near = "" if math.isnan(highest) else f" The highest margin ratio at the end of a bar was {percent(highest)}"
    return (f"No account was liquidated.{near}{'; liquidation is at 100 %.' if near else ''}",)


def outcomes_section(made: Summary, currency: str) -> Section:
    """The chapter that sets the ways side by side."""
    build = Builder(
        "",
        (
            Column("Way", number=False),
            Column("Start", currency, drop=2),
            Column("End", currency),
            Column("Change", currency),
            Column("Change", "%"),
            Column("Deepest\nfall", "%"),
            Column("from", number=False, drop=4),
            Column("to", number=False, drop=3),
            Column("Worst\nday", currency, drop=1),
            Column("Cash posted\nat the start", currency, drop=5),
        ),
        (
            f"Values of the coins and of what the hedge made of them; cash brought in for the hedge is left out. "
            f"{NAIVE}: every coin by its own perpetual, as much collateral for each unit of short as the plan, by the "
            f"same policy, and no regard to how much a venue may be trusted with. {SOLD}: the covered share sold at "
            f"the start for cash, after fee and slippage.",
        ),
    )
    values = amount_rows([(row.first, row.last) for row in made.outcomes])
    changes = amount_rows([(row.change, row.worst_day) for row in made.outcomes], sign=True)
    cash = amounts([row.posted for row in made.outcomes])
    for row, (first, last), (change, worst), posted in zip(made.outcomes, values, changes, cash, strict=True):
        build.add(
            row.name, first, last, change, signed_points(row.change / row.first), points(-row.fall.depth),
            f"{row.fall.peak:%Y-%m-%d}", f"{row.fall.trough:%Y-%m-%d}", worst, posted, strong=row.name == HEDGED,
        )  # fmt: skip
    for name, why in made.missing.items():
        gap = build.gap(why)
        build.add(name, gap, gap, gap, gap, gap, "", "", gap, gap)
    return Section("outcomes", "Four ways side by side", (), (build.table(),))


def effect_section(made: Summary) -> Section:
    """The chapter on the risk removed."""
    build = Builder(
        "",
        (
            Column("Way", number=False),
            Column("Variance\nremoved", "%"),
            Column("95 %\ninterval", number=False),
            Column("Tail loss\nremoved", "%"),
            Column("95 %\ninterval", number=False),
            Column("Deepest\nfall removed", "%"),
            Column("95 %\ninterval", number=False),
        ),
        (
            "Variance of the changes of value; tail loss: their mean over the worst 5 %; deepest fall from a peak. All "
            "are shares of what doing nothing had. Intervals: the past redrawn in pieces.",
        ),
    )
    said = 0
    for row in made.outcomes:
        if row.name == UNHEDGED:
            continue
        if isinstance(found := row.effect, Effect):
            said = found.n
            cells = [cell for part in (found.variance, found.es95, found.drawdown) for cell in _reduced(build, part)]
            build.add(row.name, *cells, strong=row.name == HEDGED)
        else:
            gap = build.gap(found.reason)
            build.add(row.name, gap, "", gap, "", gap, "")
    lead = (f"Judged on {count(said, 'change')} of value, {span(made.judged_by)} apart.",) if said else ()
    return Section("effect", "The risk it removed", lead, (build.table(),))


def _reduced(build: Builder, part: Reduction) -> tuple[Cell, str]:
    return build.number(part.value, lambda v: points(v, 1)), f"{points(part.low, 0)} to {points(part.high, 0)}"


def attribution_section(parts: Attribution, currency: str) -> Section:
    """The chapter on where the change came from."""
    build = Builder("", (Column("Part", number=False), Column("Amount", currency), Column("What it is", number=False)))
    shown = [name for name in Attribution.PARTS if getattr(parts, name) or name in ("spot", "hedge", "funding", "fees")]
    texts = amounts([*(getattr(parts, name) for name in shown), parts.change], sign=True)
    for name, text in zip(shown, texts, strict=False):
        build.add(PARTS[name][0], text, PARTS[name][1])
    build.add("Change of equity", texts[-1], "from what was held at the end, not from the parts", strong=True)
    gap = parts.total - parts.change
    lead = (
        "The parts add up to the change of equity exactly, to the last unit of every currency."
        if abs(gap) < 1e-30
        else f"The parts miss the change of equity by {gap:f}.",
    )
    return Section("attribution", "Where the change came from", lead, (build.table(),))


def days_section(made: Summary, currency: str) -> Section:
    """The chapter on the worst days."""
    build = Builder(
        "",
        (
            Column("Day that\nended", number=False),
            Column("Coins", currency),
            Column("Coins", "%"),
            Column("Hedge", currency),
            Column("Both", currency),
            Column("Taken off\nthe loss", "%"),
        ),
    )
    texts = amount_rows([(d.unhedged, d.hedge, d.hedged) for d in made.worst_days], sign=True)
    for day, (coins, hedge, both) in zip(made.worst_days, texts, strict=True):
        build.add(
            f"{day.until:%Y-%m-%d %H:%M}", coins, signed_points(day.unhedged / day.value), hedge, both,
            points(-day.hedge / day.unhedged, 0),
        )  # fmt: skip
    lead = "The days on which the coins lost most, and what the hedge did on each."
    return Section("days", "The worst days", (lead,), present([build.table()]))


def funding_section(made: Summary, currency: str) -> Section:
    """The chapter on funding."""
    build = Builder(
        "",
        (
            Column("Contract", number=False),
            Column("Received", currency),
            Column("Paid", currency),
            Column("Net", currency),
            Column("Settle-\nments", drop=1),
            Column("Without\na rate", drop=2),
        ),
        ("Received is positive, paid is negative. Settlements without a known rate are left out, not counted as 0.",),
    )
    known = [row for row in made.funding if row.known]
    total = Funding("all", sum(r.received for r in known), sum(r.paid for r in known), 0, 0, True)
    texts = amount_rows([(r.received, r.paid, r.net) for r in [*known, total]], sign=True)
    for row, cells in zip(known, texts, strict=False):
        build.add(row.contract, *cells, f"{row.settlements:,}", f"{row.unknown:,}")
    for row in made.funding:
        if not row.known:
            gap = build.gap("no funding rate of it is known in this span")
            build.add(row.contract, gap, gap, gap, gap, gap)
    if known:
        build.add("all", *texts[-1], f"{sum(r.settlements for r in known):,}", "", strong=True)
    if not made.funding:
        return Section("funding", "Funding", ("No perpetual was held.",))
    return Section("funding", "Funding", (_funding_lead(made.funding, currency),), (build.table(),))


def _funding_lead(rows: Sequence[Funding], currency: str) -> str:
    known = [row for row in rows if row.known]
    if not known:
        return "Funding is unavailable: this data holds no settlement of any contract in this span. No value has it in."
    net = sum(row.net for row in known)
    text = f"The shorts {'received' if net >= 0 else 'paid'} {money(abs(net), currency)} in all."
    missing = [row.contract for row in rows if not row.known]
    return f"{text} That of {listing(missing)} is unavailable and in no value." if missing else text


def accounts_section(made: Summary, currency: str) -> Section:
    """The chapter on margin."""
    build = Builder(
        "",
        (
            Column("Account", number=False),
            Column("Highest\nmargin ratio", "%"),
            Column("on", number=False),
            Column("Liqui-\ndations"),
            Column("Sent later,\nless returned", currency, drop=1),
        ),
        ("Margin ratio: the least that must be there over what is there, at the end of a bar; 100 % is liquidation.",),
    )
    texts = amounts([account.sent for account in made.accounts], sign=True)
    for account, sent in zip(made.accounts, texts, strict=True):
        held = not math.isnan(account.highest)
        ratio = points(account.highest) if held else build.gap("it never held a position")
        build.add(
            account.name, ratio, f"{account.when:%Y-%m-%d %H:%M}" if held else "", str(account.liquidations), sent
        )
    lead = () if made.accounts else ("Nothing was shorted, so there was no account.",)
    return Section("accounts", "Margin", lead, present([build.table()]))


def plans_section(test: Backtest, currency: str) -> Section:
    """The chapter on the plans in force."""
    build = Builder(
        "",
        (
            Column("Made", number=False),
            Column("Coins", currency),
            Column("Short", currency),
            Column("Contracts"),
            Column("Cash\nposted", currency),
            Column("Effectiveness\nexpected", "%", drop=1),
        ),
    )
    rows = [
        (
            plan.exposure.risky_value,
            plus(order.notional for order in plan.orders),
            plus(margin.cash for margin in plan.margins),
        )
        for plan in test.plans
    ]
    for plan, (coins, short, cash) in zip(test.plans, amount_rows(rows), strict=True):
        he = plan.effectiveness
        promised = build.gap(he.reason) if isinstance(he, Unavailable) else build.number(he.value, points)
        build.add(
            f"{plan.as_of:%Y-%m-%d %H:%M}", coins, short, str(len(plan.orders)), cash, promised, note=_bound(plan)
        )
    lead = "Each was made with what was known then, and held until the next."
    return Section("plans", "The plans", (lead,), (build.table(),))


def _bound(plan: HedgePlan) -> str:
    """What held a plan back."""
    return f"held back by {'; '.join(map(clean, plan.binding))}" if plan.binding else ""


def events_section(log: Sequence[Happening]) -> Section:
    """The chapter on what was done and why; on a terminal without the trades of plans and bands."""
    if not log:
        return Section("events", "What was done", ("Positions were opened and nothing else was done.",))
    trades = sum(line.what in QUIET for line in log)
    lead = f"{count(len(log), 'event')}, {count(trades, 'trade')} among them; all are in the files and on the page."
    few = [line for line in log if line.what not in QUIET]
    return Section("events", "What was done", (lead,), present([_log(few), _log(log, html=True)]))


def _log(lines: Sequence[Happening], *, html: bool = False) -> Table:
    build = Builder(
        "All events" if html else "",
        (
            Column("When", number=False),
            Column("What", number=False),
            Column("Where", number=False),
            Column("Why", number=False),
        ),
        terminal=not html,
    )
    for line in lines:
        build.add(f"{line.when:%Y-%m-%d %H:%M}", line.what, line.where, line.reason)
    return build.table()
