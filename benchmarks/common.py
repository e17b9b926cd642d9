"""What benchmarks share: latents at the paper's size, and work in a process of its own, timed and weighed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import xarray as xr
import zarr

from latentfx_nb.cache import check_space
from latentfx_nb.serving.server import process_environment
from latentfx_nb.store.shards import read_lazily, shard_bytes
from latentfx_nb.store.store import create_array, write_clip

CLIPS = 1024  # with ten effects each, the paper's 10 240 renders
LOOK_S = 0.01


def spliced(latents: np.ndarray, clips: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield latents `[effect dim frame]` of clips that begin as one of `latents` and end as another.

    Cut at any frame, they differ as real ones do and span all features, so that their spectrum decays as theirs does.
    """
    rng = np.random.default_rng(seed)
    for _ in range(clips):
        first, second = rng.choice(len(latents), 2, replace=False)
        cut = rng.integers(1, latents.shape[-1])
        yield np.concatenate([latents[first, ..., :cut], latents[second, ..., cut:]], axis=-1)


def bundled_latents(encoder: str) -> np.ndarray:
    """Return the latents `[clip effect dim frame]` of the bundled clips, from the cache where they are."""
    from latentfx_nb.encoders import load_encoder
    from latentfx_nb.sound.clips import load_clips
    from latentfx_nb.store.encode import encode_effects

    return encode_effects(load_clips("bundled"), load_encoder(encoder)).values


def write_latents(place: Path, encoder: str, clips: int = CLIPS) -> None:
    """Write the spliced latents of an encoder, as a store of the package holds them, without its labels."""
    real = bundled_latents(encoder)
    shape = (clips, *real.shape[1:])
    check_space(place.parent, clips * shard_bytes(shape))
    create_array(zarr.create_group(place), shape, "effect")
    for row, latents in enumerate(spliced(real, clips)):
        write_clip(str(place), row, latents)


def stored_latents(place: Path) -> xr.DataArray:
    """Return what `write_latents` wrote, read lazily, as `encode_effects` does."""
    shape = zarr.open_group(place, mode="r")["latents"].shape
    return xr.DataArray(xr.Variable(("clip", "effect", "dim", "frame"), read_lazily(place / "latents", shape)))


class Ran(NamedTuple):
    """What a process printed last, and the most memory that it held, its own children included."""

    figures: dict
    peak_bytes: int


def run_alone(*command: str) -> Ran:
    """Run `python -m *command` with the package's process settings; its last line is a JSON object of figures."""
    child = subprocess.Popen(
        [sys.executable, "-m", *command], env=process_environment(), stdout=subprocess.PIPE, text=True
    )
    peak, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_S):
            peak[0] = max(peak[0], _resident_bytes(child.pid))

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    printed = child.communicate()[0]
    ended.set()
    watch.join()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return Ran(json.loads(printed.splitlines()[-1]), peak[0])


def _resident_bytes(pid: int) -> int:
    """Return the memory that a process and its children hold; files that the system keeps for all are not theirs."""
    try:
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
    except psutil.Error:
        return 0
