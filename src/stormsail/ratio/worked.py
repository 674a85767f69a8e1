"""The worked example every hedger should be able to do on paper, in exact decimals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from stormsail.core import InputError, from_float, times
from stormsail.ratio.types import UnitRatio


@dataclass(frozen=True, slots=True)
class HedgedFall:
    """What a fall of the market does to a hedged value; gains positive, losses negative.

    Attributes:
        spot: Result of the coins.
        hedge: Result of the short.
        net: Their sum.
    """

    spot: Decimal
    hedge: Decimal
    net: Decimal


def _exactly(number: Decimal | float | str) -> Decimal:
    return from_float(number) if isinstance(number, float) else Decimal(number)


def beta_hedge_notional(value: Decimal, beta: Decimal | float | str) -> Decimal:
    """Notional to short against ``value`` so that a market move cancels: ``beta * value``, exact.

    >>> beta_hedge_notional(Decimal(50000), "1.5")
    Decimal('75000.0')

    Source: Hull, Options, Futures and Other Derivatives, chapter 3 (``N* = beta V_A / V_F``).
    """
    return times(_exactly(beta), value)


def hedged_fall(
    value: Decimal, ratio: Decimal | float | str, fall: Decimal | float | str, beta: Decimal | float | str = "1"
) -> HedgedFall:
    """Results when the hedging instrument falls by ``fall`` and the coins by ``beta * fall``, exact.

    Args:
        value: Value of the coins.
        ratio: Notional short per unit of value.
        fall: Fall of the instrument as a fraction, 0.1 for 10 %.
        beta: Fall of the coins per fall of the instrument.

    >>> hedged_fall(Decimal(50000), "1", "0.10")
    HedgedFall(spot=Decimal('-5000.00'), hedge=Decimal('5000.00'), net=Decimal('0.00'))
    >>> hedged_fall(Decimal(50000), "1.5", "0.10", beta="1.5").net
    Decimal('0.000')
    """
    drop = _exactly(fall)
    spot = -times(value, _exactly(beta), drop)
    hedge = times(value, _exactly(ratio), drop)
    return HedgedFall(spot, hedge, spot + hedge)


def ratio_from_correlation(correlation: float, sd_spot: float, sd_futures: float) -> UnitRatio:
    """Minimum-variance ratio of units from changes: ``h* = rho sd_S / sd_F``.

    >>> round(ratio_from_correlation(0.928, 0.0263, 0.0313).value, 2)
    0.78

    Raises:
        InputError: If a deviation is not positive or the correlation not within [-1, 1].

    Source: Hull, Options, Futures and Other Derivatives, chapter 3, equation 3.1 and example 3.3 (jet fuel).
    """
    if not (-1.0 <= correlation <= 1.0 and sd_spot > 0.0 and sd_futures > 0.0):
        raise InputError(
            f"correlation {correlation}, deviations {sd_spot} and {sd_futures}",
            cure="give a correlation within [-1, 1] and positive deviations",
        )
    return UnitRatio(correlation * sd_spot / sd_futures)


def contracts_needed(ratio: UnitRatio, spot_units: Decimal, contract_size: Decimal) -> Decimal:
    """Contracts to short: ``h* N_A / Q_F``, before rounding to lots.

    >>> h = ratio_from_correlation(0.928, 0.0263, 0.0313)
    >>> round(contracts_needed(h, Decimal(2_000_000), Decimal(42_000)), 2)
    Decimal('37.13')

    Source: Hull, Options, Futures and Other Derivatives, chapter 3, equation 3.2.
    """
    if contract_size <= 0:
        raise InputError(f"contract size {contract_size}", cure="give a positive size")
    return ratio.units(spot_units) / contract_size
