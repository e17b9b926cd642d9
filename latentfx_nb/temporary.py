"""A process's temporary folder, which goes with it however it ends: what was killed is cleared away by the next one.

Beside each folder stands a file that its process holds locked. The system lets go of a lock when its process ends,
killed or not, so a lock that can be had is that of a folder left over: no age and no process id is guessed at.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from multiprocessing.util import Finalize
from pathlib import Path

from filelock import FileLock

PREFIX = "latentfx-"

LAST = -1000
"""After multiprocessing has removed its own folder, at -100, which may lie in a process's."""


def process_folder() -> Path:
    """Return the folder for this process's temporary files, its own; the first call removes what ended ones left."""
    return _folder_of(os.getpid())


@functools.cache
def _folder_of(process: int) -> Path:
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.gettempdir(), f"{PREFIX}{secrets.token_hex(4)}")
    lock = FileLock(f"{folder}.lock", thread_local=False)
    lock.acquire()  # first: a folder never stands without its lock
    folder.mkdir(mode=0o700)
    Finalize(None, _leave, (process, lock), exitpriority=LAST)
    return folder


def _leave(process: int, lock: FileLock) -> None:
    if os.getpid() == process:  # and not one forked from it
        with suppress(OSError):  # what cannot be removed now is left to the next process
            _remove(lock)


def _sweep(place: Path) -> None:
    """Remove the folders whose processes have ended."""
    for path in place.glob(f"{PREFIX}*.lock"):
        lock = FileLock(path, thread_local=False)
        with suppress(OSError):  # it is held, so its process lives; or it is another user's
            lock.acquire(blocking=False)
            _remove(lock)


def _remove(lock: FileLock) -> None:
    """Remove a folder whose lock is held, then the lock, which on Windows its release removes."""
    try:
        folder = Path(lock.lock_file).with_suffix("")
        if folder.exists():
            shutil.rmtree(folder)
        if os.name == "posix":
            os.unlink(lock.lock_file)
    finally:
        lock.release()
