"""A fact about the outside world, with where and when it was true."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Evidence(StrEnum):
    """How a fact came to be known, from strong to weak."""

    ON_CHAIN = "on-chain"
    VENUE_DOC = "venue document"
    REPORTED = "reported"
    SELF_REPORTED = "self-reported"
    MEASURED = "measured"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T_co]):
    """A value with its source, its date and the kind of evidence.

    >>> Sourced(0.0005, "https://www.binance.com/en/fee/futureFee", date(2025, 6, 1), Evidence.VENUE_DOC).value
    0.0005
    """

    value: T_co
    source: str
    as_of: date
    evidence: Evidence
