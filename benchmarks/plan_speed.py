"""A plan for 200 coins and 50 perpetuals: cold from files on disk; and the re-plan against cvxpy anew."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.timing import peak_megabytes, race, report, versions
from stormsail.adapters.files.venue_files import load_venues
from stormsail.adapters.store.parquet import ParquetStore
from stormsail.audit.tolerance import Tolerance
from stormsail.core import Holding, Portfolio
from stormsail.market.schema import Kind, SeriesInfo, SeriesKey
from stormsail.market.source import MarketView
from stormsail.plan import make_plan
from stormsail.plan.problem import Problem
from stormsail.plan.replan import Replanner

ASSETS, CONTRACTS, DAYS = 200, 50, 400
END = datetime(2025, 8, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fill(store: ParquetStore) -> list[str]:
    """Hourly bars of 200 coins with two factors and fat tails; the first 50 have a perpetual."""
    rng = np.random.Generator(np.random.Philox(key=11))
    rows = DAYS * 24
    factors = rng.standard_t(4, (rows, 2)) * np.array([0.005, 0.004])
    stamps = pl.Series([END - HOUR * (rows - 1 - i) for i in range(rows)], dtype=pl.Datetime("us", "UTC"))
    names = ["BTC", "ETH", *(f"C{i:03d}" for i in range(ASSETS - 2))]
    for i, name in enumerate(names):
        load = np.array([1.0, 0.0])
        if i > 0:
            load = np.array([rng.uniform(0.6, 1.6), 1.0 if i == 1 else rng.uniform(0, 1.2)])
        own = 0.0 if i == 0 else 0.006
        close = 100 * np.exp(np.cumsum(factors @ load + rng.standard_t(4, rows) * own))
        _write(store, Kind.SPOT, name, name, stamps, close, rng)
        if i < CONTRACTS:
            _write(store, Kind.PERPETUAL, f"{name}USDT", name, stamps, close * (1 + rng.normal(0, 2e-4, rows)), rng)
    return names


def _write(
    store: ParquetStore,
    kind: Kind,
    symbol: str,
    asset: str,
    stamps: pl.Series,
    close: np.ndarray,
    rng: np.random.Generator,
) -> None:
    swing = np.abs(rng.normal(0, 0.002, len(close)))
    frame = pl.DataFrame(
        {"known_at": stamps, "open": close, "high": close * (1 + swing), "low": close * (1 - swing), "close": close,
         "quote_volume": np.full(len(close), 4e6)}
    )  # fmt: skip
    key = SeriesKey(kind, "binance", symbol)
    store.write(SeriesInfo(key, asset, 1, stamps[0], stamps[-1], len(close), HOUR, "simulated"), frame)


def cvxpy_anew(problem: Problem, wanted: np.ndarray) -> np.ndarray:
    """The very programme of the re-plan, same figures and limits, written down in cvxpy and solved; no rounding."""
    import cvxpy as cp

    unit = problem.value / 10.0
    root = np.linalg.cholesky(problem.covariance.factors)
    short = cp.Variable(len(problem.carry), nonneg=True)
    left = wanted / unit - problem.mapping @ short
    variance = (
        cp.sum_squares(root.T @ (problem.covariance.loadings.T @ left))
        + cp.sum_squares(cp.multiply(np.sqrt(problem.covariance.residual), left))
        + cp.sum_squares(cp.multiply(np.sqrt(problem.basis_variance), short))
    )
    cost = (problem.cost - problem.carry) @ short
    limits = [problem.limits.rows @ short <= problem.limits.bounds / unit]
    cp.Problem(cp.Minimize(0.5 * problem.risk_aversion / 10.0 * variance + cost), limits).solve(solver=cp.CLARABEL)
    return np.maximum(short.value * unit, 0.0)


def cvxpy_kept(problem: Problem) -> Callable[[np.ndarray], object]:
    """The same set up once in cvxpy, with what is wanted as a parameter, as its manual recommends for repeated use."""
    import cvxpy as cp

    unit = problem.value / 10.0
    curve, _ = problem.quadratic()
    short = cp.Variable(len(problem.carry), nonneg=True)
    pull = cp.Parameter(len(problem.carry))
    goal = 0.5 * cp.quad_form(short, cp.psd_wrap(curve * unit)) + pull @ short
    kept = cp.Problem(cp.Minimize(goal), [problem.limits.rows @ short <= problem.limits.bounds / unit])
    spread = problem.risk_aversion / problem.value * problem.covariance.apply(problem.mapping).T

    def solve(wanted: np.ndarray) -> object:
        pull.value = problem.cost - problem.carry - spread @ wanted
        return kept.solve(solver=cp.CLARABEL)

    return solve


def main() -> None:
    """Fill a store, plan from its files, and race the re-plan against the same programme in cvxpy."""
    with tempfile.TemporaryDirectory() as folder:
        store = ParquetStore(Path(folder))
        names = fill(store)
        portfolio = Portfolio(tuple(Holding(name, Decimal(10 + i % 7)) for i, name in enumerate(names)))
        venues, tolerance = load_venues(), Tolerance()

        worked: list[float] = []

        def plan() -> object:
            begun = time.process_time()
            made = make_plan(portfolio, MarketView(ParquetStore(Path(folder)), END), tolerance, venues=venues)
            worked.append(time.process_time() - begun)
            return made

        begun = time.perf_counter()
        plan()
        first = time.perf_counter() - begun
        planner = Replanner.of(portfolio, MarketView(store, END), tolerance, venues=venues)
        problem = planner.book.problem
        rng = np.random.Generator(np.random.Philox(key=3))
        moves = [np.exp(rng.normal(0, 0.02, len(planner.coins))) for _ in range(64)]
        turns = {"ours": cycle(moves), "anew": cycle(moves), "kept": cycle(moves)}
        kept = cvxpy_kept(problem)
        lots = problem.objective(planner.at(np.ones(len(planner.coins))).notionals)
        nothing = problem.objective(np.zeros(len(problem.carry)))
        exact = problem.objective(cvxpy_anew(problem, problem.wanted))
        # apart from the whole plan, which would leave the caches of the processor cold for whoever runs after it
        timings = race({"whole plan from files on disk": plan}, rounds=9) + race(
            {
                "re-plan at changed prices": lambda: planner.at(next(turns["ours"])),
                "cvxpy, programme built anew": lambda: cvxpy_anew(problem, problem.wanted * next(turns["anew"])),
                "cvxpy, programme kept with parameters": lambda: kept(problem.wanted * next(turns["kept"])),
            },
            rounds=64,
        )
    report(
        "plan_speed",
        f"Plan for {ASSETS} coins and {CONTRACTS} perpetuals, {DAYS} days of hourly bars",
        "re-plan at changed prices",
        timings,
        note="ours: prices, bounds, programme, whole lots, exact quantities; cvxpy: the programme alone, unrounded",
        share_of_the_gain_lost_to_whole_lots=(lots - exact) / (nothing - exact),
        whole_plan_processor_seconds=round(statistics.median(worked[1:]), 2),
        first_plan_of_the_process_seconds=round(first, 2),
        peak_memory_mb=round(peak_megabytes()),
        versions=versions("clarabel", "cvxpy", "numpy", "polars"),
    )
