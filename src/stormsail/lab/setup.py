"""From plans to what a replay is given: accounts with their legs and deposits, targets through time, coins and cash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Protocol

import numpy as np

from stormsail.core import Contract, InputError, plus, to_float
from stormsail.lab.account import Leg, MarginAccount
from stormsail.lab.course import Course, settlement_currency
from stormsail.lab.replay import Aim, Turn
from stormsail.margin.rules import Basis, rule_for
from stormsail.margin.types import MarginMode
from stormsail.market.panel import FloatArray
from stormsail.plan.types import Coverage, HedgePlan, Order, PositionMargin, VenueMargin
from stormsail.watch.targets import in_lots, targets

_ROOM = 5
"""A leg is made ready for so many times the largest position any plan asks for."""


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """What a replay is given.

    Attributes:
        accounts: With the first plan's collateral.
        holdings: Coins held at the start, money left out.
        sellable: Coins that may be sold at the start.
        money: Stablecoins held beside the coins, whose value does not move.
        aim: Targets through time.
        turns: Moments at which a later plan takes over.
    """

    accounts: tuple[MarginAccount, ...]
    holdings: Mapping[str, Decimal]
    sellable: Mapping[str, Decimal]
    money: Decimal
    aim: Aim
    turns: tuple[Turn, ...]


class Orders(Protocol):
    """What targets are made from: a plan, or less than one."""

    @property
    def orders(self) -> Sequence[Order]:
        """What is short."""
        ...

    @property
    def coverage(self) -> Sequence[Coverage]:
        """What protects what."""
        ...


def contracts_of(plans: Sequence[Orders]) -> tuple[Contract, ...]:
    """Every contract any of the plans orders, once, by id; with the finest lot any of them knows of it."""
    found: dict[str, Contract] = {}
    for order in (order for plan in plans for order in plan.orders):
        old = found.get(order.contract.id)
        found[order.contract.id] = order.contract if old is None or order.contract.lot < old.lot else old
    return tuple(found[name] for name in sorted(found))


def coins_of(plan: HedgePlan) -> tuple[str, ...]:
    """Coins of the plan's portfolio that have a price of their own, sorted."""
    return tuple(sorted({row.asset for row in plan.exposure.assets if not row.is_cash}))


def set_up(plans: Sequence[HedgePlan], course: Course) -> Setup:
    """Make accounts and targets of one plan, or of several that follow each other.

    Args:
        plans: By rising moment; the first is that of the course's start.
        course: Holds every contract and coin of the plans.

    Raises:
        InputError: If the plans are out of order, or of different portfolios.
    """
    if not plans:
        raise InputError("no plan", cure="give at least one plan", where="plans")
    for early, late in pairwise(plans):
        if late.as_of <= early.as_of:
            raise InputError(
                f"a plan of {late.as_of:%Y-%m-%d %H:%M} follows one of {early.as_of:%Y-%m-%d %H:%M}",
                cure="give the plans by rising moment", where="plans",
            )  # fmt: skip
    first, day = plans[0], plans[0].as_of.date()
    cash = {row.asset for row in first.exposure.assets if row.is_cash}
    held = {asset: q for asset, q in first.portfolio.quantities().items() if asset in course.coins}
    free = {asset: q for asset, q in first.portfolio.sellable_quantities(day).items() if asset in course.coins}
    accounts = _accounts(plans)
    steps = [min(course.index_of(plan.as_of), len(course.times) - 1) for plan in plans]
    return Setup(
        accounts=accounts,
        holdings=held,
        sellable=free,
        money=plus(q for asset, q in first.portfolio.quantities().items() if asset in cash),
        aim=aim_of(plans, steps, course, accounts, held),
        turns=tuple(
            Turn(step, _deposits(plan), f"plan of {plan.as_of:%Y-%m-%d %H:%M}")
            for plan, step in zip(plans[1:], steps[1:], strict=True)
        ),
    )


