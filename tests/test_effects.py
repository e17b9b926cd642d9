"""`latentfx_nb.effects`: against a naive stereo loop with pedalboard and pyloudnorm, and against physics."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import partial

import numpy as np
import pedalboard
import pyloudnorm
import pytest

from latentfx_nb import paper
from latentfx_nb.effects import (
    EFFECTS,
    TURNABLE,
    Knob,
    Setting,
    get_effect,
    render,
    render_many,
    render_settings,
    settings_hash,
)
from latentfx_nb.sound import audio

RATE = 48_000

# Table 1 as one would type it into pedalboard: what is left out here is pedalboard's default.
PLUGINS = {
    "CHS": lambda: pedalboard.Chorus(rate_hz=1.0),
    "CMP": lambda: pedalboard.Compressor(threshold_db=-50.0, ratio=25.0),
    "DLY": lambda: pedalboard.Delay(delay_seconds=0.5),
    "DIS": lambda: pedalboard.Distortion(drive_db=25.0),
    "HPF": lambda: pedalboard.HighpassFilter(cutoff_frequency_hz=2000.0),
    "LPF": lambda: pedalboard.LowpassFilter(cutoff_frequency_hz=70.0),
    "PS": lambda: pedalboard.PitchShift(semitones=4.0),
    "RVB": lambda: pedalboard.Reverb(room_size=0.8),
}
LABELS = ["CLN", *PLUGINS, "TRV"]


def naive_effect(label, clip):
    if label == "CLN":
        return clip
    if label == "TRV":
        return clip[:, ::-1]
    return PLUGINS[label]()(clip, RATE)


def naive_normalise(clip):
    measured = pyloudnorm.Meter(RATE).integrated_loudness(clip.T.astype(np.float64))
    return (clip * 10 ** ((-28.0 - measured) / 20)).astype(np.float32)


@pytest.fixture(scope="module")
def plucked(noise):
    """Six seconds of decaying chords over a little noise, doubled: something for every effect to work on."""
    time_s = np.arange(paper.CLIP_SAMPLES) / RATE
    decay = np.exp(-3 * (time_s % 0.7))
    notes = sum(np.sin(2 * np.pi * f * time_s) / (i + 1) for i, f in enumerate([55.0, 110.0, 220.0, 1760.0, 7040.0]))
    mono = (0.2 * decay * notes + noise(paper.CLIP_SAMPLES, channels=1, level=0.002)).astype(np.float32)
    return np.repeat(mono, 2, axis=0)


@pytest.fixture(scope="module")
def wide(plucked):
    """The same as true stereo."""
    return np.stack([plucked[0], np.roll(plucked[1], 300) * np.float32(0.7)])


def test_effects_are_table_1_in_its_order():
    assert list(EFFECTS) == list(paper.EFFECT_SETTINGS) == LABELS
    for label, printed in paper.EFFECT_SETTINGS.items():
        assert EFFECTS[label].label == label
        assert printed.items() <= EFFECTS[label].setting.items()


def test_first_knobs_are_table_2():
    for label, (name, low, high) in paper.KNOB_RANGES.items():
        first = EFFECTS[label].knobs[0]
        assert (first.name, first.low, first.high) == (name, low, high)
        assert first.log == (name == "cutoff_frequency_hz")


@pytest.mark.parametrize("label", PLUGINS)
def test_every_parameter_of_a_plugin_is_written_out(label):
    """A new release of pedalboard with other defaults would otherwise change a data set unnoticed."""
    ours, plain = EFFECTS[label].process(**EFFECTS[label].setting), PLUGINS[label]()
    assert type(ours) is type(plain)
    properties = {name for name in dir(plain) if isinstance(getattr(type(plain), name), property)}
    assert properties - {"is_effect", "is_instrument"} == set(EFFECTS[label].setting)
    for name in EFFECTS[label].setting:
        assert getattr(ours, name) == pytest.approx(getattr(plain, name), rel=1e-6)


@pytest.mark.parametrize("knob", [knob for spec in EFFECTS.values() for knob in spec.knobs], ids=lambda knob: knob.name)
def test_knobs_hold_table_1_and_reach_both_ends(knob):
    owners = [spec for spec in EFFECTS.values() if knob in spec.knobs]
    for spec in owners:
        assert knob.low <= spec.setting[knob.name] <= knob.high
        for value in (knob.low, knob.high):
            assert spec.settings(value, knob.name)[knob.name] == value


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("stereo", [False, True], ids=["doubled", "stereo"])
def test_render_is_the_naive_loop(plucked, wide, label, stereo):
    clip = wide if stereo else plucked
    ours = render(clip, label)
    # The pitch shifter turns one last bit of gain into 0.006, so it gets the very bits that ours has before it.
    before = audio.normalise(clip, RATE) if label == "PS" else naive_normalise(clip)
    expected = naive_normalise(naive_effect(label, before))
    assert ours.dtype == np.float32 and ours.shape == clip.shape
    assert np.abs(ours - expected).max() < 2e-6 * max(1, np.abs(expected).max())


def test_the_gain_before_agrees_with_the_naive_one_to_the_last_bits(plucked, wide):
    for clip in (plucked, wide):
        assert np.allclose(audio.normalise(clip, RATE), naive_normalise(clip), rtol=2e-7, atol=0)


@pytest.mark.parametrize("label", [label for label in LABELS if label != "RVB"])
def test_a_doubled_clip_rendered_once_has_the_bits_of_stereo(plucked, label):
    assert EFFECTS[label].keeps_doubled
    both = np.ascontiguousarray(naive_effect(label, plucked))
    assert np.array_equal(EFFECTS[label].render(plucked, RATE), both)


@pytest.mark.parametrize(
    ("label", "knob"),
    [(s.label, k) for s in EFFECTS.values() if s.label != "RVB" for k in s.knobs],
    ids=lambda value: getattr(value, "name", value),
)
def test_doubling_is_exact_all_along_a_knob(noise, label, knob):
    clip = noise(20_000, doubled=True)
    spec = EFFECTS[label]
    for value in knob.values(3):
        stereo = spec.process(**spec.settings(value, knob.name))(clip, RATE)
        assert np.array_equal(spec.render(clip, RATE, value, knob.name), stereo)


def test_reverb_spreads_a_doubled_clip_so_both_channels_are_rendered(plucked):
    wet = EFFECTS["RVB"].render(plucked, RATE)
    assert not audio.is_doubled(wet)
    assert np.array_equal(wet, PLUGINS["RVB"]()(plucked, RATE))


@pytest.mark.parametrize("label", LABELS)
def test_every_class_ends_at_the_target_loudness(plucked, label):
    loudness = pyloudnorm.Meter(RATE).integrated_loudness(render(plucked, label).T.astype(np.float64))
    assert loudness == pytest.approx(-28, abs=0.01)


@pytest.mark.parametrize("label", LABELS)
def test_rendering_again_and_beside_others_gives_the_same_bits(noise, label):
    clip = noise(30_000, doubled=True)
    first = render(clip, label)
    render(clip * 3, label)
    assert np.array_equal(first, render(clip, label))
    assert np.array_equal(first, render_settings(clip, [Setting("RVB"), Setting(label)])[1])


@pytest.mark.parametrize("label", LABELS)
def test_the_clip_given_stays_as_it_was(noise, label):
    clip = noise(5000, doubled=True)
    kept = clip.copy()
    EFFECTS[label].render(clip, RATE)[:] = 0
    render(clip, label)[:] = 0
    assert np.array_equal(clip, kept)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("samples", [1, 7, 300, 19_199])
def test_clips_shorter_than_a_loudness_block(noise, label, samples):
    for clip in (noise(samples, doubled=True), noise(samples), noise(samples, channels=1)):
        wet = render(clip, label)
        assert wet.shape == clip.shape and wet.dtype == np.float32
        assert np.isfinite(wet).all()


@pytest.mark.parametrize("label", LABELS)
def test_silence_stays_silent(label):
    assert not render(np.zeros((2, 30_000), np.float32), label).any()


def test_what_is_too_quiet_to_measure_keeps_its_level(noise):
    quiet = noise(30_000, doubled=True, level=1e-6)
    assert audio.loudness_lufs(quiet, RATE) == -math.inf
    assert np.array_equal(render(quiet, "CLN"), quiet)
    assert np.array_equal(render(quiet, "HPF"), EFFECTS["HPF"].render(quiet, RATE))


def test_a_render_that_falls_below_the_gate_keeps_its_level(tone):
    high = tone(19_000, 60_000)
    before = audio.normalise(high, RATE)
    wet = EFFECTS["LPF"].render(before, RATE, 50.0)
    assert audio.loudness_lufs(wet, RATE) == -math.inf
    assert np.array_equal(render(high, "LPF", 50.0), wet)


# Physics, on the effect alone.


def level(clip):
    return math.sqrt(np.mean(np.square(clip[:, RATE // 2 :], dtype=np.float64)))


def centre_hz(clip):
    """Return the mean frequency weighted by power."""
    power = np.abs(np.fft.rfft(clip[0] * np.hanning(clip.shape[1]))) ** 2
    return np.average(np.arange(len(power)), weights=power) * RATE / clip.shape[1]


@pytest.mark.parametrize("frequency_hz", [50, 200, 2000, 8000])
@pytest.mark.parametrize(("label", "cutoff_hz"), [("HPF", 2000.0), ("HPF", 200.0), ("LPF", 70.0), ("LPF", 5000.0)])
def test_filters_fall_by_6_db_an_octave(tone, label, cutoff_hz, frequency_hz):
    dry = tone(frequency_hz, RATE)
    warp = [math.tan(math.pi * f / RATE) for f in (frequency_hz, cutoff_hz)]  # the bilinear transform's frequency scale
    ratio = warp[1] / warp[0] if label == "HPF" else warp[0] / warp[1]
    gain = level(EFFECTS[label].render(dry, RATE, cutoff_hz)) / level(dry)
    assert 20 * math.log10(gain) == pytest.approx(-10 * math.log10(1 + ratio**2), abs=0.1)


@pytest.mark.parametrize("semitones", [None, -12.0, 0.0, 7.0])
def test_pitch_shift_moves_a_tone_by_its_semitones(tone, semitones):
    """The shifter splits a pure tone into two or three within 5 % of the right place: their centre is what moved."""
    wet = EFFECTS["PS"].render(tone(440, 4 * RATE), RATE, semitones)
    assert centre_hz(wet) == pytest.approx(440 * 2 ** ((4 if semitones is None else semitones) / 12), rel=0.02)


@pytest.mark.parametrize("delay_s", [None, 0.1])
def test_delay_repeats_once_after_its_time(delay_s):
    click = np.zeros((2, RATE), np.float32)
    click[:, 0] = 1.0
    wet = EFFECTS["DLY"].render(click, RATE, delay_s)
    assert np.flatnonzero(np.abs(wet[0]) > 1e-3).tolist() == [0, round(RATE * (delay_s or 0.5))]
    assert wet[0][wet[0] > 1e-3] == pytest.approx([0.5, 0.5], abs=1e-3)


def test_time_reverse_is_exact_and_its_own_inverse(noise):
    clip = noise(1000)
    wet = EFFECTS["TRV"].render(clip, RATE)
    assert np.array_equal(wet, clip[:, ::-1]) and wet.flags.c_contiguous
    assert np.array_equal(EFFECTS["TRV"].render(wet, RATE), clip)


def test_clean_is_the_clip_itself(noise):
    clip = noise(1000)
    assert np.array_equal(EFFECTS["CLN"].render(clip, RATE), clip)


def test_compressor_divides_level_differences_by_its_ratio(tone):
    loud, quiet = (level(EFFECTS["CMP"].render(tone(1000, peak=p), RATE)) for p in (0.5, 0.05))
    assert 20 * math.log10(loud / quiet) == pytest.approx(20 / 25, abs=0.1)


def test_distortion_is_a_hyperbolic_tangent(noise):
    clip = noise(1000)
    assert np.allclose(EFFECTS["DIS"].render(clip, RATE), np.tanh(clip * 10 ** (25 / 20)), atol=2e-3)
    assert np.allclose(EFFECTS["DIS"].render(clip, RATE, 0.0), np.tanh(clip), atol=2e-3)


def test_reverb_rings_on_and_longer_in_a_larger_room(noise):
    burst = np.zeros((2, 2 * RATE), np.float32)
    burst[:, :2400] = noise(2400, doubled=True)
    small, ours, large = (level(EFFECTS["RVB"].render(burst, RATE, room)) for room in (0.1, None, 0.95))
    assert 0 < small < ours / 2 < ours < large / 1.5


def test_chorus_turns_once_a_second(tone):
    wet = EFFECTS["CHS"].render(tone(1000, 4 * RATE), RATE)[0].astype(np.float64)
    second, half_later, third = wet[RATE : 2 * RATE], wet[3 * RATE // 2 : 5 * RATE // 2], wet[2 * RATE : 3 * RATE]
    assert np.abs(second - third).max() < 0.02
    assert np.abs(second - half_later).max() > 0.2


@pytest.mark.parametrize("label", TURNABLE)
def test_turning_a_knob_changes_the_sound(noise, label):
    clip = noise(3 * RATE // 2, doubled=True)
    for knob in EFFECTS[label].knobs:
        ends = [render(clip, label, value, knob.name) for value in (knob.low, knob.high)]
        assert np.abs(ends[0] - ends[1]).max() > 1e-3, knob.name


def test_turning_a_knob_to_table_1_changes_nothing(noise):
    clip = noise(RATE, doubled=True)
    for label in TURNABLE:
        for knob in EFFECTS[label].knobs:
            same = render(clip, label, EFFECTS[label].setting[knob.name], knob.name)
            assert np.array_equal(same, render(clip, label)), (label, knob.name)


# Knobs and errors.


def test_knob_values_have_equal_steps_or_equal_ratios():
    linear = Knob("drive_db", 0.0, 30.0).values(31)
    log = Knob("cutoff_frequency_hz", 50.0, 10_000.0, log=True).values(9)
    assert np.allclose(np.diff(linear), 1.0)
    assert np.allclose(log[1:] / log[:-1], 200 ** (1 / 8))
    assert (linear[0], linear[-1], log[0], log[-1]) == (0.0, 30.0, 50.0, 10_000.0)


@pytest.mark.parametrize("n", [2, 7, 32, 33])
@pytest.mark.parametrize("knob", [knob for spec in EFFECTS.values() for knob in spec.knobs], ids=lambda knob: knob.name)
def test_knob_values_are_all_in_range(knob, n):
    values = knob.values(n)
    assert len(values) == n and (np.diff(values) > 0).all()
    assert [knob.check(value) for value in values.tolist()] == values.tolist()


@pytest.mark.parametrize("n", [-1, 0, 1])
def test_a_path_has_at_least_two_values(n):
    with pytest.raises(ValueError, match=f"at least 2 values, not {n}"):
        EFFECTS["DIS"].knobs[0].values(n)


@pytest.mark.parametrize(("label", "value", "range_"), [
    ("HPF", 49.9, "50 to 10000 Hz"), ("HPF", 20_000, "50 to 10000 Hz"), ("DIS", -1, "0 to 30 dB"),
    ("RVB", 1.0, "0.01 to 0.99"), ("DIS", math.nan, "0 to 30 dB"), ("PS", math.inf, "-12 to 12 semitones"),
])  # fmt: skip
def test_a_value_out_of_range_names_the_range(tone, label, value, range_):
    for call in (
        lambda: render(tone(), label, value),
        lambda: Setting(label, value),
        lambda: EFFECTS[label].render(tone(), RATE, value),
    ):
        with pytest.raises(ValueError, match=f"out of range: choose {range_}"):
            call()


def test_an_unknown_effect_lists_the_known_ones(tone):
    for call in (lambda: render(tone(), "XYZ"), lambda: Setting("XYZ"), lambda: get_effect("XYZ")):
        with pytest.raises(ValueError, match=f"'XYZ'.*{', '.join(EFFECTS)}"):
            call()


def test_an_unknown_knob_lists_the_effects_own(tone):
    with pytest.raises(ValueError, match=r"DLY has no knob 'drive_db'; it has delay_seconds, feedback, mix"):
        render(tone(), "DLY", 0.5, "drive_db")


@pytest.mark.parametrize("label", ["CLN", "TRV"])
def test_an_effect_without_a_knob_says_so_and_lists_those_with_one(tone, label):
    assert label not in TURNABLE
    with pytest.raises(ValueError, match=f"{label} has no knob.*{', '.join(TURNABLE)}"):
        render(tone(), label, 1.0)


@pytest.mark.parametrize("clip", [np.zeros((2, 0)), np.full((2, 9), np.nan), np.full((2, 9), np.inf)])
def test_what_cannot_be_measured_is_refused(clip):
    with pytest.raises(ValueError, match="finite"):
        render(clip.astype(np.float32), "CLN")


def test_settings_hash_tells_settings_libraries_and_loudness_apart(monkeypatch):
    one = [Setting("HPF")]
    hashes = {settings_hash(one), settings_hash(one, -20.0), settings_hash([Setting("HPF", 100.0)]),
              settings_hash([Setting("LPF")]), settings_hash(one * 2), settings_hash([])}  # fmt: skip
    assert len(hashes) == 6
    assert settings_hash(one) == settings_hash([Setting("HPF", 2000.0)])  # the same sound by another way
    monkeypatch.setattr("latentfx_nb.effects.rendering.version", lambda name: "0.0")
    assert settings_hash(one) not in hashes


# Summed to mono.


def test_only_the_reverb_has_a_stereo_width_and_as_mono_it_is_the_reverb_of_no_width(plucked):
    """Freeverb's own setting `width` = 0 puts the mean of both sides on each."""
    mono = render(plucked, "RVB", mono=True)
    assert not audio.is_doubled(render(plucked, "RVB")) and audio.is_doubled(mono)
    assert audio.loudness_lufs(mono, RATE) == pytest.approx(-28, abs=0.01)
    narrow = pedalboard.Reverb(**{**EFFECTS["RVB"].setting, "width": 0.0})(audio.normalise(plucked, RATE), RATE)
    np.testing.assert_allclose(mono, audio.normalise(narrow, RATE), atol=1e-5)
    turned = render(plucked, "RVB", 0.3, mono=True)
    assert audio.is_doubled(turned) and not np.array_equal(turned, mono)


