"""Four policies to begin with, by name; ``examples/policies`` holds the same as files to change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from stormsail.watch.policy import HOLD, Follow, Ladder, Policy, Rebalance, Roll, Switch

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)

POLICIES: Mapping[str, Policy] = {
    "hold": HOLD,
    "clock": Policy(Rebalance(Follow.CLOCK, every=_DAY)),
    "band": Policy(),
    "careful": Policy(
        rebalance=Rebalance(half_width=0.03),
        ladder=Ladder(
            warn=0.04, top_up=0.06, top_up_to=0.02, reduce=0.2, reduce_to=0.1, close=0.5, withdraw=0.01,
            latency=8 * _HOUR, move=True,
        ),
        roll=Roll(before=2 * _DAY, slices=8),
        switch=Switch(),
    ),
}  # fmt: skip
"""``hold`` trades once; ``clock`` trades to the target once a day; ``band`` trades what has left its band, the default;
``careful`` has low rungs, narrow bands and early rolls."""
