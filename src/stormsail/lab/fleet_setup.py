"""What a replay is given for one portfolio of a fleet: the fast plans of :mod:`stormsail.lab.fleet` in a row.

An account is a venue under cross margin, with the collateral of its orders together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import numpy as np

from stormsail.core import STABLECOINS, Contract, Unavailable, floor_to, from_float, plus, times, to_float
from stormsail.instruments.types import Route
from stormsail.lab.account import Leg, MarginAccount
from stormsail.lab.course import Course, settlement_currency
from stormsail.lab.deck import Deck
from stormsail.lab.fleet import FleetPlans, FleetShard
from stormsail.lab.replay import Turn
from stormsail.lab.setup import Setup, aim_of, contracts_of
from stormsail.margin.rules import Basis, rule_for
from stormsail.margin.types import TierTable
from stormsail.plan.types import Coverage, Order
from stormsail.watch.targets import WHOLE

CENT, COIN = Decimal("0.01"), Decimal("0.00000001")
_ROOM = 5
_ALIKE = 1e-9


@dataclass(frozen=True, slots=True)
class FastPlan:
    """What one portfolio is told to do at one moment.

    Attributes:
        as_of: The moment.
        orders: What is short.
        coverage: What of each coin is protected by its own contracts, and what is left to proxies.
        deposits: Collateral by venue, in the currency of its largest order.
        tables: Margin brackets by contract.
    """

    as_of: datetime
    orders: tuple[Order, ...]
    coverage: tuple[Coverage, ...]
    deposits: Mapping[str, tuple[str, Decimal]]
    tables: Mapping[str, TierTable]


def holdings_of(shard: FleetShard, number: int) -> dict[str, Decimal]:
    """What a portfolio holds, exact to hundred-millionths, cash included."""
    found: dict[str, Decimal] = {}
    for row in range(int(shard.start[number]), int(shard.start[number + 1])):
        name = shard.symbols[int(shard.symbol[row])]
        found[name] = plus([found.get(name, Decimal(0)), from_float(float(shard.quantity[row]))])
    return {name: floor_to(found[name], COIN) for name in sorted(found)}


def only(shard: FleetShard, symbols: frozenset[str]) -> FleetShard:
    """The same portfolios with their holdings of those symbols alone."""
    kept = np.array([*(name in symbols for name in shard.symbols), False])[shard.symbol]
    begin = np.concatenate([[0], np.cumsum(kept)])
    return replace(
        shard, start=begin[shard.start].astype(np.int64), symbol=shard.symbol[kept], quantity=shard.quantity[kept]
    )


def fast_plan(deck: Deck, plans: FleetPlans, number: int, held: Mapping[str, Decimal]) -> FastPlan:
    """One portfolio's part of what came of a shard."""
    first, last = np.searchsorted(plans.portfolio, [number, number + 1]).tolist()
    price = dict(zip(deck.coins, deck.prices.tolist(), strict=True))
    value = {coin: to_float(q) * price[coin] for coin, q in held.items() if coin in price}
    short: defaultdict[str, float] = defaultdict(float)
    for k in range(first, last):
        short[deck.legs[int(plans.contract[k])].contract.base] += float(plans.notional[k]) / 1e8
    share = float(plans.wanted[number])
    direct = {coin: min(short[coin], share * worth) for coin, worth in value.items() if coin in short}
    orders, tables = [], {}
    posted: dict[str, list[tuple[str, Decimal]]] = {}
    for k in range(first, last):
        leg = deck.legs[int(plans.contract[k])]
        contract = leg.contract
        coin = contract.base
        quantity = times(leg.lot, Decimal(int(plans.lots[k])))
        notional = contract.notional(quantity, leg.price)
        beyond = short[coin] > direct.get(coin, 0.0) * (1.0 + _ALIKE)
        protects = tuple(name for name, yes in ((coin, coin in direct), (WHOLE, beyond)) if yes)
        why = Unavailable("it is part of the cost of the whole")
        fee = times(notional, contract.taker_fee)
        route = Route.DIRECT if coin in direct else Route.PROXY
        orders.append(Order(contract, quantity, leg.price, notional, protects, route, fee, why))
        tables[contract.id] = leg.table
        cash = (settlement_currency(contract), times(Decimal(int(plans.collateral[k])), CENT))
        posted.setdefault(contract.venue, []).append(cash)
    coverage = tuple(
        Coverage(coin, worth, share * worth, (own := direct.get(coin, 0.0)), share * worth - own,
                 worth - share * worth, "")
        for coin, worth in value.items()
    )  # fmt: skip
    deposits = {venue: (rows[0][0], plus(cash for _, cash in rows)) for venue, rows in posted.items()}
    return FastPlan(deck.as_of, tuple(orders), coverage, deposits, tables)


