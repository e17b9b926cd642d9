"""Tables 1 and 2 of the paper as data: each effect with its fixed setting and its knobs."""

from __future__ import annotations

import numpy as np
import pedalboard

from latentfx_nb.effects.registry import EFFECTS, EffectSpec, Knob, turnable

# Pedalboard's defaults are written out, so that a new release of it cannot change a data set unnoticed. Knobs that
# Table 2 does not print are ours and end where the effect stops being useful on a clip of 5.46 s.
_SPECS = (
    EffectSpec("CLN", "Clean", lambda: lambda clip, _: clip.copy()),
    EffectSpec(
        "CHS",
        "Chorus",
        pedalboard.Chorus,
        {"rate_hz": 1.0, "depth": 0.25, "centre_delay_ms": 7.0, "feedback": 0.0, "mix": 0.5},
        (Knob("rate_hz", 0.1, 10.0, "Hz", log=True), Knob("depth", 0.0, 1.0), Knob("mix", 0.0, 1.0)),
    ),
    # Table 1 gives no ratio, and pedalboard's default of 1 compresses nothing: 25 is the authors' own notebooks' value.
    EffectSpec(
        "CMP",
        "Compressor",
        pedalboard.Compressor,
        {"threshold_db": -50.0, "ratio": 25.0, "attack_ms": 1.0, "release_ms": 100.0},
        (Knob("threshold_db", -60.0, 0.0, "dB"), Knob("ratio", 1.0, 50.0, log=True)),
    ),
    EffectSpec(
        "DLY",
        "Delay",
        pedalboard.Delay,
        {"delay_seconds": 0.5, "feedback": 0.0, "mix": 0.5},
        (Knob("delay_seconds", 0.01, 2.0, "s", log=True), Knob("feedback", 0.0, 0.9), Knob("mix", 0.0, 1.0)),
    ),
    EffectSpec("DIS", "Distortion", pedalboard.Distortion, {"drive_db": 25.0}, (Knob("drive_db", 0.0, 30.0, "dB"),)),
    EffectSpec(
        "HPF",
        "High-pass filter",
        pedalboard.HighpassFilter,
        {"cutoff_frequency_hz": 2000.0},
        (Knob("cutoff_frequency_hz", 50.0, 10_000.0, "Hz", log=True),),
    ),
    EffectSpec(
        "LPF",
        "Low-pass filter",
        pedalboard.LowpassFilter,
        {"cutoff_frequency_hz": 70.0},
        (Knob("cutoff_frequency_hz", 50.0, 10_000.0, "Hz", log=True),),
    ),
    EffectSpec(
        "PS", "Pitch shift", pedalboard.PitchShift, {"semitones": 4.0}, (Knob("semitones", -12.0, 12.0, "semitones"),)
    ),
    EffectSpec(
        "RVB",
        "Reverb",
        pedalboard.Reverb,
        {"room_size": 0.8, "damping": 0.5, "wet_level": 0.33, "dry_level": 0.4, "width": 1.0, "freeze_mode": 0.0},
        (Knob("room_size", 0.01, 0.99), Knob("damping", 0.0, 1.0), Knob("wet_level", 0.0, 1.0)),
        keeps_doubled=False,  # the reverb spreads a mono sound over both channels
    ),
    EffectSpec("TRV", "Time reverse", lambda: lambda clip, _: np.ascontiguousarray(clip[:, ::-1])),
)

EFFECTS.update({spec.label: spec for spec in _SPECS})

TABLE_1 = tuple(EFFECTS)
"""Labels of the ten effects of the paper's Table 1: what every experiment renders unless told otherwise."""

TURNABLE = turnable()
"""Labels of the effects of Table 1 that have a knob."""
