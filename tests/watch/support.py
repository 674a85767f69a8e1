"""Small contracts, shorts, accounts and orders for the tests of this room."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as D

from stormsail.core import Contract, Payoff, Tenor
from stormsail.instruments.types import Route
from stormsail.plan.types import Order
from stormsail.watch.sight import AccountSight, HeldShort, Offer

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def contract(
    base: str = "AAA",
    *,
    venue: str = "binance",
    payoff: Payoff = Payoff.LINEAR,
    expiry: datetime | None = None,
    lot: str = "0.1",
    size: str = "1",
    least: str = "5",
) -> Contract:
    tenor = Tenor.PERPETUAL if expiry is None else Tenor.DATED
    symbol = f"{base}USDT" + (f"_{expiry:%y%m%d}" if expiry else "")
    return Contract(
        venue, symbol, base, "USDT", tenor, payoff, D(size), D(lot), D("0.01"), D(least), D("0.0002"), D("0.0005"),
        expiry,
    )  # fmt: skip


def order(of: Contract, quantity: str, price: str, *protects: str) -> Order:
    q, p = D(quantity), D(price)
    return Order(of, q, p, of.notional(q, p), protects or (of.base,), Route.DIRECT, D(0), D(0))


def short(of: Contract, quantity: str, price: float, **more: object) -> HeldShort:
    return HeldShort(of, D(quantity), price, more.pop("target", D(quantity)), **more)  # type: ignore[arg-type]


def account(balance: float, requirement: float, *shorts: HeldShort, on_the_way: float = 0.0) -> AccountSight:
    return AccountSight("binance", "binance", "USDT", balance, requirement, on_the_way, shorts)


def offer(of: Contract, price: float, room: float = 1e9, **more: object) -> Offer:
    return Offer(of.venue, of, price, room, **more)  # type: ignore[arg-type]
