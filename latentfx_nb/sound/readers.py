"""Which library reads an audio file, and its samples from there: libsndfile where it is right, else FFmpeg (PyAV).

libsndfile is fast, exact and seeks to any sample. It is not right on an MP3 whose header does not say how long it is,
on FLAC of unknown length, on Ogg streams joined to one file, and it does not know AAC, WMA or Matroska. FFmpeg, in
turn, is wrong on NMS ADPCM, free-format MP3 and files that begin with a tag of another format. So `form` chooses a
library for each file, once: by the file's header where that can be believed, else by decoding all of the file."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from latentfx_nb.cache import FileState, file_state
from latentfx_nb.sound.ffmpeg import ffmpeg_blocks, form_by_ffmpeg, open_container, read_by_ffmpeg
from latentfx_nb.sound.form import (
    BLOCK,
    MOST_AT_ONCE,
    Form,
    Unusable,
    check_rate,
    decoded_length,
    header_form,
    ogg_remark,
    ogg_streams,
    soundfile_blocks,
)
from latentfx_nb.sound.mpeg import mpeg_form, quiet_mpg123

SAMPLES_PER_BYTE = 8_192
"""More than any of the formats holds: FLAC of silence comes nearest, with at most 5000."""

HEADS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b".snd", b"caff")
"""First bytes of files whose headers give their length."""

PLAIN = {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS"}
"""Subtypes that libsndfile decodes from any sample on, to the length in the header; it calls FLAC PCM."""

UNKNOWN_BYTES = 0x7FFF_0000
"""Programs that cannot come back to a WAV header write sizes from here on into it."""

_forms: dict[tuple[str, FileState], Form] = {}


def form(path: str | Path) -> Form:
    """Return which library reads a file, and what is in it; a file is examined again only when it changed.

    Raises Unusable, with the reason, for what is no regular file, no audio or not readable, for rates outside 1 to
    768 kHz, and for what neither library reads to its end.
    """
    return known_form(path) or remember_form(path, measured_form(path))


def known_form(path: str | Path) -> Form | None:
    """Return a file's form if it was found before, or its header can be believed, else None; raises as `form` does."""
    _check_place(path)
    found = _forms.get((os.fspath(path), file_state(path))) or _from_header(path)
    return found and remember_form(path, found)


def remember_form(path: str | Path, found: Form) -> Form:
    """Keep a form that was found here or in another process until the file changes, and return it."""
    _forms[os.fspath(path), file_state(path)] = found
    return found


def _check_place(path: str | Path) -> None:
    """Raise Unusable unless there is a regular file, not empty, that may be read."""
    if os.path.isdir(path):
        raise Unusable("it is a folder")
    if os.path.lexists(path) and not os.path.isfile(path):  # opening a pipe would wait for its other end
        raise Unusable("it is a link that leads nowhere, or no regular file")
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise Unusable("it is empty: 0 bytes")
    except FileNotFoundError as error:
        raise Unusable("there is no such file") from error
    except PermissionError as error:
        raise Unusable("it may not be read: see to its permissions") from error
    except OSError as error:
        raise Unusable(str(error.strerror)) from error


def _from_header(path: str | Path) -> Form | None:
    with open(path, "rb") as file:
        if not file.read(4).startswith(HEADS):
            return None
    try:
        with soundfile.SoundFile(path) as file:
            return _believed_header(path, file)
    except Unusable:
        raise
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError):
        return None


def _believed_header(path: str | Path, file: soundfile.SoundFile) -> Form | None:
    """Return the form that an open file's header gives, None if that cannot be believed."""
    check_rate(file.samplerate)
    if file.subtype not in PLAIN or not _can_hold(path, file.frames):
        return None
    remark = ""
    if file.format == "OGG":
        if ogg_streams(path)[0] > 1:
            return None
        remark = ogg_remark(path)
    elif file.format != "FLAC":
        said = file.extra_info
        if _is_24_in_32(said):
            return None
        remark = _cut_short(said)
    return header_form(file)._replace(remark=remark)


def _can_hold(path: str | Path, frames: int) -> bool:
    """Return whether a file can hold so many samples; a recorder that was not stopped leaves 0 in the header."""
    return 0 < frames <= SAMPLES_PER_BYTE * os.path.getsize(path)


def _is_24_in_32(said: str) -> bool:
    """Return whether libsndfile's log tells of samples of 24 bits in four bytes each."""
    align, channels = (re.search(rf"{word} *: (\d+)", said) for word in ("Block Align", "Channels"))
    wide = align and channels and int(align[1]) == 4 * int(channels[1])
    return bool(wide and re.search(r"Bit Width *: 24\b", said))


