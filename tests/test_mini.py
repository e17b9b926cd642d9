"""The shipped autoencoders: what the transform under them is, and what the trained models do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.encoders import list_encoders, load_encoder, registry
from latentfx_nb.encoders.mini import DIFFAE, STACKED, DiffAEMini, StackedMini1, StackedMini2
from latentfx_nb.encoders.nets.diffusion import MARGIN, DiffusionAutoencoder, Levels, band_means, turn
from latentfx_nb.encoders.nets.feedforward import FeedForwardAutoencoder
from latentfx_nb.encoders.nets.mdct import MDCT, DenseDCT, FastDCT
from latentfx_nb.encoders.nets.parts import Layout, Spectrum
from latentfx_nb.encoders.running import decode_latents, encode_clips
from latentfx_nb.encoders.sources.weights import SHIPPED
from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound.audio import is_doubled
from tools import measures

SHAPES = {
    "diffae-mini": (64, 2048),
    "stacked-mini-1": (32, 8192),
    "stacked-mini-1-encoder": (32, 8192),
    "stacked-mini-2": (32, 512),
}

TINY = Layout(2, 16, 4, 4, width=8, blocks=1, slow_width=8, slow_blocks=1, bands=8, decoder_width=8, decoder_blocks=1)


@pytest.fixture(autouse=True)
def forget_loaded_encoders():
    registry.load_built_in.cache_clear()
    yield
    registry.load_built_in.cache_clear()


@pytest.fixture(scope="module")
def clip():
    return encoders_clip(0)


def encoders_clip(row):
    from latentfx_nb.sound.audio import normalise
    from latentfx_nb.sound.clips import load_clips

    return normalise(load_clips("bundled")[row], 48_000)


COMPILER = """
import sys
from latentfx_nb.encoders import load_encoder

load_encoder(sys.argv[1])
there = {"torch._dynamo", "sympy"} & set(sys.modules)
assert not there, f"loading it took torch's compiler, over a second and 110 MB: {sorted(there)}"
"""


@pytest.mark.parametrize("name", SHAPES)
def test_loading_does_not_make_torch_import_its_compiler(name):
    subprocess.run([sys.executable, "-c", COMPILER, name], check=True)


# The transform.


@pytest.mark.parametrize(("hop", "frames"), [(128, 1), (128, 2), (32, 50), (16, 7), (512, 3)])
def test_the_transform_has_a_frame_a_hop_and_is_orthonormal(hop, frames):
    transform, signal = MDCT(hop), torch.randn(2, 3, hop * frames, generator=torch.Generator().manual_seed(0))
    coefficients = transform(signal)
    assert coefficients.shape == (2, 3, hop, frames)
    assert float((transform.inverse(coefficients) - signal).abs().max()) < 1e-5
    assert float(coefficients.square().sum()) == pytest.approx(float(signal.square().sum()), rel=1e-5)


@pytest.mark.parametrize("hop", [32, 512])
def test_inside_the_clip_the_transform_is_the_mdct(hop):
    """Princen and Bradley's: a sine window over two hops and cos((n + 1/2 + N/2)(k + 1/2) pi / N), up to sign."""
    generator = np.random.default_rng(0)
    signal = generator.standard_normal(hop * 8)
    ours = MDCT(hop)(torch.from_numpy(signal.astype(np.float32))[None, None])[0, 0].numpy()
    n, k = np.arange(2 * hop), np.arange(hop)
    basis = (
        np.sin(np.pi * (n + 0.5) / (2 * hop))
        * np.sqrt(2 / hop)
        * np.cos(np.pi / hop * np.outer(k + 0.5, n + 0.5 + hop / 2))
    )
    for frame in range(1, 7):
        start = frame * hop - hop // 2
        theirs = basis @ signal[start : start + 2 * hop][::-1]  # even on the left and odd on the right, as DCT-IV is
        assert np.abs(np.abs(ours[:, frame]) - np.abs(theirs)).max() < 1e-5


