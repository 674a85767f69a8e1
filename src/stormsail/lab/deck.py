"""The market part of many plans, estimated once: prices, covariance, carry, costs, collateral, lots.

Everything here is made as the plan of one portfolio makes it, with three differences that follow from not knowing the
portfolio. The ratio of the alts to BTC and ETH is the contest's for all coins of the deck in equal parts; slippage is
that of an order of a stated size; and the collateral of a contract is what it needs standing alone at the most that may
be short of it, so that it suffices for every smaller short.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from stormsail.audit import Tolerance
from stormsail.audit.prices import Quote, quotes
from stormsail.core import (
    STABLECOINS,
    Contract,
    Finding,
    Payoff,
    Tenor,
    ToleranceError,
    Trouble,
    Unavailable,
    UnavailableError,
    from_float,
    times,
)
from stormsail.core.symbol import MAJORS
from stormsail.instruments.counted import counted_carry
from stormsail.instruments.diligence import score
from stormsail.instruments.offers import round_trip
from stormsail.instruments.types import VenueRecord
from stormsail.instruments.universe import day_of
from stormsail.instruments.universe import survey as survey_contracts
from stormsail.lab.workers import Serial, Workers, gathered
from stormsail.margin.types import Promise, TierTable
from stormsail.market.lookup import Lookup
from stormsail.market.once import read_once
from stormsail.market.source import MarketView
from stormsail.plan.collateral import Keeper
from stormsail.plan.desk import BASIS_SD_PER_DAY
from stormsail.plan.history import book_return
from stormsail.plan.model import CoinReturns, coin_returns, risk_model
from stormsail.plan.problem import RISK_AVERSION, FactorCovariance, FloatArray
from stormsail.plan.rounding import Step
from stormsail.plan.terms import Terms, contract_terms, merged
from stormsail.ratio import contest

if TYPE_CHECKING:
    from stormsail.lab._hedge._kernels import Table

MONTH = timedelta(days=30)
ORDER = 10_000.0
"""Size of the order that slippage is judged at."""

UNKNOWN = 1_000_000.0
"""Notional at which collateral is judged where no volume says what the most is."""

UNITS = Decimal(100_000_000)
"""Money is counted in hundred-millionths."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A contract that the fleet may short.

    Attributes:
        contract: Which.
        price: Reference price, on the tick.
        lot: Step of an order: the contract's lot, or ten, a hundred, ... of it where one is worth no whole number of
            hundred-millionths.
        worth: Of one such step, in hundred-millionths of the currency.
        least: Fewest steps the venue takes.
        capacity: Most that may be short within the share of a day's volume; NaN where the volume is not known: then
            no more than is wanted.
        carry: Expected over the horizon, per unit of notional; NaN is unavailable.
        counted: What the choice counts instead: the same, or what stands in for an unknown one.
        cost: Fees and slippage in and out, per unit.
        rate: Collateral per unit.
        table: Margin brackets.
    """

    contract: Contract
    price: Decimal
    lot: Decimal
    worth: int
    least: int
    capacity: float
    carry: float
    counted: float
    cost: float
    rate: float
    table: TierTable


@dataclass(frozen=True, slots=True, eq=False)
class Deck:
    """What all portfolios of a fleet have in common.

    Attributes:
        as_of: Moment of the decision.
        source: Name of the market data.
        tolerance: What is wanted; a portfolio's own coverage and collateral come before it.
        coins: With a price and a row of the covariance, sorted, length K.
        prices: Of each, shape (K,).
        covariance: Of the coins, over the horizon.
        beta: Market betas, not below 0, shape (K,).
        legs: Contracts, sorted by coin and id.
        caps: Share of a portfolio's value that may be posted at each venue.
        missing: Known coins that cannot be valued or judged now, with the reason.
        symbols: Every symbol the data has ever known, sorted.
        findings: What was noticed.
    """

    as_of: datetime
    source: str
    tolerance: Tolerance
    coins: tuple[str, ...]
    prices: FloatArray
    covariance: FactorCovariance
    beta: FloatArray
    legs: tuple[Leg, ...]
    caps: Mapping[str, float]
    missing: Mapping[str, str]
    symbols: tuple[str, ...]
    findings: tuple[Finding, ...]

    def table(self) -> Table:
        """The same in arrays, for the compiled part."""
        from stormsail.lab._hedge._kernels import Table

        coin = {name: i for i, name in enumerate(self.coins)}
        at = [coin[leg.contract.base] for leg in self.legs]
        venues = sorted(self.caps)
        days = self.tolerance.horizon / timedelta(days=1)
        beta = [float(self.beta[k]) for k in at]
        return Table(
            price=self.prices,
            residual=self.covariance.residual,
            beta=self.beta,
            loadings=np.ascontiguousarray(self.covariance.loadings),
            factors=np.ascontiguousarray(self.covariance.factors),
            major=np.array([name in MAJORS for name in self.coins], dtype=bool),
            first=np.searchsorted(at, np.arange(len(self.coins) + 1)).astype(np.int64),
            venue=np.array([venues.index(leg.contract.venue) for leg in self.legs], dtype=np.int64),
            volume=np.array([leg.capacity for leg in self.legs]),
            basis=np.array([BASIS_SD_PER_DAY[leg.contract.tenor] ** 2 * days for leg in self.legs]),
            net=np.array([leg.cost - leg.counted for leg in self.legs]),
            rate=np.array([leg.rate for leg in self.legs]),
            lot_units=np.array([leg.worth for leg in self.legs], dtype=np.int64),
            lot_cash=np.array([_up(leg.worth, leg.rate) for leg in self.legs], dtype=np.int64),
            lot_delta=np.array([_up(leg.worth, b) for leg, b in zip(self.legs, beta, strict=True)], dtype=np.int64),
            least=np.array([leg.least for leg in self.legs], dtype=np.int64),
            caps=np.array([self.caps[v] for v in venues]),
            averse=RISK_AVERSION,
            slack=self.tolerance.max_net_delta,
        )


def _up(worth: int, share: float) -> int:
    """``worth * share`` as a whole number, rounded up exactly.

    >>> _up(10, 0.25), _up(10, 0.1)
    (3, 1)
    """
    return math.ceil(times(Decimal(worth), from_float(share)))


def build_deck(
    view: MarketView,
    tolerance: Tolerance,
    *,
    venues: Mapping[str, VenueRecord],
    coins: Collection[str] | None = None,
    workers: Workers | None = None,
    order: float = ORDER,
    progress: Callable[[str], None] | None = None,
) -> Deck:
    """Estimate the market part of many plans.

    Args:
        view: The market as known at the moment of the decision.
        tolerance: What is wanted; its floor and budget must be open.
        venues: Due-diligence records by venue key.
        coins: Those that portfolios hold; by default every coin that has a price.
        workers: Who works out the collateral of each contract; by default this process.
        order: Size of the order that slippage is judged at, in currency.
        progress: Told the name of each step.

    Raises:
        ToleranceError: If a floor or a budget is asked for: those take the whole programme.
        UnavailableError: If BTC has no price, or no coin has.
    """
    if tolerance.floor is not None or tolerance.budget is not None:
        name = "floor" if tolerance.floor is not None else "budget"
        raise ToleranceError(f"a {name} takes the whole programme", cure="leave it out, or plan in full", where=name)
    tell = progress or (lambda step: None)
    view = read_once(view)
    lookup = Lookup.of(view)
    day = day_of(view.as_of)
    tell("prices and contracts")
    symbols = frozenset(lookup.all_symbols())
    asked = sorted((symbols if coins is None else symbols & set(coins)) - STABLECOINS | set(MAJORS))
    found = quotes(view, lookup, asked)
    missing = {coin: quote.reason for coin, quote in found.items() if isinstance(quote, Unavailable)}
    priced = {coin: quote.price for coin, quote in found.items() if isinstance(quote, Quote)}
    if not priced:
        raise UnavailableError("no coin has a price", cure="fetch newer data, or name another day", where="fleet")
    tell("covariance")
    returns, _, found_returns = coin_returns(view, lookup, sorted(priced))
    alts = np.array([float(c not in MAJORS) for c in returns.coins])
    model = risk_model(returns, alts, tolerance.horizon, anchor=_anchor(returns, alts))
    missing |= {coin: "its returns are not known" for coin in priced if coin not in returns.coins}
    tell("contracts")
    known = survey_contracts(view, venues, tolerance.venues, lookup)
    usable = [c for c in known.contracts if _may(c) and c.base in returns.coins]
    terms, found_terms = contract_terms(view, lookup, usable, venues, priced, tolerance.horizon, day)
    ordered = sorted(terms.values(), key=lambda t: (t.contract.base, t.contract.id))
    tell("collateral")
    legs, found_legs = _legs(ordered, tolerance, order, workers or Serial())
    return Deck(
        as_of=view.as_of,
        source=view.source.name,
        tolerance=tolerance,
        coins=returns.coins,
        prices=np.array([priced[c] for c in returns.coins]),
        covariance=model.covariance,
        beta=np.maximum(model.market_beta, 0.0),
        legs=legs,
        caps={v: score(venues[v], day).cap for v in sorted({leg.contract.venue for leg in legs})},
        missing=dict(sorted(missing.items())),
        symbols=tuple(sorted(symbols)),
        findings=tuple(dict.fromkeys((*known.findings, *found_returns, *found_terms, *merged(found_legs)))),
    )


def _may(contract: Contract) -> bool:
    return contract.payoff is Payoff.LINEAR and contract.tenor is Tenor.PERPETUAL


def _anchor(returns: CoinReturns, alts: FloatArray) -> FloatArray | None:
    """The ratio to (BTC, ETH) that wins the contest for the alts in equal parts."""
    if "ETH" not in returns.coins or not alts.any():
        return None
    y = book_return(returns.values, alts / alts.sum())
    x = np.column_stack([returns.column("BTC"), returns.column("ETH")])
    least = 60 if returns.bars_per_day == 1 else 240
    table = contest("alts in equal parts", y, ("BTC", "ETH"), x, returns.panel.times, min_train=least)
    return np.array([v.value for v in table.ratio.values])


@dataclass(frozen=True, slots=True)
class _Alone:
    """The collateral rate of one contract at a notional: a shard of the deck's work."""

    keeper: Keeper

    def __call__(self, asked: tuple[Terms, float]) -> float:
        return self.keeper.alone(*asked).rate


