"""`diffae`: the encoder and the decoder against the description of their computation, and what follows from it."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.diffae import DiffAE
from latentfx_nb.encoders.nets.soundstream import SoundStreamDecoder, SoundStreamEncoder
from latentfx_nb.encoders.nets.unet import DiffusionUNet, Downsample, Upsample, crash_times, draw, even_times, sample
from latentfx_nb.paper import CLIP_SAMPLES
from tests import paper_networks
from tests.narrow_checkpoints import ATTENTION, UNET_WIDTHS, save_converted

STRIDES = (4, 4, 2, 2, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_converted("diffae", tmp_path_factory.mktemp("diffae"))


@pytest.fixture(scope="module")
def encoder(folder):
    return DiffAE("cpu", folder)


def sound(samples, batch=2, seed=0):
    return 0.1 * torch.randn(batch, 2, samples, generator=torch.Generator().manual_seed(seed))


def filled(network, seed=0):
    """`network` with random weights, and these."""
    own = network.state_dict()
    weights = paper_networks.random_weights({name: tuple(w.shape) for name, w in own.items()}, seed)
    weights |= {name: w for name, w in own.items() if name.endswith("kernel")}
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False), weights


@pytest.mark.parametrize("samples", [1, 127, 128, 5001, 8192])
def test_latents_are_those_of_the_description(encoder, folder, samples):
    x = sound(samples)
    weights = load_file(folder / "encoder.safetensors")
    expected = torch.tanh(paper_networks.soundstream_encoder(x, weights, STRIDES))
    assert torch.allclose(encoder.encode(x), expected, rtol=0, atol=1e-6)
    assert expected.std() > 0.05


def test_full_size_latents_are_those_of_the_description(tmp_path):
    _, weights = filled(SoundStreamEncoder())
    save_file(weights, tmp_path / "encoder.safetensors")
    x = sound(4000, batch=1)
    expected = torch.tanh(paper_networks.soundstream_encoder(x, weights, STRIDES))
    assert torch.allclose(DiffAE("cpu", tmp_path).encode(x), expected, rtol=0, atol=1e-5)
    assert expected.shape == (1, 64, 32) and expected.std() > 0.05


def test_a_clip_is_64_x_2048(encoder):
    assert encoder.frames(CLIP_SAMPLES) == 2048
    assert encoder.encode(torch.zeros(1, 2, CLIP_SAMPLES)).shape == (1, 64, 2048)
    assert (encoder.name, encoder.sample_rate, encoder.channels, encoder.frame_rate) == ("diffae", 48_000, 2, 375.0)


@pytest.mark.parametrize("frame", [1, 7, 20])
def test_an_impulse_changes_no_earlier_frame(encoder, frame):
    x = sound(128 * 32, batch=1)
    hit = x.clone()
    hit[..., 128 * frame] += 1
    changed = (encoder.encode(x) != encoder.encode(hit))[0].any(0)
    assert not changed[:frame].any()
    assert changed[frame : frame + 2].any()


def test_a_folder_with_other_sizes_declares_them(tmp_path):
    _, weights = filled(SoundStreamEncoder(channels=1, widths=(4, 4, 8), strides=(4, 2), latents=5))
    save_file(weights, tmp_path / "encoder.safetensors")
    encoder = DiffAE("cpu", tmp_path)
    assert (encoder.channels, encoder.dim, encoder.hop, encoder.frame_rate) == (1, 5, 8, 6000.0)
    assert encoder.encode(torch.zeros(1, 1, 100)).shape == (1, 5, encoder.frames(100)) == (1, 5, 13)


def test_latents_follow_the_weights_and_so_does_their_hash(encoder, tmp_path):
    _, weights = filled(SoundStreamEncoder(widths=(4, 6, 8, 8, 12, 8)), seed=5)
    save_file(weights, tmp_path / "encoder.safetensors")
    other = DiffAE("cpu", tmp_path)
    assert other.weights_hash != encoder.weights_hash
    assert not torch.allclose(other.encode(sound(1000)), encoder.encode(sound(1000)), atol=0.01)


def test_bf16_is_near_and_has_a_hash_of_its_own(encoder, folder):
    half = load_encoder("diffae", "cpu", folder, bf16=True)
    exact, near = encoder.encode(sound(8000)), half.encode(sound(8000))
    assert near.dtype == torch.float32 and half.weights_hash != encoder.weights_hash
    assert 0 < (near - exact).norm() / exact.norm() < 0.05


# The U-Net.


@pytest.mark.parametrize("frames", [2, 5, 64])
def test_resampling_is_its_definition(frames):
    x = torch.randn(2, 3, 2 * frames, generator=torch.Generator().manual_seed(0))
    if frames > 2:
        assert torch.allclose(Downsample()(x), paper_networks.downsample(x), atol=1e-6)
    if frames > 2:
        assert torch.allclose(Upsample()(x), paper_networks.upsample(x), atol=1e-6)
    assert Upsample()(torch.randn(1, 1, 2 * frames)).shape == (1, 1, 4 * frames)


def test_resampling_keeps_a_level():
    constant = torch.full((1, 2, 16), 0.7)
    assert torch.allclose(Downsample()(constant), torch.full((1, 2, 8), 0.7), atol=1e-6)
    assert torch.allclose(Upsample()(constant), torch.full((1, 2, 32), 0.7), atol=1e-6)


@pytest.mark.parametrize(
    ("widths", "attends"),
    [((8, 8), ()), ((8, 16, 12), ()), ((32, 32, 64, 32), (3, 4)), ((32, 32, 64), (2, 3))],
)
def test_the_unet_is_its_description(widths, attends):
    depth = len(widths)
    network, weights = filled(DiffusionUNet(2, 6, widths, [level + 1 in attends for level in range(depth)]))
    generator = torch.Generator().manual_seed(1)
    x, latents = torch.randn(2, 2, 64, generator=generator), torch.randn(2, 6, 8, generator=generator)
    times = torch.tensor([0.25, 0.9])
    expected = paper_networks.unet(x, times, latents, weights, depth, attends)
    assert torch.allclose(network(x, times, latents), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(network(x, times.flip(0), latents), expected, rtol=0.01)


def test_diffaes_unet_attends_on_its_six_deepest_levels():
    with torch.device("meta"):
        names = [name for name in DiffusionUNet().state_dict() if name.endswith("qkv_proj.weight")]
    assert len(names) == 36 and min(name.count(".7.") for name in names) == 7  # level 9: seven steps below level 2


@pytest.mark.parametrize("crash", [True, False])
def test_sampling_is_its_description(crash):
    network, weights = filled(DiffusionUNet(2, 6, (8, 8, 16), (False,) * 3))
    noise, latents = torch.randn(2, 2, 32), torch.randn(2, 6, 4)
    times = (crash_times if crash else even_times)(6)
    drawn = sample(network, noise, latents, times, iter)
    expected = paper_networks.ddim(lambda x, t: paper_networks.unet(x, t, latents, weights, 3), noise, 6, crash)
    assert torch.allclose(drawn, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_sampling_with_the_true_velocity_gives_the_signal():
    """Of a data set of one signal, the velocity is known: whatever the steps, DDIM then ends at that signal."""
    signal = torch.randn(1, 2, 32)

    def velocity(x, time, _):
        alpha, sigma = torch.cos(time * torch.pi / 2), torch.sin(time * torch.pi / 2)
        noise = (x - alpha * signal) / sigma
        return alpha * noise - sigma * signal

    for times in (crash_times(7), even_times(3), even_times(1)):
        assert torch.allclose(sample(velocity, torch.randn(1, 2, 32), None, times, iter), signal, atol=1e-4)


def test_schedules_fall_from_1_and_leave_0_out():
    assert even_times(4).tolist() == [1.0, 0.75, 0.5, 0.25]
    warped = crash_times(35)
    assert warped[0] == pytest.approx(1) and (warped.diff() < 0).all() and warped[-1] > 0
    sigma = torch.sin(warped * torch.pi / 2)
    assert torch.allclose(sigma, torch.sin(even_times(35) * torch.pi / 2) ** 2)


# Decoding.


def test_decoding_is_seeded_and_alike_for_each_row(encoder):
    latents = encoder.encode(sound(3000))
    first = encoder.decode(latents, seed=3, steps=2, bar=iter)
    assert first.shape == (2, 2, 3072) and first.isfinite().all()
    assert torch.equal(first, encoder.decode(latents, seed=3, steps=2, bar=iter))
    assert torch.equal(first[1:], encoder.decode(latents[1:], seed=3, steps=2, bar=iter))
    assert not torch.allclose(first, encoder.decode(latents, seed=4, steps=2, bar=iter), atol=0.01)


def test_decoding_is_the_description(encoder, folder):
    latents = encoder.encode(sound(128 * 16, batch=1))
    weights = load_file(folder / "decoder.safetensors")
    noise = torch.randn(2, 128 * 16, generator=torch.Generator().manual_seed(0))[None]
    expected = paper_networks.ddim(
        lambda x, t: paper_networks.unet(x, t, latents, weights, len(UNET_WIDTHS), ATTENTION), noise, 2, crash=True
    )
    decoded = encoder.decode(latents, seed=0, steps=2, bar=iter)
    assert torch.allclose(decoded, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("frames", [1, 3, 16, 33])
def test_lengths_that_the_unet_does_not_take_are_continued_and_cut(frames):
    network, _ = filled(DiffusionUNet(2, 6, (8, 8, 8, 8), (False,) * 4))
    latents = torch.randn(1, 6, frames)
    drawn = draw(network, latents, 4, even_times(1), 0, iter)
    assert drawn.shape == (1, 2, 4 * frames)


def test_the_bar_sees_every_step_and_can_stop_the_work(encoder):
    seen = []

    def bar(steps):
        for step in steps:
            seen.append(step)
            if len(seen) == 3:
                raise KeyboardInterrupt
            yield step

    with pytest.raises(KeyboardInterrupt):
        encoder.decode(torch.zeros(1, 64, 8), steps=5, bar=bar)
    assert len(seen) == 3


def test_on_a_cpu_no_page_starts_the_decoder_by_itself(encoder):
    assert encoder.decodes_slowly


def test_the_decoder_of_stage_1_is_its_description():
    for heads in (False, True):
        network, weights = filled(SoundStreamDecoder(2, (8, 16, 12), (4, 2), 6, heads))
        latents = torch.randn(2, 6, 40, generator=torch.Generator().manual_seed(0))
        expected = paper_networks.soundstream_decoder(latents, weights, (4, 2))
        assert expected.shape == (2, 2, 320) and expected.std() > 0.01
        assert torch.allclose(network(latents), expected, rtol=0, atol=1e-5)
