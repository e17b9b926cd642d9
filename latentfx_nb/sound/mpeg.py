"""How long an MP3 is, and quiet from the library that decodes it."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import soundfile

from latentfx_nb.sound.ffmpeg import form_by_ffmpeg, open_container
from latentfx_nb.sound.form import HEADER_TOLERANCE_S, Form, Unusable, decoded_length, header_form

MPEG_TAG = re.compile(
    rb"\xff[\xe2-\xff]..(?:..)?(?:.{9}|.{17}|.{32})(?:(?:Xing|Info)\0{3}[\x01\x03\x05\x07\t\x0b\r\x0f]|VBRI)", re.DOTALL
)
"""The first frame of an MP3 where it holds no sound and says how many frames do."""


def mpeg_form(path: str | Path, file: soundfile.SoundFile) -> Form:
    """An MP3's length stands in its first frame, or nowhere: then libsndfile guesses, and reads no more than that."""
    said, tolerance = file.frames, HEADER_TOLERANCE_S * file.samplerate
    packed, tagged = _mpeg_packets(path)
    if tagged and abs(packed - said) <= tolerance:
        return header_form(file)
    found = form_by_ffmpeg(path)
    if found is not None and tagged:  # cut short, or with something that is no sound behind it, or another one
        return header_form(file) if found.frames <= said + tolerance else found
    decoded = decoded_length(file)
    if found is None:
        if decoded != said:
            raise Unusable("it is damaged, or no MP3")
        return header_form(file)
    to_its_end = decoded is not None and (decoded < said or decoded >= found.frames)
    return header_form(file, decoded) if to_its_end and abs(found.frames - decoded) <= tolerance else found


def _mpeg_packets(path: str | Path) -> tuple[int, bool]:
    """Return how many samples the frames of an MP3 have room for, undecoded, and whether a tag says their number."""
    import av

    with contextlib.suppress(av.error.FFmpegError), open_container(path) as container:
        for stream in container.streams.audio[:1]:
            packets = [(packet.pos, packet.duration or 0) for packet in container.demux(stream) if packet.size]
            room = sum(duration for _, duration in packets) * stream.time_base * (stream.rate or 0)
            return round(room), bool(packets) and _is_tagged(path, packets[0][0] or 0)
    return 0, False


def _is_tagged(path: str | Path, begin: int) -> bool:
    """Return whether a tag stands before an MP3's first frame with sound."""
    with open(path, "rb") as file:
        file.seek(max(0, begin - 4096))
        return bool(MPEG_TAG.search(file.read(min(begin, 4096))))


MPG123 = re.compile(rb"\[src/libmpg123/|Note: |Warning: (?:Big change|Encountered|Real sample|Xing stream)|\s*$")
"""How the lines begin that libmpg123, within libsndfile, writes to stderr, whatever one does, naming no file."""

_stderr = threading.RLock()


@contextlib.contextmanager
def quiet_mpg123() -> Iterator[None]:
    """Keep from stderr what libmpg123 writes there; what others write in the meantime follows afterwards."""
    with _stderr, tempfile.TemporaryFile() as written, contextlib.ExitStack() as restored:
        try:
            kept = os.dup(2)
        except OSError:  # a process without stderr
            yield
            return
        restored.callback(_give_back, kept, written)
        os.dup2(written.fileno(), 2)
        yield


def _give_back(kept: int, written: BinaryIO) -> None:
    os.dup2(kept, 2)
    os.close(kept)
    written.seek(0)
    os.write(2, b"".join(line for line in written if not MPG123.match(line)))
