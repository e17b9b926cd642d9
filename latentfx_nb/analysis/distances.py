"""How far two sounds are apart, as latent algebra is scored: by multi-resolution STFT, and in dB of mel bands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch

from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.base import Encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.sound.audio import Clip, is_doubled

RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
"""Points of the FFT, hop and window in samples (Yamamoto et al. 2019)."""

LEAST_POWER = 1e-8
"""Power of a bin that is taken for any less, as auraloss does."""

SHORTEST = 1025
"""Samples of a sound whose STFT is compared: more than half the longest FFT, which is padded by that."""


def stft_distance(sound: Clip, target: Clip) -> float:
    """Return the multi-resolution STFT distance of two sounds `[channel sample]`: 0 for the same sound.

    Windows of 600, 1200 and 240 samples; spectral convergence plus the mean difference of log magnitudes (Yamamoto et
    al. 2019, as auraloss 0.4 computes it, Steinmetz & Reiss 2020).

    Raises ValueError unless both are of one shape and of at least 1025 samples.
    """
    return stft_distances([sound], target)[0]


def stft_distances(sounds: Sequence[Clip], target: Clip) -> list[float]:
    """Return the `stft_distance` of each of `sounds` from one `target`, whose spectra are computed once."""
    for sound in sounds:
        if np.shape(sound) != np.shape(target) or np.ndim(sound) != 2 or np.shape(sound)[1] < SHORTEST:
            raise ValueError(
                f"sounds of shape {np.shape(sound)} and {np.shape(target)} cannot be compared: pass two [channel "
                f"sample] of one shape, of at least {SHORTEST} samples"
            )
    if all(is_doubled(one) for one in (*sounds, target)):
        sounds, target = [one[:1] for one in sounds], target[:1]  # the same means, for half the work
    aim = _magnitudes(target)
    return [float(np.mean(list(map(_apart, _magnitudes(sound), aim)))) for sound in sounds]


def _magnitudes(sound: Clip) -> list[torch.Tensor]:
    """Return the magnitudes `[channel bin frame]` of a sound at each of the `RESOLUTIONS`."""
    samples, found = torch.from_numpy(np.ascontiguousarray(sound, np.float32)), []
    for points, hop, window in RESOLUTIONS:
        spectra = torch.stft(samples, points, hop, window, torch.hann_window(window), return_complex=True)
        found.append(torch.view_as_real(spectra).square().sum(-1).clamp(min=LEAST_POWER).sqrt())
    return found


def _apart(magnitudes: torch.Tensor, aim: torch.Tensor) -> float:
    """Return spectral convergence plus the mean difference of log magnitudes."""
    convergence = torch.linalg.vector_norm(aim - magnitudes) / torch.linalg.vector_norm(aim)
    return float(convergence + (magnitudes.log() - aim.log()).abs().mean())


@lru_cache(maxsize=1)
def _mel_bands() -> Encoder:
    return load_encoder("logmel", device="cpu")


def logmel_distance_db(sound: Clip, target: Clip) -> float:
    """Return by how many dB two sounds `[channel sample]` differ, on average over 64 mel bands and all frames.

    The bands are those of the encoder `logmel`, of the mean of all channels; levels below -100 dB count as -100 dB.
    Raises ValueError unless both are of one length.
    """
    return logmel_distances_db([sound], target)[0]


def logmel_distances_db(sounds: Sequence[Clip], target: Clip) -> list[float]:
    """Return the `logmel_distance_db` of each of `sounds` from one `target`, whose bands are computed once."""
    for sound in sounds:
        if np.shape(sound)[-1:] != np.shape(target)[-1:]:
            raise ValueError(
                f"sounds of shape {np.shape(sound)} and {np.shape(target)} differ in length: cut the longer one"
            )
    aim = encode_clips(_mel_bands(), [target])[0]
    return [float(np.abs(encode_clips(_mel_bands(), [sound])[0] - aim).mean()) for sound in sounds]


DISTANCES: Mapping[str, Callable[[Sequence[Clip], Clip], list[float]]] = {
    "stft": stft_distances,
    "logmel": logmel_distances_db,
}
"""Name of a measure of `algebra_study` -> the distances of sounds from a target."""
