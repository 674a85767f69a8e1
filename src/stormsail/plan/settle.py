"""From the programme to a book of whole lots whose collateral keeps every promise.

The programme needs a collateral rate for each contract before the book is known, and under cross margin the book as a
whole needs less than its contracts one by one. So it is solved first with the contracts' own rates; then those rates
are scaled, venue by venue, by what the book needs over what its parts need; the new book is judged by its own
requirement, and the scale is raised until that requirement fits under every limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stormsail.core import Finding, NumericalError, to_float
from stormsail.margin.collateral import ceiling_findings
from stormsail.margin.types import CollateralRequirement, MarginMode
from stormsail.plan.coins import by_coins
from stormsail.plan.collateral import Keeper, joint_moves
from stormsail.plan.desk import Desk
from stormsail.plan.problem import FloatArray, Problem
from stormsail.plan.rounding import IntArray, Step, notionals, round_book, smallest_useful
from stormsail.plan.solver import Programme, Solution

ROUNDS = 10
FULL = 0.97
"""Share of cash or of a venue's cap that counts as used up; lots and the last refinements are worth no more."""


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """The book.

    Attributes:
        lots: Of each contract, shape (n,).
        worth: Notional of each, shape (n,).
        steps: Grid of each contract.
        alone: Requirement of each contract alone.
        books: Requirement of each venue's book; under isolated margin the sum of its parts.
        need: Cash collateral by venue, in currency.
        coins: Value of the coins posted behind inverse shorts by venue, in currency.
        problem: The programme that made it.
        solution: Its answer before rounding.
        findings: What was noticed.
    """

    lots: IntArray
    worth: FloatArray
    steps: tuple[Step, ...]
    alone: tuple[CollateralRequirement, ...]
    books: Mapping[str, CollateralRequirement]
    need: Mapping[str, float]
    coins: Mapping[str, float]
    problem: Problem
    solution: Solution
    findings: tuple[Finding, ...]


def settle(desk: Desk, keeper: Keeper, mode: MarginMode, previous: FloatArray | None = None) -> Settled:
    """Find the book.

    Args:
        desk: What is on the table.
        keeper: The promise collateral must keep.
        mode: Isolated or cross margin.
        previous: What is short already, shape (n,).

    Raises:
        InfeasibleError: If the limits fight; the cause names them.
        NumericalError: If no book is found whose own requirement fits.
    """
    guess = np.minimum(desk.capacity, max(float(desk.wanted.sum()), 1.0))
    paid = [i for i, own in enumerate(desk.backing) if own is None]
    judged = dict(zip(paid, keeper.each([desk.terms[i] for i in paid], guess[paid]), strict=True))
    alone = tuple(
        judged[i] if own is None else by_coins(t, own)
        for i, (t, own) in enumerate(zip(desk.terms, desk.backing, strict=True))
    )
    smallest = smallest_useful(desk.risky)
    steps = tuple(Step.of(t.contract, t.price, smallest=smallest) for t in desk.terms)
    rates = desk.cash_rates(np.array([r.rate for r in alone]))
    scale = dict.fromkeys(desk.venues, 1.0)
    programme = Programme()
    best: Settled | None = None
    misses = 0
    for _ in range(ROUNDS):
        scaled = rates * np.array([scale[t.contract.venue] for t in desk.terms])
        found = _one_round(desk, keeper, mode, scaled, steps, alone, programme, previous)
        fits = _fits(desk, found)
        if fits and (best is None or found.problem.objective(found.worth) < best.problem.objective(best.worth)):
            best = found
        if mode is MarginMode.ISOLATED or (fits and (not _held_back(found) or _full(desk, found))):
            break
        misses += not fits
        for venue in desk.venues:
            parts = float(rates @ (found.worth * desk.at_venue(venue)))
            if parts > 0:
                ratio = found.need[venue] / parts
                scale[venue] = ratio if fits else max(ratio, scale[venue]) * (1.0 + 0.005 * 2.0**misses)
    if best is None:
        raise NumericalError(
            f"no book in {ROUNDS} rounds whose collateral fits under cash and venue caps",
            cure="ask for isolated margin, or raise collateral",
            where="plan",
        )
    return best


def _one_round(
    desk: Desk,
    keeper: Keeper,
    mode: MarginMode,
    rates: FloatArray,
    steps: tuple[Step, ...],
    alone: tuple[CollateralRequirement, ...],
    programme: Programme,
    previous: FloatArray | None,
) -> Settled:
    problem = desk.problem(rates, allowed=desk.capacity, previous=previous)
    solution = programme.solve(problem)
    least = np.array([to_float(s.lot_value) * s.least for s in steps])
    idle = solution.h < 0.5 * least
    if idle.any() and previous is None and desk.tolerance.floor is None:
        problem = desk.problem(rates, allowed=np.where(idle, 0.0, desk.capacity), previous=previous)
        solution = programme.solve(problem)
    lots = round_book(problem, solution.h, steps)
    worth = np.array([to_float(x) for x in notionals(lots, steps)])
    books, need, findings = _requirements(desk, keeper, mode, worth, alone)
    coins = {venue: float(desk.posted @ (worth * desk.at_venue(venue))) for venue in desk.venues}
    return Settled(lots, worth, steps, alone, books, need, coins, problem, solution, findings)


def _requirements(
    desk: Desk, keeper: Keeper, mode: MarginMode, worth: FloatArray, alone: Sequence[CollateralRequirement]
) -> tuple[dict[str, CollateralRequirement], dict[str, float], tuple[Finding, ...]]:
    books: dict[str, CollateralRequirement] = {}
    need = dict.fromkeys(desk.venues, 0.0)
    findings: list[Finding] = []
    for venue in desk.venues:
        rows = [int(i) for i in np.flatnonzero(worth * desk.at_venue(venue) * (desk.posted == 0) > 0)]
        if not rows:
            continue
        terms = [desk.terms[i] for i in rows]
        moves, found = joint_moves(terms, worth[rows])
        findings += found
        books[venue] = keeper.together(venue, terms, worth[rows], moves)
        judged = [alone[i] for i in rows] if mode is MarginMode.ISOLATED else [books[venue]]
        findings += [found for one in judged for found in ceiling_findings(one)]
        parts = sum(alone[i].rate * worth[i] for i in rows)
        need[venue] = float(parts if mode is MarginMode.ISOLATED else books[venue].rate * worth[rows].sum())
    return books, need, tuple(findings)


def _fits(desk: Desk, found: Settled) -> bool:
    """Whether what the book needs is within cash and venue caps."""
    return sum(found.need.values()) <= desk.cash + 1e-6 and all(
        need + found.coins[venue] <= desk.cap(venue) + 1e-6 for venue, need in found.need.items()
    )


def _full(desk: Desk, found: Settled) -> bool:
    """Whether what is posted uses up the cash, or the cap of every venue that holds a short."""
    posted = [(need, desk.cap(venue) - found.coins[venue]) for venue, need in found.need.items() if need > 0]
    return sum(need for need, _ in posted) >= FULL * desk.cash or all(need >= FULL * cap for need, cap in posted)


def _held_back(found: Settled) -> bool:
    """Whether collateral or a venue's cap kept the book small, so that cheaper collateral would change it."""
    prices = zip(found.problem.limits.groups, found.solution.shadow, strict=True)
    return any(group.value in {"collateral", "venue cap"} and price > 1e-7 for group, price in prices)
