"""Counter-based numbers: published vectors, a plain-Python twin, the transforms, and their distributions far out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stormsail.core import InputError
from stormsail.lab.random import normals, students, uniforms, words

MASK = 2**32 - 1


def philox(counter: list[int], key: list[int], rounds: int) -> list[int]:
    """Philox4x32 as the paper writes it, in whole numbers."""
    c, k = list(counter), list(key)
    for _ in range(rounds):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK, (a >> 32) ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


# Random123 (D. E. Shaw Research), kat_vectors: rounds, counter, key, answer
VECTORS = [
    (7, "00000000 00000000 00000000 00000000 00000000 00000000", "5f6fb709 0d893f64 4f121f81 4f730a48"),
    (7, "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff", "5207ddc2 45165e59 4d8ee751 8c52f662"),
    (7, "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0", "4dfccaba 190a87f0 c47362ba b6b5242a"),
    (10, "00000000 00000000 00000000 00000000 00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (10, "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (10, "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("rounds", "asked", "answer"), VECTORS)
def test_published_vectors(rounds: int, asked: str, answer: str) -> None:
    given_words = [int(w, 16) for w in asked.split()]
    wanted = [int(w, 16) for w in answer.split()]
    assert philox(given_words[:4], given_words[4:], rounds) == wanted
    if given_words[3] <= MASK and given_words[1] < 2**31:  # paths of ours stay below 2^63
        c, k = given_words[:4], given_words[4:]
        found = words(k[0] | k[1] << 32, c[3] >> 2, c[0] | c[1] << 32, 1, c[2], purpose=c[3] & 3, rounds=rounds)
        assert found[:, 0].tolist() == wanted


@given(
    st.integers(0, 2**64 - 1), st.integers(0, 2**30 - 1), st.integers(0, 2**62), st.integers(0, MASK),
    st.integers(0, 3), st.integers(1, 40),
)  # fmt: skip
def test_kernel_is_the_plain_cipher(seed: int, stream: int, first: int, step: int, purpose: int, count: int) -> None:
    found = words(seed, stream, first, count, step, purpose=purpose)
    for i in (0, count - 1):
        path = first + i
        counter = [path & MASK, path >> 32, step, stream * 4 + purpose]
        assert found[:, i].tolist() == philox(counter, [seed & MASK, seed >> 32], 10)


def test_numbers_do_not_depend_on_the_cut() -> None:
    whole = words(5, 3, 0, 1000, 7)
    parts = [words(5, 3, start, 1000 - start if start == 700 else 350, 7) for start in (0, 350, 700)]
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis=1))
    across = words(5, 3, 2**32 - 3, 6, 7)  # the path's low word wraps into its high one
    np.testing.assert_array_equal(across[:, 3:], words(5, 3, 2**32, 3, 7))


def log2_twin(x: np.ndarray) -> np.ndarray:
    """The kernel's logarithm, operation by operation."""
    f = np.float32
    bits = x.view(np.int32)
    power = (bits - np.int32(0x3F3504F3)) >> 23
    m = (bits - (power << 23)).view(np.float32) - f(1)
    p = np.full_like(m, f(0.122805283))
    for c in (
        -0.205705607, 0.21611913, -0.239194906, 0.287901753, -0.360692108, 0.480910768, -0.721347482, 1.442695,
    ):  # fmt: skip
        p = p * m + f(c)
    return power.astype(np.float32) + m * p


