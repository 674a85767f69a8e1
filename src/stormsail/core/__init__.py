"""The words everything else is written in; imports nothing of the rest of the project."""

from stormsail.core.contract import Contract, Payoff, Tenor, profit
from stormsail.core.errors import (
    ConfigError,
    DataError,
    InfeasibleError,
    InputError,
    LookAheadError,
    MissingExtraError,
    NumericalError,
    PlanFileError,
    PortfolioError,
    SchemaError,
    StormsailError,
    ToleranceError,
    UnavailableError,
    UnknownSymbolError,
    VenueError,
)
from stormsail.core.estimate import Estimate, Maybe
from stormsail.core.exact import LARGEST, ceil_to, exact, floor_to, from_float, nearest_to, plus, times, to_float
from stormsail.core.finding import Finding, Trouble, Unavailable
from stormsail.core.portfolio import Holding, Lot, Portfolio
from stormsail.core.sourced import Evidence, Sourced
from stormsail.core.symbol import STABLECOINS, nearest, split_multiplier, suggest
from stormsail.core.time import YEAR, Clock, end_of_day, format_span, parse_moment, parse_span, years

__all__ = [
    "LARGEST",
    "STABLECOINS",
    "YEAR",
    "Clock",
    "ConfigError",
    "Contract",
    "DataError",
    "Estimate",
    "Evidence",
    "Finding",
    "Holding",
    "InfeasibleError",
    "InputError",
    "LookAheadError",
    "Lot",
    "Maybe",
    "MissingExtraError",
    "NumericalError",
    "Payoff",
    "PlanFileError",
    "Portfolio",
    "PortfolioError",
    "SchemaError",
    "Sourced",
    "StormsailError",
    "Tenor",
    "ToleranceError",
    "Trouble",
    "Unavailable",
    "UnavailableError",
    "UnknownSymbolError",
    "VenueError",
    "ceil_to",
    "end_of_day",
    "exact",
    "floor_to",
    "format_span",
    "from_float",
    "nearest",
    "nearest_to",
    "parse_moment",
    "parse_span",
    "plus",
    "profit",
    "split_multiplier",
    "suggest",
    "times",
    "to_float",
    "years",
]
