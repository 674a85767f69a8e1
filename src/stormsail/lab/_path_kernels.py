"""Compiled loops of the random paths: numbers from counters, the walk of a price, and what becomes of a short.

Everything is single precision and made of ``+ - * /``, square roots, comparisons and bit operations, each rounded as
IEEE 754 says and none fused or re-ordered (no fastmath). So a path has the same bits on every machine, in every vector
width and however the paths are divided. Paths run in the inner loops, where the compiler turns them into vectors.
"""

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

F = np.float32
I = np.int32  # noqa: E741  (the names of the three machine types, used on every line)
U = np.uint32
W = np.uint64

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Words = NDArray[np.uint32]

LANES = 512
"""Paths advanced together: their state stays in the first cache."""

SHOCKS, BRIDGES, JUMPS, DRAWS = 0, 1, 2, 3
"""Purposes a stream's numbers are divided by, so that switching one feature on leaves the others' draws alone."""


class Law(NamedTuple):
    """How a log price moves in one step; see :class:`stormsail.lab.paths.Walk`. Single precision throughout."""

    start: np.float32
    omega: np.float32
    alpha: np.float32
    leverage: np.float32
    beta: np.float32
    ceiling: np.float32
    drift: np.float32
    tail: np.float32  # 2 / nu, or 0 for normal shocks
    scale: np.float32  # sqrt(nu - 2), or sqrt(2 ln 2)
    width: np.float32  # nu - 2, or 1
    reach: np.float32  # 2 / (nu + 2), or 0
    jump_mean: np.float32
    jump_sd: np.float32
    one: np.uint32  # words at or above these make one, two, three, four jumps
    two: np.uint32
    three: np.uint32
    four: np.uint32
    heavy: bool
    moving: bool
    bridge: bool
    jumps: bool


class Terms(NamedTuple):
    """What keeps the short alive; see :class:`stormsail.lab.paths.PassageSpec`. Fractions of notional at the start."""

    funding: np.float32
    slope: np.float32
    cap: np.float32
    every: int
    amount: np.float32
    most: int
    latency: int


