"""Files that a visitor hands in: checked one by one, and kept in a folder of their own until the visitor leaves.

A bad file is reported and left out; it never stops the good ones. Files are first decoded in a child process with
limits (`intake`). This process later reads only files that the child has decoded to their end.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from latentfx_nb.cache import FileState, atomic_write, check_space, file_state
from latentfx_nb.sound import intake
from latentfx_nb.sound.clips import AUDIO_SUFFIXES, ClipSet, load_clips
from latentfx_nb.sound.intake import MOST_SECONDS as MOST_SECONDS
from latentfx_nb.sound.limits import megabytes
from latentfx_nb.sound.visits import Visit
from latentfx_nb.temporary import process_folder

MOST_FILES = 50
"""Files of one visitor: each gives up to a hundred clips, and each clip is a second's work."""

NAME_LENGTH = 80


def most_bytes() -> int:
    """Return how many bytes one visitor may hand in: `LATENTFX_UPLOAD_MB` (default 200), in all files together."""
    return megabytes("LATENTFX_UPLOAD_MB", 200)


class Uploads:
    """The files of one visitor, in a temporary folder that goes with this object, or with the process (`temporary`).

    Once they `join` a visit they lie in its folder, for the visitor's other pages too.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="uploads-", dir=process_folder())
        self._own, self._arriving = Path(self._folder.name, "kept"), Path(self._folder.name, "arriving")
        for folder in (self._own, self._arriving):
            folder.mkdir()
        self._visit: Visit | None = None
        self._known: dict[str, FileState] = {}
        self.files: dict[str, str] = {}  # the name that a file was given -> what there is to say of it

    def join(self, visit: Visit) -> list[str]:
        """Share the files with the other pages of a visit, and take over theirs; return why some are not shared."""
        if visit == self._visit:
            self.look_again()
            return []
        before, self._visit, refused = self._paths(), visit, []
        self.files, self._known = {}, {}
        for path in before:
            try:
                visit.keep(path, _unused)
            except ValueError as error:
                refused.append(f"{path.name} is not kept for other pages: {error}")
        visit.stay()
        self.look_again()
        return refused

    def look_again(self) -> None:
        """Take over what other pages of the visit have added and removed; what is new is checked here as well."""
        there = {path.name: (path, file_state(path)) for path in self._paths()}
        new = [path for name, (path, state) in there.items() if self._known.get(name) != state]
        verdicts = dict(zip(new, intake.inspect(new), strict=True)) if new else {}
        self.files = {name: words for name, words in self.files.items() if name in there}
        for path, (usable, words) in verdicts.items():
            self.files.pop(path.name, None)
            if usable:
                self.files[path.name] = words
        self._known = {name: state for name, (_, state) in there.items()}

    def check(self, name: str, size: int) -> None:
        """Raise ValueError with one sentence if a file of `size` bytes will not be taken, whatever it holds."""
        shown, there = _safe(name), [*self._paths(), *self._arriving.iterdir()]
        if len(there) >= MOST_FILES:
            raise ValueError(f"{shown} is one too many: {MOST_FILES} files are taken; remove the others first")
        taken = sum(path.stat().st_size for path in there)
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
        written, kept, refused = [], [], []
        try:
            for name, content in files:
                try:
                    written.append((self._write(name, content), _safe(name)))
                except (ValueError, OSError) as error:
                    refused.append(str(error))
            verdicts = intake.inspect([path for path, _ in written])
            for (path, shown), (usable, words) in zip(written, verdicts, strict=True):
                try:
                    kept.append(self._keep(path, words) if usable else _refuse(f"{shown} {words}"))
                except ValueError as error:
                    refused.append(str(error))
        finally:
            for path in self._arriving.iterdir():
                path.unlink()
        return kept, refused

    def _write(self, name: str, content: bytes) -> Path:
        """Write a file where no other page sees it before it was checked."""
        self.check(name, len(content))
        check_space(self._arriving, 2 * len(content), "this upload", "hand in a smaller file")
        path = _unused(self._arriving / _safe(name))
        with atomic_write(path) as file:
            file.write(content)
        return path

    def _keep(self, path: Path, words: str) -> str:
        if self._visit is not None:
            kept = self._visit.keep(path, _unused)
        else:
            kept = path.rename(_unused(self._own / path.name))
        self.files[kept.name] = words
        path.unlink(missing_ok=True)
        self._known[kept.name] = file_state(kept)
        return kept.name

    def clips(self) -> ClipSet:
        """Return the clips of all files; raises ValueError if there are none yet."""
        if not self.files:
            raise ValueError("no file has been handed in yet: add some first")
        found = load_clips(self._place, warn=False)
        checked = [Path(file).name in self.files for file in found.table["file"]]
        return ClipSet(found.table[checked], "your own audio", skipped=found.skipped)

    def clear(self) -> None:
        """Remove all files, for the visitor's other pages too."""
        if self._visit is not None:
            self._visit.clear()
        for path in self._own.iterdir():
            path.unlink()
        self.files, self._known = {}, {}

    @property
    def _place(self) -> Path:
        return self._own if self._visit is None else self._visit.folder

    def _paths(self) -> list[Path]:
        return [path for path in self._own.iterdir() if path.is_file()] if self._visit is None else self._visit.paths()


def _refuse(why: str) -> str:
    raise ValueError(why)


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