def _legs(
    terms: Sequence[Terms], tolerance: Tolerance, order: float, workers: Workers
) -> tuple[tuple[Leg, ...], list[Finding]]:
    findings = []
    kept: list[tuple[Terms, float]] = []
    for t in terms:
        most = t.capacity(tolerance.volume_share)
        if isinstance(most, Unavailable):
            cure = f"it is used up to what is wanted; its collateral is that of {UNKNOWN:,.0f}"
            findings.append(Finding(Trouble.UNAVAILABLE, f"capacity {t.contract.id}", most.reason, cure))
        kept.append((t, math.nan if isinstance(most, Unavailable) else most))
    keeper = Keeper(Promise(tolerance.liquidation_chance, MONTH, tolerance.top_up, tolerance.survive))
    asked = [(t, UNKNOWN if math.isnan(most) else most) for t, most in kept]
    rates = gathered(workers, _Alone(keeper), asked)
    legs = []
    counted, found = counted_carry([(t.contract, t.carry) for t in terms])
    for (t, most), rate, stands in zip(kept, rates, counted.tolist(), strict=True):
        step = Step.of(t.contract, t.price)
        lot, worth = _whole_units(t.contract.lot, step.lot_value)
        legs.append(
            Leg(
                contract=t.contract,
                price=step.price,
                lot=lot,
                worth=worth,
                least=math.ceil(times(Decimal(step.least), t.contract.lot) / lot),
                capacity=most,
                carry=math.nan if isinstance(t.carry, Unavailable) else t.carry.expected,
                counted=stands,
                cost=round_trip(t.contract, t.slippage(order)),
                rate=rate,
                table=t.table,
            )
        )
    return tuple(legs), [*findings, *found]


def _whole_units(lot: Decimal, value: Decimal) -> tuple[Decimal, int]:
    """The smallest multiple of a lot by a power of ten that is worth whole hundred-millionths, and its worth.

    >>> _whole_units(Decimal("1"), Decimal("0.000000125"))
    (Decimal('1E+1'), 125)
    """
    step = Decimal(1)
    while (worth := times(value, step, UNITS)) != worth.to_integral_value():
        step = step.scaleb(1)
    return times(lot, step), int(worth)
