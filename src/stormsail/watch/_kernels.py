"""The rule that moves a held quantity toward its target, compiled: the desk and the lab call the same function."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def rebalanced(held: float, target: float, half_width: float, to_edge: bool) -> float:
    """What should be held: ``held`` inside the band around ``target``, else the target or the band's nearer edge.

    The band is ``target`` times ``1 - half_width`` to ``1 + half_width``; a width of 0 always asks for the target. A
    position that is not there yet is opened whole.

    Args:
        held: Signed quantity held.
        target: Signed quantity wanted.
        half_width: Half the width of the no-trade band, as a fraction of the target.
        to_edge: Trade only to the nearer edge, which is best where costs are proportional; else to the target.
    """
    if held == 0.0:
        return target
    reach = abs(target) * half_width
    if held > target + reach:
        return target + reach if to_edge else target
    if held < target - reach:
        return target - reach if to_edge else target
    return held
