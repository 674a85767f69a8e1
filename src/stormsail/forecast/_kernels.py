"""Compiled loops of the forecast room: deterministic and single-threaded."""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_BLOCK = 512  # paths whose state stays in the fastest cache


@nb.njit(cache=True, nogil=True)
def ewma_squares(returns: FloatArray, decay: float) -> FloatArray:
    """Weighted mean of squared returns up to each bar, weights ``decay^age`` over known bars; (T,) -> (T,)."""
    out = np.full(returns.shape[0], np.nan)
    total = 0.0
    weight = 0.0
    for t in range(returns.shape[0]):
        if np.isfinite(returns[t]):
            total = decay * total + returns[t] * returns[t]
            weight = decay * weight + 1.0
        if weight > 0.0:
            out[t] = total / weight
    return out


@nb.njit(cache=True, nogil=True)
def garch_loss(shocks: FloatArray, alpha: float, beta: float, nu: float) -> float:
    """Negative log-likelihood per row of unit-variance shocks under GARCH(1,1) with targeting and Student's t.

    ``h_t = (1 - alpha - beta) + alpha e_{t-1}^2 + beta h_{t-1}``, ``h_0 = 1``; the constant of t is included, that of
    scaling the returns is not. Logarithms are taken of products, eight rows at a time.
    """
    omega = 1.0 - alpha - beta
    h = 1.0
    half = 0.5 * (nu + 1.0)
    logs = 0.0
    heights = 1.0
    tails = 1.0
    n = shocks.shape[0]
    for t in range(n):
        square = shocks[t] * shocks[t]
        heights *= h
        tails *= 1.0 + square / ((nu - 2.0) * h)
        if t % 8 == 7:
            logs += 0.5 * math.log(heights) + half * math.log(tails)
            heights = 1.0
            tails = 1.0
        h = omega + alpha * square + beta * h
    logs += 0.5 * math.log(heights) + half * math.log(tails)
    constant = math.lgamma(half) - math.lgamma(0.5 * nu) - 0.5 * math.log(math.pi * (nu - 2.0))
    loss: float = logs / n - constant
    return loss


@nb.njit(cache=True, nogil=True)
def garch_unpack(point: FloatArray) -> tuple[float, float, float]:
    """Free numbers to ``alpha, beta, nu``: persistence and share through the logistic, ``nu > 2.05``."""
    persistence = 0.9995 / (1.0 + math.exp(-point[0]))
    share = 1.0 / (1.0 + math.exp(-point[1]))
    nu = 2.05 + math.exp(min(point[2], 6.0))
    return persistence * share, persistence * (1.0 - share), nu


@nb.njit(cache=True, nogil=True)
def garch_search(shocks: FloatArray, start: FloatArray, rounds: int) -> tuple[FloatArray, float, bool]:
    """Nelder-Mead over the three free numbers; the best point, its loss, and whether it settled.

    Source: Nelder & Mead 1965, with the usual coefficients 1, 2, 1/2, 1/2.
    """
    dim = 3
    points = np.empty((dim + 1, dim))
    values = np.empty(dim + 1)
    for i in range(dim + 1):
        points[i] = start
        if i > 0:
            points[i, i - 1] += 0.7
        a, b, nu = garch_unpack(points[i])
        values[i] = garch_loss(shocks, a, b, nu)
    settled = False
    for _ in range(rounds):
        order = np.argsort(values)
        points = points[order]
        values = values[order]
        size = np.abs(points[1:] - points[0]).max()
        if values[dim] - values[0] < 1e-10 and size < 1e-4:
            settled = True
            break
        centre = np.zeros(dim)
        for i in range(dim):
            centre += points[i] / dim
        trial = 2.0 * centre - points[dim]
        a, b, nu = garch_unpack(trial)
        value = garch_loss(shocks, a, b, nu)
        if value < values[0]:
            far = 3.0 * centre - 2.0 * points[dim]
            a, b, nu = garch_unpack(far)
            far_value = garch_loss(shocks, a, b, nu)
            if far_value < value:
                points[dim] = far
                values[dim] = far_value
            else:
                points[dim] = trial
                values[dim] = value
        elif value < values[dim - 1]:
            points[dim] = trial
            values[dim] = value
        else:
            near = 0.5 * centre + 0.5 * (trial if value < values[dim] else points[dim])
            a, b, nu = garch_unpack(near)
            near_value = garch_loss(shocks, a, b, nu)
            if near_value < min(value, values[dim]):
                points[dim] = near
                values[dim] = near_value
            else:
                for i in range(1, dim + 1):
                    points[i] = 0.5 * (points[0] + points[i])
                    a, b, nu = garch_unpack(points[i])
                    values[i] = garch_loss(shocks, a, b, nu)
    best = int(np.argmin(values))
    return points[best], values[best], settled


