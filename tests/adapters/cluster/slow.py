"""Functions that workers in other processes can import."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from stormsail.lab.deck import Deck
from stormsail.lab.fleet import FleetPlans, FleetShard, plan_shard


@dataclass(frozen=True, slots=True)
class Slowly:
    """Plans a shard, and takes its time so that a worker can be killed in the middle."""

    deck: Deck
    seconds: float

    def __call__(self, shard: FleetShard) -> FleetPlans:
        time.sleep(self.seconds)
        return plan_shard(self.deck, shard)


@dataclass(frozen=True, slots=True)
class DiesOnce:
    """Ends its own process at the third shard, the first time it sees it."""

    mark: Path

    def __call__(self, shard: int) -> int:
        if shard == 3 and not self.mark.exists():
            self.mark.touch()
            os._exit(9)
        return shard * shard


def dies(shard: int) -> int:
    """Ends its own process, always."""
    os._exit(9)


def fails(shard: int) -> int:
    """Raises."""
    raise ValueError(f"shard {shard}")
