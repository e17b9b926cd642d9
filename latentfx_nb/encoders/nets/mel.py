"""Mel bands as Kaldi and TensorFlow make them, and the log-mel spectra that VGGish and YAMNet hear."""

from __future__ import annotations

import math

import torch

# The spectra of Google's AudioSet models (Hershey et al. 2017, https://arxiv.org/abs/1609.09430), at 16 kHz.
RATE = 16_000
WINDOW = 400  # samples
HOP = 160  # samples
FFT = 512
BANDS = 64
LOW_HZ, HIGH_HZ = 125.0, 7500.0
PATCH = 96  # spectra that these networks see at once: 0.96 s
PATCH_SAMPLES = (PATCH - 1) * HOP + WINDOW


def mel_bands(bands: int, low_hz: float, high_hz: float, rate: int, fft: int) -> torch.Tensor:
    """Return triangles `[bin band]` float64 of unit peak, equally spaced in mel (1127 ln(1 + f / 700)).

    Their sides are straight in mel, not in Hz. `rate` is in Hz; the bins are those of a real FFT of `fft` samples.
    """
    edges = torch.linspace(_mel(low_hz), _mel(high_hz), bands + 2, dtype=torch.float64)
    bins = torch.tensor([_mel(k * rate / fft) for k in range(fft // 2 + 1)], dtype=torch.float64)[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    return torch.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clamp_min(0)


def _mel(hz: float) -> float:
    return 1127 * math.log1p(hz / 700)


def audioset_filters() -> torch.Tensor:
    """Return the 64 bands `[bin band]` float64 of VGGish and YAMNet, 125 to 7500 Hz; the lowest bin is in none."""
    return mel_bands(BANDS, LOW_HZ, HIGH_HZ, RATE, FFT)


def audioset_log_mel(sound: torch.Tensor, filters: torch.Tensor, offset: float) -> torch.Tensor:
    """Return natural-log mel magnitudes `[... frame 64]` of `sound [... sample]` at 16 kHz, a frame each 160 samples.

    A frame is 400 samples under a periodic Hann window; one that the sound does not fill is dropped. `offset` is added
    to each band, so silence is its logarithm. `filters` are those of `audioset_filters` in the sound's precision.
    """
    frames = sound.unfold(-1, WINDOW, HOP)
    window = torch.hann_window(WINDOW, dtype=sound.dtype, device=sound.device)
    # Not torch.stft: it would centre the window in the 512 points, and so begin each frame 56 samples later.
    return torch.log(torch.fft.rfft(frames * window, n=FFT).abs() @ filters + offset)
