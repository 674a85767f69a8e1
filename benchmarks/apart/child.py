"""What every contender does: make itself ready, then obey the words that come in."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def peak_megabytes() -> float:
    """Largest resident memory of this process so far."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if "VmHWM" in line) / 1024


def obey(once: Callable[[], float | None], about: Mapping[str, object]) -> None:
    """Warm up, tell about oneself, then ``once`` or ``peak`` until the end.

    Args:
        once: Runs once; returns seconds if not all of it counts.
        about: Told at the start.
    """
    loaded = peak_megabytes()
    once()
    print("> " + json.dumps({**about, "loaded_mb": round(loaded)}), flush=True)
    for word in sys.stdin:
        if word.strip() == "peak":
            print(f"> {peak_megabytes()}", flush=True)
            continue
        begun = time.perf_counter()
        counted = once()
        print(f"> {time.perf_counter() - begun if counted is None else counted!r}", flush=True)
