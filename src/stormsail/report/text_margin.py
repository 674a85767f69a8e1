"""The collateral each venue needs, where it is liquidated, and what the hedge still fails against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from stormsail.audit.tolerance import Tolerance
from stormsail.core import Unavailable, ceil_to, plus, times
from stormsail.margin.types import CollateralRequirement, Liquidation, MarginMode
from stormsail.plan.types import FailureMode, HedgePlan, Order, PositionMargin, VenueMargin
from stormsail.report.format import (
    amount,
    amount_rows,
    amounts,
    count,
    ended,
    fine_points,
    listing,
    money,
    percent,
    points,
    price,
    sentence,
    span,
)
from stormsail.report.tables import Builder, Cell, Column, Section, Table, present

LIQUIDATION_NOTE = (
    "Liquidation: the venue closes the short by force, at a loss of the collateral, when the price has risen so far "
    "that what is left no longer covers its minimum (the maintenance margin)."
)
CROSS_NOTE = (
    "Cross margin: all the collateral at a venue stands behind each of its shorts, so what counts is their common "
    "rise, in the row 'together'. The rows under it tell what each short could bear with its share of the collateral, "
    "and would have to survive, if it stood alone; it may bear less than that, because shorts that do not peak "
    "together need less together."
)
METHODS = (
    "floor: a least rise by kind of coin; simulation: clustered volatility played on; bootstrap: the past redrawn "
    "in pieces; pareto: the far tail of past rises; reflection: a random walk; survive: what you asked to live through."
)
_CUSTOM = timedelta(days=30)


def collateral_section(plan: HedgePlan) -> Section:
    """The chapter on collateral and liquidation."""
    if not plan.margins:
        return Section("collateral", "The collateral it needs", ("Nothing is shorted, so no collateral is needed.",))
    currency, tolerance = plan.portfolio.currency, plan.tolerance
    lead = (_total(plan), *(_said(margin, tolerance, currency) for margin in plan.margins))
    tables = (
        _venues(plan.margins, tolerance, currency),
        _positions(plan.margins, plan.orders, currency),
        _methods(plan.margins),
    )
    return Section("collateral", "The collateral it needs", lead, present(tables))


def _total(plan: HedgePlan) -> str:
    needed, currency = plus(margin.cash for margin in plan.margins), plan.portfolio.currency
    parts = []
    if needed or not posted_coins(plan.margins):
        text = f"{money(needed, currency)} in all"
        if plan.tolerance.collateral is not None:
            means = f" of the {money(plan.tolerance.collateral, currency)} you have for it"
            text += f" ({means.strip()})" if posted_coins(plan.margins) else f",{means}"
        parts.append(text)
    if posted_coins(plan.margins):
        parts.append(f"{coins_words(plan.margins, currency)}, out of what you hold")
    names = list(dict.fromkeys(margin.venue for margin in plan.margins))
    where = f"at {names[0]}" if len(names) == 1 else f"spread over {listing(names)}"
    return f"Post {' and '.join(parts)}, {where}."


def posted_coins(margins: Sequence[VenueMargin]) -> dict[str, Decimal]:
    """Coins posted behind inverse shorts, by coin."""
    found: dict[str, Decimal] = {}
    for margin in margins:
        if margin.coins is not None:
            found[margin.coins.asset] = plus([found.get(margin.coins.asset, Decimal(0)), margin.coins.quantity])
    return dict(sorted(found.items()))


def coins_words(margins: Sequence[VenueMargin], currency: str) -> str:
    """The coins posted and what they are worth: ``0.5 BTC and 2 ETH (worth 36,000 USD)``."""
    told = listing([f"{coins(quantity)} {asset}" for asset, quantity in posted_coins(margins).items()])
    return f"{told} (worth {money(plus(m.collateral for m in margins if m.coins is not None), currency)})"


def coins(quantity: Decimal) -> str:
    """A number of coins to five significant digits, rounded up, so that never too few are named.

    >>> coins(Decimal("1.27100000")), coins(Decimal("12345.678"))
    ('1.271', '12,346')
    """
    digits = Decimal(1).scaleb(min(quantity.adjusted() - 4, 0)) if quantity else Decimal(1)
    text = f"{ceil_to(quantity, digits):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def allowed_chance(tolerance: Tolerance) -> float:
    """Chance of liquidation allowed before one top-up: the 30-day chance in proportion (union bound)."""
    return tolerance.liquidation_chance * (tolerance.top_up / _CUSTOM)


def worst_chance(requirement: CollateralRequirement) -> tuple[str, float]:
    """The method that sees the greatest chance of liquidation, and that chance; NaN if none speaks."""
    spoken = [(name, chance) for name, chance in requirement.chance if not math.isnan(chance)]
    return max(spoken, key=lambda pair: pair[1], default=("", math.nan))


def venue_chance(margin: VenueMargin) -> tuple[str, float]:
    """Method and greatest chance of a liquidation at a venue: of the account, or of any of its isolated shorts."""
    if margin.mode is MarginMode.CROSS:
        return worst_chance(margin.requirement)
    told = [worst_chance(p.requirement) for p in margin.positions if math.isfinite(p.rise)]
    return max((c for c in told if not math.isnan(c[1])), key=lambda pair: pair[1], default=("", math.nan))


def _said(margin: VenueMargin, tolerance: Tolerance, currency: str) -> str:
    if margin.coins is not None:
        return (
            f"At {margin.venue} (isolated margin, in coin) post {coins_words([margin], currency)} behind a short of "
            f"{money(margin.notional, currency)} on {margin.coins.asset} itself. No rise of its price can liquidate "
            "it: the coins gain what the short loses."
        )
    text = f"At {margin.venue} ({margin.mode.value} margin) post {money(margin.collateral, currency)} "
    text += f"behind a short of {money(margin.notional, currency)}. "
    if math.isinf(margin.rise):
        return f"{text}No rise of prices can liquidate it."
    of_that = "of that"
    if margin.mode is MarginMode.CROSS:
        text += f"It is liquidated if all its shorts rise together by {percent(margin.rise)}"
    else:
        first = margin.weakest
        if len(margin.positions) == 1:
            text += f"It is liquidated if {first.contract} rises by {percent(first.rise)}"
        else:
            text += f"Each short stands alone. The first to be liquidated is {first.contract}, if it rises by "
            lost = money(first.collateral, currency)
            text += f"{percent(first.rise)}; it loses its {lost} and the others keep theirs"
            of_that = "that any one of them is"
    method, chance = venue_chance(margin)
    if math.isnan(chance):
        return f"{text}; the chance {of_that} is unavailable (no method gave one)."
    return (
        f"{text}; the chance {of_that} before you can top up ({span(tolerance.top_up)}) is {percent(chance, 2)} "
        f"by the most pessimistic method ({method}). You allow {percent(allowed_chance(tolerance), 2)}, "
        f"which is {percent(tolerance.liquidation_chance)} over 30 days."
    )


def _venues(margins: Sequence[VenueMargin], tolerance: Tolerance, currency: str) -> Table:
    build = Builder(
        "By venue",
        (
            Column("Venue", number=False),
            Column("Short", currency),
            Column("Collateral", currency),
            Column("Of the\nshort", "%", drop=2),
            Column("May lie\nthere", currency, drop=1),
            Column("Liquidated\nat a rise of", "%"),
            Column(f"Chance in\n{span(tolerance.top_up)}", "%"),
            Column("Decided by", number=False, drop=3),
        ),
        (LIQUIDATION_NOTE,),
    )
    texts = amount_rows([(margin.notional, margin.collateral) for margin in margins])
    for margin, sums in zip(margins, texts, strict=True):
        build.add(
            margin.name,
            *sums,
            points(float(margin.collateral / margin.notional)) if margin.notional else "-",
            amount(margin.cap),
            _rise(build, margin.rise, _why_never(margin)),
            _chance(build, margin),
            margin.requirement.decided_by,
        )
    return build.table()


def _why_never(margin: VenueMargin) -> str:
    """Why no rise liquidates an account; where coins are posted, how many."""
    if margin.coins is None:
        return "no rise can liquidate it"
    return f"{coins(margin.coins.quantity)} {margin.coins.asset} of your own behind it: no rise can liquidate it"


def _chance(build: Builder, margin: VenueMargin) -> Cell:
    if math.isinf(margin.rise):
        return build.marked("none", _why_never(margin))
    chance = venue_chance(margin)[1]
    return build.number(chance, lambda x: fine_points(x, 2), unknown="no method gave a chance")


def _move(build: Builder, need: CollateralRequirement) -> Cell:
    """Rise to be survived; where the coin itself is posted, any."""
    return Cell("any") if math.isinf(need.move) else build.number(need.move, points)


def _rise(build: Builder, rise: float, reason: str) -> Cell:
    return build.marked("none", reason) if math.isinf(rise) else build.number(rise, points)


def _positions(margins: Sequence[VenueMargin], orders: Sequence[Order], currency: str) -> Table:
    ordered = {order.contract.id: order for order in orders}
    build = Builder(
        "By short: its share of the collateral, and the rise that would liquidate it",
        (
            Column("Contract", number=False),
            Column("Collateral", currency),
            Column("Initial\nmargin", currency, drop=4),
            Column("Maintenance\nmargin", currency, drop=3),
            Column("Price\nnow", drop=1),
            Column("Liquidation\nprice"),
            Column("Rise to\nit", "%"),
            Column("Bankrupt\nat", drop=5),
            Column("Rise to be\nsurvived", "%", drop=2),
            Column("Decided by", number=False, drop=6),
        ),
        (*((CROSS_NOTE,) if any(map(_pooled, margins)) else ()), *per_unit(orders)),
    )
    rows = [row for margin in margins for row in ((margin,) if _pooled(margin) else ()) + margin.positions]
    for row, sums in zip(rows, amount_rows([_sums(row) for row in rows]), strict=True):
        if isinstance(row, VenueMargin):
            need = row.requirement
            rise, move = _rise(build, row.rise, "no rise can liquidate it"), build.number(need.move, points)
            build.add(f"{row.venue}, together", *sums, "", "", rise, "", move, need.decided_by, strong=True)
            continue
        order = ordered.get(row.contract)
        units = Decimal(1 if order is None else order.contract.coins_quoted)
        shown = build.gap("no order with this contract") if order is None else price(times(order.price, units))
        build.add(row.contract, *sums, shown, *_liquidation(build, row, row.requirement.decided_by, units))
    return build.table()


def per_unit(orders: Sequence[Order]) -> tuple[str, ...]:
    """That some venue quotes a contract per thousand coins and more, and that its prices are shown so."""
    many = [o.contract for o in orders if o.contract.coins_quoted > 1]
    if not many:
        return ()
    told = listing([f"{c.id} for {c.coins_quoted:,} {c.base}" for c in many])
    return (f"Prices are as the venue quotes them: {told}.",)


def _pooled(margin: VenueMargin) -> bool:
    """Whether several shorts stand behind one another."""
    return margin.mode is MarginMode.CROSS and len(margin.positions) > 1


def _sums(row: VenueMargin | PositionMargin) -> tuple[Decimal, Decimal, Decimal]:
    """Collateral, initial and maintenance margin of a short, or of all at a venue."""
    if isinstance(row, PositionMargin):
        return row.collateral, row.initial, row.maintenance
    return row.collateral, plus(p.initial for p in row.positions), plus(p.maintenance for p in row.positions)


def _liquidation(build: Builder, position: PositionMargin, decided_by: str, units: Decimal) -> tuple[Cell | str, ...]:
    where, move = position.liquidation, _move(build, position.requirement)
    if isinstance(where, Liquidation):
        rise = _rise(build, position.rise, "no rise can liquidate it")
        return price(times(where.price, units)), rise, price(times(where.bankruptcy, units)), move, decided_by
    none = build.marked("none", str(where))
    return none, _rise(build, position.rise, str(where)), none, move, decided_by


def _methods(margins: Sequence[VenueMargin]) -> Table:
    build = Builder(
        "How the collateral was found: the rise to be survived, by method",
        (
            Column("For", number=False),
            Column("Method", number=False),
            Column("Rise", "%"),
            Column("Chance", "%"),
            Column("Observations", drop=1),
        ),
        (METHODS, "The largest rise decides. Chance: of liquidation before a top-up with the collateral posted."),
    )
    judged = [
        (name, need)
        for margin in margins
        for name, need in (
            [(margin.venue, margin.requirement)]
            if margin.mode is MarginMode.CROSS
            else [(p.contract, p.requirement) for p in margin.positions]
        )
    ]
    for name, need in judged:
        chances = dict(need.chance)
        for i, method in enumerate(need.methods):
            chance = chances.get(method.method, math.nan)
            build.add(
                "" if i else name,
                method.method,
                build.number(method.move, points),
                build.number(chance, lambda x: fine_points(x, 2), unknown="this method gives a rise but no chance"),
                f"{method.n:,}",
                note=method.detail,
                strong=method.method == need.decided_by,
            )
    return build.table()


def failures_section(failures: Sequence[FailureMode], currency: str) -> Section:
    """The chapter on what the hedge still fails against."""
    build = Builder("", (Column("If", number=False), Column("Loss", currency)))
    losses = amounts([math.nan if isinstance(f.loss, Unavailable) else f.loss for f in failures])
    for failure, text in zip(failures, losses, strict=True):
        cell = build.gap(failure.loss.reason) if isinstance(failure.loss, Unavailable) else Cell(text)
        build.add(failure.name, cell, note=f"{sentence(failure.what)} What helps: {ended(failure.mitigation)}")
    known = [(f.loss, f.name) for f in failures if not isinstance(f.loss, Unavailable) and math.isfinite(f.loss)]
    lead = "A hedge moves risk; it does not end it. "
    ways = f"{count(len(failures), 'way')} in which this one can still lose"
    verb = "is" if len(failures) == 1 else "are"
    lead += f"Listed {verb} {ways}." if failures else "No way to fail was listed."
    if known:
        loss, name = max(known, key=lambda pair: pair[0])
        lead += f" The dearest is '{name}', at {money(loss, currency)}."
    return Section("failures", "What it still fails against", (lead,), present([build.table()]))
