"""Ten short hedges through 43,800 hours with the whole account, against vectorbt and NautilusTrader on the same orders.

Ours books funding, fees, slippage, brackets and the test for liquidation at the highs of every bar; vectorbt books the
fees of orders whose sizes and fill prices it is given, NautilusTrader those of orders its strategy sends. Every
contender is a process of its own, and they run in turns.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import arena
from benchmarks.apart import Contender, python_of
from benchmarks.timing import Timing, report, versions
from stormsail.lab.replay import Replay, replay
from stormsail.lab.result import attribute
from stormsail.lab.sweep import Setting
from stormsail.watch.policy import Policy

SWEPT_BY_PEER = 16
"""Settings vectorbt is given at once: its memory grows with them."""


def orders(done: Replay) -> tuple[np.ndarray, np.ndarray]:
    """Size in coins (0 for none) and fill price of every order of a ledger, shapes (T, n)."""
    steps, count = len(done.course.times), len(done.books.legs)
    size, fill = np.zeros((steps, count)), done.course.last.copy()
    rows = done.ledger
    scale = 10.0 ** np.array(done.books.digits)
    trades = rows[rows[:, 1] == 1]
    size[trades[:, 0], trades[:, 3]] = trades[:, 6] * 0.001
    slips = rows[rows[:, 1] == 2]
    fill[slips[:, 0], slips[:, 3]] = slips[:, 7] / scale[slips[:, 3]]
    return size, fill


def prepared(folder: Path) -> tuple[str, Replay]:
    """Write the orders of the daily hedge and of some settings of the sweep."""
    market, accounts = arena.course(), arena.accounts()
    held, wanted = arena.holdings(market), arena.targets(market)
    daily = replay(market, accounts, held, lambda now: wanted, arena.POLICIES["daily"])

    def of(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
        policy = Policy(setting.rebalance, ladder=None, roll=None, after_loss=arena.POLICIES["band"].after_loss)
        return orders(replay(market, accounts, held, lambda now: wanted * setting.ratio, policy))

    every = len(arena.settings()) // SWEPT_BY_PEER
    swept = [of(setting) for setting in arena.settings()[::every]]
    size, fill = orders(daily)
    file = str(folder / "orders.npz")
    np.savez(
        file, sizes=size, fills=fill, sweep_sizes=np.hstack([s for s, _ in swept]), last=market.last,
        sweep_fills=np.hstack([f for _, f in swept]), high=market.high, low=market.low, fee=0.0005,
        deposit=float(arena.DEPOSIT),
    )  # fmt: skip
    return file, daily


def main() -> None:
    """Race, and hold what vectorbt ends with against our ledger."""
    with tempfile.TemporaryDirectory() as folder:
        file, daily = prepared(Path(folder))
        vectorbt, nautilus = python_of("vectorbt"), python_of("nautilus")
        ours = "stormsail, daily, account walked"
        made = {
            ours: (Contender(sys.executable, "stormsail_walk", "walk", "daily"), 60),
            "stormsail, held, account walked": (Contender(sys.executable, "stormsail_walk", "walk", "held"), 60),
            "stormsail, hourly band, account walked": (Contender(sys.executable, "stormsail_walk", "walk", "band"), 60),
            "stormsail, daily, from the course": (Contender(sys.executable, "stormsail_walk", "replay", "daily"), 20),
            "vectorbt from_orders, rust": (Contender(vectorbt, "vectorbt_orders", file, "rust", "one"), 20),
            "vectorbt from_orders, numba": (Contender(vectorbt, "vectorbt_orders", file, "numba", "one"), 20),
            "nautilus, run alone": (Contender(nautilus, "nautilus_orders", file), 3),
        }  # fmt: skip
        timings = raced(made)
        peaks = {name: {"loaded": c.told["loaded_mb"], "peak": round(c.ask("peak"))} for name, (c, _) in made.items()}
        told = {name: c.told for name, (c, _) in made.items()}
        close(made)
        swept = {
            "2 threads": (Contender(sys.executable, "stormsail_walk", "sweep", "2"), 3),
            "1 thread": (Contender(sys.executable, "stormsail_walk", "sweep", "1"), 3),
            "vectorbt": (Contender(vectorbt, "vectorbt_orders", file, "rust", "sweep"), 3),
        }
        sweeps = {t.name: t.best for t in raced(swept)}
        peaks |= {
            f"sweep, {n}": {"loaded": c.told["loaded_mb"], "peak": round(c.ask("peak"))} for n, (c, _) in swept.items()
        }
        close(swept)
    count = len(arena.settings())
    single = next(t.best for t in timings if t.name == "vectorbt from_orders, rust")
    per = {
        "stormsail_2_threads": sweeps["2 threads"] / count,
        "stormsail_1_thread": sweeps["1 thread"] / count,
        "vectorbt_16_at_once": sweeps["vectorbt"] / SWEPT_BY_PEER,
        "vectorbt_one_by_one": single,
    }
    best = {t.name: t.best for t in timings}
    trading = sum(int(done[5]) for done in daily.ledger if done[1] in (2, 3)) / 1e6
    marked = float(attribute(daily).hedge) + float(attribute(daily).basis) + trading
    report(
        "backtest",
        f"Backtest of {arena.COINS} short hedges over {arena.HOURS:,} hourly bars",
        ours,
        timings,
        note="ours books funding, fees, slippage, brackets and liquidation; the peers' fills and fees only",
        ratios_of_the_best_runs={name: seconds / best[ours] for name, seconds in best.items()},
        sweep_seconds_per_setting=per,
        sweep_ratio_to_vectorbt={
            name: min(per["vectorbt_16_at_once"], single) / per[name]
            for name in ("stormsail_2_threads", "stormsail_1_thread")
        },
        end_of_vectorbt_less_ours_without_funding=told["vectorbt from_orders, rust"]["end"]
        - float(arena.DEPOSIT)
        - marked,
        orders={name: t.get("orders", t.get("fills")) for name, t in told.items() if "orders" in t or "fills" in t},
        peak_memory_mb=peaks,
        versions=versions("numba", "numpy")
        | {n.split()[0].strip(","): t["version"] for n, t in told.items() if "version" in t},
    )


def raced(made: dict[str, tuple[Contender, int]]) -> list[Timing]:
    """In turns, each as often as it may."""
    spent: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(max(rounds for _, rounds in made.values())):
        for name, (contender, rounds) in made.items():
            if turn < rounds:
                spent[name].append(contender.ask("once"))
    return [Timing(n, statistics.median(s), min(s), max(s), len(s)) for n, s in spent.items()]


def close(made: dict[str, tuple[Contender, int]]) -> None:
    """Let them all end."""
    for contender, _ in made.values():
        contender.close()
