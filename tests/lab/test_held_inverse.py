"""An inverse short while held: its profit in coins by hand, its coins counted once, its liquidation if drained."""

from datetime import timedelta
from decimal import Decimal
from functools import cache

import polars as pl
import pytest

from stormsail.adapters.files.venue_files import load_venues
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Payoff, profit, to_float
from stormsail.lab import hold
from stormsail.market.schema import Kind
from stormsail.plan import HedgePlan, make_plan
from tests.plan.market import AS_OF, portfolio, source
from tests.support import MemorySource

COINS = ("BTC", "ETH", "AAA")
END = AS_OF + timedelta(days=10)


@cache
def market() -> MemorySource:
    return source(inverse=("BTC", "ETH"))


@cache
def planned() -> HedgePlan:
    wish = Tolerance(coverage=0.2, collateral=Decimal(0))
    return make_plan(portfolio(market(), 10_000.0, COINS), market().view(AS_OF), wish, venues=load_venues())


def series(kind: Kind, symbol: str) -> pl.DataFrame:
    return next(f for k, f in market().frames.items() if k.kind is kind and k.symbol == symbol)


def test_profit_and_funding_are_coins_at_their_price() -> None:
    held = hold(planned(), market().view(END))
    assert {o.contract.symbol for o in planned().orders} == {"BTCUSD_PERP", "ETHUSD_PERP"}
    shorts = funding = 0.0
    for order in planned().orders:
        assert order.contract.payoff is Payoff.INVERSE
        bars = series(Kind.INVERSE, order.contract.symbol)
        closes = dict(zip(bars["known_at"], bars["close"], strict=True))
        coin = series(Kind.SPOT, order.contract.base)
        worth = coin.filter(pl.col("known_at") <= END)["close"][-1]
        # exactly, by the contract's own profit in coin
        first, last = (Decimal(repr(closes[when])) for when in (AS_OF, END))
        shorts += to_float(profit(order.contract, -order.quantity, first, last)) * worth
        coins = 0.0
        for row in series(Kind.FUNDING, order.contract.symbol).iter_rows(named=True):
            if AS_OF < row["known_at"] <= END:
                # settled between two bars, it is booked with the bar that ends it
                at = min(t for t in closes if t >= row["known_at"])
                coins += row["rate_per_interval"] * to_float(order.notional) / closes[at]
        funding += coins * worth
    # coins are counted in hundred-millionths, and rates in billionths
    assert held.shorts == pytest.approx(shorts, abs=0.01)
    assert held.funding == pytest.approx(funding, abs=0.01)
    assert not held.liquidated
    assert held.lost == 0.0


def test_the_coins_behind_it_are_counted_once() -> None:
    held = hold(planned(), market().view(END))
    spot = 0.0
    for asset in planned().exposure.assets:
        prices = series(Kind.SPOT, asset.asset)
        start = prices.filter(pl.col("known_at") <= AS_OF)["close"][-1]
        end = prices.filter(pl.col("known_at") <= END)["close"][-1]
        spot += asset.value * (end / start - 1.0)
    assert held.spot == pytest.approx(spot, rel=1e-9)
    gained = held.spot + held.shorts + held.funding + held.fees
    assert held.hedged[-1] - held.unhedged[0] == pytest.approx(gained, rel=1e-9)


@pytest.mark.realdata
def test_real_coin_margined_contracts_are_used_and_held(real_data) -> None:  # type: ignore[no-untyped-def]
    from stormsail.adapters.sources.directory import DirectorySource
    from stormsail.core import end_of_day, parse_moment
    from stormsail.lab.storms import equal_stakes
    from stormsail.market.source import MarketView
    from tests.plan.test_inverse import check_coins

    data = DirectorySource(real_data)
    eve = parse_moment("2024-06-05")  # the coin-margined contracts on file end on 2024-07-01
    view = MarketView(data, eve)
    holdings = equal_stakes(("BTC", "ETH", "SOL", "LINK", "ADA", "XRP", "DOGE", "AAVE"), view)
    plan = make_plan(holdings, view, Tolerance(coverage=0.5, collateral=Decimal(500)), venues=load_venues())
    check_coins(plan)
    used = {o.contract.base for o in plan.orders if o.contract.payoff is Payoff.INVERSE}
    assert used == {"BTC", "ETH"}
    cash = sum(to_float(o.notional) for o in plan.orders if o.contract.payoff is Payoff.LINEAR)
    coins = sum(to_float(o.notional) for o in plan.orders if o.contract.payoff is Payoff.INVERSE)
    assert coins > 5 * cash
    offered = {c.candidate.name for c in plan.shortlist.by_asset["BTC"] if c.usable}
    assert {"binance:BTCUSD_PERP", "bybit:BTCUSD", "okx:BTC-USD-SWAP"} <= offered
    held = hold(plan, MarketView(data, end_of_day(parse_moment("2024-06-24").date())))
    assert not held.liquidated
    assert held.spot < 0 < held.shorts
    assert held.fall_hedged < held.fall_unhedged
