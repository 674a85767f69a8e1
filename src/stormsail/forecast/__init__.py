"""What may come: volatility and funding, each with its error."""

from stormsail.forecast.funding import baseline_carry, dated_carry, forecast_carry
from stormsail.forecast.types import CarryForecast, MaybeCarry

__all__ = ["CarryForecast", "MaybeCarry", "baseline_carry", "dated_carry", "forecast_carry"]
