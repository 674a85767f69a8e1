"""Compiled loops of the ratio room: deterministic, single-threaded, without allocation inside the hot part."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SINGULAR = 1e-12


@nb.njit(cache=True, nogil=True)
def solve(a: FloatArray, b: FloatArray) -> FloatArray:
    """Solve the small symmetric system ``a x = b``; a singular one gets a ridge and so the smallest solution.

    The ridge is ``1e-9`` of the mean diagonal. NaN where ``a`` is zero or not finite. Shapes (k, k), (k,) -> (k,).
    """
    k = b.shape[0]
    scale = 0.0
    for i in range(k):
        scale += a[i, i] / k
    x = np.full(k, np.nan)
    if not (np.isfinite(scale) and scale > 0.0):
        return x
    ridge = 0.0
    for _ in range(2):
        low = np.zeros((k, k))
        sound = True
        for i in range(k):
            for j in range(i + 1):
                s = a[i, j] + (ridge if i == j else 0.0)
                for m in range(j):
                    s -= low[i, m] * low[j, m]
                if i == j:
                    if not s > _SINGULAR * scale:
                        sound = False
                        break
                    low[i, i] = np.sqrt(s)
                else:
                    low[i, j] = s / low[j, j]
            if not sound:
                break
        if sound:
            for i in range(k):
                s = b[i]
                for m in range(i):
                    s -= low[i, m] * x[m]
                x[i] = s / low[i, i]
            for i in range(k - 1, -1, -1):
                s = x[i]
                for m in range(i + 1, k):
                    s -= low[m, i] * x[m]
                x[i] = s / low[i, i]
            return x
        ridge = 1e-9 * scale
    return x


@nb.njit(cache=True, nogil=True)
def ols_path(y: FloatArray, x: FloatArray, ends: IntArray, window: int) -> FloatArray:
    """Slopes of ``y`` on ``x`` with intercept over the last ``window`` rows before each end; shape (M, k)."""
    k = x.shape[1]
    out = np.empty((ends.shape[0], k))
    for e in range(ends.shape[0]):
        end = ends[e]
        start = max(0, end - window)
        n = end - start
        my = 0.0
        mx = np.zeros(k)
        for t in range(start, end):
            my += y[t] / n
            for i in range(k):
                mx[i] += x[t, i] / n
        a = np.zeros((k, k))
        b = np.zeros(k)
        for t in range(start, end):
            for i in range(k):
                u = x[t, i] - mx[i]
                b[i] += u * (y[t] - my)
                for j in range(i + 1):
                    a[i, j] += u * (x[t, j] - mx[j])
        out[e] = solve(a, b)
    return out


@nb.njit(cache=True, nogil=True)
def ewma_path(y: FloatArray, x: FloatArray, ends: IntArray, decay: float) -> FloatArray:
    """Slopes from exponentially weighted moments about zero of the rows before each (rising) end; shape (M, k)."""
    k = x.shape[1]
    out = np.empty((ends.shape[0], k))
    a = np.zeros((k, k))
    b = np.zeros(k)
    t = 0
    for e in range(ends.shape[0]):
        while t < ends[e]:
            for i in range(k):
                b[i] = decay * b[i] + (1.0 - decay) * x[t, i] * y[t]
                for j in range(i + 1):
                    a[i, j] = decay * a[i, j] + (1.0 - decay) * x[t, i] * x[t, j]
            t += 1
        out[e] = solve(a, b)
    return out


@nb.njit(cache=True, nogil=True)
def down_path(y: FloatArray, x: FloatArray, ends: IntArray, window: int) -> FloatArray:
    """Slopes through the origin over the rows of the window in which the mean of ``x`` fell; shape (M, k)."""
    k = x.shape[1]
    out = np.empty((ends.shape[0], k))
    for e in range(ends.shape[0]):
        a = np.zeros((k, k))
        b = np.zeros(k)
        for t in range(max(0, ends[e] - window), ends[e]):
            move = 0.0
            for i in range(k):
                move += x[t, i]
            if move < 0.0:
                for i in range(k):
                    b[i] += x[t, i] * y[t]
                    for j in range(i + 1):
                        a[i, j] += x[t, i] * x[t, j]
        out[e] = solve(a, b)
    return out


@nb.njit(cache=True, nogil=True)
def stationary_walk(uniforms: FloatArray, n: int, chance: float) -> IntArray:
    """Indices of the stationary bootstrap from one uniform per step; shape (draws, length).

    A step starts a new block where its uniform is below ``chance``; given that, ``u / chance`` is uniform again and
    picks the block's first row. Other steps go on by one row, around the end.
    """
    draws, length = uniforms.shape
    out = np.empty((draws, length), np.int64)
    for d in range(draws):
        at = min(n - 1, int(uniforms[d, 0] * n))
        out[d, 0] = at
        for i in range(1, length):
            u = uniforms[d, i]
            if u < chance:
                at = min(n - 1, int(u / chance * n))
            else:
                at += 1
                if at == n:
                    at = 0
            out[d, i] = at
    return out


@nb.njit(cache=True, nogil=True)
def resampled_moments(values: FloatArray, indices: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (divisor n) of each column of ``values`` (n, m) in each draw; two arrays (draws, m)."""
    draws, length = indices.shape
    m = values.shape[1]
    mean = np.zeros((draws, m))
    variance = np.zeros((draws, m))
    for d in range(draws):
        for i in range(length):
            row = indices[d, i]
            for j in range(m):
                v = values[row, j]
                mean[d, j] += v
                variance[d, j] += v * v
        for j in range(m):
            mean[d, j] /= length
            variance[d, j] = variance[d, j] / length - mean[d, j] * mean[d, j]
    return mean, variance
