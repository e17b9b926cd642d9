"""How long good files take to load, over what soundfile and soxr alone take: `python -m benchmarks.loading`.

A folder of WAV, FLAC, Ogg and MP3 files of 60 s is loaded and all its clips are read: by `load_clips`, and by a loop
that trusts every header, as `load_clips` itself did before it looked for headers that are wrong. Rounds alternate, and
each begins with nothing known of the files. The line before the last is the ratio without the MP3 files, for which a
process of their own is started. The last line is `ratio=NUMBER`, our time over the loop's.
"""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound import audio, readers
from latentfx_nb.sound.clips import load_clips

ROUNDS, SECONDS, FILES = 5, 60, 6  # files of each kind
KINDS = {"wav": 44_100, "flac": 48_000, "ogg": 44_100, "mp3": 44_100}


def make(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for kind, rate in KINDS.items():
        for number in range(FILES):
            with soundfile.SoundFile(folder / f"{number}.{kind}", "w", rate, 2) as file:
                for _ in range(SECONDS):  # at once, a minute is too much for libsndfile's Ogg
                    file.write(0.1 * generator.standard_normal((rate, 2)))


def trusting(folder: Path) -> int:
    """Load and read a folder by its headers: the same excerpts, resampled and checked in the same way."""
    heard = 0
    for path in sorted(folder.rglob("*")):
        with soundfile.SoundFile(path) as file:
            rate, length = file.samplerate, audio.samples_at(file.frames, file.samplerate, SAMPLE_RATE_HZ)
        common = math.gcd(rate, SAMPLE_RATE_HZ)
        step_in, step_out = rate // common, SAMPLE_RATE_HZ // common
        margin = math.ceil(audio.RESAMPLING_MARGIN_S * common) if rate != SAMPLE_RATE_HZ else 0
        for start in range(0, length, CLIP_SAMPLES):
            first = max(0, start // step_out - margin)
            count = -(-(start + CLIP_SAMPLES) // step_out) + margin - first
            with soundfile.SoundFile(path) as file:
                file.seek(min(first * step_in, file.frames))
                sound = file.read(count * step_in, dtype="float32", always_2d=True)
            sound = soxr.resample(sound, rate, SAMPLE_RATE_HZ) if rate != SAMPLE_RATE_HZ else sound
            offset = start - first * step_out
            clip = np.ascontiguousarray(sound[offset : offset + CLIP_SAMPLES].T)
            heard += bool(np.isfinite(clip).all()) * audio.fit_length(clip, CLIP_SAMPLES).shape[1]
    return heard


def ours(folder: Path) -> int:
    readers._forms.clear()
    return sum(clip.shape[1] for clip in load_clips(folder))


def seconds(call, folder: Path) -> float:
    begun = time.perf_counter()
    heard = call(folder)
    taken = time.perf_counter() - begun
    if heard < FILES * SECONDS * SAMPLE_RATE_HZ:
        raise RuntimeError(f"{call.__name__} read {heard} samples: not all that was written")
    return taken


def compare(folder: Path) -> float:
    """Return the median ratio over rounds, once both ways were tried."""
    seconds(trusting, folder), seconds(ours, folder)
    rounds = [(seconds(ours, folder), seconds(trusting, folder)) for _ in range(ROUNDS)]
    taken, before = (statistics.median(column) for column in zip(*rounds))
    print(f"{len(os.listdir(folder))} files: {1000 * taken:.0f} ms, by their headers alone {1000 * before:.0f} ms")
    return statistics.median(one / other for one, other in rounds)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder)
        every = compare(folder)
        for path in folder.glob("*.mp3"):
            path.unlink()
        print(f"ratio_without_mp3={compare(folder):.2f}")
    print(f"ratio={every:.2f}")


if __name__ == "__main__":
    main()
