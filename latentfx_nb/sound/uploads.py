"""Files that a visitor hands in: checked one by one, and kept in a folder of their own until the visitor leaves.

A bad file is reported and left out; it never stops the good ones. Files are first decoded in a child process with
limits (`intake`). This process later reads only files that the child has decoded to their end.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from latentfx_nb.cache import atomic_write, check_space
from latentfx_nb.sound import intake
from latentfx_nb.sound.clips import AUDIO_SUFFIXES, ClipSet, load_clips
from latentfx_nb.sound.intake import MOST_SECONDS as MOST_SECONDS
from latentfx_nb.temporary import process_folder

MOST_FILES = 50
"""Files of one visitor: each gives up to a hundred clips, and each clip is a second's work."""

NAME_LENGTH = 80


def most_bytes() -> int:
    """Return how many bytes one visitor may hand in: `LATENTFX_UPLOAD_MB` (default 200), in all files together."""
    given = os.environ.get("LATENTFX_UPLOAD_MB", "200")
    if not re.fullmatch(r"\d+", given):
        raise ValueError(f"LATENTFX_UPLOAD_MB is {given!r}: give a whole number of megabytes, such as 200")
    return int(given) * 10**6


class Uploads:
    """The files of one visitor, in a temporary folder that goes with this object, or with the process (`temporary`)."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="uploads-", dir=process_folder())
        self.files: dict[str, str] = {}  # the name that a file was given -> what there is to say of it

    def check(self, name: str, size: int) -> None:
        """Raise ValueError with one sentence if a file of `size` bytes will not be taken, whatever it holds."""
        shown = _safe(name)
        if len(self._paths()) >= MOST_FILES:
            raise ValueError(f"{shown} is one too many: {MOST_FILES} files are taken; remove the others first")
        taken = sum(path.stat().st_size for path in self._paths())
        if taken + size > most_bytes():
            raise ValueError(
                f"{shown} is too large: files of {most_bytes() / 1e6:.0f} MB are taken in all; cut it, or hand it in "
                "as FLAC or MP3"
            )
        if Path(shown).suffix.lower() not in AUDIO_SUFFIXES:
            raise ValueError(f"{shown} is no audio file: {', '.join(AUDIO_SUFFIXES)} are read")

    def add(self, name: str, content: bytes) -> str:
        """Keep a file under a safe form of `name` and return that.

        Raises ValueError with one sentence, and keeps nothing, if it is no audio that can be used, or too much.
        """
        kept, refused = self.add_all([(name, content)])
        if refused:
            raise ValueError(refused[0])
        return kept[0]

    def add_all(self, files: Iterable[tuple[str, bytes]]) -> tuple[list[str], list[str]]:
        """Keep the files `(name, content)` that can be used; return their names, and a sentence for each other one.

        One child process looks at all of them.
        """
        written, refused = [], []
        for name, content in files:
            try:
                written.append((self._write(name, content), _safe(name)))
            except (ValueError, OSError) as error:
                refused.append(str(error))
        kept = []
        try:
            verdicts = intake.inspect([path for path, _ in written])
        except BaseException:
            for path, _ in written:
                path.unlink()
            raise
        for (path, shown), (usable, words) in zip(written, verdicts, strict=True):
            if usable:
                self.files[path.name] = words
                kept.append(path.name)
            else:
                path.unlink()
                refused.append(f"{shown} {words}")
        return kept, refused

    def _write(self, name: str, content: bytes) -> Path:
        self.check(name, len(content))
        folder = Path(self._folder.name)
        check_space(folder, 2 * len(content), "this upload", "hand in a smaller file")
        path = _unused(folder / _safe(name))
        with atomic_write(path) as file:
            file.write(content)
        return path

    def clips(self) -> ClipSet:
        """Return the clips of all files; raises ValueError if there are none yet."""
        if not self.files:
            raise ValueError("no file has been handed in yet: add some first")
        found = load_clips(self._folder.name, warn=False)
        return ClipSet(found.table, "your own audio", skipped=found.skipped)

    def clear(self) -> None:
        """Remove all files."""
        for path in self._paths():
            path.unlink()
        self.files = {}

    def _paths(self) -> list[Path]:
        return [path for path in Path(self._folder.name).iterdir() if path.is_file()]


def _safe(name: str) -> str:
    """Return the last part of a path without what no file system takes; letters of all scripts stay."""
    last = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r"[^\w .()+-]", "_", last).strip(" .")
    stem, suffix = Path(plain or "unnamed").stem, Path(plain).suffix
    return stem[: NAME_LENGTH - len(suffix)] + suffix


def _unused(path: Path) -> Path:
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{re.sub(r' [0-9]+$', '', path.stem)} {number}{path.suffix}")
    return path
