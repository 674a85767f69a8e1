"""What could be shorted against a holding: its own contracts, a major, both majors, a basket of alts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stormsail.core import Contract, Payoff, Tenor, Unavailable
from stormsail.core.symbol import MAJORS
from stormsail.instruments.types import Candidate, Leg, Route

MIX = "BTC+ETH"
DIRECT = "direct"
OWN = (Route.DIRECT, Route.DATED, Route.INVERSE)
"""Routes through a contract on the coin itself."""


def route_of(contract: Contract) -> Route:
    """How a contract relates to its own coin."""
    if contract.payoff is not Payoff.LINEAR:
        return Route.INVERSE
    return Route.DATED if contract.tenor is Tenor.DATED else Route.DIRECT


def own_candidates(asset: str, contracts: Sequence[Contract]) -> tuple[Candidate, ...]:
    """Every contract on the coin itself, on each venue: perpetuals, then dated, then inverse."""
    found = [Candidate(c.id, route_of(c), (Leg(c, 1.0),)) for c in contracts if c.base == asset]
    return tuple(sorted(found, key=lambda candidate: (OWN.index(candidate.route), candidate.name)))


def major_contracts(contracts: Sequence[Contract], volume: Mapping[str, float]) -> dict[str, Contract]:
    """For BTC and ETH the linear perpetual with the largest volume (by contract id; unknown volume comes last)."""
    best: dict[str, Contract] = {}
    for contract in sorted(contracts, key=lambda c: (-volume.get(c.id, -1.0), c.id)):
        if contract.base in MAJORS and route_of(contract) is Route.DIRECT:
            best.setdefault(contract.base, contract)
    return {asset: best[asset] for asset in MAJORS if asset in best}


def proxy_candidates(
    asset: str | None, majors: Mapping[str, Contract], basket: Candidate | Unavailable
) -> tuple[Candidate, ...]:
    """Proxies for a coin (``None``: for a portfolio): each major but itself, both together, the basket.

    The legs of the mix are written in equal parts; sizing gives each its own ratio.
    """
    singles = [Candidate(c.id, Route.PROXY, (Leg(c, 1.0),)) for base, c in majors.items() if base != asset]
    mixes = [Candidate(MIX, Route.MIX, tuple(Leg(c, 0.5) for c in majors.values()))]
    mixed = mixes if len(majors) == 2 and asset not in MAJORS else []
    baskets = [] if isinstance(basket, Unavailable) or asset in MAJORS else [basket]
    return (*singles, *mixed, *baskets)
