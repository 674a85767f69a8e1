"""What a young coin borrows from the others: less of itself the less it has shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stormsail.core import Estimate, Maybe, Unavailable

MIN_GROUP = 5
MIN_OWN = 10


@dataclass(frozen=True, slots=True)
class Group:
    """How one measure is spread over the coins with a full history.

    Attributes:
        name: Which coins, for ``borrowed_from``.
        mean: Mean over the coins.
        spread: Standard deviation over the coins (divisor n - 1).
        size: Number of coins.
        window: Window of their estimates.
        method: Definition of the measure.
    """

    name: str
    mean: float
    spread: float
    size: int
    window: str
    method: str

    @classmethod
    def of(cls, name: str, members: Sequence[Maybe]) -> Group | Unavailable:
        """The group of the members whose measure is available; five are needed."""
        known = [m for m in members if isinstance(m, Estimate) and math.isfinite(m.value)]
        if len(known) < MIN_GROUP:
            return Unavailable(f"{len(known)} coins with a full history, {MIN_GROUP} are needed to borrow from")
        values = np.array([m.value for m in known])
        first = known[0]
        return cls(name, float(values.mean()), float(values.std(ddof=1)), len(known), first.window, first.method)


def shrink(own: Maybe, group: Group | Unavailable) -> Maybe:
    """Pull a coin's estimate towards its group: ``(1 - k) own + k mean`` with ``k = se^2 / (se^2 + spread^2)``.

    Vasicek (1973), Journal of Finance 28, eq. 5; the error is that of the posterior, ``sqrt(k) spread``. A coin with
    fewer than ten returns, or whose own error is unknown, takes the group's mean with the spread as its error.

    >>> own = Estimate(3.0, 0.5, 30, "w", "slope")
    >>> group = Group("40 coins", 1.0, 0.5, 40, "w", "slope")
    >>> shrunk = shrink(own, group)
    >>> shrunk.value, round(shrunk.error, 6), shrunk.borrowed_from
    (2.0, 0.353553, '40 coins')
    """
    if isinstance(group, Unavailable):
        return _reason(own, group)
    if isinstance(own, Unavailable) or own.error is None or own.n < MIN_OWN:
        n = 0 if isinstance(own, Unavailable) else own.n
        return Estimate(
            group.mean, group.spread, n, group.window, f"{group.method}; mean of the group, spread as error", group.name
        )
    total = own.error**2 + group.spread**2
    k = own.error**2 / total if total > 0 else 0.0
    value = (1.0 - k) * own.value + k * group.mean
    method = f"{own.method}; shrunk by {k:.2f} towards the group's {group.mean:.3g} (Vasicek)"
    return Estimate(value, math.sqrt(k) * group.spread, own.n, own.window, method, group.name)


def _reason(own: Maybe, group: Unavailable) -> Unavailable:
    if isinstance(own, Unavailable):
        return Unavailable(f"{own.reason}; {group.reason}")
    return Unavailable(f"{own.n} returns of its own are too few; {group.reason}")
