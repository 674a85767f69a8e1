"""Requirement of an inverse short: the coins that let it survive every rise."""

from __future__ import annotations

import math

from stormsail.core import to_float
from stormsail.instruments.backing import Backing
from stormsail.margin.types import CollateralRequirement
from stormsail.plan.terms import Terms

OWN_COIN = "the coin itself"
"""What decides the collateral of an inverse short."""


def by_coins(terms: Terms, backing: Backing) -> CollateralRequirement:
    """What stands behind an inverse short, per unit of notional; no method is asked, because every rise is survived."""
    return CollateralRequirement(
        subject=terms.contract.id,
        move=math.inf,
        decided_by=OWN_COIN,
        methods=(),
        maintenance_rate=to_float(terms.table.tiers[0].rate),
        rate=to_float(backing.rate),
        extras=to_float(backing.rate) - 1.0,
        chance=(),
    )