@nb.njit(cache=True, nogil=True)
def garch_variance(shocks: FloatArray, omega: float, alpha: float, beta: float, start: float) -> float:
    """Variance of the bar after the last: ``h <- omega + alpha e^2 + beta h`` along the shocks."""
    h = start
    for t in range(shocks.shape[0]):
        h = omega + alpha * shocks[t] * shocks[t] + beta * h
    return h


@nb.njit(cache=True, nogil=True)
def polar_parts(uniforms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``ln(1 - u)`` and ``cos(2 pi v)`` of pairs of uniforms, shape (paths, steps, 2) -> twice (steps, paths)."""
    paths, steps, _ = uniforms.shape
    logs = np.empty((steps, paths))
    turns = np.empty((steps, paths))
    for t in range(steps):
        for p in range(paths):
            logs[t, p] = math.log(1.0 - uniforms[p, t, 0])
            turns[t, p] = math.cos(2.0 * math.pi * uniforms[p, t, 1])
    return logs, turns


@nb.njit(cache=True, nogil=True, inline="always")
def _expm1(x: float) -> float:
    """``e^x - 1`` for x from 0 to 50 to 12 digits, without a branch or a call, so that a loop of it is vectorised.

    Taylor's series of x / 64 to the 14th power, then six times ``e^2y - 1 = (e^y - 1) (e^y + 1)``.
    """
    y = x * (1.0 / 64.0)
    e = 1.0 + y * (1.0 / 14.0)
    e = 1.0 + y * (1.0 / 13.0) * e
    e = 1.0 + y * (1.0 / 12.0) * e
    e = 1.0 + y * (1.0 / 11.0) * e
    e = 1.0 + y * (1.0 / 10.0) * e
    e = 1.0 + y * (1.0 / 9.0) * e
    e = 1.0 + y * (1.0 / 8.0) * e
    e = 1.0 + y * (1.0 / 7.0) * e
    e = 1.0 + y * (1.0 / 6.0) * e
    e = 1.0 + y * (1.0 / 5.0) * e
    e = 1.0 + y * (1.0 / 4.0) * e
    e = 1.0 + y * (1.0 / 3.0) * e
    e = 1.0 + y * (1.0 / 2.0) * e
    e = y * e
    e = e * (e + 2.0)
    e = e * (e + 2.0)
    e = e * (e + 2.0)
    e = e * (e + 2.0)
    e = e * (e + 2.0)
    e = e * (e + 2.0)
    return e


@nb.njit(cache=True, nogil=True)
def max_rise(
    logs: FloatArray,
    turns: FloatArray,
    omega: float,
    alpha: float,
    beta: float,
    nu: float,
    mean: float,
    start: float,
) -> FloatArray:
    """Largest ``S_t / S_0 - 1`` along each path and its mirror image, at least 0: (steps, paths) -> (2, paths).

    ``logs`` and ``turns`` are those of :func:`polar_parts`. The mirror image has every shock with the other sign, which
    leaves the variances as they are. Paths are taken by the block, so that the innermost loop runs across paths.

    Log returns are ``mean + sqrt(h) z``; z is Student's t of unit variance by the polar method
    ``sqrt(nu (u^(-2/nu) - 1)) cos(2 pi v)`` (Bailey 1994), normal where ``nu`` is infinite (Box & Muller 1958).
    """
    steps, paths = logs.shape
    out = np.empty((2, paths))
    ceiling = max(1.0, start)  # a hundred per cent a bar: beyond it only overflow is simulated
    heavy = np.isfinite(nu)
    scale = nu - 2.0 if heavy else 1.0
    power = -2.0 / nu if heavy else -2.0
    h = np.empty(_BLOCK)
    level = np.empty(_BLOCK)
    mirrored = np.empty(_BLOCK)
    top = np.empty(_BLOCK)
    other = np.empty(_BLOCK)
    for first in range(0, paths, _BLOCK):
        count = min(_BLOCK, paths - first)
        h[:] = start
        level[:] = 0.0
        mirrored[:] = 0.0
        top[:] = 0.0
        other[:] = 0.0
        for t in range(steps):
            log = logs[t, first : first + count]
            turn = turns[t, first : first + count]
            for i in range(count):
                square = power * log[i]
                if heavy:
                    square = _expm1(square)
                shock = math.sqrt(h[i] * scale * square) * turn[i]
                level[i] += mean + shock
                mirrored[i] += mean - shock
                top[i] = max(top[i], level[i])
                other[i] = max(other[i], mirrored[i])
                h[i] = min(ceiling, omega + alpha * shock * shock + beta * h[i])
        for i in range(count):
            out[0, first + i] = _expm1(min(top[i], 50.0))
            out[1, first + i] = _expm1(min(other[i], 50.0))
    return out
