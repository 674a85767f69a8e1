"""What a holder could do otherwise before a storm, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from stormsail.core import (
    STABLECOINS,
    Contract,
    Payoff,
    Tenor,
    Unavailable,
    ceil_to,
    floor_to,
    format_span,
    from_float,
    plus,
    times,
)
from stormsail.instruments.types import Route
from stormsail.lab.account import MarginAccount
from stormsail.margin.types import MarginMode
from stormsail.plan.types import HedgePlan, Order, PositionMargin, VenueMargin
from stormsail.watch.policy import Policy

Accounts = tuple[MarginAccount, ...]
Reserve = Mapping[str, Decimal]

_CENT = Decimal("0.01")
_HALF = Decimal("0.5")
QUICK = timedelta(hours=1)
"""Latency of a top-up that somebody has prepared."""

EARLY = 0.05
"""Margin ratio of an early top-up: most of the way to a liquidation lies at small ratios, the last steps are quick."""


def _same(accounts: Accounts) -> Accounts:
    return accounts


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to go through a storm.

    Attributes:
        name: Short name.
        what: What is done otherwise, in one line.
        plan: The plan.
        policy: How it is kept alive.
        reserve: Cash outside the accounts.
        accounts: What is done to the accounts before they open.
    """

    name: str
    what: str
    plan: HedgePlan
    policy: Policy
    reserve: Reserve
    accounts: Callable[[Accounts], Accounts] = _same


@dataclass(frozen=True, slots=True)
class NoVariant:
    """A change that this plan does not have."""

    name: str
    why: str


def changes(
    plan: HedgePlan, policy: Policy, reserve: Reserve, own: HedgePlan | Unavailable
) -> tuple[Variant | NoVariant, ...]:
    """The changes that are tried, each alone.

    Args:
        plan: As it stands.
        policy: As it stands.
        reserve: As it stands.
        own: The same portfolio hedged by each coin's own perpetual.
    """
    return (
        _doubled(plan, policy, reserve),
        _halved(plan, policy, reserve),
        _second_venue(plan, policy, reserve),
        _other_mode(plan, policy, reserve),
        _own(plan, policy, reserve, own),
        _other_currency(plan, policy, reserve),
        _quick(plan, policy, reserve),
        _early(plan, policy, reserve),
    )


def _cash_accounts(plan: HedgePlan) -> list[VenueMargin]:
    return [margin for margin in plan.margins if margin.coins is None]


def _doubled(plan: HedgePlan, policy: Policy, reserve: Reserve) -> Variant | NoVariant:
    name = "double collateral"
    if not _cash_accounts(plan):
        return NoVariant(name, "no account is backed by cash")

    def double(accounts: Accounts) -> Accounts:
        return tuple(
            replace(a, deposit={c: x * 2 if c in STABLECOINS else x for c, x in a.deposit.items()}) for a in accounts
        )

    return Variant(name, "post twice the cash in every account", plan, policy, reserve, double)


def _halved(plan: HedgePlan, policy: Policy, reserve: Reserve) -> Variant | NoVariant:
    name = "half the shorts"
    if not plan.orders:
        return NoVariant(name, "there are none")
    orders = tuple(_part(order, _HALF) for order in plan.orders)
    rows = tuple(replace(row, direct=row.direct / 2, proxy=row.proxy / 2) for row in plan.coverage)
    made = replace(plan, orders=orders, coverage=rows)
    return Variant(name, "short half as much on the same collateral", made, policy, reserve)


def _part(order: Order, share: Decimal) -> Order:
    """A share of an order, at least one lot."""
    quantity = max(floor_to(times(order.quantity, share), order.contract.lot), order.contract.lot)
    return replace(order, quantity=quantity, notional=order.contract.notional(quantity, order.price))


