"""The plan: a decision one can read, question and sign."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from stormsail.audit.tolerance import Tolerance
from stormsail.audit.types import ExposureReport
from stormsail.core import Contract, Finding, Portfolio, Tenor, Unavailable, ceil_to, times
from stormsail.forecast.types import MaybeCarry
from stormsail.instruments.types import Route, Shortlist, VenueScore
from stormsail.margin.types import CollateralRequirement, MarginMode, MaybeLiquidation, TierTable
from stormsail.ratio.types import Contest, MaybeEffectiveness

SCHEMA_VERSION = 2
"""2: accounts whose collateral is coins (``coins``), beside those of cash."""

MaybeFigure = float | Unavailable
NOT_WORKED_OUT = Unavailable("not worked out")


@dataclass(frozen=True, slots=True)
class Order:
    """One order of the plan: sell ``quantity`` contract units.

    Attributes:
        contract: What is shorted.
        quantity: Contract units, positive, a multiple of the lot.
        price: Reference price (last close known), a multiple of the tick.
        notional: ``contract.notional(quantity, price)`` in quote currency.
        protects: Assets it protects; ``portfolio`` for a proxy of the whole.
        route: Direct, proxy, ...
        fee: Taker fee of opening, in quote currency.
        slippage: Expected slippage of opening, in quote currency; unavailable without book and volume.
    """

    contract: Contract
    quantity: Decimal
    price: Decimal
    notional: Decimal
    protects: tuple[str, ...]
    route: Route
    fee: Decimal
    slippage: Decimal | Unavailable


@dataclass(frozen=True, slots=True)
class PostedCoins:
    """Coins of the holding posted as collateral behind inverse shorts.

    Attributes:
        asset: Which coin.
        quantity: How many, exactly.
        price: What one is worth in the portfolio's currency.
    """

    asset: str
    quantity: Decimal
    price: Decimal

    @property
    def value(self) -> Decimal:
        """Worth in the portfolio's currency, rounded up to cents."""
        return ceil_to(times(self.quantity, self.price), Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class PositionMargin:
    """What keeps one short alive.

    Attributes:
        contract: Contract id.
        collateral: Collateral behind it (its share, under cross margin) in the portfolio's currency: cash, or what its
            ``coins`` are worth.
        initial: Initial margin at the leverage ``notional / collateral``, in the portfolio's currency.
        maintenance: Maintenance margin at the reference price, likewise.
        liquidation: Where it is liquidated, alone, with its share of collateral.
        rise: Rise to that price, as a fraction; ``inf`` if it cannot be liquidated.
        requirement: The collateral rule applied to it alone.
        table: Its margin brackets, in coins for an inverse contract.
        coins: Coins behind it, where it is an inverse short; ``None`` where cash is.
    """

    contract: str
    collateral: Decimal
    initial: Decimal
    maintenance: Decimal
    liquidation: MaybeLiquidation
    rise: float
    requirement: CollateralRequirement
    table: TierTable
    coins: PostedCoins | None = None


@dataclass(frozen=True, slots=True)
class VenueMargin:
    """One account at a venue: the cash account of its linear shorts, or the coins of one asset behind inverse ones.

    Attributes:
        venue: Venue key.
        mode: Isolated or cross; inverse shorts are always isolated.
        notional: Short notional in it.
        collateral: Collateral to post in the portfolio's currency: cash, or what its ``coins`` are worth.
        cap: Most collateral that may be posted at the venue, cash and coins together, from due diligence; open profit
            comes on top of it.
        rise: Cross margin: common rise of all its shorts at which the account is liquidated. Isolated margin: rise of
            the weakest short, which is liquidated first and alone.
        requirement: Cross margin: the collateral rule applied to the venue's book as a whole. Isolated margin: that of
            the weakest short; every short's own is in ``positions``.
        positions: Its shorts.
        coins: Coins to post, where its shorts are inverse ones; ``None`` where cash is posted.
    """

    venue: str
    mode: MarginMode
    notional: Decimal
    collateral: Decimal
    cap: Decimal
    rise: float
    requirement: CollateralRequirement
    positions: tuple[PositionMargin, ...]
    coins: PostedCoins | None = None

    @property
    def name(self) -> str:
        """What tells it from the other accounts of the plan: ``binance``, or ``binance in BTC``."""
        return self.venue if self.coins is None else f"{self.venue} in {self.coins.asset}"

    @property
    def cash(self) -> Decimal:
        """Cash to post; 0 where coins are posted."""
        return self.collateral if self.coins is None else Decimal(0)

    @property
    def contracts(self) -> tuple[str, ...]:
        """Ids of the contracts that are short in it."""
        return tuple(p.contract for p in self.positions)

    @property
    def weakest(self) -> PositionMargin:
        """The short with the smallest rise to its liquidation."""
        return weakest(self.positions)


def weakest(positions: Sequence[PositionMargin]) -> PositionMargin:
    """The short with the smallest rise to its liquidation; of equals the first by contract."""
    return min(positions, key=lambda p: (p.rise, p.contract))


@dataclass(frozen=True, slots=True)
class BasisRisk:
    """What is left of the hedge's variance over a horizon, in the square of quote currency; its parts add up.

    Attributes:
        horizon: Over which the variances are stated.
        basis: The shorts moving against the coins they are about, beyond what was known.
        beta: Error of the proxies' ratio: ``sum (value * standard error)^2 Var(F)``.
        idiosyncratic: What coins protected by proxies do that the proxies do not.
        stablecoin: The contracts' currency moving against the dollar.
    """

    horizon: timedelta
    basis: MaybeFigure
    beta: MaybeFigure
    idiosyncratic: MaybeFigure
    stablecoin: MaybeFigure

    PARTS = ("basis", "beta", "idiosyncratic", "stablecoin")

    @property
    def known(self) -> Mapping[str, float]:
        """The parts that are known, in order."""
        found = {name: getattr(self, name) for name in self.PARTS}
        return {name: part for name, part in found.items() if not isinstance(part, Unavailable)}

    @property
    def missing(self) -> Mapping[str, str]:
        """The parts that are not, with the reason."""
        found = {name: getattr(self, name) for name in self.PARTS}
        return {name: part.reason for name, part in found.items() if isinstance(part, Unavailable)}

    @property
    def variance(self) -> float:
        """Sum of the known parts."""
        return math.fsum(self.known.values())

    @property
    def shares(self) -> Mapping[str, float]:
        """Share of each known part in their sum; they add up to 1, and there are none where nothing varies."""
        whole = self.variance
        return {name: part / whole for name, part in self.known.items()} if whole > 0 else {}


@dataclass(frozen=True, slots=True)
class BookBasis:
    """The basis of the shorts together, in quote currency; received is positive.

    Attributes:
        locked: What dated shorts receive by their ends, whatever happens before, for a price above spot; 0 without any.
        sd: Standard deviation of a week's residual, which is what the basis does beyond the known.
        worst: Residual of the worst 1 % of weeks, never positive.
        weeks: Overlapping weeks that were measured; 0 where a week follows from shorter spans.
        unmeasured: Value short whose coin has no price apart from the contract's.
        method: How the week was told.
        risk: Where what is left of the variance comes from.
    """

    locked: MaybeFigure
    sd: MaybeFigure
    worst: MaybeFigure
    weeks: int
    unmeasured: float
    method: str
    risk: BasisRisk


@dataclass(frozen=True, slots=True)
class Cost:
    """What the hedge costs over the horizon, in quote currency; received is positive, paid is negative.

    A part that no contract's figure is known of is unavailable; one that some are known of is the sum of those, and
    ``left_out`` says of how many it is not.

    Attributes:
        funding: Expected funding of perpetuals.
        funding_low: Funding in the worst 5 %.
        basis: Convergence of dated contracts, locked at today's prices.
        fees: Opening and closing fees (negative).
        slippage: Opening and closing slippage (negative).
        total: Sum of the expected parts that are known.
        total_low: The same with ``funding_low``.
        by_contract: Contract id to (funding, basis, fees, slippage).
        notes: What rests on an assumption or is unavailable.
        left_out: What the totals do without, because it is unavailable: ``slippage of 3 of 12 contracts``.
        basis_risk: What the basis locks, and what it may cost on the way; it is not part of the totals.
    """

    funding: MaybeFigure
    funding_low: MaybeFigure
    basis: MaybeFigure
    fees: float
    slippage: MaybeFigure
    total: float
    total_low: float
    by_contract: Mapping[str, tuple[MaybeFigure, MaybeFigure, float, MaybeFigure]]
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    basis_risk: BookBasis | Unavailable = NOT_WORKED_OUT


@dataclass(frozen=True, slots=True)
class Insurance:
    """The hedge read as an insurance policy.

    Attributes:
        premium: Expected cost over the horizon (negative: the holder is paid), in quote currency.
        premium_rate: The same as a yearly fraction of the protected value.
        deductible: Loss the holder bears himself when his coins together fall by ``survive``.
        cover: What the hedge pays then.
        es_99_unhedged, es_99_hedged: Mean loss in the worst 1 % of horizons, bootstrapped; positive is a loss.
        method: How the worst cases were made.
        left_out: What ``premium``, ``deductible`` and ``es_99_hedged`` do without, as in :class:`Cost`.
    """

    premium: float
    premium_rate: float
    deductible: float
    cover: float
    es_99_unhedged: float
    es_99_hedged: float
    method: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureMode:
    """Something the hedge still fails against.

    Attributes:
        name: Short name.
        what: What happens, in one or two lines with the figures.
        loss: Loss in quote currency if it happens; unavailable if it cannot be said.
        mitigation: What the plan does, or the holder can do.
    """

    name: str
    what: str
    loss: float | Unavailable
    mitigation: str


@dataclass(frozen=True, slots=True)
class TenorAdvice:
    """Perpetual or dated, with the reason."""

    tenor: Tenor
    perpetual: MaybeCarry
    dated: MaybeCarry
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is protected and what is not, per asset, in quote currency.

    Attributes:
        asset: Symbol.
        value: Value held.
        wanted: Value that was to be protected.
        direct: Protected by a contract on the asset itself.
        proxy: Protected by a proxy or basket, at the asset's ratio.
        uncovered: ``value - direct - proxy`` (never below 0).
        reason: Why something was left out, or an empty string.
    """

    asset: str
    value: float
    wanted: float
    direct: float
    proxy: float
    uncovered: float
    reason: str


@dataclass(frozen=True, slots=True)
class History:
    """The plan's weights held through the past: hedged against unhedged cumulative value, starting at 1.

    Attributes:
        times: ISO dates.
        unhedged, hedged: Same length as ``times``.
        effectiveness: Of this book in that window (in sample for the weights, and said so).
    """

    times: tuple[str, ...]
    unhedged: tuple[float, ...]
    hedged: tuple[float, ...]
    effectiveness: MaybeEffectiveness


@dataclass(frozen=True, slots=True)
class Fan:
    """Quantiles over time of the rise of the short book, for the collateral plot.

    Attributes:
        hours: Hours from now.
        quantiles: Level to the running-maximum rise at each hour.
        liquidation_rise: Rise that liquidates the book (``inf`` if none).
    """

    hours: tuple[float, ...]
    quantiles: Mapping[float, tuple[float, ...]]
    liquidation_rise: float


@dataclass(frozen=True, slots=True)
class HedgePlan:
    """The whole decision. See ``docs/reference/plan-file.md`` for its file form.

    Attributes:
        as_of: Moment of the decision.
        data_end: Last moment of the data behind it.
        source: Name of the market data.
        portfolio: What is held.
        tolerance: What was asked for.
        exposure: What it could lose.
        shortlist: What could hedge it.
        contests: The walk-forward tables; the first is the whole portfolio's.
        advice: Perpetual or dated.
        orders: What to do.
        margins: Collateral per account: a venue's cash, or its coins of one asset.
        cost: What it costs or earns.
        insurance: The same as a policy.
        failures: What it still fails against.
        coverage: What is protected, per asset.
        effectiveness: Out of sample, of the planned hedge; and of naive ratio 1 with the same instruments.
        effectiveness_naive: See above.
        binding: Limits that held the plan back, with the figure of each.
        venues: Due-diligence score of each venue considered.
        history: The book held through the past.
        fans: One collateral fan per cash account.
        findings: Everything noticed on the way.
        origins: Dotted path of a figure to where it came from.
    """

    as_of: datetime
    data_end: datetime
    source: str
    portfolio: Portfolio
    tolerance: Tolerance
    exposure: ExposureReport
    shortlist: Shortlist
    contests: tuple[Contest, ...]
    advice: TenorAdvice
    orders: tuple[Order, ...]
    margins: tuple[VenueMargin, ...]
    cost: Cost
    insurance: Insurance
    failures: tuple[FailureMode, ...]
    coverage: tuple[Coverage, ...]
    effectiveness: MaybeEffectiveness
    effectiveness_naive: MaybeEffectiveness
    binding: tuple[str, ...]
    venues: tuple[VenueScore, ...]
    history: History | Unavailable
    fans: Mapping[str, Fan]
    findings: tuple[Finding, ...]
    origins: Mapping[str, str]
    schema_version: int = SCHEMA_VERSION
