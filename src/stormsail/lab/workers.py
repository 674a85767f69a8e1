"""One seam for work that comes in shards: the same call in this process, in many, or on a cluster.

A shard is a frozen value that can be pickled, a function of one shard depends on nothing else, and its result is kept
under the shard's number. So it does not matter who computes a shard, in what order, or whether it was computed twice
because a worker died: the results are the same, bit for bit.

>>> list(Serial().map(abs, [-1, 2]))
[(0, 1), (1, 2)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

Shard = TypeVar("Shard")
Result = TypeVar("Result")


class Workers(Protocol):
    """Those who compute."""

    @property
    def count(self) -> int:
        """How many there are now; at least 1."""
        ...

    def map(self, function: Callable[[Shard], Result], shards: Iterable[Shard]) -> Iterator[tuple[int, Result]]:
        """Results as they come, each once, with the number of its shard (from 0).

        Shards are drawn as workers become free, so a long stream of them needs little memory. ``function`` is sent to
        each worker once; let it carry what all shards share.

        Args:
            function: Of one shard and nothing else; it can be pickled.
            shards: Values that can be pickled.

        Raises:
            ClusterError: If the workers cannot be reached or die again and again.
            Exception: What ``function`` raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Serial:
    """This process, one shard after the other."""

    @property
    def count(self) -> int:
        """One."""
        return 1

    def map(self, function: Callable[[Shard], Result], shards: Iterable[Shard]) -> Iterator[tuple[int, Result]]:
        """See :meth:`Workers.map`."""
        for number, shard in enumerate(shards):
            yield number, function(shard)


def gathered(workers: Workers, function: Callable[[Shard], Result], shards: Iterable[Shard]) -> list[Result]:
    """All results in the order of the shards.

    >>> gathered(Serial(), str, range(3))
    ['0', '1', '2']
    """
    return [result for _, result in sorted(workers.map(function, shards), key=lambda found: found[0])]
