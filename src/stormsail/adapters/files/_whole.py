"""Values of the project written to JSON so that they can be read back as they were, to the last digit.

Each value that JSON does not know says what it is: ``{"!": "Order", ...}`` for a dataclass, ``{"=": "1.50"}`` for an
exact number, ``{"~": "inf"}`` for a float that JSON has no word for, and so on. Only classes that the fields of the
root class name can be made; nothing in a file is run.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import numpy as np

_MICROSECOND = timedelta(microseconds=1)


def encode(value: Any) -> Any:
    """A value as plain JSON data that :func:`decode` turns back.

    Raises:
        TypeError: For a value of a kind that plans do not hold.

    >>> encode((Decimal("1.50"), float("inf")))
    {'()': [{'=': '1.50'}, {'~': 'inf'}]}
    """
    match value:
        case Enum():
            return {"#": [type(value).__name__, value.value]}
        case None | bool() | str():
            return value
        case np.floating():
            return encode(float(value))
        case np.integer() | int():
            return int(value)
        case float():
            return value if math.isfinite(value) else {"~": repr(value)}
        case Decimal():
            return {"=": str(value)}
        case datetime():
            return {"@": value.isoformat()}
        case date():
            return {"@d": value.isoformat()}
        case timedelta():
            return {"+": value // _MICROSECOND}
        case tuple():
            return {"()": [encode(item) for item in value]}
        case list():
            return [encode(item) for item in value]
        case frozenset():
            return {"<>": sorted((encode(item) for item in value), key=repr)}
        case Mapping():
            return {"{}": [[encode(key), encode(item)] for key, item in value.items()]}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
            return {"!": type(value).__name__, **fields}
    raise TypeError(f"{type(value).__name__} cannot be kept")


def decode(data: Any, root: type) -> Any:
    """The value that :func:`encode` wrote.

    Args:
        data: What was read from JSON.
        root: Class of the whole; only classes its fields lead to are made.

    Raises:
        ValueError: If the data is not of that form.
    """
    return _decoded(data, classes(root))


@cache
def classes(root: type) -> Mapping[str, type]:
    """Dataclasses and enumerations that the fields of ``root`` lead to, by name, itself included."""
    found: dict[str, type] = {}
    left: list[Any] = [root]
    while left:
        hint = left.pop()
        if isinstance(hint, types.GenericAlias | types.UnionType) or typing.get_origin(hint) is not None:
            left.extend(typing.get_args(hint))
        elif isinstance(hint, type) and hint.__name__ not in found:
            if issubclass(hint, Enum):
                found[hint.__name__] = hint
            elif dataclasses.is_dataclass(hint):
                found[hint.__name__] = hint
                left.extend(typing.get_type_hints(hint).values())
    return found


def _decoded(data: Any, known: Mapping[str, type]) -> Any:
    if isinstance(data, list):
        return [_decoded(item, known) for item in data]
    if not isinstance(data, dict):
        return data
    if "!" in data:
        made = known.get(data["!"])
        if made is None or not dataclasses.is_dataclass(made):
            raise ValueError(f"unknown class {data['!']!r}")
        try:
            return made(**{name: _decoded(item, known) for name, item in data.items() if name != "!"})
        except TypeError as error:
            raise ValueError(str(error)) from error
    if len(data) != 1:
        raise ValueError(f"keys {sorted(data)} are not of this form")
    ((tag, inner),) = data.items()
    return _tagged(tag, inner, known)


def _tagged(tag: str, inner: Any, known: Mapping[str, type]) -> Any:
    match tag:
        case "#":
            name, value = inner
            made = known.get(name)
            if made is None or not issubclass(made, Enum):
                raise ValueError(f"unknown enumeration {name!r}")
            return made(value)
        case "=":
            return Decimal(inner)
        case "~":
            return float(inner)
        case "@":
            return datetime.fromisoformat(inner)
        case "@d":
            return date.fromisoformat(inner)
        case "+":
            return timedelta(microseconds=inner)
        case "()":
            return tuple(_decoded(item, known) for item in inner)
        case "<>":
            return frozenset(_decoded(item, known) for item in inner)
        case "{}":
            return {_decoded(key, known): _decoded(item, known) for key, item in inner}
    raise ValueError(f"unknown mark {tag!r}")
