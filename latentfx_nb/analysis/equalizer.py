"""The baseline that knows no latents: a static equaliser, learned from the same dry and wet sounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentfx_nb.sound.audio import Clip, check_clip, is_doubled

FFT = 4096
"""Points of the spectra that are compared: 11.7 Hz apart at 48 kHz."""

FLOOR = 1e-10
"""Share of the dry sounds' mean power that is added to every bin, so that bins without sound are left as they are."""


@dataclass(frozen=True, eq=False)
class Equalizer:
    """A filter that changes no phase: `gain [bin]` for 2049 frequencies from 0 Hz to half the sample rate."""

    gain: NDArray[np.float64]

    def apply(self, sound: Clip) -> Clip:
        """Return `sound [channel sample]` through the filter, as long as it was. Raises as `audio.check_clip` does."""
        from scipy.signal import fftconvolve  # late: it takes long to import

        check_clip(sound)
        if is_doubled(sound):
            return np.repeat(self.apply(sound[:1]), 2, axis=0)
        taps = np.roll(np.fft.irfft(self.gain), FFT // 2)
        filtered = fftconvolve(sound.astype(np.float64), taps[None], axes=-1)
        return filtered[:, FFT // 2 : FFT // 2 + sound.shape[-1]].astype(np.float32)


def average_power(sound: Clip) -> NDArray[np.float64]:
    """Return the mean power `[bin]` of all channels of `sound [channel sample]` over Hann windows of 4096 samples.

    They overlap by half, and reach over both ends. Raises as `audio.check_clip` does.
    """
    check_clip(sound)
    sound = sound[:1] if is_doubled(sound) else sound
    padded = np.pad(sound, ((0, 0), (FFT // 2, FFT)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT, axis=-1)[:, :: FFT // 2]
    spectra = np.fft.rfft(frames * np.hanning(FFT), axis=-1)
    return np.square(np.abs(spectra)).mean(axis=(0, 1))


def learn_equalizer(dry: Iterable[Clip], wet: Iterable[Clip]) -> Equalizer:
    """Return the equaliser whose gain is the ratio of the average spectra of `wet` and `dry`, clips of one sample rate.

    Raises ValueError if there are none, and as `audio.check_clip` does.
    """
    return equalizer_of([average_power(one) for one in dry], [average_power(one) for one in wet])


def equalizer_of(dry: Iterable[NDArray[np.float64]], wet: Iterable[NDArray[np.float64]]) -> Equalizer:
    """Return the equaliser that `average_power` of dry and of wet sounds gives. Raises ValueError if there are none."""
    before, after = list(dry), list(wet)
    if not before or len(before) != len(after):
        raise ValueError(f"an equaliser is learned from pairs, not from {len(before)} dry and {len(after)} wet sounds")
    below, above = np.mean(before, axis=0), np.mean(after, axis=0)
    floor = max(FLOOR * below.mean(), np.finfo(np.float64).tiny)
    return Equalizer(np.sqrt((above + floor) / (below + floor)))
