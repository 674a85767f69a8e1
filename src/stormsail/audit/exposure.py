"""The audit: what the portfolio is worth, what it could lose, and what moves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from stormsail.audit.concentration import herfindahl, mean_correlation
from stormsail.audit.history import History, load_history
from stormsail.audit.liquidity import days_to_exit
from stormsail.audit.pegs import peg_findings
from stormsail.audit.prices import Quote, quotes
from stormsail.audit.risk import constant_weight_returns, measure_assets, measure_portfolio, nothing
from stormsail.audit.sample import MIN_OBSERVATIONS, FloatArray
from stormsail.audit.symbols import check_symbols
from stormsail.audit.types import AssetExposure, ExposureReport, Risk, Unpriced
from stormsail.core import (
    LARGEST,
    STABLECOINS,
    Estimate,
    Finding,
    InputError,
    Maybe,
    Portfolio,
    PortfolioError,
    Trouble,
    Unavailable,
    UnavailableError,
    to_float,
)
from stormsail.market.lookup import Lookup
from stormsail.market.once import read_once
from stormsail.market.source import MarketView

CASH = "cash, taken at par"


def audit(
    portfolio: Portfolio,
    view: MarketView,
    *,
    days: int = 365,
    volume_share: float = 0.1,
    lookup: Lookup | None = None,
) -> ExposureReport:
    """Measure a portfolio as of the moment of ``view``.

    Risk rests on simple daily returns of the last ``days`` days at today's weights. Stablecoins are cash at par: they
    have a weight and no risk, and measures of the portfolio are fractions of the value of the other coins. Coins with
    fewer than sixty returns borrow from their group and say so. A coin whose series ended, or begins only later, has no
    price; it is left out of the value, with a finding, and listed as unpriced.

    Args:
        portfolio: What is held.
        view: Market data and the moment.
        days: Length of the window.
        volume_share: Share of a day's volume that a sale may be, in (0, 1].
        lookup: Index of ``view``, where it is at hand; made otherwise.

    Raises:
        UnknownSymbolError: If the data does not know a symbol, or knows every coin only later.
        UnavailableError: If nothing that is held has a price.
        PortfolioError: If the portfolio's currency is not the dollar or a stablecoin, or a holding is worth more than
            any could be.
        InputError: If ``days`` or ``volume_share`` is out of range.
    """
    _check(portfolio, days, volume_share)
    view = read_once(view)
    lookup = lookup or Lookup.of(view)
    later = check_symbols(portfolio, lookup, view.source.catalogue())
    coins = [asset for asset in portfolio.assets if asset not in STABLECOINS]
    prices = quotes(view, lookup, coins) | _not_yet(later, view.as_of)
    priced = [asset for asset in coins if isinstance(prices[asset], Quote)]
    if not priced and len(coins) == len(portfolio.assets):
        reasons = "; ".join(f"{a}: {gone.reason}" for a in coins if isinstance(gone := prices[a], Unavailable))
        raise UnavailableError(f"no coin has a price ({reasons})", cure="fetch newer data", where=portfolio.name)
    history = load_history(view, lookup, priced, days)
    risks = measure_assets(priced, history)
    day = (view.as_of - timedelta(microseconds=1)).date()
    exposures = _exposures(portfolio, prices, risks, day, volume_share)
    stated = (
        *peg_findings(view, lookup, [asset for asset in portfolio.assets if asset in STABLECOINS]),
        *_bought_later(portfolio, day),
    )
    return _report(view.as_of, exposures, history, prices, volume_share, stated, _unpriced(portfolio, prices))


def _check(portfolio: Portfolio, days: int, volume_share: float) -> None:
    if not 2 <= days <= 3650:
        raise InputError(f"a window of {days} days", cure="give 2 to 3650 days", where="days")
    if not 0 < volume_share <= 1:
        raise InputError(f"volume_share is {volume_share}", cure="give a share in (0, 1]", where="volume_share")
    if portfolio.currency not in STABLECOINS:
        raise PortfolioError(
            f"currency {portfolio.currency} is not the dollar, in which the market data is quoted",
            cure="state costs in USD and set currency to USD",
            where=portfolio.name,
        )
    if not portfolio.holdings:
        raise PortfolioError("the portfolio is empty", cure="add a holding", where=portfolio.name)


def _not_yet(later: Mapping[str, datetime], as_of: datetime) -> dict[str, Unavailable]:
    """Why coins that begin only after ``as_of`` have no price."""
    return {
        asset: Unavailable(f"no price yet at {as_of:%Y-%m-%d %H:%M}; first bar {start:%Y-%m-%d %H:%M}")
        for asset, start in later.items()
    }


def _check_size(portfolio: Portfolio, found: Sequence[AssetExposure]) -> None:
    """Refuse values that nobody holds: they are slips of the finger, too large for whole lots or too small to count."""
    for e in found:
        if 0 < e.value < LARGEST:
            continue
        sizes = [h.quantity if h.asset == e.asset else Decimal(0) for h in portfolio.holdings]
        row = sizes.index(max(sizes)) + 1
        raise PortfolioError(
            f"{max(sizes):.6g} {e.asset} (holding {row} of {len(sizes)}) would be worth {e.value:.3g} "
            f"{portfolio.currency} at {e.price:.6g}",
            cure=f"check the quantity and its decimals; a value must be above 0 and below {LARGEST:,f}",
            where=portfolio.name,
        )


def _unpriced(portfolio: Portfolio, prices: Mapping[str, Quote | Unavailable]) -> tuple[Unpriced, ...]:
    held = portfolio.quantities()
    return tuple(
        Unpriced(asset, held[asset], quote) for asset, quote in sorted(prices.items()) if isinstance(quote, Unavailable)
    )


def _exposures(
    portfolio: Portfolio,
    prices: dict[str, Quote | Unavailable],
    risks: dict[str, Risk],
    day: date,
    volume_share: float,
) -> tuple[AssetExposure, ...]:
    """Each priced asset, by falling value; weights are set from the total."""
    sellable = portfolio.sellable_quantities(day)
    found = []
    for asset, quantity in portfolio.quantities().items():
        quote = prices.get(asset)
        if quote is None:
            found.append(_cash(asset, quantity, sellable[asset]))
        elif isinstance(quote, Quote):
            found.append(_coin(asset, quantity, sellable[asset], quote, risks[asset], volume_share))
    _check_size(portfolio, found)
    total = sum(e.value for e in found)
    weighted = (replace(e, weight=e.value / total) for e in found)
    return tuple(sorted(weighted, key=lambda e: (-e.value, e.asset)))


def _cash(asset: str, quantity: Decimal, sellable: Decimal) -> AssetExposure:
    no = Unavailable(CASH)
    return AssetExposure(
        asset, quantity, sellable, 1.0, "par", to_float(quantity), 0.0, nothing(CASH), no, no, is_cash=True
    )


def _coin(
    asset: str, quantity: Decimal, sellable: Decimal, quote: Quote, risk: Risk, volume_share: float
) -> AssetExposure:
    value = to_float(quantity) * quote.price
    days = days_to_exit(value, quote.volume, volume_share)
    return AssetExposure(
        asset,
        quantity,
        sellable,
        quote.price,
        quote.origin,
        value,
        0.0,
        risk,
        quote.volume,
        days,
        priced_by=quote.priced_by,
    )


def _report(
    as_of: datetime,
    exposures: tuple[AssetExposure, ...],
    history: History,
    prices: dict[str, Quote | Unavailable],
    volume_share: float,
    stated: Sequence[Finding],
    unpriced: tuple[Unpriced, ...],
) -> ExposureReport:
    risky = [e for e in exposures if not e.is_cash]
    data_end = max((q.known_at for q in prices.values() if isinstance(q, Quote)), default=as_of)
    weights = np.array([e.value for e in risky])
    returns = history.columns([e.asset for e in risky])
    risk, found = _whole(risky, weights, returns, history)
    concentration, effective = _concentration(weights, as_of)
    return ExposureReport(
        as_of=as_of,
        data_end=data_end,
        value=sum(e.value for e in exposures),
        risky_value=sum(e.value for e in risky),
        locked_value=sum(to_float(e.quantity - e.sellable) * e.price for e in exposures),
        assets=exposures,
        risk=risk,
        concentration=concentration,
        effective_assets=effective,
        mean_correlation=_correlation(returns, history),
        volume_share=volume_share,
        findings=(*stated, *_notes(exposures, unpriced, history, as_of, data_end), *found, *history.findings),
        unpriced=unpriced,
    )


def _whole(
    risky: Sequence[AssetExposure], weights: FloatArray, returns: FloatArray, history: History
) -> tuple[Risk, list[Finding]]:
    if not risky:
        return nothing("nothing but cash is held"), []
    past = constant_weight_returns(returns, weights)
    found = []
    if past.patched or past.dropped:
        found.append(
            Finding(
                Trouble.DEGRADED,
                "portfolio returns",
                f"of {len(past.returns)} bars {past.patched} lack a coin and {past.dropped} "
                f"lack more than 20% of the value",
                "the former use the coins that are there, the latter are left out",
            )
        )
    return measure_portfolio(history.of(past.returns), history, [e.risk for e in risky], weights), found


def _concentration(weights: FloatArray, as_of: datetime) -> tuple[Maybe, Maybe]:
    if not len(weights):
        no = Unavailable("nothing but cash is held")
        return no, no
    index, window = herfindahl(weights), f"{as_of:%Y-%m-%d %H:%M}"
    return (
        Estimate(index, None, len(weights), window, "sum of squared weights of the risky coins"),
        Estimate(1.0 / index, None, len(weights), window, "1 / sum of squared weights of the risky coins"),
    )


def _correlation(returns: FloatArray, history: History) -> Maybe:
    if returns.shape[1] < 2:
        return Unavailable("fewer than two risky coins are held")
    return mean_correlation(returns, history.window, MIN_OBSERVATIONS)


def _bought_later(portfolio: Portfolio, day: date) -> list[Finding]:
    """Coins with a lot bought after the day of the audit, which is counted as held all the same."""
    found = []
    for asset in portfolio.assets:
        lots = [lot for h in portfolio.holdings if h.asset == asset for lot in h.lots]
        if dates := [lot.acquired for lot in lots if lot.acquired is not None and lot.acquired > day]:
            cause = f"bought on {max(dates)}, after the day of the audit, {day}"
            found.append(Finding(Trouble.NOTE, asset, cause, "counted as held all the same; check the date"))
    return found


def _notes(
    exposures: Sequence[AssetExposure],
    unpriced: Sequence[Unpriced],
    history: History,
    as_of: datetime,
    data_end: datetime,
) -> list[Finding]:
    found = [
        Finding(
            Trouble.UNAVAILABLE,
            gone.asset,
            f"{gone.value.reason}; {gone.quantity.normalize():,f} coins not valued",
            "left out of value and risk, and not protected",
        )
        for gone in unpriced
    ]
    if as_of - data_end > timedelta(days=1):
        cause = f"the newest price is of {data_end:%Y-%m-%d %H:%M}, the audit of {as_of:%Y-%m-%d %H:%M}"
        found.append(Finding(Trouble.DEGRADED, "data", cause, "fetch newer data"))
    if history.bars_per_day != 1:
        cause = f"fewer than {MIN_OBSERVATIONS} daily returns of any coin"
        found.append(Finding(Trouble.DEGRADED, "window", cause, "hourly returns used, scaled to days"))
    for e in sorted(exposures, key=lambda e: e.asset):
        found += _asset_notes(e, history)
    return found


def _asset_notes(e: AssetExposure, history: History) -> list[Finding]:
    if e.is_cash:
        return []
    found = []
    if e.priced_by != "spot":
        found.append(Finding(Trouble.DEGRADED, e.asset, "no fresh spot series", f"priced by {e.price_origin}"))
    n = history.sample(e.asset).n
    if n < MIN_OBSERVATIONS:
        group = getattr(e.risk.beta_btc, "borrowed_from", None)
        cure = f"its measures borrow from {group}" if group else "its measures are unavailable"
        found.append(Finding(Trouble.DEGRADED, e.asset, f"{n} returns, {MIN_OBSERVATIONS} are needed", cure))
    if isinstance(e.daily_volume, Unavailable):
        found.append(Finding(Trouble.UNAVAILABLE, f"{e.asset} volume", e.daily_volume.reason, "no days to exit"))
    elif "perpetual/" in e.daily_volume.method:
        found.append(Finding(Trouble.DEGRADED, f"{e.asset} volume", "no spot volume", "the perpetual's is used"))
    return found
