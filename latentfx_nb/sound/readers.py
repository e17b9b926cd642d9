"""Which library reads an audio file, and its samples from there: libsndfile where it is right, else FFmpeg (PyAV).

libsndfile is fast, exact and seeks to any sample. It is not right on an MP3 whose header does not say how long it is,
on FLAC of unknown length, on Ogg streams joined to one file, and it does not know AAC, WMA or Matroska. FFmpeg, in
turn, is wrong on NMS ADPCM, free-format MP3 and files that begin with a tag of another format. So `form` chooses for
each file, once: by its header where that can be believed, and by decoding all of it where it cannot.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

SLOWEST_HZ, FASTEST_HZ = 1_000, 768_000
"""Sample rates that are read: all that recordings have. A rate of 1 Hz would make hours of a kilobyte."""

SAMPLES_PER_BYTE = 8_192
"""More than any of the formats holds: FLAC of silence comes nearest, with at most 5000."""

HEADER_TOLERANCE_S = 0.1
"""How far the length in a file's header may be off: that of an MP3 is a guess, to a few of its frames."""

BLOCK = 1 << 16
"""Samples that are decoded at a time where a whole file is."""

MOST_AT_ONCE = 1 << 22
"""Samples a channel that are read in one go: more than any clip takes."""

HEADS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b".snd", b"caff")
"""How files begin whose headers say how long they are."""

