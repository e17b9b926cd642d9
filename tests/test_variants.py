"""Variants of encoders: a layer, latents after k quantisers, sound in chunks; their names, and where these lead."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from traitlets import TraitError

import latentfx_nb as lfx
from latentfx_nb.__main__ import main
from latentfx_nb.encoders import (
    Decoder,
    check_encoder,
    encoder_row,
    list_encoders,
    load_encoder,
    noise_floor,
    register_encoder,
    registry,
    reloading,
    variants,
    weights_hash,
)
from latentfx_nb.encoders.clap import ClapMusic
from latentfx_nb.encoders.dac import Dac44k
from latentfx_nb.encoders.encodec import LEVEL, Encodec24k, Encodec48k, faded
from latentfx_nb.encoders.running import encode_clips, frame_times_s
from latentfx_nb.encoders.vggish import VGGish, patches
from latentfx_nb.pages.controls import several_encoders
from latentfx_nb.paper import CLIP_SAMPLES
from tests.on_pages import ready, said

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
    pytest.mark.usefixtures("no_encoders_kept"),
]

TINY = {
    "encodec-48k": ({"quantizers": 3}, {"chunked": True}, {"quantizers": 2, "chunked": True}),
    "encodec-24k": ({"quantizers": 1}, {"quantizers": 8}),
    "dac-44k": ({"quantizers": 1}, {"quantizers": 2}),
    "clap-music": ({"layer": 1}, {"layer": 2}),
    "vggish": ({"layer": 1}, {"layer": 6}, {"layer": 7}, {"layer": 9}),
    "vggish-paper": ({"layer": 4},),
}
CASES = [(name, options) for name, many in TINY.items() for options in many]


def sound(encoder, seconds=0.7, batch=3, seed=0):
    samples = max(getattr(encoder, "shortest", 1), int(seconds * encoder.sample_rate)) + 37
    level = torch.tensor([0.05, 0.1, 0.2])[:batch, None, None]
    return level * torch.randn(batch, encoder.channels, samples, generator=torch.Generator().manual_seed(seed))


# Names.


@pytest.mark.parametrize(
    ("name", "model", "options"),
    [
        ("lyra-v2", "lyra-v2", {}),
        ("lyra-v2@quantizers=8", "lyra-v2", {"quantizers": 8}),
        ("efficientat-mn04@layer=0", "efficientat-mn04", {"layer": 0}),
        ("encodec-48k@quantizers=4@chunked", "encodec-48k", {"quantizers": 4, "chunked": True}),
    ],
)
def test_a_name_says_what_a_variant_is(name, model, options):
    assert variants.options_of(name) == (model, options)
    assert variants.name_of(model, options) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lyra-v2@depth=8", "after an @ stands one of layer=NUMBER, quantizers=NUMBER, chunked, not 'depth=8'"),
        ("lyra-v2@quantizers=", "not 'quantizers='"),
        ("lyra-v2@quantizers=-1", "not 'quantizers=-1'"),
        ("lyra-v2@", "not ''"),
        ("encodec-48k@chunked=1", "is written 'encodec-48k@chunked'"),
        ("lyra-v2@quantizers=08", "is written 'lyra-v2@quantizers=8'"),
        ("encodec-48k@chunked@quantizers=4", "is written 'encodec-48k@quantizers=4@chunked'"),
        ("lyra-v2@quantizers=8@quantizers=9", "is written 'lyra-v2@quantizers=9'"),
        ("lyra-v2@quantizers=0", "lyra-v2 has no quantizers=0; it has quantizers 1-46"),
        ("lyra-v2@quantizers=47", "lyra-v2 has no quantizers=47; it has quantizers 1-46"),
        ("lyra-v2@layer=3", "lyra-v2 has no layer; it has quantizers 1-46"),
        ("encodec-24k@chunked", "encodec-24k has no chunked; it has quantizers 1-32"),
        ("logmel@layer=1", "logmel has no layer; it has no variants"),
        ("nobody@layer=1", "no encoder is called 'nobody@layer=1'"),
    ],
)
def test_a_name_of_no_variant_says_what_there_is(name, said):
    with pytest.raises(ValueError) as caught:
        load_encoder(name)
    assert said in str(caught.value)
    assert not registry.is_known(name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quantizers": 8.0}, "no quantizers=8.0"),
        ({"quantizers": True}, "no quantizers=True"),
        ({"quantizers": "8"}, "no quantizers='8'"),
        ({"quantizers": 0}, "no quantizers=0"),
        ({"layer": 2}, "no layer"),
    ],
)
def test_other_options_say_what_there_is(options, said):
    with pytest.raises(ValueError, match=f"lyra-v2 has {said}; it has quantizers 1-46"):
        load_encoder("lyra-v2", **options)


def test_an_option_is_not_said_twice():
    with pytest.raises(ValueError, match="lyra-v2@quantizers=8 says its quantizers already: leave quantizers=4 out"):
        load_encoder("lyra-v2@quantizers=8", quantizers=4)


def test_names_can_be_those_of_files_and_of_addresses():
    every = [variants.name_of(name, options) for name, options in CASES]
    assert not set("".join(every)) & set('<>:"/\\|?*&#%+,; ')


def test_the_list_says_what_can_be_varied():
    listed = list_encoders()["variants"]
    assert listed["encodec-48k"] == "quantizers 1-16, chunked"
    assert (listed["lyra-v2"], listed["vggish"], listed["logmel"]) == ("quantizers 1-46", "layer 1-9", "")


# What every variant keeps.


@pytest.fixture(params=CASES, ids=lambda case: variants.name_of(*case))
def case(request, tiny_models):
    name, options = request.param
    return name, options, load_encoder(name, "cpu", tiny_models(name), **options)


def test_a_variant_keeps_the_contracts_and_has_a_name_and_a_hash_of_its_own(case, tiny_models):
    name, options, encoder = case
    assert check_encoder(encoder) == []
    plain = load_encoder(name, "cpu", tiny_models(name))
    assert encoder.name == variants.name_of(name, options) and plain.name == name
    assert encoder.weights_hash != plain.weights_hash and len(encoder.weights_hash) == 64
    assert load_encoder(encoder.name, "cpu", tiny_models(name)) is encoder
    batch = sound(encoder, 1.2)
    together = encoder.encode(batch)
    assert torch.equal(together, encoder.encode(batch))
    alone = torch.cat([encoder.encode(one) for one in batch.split(1)])
    assert torch.allclose(together, alone, rtol=1e-5, atol=1e-5 * float(alone.abs().max()))
    other = plain.encode(batch)
    assert other.shape != together.shape or not torch.allclose(other, together, atol=1e-3)


@pytest.mark.parametrize("seconds", [0.1, 1.0, 1.98, CLIP_SAMPLES / 48_000])
def test_frames_as_declared(case, seconds):
    *_, encoder = case
    batch = sound(encoder, seconds, 1)
    assert encoder.encode(batch).shape == (1, encoder.dim, encoder.frames(batch.shape[-1]))


def test_another_process_gets_the_same_variant(case, tiny_models, own_cache, monkeypatch):
    name, _, encoder = case
    folder = tiny_models(name)
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(own_cache))
    family = "vggish" if name.startswith("vggish") else name
    (own_cache / family).symlink_to(folder)
    registry.load_built_in.cache_clear()
    again = pickle.loads(pickle.dumps(reloading(encoder)))()
    assert (again.name, again.weights_hash) == (encoder.name, encoder.weights_hash) and again is not encoder
    assert load_encoder(name, "cpu").name == name


@pytest.mark.parametrize("name", ["efficientat-mn04@layer=0", "efficientat-mn04@layer=5", "yamnet@layer=4"])
def test_layers_of_published_classifiers_keep_the_contracts(name, published_weights):
    family = name.partition("@")[0].partition("-")[0]
    encoder = load_encoder(name, "cpu", published_weights(family))
    assert check_encoder(encoder) == []
    assert encoder.name == name and encoder.weights_hash == weights_hash(name) != weights_hash(name.partition("@")[0])


def test_frames_are_where_the_classifiers_hear_them(published_weights):
    mn04 = load_encoder("efficientat-mn04@layer=5", "cpu", published_weights("efficientat"))
    assert np.allclose(frame_times_s(mn04, 3), [0, 0.08, 0.16])
    yamnet = load_encoder("yamnet", "cpu", published_weights("yamnet"))
    assert np.allclose(frame_times_s(yamnet, 2), [0.4875, 0.9675])


def test_a_network_with_fewer_says_so(tiny_models):
    for name, option, most in (
        ("dac-44k", "quantizers", 2),
        ("clap-music", "layer", 2),
    ):
        with pytest.raises(ValueError, match=rf"{name}@{option}={most + 1} that can be used .*it has {most} {option}"):
            load_encoder(name, "cpu", tiny_models(name), **{option: most + 1})


def test_a_class_that_is_built_by_hand_is_named_too(tiny_folder):
    assert Encodec24k("cpu", tiny_folder("encodec-24k"), quantizers=2).name == "encodec-24k@quantizers=2"
    with pytest.raises(ValueError, match="encodec-24k has no layer"):
        Encodec24k("cpu", tiny_folder("encodec-24k"), layer=2)


# Against the libraries.


@pytest.mark.parametrize("quantizers", [1, 2, 4])
def test_encodecs_depths_are_its_own_codes_decoded(tiny_folder, quantizers):
    from transformers import EncodecModel

    encoder = Encodec48k("cpu", tiny_folder("encodec-48k"), quantizers=quantizers)
    model = EncodecModel.from_pretrained(tiny_folder("encodec-48k")).eval()
    x = sound(encoder)
    x = x / (x.mean(1, keepdim=True).square().mean(-1, keepdim=True).sqrt() + 1e-8)
    with torch.no_grad():
        codes = model.quantizer.encode(model.encoder(x))[:quantizers]
        expected = model.quantizer.decode(codes)
    assert torch.allclose(encoder.encode(sound(encoder)), expected, atol=1e-5)
    assert len(codes.unique()) > 1


def test_dacs_depths_are_its_own_codes_decoded(tiny_folder):
    from transformers import DacModel

    encoder, model = (
        Dac44k("cpu", tiny_folder("dac-44k"), quantizers=1),
        DacModel.from_pretrained(tiny_folder("dac-44k")),
    )
    x = sound(encoder)
    with torch.no_grad():
        codes = model.eval().encode(x, n_quantizers=1).audio_codes
        expected = model.quantizer.from_codes(codes)[0]
    assert codes.shape[1] == 1 and len(codes.unique()) > 1
    assert torch.allclose(encoder.encode(x), expected, atol=1e-5)


@pytest.mark.parametrize("samples", [48_000, 2 * 47_520 + 480, CLIP_SAMPLES])
def test_encodecs_chunks_are_the_librarys(tiny_folder, samples):
    """Its codes of one chunk after the other, decoded and faded together; sound comes back at its chunks' levels."""
    from transformers import EncodecModel

    encoder = Encodec48k("cpu", tiny_folder("encodec-48k"), quantizers=10, chunked=True)
    model = EncodecModel.from_pretrained(tiny_folder("encodec-48k")).eval()
    x = 0.1 * torch.randn(1, 2, samples, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        coded = model.encode(x, bandwidth=3.0)
        latents = [model.quantizer.decode(codes.transpose(0, 1)) for codes in coded.audio_codes]
        expected = torch.cat(latents, -1)[..., : encoder.frames(samples)]
        level = [torch.full_like(scale, LEVEL) for scale in coded.audio_scales]
        decoded = model.decode(coded.audio_codes, level, last_frame_pad_length=coded.last_frame_pad_length).audio_values
    ours = encoder.encode(x)
    assert torch.allclose(ours, expected, atol=1e-4)
    back = encoder.decode(ours)
    assert back.shape == decoded.shape and torch.allclose(back, decoded, atol=1e-5)


def test_chunks_have_the_rate_that_their_frames_have(tiny_folder):
    encoder = Encodec48k("cpu", tiny_folder("encodec-48k"), chunked=True)
    assert encoder.frame_rate == pytest.approx(150 / 0.99) and encoder.frames(CLIP_SAMPLES) == 827
    times = frame_times_s(encoder, 827)
    assert times[-1] == pytest.approx(CLIP_SAMPLES / 48_000, abs=0.02)


def test_each_second_is_divided_by_its_own_level(tiny_folder):
    encoder = Encodec48k("cpu", tiny_folder("encodec-48k"), chunked=True)
    x = sound(encoder, 2, 1)
    softer = x.clone()
    softer[..., 48_000:] /= 10
    whole = Encodec48k("cpu", tiny_folder("encodec-48k"))
    assert torch.allclose(encoder.encode(x)[..., :150], encoder.encode(softer)[..., :150], atol=1e-4)
    assert not torch.allclose(whole.encode(x)[..., :100], whole.encode(softer)[..., :100], atol=1e-2)


def test_sounds_that_overlap_are_faded_into_one_another():
    found = faded([torch.ones(1, 1, 10), torch.zeros(1, 1, 10), torch.ones(1, 1, 3)], 8)[0, 0]
    assert found.shape == (19,)
    assert torch.allclose(found[8:10], torch.tensor([2 / 3, 1 / 3]))
    assert (found[:8] == 1).all() and (found[10:16] == 0).all() and found[18] == 1


def test_vggishs_layers_are_its_networks(tiny_models):
    folder = tiny_models("vggish")
    plain = VGGish("cpu", folder, postprocess=False)
    x = sound(plain, 2.0, 1)
    assert torch.allclose(VGGish("cpu", folder, layer=9).encode(x), plain.encode(x), atol=1e-6)
    network = plain._network
    heard = patches(x[0, 0])
    third = torch.relu(network.features[6](network.features[:6](heard)))
    assert torch.allclose(VGGish("cpu", folder, layer=3).encode(x)[0], third.mean((2, 3)).T, atol=1e-5)
    first = VGGish("cpu", folder, layer=7)
    flat = network.features(heard).permute(0, 2, 3, 1).flatten(1)
    assert torch.allclose(first.encode(x)[0], torch.relu(network.embeddings[0](flat)).T, atol=1e-5)
    assert [VGGish("cpu", folder, layer=n).dim for n in range(1, 10)] == [4, 6, 8, 8, 10, 10, 32, 24, 128]


def test_claps_layers_are_the_means_of_its_stages(tiny_folder):
    from transformers import ClapFeatureExtractor, ClapModel

    folder = tiny_folder("clap-music")
    encoder, model = ClapMusic("cpu", folder, layer=1), ClapModel.from_pretrained(folder).eval()
    x = sound(encoder)
    heard = ClapFeatureExtractor.from_pretrained(folder)(
        list(x[:, 0].numpy()), sampling_rate=48_000, return_tensors="pt"
    )
    stages = []
    for stage in model.audio_model.audio_encoder.layers:
        stage.register_forward_hook(lambda _module, _inputs, given: stages.append(given[0]))
    with torch.no_grad():
        model.get_audio_features(input_features=heard["input_features"].float())
    for layer, given in enumerate(stages, start=1):
        ours = ClapMusic("cpu", folder, layer=layer)
        assert ours.frame_rate is None and ours.dim == given.shape[-1]
        assert torch.allclose(ours.encode(x)[..., 0], given.mean(1), atol=1e-5)


# Lyra, with its published weights.


def test_lyras_depths_come_nearer_and_are_decodable(real_clips, lyra_weights):
    plain, clip = load_encoder("lyra-v2"), [real_clips[1]]
    before = encode_clips(plain, clip)[0]
    errors = []
    for depth in (1, 8, 46):
        encoder = load_encoder("lyra-v2", quantizers=depth)
        assert encoder.name == f"lyra-v2@quantizers={depth}" and isinstance(encoder, Decoder)
        latents = encode_clips(encoder, clip)[0]
        assert len(np.unique(latents, axis=1).T) <= 16**depth
        errors.append(np.linalg.norm(latents - before) / np.linalg.norm(before))
        back = encoder.decode(torch.from_numpy(latents[None]), seed=0)
        assert back.shape == (1, 1, 273 * 320) and back.isfinite().all() and back.any()
    assert 0.8 > errors[0] > errors[1] > errors[2] > 0.1


def test_lyras_depths_keep_the_contracts(lyra_weights):
    encoder = load_encoder("lyra-v2@quantizers=8")
    assert check_encoder(encoder) == []
    assert encoder.weights_hash == weights_hash("lyra-v2@quantizers=8") != load_encoder("lyra-v2").weights_hash
    again = pickle.loads(pickle.dumps(reloading(encoder)))()
    assert again.name == encoder.name


def test_the_quantiser_is_not_needed_without_it(lyra_weights, tmp_path):
    for name in ("soundstream_encoder.tflite", "lyragan.tflite"):
        (tmp_path / name).symlink_to(lyra_weights / name)
    assert load_encoder("lyra-v2", weights=tmp_path).name == "lyra-v2"
    with pytest.raises(FileNotFoundError, match=r"does not hold all of quantizer\.tflite"):
        load_encoder("lyra-v2", weights=tmp_path, quantizers=4)


def test_lyras_noise_floor_is_as_it_says(real_clips, lyra_weights):
    encoder = load_encoder("lyra-v2")
    clip = lfx.render(real_clips[1], "CLN")
    exact, rounded = encode_clips(encoder, [clip, (np.round(clip * 32768) / 32768).astype(np.float32)])
    steps = np.diff(np.unique(exact.round(3)))
    assert steps.min() == pytest.approx(0.2635, abs=1e-3)
    assert 0.055 < np.linalg.norm(rounded - exact) / np.linalg.norm(exact) < 0.075
    assert 0.003 < np.linalg.norm((rounded - exact).mean(1)) / np.linalg.norm(exact.mean(1)) < 0.007
    assert "steps of 0.2635" in encoder.noise_floor and "6 to 7 % rms" in encoder.noise_floor


@pytest.mark.parametrize(("name", "low", "high"), [("diffae-mini", 0.12, 0.18), ("stacked-mini-2", 0.025, 0.05)])
def test_noise_floors_of_shipped_models_are_as_they_say(bundled, name, low, high):
    encoder, moved = load_encoder(name, "cpu"), []
    for row in (0, 25, 50):
        clip = lfx.render(bundled[row], "CLN")
        exact, rounded = encode_clips(encoder, [clip, (np.round(clip * 32768) / 32768).astype(np.float32)])
        moved.append(np.linalg.norm((rounded - exact).mean(1)) / np.linalg.norm(exact.mean(1)))
    assert low < np.median(moved) < high
    assert f"{name}'s time average" in noise_floor(name) and noise_floor("logmel") == ""


# Where names lead.


def test_stores_and_the_command_line_take_variants(write_audio, noise, tmp_path, lyra_weights, capsys):
    folder = write_audio(tmp_path / "clips", {f"{n}.wav": noise(CLIP_SAMPLES, seed=n) for n in range(2)})
    clips = lfx.load_clips(folder)
    encoder = load_encoder("lyra-v2@quantizers=2")
    latents = lfx.encode_effects(clips, encoder, ["CLN", "HPF"])
    assert latents.attrs["encoder"] == "lyra-v2@quantizers=2"
    assert "lyra-v2@quantizers=2-effect-" in latents.encoding["source"]
    plain = lfx.encode_effects(clips, load_encoder("lyra-v2"), ["CLN", "HPF"])
    assert plain.encoding["source"] != latents.encoding["source"]
    assert main(["encode", str(folder), "--encoder", "lyra-v2@quantizers=2", "--effects", "CLN", "HPF"]) == 0
    assert latents.encoding["source"] in capsys.readouterr().out
    lfx.exports.write_latents(latents, tmp_path / f"{encoder.name}.nc")
    assert (tmp_path / "lyra-v2@quantizers=2.nc").stat().st_size > 0


def test_a_row_of_the_list_stands_for_a_variant(tiny_models, own_cache, monkeypatch):
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(own_cache))
    (own_cache / "vggish").symlink_to(tiny_models("vggish"))
    row = encoder_row("vggish@layer=7")
    assert (row.name, row["dim"], row["has_decoder"]) == ("vggish@layer=7", 32, False)
    assert encoder_row("vggish")["dim"] == 128
    with pytest.raises(ValueError, match="no encoder is called 'nobody'"):
        encoder_row("nobody")


