"""Audio files that may be broken or hostile: whether each can be used, and in a sentence why not.

A decoder written in C can hang, crash or ask for all memory when strangers feed it. `inspect` and `forms` therefore
decode in a child process with limits. The child imports numpy and soundfile, in 0.2 s, and PyAV where it needs that.
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
from typing import Any, TextIO

import numpy as np
import soundfile

from latentfx_nb.sound import readers
from latentfx_nb.sound.form import HEADER_TOLERANCE_S, Form, Unusable
from latentfx_nb.sound.readers import AudioFile

LOUDEST = 1e10
"""Largest sample value, 200 dB over full scale, that overflows in none of the package's computations."""

MOST_SECONDS = 600
"""Longest file that a visitor may hand in, in seconds: 110 clips."""

DECODING_S = 30
"""Time for one file: ten minutes of stereo at 192 kHz take 3 s."""

STARTING_S = 20
"""Time for the child to start, on a busy machine."""

DECODING_BYTES = 2**29
"""Address space of the child: twice what it takes with all its libraries before it opens anything."""

OUT_OF_MEMORY = "needs too much memory to decode: cut it, or export it again as 16- or 24-bit audio"


def files_below(folder: Path) -> list[Path]:
    """Return all files in a folder and below, sorted; files of linked folders come after its own.

    A folder is visited once, whichever links lead to it, and a link to a folder that this one lies in is not followed.
    """
    visited, found, waiting = {one.resolve() for one in folder.resolve().parents}, [], [folder]
    while waiting:
        inside = []
        for here, below, names in os.walk(waiting.pop(0)):
            real = Path(here).resolve()
            if real in visited:
                below.clear()
                continue
            visited.add(real)
            links = [name for name in below if os.path.islink(os.path.join(here, name))]
            waiting += sorted(Path(here, name) for name in links)
            inside += [Path(here, name) for name in names]
        found += sorted(inside)
    return found


def is_usable(samples: np.ndarray) -> bool:
    """Return whether all samples are finite, and none is so large that working on it would overflow."""
    return not samples.size or bool(samples.max() <= LOUDEST and samples.min() >= -LOUDEST)  # False for NaN


def describe(path: str | Path) -> str:
    """Return length and form of a file, once all of it was decoded: "12.5 s, 48000 Hz, mono".

    Raises Unusable, with a reason that goes on from the file's name, if it will not do.
    """
    try:
        with AudioFile(path) as file:
            return _decode(file)
    except Refused as error:
        raise Unusable(str(error)) from error
    except Unusable as error:
        raise Unusable(f"cannot be read as audio ({error})") from error
    except soundfile.LibsndfileError as error:
        raise Unusable(f"cannot be read as audio ({readers.reason(error)})") from error


class Refused(Unusable):
    """A file is audio, and will not be taken; the message goes on from the file's name."""


def _decode(file: AudioFile) -> str:
    seconds = file.frames / file.samplerate
    if file.channels > 2:
        raise Refused(f"has {file.channels} channels: mix it down to mono or stereo")
    if seconds > MOST_SECONDS:
        raise Refused(f"lasts {seconds:.0f} s, and {MOST_SECONDS} s are taken: cut it")
    read, loudest = 0, 0.0
    for block in file.blocks():
        read += len(block)
        if not is_usable(block):
            raise Refused("holds samples that are no numbers: export it again")
        loudest = max(loudest, float(np.abs(block).max()))
    if not read:
        raise Refused("is empty: it holds no samples")
    if file.frames - read > min(HEADER_TOLERANCE_S * file.samplerate, 0.1 * file.frames):
        raise Refused(f"ends after {read / file.frames:.0%} of what its header says: copy or export it again")
    form = f"{file.samplerate} Hz, {'mono' if file.channels == 1 else 'stereo'}"
    marks = [file.form.remark] * bool(file.form.remark) + ["silent"] * (loudest < 1e-4)
    return ", ".join([f"{seconds:.1f} s", form, *marks])


# -------------------------------------------------------------------------------------------------- in a child process


def inspect(paths: Sequence[str | Path], command: Sequence[str] | None = None) -> list[tuple[bool, str]]:
    """Return for each file whether it can be used, and its `describe` or the reason why not, from a child process.

    The child has `DECODING_S` seconds of time for a file, more for a large one, and `DECODING_BYTES` of memory. If one
    file brings it down, that file is unusable, and a new child goes on with the next. `command` stands in for the
    child's, in tests.
    """
    return _judged(paths, command or child_command())