PLAIN = {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS"}
"""What libsndfile decodes as far as the header says, with any start; FLAC is PCM to it."""

UNKNOWN_BYTES = 0x7FFF_0000
"""Sizes from here on are what a program writes into a WAV header that it cannot come back to."""

DEMUXERS = "aac,ac3,aiff,asf,au,caf,flac,matroska,mov,mp3,ogg,w64,wav"
"""What FFmpeg may read: sound in one file. It would also follow play lists, to other files and into the network."""

NO_LENGTH = {"aac", "ac3", "mp3"}
"""Formats without a header: what FFmpeg says of their length is a guess."""

MPEG_TAG = re.compile(
    rb"\xff[\xe2-\xff]..(?:..)?(?:.{9}|.{17}|.{32})(?:(?:Xing|Info)\0{3}[\x01\x03\x05\x07\t\x0b\r\x0f]|VBRI)", re.DOTALL
)
"""The first frame of an MP3 where it holds no sound and says how many frames do."""

MOST_AT_REST = 4
"""Files that FFmpeg has decoded half, each with the clip that was read last: 2 MB."""


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


State = tuple[int, ...]


def state(path: str | Path) -> State:
    """Return what changes if a file's content does: size, inode and both times."""
    found = os.stat(path)
    # st_ctime is the kernel's: whoever copies a file's times onto another cannot copy this one.
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


_forms: dict[tuple[str, State], Form] = {}


def form(path: str | Path) -> Form:
    """Return which library reads a file and what is in it: looked at once for each state of the file.

    Raises Unusable, with the reason, for what is no regular file, no audio or not readable, for rates outside 1 to
    768 kHz, and for what neither library reads to its end.
    """
    return known(path) or remember(path, measured(path))


def known(path: str | Path) -> Form | None:
    """Return a file's form if it was found before, or its header can be believed; raises Unusable as `form` does."""
    _check_place(path)
    found = _forms.get((os.fspath(path), state(path))) or _from_header(path)
    return found and remember(path, found)


def remember(path: str | Path, found: Form) -> Form:
    """Return what was found out about a file, here or in another process, and keep it for as long as the file stays."""
    _forms[os.fspath(path), state(path)] = found
    return found


def _check_place(path: str | Path) -> None:
    """Raise Unusable for what is no file with something in it that one may read."""
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
            return _as_it_says(path, file)
    except Unusable:
        raise
    except (soundfile.LibsndfileError, OSError, TypeError, ValueError):
        return None


def _as_it_says(path: str | Path, file: soundfile.SoundFile) -> Form | None:
    _check_rate(file.samplerate)
    if file.subtype not in PLAIN or not _can_hold(path, file.frames):
        return None
    remark = ""
    if file.format == "OGG":
        if _ogg_streams(path)[0] > 1:
            return None
        remark = _ogg_remark(path)
    elif file.format != "FLAC":
        said = file.extra_info
        if _is_24_in_32(said):
            return None
        remark = _cut_short(said)
    return _said(file)._replace(remark=remark)


def _check_rate(rate: int) -> None:
    """Raise Unusable for a sample rate that no recording has."""
    if not SLOWEST_HZ <= rate <= FASTEST_HZ:
        raise Unusable(f"its header says {rate} Hz, and rates of {SLOWEST_HZ} to {FASTEST_HZ} Hz are read: resample it")


def _can_hold(path: str | Path, frames: int) -> bool:
    """Return whether a file can hold so many samples; none at all are what a recorder writes before it is stopped."""
    return 0 < frames <= SAMPLES_PER_BYTE * os.path.getsize(path)


def _ogg_streams(path: str | Path) -> tuple[int, bool]:
    """Return how many streams follow one another in an Ogg file, and whether the last one's last page is there."""
    streams, sound, ended = 0, True, False
    with open(path, "rb") as file:
        while len(page := file.read(27)) == 27 and page.startswith(b"OggS"):
            begins, ended = bool(page[5] & 2), bool(page[5] & 4)
            streams += begins and sound  # streams of one time, of sound and picture, all begin before any goes on
            sound = not begins
            file.seek(sum(file.read(page[26])), os.SEEK_CUR)
        return streams, ended and file.tell() <= os.path.getsize(path)


def _ogg_remark(path: str | Path) -> str:
    return "" if _ogg_streams(path)[1] else "its end is missing"


def _is_24_in_32(said: str) -> bool:
    """Return whether libsndfile, by its log, found samples of 24 bits in four bytes each."""
    align, channels = (re.search(rf"{word} *: (\d+)", said) for word in ("Block Align", "Channels"))
    wide = align and channels and int(align[1]) == 4 * int(channels[1])
    return bool(wide and re.search(r"Bit Width *: 24\b", said))


def _cut_short(said: str) -> str:
    """Return how much libsndfile, by its log, found of the sound that a WAV or AIFF header promises, if not all."""
    found = re.search(r"(?:data|SSND) : (\d+) \(should be (\d+)\)", said)
    promised, there = (int(size) for size in found.groups()) if found else (0, 0)
    return f"it ends after {there / promised:.0%} of what its header says" if there < promised < UNKNOWN_BYTES else ""


# ------------------------------------------------------------------------------------------------------------- measured


def measured(path: str | Path) -> Form:
    """Return the form of any file, decoded to its end where its header may be wrong; raises Unusable as `form` does."""
    with _quiet_mpg123():
        try:
            file = soundfile.SoundFile(path)
        except (soundfile.LibsndfileError, OSError, TypeError, ValueError) as error:
            found = _by_ffmpeg(path)
            if found is None:
                raise Unusable(words(error)) from error
            return found
        with file:
            return _as_it_says(path, file) or _as_it_is(path, file)


def words(error: Exception) -> str:
    """Return what libsndfile says, without the path, in a sentence's middle."""
    said = getattr(error, "error_string", "Format not recognised").strip(" .")
    if "not a regular file" in said:  # which it is: this is how libsndfile puts it if no MP3 decoder finds a frame
        said = "Format not recognised"
    return f"{said}; it is damaged, or something else"


def _as_it_is(path: str | Path, file: soundfile.SoundFile) -> Form:
    if file.subtype.startswith("MPEG"):
        return _mpeg(path, file)
    if _is_24_in_32(file.extra_info):
        return _24_in_32(file)
    if _can_hold(path, file.frames) and file.subtype not in PLAIN and _decoded(file) == file.frames:
        return _said(file)
    found = _by_ffmpeg(path)
    if found is None and file.frames:
        raise Unusable(f"its {file.subtype} sound is damaged, or of a kind that is not read here")
    return found or _said(file)


def _said(file: soundfile.SoundFile, frames: int | None = None) -> Form:
    length = file.frames if frames is None else frames
    return Form("libsndfile", length, file.samplerate, file.channels, file.subtype)


def _24_in_32(file: soundfile.SoundFile) -> Form:
    """Samples may stand in the upper three of the four bytes, which is how libsndfile reads them, or in the lower."""
    if file.subtype == "PCM_32" and any(np.abs(block).max() >= 2.0**-8 for block in _soundfile_blocks(file)):
        return _said(file)
    raise Unusable("its samples of 24 bits stand in 4 bytes each, which is not read here: export it as 24-bit WAV")


def _mpeg(path: str | Path, file: soundfile.SoundFile) -> Form:
    """An MP3's length stands in its first frame, or nowhere: then libsndfile guesses, and reads no more than that."""
    said, tolerance = file.frames, HEADER_TOLERANCE_S * file.samplerate
    packed, tagged = _mpeg_packets(path)
    if tagged and abs(packed - said) <= tolerance:
        return _said(file)
    found = _by_ffmpeg(path)
    if found is not None and tagged:  # cut short, or with something that is no sound behind it, or another one
        return _said(file) if found.frames <= said + tolerance else found
    decoded = _decoded(file)
    if found is None:
        if decoded != said:
            raise Unusable("it is damaged, or no MP3")
        return _said(file)
    to_its_end = decoded is not None and (decoded < said or decoded >= found.frames)
    return _said(file, decoded) if to_its_end and abs(found.frames - decoded) <= tolerance else found


def _mpeg_packets(path: str | Path) -> tuple[int, bool]:
    """Return how many samples the frames of an MP3 have room for, undecoded, and whether a tag says their number."""
    import av

    with contextlib.suppress(av.error.FFmpegError), _container(path) as container:
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


def _decoded(file: soundfile.SoundFile) -> int | None:
    """Return how many samples libsndfile decodes from a file just opened, None if it fails on its way."""
    try:
        return sum(map(len, _soundfile_blocks(file)))
    except soundfile.LibsndfileError:
        return None


def _soundfile_blocks(file: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    # Not by `file.blocks`: where a file ends early, that gives what happens to lie in memory.
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        yield block


# --------------------------------------------------------------------------------------------------------------- FFmpeg


def _container(path: str | Path) -> InputContainer:
    import av  # here and below: 0.1 s that most files do not need

    allowed = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    return av.open(f"file:{os.fspath(path)}", options=allowed, metadata_errors="ignore")


def _by_ffmpeg(path: str | Path) -> Form | None:
    """Return the form of a file that FFmpeg decodes, None if it finds no sound in it.

    Raises Unusable if it is less than the file's header says, or has a hole, or its rate or channels change.
    """
    import av

    try:
        with _container(path) as container:
            found, kind = _counted(container), container.format.name
    except av.error.FFmpegError:
        return None
    return found._replace(remark=_ogg_remark(path)) if found and kind == "ogg" else found


def _counted(container: InputContainer) -> Form | None:
    frames, begin, end, first = 0, None, None, None
    for frame in _ffmpeg_frames(container):
        first = first or frame
        frames += frame.samples
        if frame.pts is not None:
            begin = frame.pts if begin is None else begin
            end = frame.pts + frame.samples / (frame.sample_rate * frame.time_base)
    if first is None:
        return None
    rate, stream = first.sample_rate, container.streams.audio[0]
    _check_rate(rate)
    kind = container.format.name
    said = stream.duration if stream.duration and kind not in NO_LENGTH else 0
    promised = float(rate * said * stream.time_base)
    if promised - frames > min(HEADER_TOLERANCE_S * rate, 0.1 * promised):
        raise Unusable(f"it ends after {frames / promised:.0%} of what its header says: copy or export it again")
    lost_s = float((end - begin) * first.time_base) - frames / rate if begin is not None else 0
    if lost_s > HEADER_TOLERANCE_S and "matroska" not in kind:  # a browser's recording pauses where its computer did
        raise Unusable(f"{lost_s:.1f} s in its middle are damaged: copy or export it again")
    return Form("FFmpeg", frames, rate, first.layout.nb_channels, stream.codec_context.name)


def _ffmpeg_frames(container: InputContainer) -> Iterator[av.AudioFrame]:
    """Yield the frames of the first sound in a container; what is no sound, before, between and after them, is left."""
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


def _ffmpeg_blocks(container: InputContainer) -> Iterator[NDArray[np.float32]]:
    """Yield `[sample channel]`, full scale 1, scaled as libsndfile does."""
    import av

    as_float = av.AudioResampler(format="fltp")
    for frame in _ffmpeg_frames(container):
        yield from (converted.to_ndarray().T for converted in as_float.resample(frame))


class _Decoding:
    """A file that FFmpeg decodes from its first sample on, for seeking would not find the same samples again.

    What was read last stays, so that the clips of a file, read one after the other, cost one decoding of it.
    """

    def __init__(self, path: str | Path, channels: int) -> None:
        self._container = _container(path)
        self._coming = _ffmpeg_blocks(self._container)
        self._kept: deque[NDArray[np.float32]] = deque()
        self._nothing = np.empty((0, channels), np.float32)
        self.first = self.end = 0  # of what is kept

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


def _read_ffmpeg(path: str | Path, channels: int, first: int, count: int) -> NDArray[np.float32]:
    key = os.getpid(), os.fspath(path), state(path)  # a forked process shares the place in its parent's files
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


# -------------------------------------------------------------------------------------------------------------- reading


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
            return _read_ffmpeg(self._path, self.channels, first, count)
        with self._quietly():
            if self._file.seekable():
                self._file.seek(min(first, self._file.frames))
            else:
                self._begin_again(first)
            return _read_frames(self._file, count)

    def _begin_again(self, first: int) -> None:
        self._file.close()
        self._file = soundfile.SoundFile(self._path)
        while first > 0 and (skipped := len(self._file.read(min(first, BLOCK)))):
            first -= skipped

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield all of a file just opened as `[sample channel]`."""
        if self._file is not None:
            yield from _soundfile_blocks(self._file)
        else:
            with _container(self._path) as container:
                yield from _ffmpeg_blocks(container)

    def _quietly(self) -> contextlib.AbstractContextManager[None]:
        return _quiet_mpg123() if self.form.codec.startswith("MPEG") else contextlib.nullcontext()


def _read_frames(file: soundfile.SoundFile, count: int) -> NDArray[np.float32]:
    """Return `[sample channel]`, at most `count` samples: in blocks, as soundfile makes room for all that are said."""
    blocks = []
    while count > 0:
        block = file.read(min(count, MOST_AT_ONCE), dtype="float32", always_2d=True)
        blocks.append(block)
        count = count - len(block) if len(block) == MOST_AT_ONCE else 0
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks or [np.empty((0, file.channels), np.float32)])


MPG123 = re.compile(rb"\[src/libmpg123/|Note: |Warning: (?:Big change|Encountered|Real sample|Xing stream)|\s*$")
"""How the lines begin that libmpg123, within libsndfile, writes to stderr, whatever one does, naming no file."""

_stderr = threading.RLock()


@contextlib.contextmanager
def _quiet_mpg123() -> Iterator[None]:
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
