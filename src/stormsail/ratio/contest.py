"""Purged walk-forward contest of estimators: naive stays unless somebody beats it beyond chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import InputError
from stormsail.market.resample import SEED
from stormsail.ratio.effectiveness import MINIMUM, bootstrap_interval, measure
from stormsail.ratio.errors import long_run_covariance
from stormsail.ratio.estimators import ESTIMATORS, Estimator, clean, fit, prior_of
from stormsail.ratio.types import Contest, ContestRow, Effectiveness

FloatArray = NDArray[np.float64]
Loss = Literal["variance", "shortfall"]

LEVEL = 0.05
"""Chance of a false winner over the whole contest."""


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Ratios of one estimator as they were known, and the hedge they made.

    Attributes:
        rows: Tested rows, shape (n,).
        ratios: Ratio in force at each tested row, shape (n, k).
        hedged: ``y - X h`` at each tested row, shape (n,).
    """

    rows: NDArray[np.int64]
    ratios: FloatArray
    hedged: FloatArray


def walk(
    estimator: Estimator,
    y: FloatArray,
    x: FloatArray,
    *,
    min_train: int = 60,
    embargo: int = 1,
    step: int = 1,
    prior: ArrayLike | None = None,
) -> Walk:
    """Walk one estimator forward over complete returns ``y`` (T,) and ``X`` (T, k).

    The ratio at row ``t`` is estimated from rows ``0 .. t - embargo`` only and renewed every ``step`` rows.

    Args:
        estimator: One of :data:`~stormsail.ratio.estimators.ESTIMATORS`.
        y: Returns of the exposure.
        x: Returns of the instruments.
        min_train: Fewest rows before the first ratio.
        embargo: Distance from the last row learnt from to the row tested; 1 is the row before.
        step: Rows between renewals.
        prior: Ratios to lean to, shape (k,).
    """
    if embargo < 1 or step < 1 or min_train < 1:
        raise InputError(f"min_train {min_train}, embargo {embargo}, step {step}", cure="give at least 1 for each")
    rows = np.arange(min_train + embargo - 1, len(y))
    renewed = rows - (rows - rows[0]) % step if len(rows) else rows
    ends = renewed - (embargo - 1)
    ratios = estimator.path(y, x, ends, prior_of(prior, x.shape[1]))
    return Walk(rows, ratios, y[rows] - np.einsum("tk,tk->t", x[rows], ratios))


def losses(hedged: FloatArray, loss: Loss = "variance") -> FloatArray:
    """Loss of every tested row, whose mean is the criterion; shape (n,).

    ``variance``: squared deviation. ``shortfall``: ``VaR + max(0, -e - VaR) / 0.05`` at the sample's own 95 % VaR
    (Rockafellar & Uryasev 2000, equation 4), whose mean is the expected shortfall.
    """
    if loss == "variance":
        squares: FloatArray = np.square(hedged - hedged.mean())
        return squares
    var = -float(np.quantile(hedged, 0.05))
    return np.asarray(var + np.maximum(0.0, -hedged - var) / 0.05, dtype=np.float64)


