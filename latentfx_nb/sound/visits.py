"""Visits: the files of one visitor, which a server keeps for all pages of that visitor, and for nobody else.

A visitor's browser makes a random token and tells it to each page. The folder of a visit is called after the hash of
the token: no text of a visitor's becomes a part of a path, and folder names tell nobody a token. Open pages touch the
folder. Ten minutes after the last one has closed it is removed (`sweep`), and all folders go with the server.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from latentfx_nb.sound.limits import megabytes

IDLE_S = 600.0
"""How long files stay once no page of their visitor is open."""

TOUCH_S = 30.0
"""How often an open page says so."""

PRESENT_S = 3 * TOUCH_S
"""Time after which a visit that nobody has touched may have to make room for others."""

MOST_VISITS = 200
"""Visitors whose files are kept at a time."""

TOKEN = re.compile(r"[0-9a-f]{32,64}")
"""What a token looks like: 128 bits or more, in hexadecimal."""

Clock = Callable[[], float]


def visits_folder() -> Path | None:
    """Return the folder of all visits, which the dashboard names in `LATENTFX_VISITS`; None where no server runs."""
    named = os.environ.get("LATENTFX_VISITS")
    return Path(named) if named else None


def most_kept_bytes() -> int:
    """Return how many bytes all visits together may take: `LATENTFX_VISITS_MB` (default 2000)."""
    return megabytes("LATENTFX_VISITS_MB", 2000)


class Visit:
    """One visitor's folder, which exists from the first file on."""

    def __init__(self, root: Path, token: str, clock: Clock = time.time) -> None:
        self._root, self._clock = root, clock
        self.folder = root / hashlib.sha256(token.encode()).hexdigest()

    @classmethod
    def of(cls, token: object) -> Visit | None:
        """Return the visit of a token; None for anything else than a token, and where no server keeps files."""
        root = visits_folder()
        if root is None or not isinstance(token, str) or not TOKEN.fullmatch(token):
            return None
        return cls(root, token)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Visit) and self.folder == other.folder

    def __hash__(self) -> int:
        return hash(self.folder)

    def paths(self) -> list[Path]:
        """Return the visit's files."""
        return _files(self.folder)

    def keep(self, path: Path, name: Callable[[Path], Path]) -> Path:
        """Keep a file, linked or copied, under the path that `name` makes of the one it would have; return that.

        Raises ValueError with one sentence if other visitors' files leave no room.
        """
        with _locked(self._root):
            self._make_room(path.stat().st_size)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            kept = name(self.folder / path.name)
            try:
                os.link(path, kept)
            except OSError:  # another disk, or one that knows no links
                shutil.copyfile(path, kept)
            self.touch()
        return kept

    def touch(self) -> None:
        """Say that a page of this visit is open."""
        now = self._clock()
        with suppress(OSError):  # there are no files yet, or no longer
            os.utime(self.folder, (now, now))

    def stay(self) -> None:
        """Touch the folder from now on, as long as this object is there."""
        threading.Thread(target=_keep_touching, args=(weakref.ref(self),), daemon=True, name="latentfx-visit").start()

    def clear(self) -> None:
        """Remove the visit's files, for all of its pages."""
        with _locked(self._root):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _make_room(self, size: int) -> None:
        """Remove the files of visitors who have left, the first first, as far as they take the place of new ones."""
        _remove_old(self._root, self._clock())
        while not self._fits(size):
            idle = [one for one in _by_age(self._root, self._clock() - PRESENT_S) if one != self.folder]
            if not idle:
                raise ValueError(
                    f"{size / 1e6:.1f} MB more do not fit: files of other visitors take all the room that this server "
                    "gives; try again in some minutes"
                )
            shutil.rmtree(idle[0], ignore_errors=True)

    def _fits(self, size: int) -> bool:
        folders = _folders(self._root)
        taken = sum(path.stat().st_size for folder in folders for path in _files(folder))
        return taken + size <= most_kept_bytes() and len({*folders, self.folder}) <= MOST_VISITS


def sweep(now: float | None = None) -> None:
    """Remove the files of visitors whose last page closed over `IDLE_S` ago; do nothing where no server keeps files."""
    root = visits_folder()
    if root is not None and root.is_dir():
        with _locked(root):
            _remove_old(root, time.time() if now is None else now)


def _remove_old(root: Path, now: float) -> None:
    for folder in _by_age(root, now - IDLE_S):
        shutil.rmtree(folder, ignore_errors=True)


def _by_age(root: Path, before: float) -> list[Path]:
    """Return the folders that nobody has touched since the time `before`, the oldest first."""
    touched = {}
    for folder in _folders(root):
        with suppress(OSError):  # it has just gone
            touched[folder] = folder.stat().st_mtime
    return sorted((folder for folder, at in touched.items() if at < before), key=touched.__getitem__)


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except FileNotFoundError:
        return []


def _locked(root: Path) -> FileLock:
    """Return what lets one kernel at a time change the folders."""
    return FileLock(root / ".lock", thread_local=False)


def _keep_touching(visit: weakref.ref[Visit]) -> None:
    while (one := visit()) is not None:
        one.touch()
        del one
        time.sleep(TOUCH_S)
