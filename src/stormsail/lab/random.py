"""Random numbers from counters: every number is a function of seed, stream, path and step, and of nothing else.

So a path may be drawn by any worker, in any order and on any machine, and has the same bits. The generator is
Philox4x32 with ten rounds under the 64-bit key ``seed``; its counter is made of the path (64 bits), the step (32) and
the stream with its purpose (32). Every counter gives four words of 32 bits.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", SC11; it passes BigCrush.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stormsail.core import InputError

Floats = NDArray[np.float32]
Words = NDArray[np.uint32]

ROUNDS = 10
LARGEST_STREAM = 2**30 - 1
LARGEST_STEP = 2**32 - 1


def check(seed: int, stream: int) -> None:
    """Refuse a seed or a stream that the counters have no room for.

    Raises:
        InputError: If ``seed`` is not of 64 bits or ``stream`` not of 30.
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"seed {seed}", cure="give a number from 0 to 2^64 - 1", where="seed")
    if not 0 <= stream <= LARGEST_STREAM:
        raise InputError(f"stream {stream}", cure=f"give a number from 0 to {LARGEST_STREAM}", where="stream")


def words(
    seed: int, stream: int, first: int, count: int, step: int, *, purpose: int = 0, rounds: int = ROUNDS
) -> Words:
    """The four words of ``count`` consecutive paths at one step, shape (4, count).

    Raises:
        InputError: If seed, stream, path or step have no room in the counter.

    >>> [hex(word) for word in words(0, 0, 0, 1, 0)[:, 0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    from stormsail.lab._path_kernels import fill

    check(seed, stream)
    if not (first >= 0 and count >= 0 and first + count <= 2**63 and 0 <= step <= LARGEST_STEP and 0 <= purpose < 4):
        raise InputError(
            f"paths {first} to {first + count}, step {step}, purpose {purpose}",
            cure="paths fit 63 bits, steps 32, purposes 2",
        )
    out = np.empty((4, count), np.uint32)
    fill(out, first, step, stream, purpose, np.uint64(seed), rounds)
    return out


def uniforms(drawn: Words) -> NDArray[np.float64]:
    """``(word + 1/2) / 2^32``, strictly between 0 and 1; exact.

    >>> uniforms(np.array([0, 2**32 - 1], np.uint32)).tolist()
    [1.1641532182693481e-10, 0.9999999998835847]
    """
    return (drawn.astype(np.float64) + 0.5) * 2.0**-32


def normals(radius: Words, angle: Words) -> Floats:
    """Standard normals from two words each: ``sqrt(-2 ln u) cos(2 pi v)``, single precision.

    Against exact arithmetic on the same words the squared radius is off by less than 3e-7 plus 1e-6 of itself, the
    cosine by less than 4e-7. The largest is 6.76, as ``u >= 2^-33``.

    Source: Box & Muller 1958, Annals of Mathematical Statistics 29.
    """
    from stormsail.lab import _path_kernels as kernels

    out = np.empty(radius.shape, np.float32)
    kernels.normals(np.ascontiguousarray(radius), np.ascontiguousarray(angle), out)
    return out


def students(radius: Words, angle: Words, nu: float) -> Floats:
    """Student's t with ``nu`` degrees of freedom, scaled to unit variance, from two words each, single precision.

    ``sqrt(nu - 2) sqrt(u^(-2/nu) - 1) cos(2 pi v)``. Against exact arithmetic on the same words the squared radius is
    off by less than 5e-7 plus 5e-6 of itself. Infinite ``nu`` is normal.

    Raises:
        InputError: If ``nu`` is not above 2, where there is no variance.

    Source: Bailey 1994, "Polar generation of random variates with the t-distribution", Mathematics of Computation 62.
    """
    from stormsail.lab import _path_kernels as kernels

    if math.isinf(nu):
        return normals(radius, angle)
    tail, scale, width = polar(nu)
    out, mixed = np.empty(radius.shape, np.float32), np.empty(radius.shape, np.float32)
    kernels.students(np.ascontiguousarray(radius), np.ascontiguousarray(angle), tail, scale, width, out, mixed)
    return out


def polar(nu: float) -> tuple[np.float32, np.float32, np.float32]:
    """``2 / nu``, ``sqrt(nu - 2)`` and ``nu - 2`` of a finite ``nu`` in single precision.

    Raises:
        InputError: If ``nu`` is not finite and above 2.
    """
    if not 2.0 < nu < math.inf:
        raise InputError(f"{nu} degrees of freedom", cure="give a number above 2, or infinity for normal", where="nu")
    return np.float32(2.0 / nu), np.float32(math.sqrt(nu - 2.0)), np.float32(nu - 2.0)
