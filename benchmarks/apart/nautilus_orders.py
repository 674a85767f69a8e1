"""NautilusTrader with a strategy that sends the orders of a file when the hour's last bar has come.

``python -m benchmarks.apart.nautilus_orders FILE``; what counts is ``engine.run`` alone.
"""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from importlib.metadata import version

import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from benchmarks.apart.child import obey

data = np.load(sys.argv[1])
sizes, last, high, low = (data[name] for name in ("sizes", "last", "high", "low"))
hours, coins = last.shape
VENUE = Venue("SIM")


def contract(i: int) -> CryptoPerpetual:
    """A linear perpetual with the fee of the file."""
    return CryptoPerpetual(
        instrument_id=InstrumentId(Symbol(f"C{i}USDT-PERP"), VENUE), raw_symbol=Symbol(f"C{i}USDT"), base_currency=BTC,
        quote_currency=USDT, settlement_currency=USDT, is_inverse=False, price_precision=4, size_precision=3,
        price_increment=Price.from_str("0.0001"), size_increment=Quantity.from_str("0.001"), max_quantity=None,
        min_quantity=None, max_notional=None, min_notional=None, max_price=None, min_price=None,
        margin_init=Decimal("0.05"), margin_maint=Decimal("0.025"), maker_fee=Decimal("0.0002"),
        taker_fee=Decimal(str(float(data["fee"]))), ts_event=0, ts_init=0,
    )  # fmt: skip


CONTRACTS = [contract(i) for i in range(coins)]
TYPES = [BarType.from_str(f"{c.id}-1-HOUR-LAST-EXTERNAL") for c in CONTRACTS]


def bars() -> list[Bar]:
    """By hour, then by coin."""
    volume = Quantity.from_str("1000000.000")
    found = []
    for t in range(hours):
        stamp = 1_577_836_800_000_000_000 + t * 3_600_000_000_000
        for i in range(coins):
            close = Price(last[t, i], 4)
            top, bottom = Price(max(high[t, i], last[t, i]), 4), Price(min(low[t, i], last[t, i]), 4)
            found.append(Bar(TYPES[i], close, top, bottom, close, volume, stamp, stamp))
    return found


class Config(StrategyConfig, frozen=True):
    """Nothing to set."""


class Follow(Strategy):
    """Sends what the file says."""

    def __init__(self) -> None:
        super().__init__(Config())
        self.seen = self.fills = 0

    def on_start(self) -> None:
        """Ask for all bars."""
        for kind in TYPES:
            self.subscribe_bars(kind)

    def on_bar(self, bar: Bar) -> None:
        """With the last bar of an hour, send the hour's orders."""
        self.seen += 1
        if self.seen % coins:
            return
        wanted = sizes[self.seen // coins - 1]
        for i in np.flatnonzero(wanted).tolist():
            side = OrderSide.BUY if wanted[i] > 0 else OrderSide.SELL
            quantity = CONTRACTS[i].make_qty(abs(wanted[i]))
            self.submit_order(self.order_factory.market(CONTRACTS[i].id, side, quantity))

    def on_order_filled(self, event: object) -> None:
        """Count."""
        self.fills += 1


def main() -> None:
    """Obey."""
    everything, about = bars(), {"version": version("nautilus_trader")}

    def once() -> float:
        engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False))
        deposit = Money(float(data["deposit"]), USDT)
        engine.add_venue(VENUE, OmsType.NETTING, AccountType.MARGIN, [deposit], base_currency=None)
        for each in CONTRACTS:
            engine.add_instrument(each)
        engine.add_data(everything, sort=False)
        strategy = Follow()
        engine.add_strategy(strategy)
        begun = time.perf_counter()
        engine.run()
        spent = time.perf_counter() - begun
        about["fills"] = strategy.fills
        engine.dispose()
        return spent

    obey(once, about)


main()
