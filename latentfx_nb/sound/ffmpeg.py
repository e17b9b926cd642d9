"""Reading by FFmpeg (PyAV): the form of a file, and its samples from any place on.

PyAV takes 0.1 s to import, and most files do not need it: functions import it when they run.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections import deque
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentfx_nb.cache import file_state
from latentfx_nb.sound.form import HEADER_TOLERANCE_S, MOST_AT_ONCE, Form, Unusable, check_rate, ogg_remark

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

DEMUXERS = "aac,ac3,aiff,asf,au,caf,flac,matroska,mov,mp3,ogg,w64,wav"
"""Formats that FFmpeg may read. Others include play lists, which lead to other files and into the network."""

NO_LENGTH = {"aac", "ac3", "mp3"}
"""Formats without a length in a header: FFmpeg guesses it."""

MOST_AT_REST = 4
"""Half-decoded files that stay open, each with the clip that was read last: 2 MB."""


def open_container(path: str | Path) -> InputContainer:
    """Return a file opened for FFmpeg, which may read nothing but this file."""
    import av

    allowed = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    return av.open(f"file:{os.fspath(path)}", options=allowed, metadata_errors="ignore")


def form_by_ffmpeg(path: str | Path) -> Form | None:
    """Return the form of a file that FFmpeg decodes, None if it finds no sound in it.

    Raises Unusable if the file holds less sound than its header says, has a hole, or changes its rate or channels.
    """
    import av

    try:
        with open_container(path) as container:
            found, kind = _counted(container), container.format.name
    except av.error.FFmpegError:
        return None
    return found._replace(remark=ogg_remark(path)) if found and kind == "ogg" else found


def _counted(container: InputContainer) -> Form | None:
    """Return the form of an open file, decoded to its end; None if it holds no sound."""
    frames, begin, end, first = 0, None, Fraction(0), None
    for frame in _ffmpeg_frames(container):
        first = first or frame
        frames += frame.samples
        if frame.pts is not None and frame.time_base is not None:
            begin = frame.pts if begin is None else begin
            end = frame.pts + frame.samples / (frame.sample_rate * frame.time_base)
    if first is None:
        return None
    rate, stream = first.sample_rate, container.streams.audio[0]
    check_rate(rate)
    kind = container.format.name
    said = stream.duration if stream.duration and kind not in NO_LENGTH else 0
    promised = float(rate * said * (stream.time_base or 0))
    if promised - frames > min(HEADER_TOLERANCE_S * rate, 0.1 * promised):
        raise Unusable(f"it ends after {frames / promised:.0%} of what its header says: copy or export it again")
    lost_s = float((end - begin) * (first.time_base or 0)) - frames / rate if begin is not None else 0
    if lost_s > HEADER_TOLERANCE_S and "matroska" not in kind:  # a browser's recording pauses where its computer did
        raise Unusable(f"{lost_s:.1f} s in its middle are damaged: copy or export it again")
    return Form("FFmpeg", frames, rate, first.layout.nb_channels, stream.codec_context.name)


def _ffmpeg_frames(container: InputContainer) -> Iterator[av.AudioFrame]:
    """Yield the frames of the first stream of sound in a container, without anything else that lies between them."""
    if not container.streams.audio or container.streams.audio[0].codec_context is None:
        return
    stream, form = container.streams.audio[0], None
    stream.codec_context.thread_count = 1  # a thread's stack is address space, of which the decoding child has little
    for frame in _decoded_packets(container, stream):
        this = f"{frame.sample_rate} Hz, {frame.layout.nb_channels} channels"
        form = form or this
        if this != form:
            raise Unusable(f"it changes from {form} to {this} on its way: convert it to WAV or FLAC")
        yield frame


def _decoded_packets(container: InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    import av

    with contextlib.suppress(av.error.FFmpegError):  # of a container that ends before it should
        try:
            for packet in container.demux(stream):
                with contextlib.suppress(av.error.InvalidDataError):
                    yield from packet.decode()
        except av.error.PatchWelcomeError as error:
            raise Unusable(
                "its sound changes on its way to a kind that is not read: convert it to WAV or FLAC"
            ) from error


def ffmpeg_blocks(container: InputContainer) -> Generator[NDArray[np.float32], None, None]:
    """Yield `[sample channel]`, full scale 1, scaled as libsndfile does."""
    import av

    as_float = av.AudioResampler(format="fltp")
    for frame in _ffmpeg_frames(container):
        yield from (np.asarray(converted.to_ndarray().T, np.float32) for converted in as_float.resample(frame))


class _Decoding:
    """A file that FFmpeg decodes from its first sample on: after seeking it would give other samples.

    The samples that were read last are kept, so reading a file's clips one after the other decodes the file once.
    """

    def __init__(self, path: str | Path, channels: int) -> None:
        self._container = open_container(path)
        self._coming = ffmpeg_blocks(self._container)
        self._kept: deque[NDArray[np.float32]] = deque()
        self._nothing = np.empty((0, channels), np.float32)
        self.first = self.end = 0  # first sample that is kept, and the one after the last

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        """Return `[sample channel]` from `first`, which is not before `self.first`; fewer than `count` at the end."""
        while self.end < first + count and (block := next(self._coming, None)) is not None:
            self._kept.append(block)
            self.end += len(block)
            while self._kept and self.first + len(self._kept[0]) <= first:
                self.first += len(self._kept.popleft())
        joined = np.concatenate([self._nothing, *self._kept])
        return joined[first - self.first : first - self.first + count]

    def close(self) -> None:
        """Let go of the file."""
        self._coming.close()
        self._container.close()


_at_rest: dict[tuple, _Decoding] = {}
_resting = threading.Lock()


@atexit.register
def _close_all() -> None:
    for one in _at_rest.values():
        one.close()


def read_by_ffmpeg(path: str | Path, channels: int, first: int, count: int) -> NDArray[np.float32]:
    """Return `[sample channel]` from sample `first` on, at most `count` samples, of a file that FFmpeg decodes."""
    key = (
        os.getpid(),
        os.fspath(path),
        file_state(path),
    )  # a forked process shares its parent's position in an open file
    with _resting:
        decoding = _at_rest.pop(key, None)
    if decoding is not None and decoding.first > first:
        decoding.close()
        decoding = None
    decoding = decoding or _Decoding(path, channels)
    sound = decoding.read(first, count)
    over = [decoding]
    if len(sound) < MOST_AT_ONCE:
        with _resting:
            _at_rest[key] = decoding
            over = [_at_rest.pop(next(iter(_at_rest))) for _ in range(len(_at_rest) - MOST_AT_REST)]
    for one in over:
        one.close()
    return sound