def _accounts(plans: Sequence[HedgePlan]) -> tuple[MarginAccount, ...]:
    """The union of the plans' accounts, with the deposits of the first."""
    legs: dict[str, dict[str, Leg]] = {}
    contracts = {contract.id: contract for contract in contracts_of(plans)}
    venues: dict[str, str] = {}
    for plan in plans:
        orders = {order.contract.id: order for order in plan.orders}
        rules = {m.venue: rule_for(m.venue, plan.as_of.date())[0] for m in plan.margins}
        for margin in plan.margins:
            for position in margin.positions:
                name, order = _name(margin, position), orders[position.contract]
                venues[name] = margin.venue
                alone = margin.mode is MarginMode.ISOLATED
                basis = rules[margin.venue].basis
                old = legs.setdefault(name, {}).get(position.contract)
                legs[name][position.contract] = Leg(
                    contract=contracts[position.contract],
                    table=position.table,
                    fee=order.contract.taker_fee,
                    counts_fee=rules[margin.venue].counts_fee and basis is Basis.MARK,
                    at_entry=alone and basis is Basis.ENTRY and position.coins is None,
                    most=max(order.quantity * _ROOM, old.most if old else Decimal(0)),
                )
    posted = _posted(plans[0])
    found = []
    for name in sorted(legs):
        own = tuple(legs[name][contract] for contract in sorted(legs[name]))
        currencies = {settlement_currency(leg.contract) for leg in own}
        single = next(iter(currencies)) if len(currencies) == 1 else None
        deposit = posted.get(name, {})
        if not deposit:
            deposit = {single or settlement_currency(own[0].contract): Decimal(0)}
        found.append(MarginAccount(name, venues[name], own, deposit, currency=single))
    return tuple(found)


def _name(margin: VenueMargin, position: PositionMargin) -> str:
    alone = margin.mode is MarginMode.ISOLATED or position.coins is not None
    return position.contract if alone else margin.venue


def _posted(plan: HedgePlan) -> dict[str, dict[str, Decimal]]:
    """Collateral by account and currency: cash in the currency its contracts settle in, or coins."""
    settle = {order.contract.id: settlement_currency(order.contract) for order in plan.orders}
    found: dict[str, dict[str, Decimal]] = {}
    for margin in plan.margins:
        for position in margin.positions:
            name = _name(margin, position)
            if position.coins is not None:
                found[name] = {position.coins.asset: position.coins.quantity}
            elif name == position.contract:
                found[name] = {settle[position.contract]: position.collateral}
            else:
                found[name] = {settle[margin.positions[0].contract]: margin.collateral}
    return found


def _deposits(plan: HedgePlan) -> dict[str, Decimal]:
    return {name: next(iter(amounts.values())) for name, amounts in _posted(plan).items()}


def aim_of(
    plans: Sequence[Orders],
    steps: Sequence[int],
    course: Course,
    accounts: Sequence[MarginAccount],
    held: Mapping[str, Decimal],
) -> Aim:
    """Lots wanted of each leg at each moment: those of the plan in force, at the moment's prices and coins.

    Args:
        plans: In order.
        steps: Index of the moment each takes over.
        course: Holds every contract and coin of the plans.
        accounts: Their legs in order are the columns of the targets.
        held: Coins held when the plans were made.
    """
    legs = [leg.contract for account in accounts for leg in account.legs]
    at = {contract.id: i for i, contract in enumerate(legs)}
    column = {contract.id: j for j, contract in enumerate(course.contracts)}
    spans = list(zip(plans, steps, [*steps[1:], len(course.times)], strict=True))

    kept: dict[tuple[tuple[str, Decimal], ...], FloatArray] = {}  # asked again at every plan, mostly for the same coins

    def aim(now: Mapping[str, Decimal]) -> FloatArray:
        key = tuple(sorted(now.items()))
        if key not in kept:
            kept.clear()
            kept[key] = made(now)
            kept[key].flags.writeable = False
        return kept[key]

    def made(now: Mapping[str, Decimal]) -> FloatArray:
        wanted = np.zeros((len(course.times), len(legs)))
        coins = {asset: to_float(q) for asset, q in {**held, **now}.items()}
        before = {asset: to_float(q) for asset, q in held.items()}
        for plan, start, end in spans:
            if not plan.orders:
                continue
            columns = [column[order.contract.id] for order in plan.orders]
            units = targets(
                plan.orders,
                before,
                coins,
                {asset: float(course.spot[start, k]) for k, asset in enumerate(course.coins)},
                {asset: course.spot[start:end, k] for k, asset in enumerate(course.coins)},
                np.array([to_float(order.price) for order in plan.orders]),
                course.last[start:end][:, columns],
                coverage=plan.coverage,
            )
            own = [at[order.contract.id] for order in plan.orders]
            wanted[start:end, own] = in_lots(units, [legs[i] for i in own])
        return wanted

    return aim
