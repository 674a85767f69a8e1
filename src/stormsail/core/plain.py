"""Any value of the project as plain data for JSON: exact numbers as text, missing ones with their reason."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np

from stormsail.core.finding import Unavailable
from stormsail.core.time import format_span

SIGNIFICANT = 12


def to_plain(value: Any) -> Any:
    """Turn dataclasses, mappings, sequences, dates and numbers into what JSON can hold.

    Decimals become text without exponent, floats are rounded to twelve significant digits, infinities and NaN become
    ``"inf"``, ``"-inf"`` and ``null``, and :class:`Unavailable` becomes ``{"unavailable": reason}``.

    >>> to_plain({"a": Decimal("1E+3"), "b": Unavailable("no book"), "c": (1 / 3, math.inf)})
    {'a': '1000', 'b': {'unavailable': 'no book'}, 'c': [0.333333333333, 'inf']}
    """
    match value:
        case Enum():
            return value.value
        case None | bool() | str():
            return value
        case int() | np.integer():
            return int(value)
        case float() | np.floating():
            return _plain_float(float(value))
        case Decimal():
            return format(value, "f")
        case Unavailable():
            return {"unavailable": value.reason}
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return format_span(value)
        case Mapping():
            return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case np.ndarray():
            return [to_plain(item) for item in value.tolist()]
        case set() | frozenset():
            return sorted(to_plain(item) for item in value)
        case _:
            return [to_plain(item) for item in value]


def _plain_float(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(f"{value:.{SIGNIFICANT}g}")
