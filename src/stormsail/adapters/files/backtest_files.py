"""A backtest as files: its figures as sealed JSON, its values through time and its ledger as Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from stormsail.adapters.files.plan_file import digest_of, plan_to_dict
from stormsail.core import InputError, plus
from stormsail.core.plain import to_plain
from stormsail.lab.backtest import Backtest
from stormsail.lab.summary import Summary
from stormsail.plan.types import HedgePlan

KIND, SCHEMA_VERSION = "stormsail backtest", 1


def backtest_to_dict(test: Backtest) -> dict[str, Any]:
    """The backtest as plain data, sealed: the last key is the digest of the others.

    Exact numbers are text, statistics are rounded to twelve significant digits, and what could not be had is
    ``{"unavailable": reason}``.
    """
    content = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "inputs": {
            "portfolio": test.portfolio,
            "tolerance": test.tolerance,
            "policy": test.policy,
            "market_data": test.source,
            "reserve": test.replay.reserve,
        },
        "currency": test.course.account,
        **_figures(test.summary),
        "plans": [_plan(plan) for plan in test.plans],
        "events": test.replay.log,
        "findings": test.findings,
    }
    plain: dict[str, Any] = to_plain(content)
    return {**plain, "digest": digest_of(plain)}


def _figures(made: Summary) -> dict[str, Any]:
    return {
        "start": made.start,
        "end": made.end,
        "step": made.step,
        "judged_by": made.judged_by,
        "outcomes": {row.name: {**_fields(row), "change": row.change} for row in made.outcomes}
        | {name: {"unavailable": why} for name, why in made.missing.items()},
        "attribution": made.attribution,
        "worst_days": [{**_fields(day), "hedge": day.hedge} for day in made.worst_days],
        "funding": [
            {**_fields(row), "net": row.net}
            if row.known
            else {"contract": row.contract, "unavailable": "no funding rate of it is known in this span"}
            for row in made.funding
        ],
        "accounts": made.accounts,
        "events_by_kind": made.events,
    }


def _fields(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(value)
    return plain


def _plan(plan: HedgePlan) -> Mapping[str, Any]:
    return {
        "as_of": plan.as_of,
        "digest": plan_to_dict(plan)["digest"],
        "coins": plan.exposure.risky_value,
        "short": plus(order.notional for order in plan.orders),
        "cash": plus(margin.cash for margin in plan.margins),
        "orders": {order.contract.id: order.quantity for order in plan.orders},
        "effectiveness": plan.effectiveness,
    }


def write_backtest(test: Backtest, folder: Path) -> dict[str, Path]:
    """Write ``backtest.json``, ``series.parquet`` and ``ledger.parquet`` into a folder, each whole or not at all.

    Returns:
        What was written, by name.

    Raises:
        InputError: If the folder cannot be written.
    """
    text = json.dumps(backtest_to_dict(test), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    paths = {
        "Figures": folder / "backtest.json",
        "Through time": folder / "series.parquet",
        "Ledger": folder / "ledger.parquet",
    }
    try:
        _whole(paths["Figures"], text)
        _whole(paths["Through time"], test.frame())
        _whole(paths["Ledger"], test.ledger_frame())
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", cure="choose another folder", where=str(folder)
        ) from error
    return paths


def _whole(path: Path, content: str | pl.DataFrame) -> None:
    draft = path.with_name(path.name + ".part")
    if isinstance(content, str):
        draft.write_text(content, encoding="utf-8", newline="\n")
    else:
        content.write_parquet(draft)
    draft.replace(path)
