"""Modules of the HEAR API as encoders: what the API leaves open, and modules that do not keep to it."""

from __future__ import annotations

import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import latentfx_nb as lfx
from latentfx_nb.encoders import (
    HearEncoder,
    check_encoder,
    list_encoders,
    load_encoder,
    register_encoder,
    registry,
    reloading,
)
from latentfx_nb.encoders.running import encode_clips, frame_times_s
from latentfx_nb.paper import CLIP_SAMPLES
from tests import a_hear_module
from tests.speed import PATIENCE_S

NAME = "tests.a_hear_module"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(registry, "REGISTERED", {})


def hear(pooling="timestamps", weights="", **options):
    return HearEncoder(a_hear_module, weights, pooling, device="cpu", **options)


def changed(**parts):
    """The module with other functions."""
    names = ("load_model", "get_timestamp_embeddings", "get_scene_embeddings")
    whole = {name: getattr(a_hear_module, name) for name in names} | {"__name__": "changed"} | parts
    return SimpleNamespace(**{name: part for name, part in whole.items() if part is not None})


def test_timestamps_are_frames():
    encoder = hear()
    assert (encoder.name, encoder.sample_rate, encoder.channels, encoder.dim) == (NAME, 16_000, 1, 24)
    assert encoder.frame_rate == pytest.approx(40) and encoder.frames(87_381) == 219
    assert check_encoder(encoder) == []
    x = 0.1 * torch.randn(3, 1, 16_000, generator=torch.Generator().manual_seed(0))
    latents = encoder.encode(x)
    assert latents.shape == (3, 24, 41) and latents.dtype == torch.float32
    model = a_hear_module.load_model().eval()
    with torch.no_grad():
        expected, _ = a_hear_module.get_timestamp_embeddings(x[:, 0], model)
    assert torch.allclose(latents, expected.transpose(1, 2), atol=1e-6)


def test_a_scene_is_one_vector_a_clip():
    encoder = hear("scene")
    assert (encoder.name, encoder.dim, encoder.frame_rate, encoder.frames(99)) == (f"{NAME}-scene", 48, None, 1)
    assert check_encoder(encoder) == []
    assert encoder.encode(torch.rand(2, 1, 8000)).shape == (2, 48, 1)


def test_the_models_own_timestamps_are_the_frames_coordinate(noise, write_audio, tmp_path):
    encoder = hear()
    clips = lfx.load_clips(write_audio(tmp_path, {"a.wav": noise(CLIP_SAMPLES)}))
    latents = lfx.encode_effects(clips, encoder, ["CLN"])
    assert np.allclose(latents["time_s"].values, np.arange(219) * 0.025)  # the first is 0, not half a frame
    register_encoder(encoder)
    assert lfx.load_encoder(NAME) is encoder and list_encoders().loc[NAME, "dim"] == 24


def late(audio, model):
    embeddings, timestamps = a_hear_module.get_timestamp_embeddings(audio, model)
    return embeddings, (timestamps + 12.5).to(torch.float32).numpy()


def test_a_first_timestamp_of_half_a_window_is_kept():
    encoder = HearEncoder(changed(get_timestamp_embeddings=late), device="cpu")
    assert encoder.first_frame_s == pytest.approx(0.0125)
    assert np.allclose(frame_times_s(encoder, 3), [0.0125, 0.0375, 0.0625])


def test_the_model_is_asked_once_for_each_length():
    asked = []

    def counted(audio, model):
        asked.append(tuple(audio.shape))
        return a_hear_module.get_timestamp_embeddings(audio, model)

    encoder = HearEncoder(changed(get_timestamp_embeddings=counted), device="cpu")
    assert asked == [(1, 87_381)]
    assert [encoder.frames(n) for n in (16_000, 16_000, 87_381)] == [41, 41, 219]
    assert asked == [(1, 87_381), (1, 16_000)]


def test_dropout_and_gradients_are_off_and_other_types_are_cast():
    def integers(audio, model):
        embeddings, timestamps = a_hear_module.get_timestamp_embeddings(audio, model)
        assert not torch.is_grad_enabled() and not model.training
        return (1000 * embeddings).to(torch.int32).numpy(), timestamps.to(torch.int64)

    encoder = HearEncoder(changed(get_timestamp_embeddings=integers), device="cpu")
    latents = encoder.encode(torch.rand(2, 1, 8000))
    assert latents.dtype == torch.float32 and not latents.requires_grad


def test_the_hash_follows_weights_pooling_and_module(tmp_path, monkeypatch):
    torch.save(a_hear_module.Projection(seed=1).state_dict(), tmp_path / "other.pt")
    one, same, scene = hear(), hear(), hear("scene")
    other = hear(weights=tmp_path / "other.pt")
    assert one.weights_hash == same.weights_hash
    elsewhere = HearEncoder(changed(), device="cpu")
    monkeypatch.setattr("latentfx_nb.encoders.hear._version", lambda module: "hear 2.0")
    assert len({found.weights_hash for found in (one, scene, other, elsewhere, hear())}) == 5


