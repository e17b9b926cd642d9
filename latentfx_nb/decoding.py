"""Latents back to sound, at one loudness, and what was decoded once is kept: a decoder may take minutes.

Decoded sounds lie in the cache folder, under the hash of encoder, latents and seed; the oldest make room for new ones.
"""

from __future__ import annotations

import hashlib
import inspect
import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.audio import Clip, normalise
from latentfx_nb.cache import cache_dir, keep, kept
from latentfx_nb.encoders.base import Encoder, decode_latents
from latentfx_nb.paper import SAMPLE_RATE_HZ

SEED = 0
"""Of the noise that diffusion decoders start from: the same for all that is compared."""

KEPT = 200
"""Decoded sounds that are kept: 400 MB of clips of the paper's length."""


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

    `bar` is put around the steps of a decoder that has some, as tqdm is; what it raises stops the work. Decoded once,
    a sound is read from the cache folder, unless `cache` is False.

    Raises ValueError if the encoder has no decoder, and what `decode` raises.
    """
    latents = np.ascontiguousarray(latents, np.float32)
    path = _path(encoder, latents, length, seed)
    sound = _read(path, length) if cache else None
    if sound is None:
        options: dict[str, Any] = {"bar": bar} if _shows_steps(encoder) else {}
        sound = normalise(decode_latents(encoder, latents, length, seed, **options), SAMPLE_RATE_HZ)
        if cache:
            _write(path, sound)
    return sound


def _shows_steps(encoder: Encoder) -> bool:
    decode = getattr(encoder, "decode", None)
    return decode is not None and "bar" in inspect.signature(decode).parameters


def _path(encoder: Encoder, latents: NDArray[np.float32], length: int, seed: int) -> Path:
    named = f"{encoder.name} {encoder.weights_hash} {latents.shape} {length} {seed}".encode()
    return cache_dir() / "decoded" / f"{hashlib.sha256(named + latents.tobytes()).hexdigest()}.npy"


def _read(path: Path, length: int) -> Clip | None:
    """Return the kept sound; None if there is none, or if it is not as it was, so that it is decoded again."""
    content = kept(path)
    if content is None:
        return None
    try:
        sound = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError):
        return None
    if sound.shape != (2, length) or sound.dtype != np.float32 or not np.isfinite(sound).all():
        return None
    with suppress(OSError):  # a cache that cannot be written can be read
        path.touch()  # the oldest go first, and this one is in use
    return sound


def _write(path: Path, sound: Clip) -> None:
    content = io.BytesIO()
    np.save(content, sound)
    keep(path, content.getvalue(), "the decoded sound")
    with suppress(OSError):  # another process may be making room too
        sounds = sorted(path.parent.glob("*.npy"), key=lambda one: one.stat().st_mtime)
        for old in sounds[:-KEPT]:
            old.unlink(missing_ok=True)
