"""Every method that a history can carry, for one contract or for a book of shorts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Unavailable
from stormsail.margin.floor import MEASURED, FloorTable, RiseClass, ceiling_rise, floor_rise
from stormsail.margin.moves import Moves
from stormsail.margin.rise import PATHS, SEED, bootstrap_rise, ewma_sigma_daily, from_simulation, reflection
from stormsail.margin.tail import block_maxima, pareto_tail
from stormsail.margin.types import Method, Promise


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """Largest rises that a model of the returns has simulated.

    Attributes:
        maxima: Shape (P,): within one top-up span, one for each path.
        model: The model and its parameters, in one line.
        weights: Shape (P,): how often each path counts; equally by default.
    """

    maxima: NDArray[np.float64]
    model: str
    weights: NDArray[np.float64] | None = None


def standard_methods(
    moves: Moves | Unavailable,
    kind: RiseClass | str | Mapping[str, float],
    promise: Promise,
    *,
    simulated: Simulated | Unavailable | None = None,
    paths: int = PATHS,
    seed: int = SEED,
    measured: FloorTable = MEASURED,
) -> tuple[tuple[Method, ...], tuple[Unavailable, ...]]:
    """What each method wants survived within one top-up span, the floor first, and why others say nothing.

    None may ask for more than :func:`~stormsail.margin.floor.ceiling_rise`; what it asked is kept beside.

    Args:
        moves: Bar moves of the contract (:func:`~stormsail.margin.moves.bar_moves`) or of the book
            (:func:`~stormsail.margin.moves.book_moves`), known at the decision.
        kind: Row of the floor table, or weights by row for a book. Whether a coin is young is for the caller to say
            (:func:`~stormsail.margin.floor.is_young`).
        promise: The promise to keep.
        simulated: Largest simulated rises, for method 3; ``None`` leaves the method out.
        paths: Bootstrap paths.
        seed: Key of bootstrap and refits.
        measured: Table of floor and ceiling, where it is not the one in force.

    >>> from datetime import timedelta
    >>> p = Promise(0.01, timedelta(days=30), timedelta(days=1), 0.30)
    >>> methods, missing = standard_methods(Unavailable("no bars"), "BTC", p)
    >>> [m.name for m in methods], [str(m.reason) for m in missing]
    (['floor'], ['no bars'])
    """
    alpha, span = promise.alpha_per_top_up, promise.top_up
    found: list[Method | Unavailable] = [floor_rise(kind, span, alpha, measured=measured)]
    if isinstance(simulated, Unavailable):
        found.append(simulated)
    elif simulated is not None:
        found.append(from_simulation(simulated.maxima, alpha, simulated.model, simulated.weights))
    found += [moves] if isinstance(moves, Unavailable) else _from_history(moves, span, alpha, paths, seed)
    most = ceiling_rise(span, alpha, measured=measured)
    return tuple(_held(m, most) for m in found if isinstance(m, Method)), tuple(
        m for m in found if isinstance(m, Unavailable)
    )


def _held(method: Method, most: float) -> Method:
    """The method, asking for no more than ``most``."""
    if method.move <= most:
        return method
    told = f"asked for {method.move:.0%}, held to {most:.0%}; {method.rise.detail}"
    return replace(method, rise=replace(method.rise, move=most, asked=method.move, detail=told))


def _from_history(moves: Moves, span: timedelta, alpha: float, paths: int, seed: int) -> list[Method | Unavailable]:
    sigma = ewma_sigma_daily(moves)
    return [
        sigma if isinstance(sigma, Unavailable) else reflection(sigma, span, alpha),
        bootstrap_rise(moves, span, alpha, paths=paths, seed=seed),
        pareto_tail(block_maxima(moves, span), alpha, seed=seed),
    ]
