"""A Dask cluster that is already there as :class:`~stormsail.lab.workers.Workers`."""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar
from uuid import uuid4

from stormsail.core import ClusterError, MissingExtraError

Shard = TypeVar("Shard")
Result = TypeVar("Result")

TRIES = 5
"""How often a shard is given out before the cluster is given up."""

WAIT = "15s"
"""How long the scheduler may take to answer."""

SAME = ("stormsail", "numpy", "numba", "polars", "distributed")
"""Packages whose versions must agree, since a figure may depend on them."""


def versions() -> dict[str, str]:
    """Python and the packages a result may depend on, as they are installed here."""
    found = {"python": platform.python_version().rpartition(".")[0]}
    for name in SAME:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _mine() -> dict[str, str]:
    return versions()


def _call(function: Callable[[Any], Any], shard: Any) -> Any:
    return function(shard)


@dataclass(frozen=True, slots=True)
class DaskCluster:
    """Workers of a scheduler.

    A shard whose worker dies is computed by another; its result counts once, under its number.

    Attributes:
        address: Of the scheduler, such as ``tcp://10.0.0.5:8786``.
    """

    address: str

    @property
    def count(self) -> int:
        """Threads of all workers there are now."""
        with self._client() as client:
            return _threads(client)

    def map(self, function: Callable[[Shard], Result], shards: Iterable[Shard]) -> Iterator[tuple[int, Result]]:
        """See :meth:`~stormsail.lab.workers.Workers.map`."""
        from distributed import as_completed

        with self._client() as client:
            run, source = uuid4().hex, enumerate(shards)
            held = client.scatter(function, broadcast=True)
            again: deque[tuple[int, Shard, int]] = deque()
            waiting: dict[str, tuple[int, Shard, int]] = {}
            coming: Any = as_completed(loop=client.loop)  # type: ignore[no-untyped-call]  # Dask states no types
            while True:
                while len(waiting) < 2 * _threads(client):
                    drawn = again.popleft() if again else next(((n, s, 0) for n, s in source), None)
                    if drawn is None:
                        break
                    number, shard, tries = drawn
                    key = f"stormsail-{run}-{number}-{tries}"
                    waiting[key] = drawn
                    coming.add(client.submit(_call, held, shard, key=key, pure=False))
                if not waiting:
                    return
                future = next(coming)
                number, shard, tries = waiting.pop(future.key)
                if future.status == "finished":
                    yield number, future.result()
                    continue
                error = future.exception() if future.status == "error" else None
                if error is not None and not _lost(error):
                    raise error
                if tries + 1 >= TRIES:
                    raise ClusterError(
                        f"shard {number} was lost {TRIES} times with the workers that had it",
                        cure="look into the logs of the workers; they may need more memory",
                        where=self.address,
                    )
                held = client.scatter(function, broadcast=True)
                again.append((number, shard, tries + 1))

    @contextmanager
    def _client(self) -> Iterator[Any]:
        try:
            from distributed import Client
        except ImportError as error:
            raise MissingExtraError(
                "a cluster needs Dask", cure="install it: pip install 'stormsail[cluster]'", where="--cluster"
            ) from error
        try:
            client: Any = Client(self.address, timeout=WAIT, set_as_default=False)  # type: ignore[no-untyped-call]  # Dask states no types
        except (OSError, ValueError, TypeError) as error:
            raise ClusterError(
                f"the scheduler does not answer ({type(error).__name__})",
                cure="start one with: dask scheduler, and name its address, such as tcp://host:8786",
                where=self.address,
            ) from error
        try:
            _check(client, self.address)
            yield client
        finally:
            client.close()


def _threads(client: Any) -> int:
    return max(sum(int(n) for n in client.nthreads().values()), 1)


def _lost(error: BaseException) -> bool:
    """Whether a task failed because its worker did, and not by itself."""
    from distributed import CancelledError
    from distributed.scheduler import KilledWorker

    return isinstance(error, CancelledError | KilledWorker)


def _check(client: Any, address: str) -> None:
    """Refuse workers that are not there or that run something else."""
    try:
        client.wait_for_workers(1, timeout=15)
        theirs = client.run(versions)
    except Exception as error:
        raise ClusterError(
            f"its workers cannot run stormsail ({type(error).__name__})",
            cure="start workers with: dask worker ADDRESS, in an environment with stormsail[cluster] of this version",
            where=address,
        ) from error
    mine = _mine()
    for worker, has in sorted(theirs.items()):
        other = [f"{name} {has.get(name)} instead of {want}" for name, want in mine.items() if has.get(name) != want]
        if other:
            raise ClusterError(
                f"worker {worker} has {', '.join(other)}",
                cure="install the same versions on every worker: results must not depend on who computes them",
                where=address,
            )