def _second_venue(plan: HedgePlan, policy: Policy, reserve: Reserve) -> Variant | NoVariant:
    name = "a second venue"
    others, assumed = _others(plan), ""
    if not others:
        others = _assumed(plan)
        assumed = ", supposed that it lists them on the same terms"
    if not others:
        return NoVariant(name, "the plan knows no other venue for these contracts")
    orders: list[Order] = []
    for order in plan.orders:
        if order.contract.id not in others:
            orders.append(order)
            continue
        there = others[order.contract.id]
        half = _part(order, _HALF)
        rest = floor_to((order.quantity - half.quantity) * order.contract.size / there.size, there.lot)
        orders.append(half)
        if rest > 0:
            orders.append(replace(order, contract=there, quantity=rest, notional=there.notional(rest, order.price)))
    held = {order.contract.id for order in orders}
    moved = {a: b for a, b in others.items() if b.id in held}
    if not moved:
        return NoVariant(name, "half of each short is less than a lot there")
    margins = _split(plan.margins, moved)
    places = ", ".join(sorted({c.venue for c in moved.values()}))
    made = replace(plan, orders=tuple(orders), margins=margins)
    return Variant(
        name, f"half of {len(moved)} of {len(plan.orders)} shorts, with half their collateral, at {places}{assumed}",
        made,
        policy, reserve,
    )  # fmt: skip


def _others(plan: HedgePlan) -> dict[str, Contract]:
    """For each ordered linear perpetual, one of the same coin at another venue that the plan does not order."""
    ordered = {order.contract.id for order in plan.orders}
    rows = [row for rows in plan.shortlist.by_asset.values() for row in rows] + list(plan.shortlist.portfolio)
    known = sorted(
        {leg.contract.id: leg.contract for row in rows for leg in row.candidate.legs}.values(), key=lambda c: c.id
    )
    found: dict[str, Contract] = {}
    taken: set[str] = set()
    for order in plan.orders:
        own = order.contract
        if own.tenor is not Tenor.PERPETUAL or own.payoff is not Payoff.LINEAR:
            continue
        for c in known:
            same = (c.base, c.tenor, c.payoff, c.quote) == (own.base, own.tenor, own.payoff, own.quote)
            if same and c.venue != own.venue and c.id not in ordered | taken:
                found[own.id] = c
                taken.add(c.id)
                break
    return found


def _assumed(plan: HedgePlan) -> dict[str, Contract]:
    """The same contracts at the venue of the best score that the plan may use and does not."""
    used = {margin.venue for margin in plan.margins}
    allowed = plan.tolerance.venues
    free = [v for v in plan.venues if v.venue not in used and v.cap > 0 and (not allowed or v.venue in allowed)]
    if not free:
        return {}
    best = min(free, key=lambda v: (-v.score, v.venue)).venue
    linear = [o.contract for o in plan.orders if o.contract.payoff is Payoff.LINEAR]
    return {c.id: replace(c, venue=best) for c in linear}


def _split(margins: Sequence[VenueMargin], moved: Mapping[str, Contract]) -> tuple[VenueMargin, ...]:
    """Accounts with half of the moved positions, and new ones for the other halves on the same brackets."""
    kept: list[VenueMargin] = []
    there: dict[str, list[PositionMargin]] = {}
    for margin in margins:
        positions = []
        for position in margin.positions:
            if position.contract in moved and position.coins is None:
                half = ceil_to(times(position.collateral, _HALF), _CENT)
                positions.append(replace(position, collateral=half))
                other = moved[position.contract]
                there.setdefault(other.venue, []).append(replace(position, contract=other.id, collateral=half))
            else:
                positions.append(position)
        total = plus(p.collateral for p in positions)
        kept.append(margin if margin.coins is not None else replace(margin, positions=tuple(positions),
                                                                     collateral=total))  # fmt: skip
    pattern = next(m for m in margins if m.coins is None)
    for venue, extra in sorted(there.items()):
        same = next((i for i, m in enumerate(kept) if m.venue == venue and m.coins is None), None)
        if same is None:
            kept.append(
                replace(pattern, venue=venue, positions=tuple(extra), collateral=plus(p.collateral for p in extra))
            )
        else:
            both = (*kept[same].positions, *extra)
            kept[same] = replace(kept[same], positions=both, collateral=plus(p.collateral for p in both))
    return tuple(kept)


def _other_mode(plan: HedgePlan, policy: Policy, reserve: Reserve) -> Variant | NoVariant:
    cash = _cash_accounts(plan)
    cross = any(m.mode is MarginMode.CROSS for m in cash)
    name = "isolated margin" if cross else "cross margin"
    if not any(len(m.positions) > 1 for m in cash):
        return NoVariant(name, "no account holds more than one short")
    mode = MarginMode.ISOLATED if cross else MarginMode.CROSS
    margins = tuple(m if m.coins is not None else replace(m, mode=mode) for m in plan.margins)
    what = "each short with its own share of the collateral" if cross else "all shorts of a venue share collateral"
    return Variant(name, what, replace(plan, margins=margins), policy, reserve)