def test_the_fast_cosines_are_the_dense_ones():
    """Within the rounding of float32, in half precision and through gradients too."""
    x = torch.randn(2, 5, 256, generator=torch.Generator().manual_seed(0)).requires_grad_()
    fast, dense = FastDCT(256)(x), DenseDCT(256)(x)
    assert torch.allclose(fast, dense, atol=1e-5)
    assert FastDCT(256)(x.bfloat16()).dtype == torch.float32
    wanted = torch.randn(2, 5, 256, generator=torch.Generator().manual_seed(1))
    slopes = [torch.autograd.grad((y * wanted).sum(), x)[0] for y in (fast, dense)]
    assert torch.allclose(*slopes, atol=1e-5)


def test_a_sine_stays_in_its_bins(tone):
    power = MDCT(128)(torch.from_numpy(tone(3000.0, 128 * 100)[None]))[0, 0].square().mean(-1)
    near = power[14:18].sum()  # bins of 187.5 Hz: 3 kHz lies between the 15th and the 16th
    assert float(near / power.sum()) > 0.99


def test_companding_and_mid_side_come_back():
    spectrum = Spectrum(Layout(2, 128, 32))
    spectrum.scale.uniform_(0.01, 1, generator=torch.Generator().manual_seed(0))
    signal = torch.randn(1, 2, 128 * 10, generator=torch.Generator().manual_seed(1))
    coefficients = spectrum(signal)
    assert torch.allclose(spectrum.expand(spectrum.compand(coefficients)), coefficients, rtol=1e-4, atol=1e-6)
    assert torch.allclose(spectrum.inverse(coefficients), signal, atol=1e-5)
    doubled = spectrum(signal[:, :1].expand(-1, 2, -1))
    assert float(doubled[:, 128:].abs().max()) == 0  # equal channels have no side


@pytest.mark.parametrize("count, bins", [(64, 512), (16, 64), (24, 1024)])
def test_bands_are_averages_of_neighbouring_bins_and_leave_none_out(count, bins):
    bands = band_means(count, bins)
    assert torch.allclose(bands.sum(1), torch.ones(count))
    assert ((bands > 0).sum(0) == 1).all()
    widths = (bands > 0).sum(1)
    assert (widths[1:-1].diff() >= -1).all() and widths[-1] > 1


def test_the_level_of_a_steady_tone_does_not_flicker(tone):
    """A squared coefficient alone swings with the phase at which its frame meets the tone."""
    sound = torch.from_numpy(tone(1010.0, 512 * 100)[None])
    alone = torch.log10(MDCT(512)(sound)[0, 0, :, 2:-2].square() + 1e-10) / 2  # in units of two decades, as levels are
    levels = Levels(Layout(2, 128, 24, 40))(sound)[0, :64, 2:-2]
    flicker, flicker_alone = (float(x[x.mean(-1).argmax()].std()) for x in (levels, alone))
    assert flicker < 0.1 and flicker < flicker_alone / 2


def test_slow_dims_hear_levels_alone(noise):
    """A waveform turned upside down has the same levels: slow dims cannot follow the waveform."""
    torch.manual_seed(0)
    model = DiffusionAutoencoder(TINY).eval()
    sound = torch.from_numpy(noise(16 * 64)[None])
    with torch.no_grad():
        one, other = model.encode(sound), model.encode(-sound)
    assert torch.equal(one[:, 4:], other[:, 4:])
    assert float((one[:, :4] - other[:, :4]).abs().max()) > 0.01


# Doubled mono, whose side is not computed.


def both_channels(network, signal):
    """Latents of `signal [batch 2 sample]` by mid and side alike, as networks are trained."""
    if isinstance(network, DiffusionAutoencoder):
        return torch.tanh(network.encoder(network.spectrum.compand(network.spectrum(signal)), network.levels(signal)))
    mid, side = (network.spectrum(signal) / network.spectrum.scale).chunk(2, 1)
    return torch.cat([network.mid.encode(mid), network.side.encode(side)], 1)


@pytest.fixture
def mixed(noise):
    """Clips of both kinds, and one whose channels differ in a single sample; doubled ones are the first and third."""
    sounds = [noise(16 * 64, 2, seed=seed, doubled=seed in (0, 2, 4)) for seed in range(5)]
    sounds[4][1, 500] += 1e-3
    return torch.from_numpy(np.stack(sounds))


