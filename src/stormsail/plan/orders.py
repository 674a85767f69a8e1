"""The orders of a settled book, what each protects, and what kept the book from more."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from stormsail.core import STABLECOINS, Unavailable, from_float, times, to_float
from stormsail.core.symbol import MAJORS
from stormsail.instruments.candidates import route_of
from stormsail.instruments.types import Route
from stormsail.plan.cost import ContractCost, contract_cost, fee
from stormsail.plan.desk import Desk
from stormsail.plan.problem import RISK_AVERSION, FloatArray, Limit
from stormsail.plan.settle import Settled
from stormsail.plan.tenor import rolls_of
from stormsail.plan.types import Order

_PRICE_OF_NOTHING = 1e-7
_LOOSER = {Limit.COLLATERAL: "more collateral", Limit.BUDGET: "more budget", Limit.COINS: "more that may be posted"}
WHOLE = "portfolio"


def orders_of(desk: Desk, book: Settled, direct: FloatArray) -> tuple[Order, ...]:
    """Orders to sell, largest first.

    Args:
        desk: What was on the table.
        book: What was decided.
        direct: Value of each coin protected by its own contracts, shape (K,).
    """
    short = desk.short(book.worth)
    found = []
    for i, terms in enumerate(desk.terms):
        if book.lots[i] <= 0:
            continue
        k, step = desk.at[i], book.steps[i]
        notional = step.notional(int(book.lots[i]))
        beyond = short[k] > direct[k] * (1 + 1e-9) + 1.0
        own = direct[k] > 0.0
        protects = tuple(name for name, yes in ((desk.coins[k], own), (WHOLE, beyond)) if yes)
        route = route_of(terms.contract) if own else Route.PROXY if desk.coins[k] in MAJORS else Route.BASKET
        slip = terms.slippage(to_float(notional))
        found.append(
            Order(
                contract=terms.contract,
                quantity=step.quantity(int(book.lots[i])),
                price=step.price,
                notional=notional,
                protects=protects or (WHOLE,),
                route=route,
                fee=fee(terms.contract, notional),
                slippage=slip if isinstance(slip, Unavailable) else _money(notional, slip),
            )
        )
    return tuple(sorted(found, key=lambda o: (-o.notional, o.contract.id)))


def _money(notional: Decimal, share: float) -> Decimal:
    return round(times(notional, from_float(share)), 4)


def costs_of(desk: Desk, book: Settled, as_of: datetime) -> tuple[ContractCost, ...]:
    """Cost of each short, in the order of the contracts."""
    return tuple(
        contract_cost(
            t.contract,
            step.notional(int(k)),
            t.carry,
            t.slippage(to_float(step.notional(int(k)))),
            rolls=rolls_of(t.contract, as_of, desk.tolerance.horizon),
        )
        for t, step, k in zip(desk.terms, book.steps, book.lots, strict=True)
        if k > 0
    )


def binding_limits(desk: Desk, book: Settled) -> tuple[str, ...]:
    """Limits that held the hedge back, each with its figure and what a thousand more of it would be worth."""
    found = []
    limits = book.problem.limits
    used = limits.rows @ book.worth
    for row, (group, name, price) in enumerate(zip(limits.groups, limits.names, book.solution.shadow, strict=True)):
        if price <= _PRICE_OF_NOTHING or limits.bounds[row] <= 0:
            continue  # a floor, whose bound is what the hedge must pay, asks for more hedge
        if group is Limit.DELTA or (group is Limit.CAPACITY and not _by_volume(desk, row)):
            continue  # these are the wish itself
        if group is Limit.COLLATERAL:
            used[row] = sum(book.need.values())
        elif group is Limit.VENUE:
            used[row] = book.need[name] + book.coins[name]
        told = name if group.value == name else f"{group.value} {name}"
        found.append(f"{told}: {used[row]:,.0f} of {limits.bounds[row]:,.0f}; {_worth(group, price)}")
    return _without_shadow(desk, book) + tuple(found)


def _without_shadow(desk: Desk, book: Settled) -> tuple[str, ...]:
    """What kept the book empty and has no price at the margin: no contract, no cash, or orders below the smallest."""
    if desk.risky <= 0:
        return ()
    if not desk.terms:
        where = ", ".join(desk.tolerance.venues) or "any venue that may be used"
        return (f"venues: no usable contract at {where}: none is known, or its smallest order is too large",)
    if desk.cash <= 0 and not desk.backed:
        return (f"collateral: 0 of {desk.tolerance.collateral:,.0f}; without cash nothing can be shorted",)
    if not (book.lots > 0).any() and (desk.capacity > 0).any():
        least = min(to_float(s.lot_value) * s.least for s in book.steps)
        return (f"smallest order: every order would be below {least:,.0f}, the smallest that is allowed or worth it",)
    return ()


def _worth(group: Limit, price: float) -> str:
    """What loosening a limit by a thousand is worth, from the shadow price of one unit."""
    gain = f"about {1000.0 * price:,.0f}" if price >= 0.0005 else "less than 1"
    more = _LOOSER.get(group, "more room there")
    return f"1,000 {more} would be worth {gain} to it, in carry, cost and risk at an aversion of {RISK_AVERSION:g}"


def _by_volume(desk: Desk, row: int) -> bool:
    """Whether a capacity row is the contract's volume and not the wish itself."""
    return bool(desk.capacity[row] < desk.wanted[desk.at[row]] * (1 - 1e-9)) or desk.coins[desk.at[row]] in MAJORS


def _why_proxy(desk: Desk, coin: int, held_by: list[str]) -> str:
    if any(name.startswith((Limit.COLLATERAL.value, Limit.VENUE.value)) for name in held_by):
        return "partly through BTC or ETH, whose shorts need less collateral"
    own = max((c for c, at in zip(desk.carry, desk.at, strict=True) if at == coin), default=0.0)
    return f"partly through a proxy, its own contract carries {own:+.1%} over the horizon"


def coverage_reasons(
    desk: Desk, book: Settled, direct: FloatArray, proxy: FloatArray, contracts: frozenset[str]
) -> dict[str, str]:
    """Why a coin is not protected, or not by its own contract, in plain words.

    Args:
        desk: What was on the table.
        book: What was decided.
        direct, proxy: Protected value of each coin, shape (K,).
        contracts: Coins that have a usable contract.
    """
    held_by = [b.split(": ")[0] for b in binding_limits(desk, book)]
    because = f"held back by {', '.join(held_by[:3])}" if held_by else "the rest is not worth its cost"
    reasons: dict[str, str] = {}
    for k, coin in enumerate(desk.coins):
        if desk.held[k] <= 0 or coin in STABLECOINS:
            continue
        missing = desk.wanted[k] - direct[k] - proxy[k]
        parts = []
        if proxy[k] > 0.02 * desk.wanted[k]:
            own = coin in contracts
            parts.append(_why_proxy(desk, k, held_by) if own else "no contract of its own that may be used: proxy")
        if missing > 0.02 * desk.wanted[k]:
            parts.append(because)
        if desk.tolerance.coverage < 1:
            parts.append(f"{desk.tolerance.coverage:.0%} asked for")
        reasons[coin] = "; ".join(parts)
    return reasons
