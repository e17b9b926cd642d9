"""`latentfx_nb.sound.descriptors`: sounds whose brightness, noise, peaks, changes and width are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from latentfx_nb.paper import CLIP_SAMPLES as N
from latentfx_nb.paper import SAMPLE_RATE_HZ as RATE
from latentfx_nb.sound.audio import resample
from latentfx_nb.sound.descriptors import DESCRIPTORS, describe


def filtered(sound, kind, cutoff_hz):
    return sosfilt(butter(4, cutoff_hz, kind, fs=RATE, output="sos"), sound).astype(np.float32)


def clicks(every_s=0.25):
    """Decaying noise, struck anew after each `every_s`."""
    times = np.arange(N) / RATE
    burst = np.exp(-30 * (times % every_s)) * np.random.default_rng(0).standard_normal(N)
    return np.tile(0.1 * burst, (2, 1)).astype(np.float32)


@pytest.mark.parametrize("frequency_hz", [110.0, 440.0, 3000.0])
def test_the_centroid_of_a_sine_is_its_frequency(tone, frequency_hz):
    assert describe(tone(frequency_hz, N))["centroid_hz"] == pytest.approx(frequency_hz, rel=0.01)


def test_the_centroid_of_white_noise_is_half_the_highest_frequency(noise):
    assert describe(noise(N))["centroid_hz"] == pytest.approx(RATE / 4, rel=0.01)


def test_a_low_pass_darkens_and_a_high_pass_thins(noise):
    plain = describe(noise(N))
    dark, thin = (describe(filtered(noise(N), kind, 1000.0)) for kind in ("low", "high"))
    assert dark["centroid_hz"] < plain["centroid_hz"] < thin["centroid_hz"]
    assert thin["bass_db"] < plain["bass_db"] < dark["bass_db"]
    assert dark["treble_db"] < plain["treble_db"] < thin["treble_db"]


def test_shares_are_of_the_whole_power(tone, noise):
    low, high = tone(100.0, N, 0.4), tone(8000.0, N, 0.04)
    found = describe(low + high)
    assert found["bass_db"] == pytest.approx(10 * np.log10(100 / 101), abs=0.01)
    assert found["treble_db"] == pytest.approx(10 * np.log10(1 / 101), abs=0.01)
    assert describe(noise(N))["bass_db"] == pytest.approx(10 * np.log10(250 / 24_000), abs=0.3)
    assert describe(high)["bass_db"] == -60  # nothing is heard there


def test_noise_of_any_colour_is_noisy_and_a_tone_is_not(tone, noise):
    white = noise(N)
    loud = [
        describe(one)["flatness"] for one in (white, filtered(white, "low", 500.0), filtered(white, "high", 4000.0))
    ]
    assert min(loud) > 0.5
    assert max(loud) < 0.7
    saw = (2 * ((110 * np.arange(N) / RATE) % 1) - 1).astype(np.float32)[None]  # as bright as many a noise
    assert max(describe(tone(440.0, N))["flatness"], describe(saw)["flatness"]) < 0.1
    mixed = describe(tone(440.0, N, 0.1) + white * 0.1)["flatness"]
    assert 0.1 < mixed < min(loud)


def test_the_crest_of_a_sine_is_3_db_and_clipping_lowers_it(tone, noise):
    assert describe(tone(440.0, N))["crest_db"] == pytest.approx(20 * np.log10(np.sqrt(2)), abs=0.01)
    assert describe(np.sign(tone(441.7, N)))["crest_db"] == pytest.approx(0, abs=0.01)
    sound = noise(N)
    assert (
        describe(np.clip(sound, -0.1, 0.1))["crest_db"] < describe(sound)["crest_db"] < describe(clicks())["crest_db"]
    )


def test_what_stays_has_no_flux_and_hits_have_much(tone):
    hits = describe(clicks())["flux"]
    assert hits > 0.2
    assert describe(tone(440.0, N))["flux"] < 1e-3
    assert describe(clicks() + tone(440.0, N, 3.0))["flux"] < hits


def test_width_is_the_sides_share(noise):
    doubled, apart = noise(N, doubled=True), noise(N)
    assert describe(doubled)["width"] == 0
    assert describe(apart[:1])["width"] == 0
    assert describe(apart)["width"] == pytest.approx(0.5, abs=0.01)
    assert describe(doubled * [[1], [-1]])["width"] == 1
    assert 0 < describe(doubled + 0.2 * apart)["width"] < 0.1


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_gain_and_doubling_change_nothing(name, noise):
    sound = noise(N, channels=1)
    expected = describe(sound)[name]
    assert describe(sound * np.float32(0.25))[name] == pytest.approx(expected, rel=1e-5)
    assert describe(np.repeat(sound, 2, axis=0))[name] == expected


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_the_sample_rate_changes_little(name, tone, noise):
    sound = filtered(noise(N), "low", 9000.0) + tone(200.0, N, 0.1)
    assert describe(resample(sound, RATE, 44_100), 44_100)[name] == pytest.approx(describe(sound)[name], rel=0.05)


@pytest.mark.parametrize("samples", [1, 100, 4096, 4097, 70_001])
def test_short_sounds_have_finite_values(samples, noise):
    assert np.isfinite(list(describe(noise(samples, channels=1) + 0.1).values())).all()


def test_a_hit_in_the_very_first_or_last_sample_counts():
    for place in (0, -1):
        sound = np.zeros((2, 10_000), np.float32)
        sound[:, place] = 0.5
        assert np.isfinite(list(describe(sound).values())).all()


def test_silence_has_none():
    assert np.isnan(list(describe(np.zeros((2, N), np.float32)).values())).all()


def test_what_is_no_clip_is_refused(noise):
    with pytest.raises(ValueError, match=r"a clip is \[channel sample\]"):
        describe(noise(N).T)
    broken = noise(N)
    broken[0, 7] = np.nan
    with pytest.raises(ValueError, match="finite samples only"):
        describe(broken)


def test_words_are_said_once():
    words = [word for one in DESCRIPTORS.values() for word in (one.words, one.less, one.more)]
    assert len(words) == len(set(words)) == 3 * len(DESCRIPTORS)