def _own(plan: HedgePlan, policy: Policy, reserve: Reserve, own: HedgePlan | Unavailable) -> Variant | NoVariant:
    name = "own contracts"
    if isinstance(own, Unavailable):
        return NoVariant(name, own.reason)
    if all(order.route in (Route.DIRECT, Route.DATED, Route.INVERSE) for order in plan.orders):
        return NoVariant(name, "the plan has no proxies")
    rows = {row.asset: row for row in plan.coverage}
    shares = {a: min((row.direct + row.proxy) / row.wanted, 1.0) if row.wanted > 0 else 0.0 for a, row in rows.items()}
    made = _scaled(own, shares)
    if not made.orders:
        return NoVariant(name, "nothing that the plan covers has a perpetual of its own")
    what = f"no proxies: what is covered of {len(made.orders)} coins, by their own perpetuals 1:1"
    return Variant(name, what, made, policy, reserve)


def _scaled(own: HedgePlan, shares: Mapping[str, float]) -> HedgePlan:
    """A plan of direct shorts, each cut to a share by its coin, with collateral cut alike."""
    exact = {asset: from_float(share) for asset, share in shares.items() if share > 0}
    orders = tuple(_part(o, exact[o.contract.base]) for o in own.orders if o.contract.base in exact)
    part = {o.contract.id: exact[o.contract.base] for o in orders}
    margins = []
    for margin in own.margins:
        positions = tuple(
            replace(p, collateral=ceil_to(times(p.collateral, part[p.contract]), _CENT))
            for p in margin.positions if p.contract in part
        )  # fmt: skip
        if positions:
            total = plus(p.collateral for p in positions)
            margins.append(replace(margin, positions=positions, collateral=total))
    rows = tuple(replace(row, direct=row.direct * shares.get(row.asset, 0.0)) for row in own.coverage)
    return replace(own, orders=orders, margins=tuple(margins), coverage=rows)


def _other_currency(plan: HedgePlan, policy: Policy, reserve: Reserve) -> Variant | NoVariant:
    name = "collateral in USDC"
    crossed = [m for m in _cash_accounts(plan) if m.mode is MarginMode.CROSS]
    if not crossed:
        return NoVariant(name, "no cross account is backed by cash")

    def swap(accounts: Accounts) -> Accounts:
        return tuple(_swapped(a) for a in accounts)

    money = {("USDC" if c == "USDT" else c): amount for c, amount in reserve.items()}
    return Variant(name, "USDC in place of USDT, at par and without haircut", plan, policy, money, swap)


def _swapped(account: MarginAccount) -> MarginAccount:
    if account.currency != "USDT":
        return account
    return replace(account, deposit={"USDC": account.deposit.get("USDT", Decimal(0))}, currency=None)


def _no_top_up(policy: Policy, reserve: Reserve) -> str:
    """Why nothing can be topped up; empty if it can."""
    if policy.ladder is None:
        return "the policy never tops up"
    return "" if any(amount > 0 for amount in reserve.values()) else "there is no reserve to top up from"


def _quick(plan: HedgePlan, policy: Policy, reserve: Reserve) -> Variant | NoVariant:
    name, why, ladder = "top-ups within 1 h", _no_top_up(policy, reserve), policy.ladder
    if why or ladder is None:
        return NoVariant(name, why)
    if ladder.latency <= QUICK:
        return NoVariant(name, "they arrive within an hour already")
    what = f"transfers arrive within an hour, not {format_span(ladder.latency)}"
    return Variant(name, what, plan, replace(policy, ladder=replace(ladder, latency=QUICK)), reserve)


def _early(plan: HedgePlan, policy: Policy, reserve: Reserve) -> Variant | NoVariant:
    name, why, ladder = "early top-ups", _no_top_up(policy, reserve), policy.ladder
    if why or ladder is None:
        return NoVariant(name, why)
    early = replace(
        ladder,
        latency=min(ladder.latency, QUICK),
        withdraw=min(ladder.withdraw, EARLY / 4),
        warn=min(ladder.warn, 0.8 * EARLY),
        top_up=min(ladder.top_up, EARLY),
        top_up_to=min(ladder.top_up_to, EARLY / 2),
    )
    what = f"sent at a margin ratio of {EARLY:.0%} instead of {ladder.top_up:.0%}, there within an hour"
    return Variant(name, what, plan, replace(policy, ladder=early), reserve)
