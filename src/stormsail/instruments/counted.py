"""The carry that ranking and programme count with: a contract's own forecast, or a stand-in that a finding names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stormsail.core import Contract, Finding, Tenor, Trouble
from stormsail.forecast.types import CarryForecast, MaybeCarry

FloatArray = NDArray[np.float64]


def counted_carry(offered: Sequence[tuple[Contract, MaybeCarry]]) -> tuple[FloatArray, tuple[Finding, ...]]:
    """Expected carry of each contract over the horizon as the decision counts it, shape (n,), and what was noticed.

    Where a contract's carry is unavailable, the median of the known ones of its tenor stands in (of all, if its tenor
    has none), but never as income: nobody should hedge on a payment that nothing shows. Costs and totals leave it out.

    Args:
        offered: Contracts and their forecasts.
    """
    known = [(c.tenor, carry.expected) for c, carry in offered if isinstance(carry, CarryForecast)]
    out, findings = np.empty(len(offered)), []
    for i, (contract, carry) in enumerate(offered):
        if isinstance(carry, CarryForecast):
            out[i] = carry.expected
            continue
        out[i], told = _stand_in(contract.tenor, known)
        findings.append(Finding(Trouble.DEGRADED, f"carry-counted {contract.id}", carry.reason, told))
    return out, tuple(findings)


def _stand_in(tenor: Tenor, known: Sequence[tuple[Tenor, float]]) -> tuple[float, str]:
    alike = [carry for kind, carry in known if kind is tenor]
    some = alike or [carry for _, carry in known]
    if not some:
        return 0.0, "no carry of any contract is known; the hedge is sized as if none paid or earned any"
    median = float(np.median(some))
    group = f"{len(some)} known {tenor.value if alike else 'other'} contracts"
    if median < 0.0:
        return median, f"the hedge is sized with the median of the {group}, {median:+.2%} over the horizon"
    return 0.0, f"the median of the {group} is {median:+.2%}; income nothing shows is not counted on, so 0 is"
