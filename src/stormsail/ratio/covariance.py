"""Covariance of returns: plain, exponentially weighted, and shrunk towards structure; all positive semidefinite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stormsail.core import InputError, UnavailableError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Covariance:
    """A covariance matrix and where it came from.

    Attributes:
        matrix: Shape (N, N), symmetric and positive semidefinite, per bar.
        shrinkage: Weight of the target, from 0 to 1; 0 where nothing was shrunk.
        n: Complete observations used.
        method: Its definition, in one line.
    """

    matrix: FloatArray
    shrinkage: float
    n: int
    method: str


def _complete(returns: ArrayLike) -> FloatArray:
    rows = np.asarray(returns, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise InputError(f"returns of shape {rows.shape}", cure="give returns of shape (T, N)")
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < 2:
        raise UnavailableError(
            f"{len(rows)} rows in which every column is known", cure="leave out the columns with little history"
        )
    return rows


def sample_covariance(returns: ArrayLike) -> Covariance:
    """Sample covariance ``(1/(T-1)) sum (r - mean)(r - mean)'`` of complete rows; (T, N) -> (N, N).

    Raises:
        UnavailableError: With fewer than two complete rows.
    """
    rows = _complete(returns)
    centred = rows - rows.mean(axis=0)
    return Covariance(centred.T @ centred / (len(rows) - 1), 0.0, len(rows), "sample covariance")


def ewma_covariance(returns: ArrayLike, decay: float = 0.97) -> Covariance:
    """Exponentially weighted second moments about zero: ``sum w_t r_t r_t'``, ``w_t ~ decay^age``, weights add to 1.

    Args:
        returns: Shape (T, N), oldest first.
        decay: Weight kept from one row to the next.

    Source: J.P. Morgan, RiskMetrics Technical Document, 4th edition 1996, section 5.2.
    """
    rows = _complete(returns)
    weight = decay ** np.arange(len(rows) - 1, -1, -1, dtype=np.float64)
    scaled = rows * np.sqrt(weight / weight.sum())[:, None]
    return Covariance(scaled.T @ scaled, 0.0, len(rows), f"exponentially weighted about zero, {decay} per bar")


def _shrunk(sample: FloatArray, target: FloatArray, error: float, n: int, method: str) -> Covariance:
    distance = float(np.square(sample - target).sum())
    weight = min(1.0, max(0.0, error / n / distance)) if distance > 0.0 else 1.0
    return Covariance(weight * target + (1.0 - weight) * sample, weight, n, method)


def shrink_to_identity(returns: ArrayLike) -> Covariance:
    """Ledoit-Wolf shrinkage to ``mu I``: ``(1 - d) S + d mu I`` with ``mu`` the mean variance.

    ``d = min(b^2, d^2) / d^2``, ``d^2 = |S - mu I|^2``, ``b^2 = (1/T^2) sum_t |r_t r_t' - S|^2`` with centred returns
    and divisor T.

    Source: Ledoit & Wolf 2004, Journal of Multivariate Analysis 88, lemmas 3.2-3.4.
    """
    rows = _complete(returns)
    n, k = rows.shape
    centred = rows - rows.mean(axis=0)
    sample = centred.T @ centred / n
    squares = centred**2
    error = float((squares.T @ squares / n - sample**2).sum())
    target = np.eye(k) * np.trace(sample) / k
    return _shrunk(sample, target, error, n, "Ledoit-Wolf to identity")


def shrink_to_constant_correlation(returns: ArrayLike) -> Covariance:
    """Ledoit-Wolf shrinkage to the matrix with the sample's variances and its mean correlation everywhere.

    ``k = (pi - rho) / gamma``, ``d = max(0, min(k/T, 1))``: pi the summed asymptotic variances of the entries of S, rho
    their covariances with the target's, gamma the squared distance of S and target.

    Source: Ledoit & Wolf 2004, "Honey, I shrunk the sample covariance matrix", Journal of Portfolio Management 30,
    appendices A and B.
    """
    rows = _complete(returns)
    n, k = rows.shape
    centred = rows - rows.mean(axis=0)
    sample = centred.T @ centred / n
    variance = np.diag(sample).copy()
    sd = np.sqrt(variance)
    if k < 2 or not (sd > 0.0).all():
        return Covariance(sample, 0.0, n, "sample covariance (no correlations to shrink)")
    outer = np.outer(sd, sd)
    mean = float((sample / outer)[np.triu_indices(k, 1)].mean())
    target = mean * outer
    np.fill_diagonal(target, variance)
    squares = centred**2
    pi = squares.T @ squares / n - sample**2
    theta = (centred**3).T @ centred / n - variance[:, None] * sample
    np.fill_diagonal(theta, 0.0)
    rho = float(np.trace(pi)) + mean * float((np.outer(1.0 / sd, sd) * theta).sum())
    return _shrunk(sample, target, float(pi.sum()) - rho, n, "Ledoit-Wolf to constant correlation")
