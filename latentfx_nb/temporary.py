"""A process's temporary folder. The process removes it at its end; the next one removes the folders of killed ones.

Beside each folder stands a file that its process holds locked. The system releases the lock when the process ends,
killed or not. So a lock that can be taken belongs to a folder left over: no age and no process id has to be guessed.
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
"""Priority below that of multiprocessing, -100, which first removes a folder of its own that may lie in this one."""


def process_folder() -> Path:
    """Return this process's own folder for temporary files; the first call removes the folders of ended processes."""
    return _folder_of(os.getpid())


@functools.cache
def _folder_of(process: int) -> Path:
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.gettempdir(), f"{PREFIX}{secrets.token_hex(4)}")
    lock = FileLock(f"{folder}.lock", thread_local=False)
    lock.acquire()  # before the folder is made, so that none is ever without its lock
    folder.mkdir(mode=0o700)
    Finalize(None, _leave, (process, lock), exitpriority=LAST)
    return folder


def _leave(process: int, lock: FileLock) -> None:
    if os.getpid() == process:  # and not one forked from it
        with suppress(OSError):  # the next process removes what cannot be removed now
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
