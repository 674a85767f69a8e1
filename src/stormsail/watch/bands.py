"""How far a position may stand from its target before it is worth a trade.

With costs in proportion to what is traded, it is best to let the position be inside a band, and to trade only to its
edge. Write ``sigma_h`` for the standard deviation per square root of a year of the target's own relative movement,
``sigma_F`` for that of the futures return, ``c`` for the cost of trading one unit of value and ``lambda`` for risk
aversion. A position reflected at a half-width ``w`` trades ``sigma_h^2 / (2 w)`` a year and stands ``w^2 / 3`` from its
target on average, so a year costs ``c sigma_h^2 / (2 w) + lambda sigma_F^2 w^2 / 6``, which is least at::

    w = (3 c sigma_h^2 / (2 lambda sigma_F^2))^(1/3)

Sources: Whalley and Wilmott, "An asymptotic analysis of an optimal hedging model for option pricing with transaction
costs", Mathematical Finance 7 (1997), 307-324; Kallsen and Muhle-Karbe, "The general structure of optimal investment
and consumption with small transaction costs", Mathematical Finance 27 (2017), 659-703.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np

from stormsail.core import Contract, Unavailable, times, to_float
from stormsail.core.exact import MONEY_CONTEXT
from stormsail.watch.targets import in_lots

OWN_WIDTH, CROSS_WIDTH = 0.05, 0.10
"""Half-widths where the law lacks an input: of a coin's own contract, and of a proxy."""

NARROWEST, WIDEST = 0.002, 0.5
"""Half-widths are kept between these: no trading on every tick, and never further off than half the hedge."""

Figure = float | Unavailable


def cube_root(cost: float, sd_ratio: float, sd_futures: float, risk_aversion: float) -> float:
    """The law itself, unclamped, as a fraction of the target.

    Args:
        cost: Fee and slippage of trading one way, as a fraction of value.
        sd_ratio: Yearly standard deviation of the target's relative change.
        sd_futures: Yearly standard deviation of the futures return.
        risk_aversion: Weight of half the variance against expected return.

    Raises:
        ValueError: If ``cost`` or ``sd_ratio`` is negative, or one of the others is not positive.

    >>> round(cube_root(0.001, 0.5, 0.8, 5.0), 6)
    0.048936
    """
    if not (cost >= 0 and sd_ratio >= 0 and sd_futures > 0 and risk_aversion > 0):
        raise ValueError(f"cost {cost}, deviations {sd_ratio} and {sd_futures}, risk aversion {risk_aversion}")
    return float((1.5 * cost * sd_ratio**2 / (risk_aversion * sd_futures**2)) ** (1.0 / 3.0))


def half_width(cost: Figure, sd_ratio: Figure, sd_futures: Figure, risk_aversion: float, *, own: bool = True) -> float:
    """Half-width of the no-trade band as a fraction of the target, between :data:`NARROWEST` and :data:`WIDEST`.

    Args:
        cost, sd_ratio, sd_futures, risk_aversion: As in :func:`cube_root`; NaN counts as unavailable.
        own: Whether it is the coin's own contract; decides the width where the law lacks an input.

    >>> half_width(Unavailable("no order book"), 0.5, 0.8, 5.0, own=False)
    0.1
    """
    known = [x for x in (cost, sd_ratio, sd_futures) if not isinstance(x, Unavailable) and x >= 0]
    if len(known) < 3 or not known[2] > 0:
        return OWN_WIDTH if own else CROSS_WIDTH
    return min(max(cube_root(known[0], known[1], known[2], risk_aversion), NARROWEST), WIDEST)


def next_quantity(
    held: Decimal,
    target: float,
    half_width: float,
    to_edge: bool,
    contract: Contract,
    price: Decimal | None = None,
) -> Decimal:
    """What should be held next, in contract units: ``held`` inside the band, else whole lots toward the target.

    Lots are cut off toward zero, so a position never grows beyond what is wanted. Applied twice it changes nothing.

    Args:
        held: Signed contract units held.
        target: Signed contract units wanted; NaN leaves the position alone.
        half_width: Half the band as a fraction of the target; 0 follows it at every look.
        to_edge: Trade only to the band's nearer edge.
        contract: For the lot and the smallest order.
        price: If given, an order below the contract's minimum is not made, unless it closes the position.
    """
    from stormsail.watch._kernels import rebalanced

    if math.isnan(target):
        return held
    with localcontext(MONEY_CONTEXT):
        lots = held / contract.lot
    aim = float(in_lots(np.array([target]), [contract])[0])
    wanted = float(rebalanced(to_float(lots), aim, half_width, to_edge))
    if wanted == to_float(lots):
        return held
    found = times(Decimal(int(wanted)), contract.lot)
    small = price is not None and found != 0 and contract.notional(found - held, price) < contract.min_notional
    return held if small else found