@pytest.mark.parametrize("label", [label for label in LABELS if label != "RVB"])
def test_effects_without_a_stereo_width_keep_bits_and_key_as_mono(plucked, label):
    assert np.array_equal(render(plucked, label, mono=True), render(plucked, label))
    assert settings_hash([Setting(label, mono=True)]) == settings_hash([Setting(label)])


def test_a_stereo_effect_as_mono_has_a_key_of_its_own():
    assert settings_hash([Setting("RVB", mono=True)]) != settings_hash([Setting("RVB")])
    assert settings_hash([Setting("RVB", mono=True)]) != settings_hash([Setting("CHS", mono=True)])


# Rendering many.

HIGH_PASS = [Setting("HPF"), Setting("HPF", 100.0), Setting("TRV")]


class Watched(Sequence):
    """Clips that remember which of them were asked for."""

    def __init__(self, clips):
        self.clips, self.asked, self.lock = clips, [], threading.Lock()

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, row):
        with self.lock:
            self.asked.append(row)
        if isinstance(self.clips[row], Exception):
            raise self.clips[row]
        return self.clips[row]


def rendering_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("render")]


def test_render_many_keeps_the_order_and_equals_render(noise):
    clips = [noise(9000 + 500 * i, seed=i, doubled=i % 2 == 0) for i in range(7)]
    results = list(render_many(clips, HIGH_PASS, workers=3))
    assert len(results) == len(clips)
    for clip, wet in zip(clips, results, strict=True):
        for setting, one in zip(HIGH_PASS, wet, strict=True):
            assert np.array_equal(one, render(clip, setting.label, setting.value))
    assert not rendering_threads()


