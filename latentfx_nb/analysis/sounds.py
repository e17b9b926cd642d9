"""Latents of sounds at hand, labelled; and a sound before and after an effect, as spectrograms and as latents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from latentfx_nb.effects import render
from latentfx_nb.encoders import Encoder
from latentfx_nb.encoders.running import encode_clips, frame_times_s
from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip, spectrogram_db


def encoded(encoder: Encoder, sounds: Sequence[Clip]) -> list[xr.DataArray]:
    """Return the latents `(dim, frame)` of sounds `[channel sample]`, with the coordinate `time_s`."""
    length_s = sounds[0].shape[-1] / SAMPLE_RATE_HZ
    latents = encode_clips(encoder, sounds)
    # One vector stands for the whole clip, and so in its middle.
    times = frame_times_s(encoder, latents.shape[-1]) if encoder.frame_rate else np.array([length_s / 2])
    coordinates = {"dim": np.arange(encoder.dim), "time_s": ("frame", times)}
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
