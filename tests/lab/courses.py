"""Small courses by hand: prices as given, one contract each, extremes at the closes unless given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal as D

import numpy as np

from stormsail.core import Contract, Payoff, Tenor
from stormsail.lab.account import Leg
from stormsail.lab.course import Course
from stormsail.margin.tiers import flat_table

START = np.datetime64("2025-01-01T00", "us")


def contract(
    base: str, *, venue: str = "binance", quote: str = "USDT", payoff: Payoff = Payoff.LINEAR, lot: str = "0.1",
    expiry: datetime | None = None, fee: str = "0", size: str = "1", symbol: str = "",
) -> Contract:  # fmt: skip
    tenor = Tenor.PERPETUAL if expiry is None else Tenor.DATED
    name = symbol or f"{base}{quote}" + (f"_{expiry:%y%m%d}" if expiry else "")
    return Contract(venue, name, base, quote, tenor, payoff, D(size), D(lot), D("0.01"), D(0), D(fee), D(fee), expiry)


def leg(of: Contract, rate: str = "0.05", **more: object) -> Leg:
    return Leg(of, flat_table(of, date(2020, 1, 1), D(rate), "by hand"), of.taker_fee, most=D(1000), **more)  # type: ignore[arg-type]


def course(
    prices: Mapping[Contract, Sequence[float]],
    *,
    high: Mapping[Contract, Sequence[float]] | None = None,
    rate: Mapping[Contract, Sequence[float]] | None = None,
    spot: Mapping[str, Sequence[float]] | None = None,
    worth: Mapping[str, Sequence[float]] | None = None,
    hours: int = 1,
    spread: float = 0.0,
) -> Course:
    contracts = tuple(prices)
    last = np.column_stack([np.asarray(prices[c], float) for c in contracts])
    steps = len(last)
    times = START + np.arange(steps) * np.timedelta64(hours * 3600, "s").astype("timedelta64[us]")
    tops = {**prices, **(high or {})}
    rates = {c: np.zeros(steps) for c in contracts} | {c: np.asarray(v, float) for c, v in (rate or {}).items()}
    coins = spot or {c.base: prices[c] for c in contracts}
    money = dict(worth or {"USDT": [1.0] * steps})
    ends = [steps if c.expiry is None else int(np.searchsorted(times, np.datetime64(c.expiry.replace(tzinfo=None))))
            for c in contracts]  # fmt: skip
    tradable = np.isfinite(last) & (np.arange(steps)[:, None] < np.array(ends))
    values = np.column_stack([np.asarray(v, float) for v in money.values()])
    flows = np.column_stack([rates[c] for c in contracts])
    return Course(
        times=times, contracts=contracts, coins=tuple(coins), currencies=tuple(money), last=last, mark=last,
        high=np.column_stack([np.asarray(tops[c], float) for c in contracts]), low=last, rate=flows, settles=flows != 0,
        tradable=tradable, ends=np.array(ends), half_spread=np.full(last.shape, spread),
        impact=np.zeros(last.shape), spot=np.column_stack([np.asarray(v, float) for v in coins.values()]),
        worth=values, worst=values,
    )  # fmt: skip
