"""What the hedge still fails against, each with its figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from stormsail.core import Unavailable, format_span
from stormsail.plan.coin_failures import CoinStake, coin_failures, posted_words
from stormsail.plan.ending import Ending, not_rolled
from stormsail.plan.problem import FloatArray
from stormsail.plan.types import FailureMode

DEPEGS = (0.05, 0.12)
"""Falls of a stablecoin that have happened: USDC to 0.95 for a day, to 0.88 at the low (10-13 March 2023)."""


@dataclass(frozen=True, slots=True, eq=False)
class Storm:
    """The book and the fall it is judged by; arrays are per coin, shape (K,), in currency.

    Attributes:
        coins: Names.
        held: Value held.
        locked: Value that cannot be sold now.
        short: Value short.
        proxy: Value that only a proxy protects.
        stand_in: Value short beyond what its own coin needs: what stands for others.
        uncovered: Value that nothing protects.
        tail: Fall of each for a fall of one of BTC, on the worst days.
        fall: Fall in the event, a positive fraction.
        value: Value of the portfolio, cash included.
        survive: Fall of the portfolio in the event.
    """

    coins: tuple[str, ...]
    held: FloatArray
    locked: FloatArray
    short: FloatArray
    proxy: FloatArray
    stand_in: FloatArray
    uncovered: FloatArray
    tail: FloatArray
    fall: FloatArray
    value: float
    survive: float


@dataclass(frozen=True, slots=True)
class Stake:
    """Collateral that is lost together: the contract it stands behind (empty for a whole account), its amount, and the
    rise that liquidates it."""

    contract: str
    collateral: float
    rise: float


@dataclass(frozen=True, slots=True)
class AtVenue:
    """What lies at one venue.

    Attributes:
        venue: Its key.
        collateral: Cash posted there.
        cap: Most collateral that may be posted there.
        notional: Short there, with cash or coins behind it.
        profit: Open profit after the fall.
        stakes: What is liquidated together: the account under cross margin, each short under isolated margin;
            not the shorts that are backed by coins, which no rise liquidates.
        coins: What is posted there in coins.
    """

    venue: str
    collateral: float
    cap: float
    notional: float
    profit: float
    stakes: tuple[Stake, ...]
    coins: tuple[CoinStake, ...] = ()

    @property
    def lost(self) -> float:
        """What is gone with the venue after the fall: cash, coins at what they are worth then, and open profit."""
        return self.collateral + sum(c.left for c in self.coins) + max(self.profit, 0.0)


def failure_modes(
    storm: Storm,
    venues: Sequence[AtVenue],
    *,
    ending: Sequence[Ending] = (),
    funding_at_cap: float | Unavailable,
    horizon: timedelta,
    chance: float,
    also: Sequence[FailureMode] = (),
) -> tuple[FailureMode, ...]:
    """Every failure that applies to this book, the dearest first (those without a figure last).

    Args:
        storm: The book and the fall.
        venues: What lies where.
        ending: Shorts that are settled before the horizon ends.
        funding_at_cap: Cost of funding at its cap against the short for the whole horizon.
        horizon: The plan's horizon.
        chance: Chance of a liquidation that the collateral was sized for.
        also: Failures told elsewhere, to be listed among these.
    """
    modes: list[FailureMode] = [*also]
    if storm.uncovered.sum() > 0:
        modes.append(_gap(storm))
    if storm.locked.sum() > 0:
        modes.append(_locked(storm))
    if storm.proxy.sum() > 1e-9 * storm.held.sum():
        modes.append(_beta_shift(storm))
    if venues:
        modes += [
            _deleveraging(storm, venues),
            _venue_failure(venues, storm.value),
            _funding(funding_at_cap, horizon),
            *coin_failures([c for v in venues for c in v.coins], horizon),
        ]
        if any(v.stakes for v in venues):
            modes += [_squeeze(venues, chance), _depeg(venues)]
    if ending:
        modes.append(not_rolled(ending, storm.survive))
    return tuple(sorted(modes, key=lambda m: (isinstance(m.loss, Unavailable), -_loss(m), m.name)))


def _loss(mode: FailureMode) -> float:
    return 0.0 if isinstance(mode.loss, Unavailable) else mode.loss


def _top(storm: Storm, amounts: FloatArray, count: int = 3) -> str:
    order = [i for i in np.argsort(-amounts, kind="stable")[:count] if amounts[i] > 0]
    return ", ".join(f"{storm.coins[i]} {amounts[i]:,.0f}" for i in order)


def _gap(storm: Storm) -> FailureMode:
    open_part, loss = float(storm.uncovered.sum()), float(storm.uncovered @ storm.fall)
    return FailureMode(
        "what is not covered",
        f"{open_part:,.0f} is not protected (most: {_top(storm, storm.uncovered)}); when the portfolio falls by "
        f"{storm.survive:.0%} it loses {loss:,.0f}.",
        loss,
        "Raise coverage, collateral or the venues allowed.",
    )


def _locked(storm: Storm) -> FailureMode:
    value, loss = float(storm.locked.sum()), float(storm.locked @ storm.fall)
    return FailureMode(
        "locked coins",
        f"{value:,.0f} cannot be sold ({_top(storm, storm.locked)}); if the hedge is closed against your will, it "
        "falls with nothing to be done.",
        loss,
        "Keep more than the required collateral behind the shorts on these coins.",
    )


def _beta_shift(storm: Storm) -> FailureMode:
    """What the proxied coins lose in the fall, each at its tail ratio, less what their proxies pay at theirs."""
    lost, paid = float(storm.proxy @ storm.fall), float(storm.stand_in @ storm.fall)
    ratio = np.average(storm.tail, weights=storm.proxy)
    theirs = np.average(storm.tail, weights=storm.stand_in) if storm.stand_in.sum() > 0 else 0.0
    return FailureMode(
        "beta shift",
        f"{storm.proxy.sum():,.0f} is protected through shorts of {storm.stand_in.sum():,.0f} on other coins. On the "
        f"worst days the protected fell {ratio:.2f} times as much as BTC and the shorted {theirs:.2f} times: in the "
        f"fall {lost:,.0f} is lost where {paid:,.0f} is paid.",
        max(lost - paid, 0.0),
        "Use contracts on the coins themselves where they exist; the ratio is not raised for the tail.",
    )


def _deleveraging(storm: Storm, venues: Sequence[AtVenue]) -> FailureMode:
    gain = float(storm.short @ storm.fall)
    behind = sum(v.collateral + sum(c.value for c in v.coins) for v in venues)
    notional = sum(v.notional for v in venues)
    leverage = notional / behind if behind > 0 else np.inf
    return FailureMode(
        "auto-deleveraging",
        f"In the fall the shorts gain {gain:,.0f}; a venue may close winning shorts against losing longs. At "
        f"a leverage of {leverage:.2f} they rank low in that queue. Closed halfway down, half of the gain is missed.",
        0.5 * gain,
        "Low leverage and several venues keep the rank low; move gains out as they come and re-open elsewhere.",
    )


def _venue_failure(venues: Sequence[AtVenue], value: float) -> FailureMode:
    worst = max(venues, key=lambda v: (v.lost, v.venue))
    loss = worst.lost
    posted = f"{worst.collateral:,.0f} of collateral"
    if worst.coins:
        left = sum(c.left for c in worst.coins)
        cash = f"{posted} in cash, " if worst.collateral > 0 else ""
        posted = f"{cash}{posted_words(worst.coins)} worth {left:,.0f} by then"
    above = loss - worst.cap
    excess = f"; {above:,.0f} above its cap of {worst.cap:,.0f} unless profit is drawn off" if above > 0 else ""
    return FailureMode(
        "venue failure",
        f"If {worst.venue} fails after the fall, {posted} and {worst.profit:,.0f} of open "
        f"profit are gone, and the coins are naked. That is {loss / value:.0%} of the portfolio{excess}.",
        loss,
        "The cap limits the collateral sent there, not the profit that grows there: draw profit off as it comes.",
    )


def _squeeze(venues: Sequence[AtVenue], chance: float) -> FailureMode:
    weakest, venue = min(
        ((s, v) for v in venues for s in v.stakes), key=lambda x: (x[0].rise, x[0].contract, x[1].venue)
    )
    if weakest.contract:
        told = f"If {weakest.contract} rises by {weakest.rise:.0%} before more collateral arrives, that short is closed"
        rest = sum(v.collateral for v in venues) - weakest.collateral
        told += f" and its {weakest.collateral:,.0f} lost; the other shorts keep their {rest:,.0f}"
    else:
        told = (
            f"If the shorts at {venue.venue} rise by {weakest.rise:.0%} before more collateral arrives, they are closed"
        )
        told += f" and {weakest.collateral:,.0f} is lost"
    each = "each short's" if weakest.contract else "the"
    return FailureMode(
        "squeeze beyond the collateral",
        f"{told}; {each} collateral was sized for a chance of {chance:.2%} in 30 days. The coins held have risen too.",
        weakest.collateral,
        "Set an alarm at half that rise and keep cash that can be there within the top-up time.",
    )


def _funding(cost: float | Unavailable, horizon: timedelta) -> FailureMode:
    told = "is not known" if isinstance(cost, Unavailable) else f"is {cost:,.0f}"
    return FailureMode(
        "funding at its cap",
        f"If every settlement of the next {format_span(horizon)} goes to the cap against the short, the cost {told}. "
        "Where a venue states no cap, one is assumed, and a finding names the contracts.",
        cost,
        "Watch funding daily; change to dated contracts or sell when the forecast turns.",
    )


def _depeg(venues: Sequence[AtVenue]) -> FailureMode:
    cash = sum(v.collateral for v in venues)
    small, large = (share * cash for share in DEPEGS)
    return FailureMode(
        "stablecoin loses its peg",
        f"The {cash:,.0f} of collateral is a stablecoin: at 5 % off its peg {small:,.0f} is lost, at 12 % "
        f"{large:,.0f}; prices in that coin rise by as much, which squeezes the shorts.",
        large,
        "Spread collateral over two stablecoins, or back inverse contracts with the coin itself.",
    )
