"""Run every check the project holds itself to, in the order of their cost; ``make test`` calls this."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
BIN = Path(PYTHON).parent

CHECKS: dict[str, list[str]] = {
    "lint": [PYTHON, "-m", "ruff", "check", "."],
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "imports": [PYTHON, "-c", "from importlinter.cli import lint_imports_command as main; main()"],
    "types": [PYTHON, "-m", "mypy"],
    "docs": [PYTHON, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", ".venv/site"],
    "tests": [PYTHON, "-m", "pytest", "-n", "2", "--dist", "loadfile", *sys.argv[1:]],
}


def main() -> int:
    """Run the checks, go on after a failure, and end with the tests so that their summary stands last."""
    failed = []
    for name, command in CHECKS.items():
        print(f"== {name}", flush=True)
        begun = time.perf_counter()
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
        print(f"   {name}: {time.perf_counter() - begun:.1f} s", flush=True)
    if failed:
        print("FAILED: " + ", ".join(failed), flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
