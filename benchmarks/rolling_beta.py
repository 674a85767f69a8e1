"""Rolling beta of 200 assets over 43,800 hours, window 2,160, against pandas, Polars and statsmodels.

``python -m benchmarks.rolling_beta NAME`` runs one contender once and prints the memory it took.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.timing import peak_megabytes, race, report, versions

HOURS, ASSETS, WINDOW = 43_800, 200, 2_160
STATSMODELS_ASSETS = 4

Run = Callable[[], object]


def data() -> tuple[np.ndarray, np.ndarray]:
    """Fat-tailed market and assets with betas from 0.5 to 2."""
    rng = np.random.Generator(np.random.Philox(key=7))
    market = rng.standard_t(4, HOURS) * 0.006
    noise = rng.standard_t(4, (HOURS, ASSETS)) * 0.008
    return np.ascontiguousarray(market[:, None] * rng.uniform(0.5, 2, ASSETS) + noise), market


def ours(returns: np.ndarray, market: np.ndarray) -> Run:
    """The result allocated anew."""
    from stormsail.ratio.rolling import rolling_beta

    return lambda: rolling_beta(returns, market, WINDOW)


def ours_into(returns: np.ndarray, market: np.ndarray) -> Run:
    """The result written into a given buffer."""
    from stormsail.ratio.rolling import rolling_beta

    out = np.zeros((HOURS, ASSETS))
    return lambda: rolling_beta(returns, market, WINDOW, out=out)


def with_pandas(returns: np.ndarray, market: np.ndarray) -> Run:
    """Rolling covariance over rolling variance."""
    import pandas as pd

    frame, series = pd.DataFrame(returns), pd.Series(market)
    return lambda: frame.rolling(WINDOW).cov(series).div(series.rolling(WINDOW).var(), axis=0).to_numpy()


def with_polars(returns: np.ndarray, market: np.ndarray) -> Run:
    """The same, lazily, one expression for each asset."""
    import polars as pl

    table = pl.DataFrame({f"c{i}": returns[:, i] for i in range(ASSETS)} | {"m": market})
    m = pl.col("m")
    betas = [
        (pl.rolling_cov(pl.col(f"c{i}"), m, window_size=WINDOW) / m.rolling_var(WINDOW)).alias(f"c{i}")
        for i in range(ASSETS)
    ]
    return lambda: table.lazy().select(betas).collect()


def with_statsmodels(returns: np.ndarray, market: np.ndarray) -> Run:
    """Rolling least squares, one asset after the other, of a few assets only."""
    import statsmodels.api as sm
    from statsmodels.regression.rolling import RollingOLS

    design = sm.add_constant(market)

    def run() -> None:
        for i in range(STATSMODELS_ASSETS):
            RollingOLS(returns[:, i], design, window=WINDOW).fit(params_only=True)

    return run


OURS = "stormsail, result buffer given"
CONTENDERS: dict[str, Callable[[np.ndarray, np.ndarray], Run]] = {
    "stormsail, result allocated anew": ours,
    OURS: ours_into,
    "pandas": with_pandas,
    "polars": with_polars,
    f"statsmodels, {STATSMODELS_ASSETS} of {ASSETS} assets only": with_statsmodels,
}


def tell_memory(name: str) -> None:
    """Print the peak of this process with data and library loaded, and after one run, in megabytes."""
    run = CONTENDERS[name](*data())
    before = peak_megabytes()
    run()
    print(before, peak_megabytes())


def memory() -> dict[str, dict[str, int]]:
    """Peak resident memory of each contender, each in a process of its own."""
    found = {}
    for name in CONTENDERS:
        command = [sys.executable, "-m", "benchmarks.rolling_beta", name]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        loaded, peak = (round(float(word)) for word in told)
        found[name] = {"loaded": loaded, "peak": peak}
    return found


def main() -> None:
    """Race, and check that all agree."""
    returns, market = data()
    runs = {name: make(returns, market) for name, make in CONTENDERS.items()}
    worst = float(np.nanmax(np.abs(runs[OURS]() - runs["pandas"]())))
    report(
        "rolling_beta",
        f"Rolling beta, {ASSETS} assets x {HOURS:,} hours, window {WINDOW:,}",
        OURS,
        race(runs),
        largest_difference_to_pandas=worst,
        peak_memory_mb=memory(),
        versions=versions("numpy", "numba", "pandas", "polars", "statsmodels"),
    )


if __name__ == "__main__":
    tell_memory(sys.argv[1])
