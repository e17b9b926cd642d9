"""Sound as arrays: read, resample, fit to a length, double to stereo, measure and normalise loudness.

A clip is float32 `[channel sample]`. pyloudnorm wants `[sample channel]`; only this module turns one into the other.
"""

from __future__ import annotations

import math
from copy import copy
from functools import lru_cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb.paper import TARGET_LUFS
from latentfx_nb.sound.form import Unusable
from latentfx_nb.sound.intake import is_usable
from latentfx_nb.sound.readers import AudioFile

if TYPE_CHECKING:
    import pyloudnorm

Clip = NDArray[np.float32]

RESAMPLING_MARGIN_S = 0.05
"""Sound read on both sides of an excerpt before resampling: far longer than soxr's filter, so cuts do not show."""

MOST_CHANNELS = 5
"""Most channels for which ITU-R BS.1770-4 gives weights."""

GATE_LUFS = -70.0
"""The absolute gate of ITU-R BS.1770-4: blocks below it do not count."""

GATE_STEPS = 20
"""Most gains to try where scaling brings blocks over the gate; two or three are enough."""

TOLERANCE_LU = 0.05
"""How far a scaled clip may be off its target: half the tolerance of the standard's meters."""


def read(path: str | Path, sample_rate: int, start: int = 0, length: int | None = None) -> Clip:
    """Return `[channel sample]` of an audio file at `sample_rate` Hz.

    `start` and `length` count samples at `sample_rate`; only that part of the file is read. Where the file ends
    sooner, the result is shorter than `length`.

    Raises ValueError, naming the file, if it cannot be read as audio, or holds samples that are not finite or more than
    200 dB over full scale. A header that promises more than there is costs no memory.
    """
    try:
        with AudioFile(path) as file:
            audio = _read_resampled(file, sample_rate, start, length)
    except Unusable as error:
        raise ValueError(f"{path} cannot be read as audio ({error}); convert it to WAV or FLAC") from error
    except (soundfile.LibsndfileError, OSError) as error:
        said = getattr(error, "error_string", None) or error.strerror
        raise ValueError(f"{path} cannot be read as audio ({said}); convert it to WAV or FLAC") from error
    if not is_usable(audio):
        raise ValueError(
            f"{path} holds samples that are NaN or infinite, or 200 dB over full scale; export it again as 16- or "
            "24-bit audio"
        )
    return audio


