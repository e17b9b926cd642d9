"""What one hears of a sound in numbers: how bright, full, noisy, punchy, busy, wide it is.

Sounds are compared at one loudness (`audio.normalise`). None of these is a loudness, and a gain changes none. They are
the usual ones of Peeters et al., "The Timbre Toolbox", J. Acoust. Soc. Am. 130 (2011), https://doi.org/10.1121/1.3642604,
where no other source is named. Spectra are power spectra of Hann windows of 85 ms, half of which overlaps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip, check_clip, is_doubled

WINDOW_S = 4096 / SAMPLE_RATE_HZ
"""Length of a window; the next one begins half of it later. At 48 kHz its bins are 12 Hz apart."""

BASS_HZ, TREBLE_HZ = 250.0, 4000.0
"""Where bass ends and treble begins: the usual crossovers of mixing desks and of three-band equalisers."""

FLATNESS_EDGES_HZ = tuple(250.0 * 2.0 ** (third / 3) for third in range(19))  # 250 Hz to 16 kHz
"""Edges of the third octaves in which flatness is measured: MPEG-7's range, narrow enough that tilt does not count."""

FLOOR_DB = -60.0
"""What is weaker than the whole by more is not heard beside it, so shares below count as this."""


class Sound:
    """A sound `[channel sample]`, and its spectrum as soon as it is needed."""

    def __init__(self, clip: Clip, sample_rate: int) -> None:
        self.clip = clip[:1] if is_doubled(clip) else clip
        self.sample_rate = sample_rate

    @cached_property
    def power(self) -> NDArray[np.float64]:
        """The power `[channel frame bin]`; silence fills the last window."""
        hop = round(WINDOW_S * self.sample_rate / 2)
        missing = max(2 * hop - self.clip.shape[-1], -self.clip.shape[-1] % hop)
        sound = np.pad(self.clip, ((0, 0), (0, missing)))
        frames = np.lib.stride_tricks.sliding_window_view(sound, 2 * hop, axis=-1)[:, ::hop]
        window = np.hanning(2 * hop + 2)[1:-1].astype(np.float32)  # no sample weighs nothing
        spectra = np.fft.rfft(frames * window, axis=-1)
        return np.square(np.abs(spectra).astype(np.float64))

    @property
    def spectrum(self) -> NDArray[np.float64]:
        """The mean power `[bin]`."""
        return self.power.mean(axis=(0, 1))

    @cached_property
    def frequencies_hz(self) -> NDArray[np.float64]:
        """The frequency of each bin."""
        hop = self.power.shape[-1] - 1  # half a window
        return np.arange(hop + 1) * self.sample_rate / (2 * hop)


def centroid_hz(sound: Sound) -> float:
    """Return the mean frequency of the amplitude spectrum, which goes with heard brightness.

    Grey and Gordon, J. Acoust. Soc. Am. 63 (1978), https://doi.org/10.1121/1.381843.
    """
    amplitude = np.sqrt(sound.spectrum)
    return float(amplitude @ sound.frequencies_hz / amplitude.sum())


def bass_db(sound: Sound) -> float:
    """Return the power below 250 Hz over all of it, in dB, at least -60."""
    return _share_db(sound, sound.frequencies_hz < BASS_HZ)


def treble_db(sound: Sound) -> float:
    """Return the power above 4 kHz over all of it, in dB, at least -60."""
    return _share_db(sound, sound.frequencies_hz > TREBLE_HZ)


def flatness(sound: Sound) -> float:
    """Return how like noise each band is: 0 for single tones, near .6 for noise of any colour.

    The geometric over the arithmetic mean of the power in each third octave and frame, weighted by the amplitude there:
    MPEG-7's AudioSpectralFlatness (ISO/IEC 15938-4) after Johnston, IEEE J. Sel. Areas Commun. 6 (1988),
    https://doi.org/10.1109/49.608. One value over all bands would be low for any sound that is not white.
    """
    starts = np.searchsorted(sound.frequencies_hz, FLATNESS_EDGES_HZ)
    flat = weight = 0.0
    for first, last in zip(starts, starts[1:], strict=False):
        band = sound.power[..., first:last] + np.finfo(np.float64).tiny
        amplitude = np.sqrt(band.sum(axis=-1))
        flat += float(np.sum(amplitude * np.exp(np.log(band).mean(axis=-1)) / band.mean(axis=-1)))
        weight += float(amplitude.sum())
    return flat / weight


def crest_db(sound: Sound) -> float:
    """Return the highest peak over the rms, in dB: 3 for a sine, more where hits stand out, less where squashed."""
    samples = sound.clip.astype(np.float64)
    return float(20 * np.log10(np.abs(samples).max() / np.sqrt(np.square(samples).mean())))


def flux(sound: Sound) -> float:
    """Return which share of the amplitude spectrum is new in each frame: 0 for what stays, more where notes begin.

    The half-wave rectified flux of Dixon, "Onset detection revisited", DAFx-06, over the sum of all amplitudes.
    """
    amplitude = np.sqrt(sound.power)
    return float(np.maximum(np.diff(amplitude, axis=1), 0).sum() / amplitude.sum())


def width(sound: Sound) -> float:
    """Return the side's share of the power of middle and side: 0 for equal channels, .5 for unrelated ones.

    Of more than two channels the first two count.
    """
    if len(sound.clip) == 1:
        return 0.0
    left, right = sound.clip[:2].astype(np.float64)
    middle, side = np.square(left + right).sum(), np.square(left - right).sum()
    return float(side / (middle + side))


def _share_db(sound: Sound, bins: NDArray[np.bool_]) -> float:
    share = sound.spectrum[bins].sum() / sound.spectrum.sum()
    return float(10 * np.log10(max(share, 10 ** (FLOOR_DB / 10))))


@dataclass(frozen=True)
class Descriptor:
    """Something that one hears: its name, the words for sounds with less and with more of it, and its measure."""

    words: str
    less: str
    more: str
    measure: Callable[[Sound], float]


DESCRIPTORS: Mapping[str, Descriptor] = {
    "centroid_hz": Descriptor("spectral centroid", "darker", "brighter", centroid_hz),
    "bass_db": Descriptor("share of power below 250 Hz", "thinner", "fuller", bass_db),
    "treble_db": Descriptor("share of power above 4 kHz", "duller", "crisper", treble_db),
    "flatness": Descriptor("spectral flatness", "purer", "noisier", flatness),
    "crest_db": Descriptor("crest factor", "steadier", "punchier", crest_db),
    "flux": Descriptor("spectral flux", "calmer", "busier", flux),
    "width": Descriptor("stereo width", "narrower", "wider", width),
}
"""Name, with its unit, -> a descriptor. Another one joins here; then `python -m tools.publish` measures what ships."""


def describe(clip: Clip, sample_rate: int = SAMPLE_RATE_HZ) -> dict[str, float]:
    """Return each of the `DESCRIPTORS` of `clip [channel sample]`, by name; NaN of silence.

    Raises as `audio.check_clip` does, and ValueError for samples that are not finite.
    """
    check_clip(clip)
    if not np.isfinite(clip).all():
        raise ValueError("a sound is described by finite samples only: repair or leave out this clip")
    if not clip.any():
        return dict.fromkeys(DESCRIPTORS, np.nan)
    sound = Sound(clip, sample_rate)
    return {name: one.measure(sound) for name, one in DESCRIPTORS.items()}
