"""What could hedge it, ranked, with the reason for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console

from stormsail.core import Unavailable
from stormsail.instruments.types import CandidateScore, Route, Shortlist
from stormsail.ratio.types import MaybeEffectiveness
from stormsail.report.format import (
    amount,
    count,
    ended,
    points,
    sample,
    sentence,
    share_interval,
    share_percent,
    share_points,
    signed_points,
    span,
    variance,
)
from stormsail.report.page import TOP, show_section
from stormsail.report.tables import Builder, Cell, Column, Section, Table, present
from stormsail.report.text_basis import curves_table
from stormsail.report.text_findings import findings_section

EFFECTIVENESS_NOTE = (
    "Effectiveness: share of the variance removed, measured on returns the estimate had not seen; "
    "100 % is a perfect hedge, 0 % is useless, below 0 it does harm."
)
CARRY_NOTE = "Carry: what the short is expected to earn (+) or pay (-) by being held."
ROUTES: dict[Route, str] = {
    Route.DIRECT: "same coin",
    Route.DATED: "same coin, dated",
    Route.INVERSE: "same coin, coin-margined",
    Route.PROXY: "another coin",
    Route.MIX: "two coins",
    Route.BASKET: "basket",
}
"""How a candidate is related to what it hedges, in plain language."""


def print_shortlist(
    console: Console,
    shortlist: Shortlist,
    *,
    horizon: timedelta | None = None,
    currency: str = "USD",
    top: int = TOP,
) -> None:
    """Print what could hedge the portfolio and each coin, best first, with the reason for each.

    Args:
        console: Where to print; its width and encoding are respected.
        shortlist: The candidates.
        horizon: Span the figures are over, if known.
        currency: Currency of the room a candidate leaves.
        top: Rows shown of a long table.
    """
    show_section(console, choose_section(shortlist, horizon, currency), top=top)
    if shortlist.findings:
        show_section(console, findings_section(shortlist.findings), top=top)


def choose_section(shortlist: Shortlist, horizon: timedelta | None, currency: str) -> Section:
    """The chapter on candidates."""
    over = f"over {span(horizon)}" if horizon else "over the horizon"
    tables = present(
        [
            _portfolio_table(shortlist.portfolio, over, currency),
            _best_table(shortlist, over, currency),
            curves_table(shortlist.curves),
            _all_table(shortlist, currency),
        ]
    )
    return Section("candidates", "What could hedge it", _lead(shortlist), tables)


def _lead(shortlist: Shortlist) -> tuple[str, ...]:
    sentences = []
    if best := _first_usable(shortlist.portfolio):
        sentences.append(f"For the portfolio as a whole '{best.candidate.name}' ranks first: {_removed(best)}.")
    firsts = [_first_usable(scores) for scores in shortlist.by_asset.values()]
    own = sum(s is not None and s.candidate.route in (Route.DIRECT, Route.DATED, Route.INVERSE) for s in firsts)
    none = sum(s is None for s in firsts)
    if firsts:
        words = f"Of {count(len(firsts), 'coin')}, {own} can best be hedged by a contract on the coin itself"
        others = len(firsts) - own - none
        words += f", {others} by a substitute" if others else ""
        sentences.append(f"{words}, and for {none} nothing usable was found." if none else f"{words}.")
    return (" ".join(sentences),) if sentences else ("No candidate was found.",)


def _removed(best: CandidateScore) -> str:
    if isinstance(best.effectiveness, Unavailable):
        return f"how much of the variance it removes out of sample is {best.effectiveness}"
    he = best.effectiveness
    tested = sample(he.n, he.window)
    return f"out of sample it removed {effectiveness_words(he)} of the {variance(he.window)} ({tested})"


def _first_usable(scores: Sequence[CandidateScore]) -> CandidateScore | None:
    return next((score for score in scores if score.usable), None)


def _columns(first: Column, currency: str) -> tuple[Column, ...]:
    return (
        first,
        Column("Candidate", number=False),
        Column("Kind", number=False, drop=2),
        Column("Effective-\nness", "%"),
        Column("95 %\ninterval", "%", drop=3),
        Column("Risk\nremoved", "%"),
        Column("Carry", "%"),
        Column("In its\nworst 5 %", "%", drop=3),
        Column("Cost", "%", drop=1),
        Column("Room", currency, drop=4),
        Column("Score", "%"),
    )


def _footers(over: str) -> tuple[str, ...]:
    return (
        EFFECTIVENESS_NOTE,
        f"Risk removed, carry, cost and score are percent of the value hedged, {over}. {CARRY_NOTE}",
        "Score = risk removed (as far as there is room) + carry - cost. "
        "Risk removed is the cut of the mean loss in the worst 5 %. "
        "Room is what can be shorted without moving the market or passing the venue's limit.",
    )


def _portfolio_table(scores: Sequence[CandidateScore], over: str, currency: str) -> Table:
    build = Builder("For the whole portfolio, best first", _columns(Column("Rank"), currency), _footers(over))
    for rank, score in enumerate(scores, 1):
        build.add(str(rank), *_cells(build, score), note=_because(score), strong=rank == 1 and score.usable)
    return build.table()


def _best_table(shortlist: Shortlist, over: str, currency: str) -> Table:
    """The first candidate of each coin."""
    footers = () if shortlist.portfolio else _footers(over)
    columns = _columns(Column("For", number=False), currency)
    build = Builder("For each coin, the best candidate", columns, footers, noted=1)
    for asset, scores in shortlist.by_asset.items():
        if scores:
            build.add(asset, *_cells(build, scores[0]), note=_because(scores[0]))
        else:
            build.add(asset, build.gap("no contract on it, and no substitute"), *[""] * (len(columns) - 2))
    return build.table()


def _all_table(shortlist: Shortlist, currency: str) -> Table:
    """Every candidate of every coin; too long for a terminal."""
    columns = _columns(Column("For", number=False), currency)
    build = Builder("Every candidate of every coin, best first", columns, terminal=False, noted=1)
    for asset, scores in shortlist.by_asset.items():
        for rank, score in enumerate(scores):
            build.add("" if rank else asset, *_cells(build, score), note=_because(score), strong=rank == 0)
    return build.table()


def _because(score: CandidateScore) -> str:
    return sentence(score.reason) if score.usable else f"Not usable: {ended(score.reason)}"


def effectiveness_cells(build: Builder, value: MaybeEffectiveness) -> tuple[Cell, Cell]:
    """Effectiveness and its interval, or the gap and nothing."""
    if isinstance(value, Unavailable):
        return build.gap(value.reason), Cell("")
    interval = "" if math.isnan(value.low) else " to ".join(share_interval(value.low, value.high, value.value))
    return build.number(value.value, share_points), Cell(interval)


def _cells(build: Builder, score: CandidateScore) -> tuple[Cell | str, ...]:
    carry = score.carry
    return (
        score.candidate.name,
        ROUTES[score.candidate.route],
        *effectiveness_cells(build, score.effectiveness),
        build.number(score.risk_removed, share_points),
        build.gap(carry.reason) if isinstance(carry, Unavailable) else _carry(build, carry.expected, carry.assumed),
        "" if isinstance(carry, Unavailable) else signed_points(carry.low, 2),
        build.number(score.cost, lambda x: points(x, 2)),
        _room(build, score),
        build.number(score.score, signed_points),
    )


def _carry(build: Builder, expected: float, assumed: bool) -> Cell:
    text = signed_points(expected, 2)
    return build.marked(text, "no history: the venue's baseline is assumed") if assumed else Cell(text)


def _room(build: Builder, score: CandidateScore) -> Cell:
    if isinstance(score.capacity, Unavailable):
        return build.gap(score.capacity.reason)
    return Cell(amount(min(score.capacity, score.venue_cap, score.coins)))


def effectiveness_words(value: MaybeEffectiveness) -> str:
    """Effectiveness in a sentence's middle: ``93.1 % (95 % interval 91 to 95 %)``."""
    if isinstance(value, Unavailable):
        return str(value)
    low, high = share_interval(value.low, value.high, value.value)
    interval = "" if math.isnan(value.low) else f" (95 % interval {low} to {high} %)"
    return f"{share_percent(value.value)}{interval}"
