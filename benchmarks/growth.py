"""How cost grows with the size of a set: `python -m benchmarks.growth [--quick] [--encoder NAME]`.

64, 256 and 1024 clips through ten effects (`--quick`: 8 and 32), each in a process of its own: clips per second, the
most memory it held, and the time of a naive loop on the first eight (render, encode and keep one render after the
other) scaled to as many. The clips are the bundled ones mixed in pairs, so that no two are alike, in files.

`flat=` is the memory at the largest size over that at the second largest: 1 if memory does not grow with the number of
clips. `ratio=` is the time of a clip at the largest size over that at the smallest: 1 if cost is linear.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from benchmarks.common import run_alone
from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store.encode import encode_effects

NAIVE_CLIPS = 8


def write_clips(folder: Path, n: int) -> None:
    """Write `n` clips, each the mean of two of the bundled ones."""
    bundled = load_clips("bundled")
    for number, (one, other) in enumerate(itertools.islice(itertools.combinations(range(len(bundled)), 2), n)):
        mixed = (bundled[one][:1] + bundled[other][:1]) / 2
        soundfile.write(folder / f"{number:04d}.flac", mixed.T / max(1.0, np.abs(mixed).max()), SAMPLE_RATE_HZ)


def encode(folder: Path, n: int, encoder: str, store: Path) -> None:
    """Encode the first `n` clips of a folder into a store, and print the seconds."""
    clips, model = load_clips(folder)[:n], load_encoder(encoder)
    encode_clips(model, [clips[0]])  # what is loaded and compiled once is none of the cost of a clip
    start = time.perf_counter()
    encode_effects(clips, model, store=store, bar=partial(tqdm, disable=True))
    print(json.dumps({"seconds": time.perf_counter() - start}))


def naive(folder: Path, n: int, encoder: str) -> float:
    """Return the seconds that a plain loop takes for `n` clips, timed on a few of them."""
    clips, model = load_clips(folder)[:NAIVE_CLIPS], load_encoder(encoder)
    encode_clips(model, [clips[0]])
    start = time.perf_counter()
    kept = [[encode_clips(model, [render(clip, label)])[0] for label in EFFECTS] for clip in clips]
    return (time.perf_counter() - start) / len(kept) * n


def main() -> None:
    """Print a line a size, then how memory and time grow."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="8 and 32 clips")
    options.add_argument("--encoder", default="diffae-mini")
    options.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        folder, n, store = chosen.one
        encode(Path(folder), int(n), chosen.encoder, Path(store))
        return
    sizes = (8, 32) if chosen.quick else (64, 256, 1024)
    seconds, peaks = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "clips")
        folder.mkdir()
        write_clips(folder, sizes[-1])
        for n in sizes:
            place = str(Path(scratch, f"{n}.zarr"))
            ran = run_alone("benchmarks.growth", "--encoder", chosen.encoder, "--one", str(folder), str(n), place)
            seconds[n], peaks[n] = ran.figures["seconds"], ran.peak_bytes
            print(
                f"{n:5d} clips x {len(EFFECTS)} effects, {chosen.encoder}: {seconds[n]:.1f} s, "
                f"{n / seconds[n]:.2f} clips/s, {peaks[n] / 1e9:.2f} GB at most"
            )
        plain = naive(folder, sizes[-1], chosen.encoder)
    print(f"a naive loop: {plain:.1f} s for {sizes[-1]} clips (scaled), {plain / seconds[sizes[-1]]:.2f} times ours")
    print(f"flat={peaks[sizes[-1]] / peaks[sizes[-2]]:.3f}")
    print(f"ratio={seconds[sizes[-1]] / sizes[-1] / (seconds[sizes[0]] / sizes[0]):.3f}")


if __name__ == "__main__":
    main()
