"""Audio files that may be broken or hostile: what is wrong with one, in a sentence, found here or in a child process.

A decoder of C code that is fed by strangers can hang, crash or ask for all memory. `inspect` has it do so in a child
process with limits: this very file, run by its path. The child therefore imports numpy and soundfile alone, in 0.2 s.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import soundfile

SLOWEST_HZ, FASTEST_HZ = 1_000, 768_000
"""Sample rates that are read: all that recordings have. A rate of 1 Hz would make hours of a kilobyte."""

SAMPLES_PER_BYTE = 8_192
"""More than any of the formats holds: FLAC of silence comes nearest, with at most 5000."""

LOUDEST = 1e10
"""Sample values, 200 dB over full scale, up to which nothing that is done with a clip overflows."""

HEADER_TOLERANCE_S = 0.1
"""How far the length in a file's header may be off: that of an MP3 is a guess, to a few of its frames."""

MOST_SECONDS = 600
"""Of a file that is handed in: 110 clips."""

DECODING_S = 30
"""Time for one file: ten minutes of stereo at 192 kHz take 3 s."""

STARTING_S = 20
"""Time for the child to start, on a busy machine."""

DECODING_BYTES = 2**29
"""Address space of the child: five times what it takes before it opens anything."""

BLOCK = 1 << 16
"""Samples that it decodes at a time."""


class Unusable(ValueError):
    """A file is no audio that can be used; the message is the reason without the file's name."""


def open_audio(path: str | Path) -> soundfile.SoundFile:
    """Return an audio file, open for reading, whose header can be true.

    Raises Unusable, with the reason, for what is no regular file, no audio or not readable, for rates outside 1 to
    768 kHz, and for a header that says more samples than so many bytes can hold.
    """
    if os.path.isdir(path):
        raise Unusable("it is a folder")
    if os.path.lexists(path) and not os.path.isfile(path):  # opening a pipe would wait for its other end
        raise Unusable("it is a link that leads nowhere, or no regular file")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise Unusable(_because(path, error)) from error
    except (OSError, TypeError, ValueError) as error:  # of a suffix such as .raw, whose files have no header
        raise Unusable(getattr(error, "strerror", None) or "it has no header") from error
    try:
        _check_header(file, os.path.getsize(path))
    except Unusable:
        file.close()
        raise
    return file


def _because(path: str | Path, error: soundfile.LibsndfileError) -> str:
    try:
        with open(path, "rb") as file:
            return _words(error) if file.read(1) else "it is empty: 0 bytes"
    except FileNotFoundError:
        return "there is no such file"
    except PermissionError:
        return "it may not be read: see to its permissions"
    except OSError as fault:
        return str(fault.strerror)


def _words(error: soundfile.LibsndfileError) -> str:
    """Return what libsndfile says, without the path, in a sentence's middle."""
    said = error.error_string.strip(" .")
    if "not a regular file" in said:  # which it is: this is how libsndfile puts it if no MP3 decoder finds a frame
        said = "Format not recognised"
    return f"{said}; it is damaged, or something else"


def _check_header(file: soundfile.SoundFile, size: int) -> None:
    if not SLOWEST_HZ <= file.samplerate <= FASTEST_HZ:
        raise Unusable(
            f"its header says {file.samplerate} Hz, and rates of {SLOWEST_HZ} to {FASTEST_HZ} Hz are read: resample it"
        )
    if file.frames > SAMPLES_PER_BYTE * size:
        hours = file.frames / file.samplerate / 3600
        raise Unusable(f"its header says {hours:.2g} h, which {size} bytes cannot hold: copy or export it again")


def is_usable(samples: np.ndarray) -> bool:
    """Return whether all samples are finite, and none is so large that working on it would overflow."""
    return not samples.size or bool(samples.max() <= LOUDEST and samples.min() >= -LOUDEST)  # False for NaN


def describe(path: str | Path) -> str:
    """Return length and form of a file, once all of it was decoded: "12.5 s, 48000 Hz, mono".

    Raises Unusable, with a reason that goes on from the file's name, if it will not do.
    """
    try:
        file = open_audio(path)
    except Unusable as error:
        raise Unusable(f"cannot be read as audio ({error})") from error
    with file:
        try:
            return _decode(file)
        except soundfile.LibsndfileError as error:
            raise Unusable(f"cannot be read as audio ({_words(error)})") from error


