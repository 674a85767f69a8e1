"""What was noticed on the way, in the seven words the whole project uses for trouble."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Trouble(StrEnum):
    """The seven words for something missing or wrong, plus ``note`` for what is merely worth knowing."""

    NOTE = "note"
    PROPAGATE = "propagate"
    UNAVAILABLE = "unavailable"
    DEFER = "defer"
    FAIL_CLOSED = "fail closed"
    DEGRADED = "degraded"
    FATAL = "fatal"
    NAKED = "naked"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One observation about data, exposure, venue or plan.

    Attributes:
        trouble: Which of the seven words applies.
        subject: What it is about: an asset, a contract, a series, a limit.
        cause: What was seen, in one line, with the figures.
        cure: What follows from it or what to do, in one line.

    >>> print(Finding(Trouble.UNAVAILABLE, "funding binance:SUIUSDT", "no history", "venue baseline assumed"))
    unavailable  funding binance:SUIUSDT: no history; venue baseline assumed
    """

    trouble: Trouble
    subject: str
    cause: str
    cure: str

    def __str__(self) -> str:
        return f"{self.trouble.value}  {self.subject}: {self.cause}; {self.cure}"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Stands where a number would stand that could not be had; it carries the reason and is never zero.

    >>> str(Unavailable("no order book"))
    'unavailable (no order book)'
    """

    reason: str

    def __str__(self) -> str:
        return f"unavailable ({self.reason})"

    def __bool__(self) -> bool:
        return False
