"""What a venue can do to an account at a moment, beyond what prices do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class VenueGone:
    """A venue keeps everything: collateral, open profit and positions are lost from this moment.

    Attributes:
        when: The moment.
        venue: Venue key.
        reason: For the log.
    """

    when: datetime
    venue: str
    reason: str = "the venue is gone"


@dataclass(frozen=True, slots=True)
class Deleveraged:
    """A venue closes shorts in profit to balance others' losses.

    Attributes:
        when: The moment.
        venue: Venue key.
        share: Share of each short in profit that is closed, in (0, 1].
        worse: How much dearer than the mark the short is bought back, as a fraction: bankruptcy prices lie off the
            market.
        contract: Only this contract id, or all.
        reason: For the log.
        ranked: Take the share of all shorts in profit together, from the top of the venue's ranking of that day
            (:mod:`stormsail.margin.adl`), instead of the same share of each.
    """

    when: datetime
    venue: str
    share: float
    worse: float = 0.0
    contract: str | None = None
    reason: str = "auto-deleveraged"
    ranked: bool = False


@dataclass(frozen=True, slots=True)
class Frozen:
    """Transfers to and from a venue do not move while this lasts.

    Attributes:
        when: First moment.
        until: They move again from here.
        venue: Venue key; ``None`` for all.
        reason: For the log.
    """

    when: datetime
    until: datetime
    venue: str | None = None
    reason: str = "transfers are halted"


Shock = VenueGone | Deleveraged | Frozen
