"""Margin, common moves and one-contract liquidation prices of a 200-position cross account, checks per second.

One check is: equity, requirement, the common rise and fall that liquidate the account, and for each of 200 contracts
the price at which it alone does. Beside it stand a careful vectorised NumPy bisection of the common rise alone, and the
project's own exact functions.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np

from benchmarks.timing import race, report, versions
from stormsail.core import Contract, Payoff, Tenor, from_float
from stormsail.margin.account import Position
from stormsail.margin.checks import account_checks, compile_account
from stormsail.margin.factor import contract_liquidation, liquidation_factor
from stormsail.margin.haircuts import rates
from stormsail.margin.pool import Account
from stormsail.margin.tiers import build_table

POSITIONS, MOMENTS, HALVINGS = 200, 1_000, 40
D = Decimal
BRACKETS = [
    (D(cap), D(rate), 1 / (2 * D(rate)))
    for cap, rate in (("5000", "0.01"), ("25000", "0.025"), ("100000", "0.05"), ("250000", "0.1"), ("1000000", "0.125"),
                      ("5000000", "0.25"), ("1e12", "0.5"))
]  # fmt: skip


def book() -> tuple[Account, dict[str, Decimal]]:
    """Shorts and longs in linear contracts, inverse shorts among them, behind cash and three coins."""
    rng = np.random.Generator(np.random.Philox(key=13))
    coins = ("BTC", "ETH", "SOL")
    prices = {"BTC": D(50_000), "ETH": D(2_500), "SOL": D(150), "USDT": D(1)}
    held = []
    for i in range(POSITIONS):
        inverse = i % 10 == 0
        base = coins[i // 10 % 3] if inverse else f"C{i}"
        mark = prices[base] if inverse else from_float(round(float(np.exp(rng.normal(1, 2))), 6))
        worth = from_float(round(float(np.exp(rng.normal(9, 1.5))), 2))
        side = -1 if rng.random() < 0.8 else 1
        contract = Contract(
            "v", f"{base}{i}", base, "USD" if inverse else "USDT", Tenor.PERPETUAL,
            Payoff.INVERSE if inverse else Payoff.LINEAR, D(1), D("0.001"), D("1e-9"), D(5), D(0), D(0),
        )  # fmt: skip
        table = build_table(contract.id, date(2025, 1, 1), BRACKETS, "benchmark")
        held.append(Position(contract, side * (worth if inverse else worth / mark), mark, mark, table))
    cut = rates("v", date(2025, 1, 1), {"BTC": "0.95", "ETH": "0.95", "SOL": "0.9", "USDT": "0.9999"}, "benchmark")
    balances = (("BTC", D(20)), ("ETH", D(200)), ("SOL", D(2000)), ("USDT", D(2_000_000)))
    return Account("v", balances, tuple(held), cut), prices


def main() -> None:
    """Race, and hold the fast answers against the exact ones."""
    account, prices = book()
    compiled = compile_account(account, prices)
    rng = np.random.Generator(np.random.Philox(key=14))
    marks = compiled.marks * np.exp(rng.normal(0, 0.05, (MOMENTS, POSITIONS)))
    first = account_checks(compiled)

    def fast() -> object:
        return account_checks(compiled, marks)

    linear = [i for i, p in enumerate(account.positions) if p.contract.payoff is Payoff.LINEAR]
    slope = np.array([float(account.positions[i].quantity) for i in linear])
    entry = np.array([float(account.positions[i].entry) for i in linear])
    line_rates = np.array([float(t.rate) for t in account.positions[0].table.tiers])
    line_taken = np.array([float(t.deduction) for t in account.positions[0].table.tiers])

    def bisected() -> object:
        """Linear positions and cash only, common rise only: what careful NumPy code would do."""
        low, high = np.ones(MOMENTS), np.full(MOMENTS, 100.0)
        now = marks[:, linear]
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            at = now * middle[:, None]
            value = np.abs(slope) * at
            need = (value[:, :, None] * line_rates - line_taken).max(axis=2).sum(axis=1)
            alive = 2e6 + ((at - entry) * slope).sum(axis=1) > need
            low, high = np.where(alive, middle, low), np.where(alive, high, middle)
        return low

    def exactly() -> object:
        return liquidation_factor(account, prices, up=True)

    def one_exactly() -> object:
        return contract_liquidation(account, prices, account.positions[1].contract.id)

    timings = race(
        {
            f"stormsail, {MOMENTS:,} full checks": fast,
            f"numpy bisection, common rise only, {MOMENTS:,}": bisected,
            "stormsail exact (Decimal), common rise only, 1": exactly,
            "stormsail exact (Decimal), one contract, 1": one_exactly,
        },
        seconds=20.0,
    )
    up = liquidation_factor(account, prices, up=True)
    end = contract_liquidation(account, prices, account.positions[1].contract.id)
    assert isinstance(up, Decimal) and isinstance(end, Decimal)
    seconds = next(t.median for t in timings if t.name.endswith("full checks"))
    report(
        "account_checks",
        f"Account checks: {POSITIONS} positions, margin, common rise and fall, {POSITIONS} one-contract prices",
        f"stormsail, {MOMENTS:,} full checks",
        timings,
        checks_per_second=round(MOMENTS / seconds),
        liquidation_solves_per_second=round(MOMENTS * (POSITIONS + 2) / seconds),
        difference_of_the_common_rise_to_exact=abs(float(first.up[0]) / float(up) - 1),
        difference_of_one_contract_to_exact=abs(float(first.ends[0, 1]) / float(end) - 1),
        versions=versions("numpy", "numba"),
    )
