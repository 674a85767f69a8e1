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
def window_path(y: FloatArray, x: FloatArray, ends: IntArray, window: int, falls: bool) -> FloatArray:
    """Slopes of ``y`` on ``x`` over the last ``window`` rows before each end; shape (M, k).

    With intercept over all of them, or (``falls``) through the origin over those in which the mean of ``x`` fell.
    """
    k = x.shape[1]
    out = np.empty((ends.shape[0], k))
    for e in range(ends.shape[0]):
        end = ends[e]
        start = max(0, end - window)
        my = 0.0
        mx = np.zeros(k)
        if not falls:
            for t in range(start, end):
                my += y[t] / (end - start)
                for i in range(k):
                    mx[i] += x[t, i] / (end - start)
        a = np.zeros((k, k))
        b = np.zeros(k)
        for t in range(start, end):
            move = 0.0
            for i in range(k):
                move += x[t, i]
            if falls and not move < 0.0:
                continue
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
def shrunk_walks(
    y: FloatArray, x: FloatArray, decay: float, shrink: float, least: int
) -> tuple[FloatArray, FloatArray]:
    """Exponential slopes about zero of many targets, leant to the equal split, walked forward: (T, N) and (T, k).

    A row in which the target or an instrument is missing counts for nothing. Returned are ``y - X h`` with the ratios
    of the rows before, NaN before ``least`` of them, shape (T, N); and the last ratios, shape (N, k).
    """
    total, n = y.shape
    k = x.shape[1]
    hedged = np.full((total, n), np.nan)
    ratios = np.full((n, k), np.nan)
    slopes = np.zeros(k)
    for j in range(n):
        seen = 0
        a = np.zeros((k, k))
        b = np.zeros(k)
        for t in range(total + 1):
            if t < total:
                known = np.isfinite(y[t, j])
                for i in range(k):
                    known = known and np.isfinite(x[t, i])
                if not known:
                    continue
            if seen >= least:
                if k == 1:
                    slopes[0] = b[0] / a[0, 0] if a[0, 0] > 0.0 else 0.0
                else:
                    slopes = solve(a, b)
                left = y[t, j] if t < total else 0.0
                for i in range(k):
                    slope = slopes[i] if np.isfinite(slopes[i]) else 0.0
                    ratios[j, i] = (1.0 - shrink) * slope + shrink / k
                    if t < total:
                        left -= ratios[j, i] * x[t, i]
                if t < total:
                    hedged[t, j] = left
            if t < total:
                seen += 1
                for i in range(k):
                    b[i] = decay * b[i] + (1.0 - decay) * x[t, i] * y[t, j]
                    for m in range(i + 1):
                        a[i, m] = decay * a[i, m] + (1.0 - decay) * x[t, i] * x[t, m]
    return hedged, ratios


@nb.njit(cache=True, nogil=True)
def hedge_figures(unhedged: FloatArray, hedged: FloatArray, share: float, lags: int) -> FloatArray:
    """Figures of each hedge on the rows where both returns are known; (T, N) and (T, N) -> (N, 11).

    Number, first and last row; variance before and ``1 - Var(hedged) / Var(unhedged)``; the standard error of that by
    Newey-West; expected shortfall of the worst ``share`` before and after; the worst return before, and what it was
    after; and ``1 - sum hedged^2 / sum unhedged^2`` over the worst ``share`` of the returns before.
    """
    total, n = unhedged.shape
    out = np.full((n, 11), np.nan)
    u = np.empty(total)
    e = np.empty(total)
    score = np.empty(total)
    for j in range(n):
        count = 0
        mean_u = 0.0
        mean_e = 0.0
        for t in range(total):
            if np.isfinite(unhedged[t, j]) and np.isfinite(hedged[t, j]):
                u[count] = unhedged[t, j]
                e[count] = hedged[t, j]
                mean_u += u[count]
                mean_e += e[count]
                if count == 0:
                    out[j, 1] = t
                out[j, 2] = t
                count += 1
        out[j, 0] = count
        if count == 0:
            continue
        mean_u /= count
        mean_e /= count
        var_u = 0.0
        var_e = 0.0
        for i in range(count):
            var_u += (u[i] - mean_u) ** 2 / count
            var_e += (e[i] - mean_e) ** 2 / count
        out[j, 3] = var_u
        if not var_u > 0.0:
            continue
        value = 1.0 - var_e / var_u
        out[j, 4] = value
        for i in range(count):
            score[i] = ((1.0 - value) * ((u[i] - mean_u) ** 2 - var_u) - ((e[i] - mean_e) ** 2 - var_e)) / var_u
        long_run = 0.0
        for lag in range(min(lags, count - 1) + 1):
            product = 0.0
            for i in range(lag, count):
                product += score[i] * score[i - lag]
            long_run += (1.0 if lag == 0 else 2.0 * (1.0 - lag / (lags + 1))) * product
        out[j, 5] = np.sqrt(max(long_run, 0.0)) / count
        worst = int(np.ceil(share * count - 1e-9))
        order = np.argsort(u[:count], kind="mergesort")
        after = np.sort(e[:count])
        sums = np.zeros(4)
        for i in range(worst):
            sums[0] -= u[order[i]] / worst
            sums[1] -= after[i] / worst
            sums[2] += u[order[i]] ** 2
            sums[3] += e[order[i]] ** 2
        out[j, 6] = sums[0]
        out[j, 7] = sums[1]
        out[j, 8] = u[order[0]]
        out[j, 9] = e[order[0]]
        out[j, 10] = 1.0 - sums[3] / sums[2] if sums[2] > 0.0 else np.nan
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


