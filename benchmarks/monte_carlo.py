"""First passage of a short on 100,000 paths of 720 Student-t steps, against NumPy and bare random numbers."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba as nb
import numpy as np

from benchmarks.timing import race, report, versions
from stormsail.lab._path_kernels import fill
from stormsail.lab.envelope import Envelope
from stormsail.lab.paths import PassageSpec, simulate
from stormsail.lab.walk import Walk

PATHS, STEPS = 100_000, 720
SD, NU, COLLATERAL, RATE = 0.01, 4.0, 0.5, 0.01
BARRIER = math.log((1 + COLLATERAL) / (1 + RATE))
BATCH = 256
LANES = 4_096
LEAP = 48

OURS = "stormsail, 2 threads"
TARGET = "numpy, standard_t, compaction"


def ours(workers: int) -> float:
    """Ours, all counts taken (times, headroom, price); without the bridge, which the others do not draw either."""
    spec = PassageSpec(Walk(SD**2, nu=NU, bridge=False), STEPS, COLLATERAL, Envelope.flat(RATE))
    return simulate(spec, PATHS, workers=workers).liquidated.value


def _walked(draw: Callable[[int, int], np.ndarray]) -> float:
    """Steps in leaps of 48, paths in the inner axis, running sums in place, liquidated paths taken out."""
    hit = 0
    for start in range(0, PATHS, LANES):
        x = np.zeros(min(LANES, PATHS - start), np.float32)
        for _ in range(0, STEPS, LEAP):
            z = draw(LEAP, len(x))
            z[0] += x
            for k in range(1, LEAP):
                z[k] += z[k - 1]
            out = z.max(axis=0) >= BARRIER
            hit += int(out.sum())
            x = z[-1][~out].astype(np.float32)
    return hit / PATHS


def with_standard_t() -> float:
    """NumPy's own t, scaled in place."""
    rng = np.random.Generator(np.random.SFC64(1))

    def draw(steps: int, paths: int) -> np.ndarray:
        z = rng.standard_t(NU, (steps, paths))
        z *= SD * math.sqrt((NU - 2) / NU)
        return z

    return _walked(draw)


def with_normal_and_gamma() -> float:
    """Single-precision normal over the root of a single-precision gamma, in place."""
    rng = np.random.Generator(np.random.SFC64(1))

    def draw(steps: int, paths: int) -> np.ndarray:
        z = rng.standard_normal((steps, paths), dtype=np.float32)
        g = rng.standard_gamma(NU / 2, (steps, paths), dtype=np.float32)
        g *= np.float32(2 / (NU - 2))
        np.sqrt(g, out=g)
        z /= g
        z *= np.float32(SD)
        return z

    return _walked(draw)


def with_polar_floats() -> float:
    """The fastest NumPy we could write: Bailey's polar method in single precision, with its vector log, exp and cos."""
    rng = np.random.Generator(np.random.SFC64(1))

    def draw(steps: int, paths: int) -> np.ndarray:
        u = rng.random((steps, paths), dtype=np.float32)
        v = rng.random((steps, paths), dtype=np.float32)
        np.subtract(np.float32(1), u, out=u)
        np.log(u, out=u)
        u *= np.float32(-2 / NU)
        np.exp(u, out=u)
        u -= np.float32(1)
        u *= np.float32((NU - 2) * SD * SD)
        np.sqrt(u, out=u)
        v *= np.float32(2 * math.pi)
        np.cos(v, out=v)
        u *= v
        return u

    return _walked(draw)


def in_rows() -> float:
    """The textbook way: batches of whole paths, cumulative sum, any."""
    rng = np.random.Generator(np.random.SFC64(1))
    hit = 0
    for start in range(0, PATHS, BATCH):
        z = rng.standard_t(NU, (min(BATCH, PATHS - start), STEPS))
        z *= SD * math.sqrt((NU - 2) / NU)
        np.cumsum(z, axis=1, out=z)
        hit += int((z >= BARRIER).any(axis=1).sum())
    return hit / PATHS


