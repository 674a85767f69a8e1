"""Bracket tables of venues that publish leverages or size-dependent rates instead of maintenance brackets.

Each builder knows the days its figures hold and says ``Unavailable`` for what was not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext

from stormsail.core import Contract, Payoff, Unavailable
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.liquidation import against
from stormsail.margin.tiers import OPEN_END, build_table
from stormsail.margin.types import Liquidation, MaybeLiquidation, TierTable, Unliquidatable

_D = Decimal


def half_initial_table(
    contract: Contract, as_of: date, brackets: Sequence[tuple[Decimal, Decimal]], source: str
) -> TierTable:
    """A table from ``(cap, max_leverage)``: maintenance is half the initial margin at the largest leverage.

    Source: Hyperliquid docs, "Margin tiers": rate of a tier = (1 / max leverage) / 2, deductions by continuity.

    >>> from stormsail.core import Tenor
    >>> d = Decimal
    >>> c = Contract("hyperliquid", "BTC", "BTC", "USDC", Tenor.PERPETUAL, Payoff.LINEAR, d(1), d("0.00001"), d(1),
    ...              d(10), d("0.00015"), d("0.00045"))
    >>> half_initial_table(c, date(2025, 6, 1), [(d(150_000_000), d(40)), (OPEN_END, d(20))], "docs").tiers[1].deduction
    Decimal('1875000.0000')
    """
    with localcontext(MONEY_CONTEXT):
        rows = [(cap, 1 / (2 * leverage), leverage) for cap, leverage in brackets]
    return build_table(contract.id, as_of, rows, source)


_HYPERLIQUID_FROM = date(2025, 6, 1)
_HYPERLIQUID: tuple[tuple[str, int, int, int], ...] = (
    ("BTC", 150_000_000, 40, 20),
    ("ETH", 100_000_000, 25, 15),
    ("SOL", 70_000_000, 20, 10),
    ("XRP", 40_000_000, 20, 10),
    (
        "DOGE PEPE SUI WLD TRUMP LTC ENA POPCAT WIF AAVE BONK LINK CRV AVAX ADA UNI NEAR TIA APT BCH HYPE FARTCOIN",
        20_000_000, 10, 5,
    ),
    ("OP ARB LDO TON MKR ONDO JUP INJ SHIB SEI TRX BNB DOT", 3_000_000, 10, 5),
)  # fmt: skip
"""Coins, cap of the first tier in USDC, largest leverage in it and beyond it. The page bears no day; that it holds from
``_HYPERLIQUID_FROM`` on is an assumption."""


def hyperliquid_table(contract: Contract, as_of: date) -> TierTable | Unavailable:
    """Hyperliquid's margin tiers, or ``Unavailable`` for a coin or day that the page does not cover.

    Source: hyperliquid.gitbook.io/hyperliquid-docs/trading/margin-tiers, "Mainnet Margin Tiers".
    """
    if as_of < _HYPERLIQUID_FROM:
        return Unavailable(f"Hyperliquid's margin tiers before {_HYPERLIQUID_FROM} were not read")
    for coins, cap, first, second in _HYPERLIQUID:
        if contract.base in coins.split():
            rows = [(_D(cap), _D(first)), (OPEN_END, _D(second))]
            return half_initial_table(contract, _HYPERLIQUID_FROM, rows, "hyperliquid docs, Margin tiers")
    return Unavailable(f"{contract.base} is not on Hyperliquid's page of margin tiers")


@dataclass(frozen=True, slots=True)
class SizeRates:
    """Deribit's margin rates of a coin: a base rate plus a step per coin of position.

    Attributes:
        coin: The coin.
        effective_from: First day they hold.
        initial: Initial margin at size 0.
        maintenance: Maintenance margin at size 0.
        step: Added to both per coin of position.
        liquidation_fee: Fee of a liquidation, as a fraction of notional; ``None`` where it was not read.
        inverse: Whether they were read for coin-margined contracts too.
        source: Page.
    """

    coin: str
    effective_from: date
    initial: Decimal
    maintenance: Decimal
    step: Decimal
    liquidation_fee: Decimal | None
    inverse: bool
    source: str


_NOTE = "support.deribit.com 25944826427293, 11 January 2022"
_BEFORE = f"{_NOTE} (before)"
DERIBIT: tuple[SizeRates, ...] = (
    SizeRates("BTC", date(2020, 1, 1), _D("0.01"), _D("0.00525"), _D("0.00005"), _D("0.005"), True, _BEFORE),
    SizeRates("BTC", date(2022, 1, 11), _D("0.02"), _D("0.01"), _D("0.00005"), _D("0.0075"), True, _NOTE),
    SizeRates("ETH", date(2020, 1, 1), _D("0.02"), _D("0.01"), _D("0.000002"), _D("0.009"), True, _BEFORE),
    SizeRates("ETH", date(2022, 1, 11), _D("0.02"), _D("0.01"), _D("0.000004"), _D("0.009"), True, _NOTE),
    SizeRates(
        "SOL", date(2024, 1, 1), _D("0.04"), _D("0.02"), _D("0.000005"), None, False,
        "support.deribit.com 25944738177565, Linear Perpetual",
    ),
)  # fmt: skip
"""By coin, then by day. The change of 2022-01-11 is the venue's own; the rates before it are known to hold up to that
day, and 2020-01-01 stands in for their first. Linear contracts take the same rates (25944738177565)."""


def deribit_rates(contract: Contract, on: date) -> SizeRates | Unavailable:
    """Deribit's margin rates for a contract on that day.

    >>> from stormsail.margin.tiers import assumed_table
    >>> from stormsail.core import Tenor
    >>> d = Decimal
    >>> c = Contract("deribit", "BTC-PERPETUAL", "BTC", "USD", Tenor.PERPETUAL, Payoff.INVERSE, d(10), d(1), d("0.5"),
    ...              d(10), d(0), d("0.0005"))
    >>> deribit_rates(c, date(2022, 1, 10)).maintenance, deribit_rates(c, date(2022, 1, 11)).maintenance
    (Decimal('0.00525'), Decimal('0.01'))
    """
    inverse = contract.payoff is Payoff.INVERSE
    held = [r for r in DERIBIT if r.coin == contract.base and r.effective_from <= on and (r.inverse or not inverse)]
    if not held:
        return Unavailable(f"Deribit's margin rates of {contract.symbol} on {on} were not read")
    return held[-1]


def deribit_table(contract: Contract, quantity: Decimal, as_of: date) -> TierTable | Unavailable:
    """Deribit's maintenance for a linear position of this size: one bracket, because the rate depends on the size in
    coins and not on the price.

    BTC: 1 % + 0.005 % per BTC, ETH: 1 % + 0.0004 % per ETH, SOL: 2 % + 0.0005 % per SOL (:data:`DERIBIT`).
    Source: support.deribit.com 25944738177565, "Linear Perpetual" (examples: 25 BTC 1.125 %, 350 BTC 2.75 %).

    Returns:
        One bracket, or ``Unavailable`` for coins whose rates were not read and for inverse contracts, whose size in
        coins moves with the price: :func:`deribit_inverse` has their liquidation in closed form.
    """
    rates = deribit_rates(contract, as_of)
    if isinstance(rates, Unavailable):
        return rates
    if contract.payoff is Payoff.INVERSE:
        return Unavailable(f"the margin rate of {contract.symbol} moves with its price: no bracket table can say it")
    with localcontext(MONEY_CONTEXT):
        grown = rates.step * abs(quantity) * contract.size
        row = (OPEN_END, rates.maintenance + grown, 1 / (rates.initial + grown))
    return build_table(contract.id, rates.effective_from, [row], rates.source)


def deribit_inverse(
    contract: Contract, quantity: Decimal, entry: Decimal, collateral: Decimal, on: date
) -> MaybeLiquidation | Unavailable:
    """Where Deribit liquidates an inverse position, whose maintenance grows with its size *in coin*.

    With ``v = N / p`` coins, base rate ``m`` and step ``k`` the balance ``C + s (N/E - v)`` meets ``(m + k v) v`` where

        k v^2 + (m + s) v - (C + s N/E) = 0

    in the dangerous direction: the positive root for a long, the smaller one for a short (the larger is a short's
    other end: in a deep fall its coins, and the rate with them, grow faster than its profit).

    Args:
        contract: An inverse contract of Deribit.
        quantity: Signed contract units.
        entry: Average entry price.
        collateral: Coin behind the position, not negative.
        on: Day of the rule.

    Returns:
        Price and bankruptcy price; ``Unliquidatable`` for a short with at least its value in coin; ``Unavailable`` for
        a coin whose rates were not read. A position that no price can carry is liquidated at price 0 (short).

    Raises:
        ValueError: If quantity is 0, entry is not positive or collateral is negative.
    """
    if quantity == 0 or entry <= 0 or collateral < 0:
        raise ValueError(f"quantity {quantity}, entry {entry}, collateral {collateral} make no position")
    rates = deribit_rates(contract, on)
    if isinstance(rates, Unavailable):
        return rates
    if contract.payoff is not Payoff.INVERSE:
        return Unavailable(f"{contract.symbol} is not an inverse contract")
    with localcontext(MONEY_CONTEXT):
        side = 1 if quantity > 0 else -1
        value = abs(quantity) * contract.size
        known = collateral + side * value / entry
        if side < 0 and known >= 0:
            return Unliquidatable("the coin behind it is worth at least as much as the short at every price")
        slope = rates.maintenance + side
        under = slope * slope + 4 * rates.step * known
        if under < 0:
            return Liquidation(_D(0), against(contract, quantity, -value / known), 0)
        # the stable form of the root nearer to 0, which is the first on the way for both sides
        coins = 2 * known / (slope + under.sqrt() * side)
        return Liquidation(
            against(contract, quantity, value / coins), against(contract, quantity, side * value / known), 0
        )


def scaled_initial(base: Decimal, open_notional: Decimal, lower: Decimal, upper: Decimal) -> Decimal:
    """dYdX's initial margin fraction, which rises with the market's open interest; maintenance stays as it is.

    ``min(1, base + max(0, (open - lower) / (upper - lower)) (1 - base))``. Source: dYdX docs, "Margin" (Open-Interest-
    Based IMF; caps are parameters of the market's liquidity tier).

    Raises:
        ValueError: If ``upper`` is not above ``lower`` or ``base`` is not in (0, 1].

    >>> scaled_initial(Decimal("0.05"), Decimal(75), Decimal(50), Decimal(100))
    Decimal('0.525')
    """
    if not (0 < base <= 1 and lower < upper):
        raise ValueError(f"base {base}, caps {lower} and {upper} make no margin fraction")
    with localcontext(MONEY_CONTEXT):
        grown = (open_notional - lower) / (upper - lower) * (1 - base)
        return min(Decimal(1), base + max(Decimal(0), grown))
