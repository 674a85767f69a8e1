"""Hypothesis strategies shared by tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import polars as pl
from hypothesis import strategies as st

from stormsail.core import Contract, Payoff, Tenor
from tests.support import HOUR, bars

EXPIRY = datetime(2025, 12, 26, 8, tzinfo=UTC)

prices = st.decimals(min_value="0.00000001", max_value="100000", allow_nan=False, allow_infinity=False, places=8)
"""Exact positive prices."""

quantities = st.decimals(min_value="-1000000", max_value="1000000", places=4)
"""Exact signed contract units."""

rates = st.decimals(min_value="-0.03", max_value="0.03", places=8)
"""Exact funding rates per interval."""


@st.composite
def contracts(draw: st.DrawFn, payoffs: tuple[Payoff, ...] = tuple(Payoff)) -> Contract:
    """Contracts of every payoff and tenor."""
    tenor = draw(st.sampled_from(list(Tenor)))
    step = st.sampled_from([Decimal(t) for t in ("0.0001", "0.001", "0.01", "0.1", "1", "10")])
    return Contract(
        venue=draw(st.sampled_from(["binance", "bybit", "okx"])),
        symbol="XYZUSDT",
        base="XYZ",
        quote="USDT",
        tenor=tenor,
        payoff=draw(st.sampled_from(payoffs)),
        size=draw(st.sampled_from([Decimal(s) for s in ("1", "10", "100", "1000", "0.01")])),
        lot=draw(step),
        tick=draw(step),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        expiry=EXPIRY if tenor is Tenor.DATED else None,
    )


@st.composite
def price_bars(draw: st.DrawFn, *, least: int = 2, most: int = 80, steepest: float = 1.5) -> pl.DataFrame:
    """Hourly bars of a continuously traded price: each opens at the last close, moves up to ``e**steepest`` a bar."""
    steps = draw(st.lists(st.floats(-steepest, steepest), min_size=least, max_size=most))
    first = draw(st.floats(1e-6, 1e5))
    return bars(first * np.exp(np.cumsum(np.clip(steps, -steepest, steepest))), bar=HOUR, spread=0.01)