def _decode(file: soundfile.SoundFile) -> str:
    seconds = file.frames / file.samplerate
    if file.channels > 2:
        raise Unusable(f"has {file.channels} channels: mix it down to mono or stereo")
    if seconds > MOST_SECONDS:
        raise Unusable(f"lasts {seconds:.0f} s, and {MOST_SECONDS} s are taken: cut it")
    read, loudest = 0, 0.0
    # Not by `file.blocks`: where a file ends early, that gives what happens to lie in memory.
    while len(block := file.read(BLOCK, dtype="float32")):
        read += len(block)
        if not is_usable(block):
            raise Unusable("holds samples that are no numbers: export it again")
        loudest = max(loudest, float(np.abs(block).max()))
    if not read:
        raise Unusable("is empty: it holds no samples")
    if file.frames - read > min(HEADER_TOLERANCE_S * file.samplerate, 0.1 * file.frames):
        raise Unusable(f"ends after {read / file.frames:.0%} of what its header says: copy or export it again")
    form = f"{file.samplerate} Hz, {'mono' if file.channels == 1 else 'stereo'}"
    return f"{seconds:.1f} s, {form}" + (", silent" if loudest < 1e-4 else "")


# -------------------------------------------------------------------------------------------------- in a child process


def inspect(paths: Sequence[str | Path], command: Sequence[str] | None = None) -> list[tuple[bool, str]]:
    """Return for each file whether it can be used, and its `describe` or the reason why not, from a child process.

    The child has `DECODING_S` seconds of time for a file and `DECODING_BYTES` of memory. If one file brings it down,
    that file is unusable, and a new child goes on with the next. `command` stands in for the child's, in tests.
    """
    verdicts: list[tuple[bool, str]] = []
    while len(verdicts) < len(paths):
        verdicts += _child([os.fspath(path) for path in paths[len(verdicts) :]], command or _command())
    return verdicts


def _command() -> list[str]:
    # -P: or this file's folder would come first on the path, with its audio, cache and linear.
    return [sys.executable, "-P", os.path.abspath(__file__)]


def _child(paths: list[str], command: Sequence[str]) -> list[tuple[bool, str]]:
    """Return the verdicts of one child, at least one: on all files, or up to the one that it came to grief over."""
    quiet = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a thread's stack is address space
    asked = json.dumps(paths).encode()
    limit_s = STARTING_S + DECODING_S * len(paths)  # the child's own watch comes first, wherever it runs at all
    try:
        done = subprocess.run(
            command, input=asked, capture_output=True, timeout=limit_s, env={**os.environ, **quiet}, check=False
        )
        out, said, status = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        out, said, status = error.stdout or b"", b"Timeout", 1
    verdicts = [_verdict(line) for line in out.splitlines() if line.endswith(b"]")][: len(paths)]
    if len(verdicts) == len(paths):
        return verdicts
    return [*verdicts, (False, _fate(status, said))]


def _verdict(line: bytes) -> tuple[bool, str]:
    usable, words = json.loads(line)
    return bool(usable), str(words)


def _fate(status: int, said: bytes) -> str:
    """Return what became of a child that gave no verdict, from its exit status and what it wrote to stderr."""
    if b"Timeout" in said or status == -getattr(signal, "SIGXCPU", 0) != 0:
        return f"takes more than {DECODING_S} s to decode: cut it, or export it again as WAV or FLAC"
    if b"MemoryError" in said or status == -9:  # what the system kills when it runs out of memory
        return OUT_OF_MEMORY
    return "brings its decoder down, so it is damaged: export it again as WAV or FLAC"


OUT_OF_MEMORY = "needs too much memory to decode: cut it, or export it again as 16- or 24-bit audio"


def main(asked: TextIO, answers: TextIO, judge: Callable[[str], str] = describe) -> None:
    """Read a JSON list of paths, and write a line for each: JSON of [usable, words]."""
    paths = json.load(asked)
    limit_memory(DECODING_BYTES)
    for path in paths:
        _limit_time(DECODING_S)
        try:
            verdict = True, judge(path)
        except Unusable as error:
            verdict = False, str(error)
        except MemoryError:
            verdict = False, OUT_OF_MEMORY
        answers.write(json.dumps(verdict) + "\n")
        answers.flush()
    faulthandler.cancel_dump_traceback_later()


def limit_memory(size: int) -> None:
    """Let this process have `size` bytes of address space, where the system knows such a limit."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has none; macOS refuses to set it
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: int) -> None:
    """End this process in `seconds`, whatever it hangs in: by a watch of its own, and by the system's for its CPU."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used) + seconds + 2, most))


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
