"""`stacked-1-encoder`, `stacked-2` and `stacked-1` against the description of their computation."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from latentfx_nb.encoders import stacked
from latentfx_nb.encoders.nets.encoder1d import Encoder1d
from latentfx_nb.encoders.stacked import Stacked1, Stacked1Encoder, Stacked2
from latentfx_nb.paper import CLIP_SAMPLES
from tests import paper_networks
from tests.narrow_checkpoints import BLOCKS, FACTORS, STRIDES_1, save_converted


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_converted("stacked", tmp_path_factory.mktemp("stacked"))


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(stacked, "STEPS", 2)


def sound(samples, batch=2, seed=0):
    return 0.1 * torch.randn(batch, 2, samples, generator=torch.Generator().manual_seed(seed))


def described(folder, x):
    """First and second latents by the description."""
    first = torch.tanh(
        paper_networks.soundstream_encoder(x, load_file(folder / "stage-1-encoder.safetensors"), STRIDES_1)
    )
    second = paper_networks.encoder1d(first, load_file(folder / "stage-2-encoder.safetensors"), FACTORS, BLOCKS)
    return first, torch.tanh(second)


@pytest.mark.parametrize("samples", [1, 511, 4096, 7001])
def test_latents_of_both_stages_are_those_of_the_description(folder, samples):
    x = sound(samples)
    first, second = described(folder, x)
    assert torch.allclose(Stacked1Encoder("cpu", folder).encode(x), first, rtol=0, atol=1e-6)
    assert torch.allclose(Stacked2("cpu", folder).encode(x), second, rtol=0, atol=1e-5)
    assert second.abs().max() > 0.1


@pytest.mark.ci
def test_full_size_encoder1d_is_its_description():
    """In float64: 32 blocks of random weights grow large, and with them what float32 rounds off."""
    network = Encoder1d().double().eval().requires_grad_(False)
    shapes = {name: tuple(w.shape) for name, w in network.state_dict().items()}
    weights = {name: w.double() for name, w in paper_networks.random_weights(shapes).items()}
    network.load_state_dict(weights)
    x = torch.tanh(torch.randn(1, 32, 160, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    expected = paper_networks.encoder1d(x, weights, FACTORS, (8,) * 4)
    assert expected.shape == (1, 32, 10)
    assert torch.allclose(network(x), expected, rtol=1e-9, atol=1e-9)


def test_the_first_norm_has_one_group_and_the_others_eight():
    groups = [module.num_groups for module in Encoder1d().modules() if isinstance(module, torch.nn.GroupNorm)]
    assert groups == [1, 1] + [8] * 64


def test_shapes_of_a_clip(folder):
    for model, dim, frames, rate in ((Stacked1Encoder, 32, 8192, 1500.0), (Stacked2, 32, 512, 93.75)):
        encoder = model("cpu", folder)
        assert (encoder.dim, encoder.frames(CLIP_SAMPLES), encoder.frame_rate) == (dim, frames, rate)
        assert encoder.encode(torch.zeros(1, 2, CLIP_SAMPLES)).shape == (1, dim, frames)


@pytest.mark.parametrize("frame", [3, 50])
def test_an_impulse_changes_no_earlier_frame_of_the_first_stage(folder, frame):
    encoder = Stacked1Encoder("cpu", folder)
    x = sound(32 * 64, batch=1)
    hit = x.clone()
    hit[..., 32 * frame] += 1
    changed = (encoder.encode(x) != encoder.encode(hit))[0].any(0)
    assert not changed[:frame].any() and changed[frame : frame + 2].any()


def test_the_sampled_first_stage_is_drawn_from_the_second(folder, few_steps):
    x = sound(512 * 8, batch=1)
    _, second = described(folder, x)
    weights = load_file(folder / "stage-2-decoder.safetensors")
    noise = torch.randn(32, 128, generator=torch.Generator().manual_seed(7))[None]
    expected = paper_networks.ddim(lambda x, t: paper_networks.unet(x, t, second, weights, 3), noise, 2, crash=False)
    encoder = Stacked1("cpu", folder, seed=7)
    assert encoder.seed == 7 and encoder.hop == 32
    latents = encoder.encode(x)
    assert latents.shape == (1, 32, 128)
    assert torch.allclose(latents, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_seeds_differ_in_latents_and_hash(folder, few_steps):
    one, other = (Stacked1("cpu", folder, seed=seed) for seed in (0, 1))
    assert len({one.weights_hash, other.weights_hash, Stacked2("cpu", folder).weights_hash}) == 3
    assert not torch.allclose(one.encode(sound(5000)), other.encode(sound(5000)), atol=0.01)


def test_decoders(folder, few_steps):
    first, _ = described(folder, sound(4000))
    decoded = Stacked1Encoder("cpu", folder).decode(first)
    weights = load_file(folder / "stage-1-decoder.safetensors")
    assert torch.allclose(decoded, paper_networks.soundstream_decoder(first, weights, STRIDES_1), rtol=0, atol=1e-4)
    second = Stacked2("cpu", folder)
    latents = second.encode(sound(4000))
    drawn = second.decode(latents, seed=1, steps=2, bar=iter)
    assert drawn.shape == (2, 2, 4096) and drawn.isfinite().all()
    assert torch.equal(drawn, second.decode(latents, seed=1, steps=2, bar=iter))
    assert torch.allclose(drawn[:1], second.decode(latents[:1], seed=1, steps=2, bar=iter), atol=1e-4)
    assert second.decodes_slowly and not Stacked1("cpu", folder).decodes_slowly


def test_stages_need_only_their_own_files(folder, tmp_path):
    (tmp_path / "stage-1-encoder.safetensors").write_bytes((folder / "stage-1-encoder.safetensors").read_bytes())
    assert Stacked1Encoder("cpu", tmp_path).encode(sound(500)).shape == (2, 32, 16)
    with pytest.raises(FileNotFoundError, match=r"stage-2-encoder\.safetensors of stacked"):
        Stacked2("cpu", tmp_path)