@pytest.fixture(params=[DiffusionAutoencoder, FeedForwardAutoencoder])
def tiny(request):
    torch.manual_seed(0)
    return request.param(replace(TINY, side=1)).eval()


def test_a_mixed_batch_is_what_mid_and_side_alike_give(tiny, mixed):
    found, expected = tiny.encode(mixed), both_channels(tiny, mixed)
    assert found.shape == expected.shape and torch.allclose(found, expected, atol=1e-6)
    assert torch.equal(found, tiny.encode(mixed))
    for row in range(len(mixed)):
        assert torch.allclose(tiny.encode(mixed[row : row + 1])[0], found[row], atol=1e-6)
    assert torch.allclose(tiny.encode(mixed[[0, 2]]), found[[0, 2]], atol=1e-6)


def test_gradients_are_those_of_mid_and_side_alike(tiny, mixed):
    wanted = torch.randn(tiny.encode(mixed).shape, generator=torch.Generator().manual_seed(2))
    slopes = []
    for latents in (tiny.encode(mixed), both_channels(tiny, mixed)):
        tiny.zero_grad()
        (latents * wanted).sum().backward()
        slopes.append({name: weight.grad for name, weight in tiny.named_parameters() if weight.grad is not None})
    assert slopes[0].keys() == slopes[1].keys() and any(slope.abs().max() > 0.1 for slope in slopes[0].values())
    for name, slope in slopes[0].items():
        assert torch.allclose(slope, slopes[1][name], rtol=1e-4, atol=1e-5 * float(slope.abs().max())), name


def test_what_is_not_finite_in_one_channel_is_not_taken_for_silence(tiny, mixed):
    mixed[1, 1, 100] = torch.nan
    assert not tiny.encode(mixed)[1].isfinite().all() and tiny.encode(mixed)[[0, 2, 3, 4]].isfinite().all()


@pytest.mark.parametrize("name", SHAPES)
def test_the_shipped_models_lose_nothing_with_the_side(name, clip):
    """Bit for bit in the first stage, which has no bias; within the rounding of float32 in the other."""
    network = load_encoder(name, "cpu")._models[0]
    sound = torch.from_numpy(clip[None, :, : 512 * 64])
    with torch.inference_mode():
        found, expected = network.encode(sound), both_channels(network, sound)
    if isinstance(network, FeedForwardAutoencoder):
        assert torch.equal(found, expected)
    else:
        assert torch.allclose(found, expected, rtol=0, atol=1e-5)


def test_what_lies_beyond_the_ends_of_a_sound_is_continued_as_far_as_it_is_heard(noise):
    """Twice as much of it changes nothing."""
    torch.manual_seed(0)
    model = DiffusionAutoencoder(replace(TINY, blocks=7, slow_blocks=7)).eval()  # reaches 15 and 16 frames
    sound = torch.from_numpy(noise(16 * 64)[None])
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        found = model.encode(sound)
        patch.setattr("latentfx_nb.encoders.nets.diffusion._margin", lambda _network: 64)
        assert torch.allclose(found, model.encode(sound), atol=1e-6)


@pytest.mark.parametrize("name", ["diffae-mini", "stacked-mini-2"])
def test_the_ten_effects_of_a_clip_are_encoded_together_as_alone(name, clip):
    """Reverb makes the one stereo render of them."""
    encoder = load_encoder(name, "cpu")
    renders = [render(clip[:, : 512 * 64], label) for label in EFFECTS]
    assert [label for label, sound in zip(EFFECTS, renders) if not is_doubled(sound)] == ["RVB"]
    together, again = encode_clips(encoder, renders), encode_clips(encoder, renders)
    assert np.array_equal(together, again)
    for render_alone, row in zip(renders, together):
        assert np.allclose(encode_clips(encoder, [render_alone])[0], row, rtol=0, atol=1e-5)


def test_turning_noise_in_and_out():
    signal, noise = torch.randn(2, 4, 5).unbind(0)
    for time in (0.0, 0.3, 1.0):
        noisy, velocity = turn(signal, noise, torch.tensor(time))
        back, minus_noise = turn(noisy, -velocity, torch.tensor(time))
        assert torch.allclose(back, signal, atol=1e-6) and torch.allclose(-minus_noise, noise, atol=1e-6)


