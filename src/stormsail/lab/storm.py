"""A storm let loose on a plan: the course its coins and contracts take, re-based to the plan's prices.

Where the view holds bars of a past storm (:mod:`~stormsail.lab.bygone`), a coin takes the path it took then, as do its
contracts with their marks, highs and funding; where it does not, the rule of :mod:`~stormsail.lab.coin_moves` moves it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stormsail.core import (
    STABLECOINS,
    Contract,
    Finding,
    Payoff,
    Tenor,
    Trouble,
    Unavailable,
    to_float,
)
from stormsail.core.symbol import is_alt
from stormsail.lab.bygone import Then, recorded
from stormsail.lab.coin_moves import CoinMove, betas_of, path_of
from stormsail.lab.course import ASSUMED_SLIPPAGE, HALF_SPREAD, HOUR, Course, grid, settlement_currency
from stormsail.lab.ledger import IntArray
from stormsail.lab.scenario import ALL, ALTS, LARGEST, Blow, Forced, Scenario, VenueBlow
from stormsail.lab.setup import coins_of, contracts_of
from stormsail.lab.shock import Deleveraged, Frozen, Shock, VenueGone
from stormsail.market.panel import FloatArray
from stormsail.market.source import MarketView
from stormsail.plan.types import HedgePlan, Order


@dataclass(frozen=True, slots=True, eq=False)
class Brewed:
    """A storm over a plan.

    Attributes:
        scenario: Which storm.
        course: What the market does.
        moves: How far each coin and each contract's coin goes, by symbol.
        shocks: What venues do.
        findings: What was noticed.
    """

    scenario: Scenario
    course: Course
    moves: tuple[CoinMove, ...]
    shocks: tuple[Shock, ...]
    findings: tuple[Finding, ...]

    @property
    def recorded(self) -> int:
        """Coins that take the path they took then."""
        return sum(move.recorded for move in self.moves)


def brew(
    plan: HedgePlan, scenario: Scenario, view: MarketView | None = None, *, rivals: Sequence[HedgePlan] = ()
) -> Brewed:
    """Make the course of a storm for a plan.

    Args:
        plan: Its portfolio, prices and moment.
        scenario: The storm.
        view: Market data that may hold the storm's bars; only bars of its window are read.
        rivals: Other plans for the same portfolio at the same moment; the course holds their contracts too.

    Raises:
        StormsailError: If the storm does not fit the plan.
    """
    coins, contracts = coins_of(plan), contracts_of([plan, *rivals])
    bases = sorted({*coins, *(c.base for c in contracts)})
    then = recorded(scenario, coins, contracts, view)
    betas = betas_of(plan)
    paths, moves = {}, []
    for asset in bases:
        paths[asset], move = path_of(asset, scenario, betas, then)
        moves.append(move)
    course, findings = _course([plan, *rivals], scenario, contracts, paths, then)
    return Brewed(scenario, course, tuple(moves), _shocks(plan, scenario), findings)


# --- the course ----------------------------------------------------------------------------------------------------


def _course(
    plans: Sequence[HedgePlan], scenario: Scenario, contracts: Sequence[Contract],
    paths: Mapping[str, FloatArray], then: Then | None,
) -> tuple[Course, tuple[Finding, ...]]:  # fmt: skip
    plan, coins = plans[0], coins_of(plans[0])
    times = grid(plan.as_of, plan.as_of + scenario.hours * HOUR, HOUR)
    steps, prices = len(times), {row.asset: row.price for row in plan.exposure.assets}
    spot = np.column_stack([prices[c] * paths[c] for c in coins]) if coins else np.empty((steps, 0))
    currencies = _currencies(plan, contracts, scenario)
    worth = np.column_stack([_worth(c, scenario, paths, prices, steps) for c in currencies])
    orders = {order.contract.id: order for each in reversed(plans) for order in each.orders}
    legs = []
    for contract in contracts:
        start = to_float(orders[contract.id].price) if contract.id in orders else prices.get(contract.base, math.nan)
        legs.append(_leg(contract, start, scenario, paths[contract.base], then, currencies, worth))
    findings = [f for leg in legs for f in leg.findings]
    for leg in legs:
        _misjudge(leg, scenario)
    ends = np.array([leg.end for leg in legs], dtype=np.int64)
    half, impact = _slippage(orders, contracts, scenario, steps)
    for j, forced in _forced(plan, scenario, contracts):
        _end(legs[j], plan, forced, ends, j)
    empty = np.empty((steps, 0))

    def stack(name: str) -> FloatArray:
        return np.column_stack([getattr(leg, name) for leg in legs]) if legs else empty

    tradable = np.arange(steps)[:, None] < ends
    course = Course(
        times=times, contracts=tuple(contracts), coins=tuple(coins), currencies=currencies, last=stack("last"),
        mark=stack("mark"), high=stack("high"), low=stack("low"), rate=stack("rate"),
        settles=stack("settles").astype(bool), tradable=tradable & np.isfinite(stack("last")), ends=ends,
        half_spread=half, impact=impact, spot=spot, worth=worth,
        worst=np.minimum(worth, np.vstack([worth[:1], worth[:-1]])), findings=tuple(dict.fromkeys(findings)),
    )  # fmt: skip
    return course, tuple(dict.fromkeys(findings))


@dataclass(slots=True, eq=False)
class _Leg:
    """Arrays of one contract while they are being made, each of shape (T,)."""

    contract: Contract
    last: FloatArray
    mark: FloatArray
    high: FloatArray
    low: FloatArray
    rate: FloatArray
    settles: FloatArray
    end: int
    findings: list[Finding]


def _leg(
    contract: Contract, start: float, scenario: Scenario, path: FloatArray, then: Then | None,
    currencies: Sequence[str], worth: FloatArray,
) -> _Leg:  # fmt: skip
    steps = len(path)
    rate, settles = np.zeros(steps), np.zeros(steps)
    findings: list[Finding] = []
    j = then.column.get(contract.id) if then is not None else None
    if then is not None and then.course is not None and j is not None:
        old = then.course
        scale = start / old.last[0, j]
        leg = _Leg(
            contract, old.last[:, j] * scale, old.mark[:, j] * scale, old.high[:, j] * scale, old.low[:, j] * scale,
            old.rate[:, j].copy(), old.settles[:, j].astype(float), int(old.ends[j]), findings,
        )  # fmt: skip
        if contract.tenor is Tenor.DATED:
            leg.rate, leg.settles = rate, settles
        elif not leg.settles.any():
            _fund(leg, scenario)
        return leg
    last = start * path  # a dated contract keeps its distance to spot: storms are short beside its life
    if then is None and contract.payoff is Payoff.LINEAR and contract.quote in currencies:
        value = worth[:, list(currencies).index(contract.quote)]
        last = last * value[0] / value
    before = np.concatenate([last[:1], last[:-1]])
    leg = _Leg(contract, last, last.copy(), np.maximum(last, before), np.minimum(last, before), rate, settles, steps,
               findings)  # fmt: skip
    if contract.tenor is Tenor.PERPETUAL:
        _fund(leg, scenario)
    for wick in scenario.wicks:
        if _meant(contract.base, wick.assets) and (wick.on == "mark" or scenario.judge == "last"):
            price = last[wick.hour] * (1.0 + wick.move)
            leg.high[wick.hour] = max(leg.high[wick.hour], price)
            leg.low[wick.hour] = min(leg.low[wick.hour], price)
    return leg


def _meant(asset: str, names: Sequence[str]) -> bool:
    return asset in names or ALL in names or (ALTS in names and is_alt(asset))


def _fund(leg: _Leg, scenario: Scenario) -> None:
    """Write the storm's funding; where it tells none, none is settled, and that is said."""
    base = leg.contract.base
    told = False
    for spell in scenario.funding:
        rate = spell.rate.get(base, spell.rate.get(ALTS) if is_alt(base) else None)
        rate = spell.rate.get(ALL) if rate is None else rate
        if rate is None:
            continue
        told = True
        for hour in range(spell.start + spell.every, min(spell.end, len(leg.rate) - 1) + 1, spell.every):
            leg.rate[hour], leg.settles[hour] = rate, 1.0
    if not told:
        leg.findings.append(
            Finding(
                Trouble.UNAVAILABLE, f"funding {leg.contract.id}", f"{scenario.name} tells none of it",
                "left out of the result",
            )
        )  # fmt: skip


