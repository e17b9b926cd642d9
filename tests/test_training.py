"""How the shipped autoencoders are trained and measured: audio, losses, checkpoints, and the card's measures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.mini import DiffAEMini
from latentfx_nb.encoders.sources.weights import SHIPPED
from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound.audio import is_doubled, loudness_lufs
from tools import measures, mini_card, mini_losses, phrases, train_mini, training_audio

RATE = 48_000
TINY = {"width": 16, "blocks": 1, "slow_width": 16, "slow_blocks": 1, "decoder_width": 16, "decoder_blocks": 1}
CPU = torch.device("cpu")


@pytest.fixture
def clips(noise, monkeypatch):
    """Four clips of noise in place of rendered phrases, and short excerpts of them."""
    sounds = [noise(CLIP_SAMPLES, seed=seed, doubled=seed % 2 == 0) for seed in range(4)]
    scales = np.array([np.abs(sound).max() / 32767 for sound in sounds], np.float32)
    samples = np.stack([np.round(sound / scale) for sound, scale in zip(sounds, scales, strict=True)]).astype(np.int16)
    made = training_audio.Clips(samples, scales)
    monkeypatch.setattr(training_audio, "make", lambda *_: made)
    monkeypatch.setattr(train_mini, "CROP", 128 * 256)
    return made


# Audio.


def test_no_piece_of_the_bundled_clips_is_trained_on():
    for first, pieces in (
        (training_audio.TRAINING_SEED, train_mini.TRAINING_PIECES),
        (training_audio.VALIDATION_SEED, train_mini.VALIDATION_PIECES),
    ):
        assert not set(range(first, first + 2 * pieces + 1)) & set(phrases.BUNDLED_SEEDS)
    assert training_audio.TRAINING_SEED + 2 * train_mini.TRAINING_PIECES < training_audio.VALIDATION_SEED


def test_a_seed_writes_one_piece_and_seeds_differ():
    first, again, other = (training_audio.compose(seed) for seed in (10_000, 10_000, 10_002))
    assert first == again != other


def test_many_instruments_play_and_guitars_and_pianos_most():
    programs = [training_audio.compose(seed).program for seed in range(10_000, 10_200, 2)]
    assert len(set(programs)) > 25
    assert np.mean([program < 8 or 24 <= program < 32 for program in programs]) > 0.3


def test_clips_are_stereo_or_doubled_at_the_papers_loudness(tone):
    rng, dry = (
        np.random.default_rng(0),
        tone(330.0, CLIP_SAMPLES)[0] * np.linspace(1, 0.2, CLIP_SAMPLES, dtype=np.float32),
    )
    images = [training_audio._stereo(rng, dry, dry[::-1]) for _ in range(4)]
    images += [training_audio._stereo(rng, dry, None) for _ in range(12)]
    assert all(image.shape == (2, CLIP_SAMPLES) and image.dtype == np.float32 for image in images)
    assert 0 < sum(map(is_doubled, images)) < len(images)
    for _ in range(8):
        clip = training_audio._processed(rng, images[-1])
        assert np.isfinite(clip).all()
        assert loudness_lufs(clip, RATE) == pytest.approx(-28, abs=0.1)


def test_excerpts_are_as_long_as_asked_and_keep_the_scale(clips):
    crops = clips.crops(np.random.default_rng(0), 5, 1000)
    assert crops.shape == (5, 2, 1000) and crops.dtype == np.float32
    assert 0.02 < crops.std() < 0.2
    assert np.array_equal(clips.clip(1), clips.samples[1] * clips.scales[1])


# Training.


def steps(trainer, count):
    for _ in range(count):
        trainer._train_step(0.1)
        trainer.step += 1


@pytest.mark.ci
@pytest.mark.parametrize("model", ["diffae-mini", "stacked-mini-stage-1"])
def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(model, clips, tmp_path):
    whole = train_mini.Trainer(model, "", TINY, {}, tmp_path / "whole", CPU)
    steps(whole, 4)
    half = train_mini.Trainer(model, "", TINY, {}, tmp_path / "half", CPU)
    steps(half, 2)
    half._save()
    resumed = train_mini.Trainer(model, "", TINY, {}, tmp_path / "half", CPU)
    assert resumed.step == 2
    steps(resumed, 2)
    for (name, one), other in zip(whole.average.items(), resumed.average.values(), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6), name


@pytest.mark.ci
def test_another_layout_does_not_overwrite_a_checkpoint(clips, tmp_path):
    train_mini.Trainer("diffae-mini", "", TINY, {}, tmp_path, CPU)._save()
    with pytest.raises(ValueError, match="has another layout.*delete it or choose another --work"):
        train_mini.Trainer("diffae-mini", "", TINY | {"width": 8}, {}, tmp_path, CPU)


def test_the_second_stage_needs_the_first(clips, tmp_path):
    with pytest.raises(FileNotFoundError, match="train stacked-mini-stage-1 first"):
        train_mini.Trainer("stacked-mini-stage-2", "", TINY, {}, tmp_path, CPU)


@pytest.mark.ci
def test_training_lowers_the_loss(clips, tmp_path):
    trainer = train_mini.Trainer("diffae-mini", "", TINY, {}, tmp_path, CPU)
    batch = trainer.batches.audio(4)
    trainer.batches.audio = lambda: batch
    losses = [trainer._train_step(0.0)["level"] for trainer.step in range(40)]
    assert losses[-1] < losses[0] - 0.01


@pytest.mark.ci
def test_what_is_published_loads(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(train_mini, "TEMPERATURES", (0.5, 1.0))
    trainer = train_mini.Trainer("diffae-mini", "", TINY, {}, tmp_path / "work", CPU)
    trainer.run(minutes=0.01)
    assert trainer.step > 0
    path = train_mini.publish("diffae-mini", tmp_path / "work", tmp_path / "out")
    assert path.name in (tmp_path / "out" / "SHA256SUMS").read_text()
    encoder = DiffAEMini("cpu", tmp_path / "out")
    assert encoder.weights_hash != DiffAEMini.weights_hash
    latents = encoder.encode(torch.from_numpy(clips.clip(0)[None, :, :4096]))
    assert latents.shape == (1, 64, 32) and torch.isfinite(latents).all()
    assert float(encoder._models[0].temperature) in (0.5, 1.0)


def test_texture_tells_attacks_from_their_reversal_and_wide_from_narrow(noise):
    """The statistics see what a mean spectrum does not."""
    samples = 128 * 512
    texture = mini_losses.Texture(8)
    decay = np.exp(-np.arange(samples) % 8192 / 1500).astype(np.float32)
    struck = noise(samples, doubled=True) * decay
    sounds = np.stack([struck, struck[:, ::-1], noise(samples) * decay])
    forward, reverse, wide = texture.statistics(torch.from_numpy(sounds.copy())).mean(-1)
    bands = texture.BANDS
    assert torch.allclose(forward[:bands], reverse[:bands], atol=0.15)  # band levels
    attack = slice(4 * bands, 5 * bands)
    assert forward[attack].mean() > 0.5 and reverse[attack].mean() < -0.5
    width = slice(7 * bands, 7 * bands + texture.WIDE_BANDS)
    assert (wide[width] - forward[width] > 1).all()


# Measures.


def test_si_sdr_is_noise_below_the_signal_whatever_the_gain(noise):
    sound, error = noise(RATE, seed=1), noise(RATE, seed=2)
    assert measures.si_sdr_db(sound, 0.5 * (sound + 0.1 * error)) == pytest.approx(20, abs=0.2)
    assert measures.si_sdr_db(sound, error) < -30
    assert measures.si_sdr_db(sound, np.zeros_like(sound)) == float("-inf")


def test_log_mel_distance_counts_decades(noise):
    sound = noise(RATE)
    assert measures.log_mel_l1(sound, sound) == 0
    assert measures.log_mel_l1(sound, 0.1 * sound) == pytest.approx(1, abs=0.01)


def test_chroma_hears_the_key(tone):
    chord = tone(220.0) + tone(277.2) + tone(329.6)
    assert measures.chroma_correlation(chord, 0.3 * chord) == pytest.approx(1, abs=1e-3)
    assert measures.chroma_correlation(chord, tone(233.1) + tone(293.7) + tone(349.2)) < 0.3


def test_a_waveform_is_empty_and_a_level_is_not():
    generator = np.random.default_rng(0)
    waveform = generator.standard_normal((20, 1, 500))
    level = np.arange(20)[:, None, None] + 0.1 * waveform
    empty, full = measures.emptiness(np.concatenate([waveform, level], axis=1))
    assert empty < 0.1 < 10 < full


@pytest.mark.ci
def test_cutoffs_are_predicted_from_what_follows_them_and_not_from_noise():
    import xarray as xr

    values, generator = np.geomspace(50, 10_000, 8), np.random.default_rng(0)
    noise = generator.standard_normal((20, 8, 6))
    follows = noise + np.log(values)[None, :, None] * np.arange(6)
    coords = {"value": values, "recording": ("clip", np.repeat(np.arange(10), 2))}
    paths = {name: xr.DataArray(x, coords, ("clip", "value", "dim")) for name, x in (("yes", follows), ("no", noise))}
    assert mini_card.cutoff_r2(paths["yes"]) > 0.95
    assert mini_card.cutoff_r2(paths["no"]) < 0.1


def test_the_card_holds_what_was_measured_of_the_weights_that_ship(tmp_path):
    found = json.loads((SHIPPED / "figures.json").read_text())
    assert found["weights"] == {name: load_encoder(name, "cpu").weights_hash for name in found["weights"]}
    assert {"diffae-mini", "stacked-mini-2"} <= set(found["weights"])
    card = (SHIPPED / "CARD.md").read_text()
    (tmp_path / "CARD.md").write_text(card)
    mini_card.write_tables(found, tmp_path / "CARD.md")
    assert (tmp_path / "CARD.md").read_text() == card


def test_the_guide_to_the_encoders_says_what_the_card_does():
    found = json.loads((SHIPPED / "figures.json").read_text())
    guide = " ".join((Path(__file__).parents[1] / "docs" / "encoders.md").read_text(encoding="utf-8").split())
    fidelity = found["fidelity"]
    assert f"median SI-SDR of {fidelity['diffae-mini']['si_sdr_db_median']:.1f} dB" in guide
    assert f"(chroma correlation {fidelity['stacked-mini-2']['chroma_median']:.2f})" in guide
