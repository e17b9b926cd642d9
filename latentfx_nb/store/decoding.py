"""Latents back to sound, at one loudness; decoded sounds are kept, because a decoder may take minutes.

They lie in the cache folder. Latents that differ in their last bits only, as between processors, find the same sound.
The oldest sounds make room for new ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.cache import cache_dir
from latentfx_nb.encoders.base import Encoder
from latentfx_nb.encoders.running import decode_latents
from latentfx_nb.nearness import Sketch, keep_near, kept_near, random_sums
from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip, normalise

SEED = 0
"""Seed of the noise that diffusion decoders start from: the same for all sounds that are compared."""

KEPT = 200
"""Most decoded sounds that are kept: 400 MB of clips of the paper's length."""


def reconstruction(
    encoder: Encoder,
    latents: xr.DataArray | NDArray[np.floating],
    length: int,
    seed: int = SEED,
    *,
    bar: Callable[[Iterable], Iterable] = tqdm,
    cache: bool = True,
) -> Clip:
    """Return the stereo clip `[2 length]` that the encoder's decoder makes of `latents (dim, frame)`, at -28 LUFS.

    `bar` is called as tqdm is, around the steps of a decoder that has some; what it raises stops the work. A sound that
    was decoded before is read from the cache folder, unless `cache` is False.

    Raises ValueError if the encoder has no decoder, and what `decode` raises.
    """
    latents = np.asarray(latents, np.float32)
    if latents.ndim != 2:
        raise ValueError(
            f"one render's latents (dim, frame) are decoded at a time, not an array of shape {latents.shape}"
        )
    folder, name = cache_dir() / "decoded", f"{encoder.name} {encoder.weights_hash} {latents.shape} {length} {seed}"
    # Each dim has its own scale: a decoder may hear a change of one that is weaker than others.
    sketch = Sketch.of(random_sums(latents), np.arange(len(latents)))
    sound = kept_near(folder, name, sketch) if cache else None
    if sound is None:
        options: dict[str, Any] = {"bar": bar} if _shows_steps(encoder) else {}
        sound = normalise(decode_latents(encoder, latents, length, seed, **options), SAMPLE_RATE_HZ)
        if cache:
            keep_near(folder, name, sketch, sound, "the decoded sound", KEPT)
    return sound


def _shows_steps(encoder: Encoder) -> bool:
    decode = getattr(encoder, "decode", None)
    return decode is not None and "bar" in inspect.signature(decode).parameters
