"""Rolling beta of 200 assets over 43,800 hours, window 2,160, against pandas, Polars and statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import statsmodels.api as sm
from statsmodels.regression.rolling import RollingOLS

from benchmarks.timing import peak_megabytes, race, report, versions
from stormsail.ratio.rolling import rolling_beta

HOURS, ASSETS, WINDOW = 43_800, 200, 2_160
STATSMODELS_ASSETS = 4


def data() -> tuple[np.ndarray, np.ndarray]:
    """Fat-tailed market and assets with betas from 0.5 to 2."""
    rng = np.random.Generator(np.random.Philox(key=7))
    market = rng.standard_t(4, HOURS) * 0.006
    noise = rng.standard_t(4, (HOURS, ASSETS)) * 0.008
    return np.ascontiguousarray(market[:, None] * rng.uniform(0.5, 2, ASSETS) + noise), market


def main() -> None:
    """Race, and check that all agree."""
    returns, market = data()
    frame, series = pd.DataFrame(returns), pd.Series(market)
    table = pl.DataFrame({f"c{i}": returns[:, i] for i in range(ASSETS)} | {"m": market})
    out = np.empty((HOURS, ASSETS))

    def with_pandas() -> np.ndarray:
        return frame.rolling(WINDOW).cov(series).div(series.rolling(WINDOW).var(), axis=0).to_numpy()

    def with_polars() -> pl.DataFrame:
        m = pl.col("m")
        return table.lazy().select(
            (pl.rolling_cov(pl.col(f"c{i}"), m, window_size=WINDOW) / m.rolling_var(WINDOW)).alias(f"c{i}")
            for i in range(ASSETS)
        ).collect()  # fmt: skip

    def with_statsmodels() -> None:
        design = sm.add_constant(market)
        for i in range(STATSMODELS_ASSETS):
            RollingOLS(returns[:, i], design, window=WINDOW).fit(params_only=True)

    exact = with_pandas()
    ours = rolling_beta(returns, market, WINDOW)
    worst = float(np.nanmax(np.abs(ours - exact)))
    timings = race(
        {
            "stormsail, result allocated anew": lambda: rolling_beta(returns, market, WINDOW),
            "stormsail, result buffer given": lambda: rolling_beta(returns, market, WINDOW, out=out),
            "pandas": with_pandas,
            "polars": with_polars,
            f"statsmodels, {STATSMODELS_ASSETS} of {ASSETS} assets only": with_statsmodels,
        }
    )
    report(
        "rolling_beta",
        f"Rolling beta, {ASSETS} assets x {HOURS:,} hours, window {WINDOW:,}",
        "stormsail, result buffer given",
        timings,
        largest_difference_to_pandas=worst,
        peak_memory_mb=round(peak_megabytes()),
        versions=versions("numpy", "numba", "pandas", "polars", "statsmodels"),
    )
