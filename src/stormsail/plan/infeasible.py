"""When no plan satisfies every limit: which limits fight, and how far each would have to give way.

A deletion filter (Chinneck and Dravnieks 1991) drops one group of limits after the other and keeps out those whose
absence still leaves a contradiction; what remains is irreducible. For each group that remains the smallest common
relaxation, in currency, is a linear programme.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stormsail.core import InfeasibleError
from stormsail.plan.problem import FloatArray, Limit, Limits

_CURES = {
    Limit.CAPACITY: "allow a larger volume_share or more venues",
    Limit.COLLATERAL: "raise collateral by {:,.0f}",
    Limit.COINS: "hold more unlocked coins",
    Limit.VENUE: "allow more venues",
    Limit.BUDGET: "raise the budget by {:,.0f}",
    Limit.DELTA: "raise coverage or max_net_delta",
    Limit.FLOOR: "lower the floor by {:,.0f}, or lower survive",
}
"""What to loosen; by how much only where the limit is itself an amount of money, as the relaxation is."""


def fighting_limits(limits: Limits) -> dict[Limit, float]:
    """An irreducible set of contradicting groups, each with the smallest relaxation (in currency) that would help.

    Empty if the limits do not contradict each other. NaN where giving way alone does not help.
    """
    groups = list(dict.fromkeys(limits.groups))
    if _relaxation(limits, groups, ()) <= 1e-7 * _size(limits):
        return {}
    for group in list(groups):
        rest = [g for g in groups if g is not group]
        if _relaxation(limits, rest, rest) > 1e-7 * _size(limits):
            groups = rest
    return {group: _relaxation(limits, groups, (group,)) for group in groups}


def explain_infeasible(limits: Limits) -> InfeasibleError:
    """The error that names the limits that fight, with the figures."""
    fight = fighting_limits(limits)
    if not fight:
        return InfeasibleError(
            "the limits hardly leave room for any plan", cure="loosen one of them a little", where="plan"
        )
    told = [f"{group.value} ({_bound(limits, group)})" for group in fight]
    helps = [_CURES[group].format(amount) for group, amount in fight.items() if np.isfinite(amount)]
    return InfeasibleError(
        "these limits contradict each other: " + " against ".join(told),
        cure=", or ".join(helps) if helps else "loosen two of them together",
        where="plan",
    )


def _bound(limits: Limits, group: Limit) -> str:
    mine = [b for g, b in zip(limits.groups, limits.bounds, strict=True) if g is group]
    if group is Limit.FLOOR:
        return f"the hedge must pay {-mine[0]:,.0f}"
    return f"at most {sum(mine):,.0f} in all" if len(mine) > 1 else f"at most {mine[0]:,.0f}"


def _size(limits: Limits) -> float:
    return float(np.abs(limits.bounds).max(initial=1.0))


def _relaxation(limits: Limits, groups: Iterable[Limit], loose: Iterable[Limit]) -> float:
    """Smallest common slack of the ``loose`` groups' rows (all of ``groups`` if none) under which ``groups`` agree."""
    from scipy.optimize import linprog

    kept = set(groups)
    freed = set(loose) or kept
    keep = np.array([g in kept for g in limits.groups], dtype=bool)
    if not keep.any():
        return 0.0
    size = _size(limits)
    rows: FloatArray = limits.rows[keep]
    give = -np.array([1.0 if g in freed else 0.0 for g in limits.groups])[keep]
    n = rows.shape[1]
    answer = linprog(
        np.concatenate([np.zeros(n), [1.0]]),
        A_ub=np.hstack([rows, give[:, None]]),
        b_ub=limits.bounds[keep] / size,
        bounds=[(0, None)] * (n + 1),
        method="highs",
    )
    return float(answer.fun) * size if answer.status == 0 else float("nan")
