"""Effects over the whole range of every knob, on sounds that nobody would choose: what must hold, holds everywhere."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentfx_nb.effects import EFFECTS, Setting, render, render_settings
from latentfx_nb.paper import CLIP_SAMPLES, TARGET_LUFS
from latentfx_nb.sound import audio
from latentfx_nb.sound.clips import load_clips

RATE = 48_000
SECTION = "Effects and knobs"
LOUDNESS_LU = 0.1

ENDS = [Setting(label) for label in EFFECTS] + [
    Setting(label, value, knob.name) for label, spec in EFFECTS.items() for knob in spec.knobs
    for value in (knob.low, knob.high)
]  # fmt: skip


def stereo(sound):
    return np.stack([sound, np.roll(sound, 37) * 0.7])


def sine(samples, frequency_hz):
    return np.sin(2 * np.pi * frequency_hz * np.arange(samples) / RATE)


def impulse(samples):
    return np.where(np.arange(samples) == samples // 3, 1.0, 0.0)


def random(samples, seed):
    return np.random.default_rng(seed).standard_normal(samples)


def faded(samples, seed):
    """A loud beginning over noise just below the gate of the loudness standard."""
    return random(samples, seed) * np.where(np.arange(samples) < samples // 12, 3.5, 1.0) * 1.2e-4


SOUNDS = {
    "noise": lambda n, seed: stereo(0.1 * random(n, seed)),
    "doubled noise": lambda n, seed: np.tile(0.1 * random(n, seed), (2, 1)),
    "mono noise": lambda n, seed: 0.1 * random(n, seed)[None],
    "one channel": lambda n, seed: np.stack([0.1 * random(n, seed), np.zeros(n)]),
    "low tone": lambda n, _: stereo(0.5 * sine(n, 25)),
    "tone": lambda n, _: np.tile(0.5 * sine(n, 440), (2, 1)),
    "high tone": lambda n, _: stereo(0.5 * sine(n, 19_000)),
    "square": lambda n, _: stereo(np.sign(sine(n, 110))),
    "silence": lambda n, _: np.zeros((2, n)),
    "near silence": lambda n, seed: stereo(1e-6 * random(n, seed)),
    "just audible": lambda n, seed: stereo(3e-4 * random(n, seed)),
    "faded": lambda n, seed: stereo(faded(n, seed)),
    "denormal": lambda n, _: np.full((2, n), 1e-39),
    "DC": lambda n, _: np.full((2, n), 0.5),
    "click": lambda n, _: stereo(impulse(n)),
    "click over noise": lambda n, seed: stereo(impulse(n) + 1e-4 * random(n, seed)),
    "far too loud": lambda n, seed: stereo(1e6 * random(n, seed)),
}


def sound(kind, samples, seed=0):
    return SOUNDS[kind](samples, seed).astype(np.float32)


def check(clip, setting, wet):
    """Assert what holds of any render of `clip`: length, finite samples, and the loudness wherever it is defined."""
    assert wet.shape == clip.shape and wet.dtype == np.float32
    assert np.isfinite(wet).all()
    loudness = audio.loudness_lufs(wet, RATE)
    if loudness == -math.inf:  # nothing of it can be measured: it has to be the effect's own level
        before = audio.normalise(clip, RATE)
        assert np.array_equal(wet, EFFECTS[setting.label].render(before, RATE, setting.value, setting.knob))
    else:
        assert loudness == pytest.approx(TARGET_LUFS, abs=LOUDNESS_LU)


def rendered(clip, setting):
    return render(clip, setting.label, setting.value, setting.knob)


@pytest.mark.soak
@pytest.mark.parametrize("kind", SOUNDS)
def test_both_ends_of_every_knob(kind, soak):
    clip = sound(kind, soak.rounds(9000, CLIP_SAMPLES))
    first = list(SOUNDS).index(kind)
    some = ENDS if soak.long else ENDS[first % 4 :: 4]
    for setting, wet in zip(some, render_settings(clip, some), strict=True):
        check(clip, setting, wet)
        assert np.array_equal(wet, rendered(clip, setting)), setting
    soak.count(SECTION, "renders tried", 2 * len(some))


@st.composite
def any_setting(draw):
    label = draw(st.sampled_from(list(EFFECTS)))
    if not EFFECTS[label].knobs:
        return Setting(label)
    knob = draw(st.sampled_from(EFFECTS[label].knobs))
    return Setting(label, draw(st.floats(knob.low, knob.high)), knob.name)


@st.composite
def any_sound(draw):
    samples = draw(st.one_of(st.integers(1, 64), st.integers(64, 40_000)))
    gain_db = draw(st.floats(-120, 60))
    return sound(draw(st.sampled_from(list(SOUNDS))), samples, draw(st.integers(0, 99))) * np.float32(
        10 ** (gain_db / 20)
    )


def anywhere(soak, few, many):
    """Let hypothesis choose, alike in every short run."""
    return settings(
        max_examples=soak.rounds(few, many), database=None, deadline=None, derandomize=not soak.long,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip


@pytest.mark.soak
def test_any_value_on_any_sound(soak):
    @anywhere(soak, 60, 6000)
    @given(any_sound(), any_setting())
    def holds(clip, setting):
        kept = clip.copy()
        wet = rendered(clip, setting)
        check(clip, setting, wet)
        assert np.array_equal(wet, rendered(clip, setting))
        assert np.array_equal(clip, kept)
        soak.count(SECTION, "renders tried", 2)

    holds()


@pytest.mark.soak
def test_nothing_is_carried_from_clip_to_clip(soak):
    """What is rendered before, loud and long as it may be, leaves no trace in what is rendered after."""

    @anywhere(soak, 25, 1500)
    @given(any_sound(), any_sound(), any_setting(), any_setting())
    def holds(clip, other, setting, before):
        alone = rendered(clip, setting)
        rendered(other, before)
        rendered(other, setting)
        assert np.array_equal(rendered(clip, setting), alone)
        soak.count(SECTION, "renders after others, same bits")

    holds()


@pytest.mark.soak
def test_many_threads_at_once_give_the_same_bits(soak):
    generator = np.random.default_rng(0)
    kinds = list(SOUNDS)
    for round_ in range(soak.rounds(1, 25)):
        clips = [sound(kind, int(generator.integers(2000, 12_000)), round_) for kind in kinds]
        jobs = [(clip, ENDS[i]) for clip in clips for i in generator.choice(len(ENDS), 4, replace=False)]
        alone = [rendered(*job) for job in jobs]
        order = generator.permutation(len(jobs))
        with ThreadPoolExecutor(8) as pool:
            beside = list(pool.map(rendered, *zip(*(jobs[i] for i in order))))
        for i, wet in zip(order, beside, strict=True):
            assert np.array_equal(wet, alone[i]), jobs[i][1]
        soak.count(SECTION, "renders on eight threads, same bits", len(jobs))


@pytest.mark.soak
def test_bundled_clips_along_every_knob(soak):
    clips = load_clips("bundled")
    for row in range(0, len(clips), soak.rounds(48, 8)):
        clip = clips[row][:, : soak.rounds(24_000, CLIP_SAMPLES)]
        along = [
            Setting(label, float(value), knob.name) for label, spec in EFFECTS.items() for knob in spec.knobs
            for value in knob.values(soak.rounds(2, 9))
        ]  # fmt: skip
        for setting, wet in zip(along, render_settings(clip, along), strict=True):
            check(clip, setting, wet)
        soak.count(SECTION, "renders tried", len(along))
