"""The error tree: every error has a code, a one-line cause, a one-line cure, and a page in ``docs/errors``."""

from __future__ import annotations

from typing import ClassVar


class StormsailError(Exception):
    """Base of every error that a user may meet.

    Args:
        cause: What is wrong, in one line, with the offending value.
        cure: What to do about it, in one line.
        where: The place: file, row and column, contract, venue, option.

    >>> print(StormsailError("no market data", cure="name a directory with --data", where="data"))
    E000 data: no market data. Cure: name a directory with --data
    """

    code: ClassVar[str] = "E000"
    exit_code: ClassVar[int] = 1

    def __init__(self, cause: str, *, cure: str, where: str | None = None) -> None:
        super().__init__(cause, cure, where)
        self.cause = cause.rstrip(".")
        self.cure = cure.rstrip(".")
        self.where = where

    def __str__(self) -> str:
        place = f" {self.where}:" if self.where else ""
        return f"{self.code}{place} {self.cause}. Cure: {self.cure}"

    def as_dict(self) -> dict[str, str | int | None]:
        """The error as plain data, for ``--json``."""
        return {
            "code": self.code,
            "where": self.where,
            "cause": self.cause,
            "cure": self.cure,
            "exit_code": self.exit_code,
        }


class InputError(StormsailError):
    """Something the user gave cannot be used as it stands."""

    code = "E100"
    exit_code = 2


class PortfolioError(InputError):
    """A portfolio file has a row that cannot be read."""

    code = "E110"


class UnknownSymbolError(PortfolioError):
    """A symbol is not known to the market data at hand."""

    code = "E111"


class ToleranceError(InputError):
    """A risk-tolerance value is outside its range or contradicts another."""

    code = "E120"


class PlanFileError(InputError):
    """A plan file is not a plan, was changed after it was written, or has another schema version."""

    code = "E130"


class ConfigError(InputError):
    """A configuration value or key is wrong."""

    code = "E140"


class DataError(StormsailError):
    """The market data at hand cannot carry the answer."""

    code = "E200"
    exit_code = 3


class UnavailableError(DataError):
    """A needed input is missing; nothing is put in its place."""

    code = "E210"


class SchemaError(DataError):
    """A data file does not have the columns or types of its kind."""

    code = "E220"


class LookAheadError(DataError):
    """Something asked for data from after the moment of the decision."""

    code = "E230"


class InfeasibleError(StormsailError):
    """No plan satisfies every limit; the cause names the limits that fight."""

    code = "E300"
    exit_code = 4


class NumericalError(StormsailError):
    """A computation did not converge or has no answer for this input."""

    code = "E400"
    exit_code = 5


class VenueError(StormsailError):
    """A venue did not answer, or answered with something that cannot be trusted."""

    code = "E500"
    exit_code = 6


class MissingExtraError(StormsailError):
    """A feature needs packages of an extra that is not installed."""

    code = "E600"
    exit_code = 7


class ClusterError(StormsailError):
    """Workers cannot be reached, do not run the same program, or die again and again."""

    code = "E700"
    exit_code = 8