@nb.njit(nogil=True, forceinline=True, error_model="numpy")
def philox(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64, rounds: int
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Philox4x32: four random words of a counter of four words and a key of two.

    Words are kept in the lower halves of 64-bit lanes, so that one multiplication gives high and low half at once; what
    gathers in the upper halves is never looked at.

    Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", SC11, section 3.3.
    """
    low = W(0xFFFFFFFF)
    for _ in range(rounds):
        p0 = W(0xD2511F53) * (c0 & low)
        p1 = W(0xCD9E8D57) * (c2 & low)
        c0, c1, c2, c3 = (p1 >> W(32)) ^ c1 ^ k0, p1, (p0 >> W(32)) ^ c3 ^ k1, p0
        k0 = (k0 + W(0x9E3779B9)) & low
        k1 = (k1 + W(0xBB67AE85)) & low
    return U(c0), U(c1), U(c2), U(c3)


@nb.njit(nogil=True, forceinline=True, error_model="numpy")
def log2(x: np.float32) -> np.float32:
    """Binary logarithm of a positive normal number; relative error below 2e-7 away from 1, absolute below 2e-7 near."""
    bits = F(x).view(np.int32)
    power = I(I(bits - I(0x3F3504F3)) >> I(23))
    f = I(bits - I(power << I(23))).view(np.float32) - F(1.0)
    p = F(0.122805283)
    p = p * f + F(-0.205705607)
    p = p * f + F(0.21611913)
    p = p * f + F(-0.239194906)
    p = p * f + F(0.287901753)
    p = p * f + F(-0.360692108)
    p = p * f + F(0.480910768)
    p = p * f + F(-0.721347482)
    p = p * f + F(1.442695)
    return F(power) + f * p


@nb.njit(nogil=True, forceinline=True, error_model="numpy")
def power_of_two(y: np.float32) -> tuple[np.float32, np.float32]:
    """``(2^k, 2^(y-k) - 1)`` with ``k`` the integer below ``y``, from -126 to 127; relative error below 1e-7."""
    k = I(I(y + F(127.0)) - I(127))
    f = y - F(k)
    p = F(0.000207343329)
    p = p * f + F(0.00127128177)
    p = p * f + F(0.00965041499)
    p = p * f + F(0.0554966468)
    p = p * f + F(0.240227128)
    p = p * f + F(0.693147172)
    return I(I(k + I(127)) << I(23)).view(np.float32), f * p


@nb.njit(nogil=True, forceinline=True, error_model="numpy")
def exp(x: np.float32) -> np.float32:
    """Exponential, held between e^-80 and e^80."""
    x = x if x < F(80.0) else F(80.0)
    x = x if x > F(-80.0) else F(-80.0)
    whole, rest = power_of_two(x * F(1.44269504))
    found: np.float32 = whole + whole * rest
    return found


@nb.njit(nogil=True, forceinline=True, error_model="numpy")
def turn(word: np.uint32) -> np.float32:
    """Cosine of a uniform angle; absolute error below 2e-7."""
    t = F(I(word)) * F(2.0**-32)
    y = F(0.25) - abs(t)
    q = y * y
    p = F(39.7100237)
    p = p * q + F(-76.5748772)
    p = p * q + F(81.6022266)
    p = p * q + F(-41.3416774)
    p = p * q + F(6.28318527)
    return y * p


@nb.njit(nogil=True, forceinline=True, error_model="numpy")
def depth(word: np.uint32) -> np.float32:
    """``-log2 u`` of a uniform ``u = (word + 1/2) / 2^32``: from 0 to 33."""
    found = -log2((F(word) + F(0.5)) * F(2.0**-32))
    return found if found > F(0.0) else F(0.0)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def fill(out: Words, first: int, step: int, stream: int, purpose: int, seed: np.uint64, rounds: int) -> None:
    """Words of the counters ``(path, step, stream and purpose)`` under the key ``seed``; out has shape (4, lanes)."""
    k0 = W(seed) & W(0xFFFFFFFF)
    k1 = W(seed) >> W(32)
    c3 = W(stream) * W(4) + W(purpose)
    for i in range(out.shape[1]):
        path = W(first) + W(i)
        a, b, c, d = philox(path & W(0xFFFFFFFF), path >> W(32), W(step), c3, k0, k1, rounds)
        out[0, i] = a
        out[1, i] = b
        out[2, i] = c
        out[3, i] = d


@nb.njit(cache=True, nogil=True, error_model="numpy")
def normals(radius: Words, angle: Words, out: Floats) -> None:
    """Standard normals ``sqrt(-2 ln u) cos(2 pi v)`` (Box & Muller 1958)."""
    for i in range(out.shape[0]):
        out[i] = math.sqrt(F(1.38629436) * depth(radius[i])) * turn(angle[i])


@nb.njit(cache=True, nogil=True, error_model="numpy")
def students(
    radius: Words, angle: Words, tail: np.float32, scale: np.float32, width: np.float32, out: Floats, mixed: Floats
) -> None:
    """Student's t of unit variance, ``sqrt(nu - 2) sqrt(u^(-2/nu) - 1) cos(2 pi v)`` (Bailey 1994), and in ``mixed``
    ``nu - 2`` plus the squared radius, which is what a bridge needs to know of the step.
    """
    for i in range(out.shape[0]):
        whole, rest = power_of_two(depth(radius[i]) * tail)
        mixed[i] = whole * rest + (whole - F(1.0))
    for i in range(out.shape[0]):
        out[i] = scale * math.sqrt(mixed[i]) * turn(angle[i])
        mixed[i] = width * (mixed[i] + F(1.0))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _advance(x: Floats, h: Floats, z: Floats, mixed: Floats, law: Law, before: Floats, var: Floats) -> None:
    """One step of log price and variance; ``before`` keeps the old price, ``var`` the variance of the bridge."""
    if not law.moving:
        sd = math.sqrt(law.start)
        for i in range(x.shape[0]):
            before[i] = x[i]
            var[i] = law.start * mixed[i]
            x[i] = x[i] + (law.drift + sd * z[i])
        return
    for i in range(x.shape[0]):
        shock = math.sqrt(h[i]) * z[i]
        before[i] = x[i]
        var[i] = h[i] * mixed[i]
        x[i] = x[i] + (law.drift + shock)
        weight = law.alpha + (law.leverage if shock < F(0.0) else F(0.0))
        new = law.omega + weight * (shock * shock) + law.beta * h[i]
        h[i] = new if new < law.ceiling else law.ceiling


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _bridge(word: Words, law: Law, before: Floats, x: Floats, var: Floats, high: Floats) -> None:
    """Highest log price within the step, ``(a + b + sqrt((b - a)^2 + 2 v E)) / 2`` with E exponential.

    Of a t step the variance ``v`` is itself random. Given the step's radius R it is ``h (nu - 2 + R^2) / 2`` over a
    gamma number of shape ``nu/2 + 1``, and E over such a one has ``P(> s) = (1 + s)^(-nu/2 - 1)``. So ``2 v E`` is
    drawn exactly, as ``h (nu - 2 + R^2) (u^(-2/(nu + 2)) - 1)``.
    """
    if law.heavy:
        for i in range(x.shape[0]):
            whole, rest = power_of_two(depth(word[i]) * law.reach)
            move = x[i] - before[i]
            spread = var[i] * (whole * rest + (whole - F(1.0)))
            high[i] = F(0.5) * (before[i] + x[i] + math.sqrt(move * move + spread))
        return
    for i in range(x.shape[0]):
        move = x[i] - before[i]
        spread = F(1.38629436) * (var[i] * depth(word[i]))
        high[i] = F(0.5) * (before[i] + x[i] + math.sqrt(move * move + spread))


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _jump(words: Words, law: Law, x: Floats, high: Floats) -> None:
    """Add the jumps that fall into a step, at its end."""
    for i in range(x.shape[0]):
        n = F(0.0)
        n = n + (F(1.0) if words[0, i] >= law.one else F(0.0))
        n = n + (F(1.0) if words[0, i] >= law.two else F(0.0))
        n = n + (F(1.0) if words[0, i] >= law.three else F(0.0))
        n = n + (F(1.0) if words[0, i] >= law.four else F(0.0))
        z = math.sqrt(F(1.38629436) * depth(words[1, i])) * turn(words[2, i])
        x[i] = x[i] + (n * law.jump_mean + math.sqrt(n) * law.jump_sd * z)
        high[i] = x[i] if x[i] > high[i] else high[i]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _level(cash: Floats, amount: np.float32, tops: Ints, parts: Floats, shifts: Floats, out: Floats) -> None:
    """Log of the lowest root ``parts (1 + cash + amount tops) + shifts``: where the short meets one of its lines."""
    for i in range(out.shape[0]):
        out[i] = F(3e38)
    for n in range(parts.shape[0]):
        part = parts[n]
        shift = shifts[n]
        for i in range(out.shape[0]):
            root = part * (F(1.0) + (cash[i] + amount * F(tops[i]))) + shift
            out[i] = root if root < out[i] else out[i]
    for i in range(out.shape[0]):
        root = out[i] if out[i] > F(1e-30) else F(1e-30)
        out[i] = F(0.693147181) * log2(root)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _settle(x: Floats, last: Floats, terms: Terms, cash: Floats) -> None:
    """Funding of one settlement: ``clip(funding + slope * move since the last, -cap, cap) * price``."""
    for i in range(x.shape[0]):
        rate = terms.funding + terms.slope * (x[i] - last[i])
        rate = rate if rate < terms.cap else terms.cap
        rate = rate if rate > -terms.cap else -terms.cap
        cash[i] = cash[i] + rate * exp(x[i])
        last[i] = x[i]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _arrive(now: int, due: Ints, dead: Ints, tops: Ints) -> int:
    """Book the top-ups that are due where there is still something to save; how many they are."""
    moment = I(now)
    found = I(0)
    for i in range(due.shape[0]):
        here = I(1) if (due[i] == moment) & (dead[i] == I(0)) else I(0)
        tops[i] = I(tops[i] + here)
        due[i] = I(-1) if here == I(1) else due[i]
        found = I(found + here)
    return int(found)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _ask(then: int, high: Floats, warn: Floats, dead: Ints, most: int, tops: Ints, due: Ints) -> None:
    """Ask for a top-up where the price has reached the warning and none is on its way."""
    arrival = I(then)
    limit = I(most)
    for i in range(due.shape[0]):
        wanted = (high[i] >= warn[i]) & (dead[i] == I(0)) & (due[i] < I(0)) & (tops[i] < limit)
        due[i] = arrival if wanted else due[i]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _test(step: int, high: Floats, level: Floats, dead: Ints, gap: Floats) -> None:
    """Mark the paths whose high has reached the level, and keep the smallest distance to it while they live."""
    now = I(step)
    for i in range(dead.shape[0]):
        left = level[i] - high[i]
        gap[i] = left if (left < gap[i]) & (dead[i] == I(0)) else gap[i]
        dead[i] = now if (left <= F(0.0)) & (dead[i] == I(0)) else dead[i]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def walk(
    first: int,
    steps: int,
    seed: np.uint64,
    stream: int,
    law: Law,
    terms: Terms,
    barrier: tuple[Floats, Floats],
    warning: tuple[Floats, Floats],
    plain: Ints,
    topped: Ints,
    tops: Ints,
    gap: Floats,
    end: Floats,
    cash: Floats,
) -> None:
    """Walk the paths ``first, first + 1, ...`` and say what became of the short on each.

    Out, one per path: step of liquidation without and with top-ups (0 for none), top-ups that arrived, smallest log
    distance to liquidation with them, log price at the end, and funding received. The output's length must be a whole
    number of blocks of ``LANES``.
    """
    ladder = terms.most > 0
    words = np.empty((4, LANES), U)
    bridges = np.empty((4, LANES), U)
    jumps = np.empty((4, LANES), U)
    z = np.empty(LANES, F)
    mixed = np.ones(LANES, F)
    h = np.empty(LANES, F)
    before = np.empty(LANES, F)
    var = np.empty(LANES, F)
    high = np.empty(LANES, F)
    last = np.empty(LANES, F)
    alone = np.empty(LANES, F)
    level = np.empty(LANES, F)
    warn = np.empty(LANES, F)
    wide = np.empty(LANES, F)
    due = np.empty(LANES, I)
    none = np.zeros(LANES, I)
    for block in range(0, plain.shape[0], LANES):
        here = slice(block, block + LANES)
        x, dead, saved, added, least, paid = end[here], plain[here], topped[here], tops[here], gap[here], cash[here]
        x[:] = F(0.0)
        h[:] = law.start
        last[:] = F(0.0)
        dead[:] = I(0)
        saved[:] = I(0)
        added[:] = I(0)
        due[:] = I(-1)
        least[:] = F(1e30)
        wide[:] = F(1e30)
        paid[:] = F(0.0)
        _level(paid, terms.amount, none, barrier[0], barrier[1], alone)
        stale = True
        for t in range(steps):
            if ladder:
                stale = _arrive(t, due, saved, added) > 0 or stale
                if stale:
                    _level(paid, terms.amount, added, barrier[0], barrier[1], level)
                    _level(paid, terms.amount, added, warning[0], warning[1], warn)
                    stale = False
            if t % 2 == 0:
                fill(words, first + block, t // 2, stream, SHOCKS, seed, 10)
            at = 2 * (t % 2)
            if law.heavy:
                students(words[at], words[at + 1], law.tail, law.scale, law.width, z, mixed)
            else:
                normals(words[at], words[at + 1], z)
            _advance(x, h, z, mixed, law, before, var)
            if law.bridge:
                if t % 4 == 0:
                    fill(bridges, first + block, t // 4, stream, BRIDGES, seed, 10)
                _bridge(bridges[t % 4], law, before, x, var, high)
            else:
                high[:] = x
            if law.jumps:
                fill(jumps, first + block, t, stream, JUMPS, seed, 10)
                _jump(jumps, law, x, high)
            if ladder:
                _test(t + 1, high, alone, dead, wide)
                _test(t + 1, high, level, saved, least)
                _ask(t + 1 + terms.latency, high, warn, saved, terms.most, added, due)
            else:
                _test(t + 1, high, alone, dead, least)
            if terms.every > 0 and (t + 1) % terms.every == 0:
                _settle(x, last, terms, paid)
                _level(paid, terms.amount, none, barrier[0], barrier[1], alone)
                stale = True
        if not ladder:
            saved[:] = dead
