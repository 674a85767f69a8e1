"""Cold start of the command line: ``stormsail --help`` against ``freqtrade --help``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.timing import race, report, versions

BIN = Path(sys.executable).parent


def _call(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Run whole processes in turns."""
    timings = race(
        {
            "python -c pass": lambda: _call(sys.executable, "-c", "pass"),
            "stormsail --help": lambda: _call(str(BIN / "stormsail"), "--help"),
            "freqtrade --help": lambda: _call(str(BIN / "freqtrade"), "--help"),
        },
        rounds=15,
    )
    report("startup", "Cold start of --help", "stormsail --help", timings, versions=versions("freqtrade", "typer"))
