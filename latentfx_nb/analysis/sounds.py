"""Latents of sounds at hand, labelled; and a sound before and after an effect, as spectrograms and as latents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from latentfx_nb.effects import render
from latentfx_nb.encoders import Encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip, spectrogram_db


def encoded(encoder: Encoder, sounds: Sequence[Clip]) -> list[xr.DataArray]:
    """Return the latents `(dim, frame)` of sounds `[channel sample]`, with the coordinate `time_s`."""
    length_s = sounds[0].shape[-1] / SAMPLE_RATE_HZ
    rate = encoder.frame_rate or 1 / length_s  # one vector stands for the whole clip
    latents = encode_clips(encoder, sounds)
    coordinates = {"dim": np.arange(encoder.dim), "time_s": ("frame", (np.arange(latents.shape[-1]) + 0.5) / rate)}
    return [xr.DataArray(one, coordinates, ("dim", "frame"), attrs={"length_s": length_s}) for one in latents]


def before_after(
    clip: Clip, encoder: Encoder, effect: str, value: float | None = None, knob: str | None = None
) -> tuple[Clip, Clip, list[xr.DataArray], list[xr.DataArray]]:
    """Return the sound before and after an effect, and of each the spectrogram and latents with their difference.

    Sounds are `[channel sample]` at -28 LUFS; spectrograms `(frequency_hz, time_s)` in dB, latents `(dim, frame)`.
    Raises as `render` and the encoder do.
    """
    sounds = render(clip, "CLN"), render(clip, effect, value, knob)
    return *sounds, *images(encoder, *sounds)


def images(encoder: Encoder, dry: Clip, wet: Clip) -> tuple[list[xr.DataArray], list[xr.DataArray]]:
    """Return spectrograms and latents of two sounds `[channel sample]`, and of both the differences."""
    spectrograms = [spectrogram_db(sound, SAMPLE_RATE_HZ) for sound in (dry, wet)]
    latents = encoded(encoder, (dry, wet))
    return [*spectrograms, spectrograms[1] - spectrograms[0]], [*latents, latents[1] - latents[0]]