@nb.njit(nogil=True)
def _fill_all(first: int, out: np.ndarray) -> None:
    for step in range(STEPS // 2):
        fill(out, first, step, 0, 0, np.uint64(1), 10)


def our_words(workers: int) -> None:
    """The limit of our generator: the two words of every step and nothing else."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda start: _fill_all(start, np.empty((4, 512), np.uint32)), range(0, PATHS, 512)))


def numpy_t() -> None:
    """NumPy's t alone."""
    rng = np.random.Generator(np.random.SFC64(1))
    for _ in range(0, PATHS, LANES):
        for _ in range(0, STEPS, LEAP):
            rng.standard_t(NU, (LEAP, LANES))


def numpy_uniforms() -> None:
    """NumPy's single-precision uniforms alone, two a step."""
    rng = np.random.Generator(np.random.SFC64(1))
    z = np.empty((LEAP, LANES), np.float32)
    for _ in range(0, PATHS, LANES):
        for _ in range(0, STEPS, LEAP):
            rng.random(out=z, dtype=np.float32)
            rng.random(out=z, dtype=np.float32)


CONTENDERS: dict[str, Callable[[], object]] = {
    OURS: lambda: ours(2),
    "stormsail, 1 thread": lambda: ours(1),
    TARGET: with_standard_t,
    "numpy, standard_t, rows": in_rows,
    "numpy, normal over gamma, float32, compaction": with_normal_and_gamma,
    "numpy, polar t by hand, float32, compaction": with_polar_floats,
    "our random words alone, 2 threads": lambda: our_words(2),
    "our random words alone, 1 thread": lambda: our_words(1),
    "numpy standard_t alone": numpy_t,
    "numpy uniforms alone, float32": numpy_uniforms,
}


def peak() -> float:
    """Largest resident memory of this process since it began, in MB (``ru_maxrss`` would inherit the parent's)."""
    line = next(li for li in Path("/proc/self/status").read_text().splitlines() if li.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024)


def _memory(name: str | None) -> float:
    """Peak of a process that imports this module and runs the contender, or nothing, in MB."""
    work = "pass" if name is None else f"m.CONTENDERS[{name!r}]()"
    code = f"from benchmarks import monte_carlo as m\n{work}\nprint(m.peak())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _cpu(run: Callable[[], object]) -> float:
    """Processor seconds of one run, all threads together, which the load of others hardly touches; least of three."""
    spent = []
    for _ in range(3):
        begun = time.process_time()
        run()
        spent.append(time.process_time() - begun)
    return min(spent)


def main() -> None:
    """Race, check that all agree, and weigh each in a process of its own."""
    load = [round(v, 1) for v in os.getloadavg()]
    exact = {name: round(float(run()), 5) for name, run in CONTENDERS.items() if "alone" not in name}  # type: ignore[arg-type]
    error = math.sqrt(2 * 0.13 * 0.87 / PATHS)
    if max(exact.values()) - min(exact.values()) > 5 * error:
        raise SystemExit(f"the contenders disagree: {exact}")
    timings = race(CONTENDERS, rounds=5)
    cpu = {name: _cpu(run) for name, run in CONTENDERS.items()}
    report(
        "monte_carlo",
        f"First passage, {PATHS:,} paths x {STEPS} steps, Student's t with {NU:g} degrees of freedom",
        OURS,
        timings,
        processor_seconds={name: round(spent, 3) for name, spent in cpu.items()},
        processor_seconds_to_those_of_one_thread_of_ours={
            name: round(spent / cpu["stormsail, 1 thread"], 2) for name, spent in cpu.items()
        },
        probability=exact,
        note="ours also keeps times, headroom and end prices; numpy runs on one thread; the load of others slows two "
        "threads more than one, see load_average_before",
        peak_memory_mb={name: _memory(name) for name in CONTENDERS},
        peak_memory_mb_of_imports_alone=_memory(None),
        load_average_before=load,
        versions=versions("numpy", "numba"),
    )
