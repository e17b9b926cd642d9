"""What a player is sent: two to four sounds of one length, at matched loudness, as FLAC."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from jaxtyping import Float
from numpy.typing import ArrayLike

from latentfx_nb.sound.audio import is_doubled

SIDES = {"dry": "Dry", "wet": "Wet", "decoded": "Decoded", "algebra": "Algebra"}
"""The sounds that a player can hold, and the words of their buttons; dry and wet are always there."""


def encode_sounds(
    dry: Float[np.ndarray, "channel sample"],
    wet: Float[np.ndarray, "channel sample"],
    decoded: Float[np.ndarray, "channel sample"] | None = None,
    algebra: Float[np.ndarray, "channel sample"] | None = None,
    sample_rate: int = 48000,
) -> dict[str, bytes]:
    """Return the given sounds as 16-bit FLAC, by side; two equal channels are one, which plays on both sides.

    If any peak exceeds 1, all sounds are turned down by the same gain, so that their loudness stays matched.

    Raises ValueError for other shapes than one or two channels of the same length, for no samples and for NaN or
    infinity.
    """
    sounds, gain = matched(dry=dry, wet=wet, decoded=decoded, algebra=algebra)
    return {side: as_flac(sound * gain, sample_rate) for side, sound in sounds.items()}


def matched(
    dry: np.ndarray, wet: np.ndarray, **more: np.ndarray | None
) -> tuple[dict[str, Float[np.ndarray, "channel sample"]], float]:
    """Return the given sounds, by side, and the common gain that keeps their highest peak at 1 or below.

    Of two equal channels there is one. Raises as `encode_sounds` does.
    """
    given = {"dry": dry, "wet": wet, **{side: sound for side, sound in more.items() if sound is not None}}
    sounds = {side: _single(_checked(sound, side)) for side, sound in given.items()}
    length = sounds["dry"].shape[1]
    for side, sound in sounds.items():
        if sound.shape[1] != length:
            raise ValueError(
                f"dry has {length} samples and {side} {sound.shape[1]}, but all play on one clock: "
                "trim or pad them to one length first"
            )
    return sounds, 1.0 / max(1.0, *(float(np.abs(sound).max()) for sound in sounds.values()))


def _checked(sound: ArrayLike, name: str) -> Float[np.ndarray, "channel sample"]:
    """Return a sound as float32; raises ValueError, with its name, for what cannot be played."""
    sound = np.asarray(sound, dtype=np.float32)
    if sound.ndim != 2 or sound.shape[0] not in (1, 2):
        raise ValueError(
            f"{name} has the shape {sound.shape}, but [channel sample] with one or two channels is expected: "
            "transpose it, or take one clip of the batch"
        )
    if sound.shape[1] == 0:
        raise ValueError(f"{name} has no samples, but at least one is expected: load a clip first")
    if not np.isfinite(sound).all():
        raise ValueError(
            f"{name} has {np.count_nonzero(~np.isfinite(sound))} samples that are NaN or infinite, but only finite "
            "ones can be played: check the effect or the decoder that made it"
        )
    return sound


def _single(sound: Float[np.ndarray, "channel sample"]) -> Float[np.ndarray, "channel sample"]:
    return sound[:1] if is_doubled(sound) else sound


def as_flac(sound: Float[np.ndarray, "channel sample"], sample_rate: int) -> bytes:
    """Return a sound as 16-bit FLAC."""
    file = io.BytesIO()
    soundfile.write(file, sound.T, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