def test_a_denoiser_that_knows_the_answer_is_believed(monkeypatch):
    """DDIM with the true velocity ends at the true signal, whatever the noise and the number of steps."""
    model = DiffusionAutoencoder(TINY).eval()
    latents = torch.zeros(1, 8, 12)
    truth = torch.randn(1, 32, 12, generator=torch.Generator().manual_seed(3))
    continued = torch.nn.functional.pad(truth, (MARGIN, MARGIN))

    def velocity(noisy, time, _known):
        angle = time[:, None, None] * torch.pi / 2
        return (angle.cos() * noisy - continued) / angle.sin()

    monkeypatch.setattr(model.denoiser, "forward", velocity)
    padded = torch.nn.functional.pad(latents, (MARGIN, MARGIN))  # latents of zeros are continued by zeros
    predicted = [x[..., MARGIN:-MARGIN] for x in model.predict(padded)]
    for steps in (1, 3, 8):
        drawn = model.sample(latents, 5, steps, 1.0)
        expected = model.spectrum.inverse(model.spectrum.expand(predicted[1] + predicted[2] * truth))
        assert torch.allclose(drawn, expected, atol=1e-4)


# The shipped models.


def test_the_default_encoder_ships():
    table = list_encoders()
    assert table.index[0] == "diffae-mini"
    for name in SHAPES:
        assert table.loc[name, "present"] and table.loc[name, "has_decoder"] and table.loc[name, "size_mb"] > 0
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 25e6


