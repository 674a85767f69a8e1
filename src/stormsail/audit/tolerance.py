"""The holder's risk tolerance as one validated value, and how it is read from text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from stormsail.core import ToleranceError, exact, format_span, parse_span, to_float

LONGEST = timedelta(days=730)
"""Longest horizon: beyond two years neither the risk model nor any carry forecast has anything to say."""

_NUMBER = re.compile(r"[+-]?(\d+(_\d+)*)?(\.\d+)?([eE][+-]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much to protect, for how long, and with what means.

    Attributes:
        coverage: Share of the exposure to protect, in (0, 1].
        survive: Move that must be survived, in (0, 1): the portfolio falling by it must leave ``floor``,
            and the hedge rising by it must not be liquidated.
        horizon: How long the protection is wanted, at most two years.
        collateral: Cash that can be posted, in the portfolio's currency; ``None`` means as much as is needed.
        floor: Value the portfolio must keep after falling by ``survive``; ``None`` for no floor.
        budget: Largest acceptable expected cost over the horizon; ``None`` for no limit.
        venues: Venues that may be used; empty means every venue that passes due diligence.
        liquidation_chance: Largest acceptable chance of a liquidation over 30 days.
        top_up: How long it takes to notice and to post more collateral.
        volume_share: Largest share of a contract's daily volume that the hedge may be.
        max_net_delta: Largest net short beyond the exposure, as a share of the exposure.
    """

    coverage: float = 0.5
    survive: float = 0.3
    horizon: timedelta = timedelta(days=30)
    collateral: Decimal | None = None
    floor: Decimal | None = None
    budget: Decimal | None = None
    venues: tuple[str, ...] = ()
    liquidation_chance: float = 0.01
    top_up: timedelta = timedelta(hours=24)
    volume_share: float = 0.01
    max_net_delta: float = 0.0

    def __post_init__(self) -> None:
        shares = {"coverage": (0, 1), "survive": (0, 0.99), "liquidation_chance": (0, 0.5), "volume_share": (0, 1)}
        for name, (low, high) in shares.items():
            value = getattr(self, name)
            if not low < value <= high:
                raise ToleranceError(
                    f"{name} is {value:g}, outside ({low}, {high}]",
                    cure="write a share such as 0.5 or 50%",
                    where=name,
                )
        for name in ("collateral", "floor", "budget"):
            amount = getattr(self, name)
            if amount is not None and (not amount.is_finite() or amount < 0):
                raise ToleranceError(f"{name} is {amount}", cure="give an amount of 0 or more", where=name)
        if not 0 <= self.max_net_delta <= 1:
            raise ToleranceError(
                f"max_net_delta is {self.max_net_delta:g}", cure="give a share from 0 to 1", where="max_net_delta"
            )
        for name in ("horizon", "top_up"):
            span = getattr(self, name)
            if span <= timedelta(0):
                raise ToleranceError(f"{name} is {span}", cure="give a span such as 30d or 12h", where=name)
        if self.horizon > LONGEST:
            raise ToleranceError(
                f"horizon is {format_span(self.horizon)}, longer than {format_span(LONGEST)}",
                cure="plan for two years at most, and plan again before they are over",
                where="horizon",
            )
        if self.top_up > self.horizon:
            raise ToleranceError(
                f"top_up {self.top_up} is longer than the horizon {self.horizon}",
                cure="shorten top_up or lengthen horizon",
                where="top_up",
            )


def tolerance_from_text(values: Mapping[str, object]) -> Tolerance:
    """Build a :class:`Tolerance` from texts; fields that are absent or ``None`` keep their defaults.

    Shares are written ``50%`` or ``0.5``, amounts ``20000`` or ``20_000``, spans ``30d`` or ``12h``, venues
    ``binance,bybit`` or a list. Numbers and spans that are already of their type are taken as they are.

    Raises:
        ToleranceError: If a name is not a field (the nearest is given), or a value cannot be read or is out of range.

    >>> t = tolerance_from_text({"coverage": "50%", "collateral": "20_000", "horizon": "30d"})
    >>> t.coverage, t.collateral, t.horizon.days
    (0.5, Decimal('20000'), 30)
    """
    parsed: dict[str, object] = {}
    for name, value in values.items():
        reader = _READERS.get(name)
        if reader is None:
            close = difflib.get_close_matches(name, _READERS, n=1, cutoff=0.4)
            cure = f"did you mean {close[0]}?" if close else f"known fields: {', '.join(_READERS)}"
            raise ToleranceError(f"unknown field {name!r}", cure=cure, where=name)
        if value is not None:
            parsed[name] = reader(value, name)
    return Tolerance(**parsed)  # type: ignore[arg-type]  # each reader returns its field's type


def parse_share(value: object, where: str = "share") -> float:
    """Read ``50%`` or ``0.5`` as a fraction.

    Raises:
        ToleranceError: If it is no number, or a number above 1 without a percent sign, which could mean either.

    >>> parse_share("12.5%")
    0.125
    """
    text = _text(value, where)
    percent = text.endswith("%")
    number = _number(text.removesuffix("%").rstrip(), where, "write a share such as 0.5 or 50%")
    share = to_float(number) / 100 if percent else to_float(number)
    if not percent and share > 1:
        raise ToleranceError(
            f"{where} is {text}, more than the whole", cure=f"write {text}% if you mean so", where=where
        )
    return share


def parse_amount(value: object, where: str = "amount") -> Decimal:
    """Read ``20000``, ``20_000`` or ``1.5e4`` as an exact amount of money.

    Raises:
        ToleranceError: If it is no number, or has commas or a currency in it.

    >>> parse_amount("20_000")
    Decimal('20000')
    """
    return _number(_text(value, where), where, "write an amount such as 20000 or 20_000, without comma or currency")


def _text(value: object, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ToleranceError(f"{where} is {value!r}", cure="write it as a number or a text", where=where)
    return str(value).strip()


def _number(text: str, where: str, cure: str) -> Decimal:
    if not _NUMBER.fullmatch(text) or not any(c.isdigit() for c in text.lower().split("e")[0]):
        raise ToleranceError(f"{where} is {text!r}, not a number", cure=cure, where=where)
    try:
        number = exact(text.replace("_", ""))
    except ValueError as error:
        raise ToleranceError(f"{where} is {text!r}, not a number", cure=cure, where=where) from error
    if abs(number.adjusted()) > 30:
        raise ToleranceError(f"{where} is {text!r}, out of any range", cure=cure, where=where)
    return number


def _span(value: object, where: str) -> timedelta:
    if isinstance(value, timedelta):
        return value
    text = _text(value, where)
    try:
        return parse_span(text)
    except (ValueError, OverflowError) as error:
        raise ToleranceError(
            f"{where} is {text!r}, not a span", cure="write a span such as 30d, 12h or 2w", where=where
        ) from error


def _venues(value: object, where: str) -> tuple[str, ...]:
    names: Iterable[object]
    if isinstance(value, str):
        names = value.split(",")
    elif isinstance(value, list | tuple):
        names = value
    else:
        raise ToleranceError(f"{where} is {value!r}", cure="write names such as binance,bybit", where=where)
    clean = [_text(name, where).lower() for name in names]
    return tuple(dict.fromkeys(name for name in clean if name))


_READERS: dict[str, Callable[[object, str], object]] = {
    "coverage": parse_share,
    "survive": parse_share,
    "horizon": _span,
    "collateral": parse_amount,
    "floor": parse_amount,
    "budget": parse_amount,
    "venues": _venues,
    "liquidation_chance": parse_share,
    "top_up": _span,
    "volume_share": parse_share,
    "max_net_delta": parse_share,
}