@pytest.mark.parametrize("workers", [1, 2])
def test_render_many_holds_few_clips_ahead(noise, workers):
    watched = Watched([noise(2000, seed=i) for i in range(20)])
    renders = render_many(watched, HIGH_PASS, workers=workers)
    assert not watched.asked
    for taken in range(1, 21):
        next(renders)
        assert len(watched.asked) <= taken + 2 * workers
    assert sorted(watched.asked) == list(range(20))
    with pytest.raises(StopIteration):
        next(renders)


def test_render_many_stops_its_threads_when_its_reader_leaves(noise):
    watched = Watched([noise(2000, seed=i) for i in range(50)])
    renders = render_many(watched, HIGH_PASS, workers=2)
    next(renders)
    assert rendering_threads()
    renders.close()
    assert not rendering_threads()
    assert len(watched.asked) <= 6


def test_render_many_gives_all_clips_before_a_bad_one(noise):
    clips = [noise(2000, seed=i) for i in range(6)]
    clips[3] = ValueError("clip 3 cannot be read")
    renders = render_many(Watched(clips), HIGH_PASS, workers=2)
    for clip in clips[:3]:
        assert np.array_equal(next(renders)[0], render(clip, "HPF"))
    with pytest.raises(ValueError, match="clip 3"):
        next(renders)
    assert not rendering_threads()


