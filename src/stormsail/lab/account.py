"""Margin accounts of a replay, and their translation into whole numbers for the compiled walk.

Money is counted in millionths of a stablecoin or dollar and in hundred-millionths of a coin; prices in ticks of a power
of ten fine enough for nine digits. A value that would not fit 64 bits is refused before the walk begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor, log10

import numpy as np

from stormsail.core import (
    STABLECOINS,
    Contract,
    Finding,
    InputError,
    Payoff,
    Trouble,
    Unavailable,
    from_float,
    to_float,
)
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.lab._kernels import MISSING, RATE, Floats, State, Tape, Terms
from stormsail.lab.course import Course, settlement_currency
from stormsail.margin.haircuts import haircuts
from stormsail.margin.types import TierTable

MONEY_DIGITS, COIN_DIGITS = 6, 8
_LARGEST = 4 * 10**18
_PRICE_DIGITS = 10
_MORE_LOTS, _HIGHER = 4, 100.0
"""Numbers are made to fit for so many times the largest position named, and for prices that rise so far."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One contract an account may hold.

    Attributes:
        contract: Which.
        table: Its brackets; ``None`` for a contract that asks for no maintenance (a fully backed token).
        fee: Taker fee; the contract's own unless given.
        counts_fee: Whether the closing fee is part of maintenance.
        at_entry: Whether maintenance is counted on the value at entry.
        most: Most units it will ever hold, for the check that numbers fit; ten times the first target is a good guess.
        settle: Currency a quanto contract pays in; else the contract says it.
    """

    contract: Contract
    table: TierTable | None
    fee: Decimal
    counts_fee: bool = False
    at_entry: bool = False
    most: Decimal = Decimal(0)
    settle: str = ""

    @property
    def currency(self) -> str:
        """What it pays in."""
        return self.settle or settlement_currency(self.contract)


@dataclass(frozen=True, slots=True)
class MarginAccount:
    """One margin account: what shares collateral.

    Attributes:
        name: The venue, or the contract of an isolated position.
        venue: Venue key.
        legs: Its contracts.
        deposit: Collateral at the start, by currency.
        weight: Share of each currency that counts as collateral, 1 where it is not named; left empty, an account that
            is judged over several currencies takes its venue's haircuts of the course's first day.
        currency: The currency it is judged in if all is in one, else ``None``: judged in the currency of account.
        trigger: Balance over requirement below which it is liquidated: 1, or that of portfolio margin
            (:func:`stormsail.margin.pool.unified_levels`).
    """

    name: str
    venue: str
    legs: tuple[Leg, ...]
    deposit: Mapping[str, Decimal]
    weight: Mapping[str, float] = field(default_factory=dict)
    currency: str | None = None
    trigger: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """Accounts in whole numbers.

    Attributes:
        accounts: As given; their legs in order are the contracts of all arrays.
        columns: Column of the course behind each contract.
        digits: Decimals of each contract's price.
        places: Decimals of each currency.
        tape, terms, state: For the walk.
        findings: What was noticed on opening them.
    """

    accounts: tuple[MarginAccount, ...]
    columns: tuple[int, ...]
    digits: tuple[int, ...]
    places: tuple[int, ...]
    tape: Tape
    terms: Terms
    state: State
    findings: tuple[Finding, ...] = ()

    @property
    def legs(self) -> tuple[Leg, ...]:
        """All legs in order."""
        return tuple(leg for account in self.accounts for leg in account.legs)

    def account_of(self, leg: int) -> int:
        """Index of the account that holds a leg."""
        return int(np.searchsorted(self.terms.first, leg, side="right")) - 1


def places_of(currency: str) -> int:
    """Decimals in which a currency is counted.

    >>> places_of("USDT"), places_of("BTC")
    (6, 8)
    """
    return MONEY_DIGITS if currency in STABLECOINS else COIN_DIGITS


def quanta(amount: Decimal, currency: str) -> int:
    """An amount in smallest units, rounded down.

    >>> quanta(Decimal("1.2345678"), "USDT")
    1234567
    """
    with localcontext(MONEY_CONTEXT):
        return floor(amount.scaleb(places_of(currency)))


def amount_of(units: int, currency: str) -> Decimal:
    """Smallest units as an amount."""
    with localcontext(MONEY_CONTEXT):
        return Decimal(int(units)).scaleb(-places_of(currency))


def open_books(course: Course, accounts: Sequence[MarginAccount]) -> Books:
    """Translate accounts and the course they will go through.

    Raises:
        InputError: If a contract is not in the course, its prices have holes or are not positive, a deposit is negative
            or has no price, or a value would not fit.
    """
    findings: list[Finding] = []
    legs = [leg for account in accounts for leg in account.legs]
    columns = _columns(course, legs)
    for leg, column in zip(legs, columns, strict=True):
        _check_prices(course, leg, column)
    currencies = {name: c for c, name in enumerate(course.currencies)}
    _check_currencies(accounts, currencies)
    digits = tuple(_digits(course, leg, column) for leg, column in zip(legs, columns, strict=True))
    tape = _tape(course, columns, digits)
    weight = np.array([_weights(course, account, findings) for account in accounts])
    terms = _terms(course, accounts, legs, digits, weight.reshape(len(accounts), len(currencies)))
    cash = np.zeros((len(accounts), len(currencies)), dtype=np.int64)
    for a, account in enumerate(accounts):
        for currency, amount in account.deposit.items():
            cash[a, currencies[currency]] = quanta(amount, currency)
    n, many = len(legs), len(accounts)
    state = State(np.zeros(n, np.int64), np.zeros(n, np.int64), cash, np.zeros(many, bool), np.full(many, -1, np.int64))
    places = tuple(map(places_of, course.currencies))
    return Books(tuple(accounts), columns, digits, places, tape, terms, state, tuple(findings))


def _check_currencies(accounts: Sequence[MarginAccount], known: Mapping[str, int]) -> None:
    for account in accounts:
        named = {**dict.fromkeys([leg.currency for leg in account.legs], Decimal(0)), **account.deposit}
        for currency, amount in named.items():
            if currency not in known:
                raise InputError(
                    f"{currency} has no price in the course", cure="name it among the currencies recorded",
                    where=account.name,
                )  # fmt: skip
            if amount < 0:
                raise InputError(
                    f"a deposit of {amount:f} {currency}", cure="an account begins with 0 or more", where=account.name
                )
        other = {leg.currency for leg in account.legs} - {account.currency}
        if account.currency is not None and other:
            raise InputError(
                f"judged in {account.currency}, its contracts pay in {', '.join(sorted(other))}",
                cure="leave currency out: the account is then judged over all of them", where=account.name,
            )  # fmt: skip


def _check_prices(course: Course, leg: Leg, column: int) -> None:
    """From its listing to its end a contract has positive prices and marks, its extremes around them."""
    columns = np.column_stack([getattr(course, name)[:, column] for name in ("last", "mark", "high", "low")])
    listed = np.flatnonzero(np.isfinite(columns[:, 0]))
    where = leg.contract.id
    if not len(listed):
        raise InputError("no price at any moment", cure="record a span in which it is traded", where=where)
    bad = np.flatnonzero(~(np.isfinite(columns) & (columns > 0)).all(axis=1)[listed[0] :]) + listed[0]
    if len(bad):
        t = int(bad[0])
        told = ", ".join(
            f"{name} {value:g}" for name, value in zip(("last", "mark", "high", "low"), columns[t], strict=True)
        )
        raise InputError(
            f"{told} at {str(course.times[t])[:16]}", cure="prices must be positive and without holes", where=where
        )


def _weights(course: Course, account: MarginAccount, findings: list[Finding]) -> list[float]:
    """Share of each currency that counts."""
    if account.weight or account.currency is not None:
        return [float(account.weight.get(name, 1.0)) for name in course.currencies]
    listed = haircuts(account.venue, course.moment(0).date())
    if not isinstance(listed, Unavailable):
        return [to_float(listed.rate(name)) for name in course.currencies]
    findings.append(
        Finding(
            Trouble.UNAVAILABLE, f"haircuts {account.name}", listed.reason,
            "stablecoins count in full, other coins not at all",
        )
    )  # fmt: skip
    return [1.0 if name in STABLECOINS | {"USD"} else 0.0 for name in course.currencies]


def _columns(course: Course, legs: Sequence[Leg]) -> tuple[int, ...]:
    at: dict[str, list[int]] = {}
    for column, contract in enumerate(course.contracts):
        at.setdefault(contract.id, []).append(column)
    found = []
    for leg in legs:
        if leg.contract.id not in at:
            raise InputError(
                "not recorded in this course", cure="record the course with every contract of the accounts",
                where=leg.contract.id,
            )  # fmt: skip
        found.append(at[leg.contract.id][0])
    return tuple(found)


def _unit(leg: Leg, digits: int) -> Fraction:
    """Smallest units per lot and tick (inverse: per lot, times ticks)."""
    contract, places = leg.contract, places_of(leg.currency)
    size: Fraction = Fraction(contract.size) * Fraction(contract.lot) * 10**places
    scale: int = 10**digits
    return size * scale if contract.payoff is Payoff.INVERSE else size / scale


def _digits(course: Course, leg: Leg, column: int) -> int:
    """Decimals for the price: ten digits of the first price known, fewer where a position would not fit otherwise.

    Nothing later than the first price decides, so that what comes after changes nothing before it.
    """
    contract, known = leg.contract, course.last[:, column]
    first, top = float(known[np.isfinite(known)][0]), float(np.nanmax(course.high[:, column]))
    lots = int(max(leg.most, contract.lot * 10) / contract.lot) * _MORE_LOTS
    finest = _PRICE_DIGITS - 1 - floor(log10(first))
    for digits in range(finest, finest - 6, -1):
        unit, inverse = _unit(leg, digits), contract.payoff is Payoff.INVERSE
        if (not inverse or unit.denominator == 1) and _fits(lots, first * _HIGHER, digits, unit, inverse):
            if _fits(lots, top, digits, unit, inverse):
                return digits
            break
    raise InputError(
        f"a position of {leg.most:f} at up to {top:g} is too large to be counted exactly",
        cure="split it over several accounts, or give a coarser lot", where=contract.id,
    )  # fmt: skip


def _fits(lots: int, price: float, digits: int, unit: Fraction, inverse: bool) -> bool:
    ticks = int(price * 10.0**digits) + 1
    return max(lots * (1 if inverse else ticks) * unit.numerator, ticks * 1000) < _LARGEST


def _tape(course: Course, columns: Sequence[int], digits: Sequence[int]) -> Tape:
    at = list(columns)
    scale = 10.0 ** np.array(digits, dtype=np.float64)
    unlisted = ~np.isfinite(course.last[:, at])

    def ticks(prices: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.where(unlisted, 1.0, np.maximum(np.rint(prices[:, at] * scale), 1.0))

    settles = course.settles[:, at]
    rate = np.where(settles, np.rint(np.nan_to_num(course.rate[:, at]) * RATE), 0).astype(np.int64)
    rate[settles & ~np.isfinite(course.rate[:, at])] = MISSING
    any_settles = settles.any(axis=1)
    return Tape(
        close=ticks(course.mark).astype(np.int64),
        # these three are read along time, the others across contracts
        last=np.asfortranarray(ticks(course.last).astype(np.int64)),
        high=np.asfortranarray(ticks(course.high)),
        low=np.asfortranarray(ticks(course.low)),
        rate=rate,
        settles=np.where(any_settles, np.cumsum(any_settles) - 1, -1).astype(np.int64),
        worth=np.ascontiguousarray(course.worth),
        worst=np.ascontiguousarray(course.worst),
        dear=course.dearest,
        slip=np.ascontiguousarray(course.half_spread[:, at]),
        impact=np.ascontiguousarray(course.impact[:, at]),
        open=np.ascontiguousarray(course.tradable[:, at]),
    )


def _terms(
    course: Course, accounts: Sequence[MarginAccount], legs: Sequence[Leg], digits: Sequence[int], weight: Floats
) -> Terms:
    units = [_unit(leg, d) for leg, d in zip(legs, digits, strict=True)]
    settle = [leg.currency for leg in legs]
    currencies = {name: c for c, name in enumerate(course.currencies)}
    deep = max((len(leg.table.tiers) for leg in legs if leg.table), default=1)
    cap, rate, taken = np.full((len(legs), deep), np.inf), np.zeros((len(legs), deep)), np.zeros((len(legs), deep))
    for i, leg in enumerate(legs):
        tiers = leg.table.tiers if leg.table else ()
        for k in range(deep if tiers else 0):
            tier = tiers[min(k, len(tiers) - 1)]
            rate[i, k], taken[i, k] = to_float(tier.rate), to_float(tier.deduction)
            if k < len(tiers) - 1:
                cap[i, k] = to_float(tier.cap)
    inverse = np.array([leg.contract.payoff is Payoff.INVERSE for leg in legs], dtype=bool)
    alone = np.array([currencies[a.currency] if a.currency else -1 for a in accounts], dtype=np.int64)
    first = np.cumsum([0, *(len(a.legs) for a in accounts)]).astype(np.int64)
    at_entry = np.array([leg.at_entry for leg in legs], dtype=bool)
    charged = np.array([to_float(leg.fee) if leg.counts_fee else 0.0 for leg in legs])
    spans = [slice(first[a], first[a + 1]) for a in range(len(accounts))]
    plain = np.array(
        [
            alone[a] >= 0
            and accounts[a].trigger == 1
            and not (inverse[s].any() or at_entry[s].any() or charged[s].any())
            for a, s in enumerate(spans)
        ],
        dtype=bool,
    )
    places = [places_of(name) for name in course.currencies]
    return Terms(
        first=first,
        currency=np.array([currencies[name] for name in settle], dtype=np.int64),
        inverse=inverse,
        num=np.array([u.numerator for u in units], dtype=np.int64),
        den=np.array([u.denominator for u in units], dtype=np.int64),
        unit=np.array([float(u) / 10.0 ** places_of(name) for u, name in zip(units, settle, strict=True)]),
        fee=np.array([int(leg.fee * RATE) for leg in legs], dtype=np.int64),
        cap=cap,
        rate=rate,
        taken=taken,
        initial=np.array([_initial(leg) for leg in legs]),
        charged=charged,
        at_entry=at_entry,
        least=np.array([_least(leg) for leg in legs], dtype=np.int64),
        alone=alone,
        weight=weight,
        trigger=np.array([to_float(a.trigger) for a in accounts]),
        quantum=10.0 ** -np.array(places, dtype=np.float64),
        plain=plain,
    )


def _initial(leg: Leg) -> float:
    """Initial margin at the largest leverage; a contract without brackets is paid for in full elsewhere."""
    return 1.0 / to_float(leg.table.tiers[0].max_leverage) if leg.table else 0.0


def _least(leg: Leg) -> int:
    if leg.contract.payoff is not Payoff.LINEAR:  # the minimum is named in quote currency
        return 0
    return quanta(leg.contract.min_notional, leg.currency)


def with_deposit(account: MarginAccount, currency: str, amount: Decimal) -> MarginAccount:
    """The same account with another deposit in one currency."""
    return replace(account, deposit={**account.deposit, currency: amount})


def exact_price(ticks: float, digits: int) -> Decimal:
    """A price in ticks as a decimal number."""
    with localcontext(MONEY_CONTEXT):
        return from_float(float(ticks)).scaleb(-digits)