def diebold_mariano(worse: FloatArray, better: FloatArray, horizon: int = 1) -> float:
    """One-sided p of "``better`` has no smaller expected loss than ``worse``", from two arrays of losses (n,).

    ``DM = mean(d) / sqrt(V)``, ``d = worse - better``, V Newey-West; times the small-sample factor
    ``sqrt((n + 1 - 2h + h(h-1)/n) / n)`` and judged by Student's t with n - 1 degrees.

    >>> diebold_mariano(np.array([1.0, 2.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0, 2.0]))
    1.0

    Source: Diebold & Mariano 1995; Harvey, Leybourne & Newbold 1997, equation 9.
    """
    from scipy.special import stdtr

    difference = worse - better
    n = len(difference)
    mean = float(difference.mean())
    spread = math.sqrt(float(long_run_covariance((difference - mean)[:, None])[0, 0])) / n
    if not spread > 0.0:
        return 0.0 if mean > 0.0 else 1.0
    factor = math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    return float(stdtr(n - 1, -factor * mean / spread))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down correction for several tests.

    >>> [round(p, 12) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]

    Source: Holm 1979, Scandinavian Journal of Statistics 6.
    """
    count = len(p_values)
    corrected = [0.0] * count
    running = 0.0
    for rank, i in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (count - rank) * p_values[i]))
        corrected[i] = running
    return tuple(corrected)


def window_text(times: NDArray[np.datetime64]) -> str:
    """First and last day and the usual distance of moments: ``2024-01-01..2024-12-31 1d``."""
    if not len(times):
        return "empty"
    hours = round(float(np.median(np.diff(times) / np.timedelta64(1, "h")))) if len(times) > 1 else 24
    bar = f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"
    return f"{str(times[0])[:10]}..{str(times[-1])[:10]} {bar}"


def _row(name: str, walked: Walk, effect: Effectiveness, naive: float, p_value: float, p_holm: float) -> ContestRow:
    moves = np.abs(np.diff(walked.ratios, axis=0)).sum(axis=1)
    return ContestRow(
        estimator=name,
        effectiveness=effect,
        gain_over_naive=effect.value - naive,
        p_value=p_value,
        p_holm=p_holm,
        mean_ratio=tuple(float(r) for r in walked.ratios.mean(axis=0)),
        turnover=float(moves.mean()) if len(moves) else 0.0,
    )


def _table(
    walks: dict[str, Walk], u: FloatArray, loss_of: dict[str, FloatArray], window: str, seed: int
) -> list[ContestRow]:
    """One row per estimator; all are judged on the same bootstrap draws."""
    intervals = bootstrap_interval(u, np.column_stack([w.hedged for w in walks.values()]), seed=seed)
    effects = [measure(u, w.hedged, intervals[i], window) for i, w in enumerate(walks.values())]
    p = [diebold_mariano(loss_of["naive"], loss_of[name]) for name in walks if name != "naive"]
    return [
        _row(name, walked, effect, effects[0].value, *chances)
        for (name, walked), effect, chances in zip(
            walks.items(), effects, [(1.0, 1.0), *zip(p, holm(p), strict=True)], strict=True
        )
    ]


def _choose(rows: Sequence[ContestRow], loss_of: dict[str, FloatArray], loss: Loss) -> tuple[str, str]:
    """Winner and reason: naive, unless beaten; then the simplest of the beaters that the best does not beat."""
    naive = rows[0]
    base = f"{naive.effectiveness.value:.3f}"
    what = "effectiveness" if loss == "variance" else "effectiveness (judged on expected shortfall)"
    beaters = [r for r in rows[1:] if r.p_holm < LEVEL and loss_of[r.estimator].mean() < loss_of["naive"].mean()]
    if not beaters:
        best = max(rows[1:], key=lambda r: r.effectiveness.value)
        return naive.estimator, (
            f"no estimator beats naive out of sample ({what} {base}; best {best.estimator} "
            f"{best.effectiveness.value:.3f}, p {best.p_holm:.2f} after Holm, {naive.effectiveness.n} observations)"
        )
    best = min(beaters, key=lambda r: float(loss_of[r.estimator].mean()))
    level = [r for r in beaters if r is best or diebold_mariano(loss_of[r.estimator], loss_of[best.estimator]) >= LEVEL]
    winner = level[0]
    tail = "" if winner is best else f"; {best.estimator} {best.effectiveness.value:.3f} is not significantly better"
    return winner.estimator, (
        f"{winner.estimator} beats naive out of sample ({what} {winner.effectiveness.value:.3f} against {base}, "
        f"p {winner.p_holm:.3f} after Holm, {naive.effectiveness.n} observations{tail})"
    )


def contest(
    target: str,
    y: ArrayLike,
    instruments: Sequence[str],
    x: ArrayLike,
    times: NDArray[np.datetime64],
    *,
    min_train: int = 60,
    embargo: int = 1,
    step: int = 1,
    prior: ArrayLike | None = None,
    loss: Loss = "variance",
    seed: int = SEED,
) -> Contest:
    """Let every estimator hedge ``y`` with ``X`` on data it had not seen, and pick the one to use.

    Each is tested against naive by Diebold-Mariano with the small-sample correction, one-sided, Holm-corrected over
    the estimators. Naive wins unless one is better at 5 %; then the simplest that the best does not beat.

    Args:
        target: What is hedged.
        y: Its returns, shape (T,).
        instruments: Names, length k.
        x: Their returns, shape (T, k).
        times: Moments at which the returns were known, shape (T,).
        min_train: Fewest observations before the first ratio.
        embargo: Distance from the last observation learnt from to the one tested; 1 is the day before.
        step: Observations between renewals of the ratios.
        prior: Ratios that ``ewma_shrunk`` leans to, shape (k,); the equal split where none is given.
        loss: What is compared: ``variance`` or 95 % ``shortfall``.
        seed: Key of the bootstrap's generator.

    Returns:
        The table, the winner and its ratio on all the data. With fewer than 20 tested observations the table is
        empty and naive wins, with the reason saying so.

    Raises:
        InputError: If shapes do not fit.
    """
    rows, columns, whole = clean(y, x)
    if len(times) != len(whole) or len(instruments) != columns.shape[1]:
        raise InputError(
            f"{len(times)} times and {len(instruments)} names for returns of shape {(len(whole), columns.shape[1])}",
            cure="give one time per row and one name per column",
            where=target,
        )
    known = times[whole]
    tested = len(rows) - min_train - embargo + 1
    moving = len(rows) > 1 and rows.std() > 0.0 and (columns.std(axis=0) > 0.0).all()
    if tested < MINIMUM or not moving:
        why = f"{max(0, tested)} observations to test on, {MINIMUM} needed" if moving else "the returns do not move"
        ratio = fit(target, rows, instruments, columns, "naive", window=window_text(known))
        return Contest(target, tuple(instruments), (), "naive", f"naive, untested: {why}", ratio)
    settings = {"min_train": min_train, "embargo": embargo, "step": step}
    walks = {n: walk(e, rows, columns, prior=prior, **settings) for n, e in ESTIMATORS.items()}
    walks = {n: w for n, w in walks.items() if np.isfinite(w.hedged).all()}
    at = walks["naive"].rows
    loss_of = {n: losses(w.hedged, loss) for n, w in walks.items()}
    table = _table(walks, rows[at], loss_of, window_text(known[at]), seed)
    winner, reason = _choose(table, loss_of, loss)
    ratio = fit(target, rows, instruments, columns, winner, window=window_text(known), prior=prior)
    return Contest(target, tuple(instruments), tuple(table), winner, reason, ratio)