def _read_resampled(file: AudioFile, sample_rate: int, start: int, length: int | None) -> Clip:
    rate = file.samplerate
    stop = samples_at(file.frames, rate, sample_rate) if length is None else start + length
    # Excerpts begin where both rates have a sample, so that every excerpt lies on one grid.
    common = math.gcd(rate, sample_rate)
    step_in, step_out = rate // common, sample_rate // common
    margin = math.ceil(RESAMPLING_MARGIN_S * common) if rate != sample_rate else 0
    first = max(0, start // step_out - margin)
    last = -(-stop // step_out) + margin
    audio = file.read(first * step_in, (last - first) * step_in)
    if rate != sample_rate:
        audio = soxr.resample(audio, rate, sample_rate)
    offset = start - first * step_out
    return np.ascontiguousarray(audio[offset : offset + stop - start].T)


def samples_at(samples: int, rate: int, new_rate: int) -> int:
    """Return how many samples at `new_rate` last as long as `samples` at `rate`, rounded to the nearest."""
    return (2 * samples * new_rate + rate) // (2 * rate)


def resample(audio: NDArray[np.floating], rate: int, new_rate: int) -> Clip:
    """Return `audio [channel sample]` at `new_rate` Hz, resampled by soxr at high quality."""
    if rate == new_rate:
        return np.asarray(audio, np.float32)
    resampled = soxr.resample(np.asarray(audio, np.float32).T, rate, new_rate)
    return fit_length(resampled.T, samples_at(audio.shape[-1], rate, new_rate))


def fit_length(audio: Clip, length: int) -> Clip:
    """Return `audio [channel sample]` cut, or padded with silence at its end, to `length` samples."""
    missing = length - audio.shape[-1]
    if missing > 0:
        audio = np.pad(audio, ((0, 0), (0, missing)))
    return np.ascontiguousarray(audio[:, :length])


def check_clip(clip: Clip) -> None:
    """Raise TypeError or ValueError unless `clip` is a numpy array `[channel sample]` of floating point.

    Other libraries would take a transposed clip's longer side for time, or for thousands of channels.
    """
    if not isinstance(clip, np.ndarray) or clip.dtype.kind != "f":
        found = f"one of {clip.dtype}" if isinstance(clip, np.ndarray) else type(clip)
        raise TypeError(
            f"a clip is a floating-point numpy array [channel sample] within -1..1, not {found}: convert it"
        )
    if clip.ndim != 2 or not 1 <= len(clip) <= MOST_CHANNELS:
        remedy = {1: "clip[None] if it is one channel", 2: "clip.T if it is [sample channel]"}.get(
            clip.ndim, "one clip"
        )
        raise ValueError(
            f"a clip is [channel sample] of 1 to {MOST_CHANNELS} channels, not {clip.shape}: pass {remedy}"
        )


def to_channels(audio: Clip, channels: int) -> Clip:
    """Return `[channels sample]`: one channel is doubled to stereo (section 2.2), two are averaged to mono.

    Raises ValueError for anything but one or two channels.
    """
    if audio.shape[0] == channels:
        return audio
    if {audio.shape[0], channels} != {1, 2}:
        raise ValueError(f"{audio.shape[0]} channels cannot become {channels}; give mono or stereo audio")
    return np.repeat(audio, 2, axis=0) if channels == 2 else audio.mean(axis=0, keepdims=True)


def is_doubled(clip: Clip) -> bool:
    """Return whether both channels are the same bits, so that work on one of them holds for both."""
    return len(clip) == 2 and np.array_equal(clip[0], clip[1])


@lru_cache(maxsize=16)
def _meter(rate: int, block_s: float) -> pyloudnorm.Meter:
    """Return the meter of a rate and block length, its two K-weighting filters joined in one.

    Loudness is the same to 1e-10 dB, in 0.7 of the time.
    """
    import pyloudnorm  # imports scipy.signal: late, so that pages open sooner

    meter = pyloudnorm.Meter(rate, block_size=block_s)
    meter._filters = {"K-weighting": _Cascade(list(meter._filters.values()))}  # as pyloudnorm's README does
    return meter


class _Cascade:
    """Filters in series, as one filter of their joint order."""

    def __init__(self, filters: list[pyloudnorm.IIRfilter]) -> None:
        self._b = reduce(np.convolve, [one.passband_gain * one.b for one in filters])
        self._a = reduce(np.convolve, [one.a for one in filters])

    def apply_filter(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.signal import lfilter

        return lfilter(self._b, self._a, samples)


def loudness_lufs(clip: Clip, sample_rate: int) -> float:
    """Return the integrated loudness of `clip [channel sample]` in LUFS (ITU-R BS.1770-4, by pyloudnorm).

    A clip shorter than the standard's 0.4 s block is measured as one block of its own length. Silence, and anything
    that the standard gates out entirely (below -70 LUFS), is -inf. Two equal channels are measured as one that is
    sqrt 2 larger, the same sum of squares: raising a mono loudness by 3 dB would pass the gate at another level.

    Raises ValueError for an empty clip or samples that are not finite.
    """
    return _measured(clip, sample_rate)[0]


def _measured(clip: Clip, sample_rate: int) -> tuple[float, NDArray[np.float64]]:
    """Return the loudness, and the loudness of each block `[block]` that it was averaged from."""
    check_clip(clip)
    if not clip.size or not np.isfinite(clip).all():
        raise ValueError("loudness needs at least one sample, all of them finite; repair or leave out this clip")
    samples = clip[:1].T.astype(np.float64) * math.sqrt(2.0) if is_doubled(clip) else clip.T.astype(np.float64)
    block_s = min(0.4, clip.shape[-1] / sample_rate)
    if block_s * sample_rate > clip.shape[-1]:  # rounded up, which pyloudnorm refuses as longer than the clip
        block_s = math.nextafter(block_s, 0.0)
    meter = copy(_meter(sample_rate, block_s))  # it keeps the blocks, and other threads measure with it too
    with np.errstate(invalid="ignore"):  # pyloudnorm averages an empty list of blocks where all are gated out
        loudness = float(meter.integrated_loudness(samples))
    return loudness, np.array(meter.blockwise_loudness)


def normalise(clip: Clip, sample_rate: int, lufs: float = TARGET_LUFS) -> Clip:
    """Return `clip [channel sample]` scaled to `lufs`; a clip of loudness -inf comes back as it is (see above)."""
    measured, blocks = _measured(clip, sample_rate)
    if measured == -math.inf:
        return clip.copy()
    gain_db = lufs - measured
    # A gain can bring quiet blocks over the gate or below it, which changes the mean that has to fit.
    for _ in range(GATE_STEPS):
        off_db = lufs - _gated_mean(blocks + gain_db)
        if abs(off_db) < TOLERANCE_LU or off_db == math.inf:
            break
        gain_db += off_db
    return clip * np.float32(10.0 ** (gain_db / 20.0))


def _gated_mean(blocks: NDArray[np.float64]) -> float:
    """Return the integrated loudness of blocks of these loudnesses `[block]`, after the standard's two gates."""

    def mean(passed: NDArray[np.float64]) -> float:
        return 10.0 * math.log10(np.mean(10.0 ** (passed / 10.0))) if passed.size else -math.inf

    heard = blocks[blocks >= GATE_LUFS]
    return mean(heard[heard > max(mean(heard) - 10.0, GATE_LUFS)])


def spectrogram_db(clip: Clip, sample_rate: int, bands: int = 160, window: int = 4096, hop: int = 1024) -> xr.DataArray:
    """Return levels in dB `(frequency_hz, time_s)` of the mean of all channels of `clip [channel sample]`.

    Frequencies are spaced in equal ratios from 40 Hz to 20 kHz, or to half the sample rate; a band takes the loudest
    FFT bin up to the next one, so that no partial is lost. A full-scale sine is 0 dB; -100 dB is the floor.
    """
    check_clip(clip)
    sound = np.pad(clip.mean(axis=0), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(sound, window)[::hop]
    level = np.abs(np.fft.rfft(frames * np.hanning(window).astype(np.float32), axis=-1)).T * (4 / window)
    frequencies = np.geomspace(40.0, min(20_000.0, sample_rate / 2), bands)
    bins = np.round(frequencies * window / sample_rate).astype(int)
    ends = np.maximum(bins + 1, np.append(bins[1:], bins[-1] + 1))
    loudest = np.stack([level[low:high].max(axis=0) for low, high in zip(bins, ends, strict=True)])
    levels = 20 * np.log10(np.maximum(loudest, 1e-5)).astype(np.float32)
    coordinates = {"frequency_hz": frequencies, "time_s": np.arange(len(frames)) * hop / sample_rate}
    return xr.DataArray(levels, coordinates, ("frequency_hz", "time_s"), attrs={"units": "dB"})
