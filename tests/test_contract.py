"""Bringing one's own encoder: what is tried, what the report says, and torch modules as encoders."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import torch

import latentfx_nb as lfx
from latentfx_nb.encoders import ModuleEncoder, check_encoder, list_encoders, load_encoder, register_encoder, registry
from latentfx_nb.encoders.logmel import LogMel
from latentfx_nb.encoders.running import decode_latents, encode_clips
from tests.speed import PATIENCE_S


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(registry, "REGISTERED", {})


class Blocks:
    """Levels of 100 blocks a second: an encoder that keeps everything."""

    name, sample_rate, channels, dim, frame_rate = "blocks", 16_000, 1, 3, 100.0
    weights_hash = "of nothing"
    device = torch.device("cpu")

    def frames(self, n_samples):
        return n_samples // 160

    def encode(self, audio):
        blocks = audio[:, 0, : self.frames(audio.shape[-1]) * 160].unflatten(-1, (-1, 160))
        return torch.stack([blocks.square().mean(-1).sqrt(), blocks.amax(-1), blocks.amin(-1)], 1)

    def decode(self, latents, *, seed):
        return latents[:, :1].repeat_interleave(160, -1)


def test_an_encoder_that_keeps_everything_has_an_empty_report():
    assert check_encoder(Blocks()) == []
    assert check_encoder(LogMel("cpu")) == []


def report(**changes):
    return check_encoder(type("Changed", (Blocks,), changes)())


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("name", "two words", "letters, digits"),
        ("name", "../up", "letters, digits"),
        ("name", None, "letters, digits"),
        ("sample_rate", 16_000.0, "sample_rate is 16000.0: give a whole number"),
        ("sample_rate", 0, "sample_rate is 0"),
        ("dim", "3", "dim is '3'"),
        ("channels", 3, "channels is 3: give 1 or 2"),
        ("frame_rate", -1.0, "frame_rate is -1.0: give frames a second, or None"),
        ("weights_hash", "", "weights_hash is ''"),
        ("frames", 100, "frames is 100: give a method"),
        ("frame_rate", 50.0, "frame_rate is 50 Hz, but a clip of 5.46 s has 546 frames"),
        ("frame_rate", None, "one vector a clip, but a clip of 5.46 s has 546 frames"),
        ("dim", 4, r"but dim and frames\(16037\) declare .* \(2, 4, 100\)"),
    ],
)
def test_a_wrong_attribute_is_reported(attribute, value, expected):
    found = report(**{attribute: value})
    assert len(found) == 1
    assert re.search(expected, found[0]), found


def raises(self, audio):
    raise RuntimeError("no such layer")


def changes_its_input(self, audio):
    return Blocks.encode(self, audio.mul_(1.5))


def whole_numbers(self, audio):
    return Blocks.encode(self, audio).to(torch.int32)


def not_finite(self, audio):
    return Blocks.encode(self, audio).log()


def by_chance(self, audio):
    return Blocks.encode(self, audio) + torch.rand(1)


def by_batch(self, audio):
    return Blocks.encode(self, audio) / audio.abs().mean().clamp_min(1e-6) * (1 + len(audio))


def longer_alone(self, audio):
    return Blocks.encode(self, audio).repeat(1, 1, 1 if len(audio) > 1 else 2)


def an_array(self, audio):
    return Blocks.encode(self, audio).numpy()


@pytest.mark.parametrize(
    ("encode", "expected"),
    [
        (raises, r"encode raised RuntimeError for \[2 1 16037\]: no such layer"),
        (changes_its_input, "changes the audio"),
        (whole_numbers, "encode gives torch.int32"),
        (an_array, "encode gives <class 'numpy.ndarray'>"),
        (not_finite, "not finite"),
        (by_chance, "other latents the second time"),
        (longer_alone, "a clip alone gives other latents than in a batch"),
        (by_batch, "a clip alone gives other latents than in a batch"),
    ],
)
def test_what_encode_does_wrong_is_reported(encode, expected):
    found = report(encode=encode)
    assert any(re.search(expected, line) for line in found), found


@pytest.mark.parametrize(
    ("decode", "expected"),
    [
        (lambda self, latents: latents, "decode raised TypeError"),
        (lambda self, latents, *, seed: latents, r"decode gives \(2, 3, 100\): give \[batch channel sample\]"),
        (lambda self, latents, *, seed: None, "decode gives <class 'NoneType'>"),
        (lambda self, latents, *, seed: latents[:, :1] / 0, "not finite"),
    ],
)
def test_what_decode_does_wrong_is_reported(decode, expected):
    found = report(decode=decode)
    assert len(found) == 1 and re.search(expected, found[0]), found


def test_a_decoder_that_takes_minutes_is_not_tried():
    assert report(decode=lambda self: None, decodes_slowly=True) == []


def test_registering_reports_all_at_once_and_keeps_nothing():
    model = type("Mine", (Blocks,), {"sample_rate": 0, "channels": 3})()
    with pytest.raises(
        TypeError, match=r"Mine is no Encoder: sample_rate is 0: .*; channels is 3: .*\(see encoders/base"
    ):
        register_encoder(model)
    assert "blocks" not in list_encoders().index


class Unhashed(Blocks):
    """As somebody writes it who knows nothing of stores."""

    def __init__(self, gain=1.0):
        self.gain = gain

    def __getattribute__(self, name):
        if name == "weights_hash" and name not in super().__getattribute__("__dict__"):
            raise AttributeError(name)
        return super().__getattribute__(name)

    def encode(self, audio):
        return self.gain * super().encode(audio)


def test_an_encoder_without_a_hash_is_given_one_that_follows_what_it_does():
    hashes = []
    for gain in (1.0, 1.0, 1.001):
        model = Unhashed(gain)
        assert not hasattr(model, "weights_hash") and check_encoder(model) == []
        register_encoder(model)
        hashes.append(model.weights_hash)
    assert hashes[0] == hashes[1] != hashes[2] and len(hashes[0]) == 64


@pytest.fixture
def other_processor(monkeypatch):
    """Give `Unhashed` the last bits that another processor would."""

    def encode(self, audio):
        return torch.nextafter(self.gain * Blocks.encode(self, audio), torch.tensor(torch.inf))

    return lambda: monkeypatch.setattr(Unhashed, "encode", encode)


def registered_hash(gain=1.0):
    model = Unhashed(gain)
    register_encoder(model)
    return model.weights_hash


def test_another_processor_knows_an_encoder_by_the_same_hash(other_processor):
    here = registered_hash()
    other_processor()
    assert registered_hash() == here != registered_hash(1.01)


def test_a_hash_is_the_same_when_the_cache_is_emptied(own_cache):
    here = registered_hash()
    shutil.rmtree(own_cache)
    assert registered_hash() == here


def test_a_cache_that_cannot_be_written_costs_no_hash(own_cache, monkeypatch):
    here = registered_hash()
    (own_cache / "file").touch()
    monkeypatch.setenv("LATENTFX_CACHE", str(own_cache / "file"))
    with pytest.warns(RuntimeWarning, match="what blocks is known by is not kept .* LATENTFX_CACHE"):
        assert registered_hash() == here


# Torch modules.


def linear_autoencoder(hop=64, dim=8, channels=1, seed=0):
    """Two modules whose weights are an orthonormal basis: what it keeps comes back as it was."""
    basis = torch.linalg.qr(torch.randn(hop, hop, generator=torch.Generator().manual_seed(seed))).Q[:dim, None]
    down = torch.nn.Conv1d(channels, dim, hop, hop, bias=False)
    up = torch.nn.ConvTranspose1d(dim, channels, hop, hop, bias=False)
    down.weight.data = up.weight.data = basis.expand(-1, channels, -1).contiguous()
    return down, up


def test_a_module_becomes_an_encoder_in_one_call(noise):
    down, up = linear_autoencoder()
    mine = ModuleEncoder("mine", down, decoder=up, sample_rate=48_000, channels=1, hop=64, device="cpu")
    assert (mine.dim, mine.frame_rate, mine.frames(1000), mine.frames(1024)) == (8, 750.0, 16, 16)
    register_encoder(mine)
    row = list_encoders().loc["mine"]
    assert row["has_decoder"] and row["present"] and row["dim"] == 8
    clip = noise(1000, doubled=True)
    latents = encode_clips(load_encoder("mine"), [clip])
    assert latents.shape == (1, 8, 16)
    padded = np.pad(clip[0], (0, 24)).reshape(16, 64)
    assert np.allclose(latents[0], down.weight[:, 0].detach().numpy() @ padded.T, atol=1e-6)
    again = encode_clips(mine, [decode_latents(mine, latents[0], 1024)])
    assert np.allclose(again, latents, atol=1e-5)  # a projection


def test_a_module_without_a_decoder_has_none():
    mine = ModuleEncoder("mine", linear_autoencoder()[0], sample_rate=48_000, hop=64, device="cpu")
    register_encoder(mine)
    assert not list_encoders().loc["mine", "has_decoder"]


def test_a_module_of_one_vector_a_clip():
    module = torch.nn.Sequential(torch.nn.AdaptiveMaxPool1d(5), torch.nn.Flatten())
    mine = ModuleEncoder("pooled", module, sample_rate=8000, channels=2, hop=None, device="cpu")
    assert (mine.dim, mine.frame_rate, mine.frames(9), mine.frames(90_000)) == (10, None, 1, 1)
    assert mine.encode(torch.rand(3, 2, 500)).shape == (3, 10, 1)
    assert check_encoder(mine) == []


@pytest.mark.parametrize("hop", [32, 100, None])
def test_a_hop_that_is_not_the_modules_is_refused(hop):
    with pytest.raises(ValueError, match="mine's module gives shape .*give its own hop"):
        ModuleEncoder("mine", linear_autoencoder()[0], sample_rate=48_000, hop=hop, device="cpu")


def test_the_hash_follows_the_weights_and_the_architecture():
    def hashed(down, up=None):
        return ModuleEncoder("m", down, decoder=up, sample_rate=48_000, hop=64, device="cpu").weights_hash

    down, up = linear_autoencoder()
    assert hashed(down) == hashed(linear_autoencoder()[0])
    others = hashed(linear_autoencoder(seed=1)[0]), hashed(down, up), hashed(torch.nn.Sequential(down, torch.nn.Tanh()))
    assert len({hashed(down), *others}) == 4


class Filtered(torch.nn.Module):
    """A module with a computed buffer, a count of whole numbers and a weight that is weaker than others."""

    def __init__(self, buffer, count=3, weak=1e-5):
        super().__init__()
        self.down = linear_autoencoder()[0]
        self.register_buffer("filters", buffer)
        self.register_buffer("count", torch.tensor(count))
        self.register_buffer("mask", torch.full((4, 4), -torch.inf).triu(1))
        self.weak = torch.nn.Parameter(torch.tensor([weak]))

    def forward(self, audio):
        return self.down(audio)


def test_a_module_keeps_its_hash_where_its_weights_were_computed_elsewhere():
    def hashed(buffer, **options):
        module = Filtered(buffer, **options)
        return ModuleEncoder("m", module, sample_rate=48_000, hop=64, device="cpu").weights_hash

    filters = torch.rand(64, 513, generator=torch.Generator().manual_seed(0))
    here = hashed(filters)
    assert hashed(torch.nextafter(filters, torch.tensor(torch.inf))) == here
    one = filters.clone()
    one[5, 100] += 0.1
    others = hashed(1.01 * filters), hashed(one), hashed(filters, count=4), hashed(filters, weak=1.01e-5)
    assert len({here, *others}) == 5


def test_a_registered_module_appears_in_every_dropdown():
    register_encoder(ModuleEncoder("mine", linear_autoencoder()[0], sample_rate=48_000, hop=64, device="cpu"))
    panel = lfx.pages.LatentImages(encoder="mine")
    assert "mine" in [value for _, value in panel.encoder.options]
    panel.wait(PATIENCE_S)
    assert "did not work" not in panel.status.text
    assert panel.figure.data[3].z.shape == (8, 4096)
