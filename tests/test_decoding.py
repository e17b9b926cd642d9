"""`latentfx_nb.store.decoding`: sounds of one loudness, decoded once, stopped when they are not wanted."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from latentfx_nb.sound.audio import loudness_lufs
from latentfx_nb.store import decoding
from latentfx_nb.store.decoding import reconstruction


class Decoding:
    """Encodes nothing; decodes the first dim, held for 64 samples a frame, and counts how often."""

    name, sample_rate, channels, dim, frame_rate, weights_hash = "held", 48_000, 1, 2, 750.0, "abc"
    device = torch.device("cpu")

    def __init__(self):
        self.decoded = 0

    def frames(self, n_samples):
        return n_samples // 64

    def encode(self, audio):
        raise NotImplementedError

    def decode(self, latents, *, seed):
        self.decoded += 1
        return latents[:, :1].repeat_interleave(64, dim=-1) + 0 * seed


class Stepwise(Decoding):
    """Draws its sound in three steps."""

    def decode(self, latents, *, seed, bar):
        for _ in bar(range(3)):
            pass
        return super().decode(latents, seed=seed)


@pytest.fixture
def kept(own_cache):
    return own_cache / "decoded"


def latents(seed=0):
    return np.random.default_rng(seed).standard_normal((2, 750)).astype(np.float32)


def test_a_sound_is_stereo_of_the_length_asked_for_and_at_28_lufs():
    sound = reconstruction(Decoding(), latents(), 47_000)
    assert sound.shape == (2, 47_000)
    assert loudness_lufs(sound, 48_000) == pytest.approx(-28.0, abs=0.01)


def test_what_was_decoded_once_is_read_and_the_same_to_the_bit():
    encoder, z = Decoding(), latents()
    first, again = (reconstruction(encoder, z, 48_000) for _ in range(2))
    assert encoder.decoded == 1
    np.testing.assert_array_equal(first, again)
    for other in ((latents(1), 48_000, 0), (z, 47_000, 0), (z, 48_000, 1)):
        reconstruction(encoder, *other)
    assert encoder.decoded == 4
    reconstruction(encoder, z, 48_000, cache=False)
    assert encoder.decoded == 5


@pytest.mark.parametrize("towards", [-np.inf, np.inf])
def test_latents_as_another_processor_computes_them_find_the_same_sound(towards):
    encoder, z = Decoding(), latents()
    sound = reconstruction(encoder, z, 48_000)
    np.testing.assert_array_equal(reconstruction(encoder, np.nextafter(z, np.float32(towards)), 48_000), sound)
    assert encoder.decoded == 1
    z[1] *= 1e-6  # a decoder may still hear of a dim that is weaker than others
    reconstruction(encoder, z, 48_000)
    weaker = z.copy()
    weaker[1] *= 1.01
    for other in (weaker, 1.01 * z, z[:, ::-1]):
        reconstruction(encoder, other, 48_000)
    assert encoder.decoded == 5


def test_latents_of_several_renders_are_refused():
    with pytest.raises(ValueError, match=r"one render's latents \(dim, frame\) .* shape \(3, 2, 750\)"):
        reconstruction(Decoding(), np.stack([latents()] * 3), 48_000)


def test_another_weights_file_is_another_sound():
    one, other = Decoding(), Decoding()
    other.weights_hash = "def"
    for encoder in (one, other):
        reconstruction(encoder, latents(), 48_000)
    assert one.decoded == other.decoded == 1


@pytest.mark.parametrize("damage", [b"", b"not an array", None])
def test_a_damaged_file_is_decoded_again(kept, damage):
    encoder, z = Decoding(), latents()
    whole = reconstruction(encoder, z, 48_000)
    (path,) = kept.iterdir()
    path.write_bytes(path.read_bytes()[:5000] if damage is None else damage)
    np.testing.assert_array_equal(reconstruction(encoder, z, 48_000), whole)
    assert encoder.decoded == 2


def test_the_oldest_sounds_make_room(kept, monkeypatch):
    monkeypatch.setattr(decoding, "KEPT", 3)
    encoder = Decoding()
    for number in range(3):
        reconstruction(encoder, latents(number), 48_000)
        for path in kept.iterdir():
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
    reconstruction(encoder, latents(0), 48_000)  # used again, so it is the newest
    reconstruction(encoder, latents(3), 48_000)
    assert len(list(kept.iterdir())) == 3
    assert encoder.decoded == 4
    reconstruction(encoder, latents(0), 48_000)
    assert encoder.decoded == 4
    reconstruction(encoder, latents(1), 48_000)
    assert encoder.decoded == 5


def test_a_decoder_with_steps_can_be_watched_and_stopped(kept):
    seen = []

    def watched(steps):
        for step in steps:
            seen.append(step)
            yield step

    def stopped(steps):
        raise KeyboardInterrupt

    encoder = Stepwise()
    with pytest.raises(KeyboardInterrupt):
        reconstruction(encoder, latents(), 48_000, bar=stopped)
    assert not kept.exists()
    reconstruction(encoder, latents(), 48_000, bar=watched)
    assert seen == [0, 1, 2]
    reconstruction(Decoding(), latents(), 48_000, bar=stopped)  # one without steps has nothing to stop


def test_an_encoder_without_a_decoder_is_named():
    from latentfx_nb.encoders import load_encoder

    with pytest.raises(ValueError, match="logmel has no decoder"):
        reconstruction(load_encoder("logmel"), np.zeros((64, 10)), 5120)