def test_weights_are_half_precision_safetensors_with_their_layout_and_digest():
    names = {*DIFFAE.files, *STACKED.files}
    assert names == {path.name for path in SHIPPED.glob("*.safetensors")}
    for name in names:
        with safe_open(SHIPPED / name, "pt") as file:
            header = file.metadata()
            kinds = {key: file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118 - not a dict
        Layout(**json.loads(header["layout"]))
        assert {kind for key, kind in kinds.items() if "scale" not in key} == {torch.float16}


@pytest.mark.parametrize("name", SHAPES)
def test_latents_have_the_papers_shapes_and_stay_in_range(name, clip):
    latents = encode_clips(load_encoder(name, "cpu"), [clip])
    assert latents.shape == (1, *SHAPES[name])
    if name != "stacked-mini-1":  # a drawn one may overshoot
        assert np.abs(latents).max() <= 1
    still = latents[0].std(axis=-1) == 0
    assert still.mean() == (1 / 4 if name == "stacked-mini-1-encoder" else 0)  # the side's dims of a mono clip
    assert (np.abs(latents) > 0.99).mean() < 0.02


@pytest.mark.parametrize("name", SHAPES)
def test_the_same_seed_gives_the_same_sound(name, clip):
    encoder = load_encoder(name, "cpu")
    latents = torch.from_numpy(encode_clips(encoder, [clip[:, :48_000]]))
    once, again, other = (encoder.decode(latents, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(once, again)
    assert torch.equal(once, other) == (name in ("stacked-mini-1", "stacked-mini-1-encoder"))  # feed-forward decoders
    pair = encoder.decode(torch.cat([latents, latents]), seed=3)
    assert torch.allclose(pair[0], pair[1], atol=1e-5) and torch.allclose(pair[:1], once, atol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_silence_stays_silent(name):
    encoder = load_encoder(name, "cpu")
    silence = np.zeros((2, 48_000), np.float32)
    back = decode_latents(encoder, encode_clips(encoder, [silence])[0], 48_000)
    assert 20 * np.log10(np.abs(back).max() + 1e-12) < -60


def test_the_sampled_first_stage_carries_its_seed(clip):
    short = clip[:, :48_000]
    default, same, other = (
        load_encoder("stacked-mini-1", "cpu"),
        StackedMini1("cpu", seed=0),
        StackedMini1("cpu", seed=1),
    )
    assert (default.seed, other.seed) == (0, 1)
    assert default.weights_hash == same.weights_hash == StackedMini1.weights_hash != other.weights_hash
    assert np.array_equal(encode_clips(default, [short]), encode_clips(same, [short]))
    assert not np.array_equal(encode_clips(default, [short]), encode_clips(other, [short]))


def test_stacked_decodes_through_its_first_stage(clip):
    """Stage 2 decoded is what stage 1, drawn from it with the same seed, decodes to."""
    first, second = load_encoder("stacked-mini-1", "cpu"), load_encoder("stacked-mini-2", "cpu")
    short = clip[:, : 512 * 64]
    through_first = decode_latents(first, encode_clips(first, [short])[0], short.shape[-1])
    at_once = decode_latents(second, encode_clips(second, [short])[0], short.shape[-1], seed=first.seed)
    assert np.abs(through_first - at_once).max() < 1e-4


def test_a_clip_comes_back(clip):
    """Looser than the card's figures, which are measured on real recordings."""
    encoder = load_encoder("diffae-mini", "cpu")
    latents = encode_clips(encoder, [clip])[0]
    back = decode_latents(encoder, latents.astype(np.float16), CLIP_SAMPLES)
    assert measures.si_sdr_db(clip, back) > 8
    assert measures.log_mel_l1(clip, back) < 0.25
    other = encode_clips(encoder, [encoders_clip(40)])[0]
    assert measures.si_sdr_db(clip, decode_latents(encoder, other, CLIP_SAMPLES)) < 0


def test_stacked_is_recognisably_the_same_performance(clip):
    encoder = load_encoder("stacked-mini-2", "cpu")
    back = decode_latents(encoder, encode_clips(encoder, [clip])[0], CLIP_SAMPLES)
    assert measures.chroma_correlation(clip, back) > 0.7
    assert measures.log_mel_l1(clip, back) < 0.5


def test_no_clicks_at_the_ends(clip):
    encoder = load_encoder("diffae-mini", "cpu")
    error = decode_latents(encoder, encode_clips(encoder, [clip])[0], CLIP_SAMPLES) - clip
    ends = np.concatenate([error[:, :256], error[:, -256:]], axis=1)
    assert np.abs(ends).max() <= np.abs(error).max()
    assert np.mean(ends**2) < 10 * np.mean(error**2)


# Weights of one's own, and broken ones.


def test_weights_from_a_folder_of_ones_own(tmp_path, clip):
    shutil.copy(SHIPPED / DIFFAE.files[0], tmp_path)
    own = load_encoder("diffae-mini", "cpu", tmp_path)
    assert own.weights_hash == DiffAEMini.weights_hash  # the same bytes
    assert np.array_equal(
        encode_clips(own, [clip[:, :9600]]), encode_clips(load_encoder("diffae-mini", "cpu"), [clip[:, :9600]])
    )


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not hold stacked-mini-stage-1.safetensors, stacked"):
        load_encoder("stacked-mini-2", "cpu", tmp_path)


@pytest.mark.parametrize("damage", ["cut", "pickle", "other model"])
def test_what_is_no_weights_file_is_refused(tmp_path, damage):
    path = tmp_path / DIFFAE.files[0]
    if damage == "cut":
        path.write_bytes((SHIPPED / DIFFAE.files[0]).read_bytes()[:-1000])
    elif damage == "pickle":
        torch.save({"w": torch.zeros(3)}, path)
    else:
        shutil.copy(SHIPPED / STACKED.files[1], path)
    with pytest.raises(ValueError, match=r"holds no weights that this version can use .* python -m tools.train_mini"):
        load_encoder("diffae-mini", "cpu", tmp_path)


def test_a_changed_shipped_file_is_refused(tmp_path, monkeypatch):
    for path in SHIPPED.iterdir():
        shutil.copy(path, tmp_path)
    changed = tmp_path / STACKED.files[1]
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    monkeypatch.setattr("latentfx_nb.encoders.sources.weights.SHIPPED", tmp_path)
    with pytest.raises(ValueError, match="was changed: its sha256 is .* install the package again"):
        StackedMini2("cpu")
    assert not list_encoders().loc["stacked-mini-2", "present"]
    assert list_encoders().loc["diffae-mini", "present"]
