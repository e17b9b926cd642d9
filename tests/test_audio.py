"""`latentfx_nb.sound.audio`: reading and resampling excerpts, channels, and loudness against pyloudnorm itself."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pyloudnorm
import pytest
import soundfile
import soxr

from latentfx_nb.sound import audio

RATE = 48_000


def reference_lufs(clip, rate=RATE, block_s=0.4):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pyloudnorm.Meter(rate, block_size=block_s).integrated_loudness(clip.T.astype(np.float64))


def varied(noise, samples, doubled, seed=0):
    """Noise that fades and pauses, so that both gates of the standard have something to leave out."""
    envelope = np.abs(np.sin(np.arange(samples) / 9000)) ** 3
    envelope[samples // 3 : samples // 2] *= 1e-5
    return (noise(samples, doubled=doubled, seed=seed) * envelope).astype(np.float32)


@pytest.mark.parametrize("doubled", [True, False])
@pytest.mark.parametrize("samples", [19_200, 19_201, 50_000, 262_144])
def test_loudness_is_that_of_pyloudnorm_on_stereo(noise, samples, doubled):
    clip = varied(noise, samples, doubled)
    assert audio.loudness_lufs(clip, RATE) == pytest.approx(reference_lufs(clip), abs=1e-9)


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_loudness_at_other_rates(noise, rate):
    clip = noise(3 * rate, doubled=True)
    assert audio.loudness_lufs(clip, rate) == pytest.approx(reference_lufs(clip, rate), abs=1e-9)


@pytest.mark.parametrize("level_db", [-67.0, -66.0, -64.5])
def test_a_doubled_clip_is_gated_as_stereo_is(noise, level_db):
    """Near the absolute gate a mono measure raised by 3 dB would lose blocks that stereo keeps."""
    clip = varied(noise, 200_000, doubled=True) * np.float32(10 ** ((level_db + 20) / 20))
    expected = reference_lufs(clip)
    mono_raised = reference_lufs(clip[:1]) + 10 * math.log10(2)
    assert abs(mono_raised - expected) > 0.01
    assert audio.loudness_lufs(clip, RATE) == pytest.approx(expected, abs=1e-9)


def test_mono_is_measured_as_mono(noise):
    clip = noise(RATE, channels=1)
    assert audio.loudness_lufs(clip, RATE) == pytest.approx(reference_lufs(clip), abs=1e-9)


@pytest.mark.parametrize("clip", [np.zeros((2, RATE)), np.full((2, RATE), 1e-7), np.zeros((1, 5))])
def test_silence_is_minus_infinity_without_a_warning(clip):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert audio.loudness_lufs(clip.astype(np.float32), RATE) == -math.inf


def test_a_short_clip_is_one_block_of_its_own_length(noise):
    clip = noise(4800)
    assert audio.loudness_lufs(clip, RATE) == pytest.approx(reference_lufs(clip, block_s=0.1), abs=1e-9)


@pytest.mark.parametrize("samples", [1, 2, 7, 14, 28, 51, 56, 479, 9_583, 19_199])
def test_no_short_length_is_refused(noise, samples):
    """7 / 48000 x 48000 is larger than 7 in floating point, and pyloudnorm wants at least one whole block."""
    loudness = audio.loudness_lufs(noise(samples, doubled=True), RATE)
    assert math.isfinite(loudness)


def test_lengths_that_divide_badly_are_measured_like_their_neighbours(tone):
    """9583 is one of them: one sample more or less of a steady tone is worth next to nothing."""
    around = [audio.loudness_lufs(tone(1000, samples), RATE) for samples in (9_582, 9_583, 9_584)]
    assert max(around) - min(around) < 0.02


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_loudness_refuses_what_is_not_finite(tone, bad):
    clip = tone()
    clip[1, 100] = bad
    with pytest.raises(ValueError, match="finite"):
        audio.loudness_lufs(clip, RATE)
    with pytest.raises(ValueError, match="finite"):
        audio.normalise(clip, RATE)


def test_loudness_refuses_an_empty_clip():
    with pytest.raises(ValueError, match="at least one sample"):
        audio.loudness_lufs(np.zeros((2, 0), np.float32), RATE)


@pytest.mark.parametrize("doubled", [True, False])
@pytest.mark.parametrize("lufs", [-28.0, -14.0])
def test_normalise_reaches_its_target(noise, doubled, lufs):
    clip = varied(noise, 150_000, doubled)
    normalised = audio.normalise(clip, RATE, lufs)
    assert normalised.dtype == np.float32
    assert reference_lufs(normalised) == pytest.approx(lufs, abs=1e-3)
    moved = np.abs(clip) > 1e-3
    assert np.ptp(normalised[moved] / clip[moved]) < 1e-4  # one gain for the whole clip


def test_normalise_leaves_what_has_no_loudness_as_it_is(tone):
    quiet = tone(peak=1e-6)
    same = audio.normalise(quiet, RATE)
    assert np.array_equal(same, quiet)
    assert not np.shares_memory(same, quiet)


def test_equal_channels_stay_equal_bits(noise):
    assert audio.is_doubled(audio.normalise(noise(RATE, doubled=True), RATE))


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_read_gives_the_samples_of_the_file(tmp_path, noise, write_audio, suffix):
    sound = np.round(noise(9000) * 32768) / 32768
    path = write_audio(tmp_path, {f"a.{suffix}": sound}, subtype="PCM_16") / f"a.{suffix}"
    heard = audio.read(path, RATE)
    assert heard.dtype == np.float32 and heard.flags.c_contiguous
    assert np.array_equal(heard, sound)
    assert np.array_equal(audio.read(path, RATE, 100, 50), sound[:, 100:150])
    assert np.array_equal(audio.read(path, RATE, 8990, 50), sound[:, 8990:])
    assert audio.read(path, RATE, 9100, 50).shape == (2, 0)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 44_101, 96_000])
def test_read_resamples_a_tone_to_the_same_tone(tmp_path, tone, write_audio, rate):
    path = write_audio(tmp_path, {"a.wav": tone(440, 2 * rate, channels=1, rate=rate)}, rate) / "a.wav"
    heard = audio.read(path, RATE)
    assert heard.shape == (1, 2 * RATE)
    inner = slice(2000, -2000)
    assert np.abs(heard - tone(440, 2 * RATE, channels=1))[:, inner].max() < 1e-4


@pytest.mark.parametrize(("rate", "tolerance"), [(22_050, 1e-6), (44_100, 1e-6), (96_000, 1e-6), (44_101, 3e-5)])
def test_excerpts_join_to_the_whole(tmp_path, noise, write_audio, rate, tolerance):
    """44101 Hz has no common sample with 48 kHz for a second, and soxr then interpolates its own filter."""
    path = write_audio(tmp_path, {"a.wav": noise(3 * rate)}, rate) / "a.wav"
    whole = audio.read(path, RATE)
    edges = [0, 1, 777, 40_000, 40_001, 100_123, whole.shape[1]]
    parts = [audio.read(path, RATE, low, high - low) for low, high in zip(edges, edges[1:], strict=False)]
    assert np.abs(np.concatenate(parts, axis=1) - whole).max() < tolerance
    assert np.abs(whole - soxr.resample(noise(3 * rate).T, rate, RATE).T).max() < tolerance


@pytest.mark.parametrize("content", [b"", b"not audio at all" * 50, b"RIFF\x10\x00\x00\x00WAVE"])
def test_read_names_a_file_that_is_no_audio(tmp_path, content):
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.wav cannot be read as audio"):
        audio.read(path, RATE)


def test_read_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.wav cannot be read"):
        audio.read(tmp_path / "gone.wav", RATE)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_read_names_a_file_with_samples_that_are_not_finite(tmp_path, tone, write_audio, bad, rate):
    sound = tone()
    sound[0, 30_000] = bad
    path = write_audio(tmp_path, {"bad.wav": sound}, rate) / "bad.wav"
    with pytest.raises(ValueError, match=r"bad\.wav holds samples that are NaN or infinite"):
        audio.read(path, RATE)


@pytest.mark.parametrize(
    ("samples", "rate", "new_rate", "expected"),
    [(262_144, 48_000, 16_000, 87_381), (262_144, 48_000, 48_000, 262_144), (1, 16_000, 48_000, 3),
     (1, 48_000, 44_100, 1), (1, 48_000, 16_000, 0), (262_144, 48_000, 44_100, 240_845)],
)  # fmt: skip
def test_samples_at(samples, rate, new_rate, expected):
    assert audio.samples_at(samples, rate, new_rate) == expected


@pytest.mark.parametrize("new_rate", [16_000, 24_000, 44_100, 96_000])
def test_resample_keeps_time_and_gives_the_declared_length(tone, new_rate):
    resampled = audio.resample(tone(440, 262_144), RATE, new_rate)
    assert resampled.dtype == np.float32
    assert resampled.shape == (2, audio.samples_at(262_144, RATE, new_rate))
    inner = slice(2000, -2000)
    assert np.abs(resampled - tone(440, resampled.shape[1], rate=new_rate))[:, inner].max() < 1e-4


def test_resample_to_the_same_rate_changes_nothing(noise):
    clip = noise(1000)
    assert np.array_equal(audio.resample(clip, RATE, RATE), clip)


def test_fit_length_cuts_or_pads_at_the_end(noise):
    clip = noise(100)
    assert np.array_equal(audio.fit_length(clip, 60), clip[:, :60])
    padded = audio.fit_length(clip, 130)
    assert np.array_equal(padded[:, :100], clip) and not padded[:, 100:].any()
    assert padded.shape == (2, 130)


def test_to_channels_doubles_and_averages(noise):
    mono, stereo = noise(50, channels=1), noise(50)
    assert np.array_equal(audio.to_channels(mono, 2), np.concatenate([mono, mono]))
    assert np.allclose(audio.to_channels(stereo, 1), (stereo[:1] + stereo[1:]) / 2)
    assert np.array_equal(audio.to_channels(audio.to_channels(mono, 2), 1), mono)  # exact there and back
    assert audio.to_channels(stereo, 2) is stereo


@pytest.mark.parametrize(("given", "wanted"), [(6, 2), (3, 1), (2, 6)])
def test_to_channels_refuses_surround(given, wanted):
    with pytest.raises(ValueError, match=f"{given} channels cannot become {wanted}"):
        audio.to_channels(np.zeros((given, 10), np.float32), wanted)


def test_is_doubled_compares_bits(noise):
    clip = noise(100, doubled=True)
    assert audio.is_doubled(clip)
    assert not audio.is_doubled(clip[:1])
    clip[1, 50] = np.nextafter(clip[1, 50], np.float32(1))
    assert not audio.is_doubled(clip)


def test_spectrogram_shows_a_full_scale_tone_at_0_db_and_silence_at_the_floor(tone):
    levels = audio.spectrogram_db(tone(1000, peak=1.0), RATE)
    middle = levels.isel(time_s=levels.sizes["time_s"] // 2)
    assert float(middle.max()) == pytest.approx(0, abs=1.5)  # a tone between two bins loses up to 1.4 dB
    assert float(middle.frequency_hz[int(middle.values.argmax())]) == pytest.approx(1000, rel=0.03)
    assert float(audio.spectrogram_db(np.zeros((2, RATE), np.float32), RATE).max()) == pytest.approx(-100)


def test_the_format_list_can_be_written_and_read_here():
    """The folder tests rely on libsndfile's MP3 and Ogg support, which every wheel of soundfile brings."""
    assert {"WAV", "FLAC", "MP3", "OGG", "AIFF"} <= set(soundfile.available_formats())


