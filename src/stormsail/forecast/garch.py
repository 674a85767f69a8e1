"""GARCH(1,1) with Student's t: fitted by maximum likelihood, simulated for the highest rise before help arrives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import InputError, Unavailable

FloatArray = NDArray[np.float64]

FEWEST = 250
"""Fewest returns on which the model is fitted."""

SEED = 20_250_831
"""Key of the counter-based generator wherever no other is given."""

_ROUNDS = 400
_START = np.array([3.5, -2.2, 1.4])


@dataclass(frozen=True, slots=True)
class GarchFit:
    """A fitted GARCH(1,1)-t, per bar of the returns it was given.

    ``r_t = mean + e_t``, ``e_t = sqrt(h_t) z_t``, ``h_t = omega + alpha e_{t-1}^2 + beta h_{t-1}``, z Student's t of
    unit variance.

    Attributes:
        mean: Mean log return.
        omega, alpha, beta: The recursion.
        nu: Degrees of freedom; infinite is normal.
        variance: Variance of the bar that comes next.
        log_likelihood: At the optimum.
        n: Returns behind it.
        settled: Whether the search settled; if not, the best point found.
    """

    mean: float
    omega: float
    alpha: float
    beta: float
    nu: float
    variance: float
    log_likelihood: float
    n: int
    settled: bool

    @property
    def persistence(self) -> float:
        """``alpha + beta``: what is left of a shock to variance after one bar."""
        return self.alpha + self.beta

    @property
    def detail(self) -> str:
        """Its parameters in one line."""
        state = "" if self.settled else ", search not settled"
        return f"alpha {self.alpha:.3f}, beta {self.beta:.3f}, nu {self.nu:.1f}, {self.n} returns{state}"


def fit_garch(log_returns: ArrayLike) -> GarchFit | Unavailable:
    """Fit GARCH(1,1)-t by maximum likelihood with variance targeting: ``omega = (1 - alpha - beta) var(r)``.

    The search is Nelder-Mead over persistence (below 0.9995), alpha's share of it and the degrees of freedom (above
    2.05), started at 0.97, a tenth and 6; the recursion starts at the sample variance.

    Args:
        log_returns: Shape (T,), oldest first; NaN is left out.

    Returns:
        The fit; unavailable with fewer than 250 returns or returns that do not move.

    Source: Bollerslev 1987, Review of Economics and Statistics 69, equations 1-4; targeting: Engle & Mezrich 1996.
    """
    from stormsail.forecast._kernels import garch_search, garch_unpack, garch_variance

    r = np.asarray(log_returns, dtype=np.float64)
    r = np.ascontiguousarray(r[np.isfinite(r)])
    if len(r) < FEWEST:
        return Unavailable(f"{len(r)} returns, {FEWEST} needed")
    mean = float(r.mean())
    sd = float(r.std())
    if not sd > 1e-12:
        return Unavailable("the price did not move in the window")
    shocks = (r - mean) / sd
    point, loss, settled = garch_search(shocks, _START, _ROUNDS)
    alpha, beta, nu = garch_unpack(point)
    variance = garch_variance(shocks, 1.0 - alpha - beta, alpha, beta, 1.0)
    return GarchFit(
        mean=mean,
        omega=(1.0 - alpha - beta) * sd**2,
        alpha=alpha,
        beta=beta,
        nu=nu,
        variance=variance * sd**2,
        log_likelihood=-len(r) * (loss + math.log(sd)),
        n=len(r),
        settled=settled,
    )


def simulate_max_rise(
    fit: GarchFit, steps: int, paths: int = 10_000, seed: int = SEED, *, drift: bool = False
) -> FloatArray:
    """Highest rise ``max_t S_t / S_0 - 1`` (at least 0) along simulated paths, seen at the end of each bar.

    Args:
        fit: The model; the first simulated bar has its ``variance``.
        steps: Bars until more collateral arrives.
        paths: Number of paths.
        seed: Key of the counter-based generator.
        drift: Whether the mean return is kept; without it the price is as likely to rise as to fall.

    Returns:
        Shape (paths,).

    Raises:
        InputError: If there is no step or no path.
    """
    from stormsail.forecast._kernels import max_rise

    if steps < 1 or paths < 1:
        raise InputError(f"{steps} steps and {paths} paths", cure="give at least one of each")
    uniforms = np.random.Generator(np.random.Philox(key=seed)).random((paths, steps, 2))
    mean = fit.mean if drift else 0.0
    rises = max_rise(uniforms, fit.omega, fit.alpha, fit.beta, fit.nu, mean, fit.variance)
    return np.asarray(rises, dtype=np.float64)