def test_a_variants_name_is_not_free(tiny_folder):
    encoder = Encodec24k("cpu", tiny_folder("encodec-24k"), quantizers=2)
    with pytest.raises(ValueError, match="'encodec-24k@quantizers=2' is a built-in encoder"):
        register_encoder(encoder)
    encoder.name = "mine@layer=2"
    register_encoder(encoder)
    assert load_encoder("mine@layer=2") is encoder
    with pytest.raises(ValueError, match="it takes neither weights, bf16 nor variants here"):
        load_encoder("mine@layer=2", quantizers=2)


PAGES = ("LatentImages", "Trajectories", "EffectClusters", "KnobPaths")


@pytest.mark.parametrize("name", ["lyra-v2@quantizers=8", "efficientat-mn04@layer=5"])
@pytest.mark.parametrize("page", PAGES)
def test_pages_take_variants(page, name, few, warm_cache, published_weights):
    published_weights("lyra" if name.startswith("lyra") else "efficientat")
    panel = ready(getattr(lfx.pages, page)(few, encoder=name))
    assert said(panel) == ""
    assert panel.encoder.value == name and panel.encoder.options[-1] == (name, name)
    assert panel.shown.choice.encoder == name
    floor = "steps of 0.2635" in "".join(html.value for html in panel.html.values())
    assert floor == (page == "KnobPaths" and name.startswith("lyra"))
    panel.encoder.value = "logmel"
    assert ready(panel).shown.choice.encoder == "logmel"


def test_a_variant_that_is_not_there_is_not_offered(bundled):
    panel = ready(lfx.pages.LatentImages(bundled[:1], encoder="logmel"))
    for name in ("lyra-v2@quantizers=47", "logmel@layer=1", "nobody@layer=1"):
        with pytest.raises(TraitError, match=f"'{name}' is not offered"):
            panel.encoder.value = name
    several = several_encoders(("lyra-v2@quantizers=2", "logmel", "lyra-v2@quantizers=4"))
    assert several.value == ("lyra-v2@quantizers=2", "logmel", "lyra-v2@quantizers=4")
    assert several.details["lyra-v2@quantizers=2"] == "a variant of lyra-v2"
