"""Order books: what crossing one costs, and what a larger order is expected to cost where none is known."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import polars as pl

from stormsail.core import Unavailable, format_span
from stormsail.market.panel import FloatArray


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"


IMPACT_COEFFICIENT = 1.0
"""Coefficient Y of the square-root law; empirical values lie about 0.5 to 1.0, the upper end is taken."""


def latest_book(
    frame: pl.DataFrame, as_of: datetime, *, max_age: timedelta = timedelta(hours=1)
) -> pl.DataFrame | Unavailable:
    """The last snapshot known at ``as_of``, if it is no older than ``max_age``."""
    known = frame.filter(pl.col("known_at") <= as_of)
    if known.is_empty():
        return Unavailable("no order book")
    last: datetime = known.select(pl.col("known_at").max()).item()
    if as_of - last > max_age:
        return Unavailable(f"last order book is of {last:%Y-%m-%d %H:%M}, older than {format_span(max_age)}")
    return known.filter(pl.col("known_at") == last)


def _levels(book: pl.DataFrame, side: str) -> tuple[FloatArray, FloatArray]:
    """Prices and quantities of one side, best first."""
    rows = book.filter((pl.col("side") == side) & (pl.col("quantity") > 0)).sort(
        "price", descending=side == "bid", maintain_order=True
    )
    return rows["price"].to_numpy(), rows["quantity"].to_numpy()


def mid_price(book: pl.DataFrame) -> float | Unavailable:
    """Mean of best bid and best ask of one snapshot; unavailable if a side is empty or the book is crossed."""
    bids, asks = _levels(book, "bid")[0], _levels(book, "ask")[0]
    if not len(bids) or not len(asks):
        return Unavailable("one side of the order book is empty")
    if bids[0] >= asks[0]:
        return Unavailable(f"crossed order book: bid {bids[0]:g}, ask {asks[0]:g}")
    return float((bids[0] + asks[0]) / 2.0)


def half_spread(book: pl.DataFrame) -> float | Unavailable:
    """Half the distance of best bid and ask, as a fraction of the mid price."""
    mid = mid_price(book)
    return mid if isinstance(mid, Unavailable) else float(_levels(book, "ask")[0][0] / mid - 1.0)


def slippage_from_book(book: pl.DataFrame, side: Side | str, notional: float) -> float | Unavailable:
    """Cost of crossing the book with a market order, as a fraction of the mid price; positive is a cost.

    Walks the levels until ``notional`` is filled: ``|average price / mid - 1|``. Includes the half spread, no fee.

    Args:
        book: One snapshot (see :func:`latest_book`), quantities in coins.
        side: ``buy`` takes asks, ``sell`` takes bids.
        notional: Size of the order in quote currency, positive.

    Returns:
        The fraction; unavailable when the book shown is not deep enough, because what lies deeper is not known.
    """
    if not notional > 0:
        raise ValueError(f"notional must be positive, not {notional}")
    mid = mid_price(book)
    if isinstance(mid, Unavailable):
        return mid
    price, quantity = _levels(book, "ask" if Side(side) is Side.BUY else "bid")
    value = price * quantity
    before = np.concatenate([[0.0], np.cumsum(value)[:-1]])
    taken = np.clip(notional - before, 0.0, value)
    depth = float(value.sum())
    if depth < notional:
        return Unavailable(f"the order book shows {depth:,.0f} of {notional:,.0f}")
    average = notional / float((taken / price).sum())
    return abs(average / mid - 1.0)


def square_root_impact(
    notional: float, daily_volume: float, daily_volatility: float, *, coefficient: float = IMPACT_COEFFICIENT
) -> float:
    """Expected price impact of an order worked over a day: ``Y * sigma * sqrt(Q / V)``, a fraction of price.

    The impact is that at the order's end; its average fill pays about two thirds of it, so this errs on the dear side.

    Args:
        notional: Order value Q.
        daily_volume: Volume V in the same currency and per day.
        daily_volatility: Standard deviation sigma of daily returns.
        coefficient: Y.

    Source: Tóth et al., "Anomalous price impact and the critical nature of liquidity in financial markets",
    Phys. Rev. X 1, 021006 (2011), eq. 1; for bitcoin: Donier and Bonart, "A million metaorder analysis of market impact
    on the Bitcoin", Market Microstructure and Liquidity 1 (2015).

    >>> round(square_root_impact(10_000, 1_000_000, 0.05), 6)
    0.005
    """
    if daily_volume <= 0 or notional < 0:
        raise ValueError(f"volume must be positive and notional not negative: {daily_volume}, {notional}")
    return coefficient * daily_volatility * math.sqrt(notional / daily_volume)


def expected_slippage(
    notional: float,
    *,
    book: pl.DataFrame | Unavailable,
    daily_volume: float | Unavailable,
    daily_volatility: float | Unavailable,
) -> float | Unavailable:
    """Slippage of one market sale as a fraction: from the book if it is deep enough, else by the square-root law.

    Args:
        notional: Order value; 0 slips by nothing.
        book: One snapshot, or why there is none.
        daily_volume: Median daily volume in quote currency.
        daily_volatility: Standard deviation of daily returns; NaN counts as unavailable.
    """
    if notional <= 0:
        return 0.0
    if not isinstance(book, Unavailable):
        walked = slippage_from_book(book, Side.SELL, notional)
        if not isinstance(walked, Unavailable):
            return walked
    if isinstance(daily_volume, Unavailable) or not daily_volume > 0:
        return Unavailable("neither order book nor volume is known")
    if isinstance(daily_volatility, Unavailable) or not daily_volatility > 0:
        return Unavailable("neither order book nor volatility is known")
    return square_root_impact(notional, daily_volume, daily_volatility)
