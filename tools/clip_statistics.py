"""What a clip is like in three numbers: how often a note starts, how many pitch classes it uses, how bright it is.

They compare the bundled clips with recordings of real players: clips outside what recordings do would not sound like
music. `log_mel` is the fingerprint that tells two clips apart.
"""

from __future__ import annotations

import csv
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf
from scipy.signal import fftconvolve

SAMPLE_RATE = 48_000
N_FFT = 2048
HOP = 512
CHROMA_FFT = 16_384  # 2.9 Hz a bin: tells the semitones of a guitar's low strings (E2 to F2 is 4.9 Hz) apart
CHROMA_HOP = 4096
CHROMA_LOW_HZ, CHROMA_HIGH_HZ = 75.0, 2000.0  # above, overtones that are no pitch class of the chord take over
AUDIBLE_DB = -40.0  # frames this far below the loudest one say nothing about brightness
STATISTICS = ("onset_density_hz", "pitch_class_entropy_bits", "spectral_centroid_hz")


def read_mono(path: Path) -> np.ndarray:
    """Return the 48 kHz file at `path` as float32 `[sample]`, its channels averaged."""
    audio, sample_rate = sf.read(path, dtype="float32", always_2d=True)
    if sample_rate != SAMPLE_RATE:
        raise ValueError(f"{path} has {sample_rate} Hz where {SAMPLE_RATE} Hz are expected: resample it first")
    return audio.mean(axis=1)


def onset_density_hz(audio: np.ndarray) -> float:
    """Return the note starts per second of `audio [sample]`, as librosa's spectral-flux detector finds them."""
    onsets = librosa.onset.onset_detect(y=audio, sr=SAMPLE_RATE, hop_length=HOP)
    return len(onsets) * SAMPLE_RATE / len(audio)


def pitch_class_entropy_bits(audio: np.ndarray) -> float:
    """Return the entropy of the energy in the 12 pitch classes of `audio [sample]`: 0 is one class, 3.58 all alike."""
    power = np.abs(librosa.stft(audio, n_fft=CHROMA_FFT, hop_length=CHROMA_HOP)) ** 2
    frequency_hz = librosa.fft_frequencies(sr=SAMPLE_RATE, n_fft=CHROMA_FFT)
    power[(frequency_hz < CHROMA_LOW_HZ) | (frequency_hz > CHROMA_HIGH_HZ)] = 0.0
    chroma = librosa.feature.chroma_stft(S=power, sr=SAMPLE_RATE, n_fft=CHROMA_FFT, norm=None).sum(axis=1)
    share = chroma / chroma.sum()
    return float(-np.sum(share * np.log2(np.maximum(share, 1e-12))))


def spectral_centroid_hz(audio: np.ndarray) -> float:
    """Return the median over audible frames of the magnitude-weighted mean frequency of `audio [sample]`."""
    magnitude = np.abs(librosa.stft(audio, n_fft=N_FFT, hop_length=HOP))
    centroid = librosa.feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE)[0]
    level = np.sqrt(np.mean(magnitude**2, axis=0))
    return float(np.median(centroid[level > level.max() * 10 ** (AUDIBLE_DB / 20)]))


def statistics(audio: np.ndarray) -> dict[str, float]:
    """Return the three numbers of `STATISTICS` for `audio [sample]` at 48 kHz."""
    return {
        "onset_density_hz": onset_density_hz(audio),
        "pitch_class_entropy_bits": pitch_class_entropy_bits(audio),
        "spectral_centroid_hz": spectral_centroid_hz(audio),
    }


def folder_statistics(folder: Path) -> list[dict]:
    """Return one row a clip of `folder`: its manifest row and the three statistics."""
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as lines:
        return [row | statistics(read_mono(folder / row["file"])) for row in csv.DictReader(lines)]


def column(rows: list[dict], instrument: str, statistic: str) -> np.ndarray:
    """Return `statistic` of the rows of one `instrument`, as an array `[clip]`."""
    return np.array([row[statistic] for row in rows if row["instrument"] == instrument])


def ranges(rows: list[dict]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the 10 % and 90 % points of each statistic for each instrument: `ranges(rows)["piano"][statistic]`."""
    return {
        instrument: {name: tuple(np.percentile(column(rows, instrument, name), (10, 90))) for name in STATISTICS}
        for instrument in sorted({row["instrument"] for row in rows})
    }


def quietest_db(audio: np.ndarray, window_s: float = 0.5) -> float:
    """Return the level of the quietest window of `audio [sample]` against the loudest one, in dB."""
    window = int(window_s * SAMPLE_RATE)
    level = np.sqrt(np.mean(audio[: len(audio) // window * window].reshape(-1, window) ** 2, axis=1))
    return float(20 * np.log10(max(level.min(), 1e-9) / level.max()))


def log_mel(audio: np.ndarray, frame_s: float = 0.1) -> np.ndarray:
    """Return the log-mel fingerprint `[band frame]` of `audio [sample]`, each band centred on its mean over time.

    Centred, so that two clips of one instrument are compared by what is played and not by their common timbre.
    """
    hop = int(frame_s * SAMPLE_RATE)
    mel = librosa.feature.melspectrogram(y=audio, sr=SAMPLE_RATE, n_fft=2 * hop, hop_length=hop, n_mels=48, fmax=6000.0)
    decibels = librosa.power_to_db(mel, ref=np.max, top_db=60.0)
    return decibels - decibels.mean(axis=1, keepdims=True)


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest correlation of two fingerprints `[band frame]` over every shift of at most half a clip."""
    correlation = _shifted(first, second)
    return float(correlation.max() / (np.linalg.norm(first) * np.linalg.norm(second)))


def _shifted(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the inner products of `first` with `second` moved by up to half its length in frames."""
    frames = first.shape[1]
    products = fftconvolve(first, second[:, ::-1], axes=1).sum(axis=0)
    return products[frames - 1 - frames // 2 : frames + frames // 2]
