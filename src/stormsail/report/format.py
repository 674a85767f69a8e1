"""How numbers, spans and gaps are written for people: plain ASCII, thousands separated, never a false zero."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

NOT_KNOWN = "n/a"
"""What stands in a table cell where no number could be had; a note under the table says why."""

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
Number = Decimal | float


def fixed(value: Number, places: int) -> str:
    """A number with that many decimals; ``n/a`` for NaN, ``no limit`` for infinity, never ``-0``.

    >>> fixed(-1234.567, 1), fixed(-0.001, 2), fixed(float("nan"), 2)
    ('-1,234.6', '0.00', 'n/a')
    """
    if math.isnan(value):
        return NOT_KNOWN
    if math.isinf(value):
        return "no limit" if value > 0 else "-no limit"
    text = f"{value:,.{places}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text


def _places(value: Number, *, digits: int) -> int:
    """Decimals that leave at least ``digits`` significant digits of a small number."""
    size = abs(float(value))
    if size == 0 or not math.isfinite(size):
        return 0
    return max(0, digits - 1 - math.floor(math.log10(size)))


def amount(value: Number) -> str:
    """An amount of money without its currency: whole above 1,000, cents above 1, three digits below.

    >>> amount(103200.4), amount(Decimal("12.345")), amount(0.0012345), amount(0)
    ('103,200', '12.34', '0.00123', '0')
    """
    size = abs(float(value))
    if not size or math.isnan(size) or size >= 1000:
        return fixed(value, 0)
    return fixed(value, 2) if size >= 1 else fixed(value, _places(value, digits=3))


def money(value: Number, currency: str) -> str:
    """An amount with its currency.

    >>> money(103200.4, "USD")
    '103,200 USD'
    """
    return f"{amount(value)} {currency}"


def amounts(values: Sequence[Number], *, sign: bool = False) -> list[str]:
    """A column of money with one number of decimals for all, chosen by the largest; ``sign`` writes the plus too.

    >>> amounts([1200.5, -3.2], sign=True)
    ['+1,200', '-3']
    >>> amounts([12.5, 3])
    ['12.50', '3.00']
    """
    finite = [abs(float(value)) for value in values if math.isfinite(value)]
    places = 0 if max(finite, default=0.0) >= 1000 else 2
    texts = [fixed(value, places) for value in values]
    return [
        f"+{text}" if sign and value > 0 and text[0].isdigit() and text.strip("0.") else text
        for value, text in zip(values, texts, strict=True)
    ]


def amount_rows(rows: Sequence[Sequence[Number]], *, sign: bool = False) -> list[list[str]]:
    """A whole table of money with one number of decimals.

    >>> amount_rows([[1200.5, 3.2], [7, 8]])
    [['1,200', '3'], ['7', '8']]
    """
    texts = iter(amounts([value for row in rows for value in row], sign=sign))
    return [[next(texts) for _ in row] for row in rows]


def points(fraction: float, places: int = 1) -> str:
    """A fraction as a bare percentage for a column headed ``%``.

    >>> points(0.0791), points(-0.5), points(-1e-9)
    ('7.9', '-50.0', '0.0')
    """
    return fixed(fraction * 100, places)


MOST_PLACES = 6
"""Decimals of a percentage beyond which two shares are not told apart."""


def places_apart(fractions: Sequence[float], places: int = 1) -> int:
    """Decimals, at least ``places``, with which no share below 100 % is written as 100.

    >>> places_apart([0.931]), places_apart([0.9997]), places_apart([0.9995, 0.9998], 0), places_apart([1.0])
    (1, 2, 2, 1)
    """
    below = [100 * x for x in fractions if x < 1]
    return next((p for p in range(places, MOST_PLACES) if all(round(x, p) < 100 for x in below)), MOST_PLACES)


def share_points(fraction: float, places: int = 1) -> str:
    """Like :func:`points`, but what is below 100 % is never written as 100.

    >>> share_points(0.931), share_points(0.99974), share_points(1.0), share_points(1 - 1e-12)
    ('93.1', '99.97', '100.0', '>99.999999')
    """
    text = points(fraction, places_apart([fraction], places))
    return f">99.{'9' * MOST_PLACES}" if fraction < 1 and text.startswith("100.") else text


def share_percent(fraction: float, places: int = 1) -> str:
    """The same in a sentence.

    >>> share_percent(0.99974), share_percent(0.931), share_percent(0.0003), share_percent(float("nan"))
    ('99.97 %', '93.1 %', '0.03 %', 'n/a')
    """
    return percent(fraction, places) if not 0.5 < fraction < 1 else f"{share_points(fraction, places)} %"


def share_interval(low: float, high: float, value: float) -> tuple[str, str]:
    """Both ends of a share's interval: whole percent, or where those say 100 as many decimals as the share itself has.

    Ends that whole percents cannot tell apart have one decimal.

    >>> share_interval(0.914, 0.952, 0.931), share_interval(0.99951, 0.99984, 0.9997)
    (('91', '95'), ('99.95', '99.98'))
    >>> share_interval(0.576, 0.579, 0.578)
    ('57.6', '57.9')
    """
    needed = places_apart([low, high], 0)
    places = max(needed, places_apart([value])) if needed else 0
    ends = share_points(low, places), share_points(high, places)
    if needed or low == high or ends[0] != ends[1]:
        return ends
    return share_points(low), share_points(high)


def fine_points(fraction: float, places: int = 1) -> str:
    """Like :func:`points`, but a small one keeps two digits, for chances.

    >>> fine_points(0.00033), fine_points(1e-9), fine_points(0.0)
    ('0.033', '<0.0001', '0.0')
    """
    value = fraction * 100
    if math.isfinite(value) and value and round(value, places) == 0:
        if abs(value) < 1e-4:
            return "<0.0001" if value > 0 else ">-0.0001"
        return fixed(value, _places(value, digits=2))
    return fixed(value, places)


def percent(fraction: float, places: int = 1) -> str:
    """A fraction as a percentage in a sentence.

    >>> percent(0.0791), percent(float("inf"))
    ('7.9 %', 'no limit')
    """
    text = fine_points(fraction, places)
    return f"{text} %" if text[-1].isdigit() else text


def signed_points(fraction: float, places: int = 1) -> str:
    """Like :func:`points`, with a plus before what is received.

    >>> signed_points(0.012), signed_points(-0.012), signed_points(0.0)
    ('+1.2', '-1.2', '0.0')
    """
    text = points(fraction, places)
    return f"+{text}" if fraction > 0 and text.strip("0.") and text[0].isdigit() else text


def price(value: Number) -> str:
    """A price without trailing zeros or exponent: an exact one with all its digits, a float with six significant ones.

    >>> price(Decimal("0.00001234")), price(64123.5), price(0.000012345678)
    ('0.00001234', '64,123.5', '0.0000123457')
    """
    text = f"{value:,f}" if isinstance(value, Decimal) else fixed(value, _places(value, digits=6))
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: Decimal) -> str:
    """A quantity, exact, without trailing zeros.

    >>> quantity(Decimal("1500.500")), quantity(Decimal("1E+3"))
    ('1,500.5', '1,000')
    """
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def span(length: timedelta) -> str:
    """A length of time in words.

    >>> span(timedelta(days=30)), span(timedelta(hours=24)), span(timedelta(minutes=90))
    ('30 days', '24 hours', '90 minutes')
    """
    minutes = round(length.total_seconds() / 60)
    for size, unit, least in ((1440, "day", 2880), (60, "hour", 60)):
        if minutes % size == 0 and minutes >= least:
            return count(minutes // size, unit)
    return count(minutes, "minute")


def moment(when: datetime) -> str:
    """A moment to the minute, in UTC.

    >>> from datetime import UTC
    >>> moment(datetime(2024, 8, 4, tzinfo=UTC))
    '2024-08-04 00:00 UTC'
    """
    return f"{when:%Y-%m-%d %H:%M} UTC"


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "coin"), count(12, "coin")
    ('1 coin', '12 coins')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listing(names: Sequence[str], *, most: int = 6) -> str:
    """Names in a sentence, the rest counted.

    >>> listing(["A", "B", "C"]), listing(["A", "B", "C"], most=2)
    ('A, B and C', 'A, B and 1 more')
    """
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "nothing"


def window(text: str) -> str:
    """The window of an estimate in words.

    >>> window("2024-01-01..2024-12-31 1d"), window("all of it")
    ('2024-01-01 to 2024-12-31, daily', 'all of it')
    >>> window("2024-01-01..2024-01-31 4h")
    '2024-01-01 to 2024-01-31, every 4 hours'
    """
    steps = {"1d": "daily", "1h": "hourly"}
    days, _, step = text.partition(" ")
    many = f"every {step[:-1]} hours" if step[-1:] == "h" and step[:-1].isdigit() else step
    return f"{days.replace('..', ' to ')}, {steps.get(step, many)}" if ".." in days and step else clean(text)


def bar_of(text: str) -> str:
    """What one observation of a window is: a day, an hour, or a return of another length.

    >>> bar_of("2024-01-01..2024-12-31 1d"), bar_of("2024-01-01..2024-12-31 1h"), bar_of("all of it")
    ('day', 'hour', 'return')
    """
    return {"1d": "day", "1h": "hour"}.get(text.rpartition(" ")[2], "return")


def sample(n: int, text: str) -> str:
    """Size and window of a sample in words.

    >>> sample(503, "2025-07-11..2025-08-01 1h")
    '503 hours, 2025-07-11 to 2025-08-01, hourly'
    """
    return f"{count(n, bar_of(text))}, {window(text)}"


def variance(text: str) -> str:
    """What variance a sample of that window shows.

    >>> variance("2024-01-01..2024-12-31 1d"), variance("2025-07-11..2025-08-01 4h")
    ('day-to-day variance', 'variance')
    """
    bar = bar_of(text)
    return "variance" if bar == "return" else f"{bar}-to-{bar} variance"


def clean(text: str) -> str:
    """Text from outside on one line, without control characters and without marks that turn writing around.

    >>> clean("a\\x1b[31mb\\tc")
    'a[31mb c'
    """
    kept = (" " if c.isspace() else c for c in text if c.isspace() or not _hidden(c))
    return " ".join("".join(kept).split())


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _BIDI


def ended(text: str) -> str:
    """Text from outside with a full stop.

    >>> ended("low leverage"), ended("")
    ('low leverage.', '')
    """
    text = clean(text)
    return text if not text or text[-1] in ".!?" else f"{text}."


def sentence(text: str) -> str:
    """Text from outside with a capital first letter and a full stop.

    >>> sentence("naive was not beaten")
    'Naive was not beaten.'
    """
    text = ended(text)
    return f"{text[:1].upper()}{text[1:]}"
