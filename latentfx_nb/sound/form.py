"""The form of an audio file (reader, length, rate, channels, codec), and the samples that libsndfile decodes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

SLOWEST_HZ, FASTEST_HZ = 1_000, 768_000
"""Lowest and highest sample rate that is read: a rate of 1 Hz would turn a kilobyte into hours."""

HEADER_TOLERANCE_S = 0.1
"""How far the length in a file's header may be off: an MP3's is a guess, right to a few of its frames."""

BLOCK = 1 << 16
"""Samples that are decoded at a time when a whole file is decoded."""

MOST_AT_ONCE = 1 << 22
"""Samples a channel that are read at once: more than any clip takes."""


class Unusable(ValueError):
    """A file cannot be used as audio; the message gives the reason, without the file's name."""


class Form(NamedTuple):
    """The facts on an audio file that are known before any of its samples is used."""

    reader: str
    """"libsndfile" or "FFmpeg"."""

    frames: int
    """Length in samples, as the reader finds it."""

    samplerate: int
    channels: int
    codec: str
    """Name of the codec, as the reader calls it."""

    remark: str = ""
    """Fault of a file that can be read in spite of it, as the end of a sentence."""


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
            streams += begins and sound  # streams that run side by side, such as sound and picture, begin together
            sound = not begins
            file.seek(sum(file.read(page[26])), os.SEEK_CUR)
        return streams, ended and file.tell() <= os.path.getsize(path)


def ogg_remark(path: str | Path) -> str:
    """Return what is wrong with an Ogg file, as a sentence's end; nothing if its last page is there."""
    return "" if ogg_streams(path)[1] else "its end is missing"


def header_form(file: soundfile.SoundFile, frames: int | None = None) -> Form:
    """Return the form of an open file as libsndfile reads it from the header, or with `frames` for its length."""
    length = file.frames if frames is None else frames
    return Form("libsndfile", length, file.samplerate, file.channels, file.subtype)


def decoded_length(file: soundfile.SoundFile) -> int | None:
    """Return how many samples libsndfile decodes from a file just opened; None if it fails before the end."""
    try:
        return sum(map(len, soundfile_blocks(file)))
    except soundfile.LibsndfileError:
        return None


def soundfile_blocks(file: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """Yield the rest of an open file as `[sample channel]`."""
    # `file.blocks` would give whatever lies in memory where a file ends early.
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        yield block
