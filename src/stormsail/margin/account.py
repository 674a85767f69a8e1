"""A cross-margin account: many positions, one wallet balance.

The account is liquidated when balance falls to requirement, ``W + sum q_i (p_i - E_i) = sum M_i(|q_i| p_i) + fees``.
``M_i`` is the upper envelope of its tier lines, so balance minus requirement is concave and piecewise linear in any
common move of the prices. Newton's method on such a function, started beyond its root, walks down one linear piece at a
time and stops exactly on the root: no tolerance, no step count to choose.

Source: Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts" (2020-08-14), cross margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Contract, InputError, Payoff, plus, profit, to_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.margin.liquidation import isolated, margin_notional
from stormsail.margin.tiers import maintenance, tier_index
from stormsail.margin.types import MaybeLiquidation, TierTable, Unliquidatable

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Position:
    """One position of an account. In hedge mode the two legs of a contract are two positions.

    Attributes:
        contract: What is held.
        quantity: Signed contract units, not 0.
        entry: Average entry price.
        mark: Mark price now.
        table: Its brackets; for inverse contracts in coin.
        fee: Fee rate the venue adds to maintenance, else 0.
        at_entry: Whether maintenance is fixed at the entry price instead of counted at the mark.
        settle: Asset it pays in, needed for a quanto contract; else the quote currency (linear) or the coin (inverse).
    """

    contract: Contract
    quantity: Decimal
    entry: Decimal
    mark: Decimal
    table: TierTable
    fee: Decimal = Decimal(0)
    at_entry: bool = False
    settle: str = ""

    def __post_init__(self) -> None:
        if self.quantity == 0 or self.entry <= 0 or self.mark <= 0:
            raise InputError(
                f"quantity {self.quantity}, entry {self.entry}, mark {self.mark}",
                cure="give a quantity other than 0 and positive prices",
                where=self.contract.id,
            )
        if self.contract.payoff is Payoff.QUANTO and not self.settle:
            raise InputError(
                "a quanto contract pays in a third coin",
                cure="name that coin as settle",
                where=self.contract.id,
            )

    @property
    def asset(self) -> str:
        """What profit and margin are counted in."""
        if self.settle:
            return self.settle
        return self.contract.base if self.contract.payoff is Payoff.INVERSE else self.contract.quote

    @property
    def notional(self) -> Decimal:
        """Absolute value at the mark price, in :attr:`asset`."""
        return margin_notional(self.contract, self.quantity, self.mark)

    @property
    def profit(self) -> Decimal:
        """Unrealised profit at the mark price, in :attr:`asset`."""
        return profit(self.contract, self.quantity, self.entry, self.mark)

    @property
    def requirement(self) -> Decimal:
        """Maintenance margin in :attr:`asset`, with the fee where it counts."""
        charged = margin_notional(self.contract, self.quantity, self.entry) if self.at_entry else self.notional
        with localcontext(MONEY_CONTEXT):
            return maintenance(charged, self.table) + self.fee * charged


def _addable(positions: Sequence[Position]) -> None:
    """Refuse sums over different coins; quote currencies of linear contracts are taken as one."""
    odd = [p for p in positions if p.contract.payoff is not Payoff.LINEAR]
    if odd and len({p.asset for p in positions}) > 1:
        where = odd[0].contract
        raise InputError(
            f"{where.id} is {where.payoff.value} and shares a balance with positions in other coins",
            cure="value them with stormsail.margin.pool, which has a price for every coin",
            where=where.id,
        )


def _linear(positions: Sequence[Position]) -> None:
    odd = [p for p in positions if p.contract.payoff is not Payoff.LINEAR]
    if odd:
        raise InputError(
            f"{odd[0].contract.id} is {odd[0].contract.payoff.value}, a common rise here is of linear contracts",
            cure="use stormsail.margin.factor.liquidation_factor",
            where=odd[0].contract.id,
        )


def balance(positions: Sequence[Position], wallet: Decimal) -> Decimal:
    """Margin balance: wallet plus unrealised profit of every position.

    Raises:
        InputError: If positions that pay in different coins are added.
    """
    _addable(positions)
    with localcontext(MONEY_CONTEXT):
        return plus([wallet, *(p.profit for p in positions)])


def requirement(positions: Sequence[Position]) -> Decimal:
    """Maintenance margin of the whole account."""
    _addable(positions)
    with localcontext(MONEY_CONTEXT):
        return plus(p.requirement for p in positions)


def margin_ratio(positions: Sequence[Position], wallet: Decimal) -> Decimal:
    """Requirement over balance; at 1 the account is liquidated, and it is infinite once the balance is gone."""
    held = balance(positions, wallet)
    if held <= 0:
        return Decimal("Infinity")
    with localcontext(MONEY_CONTEXT):
        return requirement(positions) / held


def cross_liquidation(positions: Sequence[Position], wallet: Decimal, index: int) -> MaybeLiquidation:
    """Where position ``index`` liquidates the account while all others stay at their mark prices.

    The others' profit joins the wallet and their requirement leaves it; the rest is an isolated position.
    """
    own = positions[index]
    others = [p for i, p in enumerate(positions) if i != index]
    with localcontext(MONEY_CONTEXT):
        free = balance(others, wallet) - requirement(others)
    return isolated(own.contract, own.quantity, own.entry, free, own.table, fee=own.fee)


def common_rise(positions: Sequence[Position], wallet: Decimal) -> Decimal | Unliquidatable:
    """The proportional rise of all shorts, together, at which the account is liquidated; longs stay where they are.

    Exact, with every tier as it is at those prices. Negative when the account is past liquidation already.

    Returns:
        The rise as a fraction, or ``Unliquidatable`` for an account without shorts.

    Raises:
        InputError: If a position is not linear.
    """
    _linear(positions)
    shorts = [p for p in positions if p.quantity < 0]
    longs = [p for p in positions if p.quantity > 0]
    if not shorts:
        return Unliquidatable("there is no short that could rise")
    with localcontext(MONEY_CONTEXT):
        # balance - requirement = fixed + sum deductions - factor * sum notional (1 + rate + fee)
        sold = sum((-p.quantity * p.contract.size * p.entry for p in shorts), Decimal(0))
        fixed = balance(longs, wallet) - requirement(longs) + sold
        tiers = [len(p.table.tiers) - 1 for p in shorts]
        while True:
            held = fixed + sum((p.table.tiers[t].deduction for p, t in zip(shorts, tiers, strict=True)), Decimal(0))
            slope = sum(
                (p.notional * (1 + p.table.tiers[t].rate + p.fee) for p, t in zip(shorts, tiers, strict=True)),
                Decimal(0),
            )
            factor = max(Decimal(0), held / slope)
            lower = [min(t, tier_index(p.notional * factor, p.table)) for p, t in zip(shorts, tiers, strict=True)]
            if lower == tiers:
                return factor - 1
            tiers = lower


def moved(positions: Sequence[Position], rise: Decimal) -> tuple[Position, ...]:
    """The same positions after all shorts have risen by ``rise``."""
    with localcontext(MONEY_CONTEXT):
        return tuple(replace(p, mark=p.mark * (1 + rise)) if p.quantity < 0 else p for p in positions)


def common_rises(
    notionals: FloatArray, wallets: FloatArray, tables: Sequence[TierTable], fees: FloatArray | None = None
) -> FloatArray:
    """:func:`common_rise` of many accounts of fresh shorts at once, in floats.

    Args:
        notionals: Shape (A, N): absolute short notional of each account in each contract, at entry; 0 for none.
        wallets: Shape (A,): balance of each account.
        tables: N bracket tables.
        fees: Shape (N,): fee rates that count as maintenance; none by default.

    Returns:
        Shape (A,): the rise as a fraction; ``inf`` for an account without shorts.
    """
    value = np.asarray(notionals, dtype=np.float64)
    deep = max(len(t.tiers) for t in tables)
    caps = np.full((len(tables), deep), np.inf)
    rates = np.zeros((len(tables), deep))
    taken = np.zeros((len(tables), deep))
    for row, table in enumerate(tables):
        for column in range(deep):
            tier = table.tiers[min(column, len(table.tiers) - 1)]
            rates[row, column], taken[row, column] = to_float(tier.rate), to_float(tier.deduction)
            if column < len(table.tiers) - 1:
                caps[row, column] = to_float(tier.cap)
    extra = np.zeros(len(tables)) if fees is None else np.asarray(fees, dtype=np.float64)
    rows = np.arange(len(tables))
    active = value > 0
    at = np.full(value.shape, deep - 1)
    total = value.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        while True:
            held = wallets + total + np.where(active, taken[rows, at], 0.0).sum(axis=1)
            factor = held / (value * (1.0 + rates[rows, at] + extra)).sum(axis=1)
            factor = np.where(total > 0, np.maximum(factor, 0.0), np.inf)
            here = np.where(active, value * factor[:, None], 0.0)
            lower = np.minimum(at, (here[:, :, None] > caps[None]).sum(axis=2))
            if np.array_equal(lower, at):
                return np.asarray(factor - 1.0)
            at = lower