def _misjudge(leg: _Leg, scenario: Scenario) -> None:
    """Let the mark be wrong while an oracle is; its extremes then are those of the wrong mark."""
    for oracle in scenario.oracles:
        if not _meant(leg.contract.base, oracle.assets):
            continue
        span = slice(oracle.start, min(oracle.end, len(leg.mark)))
        leg.mark[span] = leg.mark[oracle.start] if oracle.off is None else leg.last[span] * (1.0 + oracle.off)
        for t in range(max(oracle.start, 1), min(oracle.end, len(leg.mark) - 1) + 1):
            leg.high[t] = max(leg.mark[t], leg.mark[t - 1])
            leg.low[t] = min(leg.mark[t], leg.mark[t - 1])


def _forced(plan: HedgePlan, scenario: Scenario, contracts: Sequence[Contract]) -> list[tuple[int, Forced]]:
    """Columns of contracts that a venue ends."""
    found: list[tuple[int, Forced]] = []
    for forced in scenario.forced:
        name = forced.contract
        if name == LARGEST:
            if not plan.orders:
                continue
            name = max(plan.orders, key=lambda o: (o.notional, o.contract.id)).contract.id
        found.extend((j, forced) for j, c in enumerate(contracts) if name in (c.id, c.base))
    return found


def _end(leg: _Leg, plan: HedgePlan, forced: Forced, ends: IntArray, j: int) -> None:
    """Settle a contract at the price its venue chooses; the bar before is the market's."""
    move = forced.move
    if move is None:
        position = next((p for m in plan.margins for p in m.positions if p.contract == leg.contract.id), None)
        order = next((o for o in plan.orders if o.contract.id == leg.contract.id), None)
        if position is None or order is None:
            return
        move = 0.0 if position.coins is not None else to_float(position.collateral / order.notional)
    price = leg.last[0] * (1.0 + move)
    leg.mark[forced.hour :] = leg.last[forced.hour :] = price
    leg.high[forced.hour + 1 :] = leg.low[forced.hour + 1 :] = price
    ends[j] = min(int(ends[j]), forced.hour)


