"""Volatility, drawdown, value at risk and expected shortfall of one series of returns, each with its error.

Losses are positive fractions of value. Errors are asymptotic and take the bars as independent, as the text of each
method says; volatility clusters, so read them as lower bounds.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from stormsail.audit.sample import FloatArray, Sample
from stormsail.core import Estimate, Maybe, Unavailable


def volatility(sample: Sample) -> Maybe:
    """Annualised standard deviation ``s * sqrt(bars a year)`` (divisor n - 1).

    Error ``s * sqrt((kurtosis - 1) / (4 n))``, which holds without a normal law (delta method on the variance;
    Cramer, Mathematical Methods of Statistics, 1946, 27.4).

    >>> import numpy as np
    >>> e = volatility(Sample(np.array([0.01, -0.01, 0.02, -0.02]), 1, "demo"))
    >>> round(e.value, 6)
    0.348807
    """
    r = sample.known
    n = len(r)
    if n < 2:
        return Unavailable(f"{n} returns, 2 are needed")
    deviation = float(np.std(r, ddof=1))
    scale = math.sqrt(sample.per_year)
    error = deviation * math.sqrt(max(_kurtosis(r) - 1.0, 0.0) / (4 * n)) * scale
    method = f"standard deviation of {sample.bar_name} returns x sqrt({sample.per_year})"
    return Estimate(deviation * scale, error, n, sample.window, method)


def drawdown(sample: Sample) -> Maybe:
    """Largest fall from a running peak, ``max_t (1 - V_t / max_{s<=t} V_s)``; the start counts as a peak.

    >>> import numpy as np
    >>> drawdown(Sample(np.array([0.25, -0.2, -0.5, 0.1]), 1, "demo")).value
    0.6
    """
    r = sample.known
    if not len(r):
        return Unavailable("no returns")
    value = np.concatenate(([1.0], np.cumprod(1.0 + r)))
    peak = np.maximum.accumulate(value)
    return Estimate(float(np.max(1.0 - value / peak)), None, len(r), sample.window, "largest fall from a running peak")


def historical_risk(sample: Sample, level: float) -> tuple[Maybe, Maybe]:
    """Historical value at risk and expected shortfall of one day.

    With losses ``L = -r``: ``VaR = L_(ceil(n level))``, the smallest loss not exceeded with that frequency, and
    ``ES = VaR + mean(max(L - VaR, 0)) / (1 - level)`` (Rockafellar and Uryasev 2002, eq. 4 and 15), so ES >= VaR.
    Errors: Maritz and Jarrett (1978) for the quantile; ``sd(max(L - VaR, 0)) / ((1 - level) sqrt(n))`` for ES
    (Chen 2008, theorem 1, independent case). Unavailable with fewer than ``1 / (1 - level)`` returns.

    >>> import numpy as np
    >>> var, es = historical_risk(Sample(-np.arange(1, 101) / 1000, 1, "demo"), 0.95)
    >>> var.value, es.value
    (0.095, 0.098)
    """
    losses = np.sort(-sample.known)
    n = len(losses)
    least = math.ceil(1.0 / (1.0 - level) - 1e-9)
    if n < least:
        missing = Unavailable(f"{n} returns, {least} are needed for the {level:.0%} tail")
        return missing, missing
    var = float(losses[max(math.ceil(n * level - 1e-9), 1) - 1])
    excess = np.maximum(losses - var, 0.0)
    es = var + float(excess.mean()) / (1.0 - level)
    es_error = float(np.std(excess, ddof=1)) / ((1.0 - level) * math.sqrt(n))
    scale = sample.root_day
    note = sample.scaled(f"historical one-day loss at {level:.0%}; error for independent returns")
    return (
        Estimate(var * scale, quantile_error(losses, level) * scale, n, sample.window, f"value at risk, {note}"),
        Estimate(es * scale, es_error * scale, n, sample.window, f"expected shortfall, {note}"),
    )


def normal_risk(sample: Sample, level: float) -> tuple[Maybe, Maybe]:
    """The same under a normal law with the sample's mean and deviation: ``z s - m`` and ``s phi(z)/(1-level) - m``.

    Errors by the delta method: ``s sqrt((1 + k^2/2) / n)`` where ``k`` is the factor of ``s``
    (Jorion 1996, Risk2: Measuring the Risk in Value at Risk).
    """
    from scipy.special import ndtri

    r = sample.known
    n = len(r)
    if n < 2:
        missing = Unavailable(f"{n} returns, 2 are needed")
        return missing, missing
    mean, deviation = float(r.mean()), float(np.std(r, ddof=1))
    z = float(ndtri(level))
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    days = sample.bars_per_day
    note = sample.scaled(f"one-day loss at {level:.0%} under a normal law")

    def one(name: str, factor: float) -> Estimate:
        value = factor * deviation * math.sqrt(days) - mean * days
        error = deviation * math.sqrt((days**2 + days * factor**2 / 2) / n)
        return Estimate(value, error, n, sample.window, f"{name}, {note}")

    return one("value at risk", z), one("expected shortfall", density / (1.0 - level))


def quantile_error(ordered: FloatArray, level: float) -> float:
    """Standard error of a sample quantile: the exact value the bootstrap would tend to.

    Maritz and Jarrett (1978), JASA 73, eq. 2.3: the bootstrap distribution of the k-th order statistic puts
    ``I(i/n) - I((i-1)/n)`` on the i-th value, with ``I`` the incomplete beta function at ``(k, n - k + 1)``.

    Args:
        ordered: Increasing values, shape (n,).
        level: In (0, 1); ``k = ceil(n level)``.
    """
    n = len(ordered)
    weight = _order_weights(n, max(math.ceil(n * level - 1e-9), 1))
    centre = float(weight @ ordered)
    return math.sqrt(max(float(weight @ (ordered - centre) ** 2), 0.0))


@lru_cache(maxsize=512)
def _order_weights(n: int, k: int) -> FloatArray:
    """Chance of each of n values to be the k-th of a resample; every coin of a portfolio asks for the same."""
    from scipy.special import betainc

    return np.asarray(np.diff(betainc(k, n - k + 1, np.arange(n + 1) / n)))


def _kurtosis(r: FloatArray) -> float:
    centred = r - r.mean()
    variance = float(np.mean(centred**2))
    return float(np.mean(centred**4)) / variance**2 if variance > 0 else 1.0
