"""Fleets: 100,000 and a million portfolios of 20 coins from file to file, and the same programme elsewhere."""

from __future__ import annotations

import math
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.timing import peak_megabytes, race, report, versions
from stormsail.adapters.cluster.processes import Processes
from stormsail.adapters.files.fleet_file import FleetFolder, look_through
from stormsail.app.fleet_verbs import SHARD, run
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Contract, Payoff, Tenor
from stormsail.lab._fleet._kernels import _lay, plan_one
from stormsail.lab._hedge._kernels import Table
from stormsail.lab.deck import Deck, Leg
from stormsail.lab.fleet import PlanFleet
from stormsail.lab.workers import Serial, Workers
from stormsail.plan.problem import FactorCovariance, Problem, build_limits
from stormsail.plan.solver import solve

PORTFOLIOS, HELD, COINS = 100_000, 20, 60
MILLION = 1_000_000


def invented() -> Deck:
    """Sixty coins with two factors and an index, a perpetual each, on one venue with a cap that binds."""
    rng = np.random.Generator(np.random.Philox(key=21))
    names = tuple(sorted(["BTC", "ETH", *(f"C{i:02d}" for i in range(COINS - 2))]))
    at = {"BTC": [1.0, 0, 0], "ETH": [0, 1.0, 0]}
    loadings = np.array(
        [at.get(n, [rng.uniform(0.1, 0.7), rng.uniform(0.2, 1.0), rng.uniform(0.5, 1.5)]) for n in names]
    )
    factors = np.array([[0.03, 0.033, 0.001], [0.033, 0.055, -0.002], [0.001, -0.002, 0.012]])
    residual = np.array([1e-8 if n in at else rng.uniform(0.01, 0.05) for n in names])
    prices = np.round(np.exp(rng.uniform(-2, 6, COINS)), 2) + 0.01
    legs = []
    for i, name in enumerate(names):
        price = Decimal(f"{prices[i]:.2f}")
        lot = Decimal(1).scaleb(math.floor(math.log10(1.0 / float(price))))
        contract = Contract(
            "binance", f"{name}USDT", name, "USDT", Tenor.PERPETUAL, Payoff.LINEAR, Decimal(1), lot, Decimal("0.01"),
            Decimal(5), Decimal("0.0002"), Decimal("0.0005"),
        )  # fmt: skip
        worth = int(price * lot * 10**8)
        rate = 0.4 if name in at else float(rng.uniform(0.9, 1.3))
        carry = float(rng.normal(0.004, 0.004))
        legs.append(Leg(contract, price, lot, worth, -(-5 * 10**8 // worth), 1e7, carry, carry, 0.0013, rate))
    beta = np.maximum((loadings @ factors)[:, 0] / factors[0, 0], 0.0)
    return Deck(
        datetime(2025, 8, 1, tzinfo=UTC), "invented", Tolerance(), names, prices,
        FactorCovariance(names, loadings, factors, residual), beta,
        tuple(legs), {"binance": 0.35}, {}, names, (),
    )  # fmt: skip


def fill(path: Path, deck: Deck, many: int) -> None:
    """Portfolios of twenty coins each; written in pieces."""
    rng = np.random.Generator(np.random.Philox(key=5))
    pieces = []
    for first in range(0, many, PORTFOLIOS):
        symbol = np.argsort(rng.random((PORTFOLIOS, COINS)), axis=1)[:, :HELD].ravel()
        worth = rng.lognormal(8.0, 1.2, PORTFOLIOS * HELD)
        pieces.append(path.with_suffix(f".{first}"))
        pl.DataFrame(
            {
                "portfolio": np.repeat(np.arange(first, first + PORTFOLIOS), HELD),
                "asset": pl.Series(deck.coins).gather(symbol),
                "quantity": worth / deck.prices[symbol],
            }
        ).write_parquet(pieces[-1])
    pl.scan_parquet(pieces).sink_parquet(path)
    for piece in pieces:
        piece.unlink()


def timed(workers: Workers, deck: Deck, path: Path, folder: Path) -> float:
    """Seconds from the file to the last result on disk, processes started included."""
    begun = time.perf_counter()
    folder.mkdir()
    file, place = look_through(path, size=SHARD), FleetFolder(folder)
    run(workers, PlanFleet(deck), file, place, place.begin({}))
    if int(place.totals()["portfolios"].sum()) != file.portfolios:
        raise SystemExit("portfolios were lost")
    return time.perf_counter() - begun


def programme(table: Table, deck: Deck, coins: np.ndarray, held: np.ndarray) -> Problem:
    """One portfolio's programme, for solvers that take matrices."""
    small, _, which = _lay(table, coins, held, held.sum(), held.sum(), 0.5, -1)
    n, value = len(which), held.sum()
    mapping = np.zeros((len(coins), n))
    mapping[np.repeat(np.arange(len(coins)), np.diff(small.first)), np.arange(n)] = 1.0
    cover = deck.covariance
    covariance = FactorCovariance(
        tuple(deck.coins[c] for c in coins), cover.loadings[coins], cover.factors, cover.residual[coins]
    )
    limits = build_limits(
        n, capacity=small.room * value, names=("",) * n, cash_rate=small.rows[0], collateral=small.bounds[0] * value,
        delta=small.rows[1], delta_cap=small.bounds[1] * value,
    )  # fmt: skip
    return Problem(
        value, small.wanted * value, mapping, covariance, small.basis, -small.price * table.averse, np.zeros(n), limits
    )


def by_cvxpy(problem: Problem) -> object:
    """The same programme in cvxpy, unrounded."""
    import cvxpy as cp

    unit = problem.value / 10.0
    curve, slope = problem.quadratic()
    short = cp.Variable(len(problem.carry), nonneg=True)
    goal = 0.5 * cp.quad_form(short, cp.psd_wrap(curve * unit)) + slope @ short
    return cp.Problem(cp.Minimize(goal), [problem.limits.rows @ short <= problem.limits.bounds / unit]).solve(
        solver=cp.CLARABEL
    )


def main() -> None:
    """Race one portfolio against the same programme elsewhere; then the whole fleet, by one process and by two."""
    deck = invented()
    table = deck.table()
    rng = np.random.Generator(np.random.Philox(key=9))
    majors = np.flatnonzero(table.major)
    asked = []
    for _ in range(64):
        mine = np.sort(rng.choice(COINS, HELD, replace=False))
        coins = np.union1d(mine, majors).astype(np.int64)
        asked.append((coins, np.where(np.isin(coins, mine), rng.lognormal(8.0, 1.2, len(coins)), 0.0)))
    turns = {name: cycle(asked) for name in ("ours", "clarabel", "cvxpy")}
    timings = race(
        {
            "ours, whole lots": lambda: plan_one(table, *next(turns["ours"]), 0.0, 0.5, -1),
            "Clarabel, unrounded": lambda: solve(programme(table, deck, *next(turns["clarabel"]))),
            "cvxpy, unrounded": lambda: by_cvxpy(programme(table, deck, *next(turns["cvxpy"]))),
        },
        rounds=64,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fill(folder / "fleet.parquet", deck, PORTFOLIOS)
        timed(Serial(), deck, folder / "fleet.parquet", folder / "warm")
        one = timed(Serial(), deck, folder / "fleet.parquet", folder / "one")
        two = timed(Processes(2), deck, folder / "fleet.parquet", folder / "two")
        before = peak_megabytes()
        fill(folder / "million.parquet", deck, MILLION)
        million = timed(Processes(2), deck, folder / "million.parquet", folder / "million")
    report(
        "fleet",
        f"{PORTFOLIOS:,} portfolios of {HELD} coins, from Parquet to whole lots in Parquet",
        "ours, whole lots",
        timings,
        note="timings are of one portfolio; the fleet figures include reading, writing and starting processes",
        portfolios_per_second_one_process=round(PORTFOLIOS / one),
        portfolios_per_second_two_processes=round(PORTFOLIOS / two),
        million_projected_seconds=round(two * MILLION / PORTFOLIOS),
        million_seconds=round(million, 1),
        peak_memory_mb_of_100000_and_of_a_million=[round(before), round(peak_megabytes())],
        versions=versions("clarabel", "cvxpy", "numba", "numpy", "polars"),
    )
