"""The length of an MP3, and how to silence libmpg123, which decodes MP3s within libsndfile."""

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
"""An MP3's first frame, where that holds no sound but says how many frames do."""

MPG123 = re.compile(rb"\[src/libmpg123/|Note: |Warning: (?:Big change|Encountered|Real sample|Xing stream)|\s*$")
"""Starts of the lines that libmpg123 writes to stderr; it cannot be told not to, and names no file in them."""

_stderr = threading.RLock()


def mpeg_form(path: str | Path, file: soundfile.SoundFile) -> Form:
    """Return the form of an MP3. Its length stands in its first frame, or nowhere.

    Where it stands nowhere, libsndfile guesses a length, and reads no more than that.
    """
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
    if decoded is not None and (decoded < said or decoded >= found.frames):  # so libsndfile read it to its end
        return header_form(file, decoded) if abs(found.frames - decoded) <= tolerance else found
    return found


def _mpeg_packets(path: str | Path) -> tuple[int, bool]:
    """Return for how many samples an MP3's frames have room, without decoding, and whether a tag gives their number."""
    import av

    with contextlib.suppress(av.error.FFmpegError), open_container(path) as container:
        for stream in container.streams.audio[:1]:
            packets = [(packet.pos, packet.duration or 0) for packet in container.demux(stream) if packet.size]
            room = sum(duration for _, duration in packets) * (stream.time_base or 0) * (stream.rate or 0)
            return round(room), bool(packets) and _is_tagged(path, packets[0][0] or 0)
    return 0, False


def _is_tagged(path: str | Path, begin: int) -> bool:
    """Return whether a tag stands before an MP3's first frame with sound."""
    with open(path, "rb") as file:
        file.seek(max(0, begin - 4096))
        return bool(MPEG_TAG.search(file.read(min(begin, 4096))))


@contextlib.contextmanager
def quiet_mpg123() -> Iterator[None]:
    """Drop what libmpg123 writes to stderr; what others write there in the meantime follows afterwards."""
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
