"""Blocks of work on a Dask cluster: each worker loads what it needs once, and a worker that dies loses nothing.

Dask is optional (extra `dask`): it is imported only where a client was given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class OncePerProcess:
    """An object that each process makes once, when it first needs it; `turn` is a lock for what one thread may use."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load, self.turn, self._made = load, threading.Lock(), None

    def __reduce__(self) -> tuple:
        return OncePerProcess, (self._load,)  # made again in the receiving process

    def get(self) -> Any:
        """Return the object."""
        with self.turn:
            if self._made is None:
                self._made = self._load()
            return self._made


def check_client(client: Any) -> None:
    """Raise ValueError unless `client` is a Dask client, ImportError without Dask."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("a cluster is reached through Dask: pip install 'latentfx-nb[dask]'") from error
    if not isinstance(client, Client):
        raise ValueError(
            f"client = {client!r} is no Dask client: give dask.distributed.Client(...) of the scheduler's address, or "
            "of the cluster"
        )


def run_blocks(
    client: Any, task: Callable[[OncePerProcess, Any], T], blocks: Sequence[Any], load: Callable[[], Any]
) -> Generator[T, None, None]:
    """Yield `task(loaded, block)` of every block as the workers of `client` finish, in any order.

    `loaded` is a `OncePerProcess` of `load`, one for each worker. A block whose worker dies runs again on another, so a
    task must give the same each time. If a task raises, results that others have finished by then are yielded first.
    Ending the iteration early takes the waiting blocks off the cluster.
    """
    from distributed import as_completed

    # A result like any other: Dask brings it to each worker that needs it, and makes it again where it was lost.
    loaded = client.submit(OncePerProcess, load, pure=False)
    futures = client.map(_run, blocks, task=task, loaded=loaded, pure=False)
    error = None
    try:
        for future in as_completed(futures):
            if future.status == "finished":
                yield future.result()
            elif error is None:
                error = future.exception() or RuntimeError("the cluster cancelled the work")
                client.cancel([one for one in futures if not one.done()])
        if error is not None:
            raise error
    finally:
        client.cancel([one for one in futures if not one.done()])


def _run(block: Any, task: Callable[[OncePerProcess, Any], T], loaded: OncePerProcess) -> T:
    return task(loaded, block)
