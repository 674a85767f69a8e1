"""Random but sensible programmes for the tests of the plan."""

from __future__ import annotations

import numpy as np

from stormsail.plan.problem import FactorCovariance, Problem, build_limits


def random_problem(seed: int, n: int = 8, k: int = 12, *, previous: bool = False, tight: float = 1.0) -> Problem:
    rng = np.random.Generator(np.random.Philox(key=seed))
    value = float(rng.uniform(5e4, 5e5))
    w = rng.dirichlet(np.ones(k)) * value
    loadings = np.column_stack([rng.uniform(0.3, 1.5, k), rng.uniform(-0.2, 0.8, k), rng.uniform(0.0, 1.2, k)])
    half = rng.normal(size=(3, 3)) * 0.1
    covariance = FactorCovariance(
        tuple(f"C{i}" for i in range(k)), loadings, half @ half.T + 0.01 * np.eye(3), rng.uniform(0.0, 0.05, k)
    )
    mapping = np.zeros((k, n))
    mapping[rng.integers(0, k, n), np.arange(n)] = 1.0
    carry, cost = rng.normal(0.002, 0.01, n), rng.uniform(0.0005, 0.004, n)
    rate = rng.uniform(0.2, 1.3, n)
    venue = rng.integers(0, 2, n)
    beta = np.maximum(loadings[:, 0], 0.1)
    fall = np.clip(0.3 * beta, 0.0, 1.0)
    wanted = w * rng.uniform(0.3, 1.0)
    limits = build_limits(
        n,
        names=tuple(f"v{venue[i]}:K{i}" for i in range(n)),
        capacity=rng.uniform(0.05, 0.6, n) * value,
        cash_rate=rate,
        collateral=tight * value * rng.uniform(0.2, 0.8),
        venues=("v0", "v1"),
        venue_rate=np.array([rate * (venue == 0), rate * (venue == 1)]),
        venue_cap=tight * value * rng.uniform(0.1, 0.4, 2),
        running_cost=cost - carry,
        budget=tight * value * 0.002,
        delta=beta @ mapping,
        delta_cap=float(beta @ wanted),
        relief=fall @ mapping + carry - cost,
        needed_relief=0.02 * value * rng.uniform(0.0, 0.3),
    )
    return Problem(
        value=value,
        wanted=wanted,
        mapping=mapping,
        covariance=covariance,
        basis_variance=rng.uniform(1e-6, 1e-3, n),
        carry=carry,
        cost=cost,
        limits=limits,
        previous=rng.uniform(0.0, 0.2, n) * value if previous else None,
    )
