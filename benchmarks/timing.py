"""Time contenders in turns, so that a busy machine is busy for all of them, and say what machine it was."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender: median, best, worst, and how often it ran."""

    name: str
    median: float
    best: float
    worst: float
    runs: int


def race(contenders: Mapping[str, Callable[[], object]], *, rounds: int = 7, seconds: float = 60.0) -> list[Timing]:
    """Run every contender once to warm up, then in turns until ``rounds`` are done or its share of time is spent."""
    for run in contenders.values():
        run()
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            if sum(spent[name]) > seconds and len(spent[name]) >= 3:
                continue
            begun = time.perf_counter()
            run()
            spent[name].append(time.perf_counter() - begun)
    return [Timing(n, statistics.median(s), min(s), max(s), len(s)) for n, s in spent.items()]


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((li.split(":", 1)[1].strip() for li in info.read_text().splitlines() if "model name" in li), cpu)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def versions(*packages: str) -> dict[str, str]:
    """Versions of the packages that took part."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def peak_megabytes() -> float:
    """Largest resident memory of this process so far.

    Linux carries the figure of ``getrusage`` over from the process that started this one; its own is in ``/proc``.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(name: str, title: str, ours: str, timings: list[Timing], **extra: object) -> None:
    """Print the ratio table and write ``results/<name>.json``."""
    base = next(t for t in timings if t.name == ours)
    print(f"\n{title}")
    for t in sorted(timings, key=lambda t: t.median):
        print(f"  {t.name:<46} {t.median * 1e3:>12.2f} ms   {t.median / base.median:>9.2f} x ours   ({t.runs} runs)")
    for key, value in extra.items():
        print(f"  {key.replace('_', ' ')}: {value}")
    RESULTS.mkdir(exist_ok=True)
    content = {
        "title": title,
        "machine": machine(),
        "ours": ours,
        "ratios_to_ours": {t.name: t.median / base.median for t in timings},
        "timings_seconds": [asdict(t) for t in timings],
        **extra,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
