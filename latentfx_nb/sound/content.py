"""What tells one file's sound from another's: a sha256 of its bytes, taken once for each state of the file."""

from __future__ import annotations

import hashlib
import os
import time
from functools import lru_cache

from latentfx_nb.sound.form import Unusable, state
from latentfx_nb.sound.readers import form

SETTLED_S = 2
"""How long ago a file must have changed for its times to tell it from the next change: FAT counts in two seconds."""


_last_seen: dict[str, tuple[str, str]] = {}


def content(file: str) -> tuple[str, str]:
    """Return what tells a file's sound from others: the hash of its bytes, and who reads them.

    libsndfile goes unnamed, as it did when there was no other reader: what it read wrong then is not taken for what is
    read now.
    """
    try:
        _last_seen[file] = _hash_now(file), form(file).reader.replace("libsndfile", "")
    except (OSError, Unusable):
        return _last_seen.get(file, (f"unseen {file}", ""))
    return _last_seen[file]


def _hash_now(file: str) -> str:
    found = os.stat(file)
    settled = max(found.st_mtime, found.st_ctime) < time.time() - SETTLED_S
    return _settled_hash(file, state(file)) if settled else _settled_hash.__wrapped__(file, ())


@lru_cache(maxsize=4096)
def _settled_hash(file: str, _state: tuple[int, ...]) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