def forms(paths: Sequence[str | Path]) -> list[Form | Unusable]:
    """Return each file's form, or the reason why it has none.

    Headers that can be believed are read in this process: of WAV, AIFF, FLAC and Ogg, with sound in a form whose
    decoder takes no more time and memory than it is asked for. All others (MP3, formats that FFmpeg reads, rare codecs,
    broken files) are decoded in a child process, as by `inspect`.
    """
    found: dict[str, Form | Unusable] = {}
    unknown = []
    for path in dict.fromkeys(os.fspath(path) for path in paths):
        try:
            form = readers.known_form(path)
        except Unusable as error:
            found[path] = error
        else:
            if form is None:
                unknown.append(path)
            else:
                found[path] = form
    for path, (usable, answer) in zip(unknown, _judged(unknown, child_command("readers.measured_form"))):
        found[path] = readers.remember_form(path, Form(*answer)) if usable else Unusable(answer)
    return [found[os.fspath(path)] for path in paths]


def _judged(paths: Sequence[str | Path], command: Sequence[str]) -> list[tuple[bool, Any]]:
    """Return a verdict on each file, from as many children as it takes."""
    verdicts: list[tuple[bool, Any]] = []
    while len(verdicts) < len(paths):
        verdicts += _child([os.fspath(path) for path in paths[len(verdicts) :]], command)
    return verdicts


def child_command(judge: str = "describe") -> list[str]:
    """Return the command of a child that answers for each file with the function `judge` of this module."""
    # -P: without it the current folder, with whatever lies there, would come first on the path.
    root = str(Path(__file__).resolve().parents[2])
    script = (
        f"import sys; sys.path.insert(0, {root!r}); from latentfx_nb.sound import intake; "
        f"intake.main(sys.stdin, sys.stdout, intake.{judge})"
    )
    return [sys.executable, "-P", "-c", script]


def _child(paths: list[str], command: Sequence[str]) -> list[tuple[bool, Any]]:
    """Return the verdicts of one child, at least one: on all files, or on those up to the one that brought it down."""
    # Threads' stacks take address space, and so does the memory that `process.env` has malloc keep back.
    small = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_TOP_PAD_": "131072"}
    asked = json.dumps(paths).encode()
    limit_s = STARTING_S + sum(map(_limit_s, paths))  # the child's own limit ends it sooner, if it runs at all
    try:
        done = subprocess.run(
            command, input=asked, capture_output=True, timeout=limit_s, env={**os.environ, **small}, check=False
        )
        out, said, status = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        out, said, status = error.stdout or b"", b"Timeout", 1
    verdicts = [_verdict(line) for line in out.splitlines() if line.endswith(b"]")][: len(paths)]
    if len(verdicts) == len(paths):
        return verdicts
    return [*verdicts, (False, _fate(status, said, _limit_s(paths[len(verdicts)])))]


def _verdict(line: bytes) -> tuple[bool, Any]:
    usable, answer = json.loads(line)
    return bool(usable), answer


def _limit_s(path: str) -> int:
    """Return the seconds that a file may take: decoding a megabyte takes a tenth of a second."""
    with contextlib.suppress(OSError):
        return DECODING_S + os.path.getsize(path) // 2**20
    return DECODING_S


def _fate(status: int, said: bytes, limit_s: int) -> str:
    """Return why a child gave no verdict, judged by its exit status and what it wrote to stderr."""
    if b"Timeout" in said or status == -getattr(signal, "SIGXCPU", 0) != 0:
        return f"takes more than {limit_s} s to decode: cut it, or export it again as WAV or FLAC"
    if b"MemoryError" in said or status == -9:  # what the system kills when it runs out of memory
        return OUT_OF_MEMORY
    return "brings its decoder down, so it is damaged: export it again as WAV or FLAC"


def main(asked: TextIO, answers: TextIO, judge: Callable[[str], Any]) -> None:
    """Read a JSON list of paths, and write a line of JSON for each: `[usable, what judge returns, or the reason]`."""
    paths = json.load(asked)
    limit_memory(DECODING_BYTES)
    for path in paths:
        _limit_time(_limit_s(path))
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
    """End this process in `seconds`, wherever it hangs: by a timer of its own and a limit on its CPU time."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used) + seconds + 2, most))