def set_up_fast(plans: Sequence[FastPlan], held: Mapping[str, Decimal], course: Course) -> tuple[Course, Setup]:
    """The part of a course one portfolio needs, and what its replay is given.

    Args:
        plans: In force one after the other; the first is that of the course's start.
        held: What is held; coins without a column of the course are left out.
        course: Holds every contract of the plans.
    """
    contracts = {contract.id: contract for contract in contracts_of(plans)}
    coins = {name: q for name, q in held.items() if name in course.coins}
    bases = {contract.base for contract in contracts.values()}
    mine = narrowed(course, contracts, coins.keys() | bases)
    accounts = _accounts(plans, contracts)
    steps = [min(mine.index_of(plan.as_of), len(mine.times) - 1) for plan in plans]
    turns = tuple(
        Turn(step, {venue: cash for venue, (_, cash) in plan.deposits.items()}, f"plan of {plan.as_of:%Y-%m-%d %H:%M}")
        for plan, step in zip(plans[1:], steps[1:], strict=True)
    )
    money = plus(q for name, q in held.items() if name in STABLECOINS)
    return mine, Setup(accounts, coins, coins, money, aim_of(plans, steps, mine, accounts, coins), turns)


def narrowed(course: Course, contracts: Mapping[str, Contract], coins: set[str]) -> Course:
    """The columns of a course that belong to some contracts and coins."""
    at = [j for j, contract in enumerate(course.contracts) if contract.id in contracts]
    own = [k for k, name in enumerate(course.coins) if name in coins]
    columns = ("last", "mark", "high", "low", "rate", "settles", "tradable", "half_spread", "impact")
    return replace(
        course,
        contracts=tuple(contracts[course.contracts[j].id] for j in at),
        coins=tuple(course.coins[k] for k in own),
        ends=course.ends[at],
        spot=course.spot[:, own],
        findings=(),
        **{name: getattr(course, name)[:, at] for name in columns},
    )


def _accounts(plans: Sequence[FastPlan], contracts: Mapping[str, Contract]) -> tuple[MarginAccount, ...]:
    """One account for each venue that any of the plans uses, with the collateral of the first."""
    legs: dict[str, dict[str, Leg]] = {}
    for plan in plans:
        for order in plan.orders:
            contract = order.contract
            rule = rule_for(contract.venue, plan.as_of.date())[0]
            venue = legs.setdefault(contract.venue, {})
            old = venue.get(contract.id)
            venue[contract.id] = Leg(
                contract=contracts[contract.id],
                table=plan.tables[contract.id],
                fee=contract.taker_fee,
                counts_fee=rule.counts_fee and rule.basis is Basis.MARK,
                most=max(order.quantity * _ROOM, old.most if old else Decimal(0)),
            )
    found = []
    for name in sorted(legs):
        own = tuple(legs[name][contract] for contract in sorted(legs[name]))
        currencies = {settlement_currency(leg.contract) for leg in own}
        currency, cash = plans[0].deposits.get(name, (min(currencies), Decimal(0)))
        found.append(
            MarginAccount(name, name, own, {currency: cash}, currency=currency if len(currencies) == 1 else None)
        )
    return tuple(found)