def _cut_short(said: str) -> str:
    """Return a remark if libsndfile's log tells of less sound than a WAV or AIFF header promises, else nothing."""
    found = re.search(r"(?:data|SSND) : (\d+) \(should be (\d+)\)", said)
    promised, there = (int(size) for size in found.groups()) if found else (0, 0)
    return f"it ends after {there / promised:.0%} of what its header says" if there < promised < UNKNOWN_BYTES else ""


def measured_form(path: str | Path) -> Form:
    """Return the form of any file, decoded to its end where its header may be wrong; raises Unusable as `form` does."""
    with quiet_mpg123():
        try:
            file = soundfile.SoundFile(path)
        except (soundfile.LibsndfileError, OSError, TypeError, ValueError) as error:
            found = form_by_ffmpeg(path)
            if found is None:
                raise Unusable(reason(error)) from error
            return found
        with file:
            return _believed_header(path, file) or _decoded_form(path, file)


def reason(error: Exception) -> str:
    """Return libsndfile's reason for an error, without the path, to stand within a sentence."""
    said = getattr(error, "error_string", "Format not recognised").strip(" .")
    if "not a regular file" in said:  # it is one: libsndfile says so if no MP3 decoder finds a frame
        said = "Format not recognised"
    return f"{said}; it is damaged, or something else"


def _decoded_form(path: str | Path, file: soundfile.SoundFile) -> Form:
    """Return the form of an open file whose header cannot be believed."""
    if file.subtype.startswith("MPEG"):
        return mpeg_form(path, file)
    if _is_24_in_32(file.extra_info):
        return _24_in_32(file)
    if _can_hold(path, file.frames) and file.subtype not in PLAIN and decoded_length(file) == file.frames:
        return header_form(file)
    found = form_by_ffmpeg(path)
    if found is None and file.frames:
        raise Unusable(f"its {file.subtype} sound is damaged, or of a kind that is not read here")
    return found or header_form(file)


def _24_in_32(file: soundfile.SoundFile) -> Form:
    """Return the form of 24-bit samples in four bytes each; raise Unusable if they stand in the lower three.

    libsndfile reads the upper three.
    """
    if file.subtype == "PCM_32" and any(np.abs(block).max() >= 2.0**-8 for block in soundfile_blocks(file)):
        return header_form(file)
    raise Unusable("its samples of 24 bits stand in 4 bytes each, which is not read here: export it as 24-bit WAV")


class AudioFile:
    """An audio file, open for reading by the library that reads it right; raises Unusable as `form` does."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self.form = form(path)
        self.frames, self.samplerate, self.channels = self.form.frames, self.form.samplerate, self.form.channels
        with self._quietly():
            self._file = soundfile.SoundFile(path) if self.form.reader == "libsndfile" else None

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        """Return `[sample channel]` from sample `first` on, at most `count` samples: fewer where the file ends."""
        if self._file is None:
            return read_by_ffmpeg(self._path, self.channels, first, count)
        with self._quietly():
            if self._file.seekable():
                self._file.seek(min(first, self._file.frames))
            else:
                self._file = self._reopened_at(first)
            return _read_frames(self._file, count)

    def _reopened_at(self, first: int) -> soundfile.SoundFile:
        """Return the file opened again and decoded up to sample `first`."""
        self.close()
        file = soundfile.SoundFile(self._path)
        while first > 0 and (skipped := len(file.read(min(first, BLOCK)))):
            first -= skipped
        return file

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield all of a file just opened as `[sample channel]`."""
        if self._file is not None:
            yield from soundfile_blocks(self._file)
        else:
            with open_container(self._path) as container:
                yield from ffmpeg_blocks(container)

    def _quietly(self) -> contextlib.AbstractContextManager[None]:
        return quiet_mpg123() if self.form.codec.startswith("MPEG") else contextlib.nullcontext()


def _read_frames(file: soundfile.SoundFile, count: int) -> NDArray[np.float32]:
    """Return `[sample channel]`, at most `count` samples.

    Read in blocks, because soundfile allocates memory for as many as it is asked for, there or not.
    """
    blocks = []
    while count > 0:
        block = file.read(min(count, MOST_AT_ONCE), dtype="float32", always_2d=True)
        blocks.append(block)
        count = count - len(block) if len(block) == MOST_AT_ONCE else 0
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks or [np.empty((0, file.channels), np.float32)])
