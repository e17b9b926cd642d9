"""Where computed things are kept, and how they are written so that a reader never meets half a file."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import platformdirs


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
    """Keep what was computed, with a checksum; a folder that cannot be written to is announced and costs no result."""
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
    """Return what was kept, if it is there and every bit as it was: else None, and it is computed again."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    content, checksum = content[:-4], content[-4:]
    return content if checksum == google_crc32c.Checksum(content).digest() else None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give the path of a file to write, which takes the name `path` only once it is whole; on an error none is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that takes the name `path` only once it is written whole; on an error nothing is left."""
    with atomic_path(path) as scratch, open(scratch, "xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
