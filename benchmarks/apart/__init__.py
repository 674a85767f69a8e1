"""Contenders that cannot share an environment with the others: each in its own, in a process of its own.

A contender is a script that reads a file of arrays, makes itself ready, and then obeys one word a line: ``once`` runs
and answers with the seconds it took, ``peak`` answers with the largest memory so far.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent


def python_of(peer: str) -> Path:
    """Python of ``.venv-peers-<peer>``, made from ``<peer>.txt`` if it is not there or older than that."""
    environment, lock = ROOT / f".venv-peers-{peer}", HERE / f"{peer}.txt"
    python, ready = environment / "bin" / "python", environment / ".ready"
    if not ready.exists() or ready.stat().st_mtime < lock.stat().st_mtime:
        print(f"Setting up {environment.name}", flush=True)
        uv = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")
        subprocess.run([uv, "venv", "-q", "--allow-existing", "--python", sys.executable, environment], check=True)
        install = [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", lock]
        subprocess.run(install, check=True)
        ready.touch()
    return python


class Contender:
    """A process that waits to be asked."""

    def __init__(self, python: Path | str, script: str, *words: str) -> None:
        self.process = subprocess.Popen(
            [python, "-m", f"benchmarks.apart.{script}", *words], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.told = json.loads(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if line.startswith("> "):  # a contender's own chatter is passed over
                return line[2:]
        raise RuntimeError(f"{self.process.args} ended")

    def ask(self, word: str) -> float:
        """Send a word and read the number that comes back."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
