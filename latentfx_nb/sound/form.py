"""What is known of an audio file before it is read, and the samples that libsndfile decodes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

SLOWEST_HZ, FASTEST_HZ = 1_000, 768_000
"""Sample rates that are read: all that recordings have. A rate of 1 Hz would make hours of a kilobyte."""

HEADER_TOLERANCE_S = 0.1
"""How far the length in a file's header may be off: that of an MP3 is a guess, to a few of its frames."""

BLOCK = 1 << 16
"""Samples that are decoded at a time where a whole file is."""

MOST_AT_ONCE = 1 << 22
"""Samples a channel that are read in one go: more than any clip takes."""


class Unusable(ValueError):
    """A file is no audio that can be used; the message is the reason without the file's name."""


class Form(NamedTuple):
    """What is known of a file before a sample of it is used."""

    reader: str
    """"libsndfile" or "FFmpeg"."""

    frames: int
    """Its length in samples, as the reader gives it."""

    samplerate: int
    channels: int
    codec: str
    """Which the reader calls so."""

    remark: str = ""
    """What is wrong with a file that can be read all the same, as a sentence's end."""


def check_rate(rate: int) -> None:
    """Raise Unusable for a sample rate that no recording has."""
    if not SLOWEST_HZ <= rate <= FASTEST_HZ:
        raise Unusable(f"its header says {rate} Hz, and rates of {SLOWEST_HZ} to {FASTEST_HZ} Hz are read: resample it")


def ogg_streams(path: str | Path) -> tuple[int, bool]:
    """Return how many streams follow one another in an Ogg file, and whether the last one's last page is there."""
    streams, sound, ended = 0, True, False
    with open(path, "rb") as file:
        while len(page := file.read(27)) == 27 and page.startswith(b"OggS"):
            begins, ended = bool(page[5] & 2), bool(page[5] & 4)
            streams += begins and sound  # streams of one time, of sound and picture, all begin before any goes on
            sound = not begins
            file.seek(sum(file.read(page[26])), os.SEEK_CUR)
        return streams, ended and file.tell() <= os.path.getsize(path)


def ogg_remark(path: str | Path) -> str:
    """Return what is wrong with an Ogg file, as a sentence's end; nothing if its last page is there."""
    return "" if ogg_streams(path)[1] else "its end is missing"


def header_form(file: soundfile.SoundFile, frames: int | None = None) -> Form:
    """Return the form of an open file as libsndfile says it, or with another number of samples."""
    length = file.frames if frames is None else frames
    return Form("libsndfile", length, file.samplerate, file.channels, file.subtype)


def decoded_length(file: soundfile.SoundFile) -> int | None:
    """Return how many samples libsndfile decodes from a file just opened, None if it fails on its way."""
    try:
        return sum(map(len, soundfile_blocks(file)))
    except soundfile.LibsndfileError:
        return None


def soundfile_blocks(file: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """Yield the rest of an open file as `[sample channel]`."""
    # Not by `file.blocks`: where a file ends early, that gives what happens to lie in memory.
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        yield block
