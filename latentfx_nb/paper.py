"""Every number that "Leveraging Neural Representations for Audio Manipulation" states, with its place in the paper.

Hawley & Steinmetz, AES Europe 2023, arXiv 2304.04394. A number that the paper leaves out and that we chose says so.
"""

from __future__ import annotations

SAMPLE_RATE_HZ = 48_000
"""Sample rate of every clip (section 2.2)."""

CLIP_SAMPLES = 262_144
"""Samples in a clip: 5.4 s (section 2.2), 2**18 exactly, from which every printed latent size follows."""

CLIPS_PER_INSTRUMENT = 512
"""Guitar clips and piano clips in the paper's data set (section 2.2)."""

EFFECT_SETTINGS = {
    "CLN": {},
    "CHS": {"rate_hz": 1.0},
    "CMP": {"threshold_db": -50.0},
    "DLY": {"delay_seconds": 0.5},
    "DIS": {"drive_db": 25.0},
    "HPF": {"cutoff_frequency_hz": 2000.0},
    "LPF": {"cutoff_frequency_hz": 70.0},
    "PS": {"semitones": 4.0},
    "RVB": {"room_size": 0.8},
    "TRV": {},
}
"""The ten classes and the one setting each that Table 1 prints (Table 3 writes DST for DIS)."""

KNOB_RANGES = {
    "DIS": ("drive_db", 0.0, 30.0),
    "RVB": ("room_size", 0.01, 0.99),
    "HPF": ("cutoff_frequency_hz", 50.0, 10_000.0),
    "LPF": ("cutoff_frequency_hz", 50.0, 10_000.0),
}
"""The four knobs with their ends (Table 2)."""

TARGET_LUFS = -28.0
"""Loudness before and after every effect. Section 2.2 says only "loudness-normalized"; the authors' public notebooks
use -28 LUFS, and so do we, for every class alike."""

KNOB_VALUES = 32
"""Settings per knob path. Ours: the paper does not say how many it drew."""
