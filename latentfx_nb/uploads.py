"""Files that a visitor hands in: checked one by one, kept in a folder of their own until the visitor goes.

A bad file is reported and left out; it never stops the good ones.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from latentfx_nb.cache import atomic_write, check_space
from latentfx_nb.clips import AUDIO_SUFFIXES, ClipSet, load_clips

MOST_FILES = 50
"""Files of one visitor: each gives up to a hundred clips, and each clip is a second's work."""

MOST_SECONDS = 600
"""Of one file: 110 clips."""

NAME_LENGTH = 80


def most_bytes() -> int:
    """Return how many bytes one visitor may hand in: `LATENTFX_UPLOAD_MB` (default 200), in all files together."""
    given = os.environ.get("LATENTFX_UPLOAD_MB", "200")
    if not re.fullmatch(r"\d+", given):
        raise ValueError(f"LATENTFX_UPLOAD_MB is {given!r}: give a whole number of megabytes, such as 200")
    return int(given) * 10**6


class Uploads:
    """The files of one visitor, in a temporary folder that goes with this object, or with the process."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="latentfx-uploads-")
        self.files: dict[str, str] = {}  # the name that a file was given -> what there is to say of it

    def check(self, name: str, size: int) -> None:
        """Raise ValueError with one sentence if a file of `size` bytes will not be taken, whatever it holds."""
        shown = _safe(name)
        if len(self.files) >= MOST_FILES:
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
        self.check(name, len(content))
        shown, folder = _safe(name), Path(self._folder.name)
        check_space(folder, 2 * len(content), "this upload", "hand in a smaller file")
        path = _unused(folder / shown)
        with atomic_write(path) as file:
            file.write(content)
        try:
            self.files[path.name] = _describe(path, shown)
        except ValueError:
            path.unlink()
            raise
        return path.name

    def clips(self) -> ClipSet:
        """Return the clips of all files; raises ValueError if there are none yet."""
        if not self.files:
            raise ValueError("no file has been handed in yet: add some first")
        found = load_clips(self._folder.name)
        return ClipSet(found.table, "your own audio")

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


def _describe(path: Path, shown: str) -> str:
    """Return length and form of a file, once all of it was read; raise ValueError with a sentence if it will not do."""
    try:
        with soundfile.SoundFile(path) as file:
            seconds = len(file) / file.samplerate
            if file.channels > 2:
                raise ValueError(f"{shown} has {file.channels} channels: mix it down to mono or stereo")
            if seconds > MOST_SECONDS:
                raise ValueError(f"{shown} lasts {seconds:.0f} s, and {MOST_SECONDS} s are taken: cut it")
            read, loudest = 0, 0.0
            for block in file.blocks(1 << 16, dtype="float32"):
                read += len(block)
                if not np.isfinite(block).all():
                    raise ValueError(f"{shown} holds samples that are no numbers: export it again")
                loudest = max(loudest, float(np.abs(block).max()))
            form = f"{file.samplerate} Hz, {'mono' if file.channels == 1 else 'stereo'}"
            expected = len(file)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{shown} cannot be read as audio, so it is damaged or something else") from error
    if not read:
        raise ValueError(f"{shown} is empty: it holds no samples")
    if read < 0.9 * expected:
        raise ValueError(f"{shown} ends after {read / expected:.0%} of what its header says: copy or export it again")
    return f"{seconds:.1f} s, {form}" + (", silent" if loudest < 1e-4 else "")
