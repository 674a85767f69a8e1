"""What may come: volatility and funding, each with its error."""

from stormsail.forecast.funding import baseline_carry, dated_carry, forecast_carry
from stormsail.forecast.garch import GarchFit, fit_garch, rare_max_rise, simulate_max_rise
from stormsail.forecast.types import CarryForecast, MaybeCarry
from stormsail.forecast.volatility import ewma_variance, ewma_volatility, realised_volatility

__all__ = [
    "CarryForecast",
    "GarchFit",
    "MaybeCarry",
    "baseline_carry",
    "dated_carry",
    "ewma_variance",
    "ewma_volatility",
    "fit_garch",
    "forecast_carry",
    "rare_max_rise",
    "realised_volatility",
    "simulate_max_rise",
]
