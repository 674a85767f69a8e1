"""The whole audit on an invented market whose truth is known, and on the real one."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from stormsail.audit import audit
from stormsail.audit.risk import constant_weight_returns
from stormsail.audit.sample import FloatArray
from stormsail.audit.types import ExposureReport, Risk, Unpriced
from stormsail.core import (
    Estimate,
    Holding,
    InputError,
    Lot,
    Portfolio,
    PortfolioError,
    Trouble,
    Unavailable,
    UnavailableError,
    UnknownSymbolError,
    parse_moment,
)
from stormsail.market.schema import Kind
from stormsail.market.source import MarketView
from tests.support import DAY, HOUR, START, MemorySource, bars, info_of

BETAS = {"SOL": 1.5, "ADA": 0.8, "DOT": 1.2, "UNI": 1.1, "CRV": 1.6, "XRP": 0.7, "LTC": 1.0, "FIL": 1.3}
DAYS = 450
END = START + DAYS * DAY


@cache
def returns_of(symbol: str) -> FloatArray:
    names = ["BTC", "ETH", *BETAS, "NEW", "DEAD"]
    rng = np.random.Generator(np.random.Philox(key=names.index(symbol) + 100))
    if symbol == "BTC":
        return rng.normal(0.0005, 0.03, DAYS - 1)
    if symbol == "ETH":
        return 1.1 * returns_of("BTC") + rng.normal(0, 0.015, DAYS - 1)
    return BETAS.get(symbol, 2.0) * returns_of("BTC") + rng.normal(0, 0.03, DAYS - 1)


def closes(symbol: str) -> FloatArray:
    return np.asarray(100 * np.cumprod(np.concatenate([[1.0], 1 + returns_of(symbol)])))


def market() -> MemorySource:
    series = {}
    for symbol in ("BTC", "ETH", *BETAS):
        frame = bars(closes(symbol), bar=DAY, volume=1e6)
        series[info_of(frame, Kind.SPOT, symbol, bar=DAY)] = frame
    for symbol, rows in (("NEW", slice(-30, None)), ("DEAD", slice(0, -20))):
        first = START + DAY * (DAYS - 30) if symbol == "NEW" else START
        frame = bars(closes(symbol)[rows], bar=DAY, start=first)
        series[info_of(frame, Kind.SPOT, symbol, bar=DAY)] = frame
    return MemorySource(series)


def held(**coins: float) -> Portfolio:
    return Portfolio(tuple(Holding(c, Decimal(str(q))) for c, q in coins.items()))


def known(maybe: object) -> Estimate:
    assert isinstance(maybe, Estimate), maybe
    return maybe


@cache
def report() -> ExposureReport:
    return audit(held(SOL=10, ADA=20, UNI=5, USDT=1000), market().view(END))


def slope(symbol: str, rows: slice) -> float:
    x, y = returns_of("BTC")[rows], returns_of(symbol)[rows]
    return float(np.cov(x, y)[0, 1] / x.var(ddof=1))


def measures(risk: Risk) -> list[object]:
    return [getattr(risk, f.name) for f in fields(risk)]


def test_values_and_weights_by_hand() -> None:
    values = {c: q * closes(c)[-1] for c, q in (("SOL", 10), ("ADA", 20), ("UNI", 5))}
    assert report().risky_value == pytest.approx(sum(values.values()), rel=1e-12)
    assert report().value == pytest.approx(sum(values.values()) + 1000, rel=1e-12)
    assert [a.value for a in report().assets] == sorted((a.value for a in report().assets), reverse=True)
    for a in report().assets:
        assert a.weight == pytest.approx((values.get(a.asset) or 1000) / report().value, rel=1e-12)
    shares = np.array(list(values.values())) / sum(values.values())
    assert known(report().concentration).value == pytest.approx(float((shares**2).sum()), rel=1e-12)
    assert known(report().effective_assets).value == pytest.approx(1 / float((shares**2).sum()), rel=1e-12)


def test_weights_sum_to_one_and_shortfall_exceeds_value_at_risk() -> None:
    assert sum(a.weight for a in report().assets) == pytest.approx(1.0, rel=1e-12)
    for risk in (report().risk, *(a.risk for a in report().assets if not a.is_cash)):
        assert known(risk.es_95).value >= known(risk.var_95).value
        assert known(risk.es_99).value >= known(risk.var_99).value


def test_known_betas_are_recovered() -> None:
    for a in report().assets:
        if not a.is_cash:
            found = known(a.risk.beta_btc)
            assert found.error is not None and abs(found.value - BETAS[a.asset]) < 3 * found.error
            assert found.error < 0.1 and found.n == 365


def test_portfolio_measures_against_numpy_alone() -> None:
    coins = [a for a in report().assets if not a.is_cash]
    weights = np.array([a.value for a in coins]) / sum(a.value for a in coins)
    r = np.column_stack([returns_of(a.asset)[-365:] for a in coins]) @ weights
    btc = returns_of("BTC")[-365:]
    risk = report().risk
    assert known(risk.volatility).value == pytest.approx(r.std(ddof=1) * np.sqrt(365), rel=1e-9)
    assert known(risk.var_95).value == pytest.approx(np.sort(-r)[int(np.ceil(365 * 0.95)) - 1], rel=1e-9)
    assert known(risk.beta_btc).value == pytest.approx(np.cov(r, btc)[0, 1] / btc.var(ddof=1), rel=1e-9)
    down = btc < 0
    assert known(risk.beta_down).value == pytest.approx((r * btc)[down].sum() / (btc[down] ** 2).sum(), rel=1e-9)


def test_the_index_leaves_the_coin_out_and_holds_the_dead() -> None:
    others = [returns_of(c)[-365:] for c in (*BETAS, "DEAD", "NEW") if c != "SOL"]
    others[-2] = np.where(np.arange(DAYS - 1) < DAYS - 21, returns_of("DEAD"), np.nan)[-365:]
    others[-1] = np.where(np.arange(DAYS - 1) >= DAYS - 30, returns_of("NEW"), np.nan)[-365:]
    index = np.nanmean(np.array(others), axis=0)
    sol = next(a for a in report().assets if a.asset == "SOL")
    slope = np.cov(returns_of("SOL")[-365:], index)[0, 1] / index.var(ddof=1)
    assert known(sol.risk.beta_alts).value == pytest.approx(slope, rel=1e-9)


def test_what_comes_later_changes_nothing() -> None:
    as_of = END - 40 * DAY
    portfolio = held(SOL=10, ADA=20, UNI=5, DEAD=1)
    calm, wild = market(), market().scrambled_after(as_of)
    assert audit(portfolio, calm.view(as_of)) == audit(portfolio, wild.view(as_of))
    assert audit(portfolio, calm.view(as_of)) != audit(portfolio, calm.view(as_of - DAY))


def test_a_stablecoin_changes_weights_and_no_measure() -> None:
    without = audit(held(SOL=10, ADA=20, UNI=5), market().view(END))
    assert without.risk == report().risk
    assert without.concentration == report().concentration
    assert without.mean_correlation == report().mean_correlation
    assert {a.asset: a.risk for a in without.assets}.items() <= {a.asset: a.risk for a in report().assets}.items()
    cash = next(a for a in report().assets if a.is_cash)
    assert (cash.price, cash.value) == (1.0, 1000.0)
    assert all(isinstance(m, Unavailable) for m in measures(cash.risk))
    assert any(f.subject == "USDT" and "at par" in f.cure for f in report().findings)


def test_a_lot_bought_after_the_audit_is_counted_and_said() -> None:
    day = END.date()  # the moment END is the end of the day before
    lots = (Lot(Decimal(1), day - DAY), Lot(Decimal(2), day))
    found = audit(Portfolio((Holding("SOL", Decimal(3), lots), Holding("ADA", Decimal(1)))), market().view(END))
    said = [f for f in found.findings if "after the day of the audit" in f.cause]
    assert [(f.subject, str(day) in f.cause) for f in said] == [("SOL", True)]
    assert found.assets[0].quantity == 3


def test_a_young_coin_borrows_and_says_so() -> None:
    found = audit(held(SOL=1, NEW=1), market().view(END))
    young = next(a for a in found.assets if a.asset == "NEW")
    beta = known(young.risk.beta_btc)
    assert beta.borrowed_from == "9 alts with a full history" and beta.n == 29
    own = slope("NEW", slice(-29, None))
    whole = [slope(c, slice(-365, None)) for c in BETAS] + [slope("DEAD", slice(-365, -20))]
    group, spread = float(np.mean(whole)), float(np.std(whole, ddof=1))
    k = (beta.error or 0.0) ** 2 / spread**2
    assert 0 < k < 1 and beta.value == pytest.approx((1 - k) * own + k * group, rel=1e-9)
    assert any(f.subject == "NEW" and "borrow" in f.cure for f in found.findings)
    old = next(a for a in found.assets if a.asset == "SOL")
    assert known(old.risk.beta_btc).borrowed_from is None


def test_a_portfolio_of_young_coins_takes_its_slopes_from_them() -> None:
    found = audit(held(SOL=0.01, NEW=100), market().view(END))
    beta = known(found.risk.beta_btc)
    parts = [(a.weight, known(a.risk.beta_btc)) for a in found.assets]
    assert beta.value == pytest.approx(sum(w * b.value for w, b in parts), rel=1e-9)
    assert beta.borrowed_from == "9 alts with a full history"
    assert isinstance(found.risk.volatility, Unavailable)


def test_a_dead_coin_is_left_out_with_a_finding() -> None:
    found = audit(held(SOL=1, DEAD=5), market().view(END))
    assert [a.asset for a in found.assets] == ["SOL"]
    assert any(f.subject == "DEAD" and "ended" in f.cause for f in found.findings)
    assert [(gone.asset, gone.quantity) for gone in found.unpriced] == [("DEAD", 5)]
    with pytest.raises(UnavailableError, match="DEAD"):
        audit(held(DEAD=5), market().view(END))


def test_a_coin_that_begins_later_is_left_out_and_shown() -> None:
    day = START + 300 * DAY
    found = audit(held(SOL=1, NEW=1234.5), market().view(day))
    alone = audit(held(SOL=1), market().view(day))
    assert (found.value, found.risk, found.assets) == (alone.value, alone.risk, alone.assets)
    begins = START + (DAYS - 30 + 1) * DAY
    said = f"no price yet at {day:%Y-%m-%d %H:%M}; first bar {begins:%Y-%m-%d %H:%M}"
    assert found.unpriced == (Unpriced("NEW", Decimal("1234.5"), Unavailable(said)),)
    finding = next(f for f in found.findings if f.subject == "NEW")
    assert finding.trouble is Trouble.UNAVAILABLE and finding.cause == f"{said}; 1,234.5 coins not valued"
    with pytest.raises(UnknownSymbolError, match=r"NEW .it begins on"):
        audit(held(NEW=1), market().view(day))
    with pytest.raises(UnknownSymbolError, match=r"1 unknown symbol: NEWW .did you mean"):
        audit(held(NEWW=1, NEW=1, SOL=1), market().view(END))


@pytest.mark.parametrize("quantity", ["1e14", "1e30", "1e400", "1e-400"])
def test_values_that_nobody_holds_are_refused_by_name(quantity: str) -> None:
    sized = Portfolio((Holding("SOL", Decimal(2)), Holding("ADA", Decimal(quantity))), name="mine")
    with pytest.raises(PortfolioError) as caught:
        audit(sized, market().view(END))
    text = str(caught.value)
    assert text.startswith("E110 mine: ") and "ADA (holding 2 of 2)" in text and "check the quantity" in text


def test_the_largest_and_the_smallest_values_are_counted() -> None:
    price = next(a.price for a in report().assets if a.asset == "ADA")
    for value in (0.999e15, 1e-30):
        found = audit(held(ADA=value / price), market().view(END))
        assert found.value == pytest.approx(value, rel=1e-12)
    with pytest.raises(PortfolioError):
        audit(Portfolio((Holding("USDT", Decimal("1e15")),)), market().view(END))


def test_unknown_symbols_are_all_named_with_the_nearest() -> None:
    with pytest.raises(UnknownSymbolError) as caught:
        audit(held(SOLL=1, QQQQQ=1, ADA=1), market().view(END))
    text = str(caught.value)
    assert "2 unknown symbols" in text and "SOLL (did you mean SOL?)" in text and "QQQQQ (nothing like it" in text


def test_locked_coins_count_in_value_and_cannot_be_sold() -> None:
    day = (END - DAY).date()
    locked = Portfolio(
        (
            Holding("SOL", Decimal(1)),
            Holding("SOL", Decimal(2), locked=True, locked_until=day),
            Holding("SOL", Decimal(4), locked=True, locked_until=day + timedelta(days=1)),
            Holding("ADA", Decimal(1), locked=True),
        )
    )
    found = audit(locked, market().view(END))
    sol, ada = (next(a for a in found.assets if a.asset == c) for c in ("SOL", "ADA"))
    assert (sol.quantity, sol.sellable, ada.sellable) == (7, 3, 0)
    assert found.locked_value == pytest.approx(4 * sol.price + ada.price, rel=1e-12)
    assert isinstance(day, date)


def test_days_to_exit_at_the_share() -> None:
    for share in (0.1, 0.05):
        found = audit(held(SOL=10), market().view(END), volume_share=share).assets[0]
        assert known(found.days_to_exit).value == pytest.approx(found.value / (share * 1e6), rel=1e-12)


def test_all_cash_has_no_risk_and_no_zero() -> None:
    found = audit(held(USDT=5, USDC=7), market().view(END))
    assert (found.value, found.risky_value) == (12.0, 0.0)
    assert all(isinstance(m, Unavailable) for m in [*measures(found.risk), found.concentration, found.mean_correlation])


def test_contracts_of_a_thousand_are_priced_per_coin_and_said_to_be_perpetuals() -> None:
    source = market()
    frame = bars(closes("SOL") / 50, bar=DAY)
    source = MemorySource(
        {
            **{i: source.frames[k] for k, i in source.infos.items()},
            info_of(frame, Kind.PERPETUAL, "1000PEPEUSDT", bar=DAY): frame,
        }
    )
    found = audit(held(PEPE=1e6), source.view(END)).assets[0]
    assert found.price == pytest.approx(closes("SOL")[-1] / 50_000, rel=1e-12)
    assert found.priced_by == "perpetual" and found.price_origin.startswith("perpetual/binance/1000PEPEUSDT")


def test_without_spot_volume_the_perpetual_tells_it_and_is_named() -> None:
    source = market()
    closes_only = {i: source.frames[k].drop("quote_volume") for k, i in source.infos.items()}
    frame = bars(closes("SOL"), bar=DAY, volume=3e6)
    perpetual = info_of(frame, Kind.PERPETUAL, "SOLUSDT", bar=DAY)
    found = audit(held(SOL=1, ADA=1), MemorySource({**closes_only, perpetual: frame}).view(END))
    sol, ada = (next(a for a in found.assets if a.asset == c) for c in ("SOL", "ADA"))
    assert known(sol.daily_volume).value == 3e6 and "perpetual/binance/SOLUSDT" in known(sol.daily_volume).method
    assert (
        sol.priced_by == "spot"
        and isinstance(ada.daily_volume, Unavailable)
        and isinstance(ada.days_to_exit, Unavailable)
    )
    assert {f.subject for f in found.findings} >= {"SOL volume", "ADA volume"}


def test_a_month_of_hours_is_scaled_to_days_and_says_so() -> None:
    n = 30 * 24
    rng = np.random.Generator(np.random.Philox(key=77))
    btc = rng.normal(0, 0.006, n - 1)
    hourly = {"BTC": btc, "ETH": 1.1 * btc, "SOL": 1.5 * btc + rng.normal(0, 0.004, n - 1)}
    series = {}
    for symbol, r in hourly.items():
        frame = bars(100 * np.cumprod(np.concatenate([[1.0], 1 + r])), bar=HOUR)
        series[info_of(frame, Kind.SPOT, symbol, bar=HOUR)] = frame
    found = audit(held(SOL=1), MemorySource(series).view())
    assert known(found.risk.volatility).value == pytest.approx(hourly["SOL"].std(ddof=1) * np.sqrt(365 * 24), rel=1e-9)
    assert "hourly" in known(found.risk.var_95).method and "scaled" in known(found.risk.var_95).method
    assert any(f.subject == "window" and "hourly" in f.cure for f in found.findings)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="volume_share"):
        audit(held(SOL=1), market().view(END), volume_share=0.0)
    with pytest.raises(InputError, match="window"):
        audit(held(SOL=1), market().view(END), days=1)
    with pytest.raises(PortfolioError, match="EUR"):
        audit(replace(held(SOL=1), currency="EUR"), market().view(END))


def test_weights_are_spread_over_four_fifths_or_the_day_is_dropped() -> None:
    r = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, np.nan], [np.nan, 0.2, 0.3], [np.nan, np.nan, np.nan]])
    found = constant_weight_returns(r, np.array([5.0, 3.0, 2.0]))
    assert found.returns[0] == pytest.approx(0.17)
    assert found.returns[1] == pytest.approx((0.5 * 0.1 + 0.3 * 0.2) / 0.8)
    assert np.isnan(found.returns[2:]).all()
    assert (found.patched, found.dropped) == (1, 1)


ALTS = {"SOL": 100, "ADA": 1e4, "LINK": 500, "DOT": 800, "DOGE": 3e4, "AAVE": 20, "UNI": 500, "ATOM": 200, "LTC": 50}
MORE = {"XLM": 2e4, "XRP": 1e4, "FIL": 200, "SAND": 3000, "CRV": 3000, "SUSHI": 1000, "ZEC": 30, "USDT": 5000}


@pytest.mark.realdata
@pytest.mark.parametrize("day", ["2021-05-18", "2022-05-06", "2022-11-05", "2024-08-03", "2025-08-31"])
def test_real_alts_the_day_before_the_storm(real_data: Path, day: str) -> None:
    from stormsail.adapters.sources.directory import DirectorySource

    view = MarketView(DirectorySource(real_data), parse_moment(day))
    found = audit(held(**ALTS, **MORE), view)
    assert len(found.assets) == 17 and sum(a.weight for a in found.assets) == pytest.approx(1.0)
    assert found.data_end <= found.as_of
    assert 0.4 < known(found.risk.volatility).value < 1.6
    assert 0.6 < known(found.risk.beta_btc).value < 1.8
    assert known(found.risk.beta_alts).value == pytest.approx(0.95, abs=0.15)
    for a in found.assets:
        assert a.is_cash or known(a.risk.es_95).value >= known(a.risk.var_95).value
    assert found == audit(held(**ALTS, **MORE), view)
