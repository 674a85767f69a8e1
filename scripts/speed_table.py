"""Write the tables of docs/concepts/speed.md from benchmarks/results: ``python scripts/speed_table.py``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "concepts" / "speed.md"
RESULTS = ROOT / "benchmarks" / "results"
START, END = "<!-- from benchmarks/results -->", "<!-- to here -->"
ORDER = ("backtest", "monte_carlo", "fleet", "account_checks", "plan_speed", "rolling_beta", "startup")


def results(name: str) -> dict:  # type: ignore[type-arg]  # whatever the benchmark wrote
    """What a benchmark wrote."""
    found: dict = json.loads((RESULTS / f"{name}.json").read_text())  # type: ignore[type-arg]  # as above
    return found


def median(found: dict, name: str) -> float:  # type: ignore[type-arg]  # as above
    """Median seconds of a contender."""
    return float(next(t["median"] for t in found["timings_seconds"] if t["name"] == name))


def aims() -> Iterator[tuple[str, str, float, float]]:
    """What was aimed at: words, unit, target, measured; more is better but for seconds."""
    test, paths, plan = results("backtest"), results("monte_carlo"), results("plan_speed")
    ours = median(test, test["ours"])
    yield (
        "daily hedge against vectorbt `from_orders`, its faster engine", "times", 20.0,
        median(test, "vectorbt from_orders, rust") / ours,
    )  # fmt: skip
    yield "daily hedge against NautilusTrader", "times", 2000.0, median(test, "nautilus, run alone") / ours
    sweep = test["sweep_ratio_to_vectorbt"]
    yield "one of 256 settings, two threads, against vectorbt's faster way", "times", 50.0, sweep["stormsail_2_threads"]
    yield "the same with one thread", "times", 50.0, sweep["stormsail_1_thread"]
    two = median(paths, "stormsail, 2 threads")
    yield (
        "100,000 paths of 720 fat-tailed steps against NumPy's `standard_t`", "times", 15.0,
        median(paths, "numpy, standard_t, compaction") / two,
    )  # fmt: skip
    yield (
        "the same against the fastest NumPy found, a polar t by hand in single precision", "times", 15.0,
        median(paths, "numpy, polar t by hand, float32, compaction") / two,
    )  # fmt: skip
    anew = median(plan, "cvxpy, programme built anew") / median(plan, "re-plan at changed prices")
    yield "re-plan against cvxpy built anew", "times", 10.0, anew
    yield "whole plan of 200 coins from files", "seconds", 1.0, median(plan, "whole plan from files on disk")


def time_of(seconds: float) -> str:
    """Seconds in a unit that suits them."""
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1e3:,.2f} ms"


def tables() -> Iterator[str]:
    """Lines of the page."""
    yield "## What was aimed at"
    yield ""
    yield "| | aim | measured | |"
    yield "|---|---|---|---|"
    for words, unit, target, found in aims():
        reached = found <= target if unit == "seconds" else found >= target
        sign = "at most" if unit == "seconds" else "at least"
        shown = f"{found:,.2f}" if unit == "seconds" else f"{found:,.1f}"
        yield f"| {words} | {sign} {target:,.0f} {unit} | {shown} | {'reached' if reached else 'missed'} |"
    for name in ORDER:
        found = results(name)
        load = found["machine"].get("load")
        yield ""
        yield f"## {found['title']}"
        yield ""
        busy = f"load {', '.join(map(str, load))} on {found['machine']['cores']} cores" if load else "load not kept"
        yield f"`{name}`; {found['machine']['cpu']}, Python {found['machine']['python']}, {busy}."
        yield ""
        yield "| | median | best | times ours |"
        yield "|---|---|---|---|"
        for t in sorted(found["timings_seconds"], key=lambda t: t["median"]):
            ratio = found["ratios_to_ours"][t["name"]]
            yield f"| {t['name']} | {time_of(t['median'])} | {time_of(t['best'])} | {ratio:,.2f} |"
        if name == "backtest":
            yield ""
            yield "| one setting of a sweep of 256 | |"
            yield "|---|---|"
            for label, seconds in found["sweep_seconds_per_setting"].items():
                yield f"| {label.replace('_', ' ')} | {time_of(seconds)} |"
        if name == "fleet":
            yield ""
            yield (
                f"{found['portfolios_per_second_one_process']:,} portfolios a second with one process, "
                f"{found['portfolios_per_second_two_processes']:,} with two; a million was projected to take "
                f"{found['million_projected_seconds']} s and took {found['million_seconds']} s."
            )
        if name == "account_checks":
            yield ""
            yield f"{found['liquidation_solves_per_second']:,} liquidation prices a second."
        memory = found.get("peak_memory_mb")
        if isinstance(memory, dict):
            peaks = [(who, p["peak"] if isinstance(p, dict) else p) for who, p in memory.items()]
            yield ""
            yield "Peak memory in MB: " + "; ".join(f"{who} {peak:.0f}" for who, peak in peaks) + "."


def main() -> None:
    """Put the tables in their place."""
    text = PAGE.read_text()
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    PAGE.write_text(f"{head}{START}\n\n" + "\n".join(tables()) + f"\n\n{END}{tail}")


if __name__ == "__main__":
    main()
