"""Exact liquidation and bankruptcy prices of isolated positions, with the tier that holds at the liquidation price.

A position is liquidated at the mark price ``p`` where its margin balance falls to its maintenance margin (plus the fee
of closing, where the venue counts it):

- linear, quanto: ``C + q (p - E) = M(|q| p) + f |q| p``
- inverse (``N`` quote units, collateral in coin): ``C + s N (1/E - 1/p) = M(N/p) + f N/p``

``M`` is the upper envelope of the tier lines (:mod:`stormsail.margin.tiers`). Balance minus requirement is therefore
the *lower* envelope of one line per tier, each strictly monotone in ``p`` (or ``1/p``), so it crosses zero once, and
first where the first of its lines does: a short's liquidation price is the smallest of the tiers' closed forms, a
long's the largest. The tier that attains it is the one whose own bounds contain the notional there.

Source: Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts" (2020-08-14) and "... of COIN-M Futures
Contracts" (2021-02-05): the tier is the one at the liquidation price.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

from stormsail.core import Contract, Payoff, ceil_to, floor_to
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.tiers import maintenance, tier_index
from stormsail.margin.types import Liquidation, MaybeLiquidation, Tier, TierTable, Unliquidatable

_NO_MAINTENANCE = (Tier(Decimal(0), Decimal(1), Decimal(0), Decimal(0), Decimal(1)),)


def isolated(
    contract: Contract,
    quantity: Decimal,
    entry: Decimal,
    collateral: Decimal,
    table: TierTable,
    *,
    fee: Decimal = Decimal(0),
) -> MaybeLiquidation:
    """Where an isolated position is liquidated, with maintenance charged at the mark price.

    Prices are rounded to the tick away from the trader: down for a short, up for a long.

    Args:
        contract: What is held.
        quantity: Signed contract units; short is negative.
        entry: Average entry price.
        collateral: Margin behind the position, in the settlement currency (coin for inverse).
        table: Brackets; for inverse contracts their notional is in coin.
        fee: Fee rate the venue adds to the maintenance margin (OKX, Gate), else 0.

    Returns:
        The liquidation, or ``Unliquidatable`` when no positive price reaches it: a long paid in full, or an inverse
        short backed by at least its own value in coin.

    Raises:
        ValueError: If quantity is 0, entry is not positive, or an inverse position has negative collateral. A linear
            short whose losses already exceed its value is liquidated at price 0, that is at every price.

    >>> from datetime import date
    >>> from stormsail.core import Tenor
    >>> from stormsail.margin.tiers import flat_table
    >>> d = Decimal
    >>> c = Contract("x", "BTCUSDT", "BTC", "USDT", Tenor.PERPETUAL, Payoff.LINEAR, d(1), d("0.001"), d("0.01"), d(5),
    ...              d(0), d(0))
    >>> table = flat_table(c, date(2025, 1, 1), d("0.005"), "example")
    >>> isolated(c, d(-1), d(20000), d(400), table).price
    Decimal('20298.50')
    """
    _sane(contract, quantity, entry, collateral)
    with localcontext(MONEY_CONTEXT):
        price = _crossing(contract, quantity, entry, collateral, table.tiers, fee)
        bankrupt = _crossing(contract, quantity, entry, collateral, _NO_MAINTENANCE, Decimal(0))
    if price is None or bankrupt is None:
        return _never(contract, quantity)
    tier = tier_index(margin_notional(contract, quantity, price), table)
    return Liquidation(against(contract, quantity, price), against(contract, quantity, bankrupt), tier)


def bankruptcy(contract: Contract, quantity: Decimal, entry: Decimal, collateral: Decimal) -> Decimal | Unliquidatable:
    """Price at which the margin balance is zero, rounded like a liquidation price.

    Linear: ``E - C / q`` (``q`` signed, in coins); inverse: ``1 / (1/E + s C / N)``.
    """
    _sane(contract, quantity, entry, collateral)
    with localcontext(MONEY_CONTEXT):
        price = _crossing(contract, quantity, entry, collateral, _NO_MAINTENANCE, Decimal(0))
    return _never(contract, quantity) if price is None else against(contract, quantity, price)


def isolated_at_entry(
    contract: Contract,
    quantity: Decimal,
    entry: Decimal,
    collateral: Decimal,
    table: TierTable,
    *,
    fee: Decimal = Decimal(0),
) -> MaybeLiquidation:
    """Where an isolated position is liquidated when maintenance is fixed at the entry price.

    Linear: ``E - s (C - M(|q| E)) / |q|``; inverse: ``1 / (1/E + s (C - M(N/E)) / N)``. The tier is that at entry. With
    a ``fee`` rate, what closing costs at the bankruptcy price comes off ``C`` first, and the bankruptcy price is where
    balance equals that cost: Bybit's cross margin, whose balance holds no fee set aside.

    Source: Bybit help centre, "Liquidation Price (USDT Contract)"; in force there until 2025-09-02.
    """
    _sane(contract, quantity, entry, collateral)
    notional = margin_notional(contract, quantity, entry)
    free = collateral - maintenance(notional, table)
    with localcontext(MONEY_CONTEXT):
        end = _crossing(contract, quantity, entry, collateral, _NO_MAINTENANCE, fee)
        if end is None:
            return _never(contract, quantity)
        if fee and end > 0:
            free -= fee * margin_notional(contract, quantity, end)
        price = _crossing(contract, quantity, entry, free, _NO_MAINTENANCE, Decimal(0))
    if price is None:
        return _never(contract, quantity)
    return Liquidation(
        against(contract, quantity, price), against(contract, quantity, end), tier_index(notional, table)
    )


def margin_notional(contract: Contract, quantity: Decimal, price: Decimal) -> Decimal:
    """Notional in the currency of the margin, which brackets are counted in: quote for linear, coin for inverse."""
    with localcontext(MONEY_CONTEXT):
        units = abs(quantity) * contract.size
        if contract.payoff is not Payoff.INVERSE:
            return units * price
        return units / price


def against(contract: Contract, quantity: Decimal, price: Decimal) -> Decimal:
    """``price`` rounded to the tick to the trader's disadvantage: a short is liquidated lower, a long higher."""
    return floor_to(price, contract.tick) if quantity < 0 else ceil_to(price, contract.tick)


