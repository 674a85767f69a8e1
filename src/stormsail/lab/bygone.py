"""Bars of a past storm, where the market data has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from stormsail.core import STABLECOINS, Contract, Payoff, StormsailError, Tenor, Unavailable
from stormsail.core.symbol import is_alt
from stormsail.lab.course import HOUR, Course, record
from stormsail.lab.scenario import Scenario
from stormsail.market.lookup import Lookup
from stormsail.market.panel import FloatArray
from stormsail.market.source import MarketView

LOOK_BEFORE = timedelta(days=1)
"""Recorded bars must begin at least so long before the storm."""

FEWEST_ALTS = 3
"""Fewest alts whose median path stands for another."""


@dataclass(frozen=True, slots=True, eq=False)
class Then:
    """What was recorded of a past storm.

    Attributes:
        paths: Coin to factor on its first price, shape (hours + 1,).
        course: Contracts as recorded, ``None`` if none were.
        column: Contract id of the plan to its column there.
        alts: Median path of the alts, ``None`` with fewer than three.
        n_alts: How many alts.
    """

    paths: Mapping[str, FloatArray]
    course: Course | None
    column: Mapping[str, int]
    alts: FloatArray | None
    n_alts: int


def recorded(
    scenario: Scenario, coins: Sequence[str], contracts: Sequence[Contract], view: MarketView | None
) -> Then | None:
    """Bars of the storm's window, where the view has them."""
    if view is None or scenario.window is None or scenario.window[1] > view.as_of:
        return None
    start, end = scenario.window
    before = view.earlier(start)
    if not any(info.start <= start - LOOK_BEFORE for info in before.catalogue()):
        return None
    now, during = Lookup.of(before), view.earlier(end)
    wanted = sorted({*coins, *(c.base for c in contracts), *(a for a in scenario.assets)})
    priced = [a for a in wanted if a not in STABLECOINS and not isinstance(now.price_series(a), Unavailable)]
    same = {c.id: found for c in contracts if (found := _same(c, now)) is not None}
    unique = tuple({c.id: c for c in same.values()}.values())
    whole = _try(during, unique, priced, scenario)
    spot = _relative(whole) if whole is not None else _one_by_one(during, priced, scenario)
    whole = whole if whole is not None else _try(during, unique, (), scenario)
    columns: dict[str, int] = {}
    if whole is not None:
        at = {c.id: j for j, c in enumerate(whole.contracts) if np.isfinite(whole.last[0, j])}
        columns = {name: at[c.id] for name, c in same.items() if c.id in at}
    alts = [path for asset, path in sorted(spot.items()) if is_alt(asset)]
    middle = np.median(np.array(alts), axis=0) if len(alts) >= FEWEST_ALTS else None
    return Then(spot, whole, columns, middle, len(alts)) if spot else None


def _same(contract: Contract, now: Lookup) -> Contract | None:
    """The contract as it was then, else a perpetual of its coin on any venue."""
    if now.contract(contract.venue, contract.symbol) is not None:
        return contract
    others = now.perpetuals(contract.base)
    if not others:
        return None
    key = others[0].key
    return replace(
        contract, venue=key.venue, symbol=key.contract, tenor=Tenor.PERPETUAL, payoff=Payoff.LINEAR, expiry=None
    )


def _relative(course: Course) -> dict[str, FloatArray]:
    return {coin: course.spot[:, k] / course.spot[0, k] for k, coin in enumerate(course.coins)}


def _one_by_one(view: MarketView, coins: Sequence[str], scenario: Scenario) -> dict[str, FloatArray]:
    """Paths of those coins that have one, where not all of them do."""
    parts = [_try(view, (), (coin,), scenario) for coin in coins]
    return {coin: path for part in parts if part is not None for coin, path in _relative(part).items()}


def _try(view: MarketView, contracts: Iterable[Contract], coins: Iterable[str], scenario: Scenario) -> Course | None:
    """The recorded course, or nothing if a part of it is missing."""
    if scenario.window is None:
        return None
    try:
        return record(view, tuple(contracts), tuple(coins), start=scenario.window[0], step=HOUR)
    except StormsailError:
        return None