def _currencies(plan: HedgePlan, contracts: Sequence[Contract], scenario: Scenario) -> tuple[str, ...]:
    held = {row.asset for row in plan.exposure.assets if row.is_cash}
    pegs = {peg.currency for peg in scenario.pegs}
    return tuple(sorted({settlement_currency(c) for c in contracts} | {"USDT", "USDC"} | (pegs & (held | STABLECOINS))))


def _worth(
    currency: str, scenario: Scenario, paths: Mapping[str, FloatArray], prices: Mapping[str, float], steps: int
) -> FloatArray:
    if currency in paths and currency in prices:
        return prices[currency] * paths[currency]
    for peg in scenario.pegs:
        if peg.currency == currency:
            return np.interp(np.arange(steps), peg.hours, peg.prices)
    return np.ones(steps)


def _slippage(
    orders: Mapping[str, Order], contracts: Sequence[Contract], scenario: Scenario, steps: int
) -> tuple[FloatArray, FloatArray]:
    """Half spread and impact of each contract: the plan's own slippage read back, times the drought's factor."""
    half, impact = np.full(len(contracts), HALF_SPREAD), np.zeros(len(contracts))
    for j, contract in enumerate(contracts):
        order = orders.get(contract.id)
        if order is None or isinstance(order.slippage, Unavailable) or not order.notional:
            half[j] = ASSUMED_SLIPPAGE
            continue
        share = to_float(order.slippage / order.notional)
        impact[j] = max(share - HALF_SPREAD, 0.0) / math.sqrt(to_float(order.notional))
    factor = np.ones(steps)
    for drought in scenario.droughts:
        span = slice(drought.start, drought.end + 1)
        factor[span] = np.maximum(factor[span], drought.factor)
    return factor[:, None] * half, factor[:, None] * impact


# --- venues --------------------------------------------------------------------------------------------------------


def _shocks(plan: HedgePlan, scenario: Scenario) -> tuple[Shock, ...]:
    found: list[Shock] = []
    for blow in scenario.blows:
        found.extend(_shock(plan, blow, venue) for venue in _struck(plan, blow))
    return tuple(found)


def _struck(plan: HedgePlan, blow: VenueBlow) -> list[str]:
    """Venues of the plan that are meant."""
    short: dict[str, float] = {}
    for margin in plan.margins:
        short[margin.venue] = short.get(margin.venue, 0.0) + to_float(margin.notional)
    if blow.venue == ALL:
        return sorted(short)
    if blow.venue == LARGEST:
        return [max(sorted(short), key=lambda v: short[v])] if short else []
    return [blow.venue] if blow.venue in short else []


def _shock(plan: HedgePlan, blow: VenueBlow, venue: str) -> Shock:
    when = plan.as_of + blow.hour * HOUR
    if blow.what is Blow.GONE:
        return VenueGone(when, venue, blow.reason)
    if blow.what is Blow.DELEVERAGED:
        return Deleveraged(when, venue, blow.share, blow.worse, None, blow.reason)
    return Frozen(when, plan.as_of + blow.end * HOUR, venue, blow.reason)
