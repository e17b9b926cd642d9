"""`logmel`: a log-mel spectrogram, the baseline that any claim about a neural space is held against."""

from __future__ import annotations

import numpy as np
import torch

from latentfx_nb.cache import digest
from latentfx_nb.encoders.base import check_audio
from latentfx_nb.encoders.devices import choose_device
from latentfx_nb.encoders.entry import OWN_LICENCE, Entry

BANDS = 64
WINDOW = 2048  # samples: 43 ms, so that the lowest band still holds an FFT bin
HOP = 512  # samples: 262 144 of them give exactly 512 frames
LOW_HZ, HIGH_HZ = 20.0, 20_000.0
FLOOR = 1e-10  # -100 dB, under the noise of 16-bit audio


def mel_filters() -> np.ndarray:
    """Return triangular filters `[band bin]` of unit peak, equally spaced in HTK mel (2595 log10(1 + f / 700)).

    A band so narrow that it lies between two FFT bins takes the nearest one, so that no band is always silent.
    """
    low_mel, high_mel = 2595 * np.log10(1 + np.array([LOW_HZ, HIGH_HZ]) / 700)
    edges_mel = np.linspace(low_mel, high_mel, BANDS + 2)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    bins = np.arange(WINDOW // 2 + 1) * LogMel.sample_rate / WINDOW
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    filters = np.clip(np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0, None)
    for band in np.flatnonzero(filters.sum(axis=1) == 0):
        filters[band, np.argmin(np.abs(bins - centre[band]))] = 1.0
    return filters.astype(np.float32)


class LogMel:
    """64 mel bands in dB of a 48 kHz mono clip, 512 frames of 10.7 ms for 262 144 samples."""

    name = "logmel"
    sample_rate = 48_000
    channels = 1
    dim = BANDS
    frame_rate: float | None = sample_rate / HOP
    # Over what defines the filters and not over their bits, which differ between machines by a rounding.
    weights_hash = digest(f"htk {BANDS} {WINDOW} {HOP} {LOW_HZ} {HIGH_HZ} {FLOOR}")

    def __init__(self, device: str = "auto") -> None:
        self.device = choose_device(device)
        self._filters = torch.from_numpy(mel_filters()).to(self.device)
        self._window = torch.hann_window(WINDOW, device=self.device)
        # A Hann window sums to half its length, so this makes a full-scale sine 0 dB.
        self._scale = (2.0 / (WINDOW / 2)) ** 2

    def frames(self, n_samples: int) -> int:
        return max(1, n_samples // HOP)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 64 frame]` in dB, frame k centred on sample (k + 1/2) x 512.

        Raises ValueError if `audio` is not `[batch 1 sample]`.
        """
        check_audio(self, audio)
        return self._levels(audio)

    def _levels(self, audio: torch.Tensor) -> torch.Tensor:
        """Return the levels of the bands `[batch 64 frame]` in dB of `audio [batch 1 sample]`."""
        sound = audio.to(self.device, torch.float32)[:, 0]
        frames = LogMel.frames(self, sound.shape[-1])
        margin = (WINDOW - HOP) // 2
        missing = max(0, (frames - 1) * HOP + WINDOW - margin - sound.shape[-1])
        padded = torch.nn.functional.pad(sound, (margin, missing))
        spectrum = torch.stft(padded, WINDOW, HOP, window=self._window, center=False, return_complex=True)
        power = spectrum[..., :frames].abs().square() * self._scale
        return 10.0 * torch.log10((self._filters @ power).clamp_min(FLOOR))


ENTRIES = (Entry(LogMel, OWN_LICENCE),)
