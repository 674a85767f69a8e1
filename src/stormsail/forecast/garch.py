"""GARCH(1,1) with Student's t: fitted by maximum likelihood, simulated for the highest rise before help arrives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import InputError, Unavailable

FloatArray = NDArray[np.float64]

FEWEST = 250
"""Fewest returns on which the model is fitted."""

SEED = 20_250_831
"""Key of the counter-based generator wherever no other is given."""

_RAREST = 1e-14
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
    rises: FloatArray = _tops(fit, _parts(_uniforms(seed, paths, steps)), fit.mean if drift else 0.0)[0]
    return rises


def rare_max_rise(fit: GarchFit, steps: int, paths: int = 12_000, seed: int = SEED) -> tuple[FloatArray, FloatArray]:
    """The same without drift, drawn so that rare rises are met often: simulated rises and their weights.

    A rare rise needs one shock that is rare. Each path's largest shock is therefore drawn first, from evenly spread
    levels ``v^3`` of its own distribution, and counts ``3 v^2`` times (importance sampling: Owen 2013, "Monte Carlo
    theory, methods and examples", ch. 9); the bar it falls on and the lesser shocks are drawn freely given it. With
    every path comes its mirror image. A chance of 1 in 3,000 then rests on hundreds of paths instead of on three.

    Args:
        fit: The model; the first simulated bar has its ``variance``.
        steps: Bars until more collateral arrives.
        paths: Number of paths before they are mirrored.
        seed: Key of the counter-based generator.

    Returns:
        Rises and weights, both of shape (2 paths,); the weights have mean 1.

    Raises:
        InputError: If there is no step or no path.
    """
    parts, weights = _rare_draws(seed, paths, steps)
    return _tops(fit, parts, 0.0).ravel(), weights


@lru_cache(maxsize=2)
def _rare_draws(seed: int, paths: int, steps: int) -> tuple[tuple[FloatArray, FloatArray], FloatArray]:
    """The draws of :func:`rare_max_rise`, the same for every model, and the weights of its paths."""
    uniforms = _uniforms(seed, paths, steps)
    generator = np.random.Generator(np.random.Philox(key=[seed, 1]))
    level = (np.arange(paths) + generator.random(paths)) / paths
    least = np.maximum(-np.expm1(np.log1p(-(level**3)) / steps), _RAREST)
    uniforms[:, :, 0] *= (1.0 - least)[:, None]
    uniforms[np.arange(paths), generator.integers(0, steps, paths), 0] = 1.0 - least
    weights = np.tile(level**2 / np.mean(level**2), 2)
    weights.flags.writeable = False
    return _parts(uniforms), weights


def _uniforms(seed: int, paths: int, steps: int) -> FloatArray:
    if steps < 1 or paths < 1:
        raise InputError(f"{steps} steps and {paths} paths", cure="give at least one of each")
    return np.random.Generator(np.random.Philox(key=seed)).random((paths, steps, 2))


def _parts(uniforms: FloatArray) -> tuple[FloatArray, FloatArray]:
    from stormsail.forecast._kernels import polar_parts

    logs, turns = polar_parts(uniforms)
    return logs, turns


def _tops(fit: GarchFit, parts: tuple[FloatArray, FloatArray], mean: float) -> FloatArray:
    """Highest rise of each path and of its mirror image, shape (2, paths)."""
    from stormsail.forecast._kernels import max_rise

    found = max_rise(*parts, fit.omega, fit.alpha, fit.beta, fit.nu, mean, fit.variance)
    return np.asarray(found, dtype=np.float64)
