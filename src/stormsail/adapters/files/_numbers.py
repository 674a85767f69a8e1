"""One cell of a portfolio file to one exact value; what could mean two things is refused."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from stormsail.core import STABLECOINS, exact, split_multiplier

_PLAIN = re.compile(r"[+-]?(\d+(_\d{3})*(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_ENGLISH = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+|[+-]?\d{1,3}(,\d{3}){2,}", re.ASCII)
_EUROPEAN = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d*|[+-]?\d{1,3}(\.\d{3}){2,}|[+-]?\d+,\d+", re.ASCII)
_ONE_COMMA = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_ONE_POINT = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII)
_ASSET = re.compile(r"\w[\w.$]{0,29}")
_PAIR = re.compile(r"(?P<base>.+?)(?:[/:_-](?:.+)|(?:USDT|USDC|BUSD|FDUSD))")
_FLAGS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_RANGE = 30


class CellError(ValueError):
    """A cell that cannot be read: what is wrong and what to write instead."""

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(cause, cure)
        self.cause = cause
        self.cure = cure


def read_number(text: str, *, comma_country: bool = False) -> Decimal:
    """Read an exact number with a decimal point; ``1,234.56`` and ``1_000`` are clear and accepted, ``1e3`` too.

    A comma where it may be a decimal sign is refused. A point is a decimal point, except that in a file parted by
    semicolons (``comma_country``) ``1.234`` may be a thousand and is refused too.

    Raises:
        CellError: If it is no finite number, or could mean two.

    >>> read_number("1,234.56"), read_number("1e3")
    (Decimal('1234.56'), Decimal('1E+3'))
    """
    if comma_country and _ONE_POINT.fullmatch(text):
        point, whole = f"{text}0", text.replace(".", "")
        raise CellError(f"{text!r} is {point} or {whole} in a file parted by semicolons", f"write {point} or {whole}")
    if _ENGLISH.fullmatch(text):
        return exact(text.replace(",", ""))
    if _ONE_COMMA.fullmatch(text):
        whole, point = text.replace(",", ""), text.replace(",", ".")
        raise CellError(f"{text!r} is {whole} or {point}, depending on the country", f"write {whole} or {point}")
    if _EUROPEAN.fullmatch(text):
        better = text.replace(".", "").replace(",", ".").rstrip(".")
        raise CellError(f"{text!r} has a decimal comma", f"write {better}")
    if not _PLAIN.fullmatch(text):
        raise CellError(f"{_clip(text)} is not a number", "write a number such as 1234.56")
    number = exact(text.replace("_", ""))
    if number and abs(number.adjusted()) > _RANGE:
        raise CellError(f"{_clip(text)} is out of any range", "check the exponent")
    return number


def read_positive(text: str, *, comma_country: bool = False) -> Decimal:
    """Read a number above zero.

    Raises:
        CellError: Also if it is zero or negative.
    """
    number = read_number(text, comma_country=comma_country)
    if number == 0:
        raise CellError("the quantity is 0", "remove the row, or write what is held")
    if number < 0:
        raise CellError(
            f"{number} is negative", "write what is held as a positive number; short positions do not belong here"
        )
    return number


def read_cost(text: str, *, comma_country: bool = False) -> Decimal:
    """Read a cost per coin, zero (an airdrop) or more.

    Raises:
        CellError: Also if it is negative.
    """
    number = read_number(text, comma_country=comma_country)
    if number < 0:
        raise CellError(f"a cost of {number} is negative", "write the price paid for one coin, 0 for a gift")
    return number


def read_day(text: str) -> date:
    """Read ``2024-08-03``; a time of day after it is dropped.

    Raises:
        CellError: If it is another form, or no day of the calendar.

    >>> read_day("2024-08-03")
    datetime.date(2024, 8, 3)
    """
    match = _DAY.fullmatch(text)
    if not match:
        raise CellError(f"{_clip(text)} is not a date of the form YYYY-MM-DD", "write it like 2024-08-03")
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError as error:
        raise CellError(f"{_clip(text)} is no day of the calendar ({error})", "write it like 2024-08-03") from error


def read_flag(text: str) -> bool:
    """Read yes or no.

    Raises:
        CellError: If it is neither.
    """
    flag = _FLAGS.get(text.lower())
    if flag is None:
        raise CellError(f"{_clip(text)} is neither yes nor no", "write yes or no")
    return flag


def read_asset(text: str) -> str:
    """Read a coin's symbol in any case; a trading pair is refused with the coin it is about.

    Raises:
        CellError: If it is empty, a pair, or not a symbol.

    >>> read_asset("sol")
    'SOL'
    """
    symbol = text.upper()
    if coin := _coin_of_pair(symbol):
        base, count = split_multiplier(coin)
        times = f" and multiply the quantity by {count}" if count > 1 else ""
        raise CellError(f"{_clip(text)} is a trading pair", f"write {base}{times}")
    if not _ASSET.fullmatch(symbol):
        raise CellError(f"{_clip(text)} is not a coin's symbol", "write a symbol such as SOL")
    return symbol


def read_venue(text: str) -> str:
    """Read the name of a place.

    Raises:
        CellError: If it has unprintable signs or more than 80.
    """
    if not text.isprintable() or len(text) > 80:
        raise CellError(f"{_clip(text)} is not a name", "write a name such as binance or cold wallet")
    return text


def _coin_of_pair(symbol: str) -> str | None:
    """The coin of a trading pair or contract, or ``None`` if ``symbol`` is neither."""
    coin = None
    while symbol not in STABLECOINS and (pair := _PAIR.fullmatch(symbol)) and _ASSET.fullmatch(pair["base"]):
        symbol = coin = pair["base"]
    return coin


def _clip(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