def test_render_many_gives_faults_in_their_place_and_goes_on(noise):
    clips = [noise(4800, seed=seed) for seed in range(5)]
    clips[2] = np.full((2, 4800), np.nan, np.float32)
    renders = list(render_many(clips, HIGH_PASS, workers=2, faults=(ValueError,)))
    assert [isinstance(one, ValueError) for one in renders] == [False, False, True, False, False]
    assert np.array_equal(renders[4][0], render_settings(clips[4], HIGH_PASS)[0])
    with pytest.raises(ValueError, match="all of them finite"):
        list(render_many(clips, HIGH_PASS, workers=2, faults=(OSError,)))


def test_render_many_of_nothing_is_nothing():
    assert list(render_many([], HIGH_PASS)) == []


LYING_WRONG = [
    (lambda clip: clip.T, r"not \(480, 2\): pass clip.T if it is \[sample channel\]"),
    (lambda clip: clip[0], r"not \(480,\): pass clip\[None\] if it is one channel"),
    (lambda clip: clip[None], r"not \(1, 2, 480\): pass one clip"),
    (lambda clip: clip[:0], r"not \(0, 480\)"),
    (lambda clip: clip.tolist(), "not <class 'list'>: convert it"),
    (lambda clip: (clip * 32767).astype("int16"), r"within -1..1, not one of int16"),
]


@pytest.mark.parametrize(("lay", "said"), LYING_WRONG)
@pytest.mark.parametrize("label", ["CLN", "HPF", "PS", "TRV"])
def test_a_clip_that_lies_the_other_way_is_refused_with_the_remedy(noise, label, lay, said):
    wrong = lay(noise(480))
    for way in (partial(render, wrong, label), partial(EFFECTS[label].render, wrong, 48_000)):
        with pytest.raises((ValueError, TypeError), match=f"a clip is .*{said}"):
            way()


@pytest.mark.parametrize("shape", [(1, 480), (5, 480), (2, 1), (2, 2)])
def test_clips_of_one_to_five_channels_and_any_length_are_taken(noise, shape):
    assert EFFECTS["HPF"].render(noise(shape[1], channels=shape[0]), 48_000).shape == shape
