"""``python -m benchmarks [name ...]`` runs all benchmarks or the named ones."""

from __future__ import annotations

import importlib
import sys

from benchmarks.timing import machine

NAMES = ("startup", "rolling_beta", "plan_speed", "account_checks", "monte_carlo", "fleet", "backtest")


def main() -> None:
    """Run them one after another."""
    print("Machine:", machine())
    for name in sys.argv[1:] or NAMES:
        importlib.import_module(f"benchmarks.{name}").main()


main()
