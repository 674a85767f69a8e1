"""What an inverse short backed by the coin itself still fails against: the coin's end, and funding that drains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from stormsail.core import format_span
from stormsail.plan.types import FailureMode


@dataclass(frozen=True, slots=True)
class CoinStake:
    """The inverse shorts on one coin at one venue.

    Attributes:
        asset: The coin, posted and shorted.
        quantity: Coins posted.
        value: What they are worth now, in currency.
        left: What they are worth after the fall to be survived.
        notional: Value short.
        drained: What funding at its cap over the horizon takes, in currency.
    """

    asset: str
    quantity: float
    value: float
    left: float
    notional: float
    drained: float


def coin_failures(stakes: Sequence[CoinStake], horizon: timedelta) -> tuple[FailureMode, ...]:
    """The failures that only coin-backed shorts have; none where nothing is backed by coins.

    Args:
        stakes: What is posted, by venue and coin.
        horizon: The plan's horizon.
    """
    if not stakes:
        return ()
    return (_worthless(stakes), *(() if _drained(stakes) <= 0 else (_draining(stakes, horizon),)))


def posted_words(stakes: Sequence[CoinStake]) -> str:
    """The coins in words: ``1.25 BTC and 3 ETH``.

    >>> posted_words([CoinStake("BTC", 1.25, 0, 0, 0, 0), CoinStake("ETH", 3.0, 0, 0, 0, 0)])
    '1.25 BTC and 3 ETH'
    """
    total: dict[str, float] = {}
    for stake in stakes:
        total[stake.asset] = total.get(stake.asset, 0.0) + stake.quantity
    return " and ".join(f"{quantity:,.4g} {asset}" for asset, quantity in sorted(total.items()))


def _worthless(stakes: Sequence[CoinStake]) -> FailureMode:
    by_coin: dict[str, list[CoinStake]] = {}
    for stake in stakes:
        by_coin.setdefault(stake.asset, []).append(stake)
    coin, mine = max(by_coin.items(), key=lambda pair: (sum(s.notional for s in pair[1]), pair[0]))
    short = sum(s.notional for s in mine)
    return FailureMode(
        "the coin itself ends",
        f"If {coin} goes to nothing, as LUNA did in May 2022, the {posted_words(mine)} posted go with it, and those "
        f"who owe the short its gain have posted the same coin: of {short:,.0f} perhaps nothing is paid, where a "
        "contract settled in dollars would pay.",
        short,
        "Hedge a coin that could end by contracts settled in dollars; sell gains paid in coin as they come.",
    )


def _drained(stakes: Sequence[CoinStake]) -> float:
    return sum(s.drained for s in stakes)


def _draining(stakes: Sequence[CoinStake], horizon: timedelta) -> FailureMode:
    lost, posted = _drained(stakes), sum(s.value for s in stakes)
    return FailureMode(
        "funding drains the coins",
        "Funding against an inverse short is taken out of the coins behind it. At its cap for "
        f"{format_span(horizon)} it takes {lost:,.0f} of the {posted:,.0f} posted ({posted_words(stakes)}), which "
        "leaves the short fully backed at today's prices; at half of them the same rate takes twice the coins, and a "
        "rally after that could liquidate it.",
        lost,
        "Watch funding daily, and post the coins that it took again while the price is low.",
    )
