"""Page 01: images before and after an effect, and what a decoder makes of them, without a browser."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from latentfx_nb.analysis.sounds import before_after
from latentfx_nb.effects import render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages import (
    latent_images,
)
from latentfx_nb.sound.audio import loudness_lufs, spectrogram_db
from latentfx_nb.store.decoding import reconstruction
from tests.on_pages import assert_decoded, assert_sounds, happens, heard, heard_by_now, played_decoded, ready, said

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

LatentImages = partial(latent_images.LatentImages, encoder="logmel")


def test_six_images_are_those_of_the_sounds(bundled):
    panel = ready(LatentImages(effect="DIS", clip=3))
    sounds = render(bundled[3], "CLN"), render(bundled[3], "DIS", 25.0)
    encoded = encode_clips(load_encoder("logmel"), sounds)
    shown = [np.asarray(trace.z) for trace in panel.figure.data]
    for image, sound in zip(shown[:2], sounds):
        np.testing.assert_allclose(image, spectrogram_db(sound, 48_000).values, atol=1e-3)
    np.testing.assert_allclose(shown[2], shown[1] - shown[0], atol=1e-3)
    np.testing.assert_allclose(shown[3:5], encoded, atol=1e-3)
    np.testing.assert_allclose(shown[5], encoded[1] - encoded[0], atol=1e-3)
    assert_sounds(panel.player, bundled[3], "DIS", 25.0)
    assert panel.player.title == f"{bundled.table['clip'].iat[3]}: Distortion, drive 25 dB"


@pytest.mark.parametrize("value", [3.0, 12.5])
def test_turning_the_knob_changes_images_and_sound(value, bundled):
    panel = ready(LatentImages())
    before, wet = [np.array(trace.z) for trace in panel.figure.data], panel.player.wet
    panel.knob.value = value
    ready(panel)
    after = [np.array(trace.z) for trace in panel.figure.data]
    changed = [not np.allclose(one, other, atol=0.1) for one, other in zip(before, after)]
    assert changed == [False, True, True, False, True, True]
    assert panel.player.wet != wet
    assert_sounds(panel.player, bundled[0], "DIS", value)
    assert panel.player.title.endswith(f"drive {value:g} dB")
    clean, difference = panel.figure.layout.coloraxis3, panel.figure.layout.coloraxis4
    least = 0.1 * (clean.cmax - clean.cmin)  # so that a difference fades as the knob is turned down
    assert difference.cmax == pytest.approx(max(np.percentile(np.abs(after[5]), 99), least), rel=1e-3)


def test_clean_and_time_reverse_have_no_knob_and_are_drawn(bundled):
    panel = ready(LatentImages())
    panel.knob.effect = "CLN"
    ready(panel)
    assert np.abs(panel.figure.data[5].z).max() == 0
    assert panel.player.title.endswith(": Clean")
    panel.knob.effect = "TRV"
    ready(panel)
    encoded = encode_clips(load_encoder("logmel"), [render(bundled[0], "TRV")])[0]
    np.testing.assert_allclose(panel.figure.data[4].z, encoded, atol=1e-3)
    assert_sounds(panel.player, bundled[0], "TRV")


def test_another_clip_and_another_encoder_change_the_images(bundled, lyra_weights):
    panel = ready(LatentImages())
    panel.clip.value = 40
    ready(panel)
    assert_sounds(panel.player, bundled[40], "DIS", 25.0)
    panel.encoder.value = "lyra-v2"
    ready(panel)
    encoded = encode_clips(load_encoder("lyra-v2"), [render(bundled[40], "DIS", 25.0)])[0]
    np.testing.assert_allclose(panel.figure.data[4].z, encoded, atol=1e-3)
    assert len(panel.figure.data[4].x) == encoded.shape[-1]


def test_the_wet_sound_is_decoded_from_the_latents_that_are_drawn(toy, bundled):
    panel = ready(LatentImages(encoder="toy", clip=2))
    assert toy.encoded == [2]  # nothing once more for what is shown, or for the decoder
    assert toy.seeds == [0]
    assert said(panel) == ""
    assert panel.html["limits"].value == ""
    assert panel.player.title == f"{bundled.table['clip'].iat[2]}: Distortion, drive 25 dB"
    assert_sounds(panel.player, bundled[2], "DIS", 25.0)
    assert_decoded(panel, toy, 25.0)


def test_the_wet_sound_is_decoded_by_lyra(lyra_weights):
    panel = ready(LatentImages(encoder="lyra-v2", clip=40))
    assert said(panel) == ""
    assert_decoded(panel, load_encoder("lyra-v2"), 25.0)


def test_images_and_sounds_do_not_wait_for_the_decoder(toy, bundled):
    toy.go.clear()
    panel = LatentImages(encoder="toy")
    assert happens(toy.at_work)
    heard_by_now(panel)
    assert said(panel) == "Decoding …"
    assert_sounds(panel.player, bundled[0], "DIS", 25.0)
    assert panel.player.decoded == b""
    toy.go.set()
    ready(panel)
    assert said(panel) == ""
    assert_decoded(panel, toy, 25.0)


def test_a_turn_replaces_what_is_being_decoded(toy, bundled, monkeypatch):
    toy.go.clear()
    panel = LatentImages(encoder="toy")
    assert happens(toy.at_work)
    loaded, put = [], panel.player.put

    def putting(encoded, title, *loudness):
        loaded.append((title, *list(encoded.sides)[2:]))
        return put(encoded, title, *loudness)

    monkeypatch.setattr(panel.player, "put", putting)
    panel.knob.value = 3.0
    panel.knob.value = 12.5
    toy.go.set()
    ready(panel)
    assert [len(one) for one in loaded[-2:]] == [1, 2]  # the last setting comes, then decoded
    assert sum(len(one) for one in loaded) == len(loaded) + 1  # the old decoding is dropped
    assert all(title.endswith("drive 12.5 dB") for title, *_ in loaded[-2:])
    assert toy.seeds == [0, 0]
    assert said(panel) == ""
    assert_sounds(panel.player, bundled[0], "DIS", 12.5)
    assert_decoded(panel, toy, 12.5)


def test_a_turn_takes_the_old_decoded_sound_away(toy):
    panel = ready(LatentImages(encoder="toy"))
    panel.player.listening = "decoded"
    toy.go.clear()
    toy.at_work.clear()
    panel.knob.value = 3.0
    assert happens(toy.at_work)
    heard_by_now(panel)
    assert panel.player.decoded == b""
    assert panel.player.listening == "wet"
    toy.go.set()
    assert_decoded(ready(panel), toy, 3.0)


def test_without_a_decoder_the_page_says_so(toy):
    panel = ready(LatentImages())
    assert panel.player.decoded == b""
    assert "logmel has no decoder, so there is nothing to reconstruct." in panel.html["limits"].value
    panel.encoder.value = "toy"
    ready(panel)
    assert panel.html["limits"].value == ""
    assert panel.player.decoded
    panel.encoder.value = "logmel"
    ready(panel)
    assert panel.player.decoded == b""
    assert "logmel has no decoder" in panel.html["limits"].value


def test_one_vector_a_clip_is_an_image_as_wide_as_the_clip(summary):
    panel = ready(LatentImages(encoder="summary"))
    assert said(panel) == ""
    assert "summary gives one vector a clip: its images have no time in them." in panel.html["limits"].value
    assert "no decoder" in panel.html["limits"].value
    for trace in panel.figure.data[3:]:
        assert np.shape(trace.z) == (4, 1)
        assert trace.x == pytest.approx([0, 262_144 / 48_000])


def test_a_decoder_that_takes_minutes_is_not_started_by_itself(toy):
    toy.decodes_slowly = True
    panel = ready(LatentImages(encoder="toy"))
    assert toy.seeds == [] and panel.player.decoded == b""
    assert "The decoder of toy takes minutes on CPU" in panel.html["limits"].value
    assert_sounds(panel.player, panel.clips[0], "DIS", 25.0)


def test_missing_weights_leave_nothing_to_decode(toy, no_weights):
    panel = ready(LatentImages(encoder="toy"))
    panel.encoder.value = "lyra-v2"
    ready(panel)
    assert said(panel).startswith("That did not work: the weights of lyra")
    assert toy.seeds == [0]


def test_a_decoder_that_fails_is_a_sentence_and_the_rest_stays(toy, bundled, monkeypatch):
    monkeypatch.setattr(toy, "decode", lambda latents, *, seed: torch.full((1, 1, 100), torch.nan))
    panel = ready(LatentImages(encoder="toy"))
    assert said(panel).startswith("That did not work: ")
    assert_sounds(panel.player, bundled[0], "DIS", 25.0)
    assert panel.player.decoded == b""


@pytest.mark.parametrize("name", ["toy", "lyra-v2"])
def test_silence_is_decoded_too(name, toy, lyra_weights, write_audio, tmp_path):
    folder = write_audio(tmp_path / "quiet", {"silence.wav": np.zeros((2, 48_000), np.float32)})
    panel = ready(LatentImages(folder, encoder=name))
    assert said(panel) == ""
    assert not np.any(heard(panel.player))
    assert np.isfinite(played_decoded(panel.player)).all()


def test_a_reconstruction_is_seeded_and_needs_a_decoder(toy, bundled):
    *_, wet, _, images = before_after(bundled[0], toy, "DIS", 25)
    first, again, other = (reconstruction(toy, images[1], wet.shape[-1], seed) for seed in (0, 0, 1))
    assert first.shape == wet.shape
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)
    assert loudness_lufs(first, 48_000) == pytest.approx(-28.0, abs=0.1)
    with pytest.raises(ValueError, match="logmel has no decoder; list_encoders"):
        reconstruction(load_encoder("logmel"), images[1], wet.shape[-1])
