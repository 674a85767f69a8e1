"""What an audit of the portfolio finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from stormsail.core import Finding, Maybe, Unavailable


@dataclass(frozen=True, slots=True)
class Risk:
    """The measures of one asset or of the whole portfolio; each carries definition, window and sample size.

    Losses are positive fractions of value; betas are slopes of simple returns. For the whole portfolio the value meant
    is the one of its coins, without stablecoins (``risky_value``), so that holding cash changes no measure.

    Attributes:
        volatility: Annualised standard deviation.
        drawdown: Largest fall from a peak in the window.
        var_95, es_95, var_99, es_99: Historical one-day value at risk and expected shortfall.
        var_95_normal, es_95_normal: The same under a normal law.
        beta_btc, beta_eth, beta_alts: Slope on BTC, on ETH, on the equal-weight alt index.
        beta_up, beta_down: Slope on BTC through the origin, on days when BTC rose, and when it fell.
        tail_ratio: Median of return over BTC's return on the worst 2 % of BTC's days.
    """

    volatility: Maybe
    drawdown: Maybe
    var_95: Maybe
    es_95: Maybe
    var_99: Maybe
    es_99: Maybe
    var_95_normal: Maybe
    es_95_normal: Maybe
    beta_btc: Maybe
    beta_eth: Maybe
    beta_alts: Maybe
    beta_up: Maybe
    beta_down: Maybe
    tail_ratio: Maybe


@dataclass(frozen=True, slots=True)
class AssetExposure:
    """One asset of the portfolio.

    Attributes:
        asset: Symbol.
        quantity: Coins held.
        sellable: Coins that may be sold on the day of the audit.
        price: Price of one coin in the portfolio's currency.
        price_origin: Series and moment the price came from.
        value: ``quantity * price``.
        weight: Share of the portfolio's value.
        risk: Its measures.
        daily_volume: Median daily quote volume over 30 days, as an estimate or unavailable.
        days_to_exit: Days to sell it all at the stated share of volume.
        is_cash: Whether it is a stablecoin, valued at par; its measures are unavailable.
        priced_by: ``spot``, or ``perpetual`` where no spot series exists.
    """

    asset: str
    quantity: Decimal
    sellable: Decimal
    price: float
    price_origin: str
    value: float
    weight: float
    risk: Risk
    daily_volume: Maybe
    days_to_exit: Maybe
    is_cash: bool = False
    priced_by: str = "spot"


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A coin that is held and has no price at the moment of the audit.

    Attributes:
        asset: Symbol.
        quantity: Coins held.
        value: Why it has no value: its series ended, or begin only later.
    """

    asset: str
    quantity: Decimal
    value: Unavailable


@dataclass(frozen=True, slots=True)
class ExposureReport:
    """What the holder is exposed to.

    Attributes:
        as_of: Moment of the audit.
        data_end: Last moment of the data used.
        value: Total value in the portfolio's currency.
        risky_value: Value without stablecoins.
        locked_value: Value that cannot be sold now.
        assets: By falling value.
        risk: Measures of its coins together at today's weights, as fractions of ``risky_value``.
        concentration: Herfindahl index of the weights of risky assets.
        effective_assets: ``1 / concentration``.
        mean_correlation: Mean pairwise correlation of daily returns.
        volume_share: Share of volume assumed when selling.
        findings: What was noticed.
        unpriced: Coins held that have no price at the moment; no other figure counts them.
    """

    as_of: datetime
    data_end: datetime
    value: float
    risky_value: float
    locked_value: float
    assets: tuple[AssetExposure, ...]
    risk: Risk
    concentration: Maybe
    effective_assets: Maybe
    mean_correlation: Maybe
    volume_share: float
    findings: tuple[Finding, ...]
    unpriced: tuple[Unpriced, ...] = ()
