"""Time averages of clips through Table 1 in many encoders: a clip is rendered once for all of them.

What is computed is kept in the cache folder, a file an encoder and clip, so that an interrupted run goes on. No sound
and no frame is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from latentfx_nb.cache import cache_dir, digest, keep, kept
from latentfx_nb.effects import TABLE_1, Setting, recipe, render_settings, render_versions
from latentfx_nb.encoders import Encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.sound.clips import ClipSet

SETTINGS = [Setting(effect) for effect in TABLE_1]


def averages(clips: ClipSet, encoders: Mapping[str, Callable[[], Encoder]]) -> dict[str, NDArray[np.float32]]:
    """Return time averages `[clip effect dim]` by the names of `encoders`, which maps them to what loads them."""
    loaded = {name: load() for name, load in encoders.items()}
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in loaded}
    for row, clip in enumerate(tqdm(clips.hashes(), desc=f"Averages of {clips.name}", unit="clip")):
        places = {name: _place(encoder, clip) for name, encoder in loaded.items()}
        missing = [name for name, path in places.items() if kept(path) is None]
        renders = render_settings(clips[row], SETTINGS) if missing else []
        for name in missing:
            means = encode_clips(loaded[name], renders).mean(axis=-1)
            keep(places[name], np.asarray(means, np.float32).tobytes(), "time averages")
        for name, path in places.items():
            found[name].append(np.frombuffer(kept(path) or b"", np.float32).reshape(len(SETTINGS), -1))
    return {name: np.stack(rows) for name, rows in found.items()}


def _place(encoder: Encoder, clip: str) -> Path:
    """Return the file of one clip's averages: other weights, effects or versions of their libraries have another."""
    key = digest([encoder.weights_hash, clip, recipe(SETTINGS), render_versions()])
    return cache_dir() / "averages" / encoder.name.replace(" ", "-") / f"{key}.means"
