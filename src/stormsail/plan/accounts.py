"""The accounts the plan asks for: collateral to the cent, liquidation prices, and the rise each account survives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext

import numpy as np

from stormsail.core import Finding, Unavailable, ceil_to, floor_to, from_float, plus, times, to_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.account import Position, common_rise
from stormsail.margin.fan import rise_fan
from stormsail.margin.rules import Basis, liquidation, rule_for
from stormsail.margin.tiers import initial, maintenance
from stormsail.margin.types import CollateralRequirement, Liquidation, MarginMode, Unliquidatable
from stormsail.plan.collateral import joint_moves
from stormsail.plan.desk import Desk
from stormsail.plan.settle import Settled
from stormsail.plan.terms import Terms
from stormsail.plan.types import Fan, PositionMargin, PostedCoins, VenueMargin, weakest

CENT = Decimal("0.01")
FAN_SPAN = timedelta(days=7)


def venue_margins(
    desk: Desk, book: Settled, mode: MarginMode, day: date
) -> tuple[tuple[VenueMargin, ...], tuple[Finding, ...]]:
    """One cash account per venue with a linear short, and one of coins for each coin that backs inverse shorts there.

    Args:
        desk: What was on the table.
        book: What was decided.
        mode: Isolated or cross margin.
        day: Day of the decision, for the venue's rules.
    """
    margins: list[VenueMargin] = []
    findings: list[Finding] = []
    for venue in desk.venues:
        short = [int(i) for i in np.flatnonzero(desk.at_venue(venue) * (book.lots > 0))]
        if rows := [i for i in short if desk.backing[i] is None]:
            margin, found = _account(desk, book, mode, venue, rows, day)
            margins.append(margin)
            findings += found
        for coin in desk.backed:
            if rows := [i for i in short if desk.backing[i] is not None and desk.terms[i].contract.base == coin]:
                margins.append(_coin_account(desk, book, venue, coin, rows, day))
    return tuple(margins), tuple(dict.fromkeys(findings))


def _account(
    desk: Desk, book: Settled, mode: MarginMode, venue: str, rows: Sequence[int], day: date
) -> tuple[VenueMargin, list[Finding]]:
    rule, found = rule_for(venue, day)
    worth = {i: book.steps[i].notional(int(book.lots[i])) for i in rows}
    parts = {i: book.alone[i].rate * to_float(worth[i]) for i in rows}
    total = sum(parts.values())
    posted = ceil_to(from_float(book.need[venue]), CENT)
    shares = {i: floor_to(from_float(book.need[venue] * parts[i] / total), CENT) for i in rows}
    shares[rows[-1]] = posted - plus(shares[i] for i in rows[:-1])
    positions, holdings = [], []
    for i in rows:
        terms, step = desk.terms[i], book.steps[i]
        quantity = step.quantity(int(book.lots[i]))
        fee = terms.contract.taker_fee if rule.counts_fee and rule.basis is Basis.MARK else Decimal(0)
        holdings.append(Position(terms.contract, -quantity, step.price, step.price, terms.table, fee))
        positions.append(_position(terms, quantity, step.price, worth[i], shares[i], book.alone[i], day))
    if mode is MarginMode.CROSS:
        rise = common_rise(holdings, posted)
        bound = math.inf if isinstance(rise, Unliquidatable) else to_float(rise)
    else:
        bound = weakest(positions).rise
    margin = VenueMargin(
        venue=venue,
        mode=mode,
        notional=plus(worth.values()),
        collateral=posted,
        cap=from_float(round(desk.caps[venue], 2)),
        rise=bound,
        requirement=book.books[venue] if mode is MarginMode.CROSS else weakest(positions).requirement,
        positions=tuple(positions),
    )
    return margin, list(found)


def _coin_account(desk: Desk, book: Settled, venue: str, coin: str, rows: Sequence[int], day: date) -> VenueMargin:
    """The inverse shorts of one coin at one venue, each isolated with its own coins."""
    positions = tuple(_backed_position(desk, book, i, day) for i in rows)
    posted = plus(p.coins.quantity for p in positions if p.coins is not None)
    first = weakest(positions)
    return VenueMargin(
        venue=venue,
        mode=MarginMode.ISOLATED,
        notional=plus(book.steps[i].notional(int(book.lots[i])) for i in rows),
        collateral=plus(p.collateral for p in positions),
        cap=from_float(round(desk.caps[venue], 2)),
        rise=first.rise,
        requirement=first.requirement,
        positions=positions,
        coins=PostedCoins(coin, posted, from_float(desk.prices[coin])),
    )


def _backed_position(desk: Desk, book: Settled, i: int, day: date) -> PositionMargin:
    """One inverse short with its coins; it is judged by what the fee of opening leaves of them."""
    terms, step, own = desk.terms[i], book.steps[i], desk.backing[i]
    if own is None:
        raise ValueError(f"{terms.contract.id} is not backed by coins")
    lots = int(book.lots[i])
    notional, coin = step.notional(lots), from_float(desk.prices[terms.contract.base])
    posted = PostedCoins(terms.contract.base, own.coins(notional, step.price), coin)
    with localcontext(MONEY_CONTEXT):
        short = notional / step.price
        left = posted.quantity - short * terms.contract.taker_fee
        needed = maintenance(short, terms.table) * coin
    end, _ = liquidation(terms.contract, -step.quantity(lots), step.price, left, terms.table, day)
    return PositionMargin(
        contract=terms.contract.id,
        collateral=posted.value,
        initial=initial(times(short, coin), Decimal(1), terms.table),
        maintenance=needed,
        liquidation=end,
        rise=to_float(end.price / step.price - 1) if isinstance(end, Liquidation) else math.inf,
        requirement=book.alone[i],
        table=terms.table,
        coins=posted,
    )


def _position(
    terms: Terms,
    quantity: Decimal,
    price: Decimal,
    notional: Decimal,
    collateral: Decimal,
    requirement: CollateralRequirement,
    day: date,
) -> PositionMargin:
    end, _ = liquidation(terms.contract, -quantity, price, collateral, terms.table, day)
    rise = to_float(end.price / price - 1) if isinstance(end, Liquidation) else math.inf
    leverage = max(notional / collateral, Decimal(1)) if collateral > 0 else Decimal(1)
    return PositionMargin(
        contract=terms.contract.id,
        collateral=collateral,
        initial=initial(notional, leverage, terms.table),
        maintenance=maintenance(notional, terms.table),
        liquidation=end,
        rise=rise,
        requirement=requirement,
        table=terms.table,
    )


def fans(desk: Desk, book: Settled, margins: Sequence[VenueMargin]) -> dict[str, Fan]:
    """How high each venue's book may rise over a week, beside the rise that liquidates it; under isolated margin its
    weakest short, by contract. Shorts backed by coins have none: no rise liquidates them."""
    found: dict[str, Fan] = {}
    for margin in margins:
        if margin.coins is not None:
            continue
        rows = np.flatnonzero([t.contract.id in margin.contracts for t in desk.terms])
        name = margin.venue
        if margin.mode is MarginMode.ISOLATED:
            name = margin.weakest.contract
            rows = np.array([i for i in rows if desk.terms[i].contract.id == name])
        moves, _ = joint_moves([desk.terms[i] for i in rows], book.worth[rows])
        if isinstance(moves, Unavailable):
            continue
        fan = rise_fan(moves, FAN_SPAN)
        if isinstance(fan, Unavailable):
            continue
        found[name] = Fan(
            hours=tuple(fan.hours.tolist()),
            quantiles={level: tuple(row.tolist()) for level, row in zip(fan.levels, fan.rises, strict=True)},
            liquidation_rise=margin.rise,
        )
    return found