def exp2_twin(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kernel's power of two."""
    f = np.float32
    k = (y + f(127)).astype(np.int32) - np.int32(127)
    m = y - k.astype(np.float32)
    p = np.full_like(m, f(0.000207343329))
    for c in (0.00127128177, 0.00965041499, 0.0554966468, 0.240227128, 0.693147172):
        p = p * m + f(c)
    return ((k + np.int32(127)) << 23).view(np.float32), m * p


def turn_twin(word: np.ndarray) -> np.ndarray:
    """The kernel's cosine."""
    f = np.float32
    t = word.view(np.int32).astype(np.float32) * f(2.0**-32)
    y = f(0.25) - np.abs(t)
    q = y * y
    p = np.full_like(q, f(39.7100237))
    for c in (-76.5748772, 81.6022266, -41.3416774, 6.28318527):
        p = p * q + f(c)
    return y * p


def depth_twin(word: np.ndarray) -> np.ndarray:
    """The kernel's ``-log2 u``."""
    return np.maximum(-log2_twin((word.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)), np.float32(0))


def normals_twin(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.sqrt(np.float32(1.38629436) * depth_twin(radius)) * turn_twin(angle)


def students_twin(radius: np.ndarray, angle: np.ndarray, nu: float) -> tuple[np.ndarray, np.ndarray]:
    """Shocks, and nu - 2 plus the squared radius."""
    f = np.float32
    whole, rest = exp2_twin(depth_twin(radius) * f(2.0 / nu))
    beyond = whole * rest + (whole - f(1))
    return f(math.sqrt(nu - 2)) * np.sqrt(beyond) * turn_twin(angle), f(nu - 2) * (beyond + f(1))


EDGES = np.array([0, 1, 2, 2**24 - 1, 2**24, 2**31 - 1, 2**31, MASK - 255, MASK - 128, MASK], np.uint32)


@pytest.mark.parametrize("nu", [2.1, 3.0, 4.0, 7.5, 200.0])
def test_students_equal_a_twin_bit_for_bit_and_exact_arithmetic_closely(nu: float) -> None:
    drawn = words(1, 0, 0, 20_000, 0)
    radius = np.concatenate([drawn[0], EDGES, EDGES])
    angle = np.concatenate([drawn[1], EDGES, EDGES[::-1]])
    found = students(radius, angle, nu)
    np.testing.assert_array_equal(found.view(np.int32), students_twin(radius, angle, nu)[0].view(np.int32))
    far = students(radius, np.zeros_like(radius), nu).astype(np.float64) ** 2  # an angle of 0: the radius alone
    exact = (nu - 2) * np.expm1(-2 / nu * np.log(uniforms(radius)))
    assert (np.abs(far - exact) <= 5e-7 + 5e-6 * exact).all()


def test_normals_equal_a_twin_bit_for_bit_and_exact_arithmetic_closely() -> None:
    drawn = words(2, 0, 0, 100_000, 0)
    radius, angle = np.concatenate([drawn[0], EDGES]), np.concatenate([drawn[1], EDGES[::-1]])
    found = normals(radius, angle)
    np.testing.assert_array_equal(found.view(np.int32), normals_twin(radius, angle).view(np.int32))
    far = normals(radius, np.zeros_like(radius)).astype(np.float64) ** 2
    exact = -2 * np.log(uniforms(radius))
    assert (np.abs(far - exact) <= 3e-7 + 1e-6 * exact).all()
    assert far.max() == pytest.approx(-2 * math.log(2.0**-33), rel=1e-6)  # 6.76 is the largest
    longest = np.zeros_like(angle)
    turned = normals(longest, angle) / normals(longest, longest)
    assert np.abs(turned - np.cos(2 * np.pi * (angle.view(np.int32) * 2.0**-32))).max() < 4e-7


def drawn_shocks(nu: float, steps: int) -> np.ndarray:
    found = []
    for step in range(steps):
        w = words(77, 1, 0, 1_000_000, step)
        found += [students(w[0], w[1], nu), students(w[2], w[3], nu)]
    return np.concatenate(found).astype(np.float64)


def test_normal_moments_shape_and_tails_to_five_sigma() -> None:
    z = drawn_shocks(math.inf, 6)
    n = len(z)
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs(z.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 4 * math.sqrt(96 / n)
    assert stats.kstest(z[:2_000_000], "norm").pvalue > 1e-3
    for sigma in (1.0, 2.0, 3.0, 4.0, 4.5, 5.0):
        for found in ((z > sigma).sum(), (z < -sigma).sum()):
            wanted = n * stats.norm.sf(sigma)
            assert stats.poisson.cdf(found, wanted) > 1e-4
            assert stats.poisson.sf(found - 1, wanted) > 1e-4


@pytest.mark.parametrize("nu", [3.0, 5.0])
def test_student_shape_and_tails(nu: float) -> None:
    z = drawn_shocks(nu, 2)
    t = z * math.sqrt(nu / (nu - 2))
    n = len(t)
    assert abs(np.sign(t).mean()) < 4 / math.sqrt(n)
    assert stats.kstest(t[:1_000_000], "t", args=(nu,)).pvalue > 1e-3
    for level in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        far = stats.t.isf(level, nu)
        for found in ((t > far).sum(), (t < -far).sum()):
            assert stats.poisson.cdf(found, n * level) > 1e-4
            assert stats.poisson.sf(found - 1, n * level) > 1e-4


def test_streams_seeds_steps_and_paths_are_unrelated() -> None:
    n = 400_000
    base = uniforms(words(9, 0, 0, n, 0)[0])
    others = {
        "next word": words(9, 0, 0, n, 0)[1],
        "next step": words(9, 0, 0, n, 1)[0],
        "next path": words(9, 0, 1, n, 0)[0],
        "next stream": words(9, 1, 0, n, 0)[0],
        "next seed": words(10, 0, 0, n, 0)[0],
        "next purpose": words(9, 0, 0, n, 0, purpose=1)[0],
    }
    for name, other in others.items():
        u = uniforms(other)
        for a, b in ((base, u), (np.abs(base - 0.5), np.abs(u - 0.5))):
            assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(n), name
    table = np.histogram2d(base, uniforms(others["next stream"]), bins=16, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(table.ravel()).pvalue > 1e-3


def test_what_has_no_room_is_refused() -> None:
    for bad in ({"seed": -1}, {"seed": 2**64}, {"stream": 2**30}, {"step": 2**32}, {"first": -1}, {"purpose": 4}):
        asked = {"seed": 0, "stream": 0, "first": 0, "count": 1, "step": 0, "purpose": 0} | bad
        with pytest.raises(InputError):
            words(**asked)
    with pytest.raises(InputError, match="degrees of freedom"):
        students(np.zeros(1, np.uint32), np.zeros(1, np.uint32), 2.0)
