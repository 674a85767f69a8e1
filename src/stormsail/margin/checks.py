"""Fast account checks in floats: the same answers as :mod:`stormsail.margin.factor`, for many moments at once.

An account is laid out as arrays once (:func:`compile_account`) and then asked at every row of marks and prices: equity,
requirement, the common moves up and down that liquidate it, and for each contract the price at which it alone does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import STABLECOINS, InputError, Payoff, to_float
from stormsail.margin.pool import Account, price_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """An account as arrays; n positions, m assets, g contracts.

    Attributes:
        assets: Names of the m assets: columns of ``prices``.
        contracts: Ids of the g contracts: columns of :attr:`Checks.ends`.
        positions: Contract id of each of the n positions: columns of ``marks``.
        arrays: What the kernel takes, in its order.
        marks, prices: Those the account was compiled with, shapes (n,) and (m,).
    """

    assets: tuple[str, ...]
    contracts: tuple[str, ...]
    positions: tuple[str, ...]
    arrays: tuple[Any, ...]
    marks: FloatArray
    prices: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Checks:
    """Answers, one row per moment.

    Attributes:
        equity, requirement: In the unit of account, shape (S,).
        up, down: Common factors on coin prices that liquidate the account, shape (S,); ``inf`` and 0 where none does,
            1 where it is due already.
        ends: Price at which each contract alone liquidates the account in its dangerous direction, shape (S, g),
            not rounded to the tick; ``inf`` (rising) or 0 (falling) where none does, the mark where it is due already.
    """

    equity: FloatArray
    requirement: FloatArray
    up: FloatArray
    down: FloatArray
    ends: FloatArray


def compile_account(account: Account, prices: Mapping[str, Decimal]) -> Compiled:
    """Lay an account out for :func:`account_checks`.

    Raises:
        InputError: If it holds a quanto position, whose common moves are no lines: ask
            :func:`~stormsail.margin.factor.liquidation_factor`; or one whose profit moves against its coin.
        UnavailableError: If a price is missing.
    """
    assets, held = account.assets, account.positions
    where = {a: k for k, a in enumerate(assets)}
    moves = {a: int(a not in STABLECOINS) for a in assets}
    slope, entry, power, inverse = [], [], [], []
    for p in held:
        flipped = p.contract.payoff is Payoff.INVERSE
        moved = int(p.contract.base not in STABLECOINS) - int(p.contract.quote not in STABLECOINS)
        power.append(-moved if flipped else moved)
        if p.contract.payoff is Payoff.QUANTO or not 0 <= power[-1] + moves[p.asset] <= 1:
            raise InputError("its common moves are no lines", cure="use liquidation_factor", where=p.contract.id)
        slope.append(to_float(p.quantity * p.contract.size) * (-1.0 if flipped else 1.0))
        entry.append(1.0 / to_float(p.entry) if flipped else to_float(p.entry))
        inverse.append(int(flipped))
    caps, rates, taken, first, last = _brackets(account)
    ids = [p.contract.id for p in held]
    contracts = tuple(dict.fromkeys(ids))
    groups = [[i for i, name in enumerate(ids) if name == c] for c in contracts]
    net = [sum((held[i].quantity for i in g), Decimal(0)) for g in groups]
    arrays = (
        _floats(slope), _ints([where[p.asset] for p in held]), _floats(entry),
        np.array([p.at_entry for p in held], dtype=np.bool_), _ints(inverse), caps, first, last, _ints(power), rates,
        taken, _floats([to_float(account.haircuts.rate(a)) for a in assets]), _amounts(account.balances, assets),
        _amounts(account.loans, assets), _ints([moves[a] for a in assets]),
        to_float(account.loan_rate), to_float(account.trigger), _ints([i for g in groups for i in g]),
        _ints(np.concatenate([[0], np.cumsum([len(g) for g in groups])])), _ints([int(q < 0) for q in net]),
    )  # fmt: skip
    now = _floats([to_float(p.mark) for p in held])
    worth = _floats([to_float(price_of(a, prices, account.venue)) for a in assets])
    return Compiled(assets, contracts, tuple(ids), arrays, now, worth)


def account_checks(compiled: Compiled, marks: ArrayLike | None = None, prices: ArrayLike | None = None) -> Checks:
    """Check an account at one or many moments.

    Args:
        compiled: See :func:`compile_account`.
        marks: Mark price of every position, shape (S, n) or (n,); by default those at compilation. Legs of one
            contract have one mark.
        prices: Price of every asset, shape (S, m) or (m,), in the order of ``compiled.assets``.

    Raises:
        ValueError: If shapes do not fit, or a mark or price is not positive.
    """
    from stormsail.margin._account_kernels import check_all

    at = np.atleast_2d(np.asarray(compiled.marks if marks is None else marks, dtype=np.float64))
    worth = np.atleast_2d(np.asarray(compiled.prices if prices is None else prices, dtype=np.float64))
    rows = max(len(at), len(worth))
    at = np.array(np.broadcast_to(at, (rows, len(compiled.positions))), order="C")
    worth = np.array(np.broadcast_to(worth, (rows, len(compiled.assets))), order="C")
    if not ((at > 0).all() and (worth > 0).all()):
        raise ValueError("marks and prices must be positive")
    out, ends = np.empty((rows, 4)), np.empty((rows, len(compiled.contracts)))
    run: Callable[..., None] = check_all
    run(at, worth, *compiled.arrays, out, ends)
    return Checks(out[:, 0].copy(), out[:, 1].copy(), out[:, 2].copy(), out[:, 3].copy(), ends)


def _brackets(account: Account) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray]:
    """All brackets end to end; a fee that counts as maintenance is part of the rate."""
    caps: list[float] = []
    rates: list[float] = []
    taken: list[float] = []
    first, last = [], []
    for p in account.positions:
        first.append(len(caps))
        caps += [to_float(t.cap) for t in p.table.tiers]
        rates += [to_float(t.rate + p.fee) for t in p.table.tiers]
        taken += [to_float(t.deduction) for t in p.table.tiers]
        last.append(len(caps) - 1)
    return _floats(caps), _floats(rates), _floats(taken), _ints(first), _ints(last)


def _amounts(amounts: Sequence[tuple[str, Decimal]], assets: Sequence[str]) -> FloatArray:
    held = dict(amounts)
    return _floats([to_float(held.get(a, Decimal(0))) for a in assets])


def _floats(values: ArrayLike) -> FloatArray:
    return np.ascontiguousarray(values, dtype=np.float64)


def _ints(values: ArrayLike) -> IntArray:
    return np.ascontiguousarray(values, dtype=np.int64)