@nb.njit(cache=True, nogil=True)
def rolling_lane(returns: FloatArray, market: FloatArray, window: int, out: FloatArray, first: int, last: int) -> bool:
    """Rolling slopes of columns ``first .. last-1`` into ``out`` (T, N); False, at once, if one of them has a hole.

    Rows are cut into blocks of ``window``. A window is the end of one block and the start of the next; the moments of
    both are running sums from their outer ends inwards, and are joined. Nothing is ever subtracted, so nothing drifts,
    and each sum is taken about its first member, so levels do not cancel.
    """
    total = returns.shape[0]
    lanes = last - first
    tail_mean = np.zeros((window + 1, lanes))
    tail_co = np.zeros((window + 1, lanes))
    tail_x = np.zeros(window + 1)
    tail_xx = np.zeros(window + 1)
    anchor = np.empty(lanes)
    sum_y = np.empty(lanes)
    sum_xy = np.empty(lanes)
    for start in range(0, total, window):
        stop = min(total, start + window)
        base = market[start]
        for j in range(lanes):
            anchor[j] = returns[start, first + j]
            sum_y[j] = 0.0
            sum_xy[j] = 0.0
        sum_x = 0.0
        sum_xx = 0.0
        for t in range(start, stop):
            head = t - start + 1
            tail = window - head
            u = market[t] - base
            sum_x += u
            sum_xx += u * u
            mean_x = sum_x / head
            weight = head * tail / window
            gap = tail_x[tail] - base - mean_x
            if start == 0:
                weight = 0.0
            spread = tail_xx[tail] + sum_xx - sum_x * mean_x + weight * gap * gap
            scale = 1.0 / spread if spread > 0.0 else np.nan
            lever = weight * gap
            inverse = 1.0 / head
            if start == 0 and tail > 0:
                for j in range(lanes):
                    v = returns[t, first + j] - anchor[j]
                    sum_y[j] += v
                    sum_xy[j] += u * v
                    out[t, first + j] = np.nan
            else:
                for j in range(lanes):
                    v = returns[t, first + j] - anchor[j]
                    s = sum_y[j] + v
                    p = sum_xy[j] + u * v
                    sum_y[j] = s
                    sum_xy[j] = p
                    drop = tail_mean[tail, j] - anchor[j] - s * inverse
                    out[t, first + j] = (tail_co[tail, j] + p - mean_x * s + lever * drop) * scale
        for j in range(lanes):
            if not np.isfinite(sum_xy[j]):
                return False
        if stop < total:
            base = market[stop - 1]
            for j in range(lanes):
                anchor[j] = returns[stop - 1, first + j]
                sum_y[j] = 0.0
                sum_xy[j] = 0.0
            sum_x = 0.0
            sum_xx = 0.0
            for t in range(stop - 1, start, -1):
                count = stop - t
                u = market[t] - base
                sum_x += u
                sum_xx += u * u
                mean_x = sum_x / count
                tail_x[count] = base + mean_x
                tail_xx[count] = sum_xx - sum_x * mean_x
                inverse = 1.0 / count
                for j in range(lanes):
                    v = returns[t, first + j] - anchor[j]
                    s = sum_y[j] + v
                    p = sum_xy[j] + u * v
                    sum_y[j] = s
                    sum_xy[j] = p
                    tail_mean[count, j] = anchor[j] + s * inverse
                    tail_co[count, j] = p - mean_x * s
    return True


@nb.njit(cache=True, nogil=True)
def _gather(y: FloatArray, market: FloatArray, at: int, step: int, length: int, moments: FloatArray) -> None:
    """Running count, means and centred moments of the known pairs from ``at`` on; ``moments`` (length + 1, 5)."""
    moments[0] = 0.0
    n = 0.0
    base_x = base_y = sum_x = sum_y = sum_xx = sum_xy = 0.0
    for i in range(length):
        a = market[at + step * i]
        b = y[at + step * i]
        if np.isfinite(a) and np.isfinite(b):
            if n == 0.0:
                base_x = a
                base_y = b
            n += 1.0
            u = a - base_x
            v = b - base_y
            sum_x += u
            sum_y += v
            sum_xx += u * u
            sum_xy += u * v
        row = moments[i + 1]
        row[0] = n
        if n > 0.0:
            row[1] = base_x + sum_x / n
            row[2] = base_y + sum_y / n
            row[3] = sum_xx - sum_x * sum_x / n
            row[4] = sum_xy - sum_x * sum_y / n
        else:
            row[1:] = 0.0


@nb.njit(cache=True, nogil=True)
def rolling_sparse(y: FloatArray, market: FloatArray, window: int, least: int, out: FloatArray) -> None:
    """Rolling slopes of one column with holes: rows in which both are known count; (T,) and (T,) -> ``out`` (T,).

    The same joining of two running sums as in :func:`rolling_lane`, with a count of its own.
    """
    total = y.shape[0]
    head = np.zeros((window + 1, 5))
    tail = np.zeros((window + 1, 5))
    for start in range(0, total, window):
        length = min(window, total - start)
        _gather(y, market, start, 1, length, head)
        for t in range(start, start + length):
            h = head[t - start + 1]
            k = tail[window - (t - start + 1)]
            n = h[0] + k[0]
            out[t] = np.nan
            if n >= least and n > 0.0:
                weight = h[0] * k[0] / n
                gap = k[1] - h[1]
                spread = h[3] + k[3] + weight * gap * gap
                if spread > 0.0:
                    out[t] = (h[4] + k[4] + weight * gap * (k[2] - h[2])) / spread
        if length == window:
            _gather(y, market, start + window - 1, -1, window - 1, tail)
            tail[window] = 0.0
