"""How near a decoded sound is to its original, and how much a latent's time average says: the card's measures.

Sounds are `[2 sample]` at 48 kHz. Where a measure takes mid and side, both are scaled by 1/sqrt 2 each way.
"""

from __future__ import annotations

from functools import cache

import librosa
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 48_000
MEL_WINDOW, MEL_HOP, MEL_BANDS, MEL_FLOOR = 2048, 512, 80, 1e-5
CHROMA_WINDOW, CHROMA_HOP, QUIET_DB = 4096, 1024, -60.0


def mid_side(sound: NDArray) -> NDArray:
    """Return mid and side of left and right; orthonormal, so it is its own inverse."""
    return np.stack([sound[0] + sound[1], sound[0] - sound[1]]) * np.float32(0.5**0.5)


def si_sdr_db(original: NDArray, decoded: NDArray) -> float:
    """Return the scale-invariant signal-to-distortion ratio of both channels as one vector, its mean removed."""
    x, y = (s.astype(np.float64).ravel() - s.mean(dtype=np.float64) for s in (original, decoded))
    if not x.any() or not y.any():
        return float("-inf")
    target = (x @ y) / (x @ x) * x
    return float(10 * np.log10((target @ target) / max((y - target) @ (y - target), 1e-20)))


@cache
def _mel_filters() -> NDArray:
    """Return `[band bin]`: triangles of peak 1, equally spaced in HTK mel from 20 Hz to 20 kHz."""
    return librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=MEL_WINDOW, n_mels=MEL_BANDS, fmin=20, fmax=20_000, htk=True, norm=None
    )


def log_mel(sound: NDArray) -> NDArray:
    """Return log10 mel magnitudes `[2 band frame]` of mid and side."""
    spectrum = np.abs(librosa.stft(mid_side(sound), n_fft=MEL_WINDOW, hop_length=MEL_HOP, window="hann")) / 1024
    return np.log10(_mel_filters() @ spectrum + MEL_FLOOR)


def log_mel_l1(original: NDArray, decoded: NDArray) -> float:
    """Return the mean absolute difference of log10 mel magnitudes over mid and side, bands and frames."""
    return float(np.abs(log_mel(original) - log_mel(decoded)).mean())


def chroma_correlation(original: NDArray, decoded: NDArray) -> float:
    """Return Pearson's correlation of the mid channels' chroma, frames 60 dB under the loudest left out."""
    mids = [mid_side(sound)[0] for sound in (original, decoded)]
    settings = {"sr": SAMPLE_RATE, "n_fft": CHROMA_WINDOW, "hop_length": CHROMA_HOP}
    power = (np.abs(librosa.stft(mids[0], n_fft=CHROMA_WINDOW, hop_length=CHROMA_HOP)) ** 2).sum(0)
    heard = power > power.max() * 10 ** (QUIET_DB / 10)
    a, b = (librosa.feature.chroma_stft(y=mid, tuning=0.0, **settings)[:, heard].ravel() for mid in mids)
    return float(np.corrcoef(a, b)[0, 1])


def emptiness(latents: NDArray) -> NDArray:
    """Return for each dim of `[clip dim frame]` how much its time average says, against how much it swings.

    Over clips, the standard deviation of the time average, divided by the mean standard deviation over time.
    """
    averages, swings = latents.mean(-1, dtype=np.float64), latents.std(-1, dtype=np.float64)
    return averages.std(0) / np.maximum(swings.mean(0), 1e-12)
