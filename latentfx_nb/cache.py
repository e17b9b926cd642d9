"""The cache folder, files that are written whole or not at all, and the hashes that content and files go by."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import platformdirs

SETTLED_S = 2
"""Age from which a file's times tell its last change from the next one: FAT counts time in steps of two seconds."""

FileState = tuple[int, ...]


def digest(content: object) -> str:
    """Return the sha256, in hexadecimal, of bytes, of a text in UTF-8, or of anything else written as sorted JSON."""
    if isinstance(content, str):
        content = content.encode()
    if not isinstance(content, bytes):
        content = json.dumps(content, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def file_state(path: str | Path) -> FileState:
    """Return what changes when a file's content does: size, inode, and the times of its last changes in ns.

    A user can set the time of modification (mtime) back, but not the time of the last change of any kind (ctime).
    """
    found = os.stat(path)
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def file_digest(path: str | Path) -> str:
    """Return the sha256 of a file of any size, in hexadecimal.

    A file is read again when its state changed, and each time while its last change is less than two seconds old or
    in the future: clocks are too coarse, and those of file servers too wrong, to tell a second change from the first.
    A change that leaves size, inode and both times as they were goes unnoticed.
    """
    name, state = os.fspath(path), file_state(path)
    newest_s = max(state[2:]) / 1e9
    return _settled_digest(name, state) if newest_s < time.time() - SETTLED_S else _read_digest(name)


@lru_cache(maxsize=4096)
def _settled_digest(path: str, _state: FileState) -> str:
    return _read_digest(path)


def _read_digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_dir() -> Path:
    """Return the folder of latents, projections and fetched weights: `LATENTFX_CACHE`, else in the user's cache."""
    chosen = os.environ.get("LATENTFX_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("latentfx-nb")


def check_space(
    folder: Path,
    needed: int,
    what: str = "these latents",
    remedy: str = "set LATENTFX_CACHE to a folder on a larger disk",
) -> None:
    """Raise OSError if the disk of `folder` has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{folder} has {free / 1e9:.1f} GB free, but {what} need {needed / 1e9:.1f} GB; free space, or {remedy}",
        )


def keep(path: Path, content: bytes, what: str) -> None:
    """Write a computed result into a file, with a checksum for `kept`.

    If the folder cannot be written to, a warning says that `what` will be computed again; nothing is raised.
    """
    try:
        with atomic_write(path) as file:
            file.write(content + google_crc32c.Checksum(content).digest())
    except OSError as error:
        warnings.warn(
            f"{what} is not kept and will be computed again next time: {error}; point LATENTFX_CACHE at a folder that "
            "can be written to",
            RuntimeWarning,
            stacklevel=4,
        )


def kept(path: Path) -> bytes | None:
    """Return the content that `keep` wrote, or None if the file is missing or damaged: it is computed again then."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    content, checksum = content[:-4], content[-4:]
    return content if checksum == google_crc32c.Checksum(content).digest() else None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield the path of a scratch file, which takes the name `path` once it is written; an error removes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that takes the name `path` once it is written whole; an error leaves nothing."""
    with atomic_path(path) as scratch, open(scratch, "xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
