"""Every number that "Leveraging Neural Representations for Audio Manipulation" states, with its place in the paper.

Hawley & Steinmetz, AES Europe 2023, arXiv 2304.04394. A number that the paper leaves out and that we chose says so.
"""

from __future__ import annotations

SAMPLE_RATE_HZ = 48_000
"""Sample rate of every clip (section 2.2)."""

CLIP_SAMPLES = 262_144
"""Samples in a clip: 2**18, from which every printed latent size follows. Section 2.2 says 5.4 s; it is 5.46 s."""

CLIPS_PER_INSTRUMENT = 512
"""Guitar clips, of GuitarSet, and piano clips, of MAESTRO, in the paper's data set (section 2.2). It has guitars "of
both solo notes and strumming chords"; half and half is ours."""

MAESTRO_YEAR = 2018
"""The year of MAESTRO that the piano clips are taken from (section 2.2)."""

CHOICE_SEED = 0
"""Seed that draws the clips from those recordings. Ours: the paper does not say which clips it took."""

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

TABLE_3_CLASSES = ("CHS", "CLN", "CMP", "DLY", "DIS", "HPF", "LPF", "PS", "RVB", "TRV")
"""The class columns of Table 3, in its order (it writes DST for DIS)."""

TABLE_3 = {
    "VGGish-T": (128, 1_300, (98.0, 80.6, 90.1, 81.3, 91.4, 94.5, 96.9, 86.7, 90.4, 94.5), 92.9),
    "VGGish-F": (2176, 21_800, (98.0, 76.5, 85.2, 76.8, 92.1, 90.1, 96.9, 83.3, 88.7, 95.1), 90.3),
    "Stacked2-T": (32, 300, (24.0, 54.9, 28.1, 34.9, 86.6, 78.5, 95.0, 66.7, 79.3, 32.0), 57.7),
    "Stacked2-F": (16384, 163_900, (45.2, 42.2, 30.2, 65.1, 84.7, 80.9, 94.4, 68.2, 71.3, 39.2), 63.1),
    "Stacked1-T": (32, 300, (29.9, 59.2, 27.1, 26.5, 88.6, 71.4, 96.9, 54.2, 74.8, 36.8), 57.4),
    "Stacked1-F": (262144, 2_621_500, (14.6, 37.6, 9.4, 29.2, 41.9, 59.1, 88.7, 24.5, 58.5, 48.6), 41.1),
    "DiffAE-T": (64, 700, (11.2, 32.5, 3.6, 9.3, 92.9, 46.1, 86.9, 31.0, 63.5, 27.1), 40.3),
    "DiffAE-F": (131072, 1_310_700, (4.4, 32.7, 47.7, 16.3, 73.6, 17.0, 27.0, 19.3, 18.6, 25.6), 28.9),
}
"""Table 3: features -> (dim, probe parameters, accuracy of each class in percent, AVG in percent).

"-T" is averaged over time, "-F" flattened. The paper prints parameters in thousands. AVG is not the mean of the class
columns."""