def test_another_process_loads_it_by_the_modules_name(tmp_path):
    torch.save(a_hear_module.Projection(seed=1).state_dict(), tmp_path / "other.pt")
    encoder = hear(weights=tmp_path / "other.pt", name="mine")
    again = pickle.loads(pickle.dumps(reloading(encoder)))()
    assert again.name == "mine" and again.weights_hash == encoder.weights_hash
    x = torch.rand(1, 1, 8000)
    assert torch.equal(again.encode(x), encoder.encode(x))
    torch.save(a_hear_module.Projection(seed=2).state_dict(), tmp_path / "other.pt")
    with pytest.raises(ValueError, match="mine has other weights or another version here"):
        pickle.loads(pickle.dumps(encoder))


def test_a_module_that_cannot_be_imported_elsewhere_says_so():
    sent = pickle.dumps(HearEncoder(changed(), device="cpu"))
    with pytest.raises(ImportError, match="changed needs the module 'changed', which cannot be imported here"):
        pickle.loads(sent)


def given(change):
    def get_timestamp_embeddings(audio, model):
        return change(*a_hear_module.get_timestamp_embeddings(audio, model))

    return {"get_timestamp_embeddings": get_timestamp_embeddings}


def model_with(**attributes):
    def load_model(model_file_path=""):
        model = a_hear_module.Projection()
        for name, value in attributes.items():
            setattr(model, name, value)
        return model

    return {"load_model": load_model}


def tensorflow_model(model_file_path=""):
    return type("Module", (), {"__module__": "tensorflow.python.module.module"})()


@pytest.mark.parametrize(
    ("parts", "error", "said"),
    [
        ({"load_model": None}, TypeError, "changed is no module of the HEAR API: it has no function load_model"),
        ({"get_timestamp_embeddings": None}, TypeError, "it has no function get_timestamp_embeddings"),
        ({"load_model": tensorflow_model}, TypeError, "changed's model is of TensorFlow, and models run in torch here"),
        ({"load_model": lambda: 3}, TypeError, "changed's load_model gives int, not a torch.nn.Module"),
        (model_with(sample_rate=None), TypeError, "changed's model has sample_rate None: HEAR wants a whole number"),
        (model_with(timestamp_embedding_size=0), TypeError, "changed's model has timestamp_embedding_size 0"),
        (model_with(sample_rate="16k"), TypeError, "changed's model has sample_rate '16k'"),
        (model_with(timestamp_embedding_size=25), ValueError, r"embeddings \(1, 219, 24\), but .* \(1, 219, 25\)"),
        (given(lambda e, t: (e, t**1.001)), ValueError, r"timestamps are .* ms apart, and frames have to be even"),
        (given(lambda e, t: (e, t * torch.nan)), ValueError, "timestamps are nan to nan ms apart"),
        (given(lambda e, t: (e[:, :-1], t)), ValueError, r"embeddings \(1, 218, 24\), but .* \(1, 219, 24\)"),
        (given(lambda e, t: (e.mean(1, keepdim=True), t[:, :1])), ValueError, "1 timestamps for a clip.*'scene'"),
        (given(lambda e, t: (e, t[0])), ValueError, r"gives timestamps \(219,\) for one sound, not \[1 timestamp\]"),
    ],
)  # fmt: skip
def test_what_is_no_hear_module_says_what_is_wrong(parts, error, said):
    with pytest.raises(error, match=said):
        HearEncoder(changed(**parts), device="cpu")


def test_another_pooling_is_refused():
    with pytest.raises(ValueError, match="pooling is 'mean': give 'timestamps' or 'scene'"):
        hear("mean")


def test_timestamps_that_follow_the_sound_are_refused():
    def get_timestamp_embeddings(audio, model):
        embeddings, timestamps = a_hear_module.get_timestamp_embeddings(audio, model)
        return embeddings, timestamps + float(audio.abs().max())

    encoder = HearEncoder(changed(get_timestamp_embeddings=get_timestamp_embeddings), device="cpu")
    with pytest.raises(ValueError, match="other timestamps for this sound than for silence as long"):
        encoder.encode(torch.rand(1, 1, 8000))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e, t: (e.log(), t), "not finite"),
        (lambda e, t: (e + torch.rand(1), t), "other latents the second time"),
        (lambda e, t: (e - e.mean(0), t), "a clip alone gives other latents than in a batch"),
    ],
)
def test_registering_tries_what_the_api_does_not_promise(change, said):
    encoder = HearEncoder(changed(**given(change)), device="cpu")
    with pytest.raises(TypeError, match=said):
        register_encoder(encoder)


@pytest.mark.parametrize("pooling", ["timestamps", "scene"])
def test_pages_take_it(pooling, bundled, noise):
    encoder = hear(pooling)
    register_encoder(encoder)
    assert np.allclose(encode_clips(encoder, [noise(CLIP_SAMPLES)]).shape[1:], (encoder.dim, encoder.frames(87_381)))
    panel = lfx.pages.LatentImages(bundled[:1], encoder=encoder.name)
    panel.wait(PATIENCE_S)
    assert "did not work" not in panel.status.text
    assert panel.figure.data[3].z.shape == (encoder.dim, encoder.frames(87_381))
    assert load_encoder(encoder.name) is encoder
    assert NAME in sys.modules