def _sane(contract: Contract, quantity: Decimal, entry: Decimal, collateral: Decimal) -> None:
    if quantity == 0 or entry <= 0:
        raise ValueError(f"a position needs a quantity and a positive entry price, not {quantity} at {entry}")
    if collateral < 0 and contract.payoff is Payoff.INVERSE:
        raise ValueError(f"collateral of an inverse position must not be negative, not {collateral}")


def _crossing(
    contract: Contract, quantity: Decimal, entry: Decimal, collateral: Decimal, tiers: Sequence[Tier], fee: Decimal
) -> Decimal | None:
    """Unrounded price of the first crossing; ``None`` where no positive price crosses."""
    solve = _inverse_roots if contract.payoff is Payoff.INVERSE else _linear_roots
    side = -1 if quantity < 0 else 1
    roots = solve(abs(quantity) * contract.size, side, entry, collateral, tiers, fee)
    # roots are prices (linear) or reciprocal prices (inverse): the earliest crossing is the smallest rise of a short,
    # the smallest fall of a long
    first = min if (side < 0) != (contract.payoff is Payoff.INVERSE) else max
    best = first(roots)
    if best <= 0:
        return Decimal(0) if side < 0 and contract.payoff is not Payoff.INVERSE else None
    return 1 / best if contract.payoff is Payoff.INVERSE else best


def _linear_roots(
    coins: Decimal, side: int, entry: Decimal, collateral: Decimal, tiers: Sequence[Tier], fee: Decimal
) -> list[Decimal]:
    return [(collateral - side * coins * entry + t.deduction) / (coins * (t.rate + fee - side)) for t in tiers]


def _inverse_roots(
    quote: Decimal, side: int, entry: Decimal, collateral: Decimal, tiers: Sequence[Tier], fee: Decimal
) -> list[Decimal]:
    return [(collateral + side * quote / entry + t.deduction) / (quote * (t.rate + fee + side)) for t in tiers]


def _never(contract: Contract, quantity: Decimal) -> Unliquidatable:
    if contract.payoff is Payoff.INVERSE and quantity < 0:
        return Unliquidatable("the coin behind it is worth at least as much as the short at every price")
    side = "short" if quantity < 0 else "long"
    return Unliquidatable(f"the {side} is paid for in full")