def just_below_the_gate(noise, samples):
    """A tenth of it 11 dB louder than the rest, which is just below -70 LUFS."""
    sound = noise(samples, level=1.2e-4)
    sound[:, : samples // 12] *= np.float32(3.5)
    return sound


@pytest.mark.parametrize("seconds", [5.5, 20])
def test_blocks_that_a_gain_lifts_over_the_gate_count(noise, seconds):
    """One gain by the loudness before leaves such a sound 7 LU too low: its quiet part did not count then."""
    sound = just_below_the_gate(noise, int(seconds * RATE))
    naive = sound * np.float32(10 ** ((-28 - audio.loudness_lufs(sound, RATE)) / 20))
    assert audio.loudness_lufs(naive, RATE) < -33
    assert audio.loudness_lufs(audio.normalise(sound, RATE), RATE) == pytest.approx(-28, abs=0.01)


def test_blocks_that_fall_below_the_gate_count_no_longer(noise):
    loud = just_below_the_gate(noise, 5 * RATE) * np.float32(100)
    for lufs in (-62.0, -66.0):
        assert audio.loudness_lufs(audio.normalise(loud, RATE, lufs), RATE) == pytest.approx(lufs, abs=0.01)


def test_a_target_below_the_gate_is_one_gain(noise):
    sound = noise(RATE)
    quiet = audio.normalise(sound, RATE, -75.0)
    assert audio.loudness_lufs(quiet * np.float32(100), RATE) == pytest.approx(-35, abs=0.01)


def test_the_gates_cost_no_second_measurement(noise, monkeypatch):
    measured = []
    meter = audio._measured
    monkeypatch.setattr(audio, "_measured", lambda *args: measured.append(1) or meter(*args))
    audio.normalise(just_below_the_gate(noise, 5 * RATE), RATE)
    assert len(measured) == 1


@pytest.mark.parametrize("level", [1e-4, 1.2e-4, 3e-4, 0.1])
def test_the_gates_are_the_meters(noise, level):
    sound = noise(3 * RATE, level=level)
    sound[:, :RATE] *= np.float32(5)
    measured, blocks = audio._measured(sound, RATE)
    assert audio._gated_mean(blocks) == pytest.approx(measured, abs=1e-9)
