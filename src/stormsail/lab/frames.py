"""A backtest as tables: values through time, every movement of the ledger, the event log, the worst days."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np
import polars as pl

from stormsail.core import Unavailable
from stormsail.lab.account import amount_of, exact_price
from stormsail.lab.ledger import ACCOUNT, AMOUNT, CURRENCY, FLOW, ITEM, STEP, TICKS, UNITS, Flow, IntArray
from stormsail.lab.replay import RESERVE, SPOT_PLACES, Replay
from stormsail.lab.result import Paths, funding_rows
from stormsail.market.panel import FloatArray

EXACT = pl.Decimal(38, 8)
"""Amounts of money: exact to the smallest unit of any currency."""

OWN_CASH = "own cash"
"""Name of the holder's cash outside the accounts."""

LEDGER_SCHEMA = {
    "when": pl.Datetime("us", "UTC"), "flow": pl.String(), "account": pl.String(), "venue": pl.String(),
    "item": pl.String(), "currency": pl.String(), "amount": EXACT, "quantity": pl.String(), "price": pl.String(),
}  # fmt: skip


def series_frame(replay: Replay, paths: Paths, rivals: Mapping[str, FloatArray | Unavailable]) -> pl.DataFrame:
    """Values at every moment.

    Columns: ``when``; ``unhedged``, ``hedged`` and the rivals in the currency of account; ``short`` (value short);
    ``funding`` (received so far); ``cash`` (own cash outside the accounts); ``balance:A``, ``requirement:A`` and
    ``ratio:A`` for each account (null where it holds nothing); ``position:C`` in contract units for each contract.
    """
    course, books = replay.course, replay.books
    columns: dict[str, object] = {
        "when": pl.Series(course.times).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        "unhedged": paths.unhedged,
        "hedged": paths.hedged,
    }
    for name, values in rivals.items():
        if not isinstance(values, Unavailable):
            columns[name] = values
    columns |= {
        "short": paths.short,
        "funding": paths.funding,
        "cash": (paths.cash[:, -1] * course.worth).sum(axis=1),
    }
    ratio = paths.ratio
    for a, account in enumerate(books.accounts):
        columns[f"balance:{account.name}"] = paths.balance[:, a]
        columns[f"requirement:{account.name}"] = paths.requirement[:, a]
        columns[f"ratio:{account.name}"] = ratio[:, a]
    for i, leg in enumerate(books.legs):
        columns[f"position:{leg.contract.id}"] = paths.lots[:, i] * float(leg.contract.lot)
    return pl.DataFrame(columns, nan_to_null=True)


def ledger_frame(replay: Replay) -> pl.DataFrame:
    """Every movement of money, contracts and coins in order of time, exactly.

    Columns: ``when``; ``flow`` (:class:`~stormsail.lab.ledger.Flow` in lower case); ``account`` and ``venue`` (own cash
    has no venue); ``item``, the contract or coin; ``currency`` and ``amount`` (received positive, exact decimals);
    ``quantity`` of contract units or coins that moved, and ``price`` it was booked at, both exact texts, null where
    nothing but money moved. Within a moment funding comes first, then what the walk booked, in its order.
    """
    rows = np.vstack([funding_rows(replay), replay.ledger])
    rows = rows[np.argsort(rows[:, STEP], kind="stable")]
    when = pl.Series(replay.course.times[rows[:, STEP]]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    told = [_row(replay, row) for row in rows]
    names = [name for name in LEDGER_SCHEMA if name != "when"]
    data = {name: [row[k] for row in told] for k, name in enumerate(names)}
    return pl.DataFrame({"when": when, **data}, schema=LEDGER_SCHEMA)


def _row(replay: Replay, row: IntArray) -> tuple[object, ...]:
    books, course = replay.books, replay.course
    a, item, units, flow = int(row[ACCOUNT]), int(row[ITEM]), int(row[UNITS]), Flow(int(row[FLOW]))
    account = OWN_CASH if a == RESERVE else books.accounts[a].name
    venue = None if a == RESERVE else books.accounts[a].venue
    currency = course.currencies[int(row[CURRENCY])]
    name, quantity, price = None, None, None
    if flow is Flow.SPOT or (a == RESERVE and flow is Flow.FEE):
        name = course.coins[item if item >= 0 else -1 - item]
        quantity = _text(Decimal(units).scaleb(-SPOT_PLACES)) if units else None
    elif item >= 0:
        contract = books.legs[item].contract
        name = contract.id
        quantity = _text(units * contract.lot) if units else None
        price = _text(exact_price(int(row[TICKS]), books.digits[item])) if row[TICKS] else None
    amount = amount_of(int(row[AMOUNT]), currency)
    return flow.name.lower(), account, venue, name, currency, amount, quantity, price


def _text(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def log_frame(replay: Replay) -> pl.DataFrame:
    """The event log: ``when``, ``what``, ``where``, ``reason``."""
    return pl.DataFrame(
        [(line.when, line.what, line.where, line.reason) for line in replay.log],
        schema={
            "when": pl.Datetime("us", "UTC"), "what": pl.String(), "where": pl.String(), "reason": pl.String(),
        },
        orient="row",
    )  # fmt: skip
