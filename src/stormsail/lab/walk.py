"""How a log price moves in one step: constant or changing volatility, fat tails, jumps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stormsail.core import InputError
from stormsail.forecast.garch import GarchFit
from stormsail.lab.random import polar

if TYPE_CHECKING:
    from stormsail.lab._path_kernels import Law

MOST_JUMPS = 0.25
"""Most jumps per step that may be expected: more than four in a step are left out, with a chance below 1e-5 then."""

_CEILING = 1.0


@dataclass(frozen=True, slots=True)
class Walk:
    """Steps of a log price: ``x' = x + drift + e + jumps``, ``e = sqrt(h) z``, z Student's t of unit variance, and
    ``h' = min(ceiling, omega + (alpha + leverage [e < 0]) e^2 + beta h)``.

    Source: GARCH-t: Bollerslev 1987; leverage: Glosten, Jagannathan & Runkle 1993; jumps: Merton 1976.

    Attributes:
        variance: Of the first step.
        omega, alpha, leverage, beta: The recursion. All zero leaves the variance as it is.
        nu: Degrees of freedom, above 2; infinite is normal.
        drift: Mean log return of a step without its jumps.
        jumps: Mean number of jumps in a step, at most 0.25.
        jump_mean, jump_sd: Mean and standard deviation of one jump in log price.
        bridge: Whether the highest price within a step is drawn, from a Brownian bridge between its ends, or only the
            end looked at. Exact if a step is Brownian with the step's variance, which for a t step is random (a normal
            with inverse gamma variance is t). Jumps come at the end of a step.
        ceiling: Variance of a step is held at or below this, or below that of the first step if it is larger.
    """

    variance: float
    omega: float = 0.0
    alpha: float = 0.0
    leverage: float = 0.0
    beta: float = 0.0
    nu: float = math.inf
    drift: float = 0.0
    jumps: float = 0.0
    jump_mean: float = 0.0
    jump_sd: float = 0.0
    bridge: bool = True
    ceiling: float = _CEILING

    def __post_init__(self) -> None:
        parts = (self.variance, self.omega, self.alpha, self.beta, self.jumps, self.jump_sd, self.ceiling)
        if not all(math.isfinite(p) and p >= 0.0 for p in parts) or self.variance <= 0.0:
            raise InputError("a negative or missing variance, coefficient or jump", cure="give numbers at or above 0")
        if not (math.isfinite(self.leverage) and self.alpha + self.leverage >= 0.0):
            raise InputError(f"leverage {self.leverage}", cure="give alpha + leverage at or above 0", where="leverage")
        if not (math.isfinite(self.drift) and math.isfinite(self.jump_mean)):
            raise InputError("drift or mean jump is missing", cure="give finite numbers", where="walk")
        if self.jumps > MOST_JUMPS:
            raise InputError(f"{self.jumps} jumps a step", cure=f"take shorter steps, at most {MOST_JUMPS} each")
        if not math.isinf(self.nu):
            polar(self.nu)

    @classmethod
    def of(cls, fit: GarchFit, *, bridge: bool = True) -> Walk:
        """The walk of a fitted GARCH(1,1)-t, without its mean: as likely to rise as to fall, as elsewhere."""
        return cls(fit.variance, fit.omega, fit.alpha, 0.0, fit.beta, fit.nu, bridge=bridge)

    @property
    def moving(self) -> bool:
        """Whether the variance changes."""
        return any((self.omega, self.alpha, self.leverage, self.beta))

    def law(self) -> Law:
        """The same in single precision, as the compiled loops take it."""
        from stormsail.lab._path_kernels import Law

        f = np.float32
        heavy = not math.isinf(self.nu)
        tail, scale, width = polar(self.nu) if heavy else (f(0.0), f(1.0), f(1.0))
        one, two, three, four = _thresholds(self.jumps)
        return Law(
            f(self.variance), f(self.omega), f(self.alpha), f(self.leverage), f(self.beta),
            f(max(self.ceiling, self.variance)), f(self.drift), tail, scale, width,
            f(2.0 / (self.nu + 2.0)), f(self.jump_mean), f(self.jump_sd),
            one, two, three, four, heavy, self.moving, self.bridge, self.jumps > 0.0,
        )  # fmt: skip


def _thresholds(mean: float) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Words from which on a step has at least one, two, three, four jumps: ``2^32 P(N <= k)``."""
    below, found = 0.0, []
    for k in range(4):
        below += math.exp(-mean) * mean**k / math.factorial(k)
        found.append(np.uint32(min(2**32 - 1, round(below * 2**32))))
    return found[0], found[1], found[2], found[3]
