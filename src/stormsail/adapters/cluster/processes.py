"""Processes of this machine as :class:`~stormsail.lab.workers.Workers`."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from stormsail.core import ClusterError

Shard = TypeVar("Shard")
Result = TypeVar("Result")

PATIENCE = 3
"""Deaths in a row, without a shard done in between, after which it is not the machine's fault."""

_function: Callable[[Any], Any] | None = None


def _hold(function: Callable[[Any], Any]) -> None:
    """Keep what every shard needs, once for each process."""
    global _function  # noqa: PLW0603  # a process of the pool has no other place to keep it
    _function = function


def _call(shard: Any) -> Any:
    if _function is None:  # pragma: no cover  # the pool calls _hold first
        raise RuntimeError("a worker was not prepared")
    return _function(shard)


@dataclass(frozen=True, slots=True)
class Processes:
    """Fresh processes; the function is sent to each once.

    Attributes:
        count: How many; by default one for each core.
    """

    count: int = os.cpu_count() or 1

    def map(self, function: Callable[[Shard], Result], shards: Iterable[Shard]) -> Iterator[tuple[int, Result]]:
        """See :meth:`~stormsail.lab.workers.Workers.map`; the shards of a process that dies are done again."""
        source = enumerate(shards)
        again: deque[tuple[int, Shard]] = deque()
        deaths = 0
        while deaths < PATIENCE:
            waiting: dict[Future[Result], tuple[int, Shard]] = {}
            pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), _hold, (function,))
            try:
                while True:
                    while len(waiting) < 2 * self.count:
                        item = again.popleft() if again else next(source, None)
                        if item is None:
                            break
                        waiting[pool.submit(_call, item[1])] = item
                    if not waiting:
                        return
                    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        result = future.result()
                        number, _shard = waiting.pop(future)
                        deaths = 0
                        yield number, result
            except BrokenProcessPool:
                deaths += 1
                again.extend(sorted(waiting.values(), key=lambda held: held[0]))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        raise ClusterError(
            f"{PATIENCE} processes died one after the other",
            cure="give them more memory, or ask for fewer with --workers",
            where="workers",
        )
