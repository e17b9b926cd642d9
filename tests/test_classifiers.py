"""`efficientat-mn04` and `yamnet` with their published weights, against values that the authors' own code gave."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soxr
import torch

from latentfx_nb.encoders import Encoder, list_encoders, load_encoder, registry
from latentfx_nb.encoders.efficientat import EfficientATMn04, Spectra
from latentfx_nb.encoders.nets.mel import audioset_filters, audioset_log_mel, mel_bands
from latentfx_nb.encoders.nets.mobilenet import MobileNetV1, MobileNetV3
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.encoders.yamnet import FILE, STEP, YAMNet
from tests.conftest import SHARED

CLIPS = ("gtr_guitarset_0", "pno_smstools_0")
SAMPLES = 262_080  # of these clips as they are, at 48 kHz
LABELS = {"efficientat": "class_labels_indices.csv", "yamnet": "yamnet_class_map.csv"}


@pytest.fixture(scope="module")
def expected():
    path = SHARED / "reference" / "classifiers-expected.npz"
    if not path.is_file():
        pytest.skip(f"needs the values that the authors' code gave in {path}")
    return np.load(path)


@pytest.fixture(scope="module")
def sound(real_clips):
    """Give a clip as the expected values were made of it: `[1 1 sample]` at `rate`, unpadded, the mean of channels."""
    rows = {clip: row for row, clip in enumerate(real_clips.table["clip"])}

    def give(clip, rate):
        if clip == "silence":
            return torch.zeros(1, 1, rate)
        name = CLIPS[0] if clip == "short" else clip
        mono = real_clips[rows[name]][:, :SAMPLES].mean(axis=0)
        resampled = torch.from_numpy(soxr.resample(mono, 48_000, rate))[None, None]
        return resampled[..., : rate // 4] if clip == "short" else resampled

    return give


@pytest.fixture
def mn04(published_weights):
    return EfficientATMn04("cpu", published_weights("efficientat"))


@pytest.fixture
def yamnet(published_weights):
    return YAMNet("cpu", published_weights("yamnet"))


@pytest.fixture
def mn04_layer(published_weights):
    return lambda layer: EfficientATMn04("cpu", published_weights("efficientat"), layer=layer)


@pytest.fixture
def yamnet_layer(published_weights):
    return lambda layer: YAMNet("cpu", published_weights("yamnet"), layer=layer)


@pytest.fixture(params=["efficientat", "yamnet"])
def encoder(request, published_weights):
    model = {"efficientat": EfficientATMn04, "yamnet": YAMNet}[request.param]
    return model("cpu", published_weights(request.param))


def relative(found, right):
    """Return the norm of the difference as a share of the right answer's."""
    found, right = np.asarray(found, np.float64), np.asarray(right, np.float64)
    assert found.shape == right.shape
    return np.linalg.norm(found - right) / np.linalg.norm(right)


def rows_of(patches):
    """Return overlapping patches `[patch 96 64]` as the spectra `[row 64]` that they were cut from."""
    return torch.cat([patches[:, :STEP].flatten(0, 1), patches[-1, STEP:]])


# What the authors' code gives.


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("rate", [32_000, 16_000])
def test_the_sound_is_the_one_that_was_encoded(expected, sound, clip, rate):
    given, key = sound(clip, rate)[0, 0], f"{clip}/audio_{rate // 1000}k"
    assert np.abs(given[50_000:50_032].numpy() - expected[f"{key}_slice"]).max() < 1e-6
    assert float(given.square().mean().sqrt()) == pytest.approx(float(expected[f"{key}_rms"]), rel=1e-6)


@pytest.mark.parametrize("clip", CLIPS)
def test_mn04_hears_the_published_spectra(expected, sound, clip):
    spectra = Spectra()(sound(clip, 32_000)[0])[0].numpy()
    assert spectra.shape == (128, 546)
    assert np.abs(spectra[:, expected["mn04_mel_column_index"]] - expected[f"{clip}/mn04_mel_columns"]).max() < 3e-4


@pytest.mark.parametrize("clip", [*CLIPS, "silence", "short"])
def test_mn04_gives_the_published_frames(expected, sound, mn04, clip):
    latents = mn04.encode(sound(clip, 32_000))[0]
    assert relative(latents, expected[f"{clip}/mn04_frames"]) < 1e-4
    if clip in CLIPS:
        assert relative(latents.mean(-1), expected[f"{clip}/mn04_vector"]) < 1e-4


@pytest.mark.parametrize("clip", CLIPS)
def test_mn04_gives_the_published_layers(expected, sound, mn04_layer, clip):
    means = [mn04_layer(layer).encode(sound(clip, 32_000))[0].mean(-1) for layer in EfficientATMn04.variants["layer"]]
    assert [len(mean) for mean in means] == expected["mn04_layer_dims"].tolist()
    assert relative(torch.cat(means), expected[f"{clip}/mn04_layer_means"]) < 1e-4


@pytest.mark.parametrize("clip", CLIPS)
def test_yamnet_hears_the_published_spectra(expected, sound, yamnet, clip):
    rows = rows_of(yamnet._patches(sound(clip, 16_000))[0])
    assert rows.shape == (576, 64)
    wanted = expected[f"{clip}/yamnet_log_mel_rows"]
    assert np.abs(rows[expected["yamnet_log_mel_row_index"]].numpy() - wanted).max() < 2e-4


@pytest.mark.parametrize("clip", [*CLIPS, "silence", "short"])
def test_yamnet_gives_the_published_frames(expected, sound, yamnet, clip):
    assert relative(yamnet.encode(sound(clip, 16_000))[0], expected[f"{clip}/yamnet_float_frames"]) < 1e-4


def test_the_audioset_front_end_is_googles(expected):
    """Their own pair of sound and spectra, made with VGGish's offset and of the sound at its full level."""
    sound = torch.from_numpy(expected["coral/audio_int16"].astype(np.float32))
    log_mel = audioset_log_mel(sound / sound.abs().max(), audioset_filters().float(), 0.01)
    assert np.abs(log_mel.numpy() - expected["coral/log_mel_peak_normalised_offset_0.01"]).max() < 2e-5


@pytest.mark.parametrize(("clip", "instrument"), list(zip(CLIPS, ("Guitar", "Piano"), strict=True)))
def test_the_classes_are_those_published(expected, sound, encoder, published_weights, clip, instrument):
    family, key = ("yamnet", "yamnet_float") if encoder.name == "yamnet" else ("efficientat", "mn04")
    scores = encoder.class_scores(sound(clip, encoder.sample_rate))[0].numpy()
    best = np.argsort(-scores)[:5]
    assert best.tolist() == expected[f"{clip}/{key}_top5_index"].tolist()
    assert np.abs(scores[best] - expected[f"{clip}/{key}_top5_score"]).max() < 1e-4
    with (published_weights(family) / LABELS[family]).open(encoding="utf-8") as file:
        labels = [row["display_name"] for row in csv.DictReader(file)]
    assert len(labels) == len(scores)
    assert [labels[number] for number in best] == expected[f"{clip}/{key}_top5_label"].tolist()
    assert labels[best[0]] == "Music"
    if (family, instrument) != ("efficientat", "Piano"):  # mn04 hears this piano as a guitar
        assert instrument in [labels[number] for number in best]


# The published int8 graph, from which YAMNet's weights are.


@pytest.fixture
def graph(published_weights):
    """The int8 graph: of a patch `[96 64]`, give every map that a ReLU6 left, `[27]` of `[time band channel]`."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    model = litert.Interpreter(
        str(published_weights("yamnet") / FILE),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    model.allocate_tensors()
    tensors = model.get_tensor_details()
    maps = [one for one in tensors if "Relu6" in one["name"] and len(one["shape"]) == 4]

    def run(patch):
        model.set_tensor(model.get_input_details()[0]["index"], patch[None])
        model.invoke()
        return [
            (model.get_tensor(one["index"])[0].astype(np.float64) - zero) * scale
            for one in maps
            for scale, zero in [one["quantization"]]
        ]

    return run


def rounded(expected, clip):
    """Return the patches `[patch 96 64]` of a clip as the graph rounds them."""
    rows = (expected[f"{clip}/yamnet_input_int8"].astype(np.float32) - 17) * np.float32(0.04778896)
    return np.stack([rows[start : start + 96] for start in range(0, len(rows) - STEP, STEP)])


@pytest.mark.parametrize("clip", CLIPS)
def test_the_graph_gives_the_published_frames(expected, graph, clip):
    frames = np.stack([graph(patch)[-1].mean((0, 1)) for patch in rounded(expected, clip)], axis=1)
    assert relative(frames, expected[f"{clip}/yamnet_int8_frames"]) < 1e-6


@pytest.mark.parametrize("clip", CLIPS)
def test_each_layer_is_the_graphs_but_for_its_rounding(expected, graph, yamnet, clip):
    patch = rounded(expected, clip)[4]
    rights = graph(patch)
    assert len(rights) == len(yamnet.variants["layer"]) == 27
    for layer, right in zip(yamnet.variants["layer"], rights, strict=True):
        ours = yamnet._network.map(torch.from_numpy(patch)[None, None], layer)[0].permute(1, 2, 0)
        assert relative(ours, right) < (0.03 if layer < 26 else 0.07), layer


# Layers.


@pytest.mark.parametrize(
    ("layer", "dim", "rate"), [(0, 8, 50), (2, 16, 25), (5, 16, 12.5), (12, 48, 6.25), (16, 384, 3.125)]
)
def test_mn04_declares_its_layers(mn04_layer, noise, layer, dim, rate):
    encoder = mn04_layer(layer)
    assert (encoder.name, encoder.dim, encoder.frame_rate) == (f"efficientat-mn04@layer={layer}", dim, rate)
    for samples in (514, 640, 641, 10_241, 32_000):
        latents = encoder.encode(torch.from_numpy(noise(samples, 1)[None]))
        assert latents.shape == (1, dim, encoder.frames(samples)) and latents.isfinite().all()


@pytest.mark.parametrize(("layer", "dim"), [(1, 32), (2, 32), (3, 64), (13, 512), (25, 1024), (27, 1024)])
def test_yamnet_declares_its_layers(yamnet_layer, noise, layer, dim):
    encoder = yamnet_layer(layer)
    assert (encoder.name, encoder.dim, encoder.frame_rate) == (f"yamnet@layer={layer}", dim, 16_000 / 7680)
    latents = encoder.encode(torch.from_numpy(noise(16_000, 1)[None]))
    assert latents.shape == (1, dim, 2) and latents.isfinite().all()


def test_every_layer_has_a_hash_of_its_own(mn04_layer, yamnet_layer):
    for build, layers in ((mn04_layer, (3, 5, 16)), (yamnet_layer, (3, 5, 27))):
        default = build(None)
        hashes = {build(layer).weights_hash for layer in layers} | {default.weights_hash}
        assert len(hashes) == 4 and all(len(one) == 64 for one in hashes)
        assert default.weights_hash == type(default).weights_hash


def test_without_a_layer_the_last_one_is_given(mn04, mn04_layer, yamnet, yamnet_layer, noise):
    sounds = torch.from_numpy(noise(32_000, 1)[None])
    assert torch.equal(mn04.encode(sounds), mn04_layer(16).encode(sounds))
    assert torch.equal(yamnet.encode(sounds), yamnet_layer(27).encode(sounds))


@pytest.mark.parametrize("layer", [-1, 17, 28, 2.5, "5"])
def test_a_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(ValueError, match=f"efficientat-mn04 has no layer={layer!r}; it has layer 0-16"):
        EfficientATMn04("cpu", layer=layer)
    if layer != 17:
        with pytest.raises(ValueError, match=f"yamnet has no layer={layer!r}; it has layer 1-27"):
            YAMNet("cpu", layer=layer)


# What they hear.


def test_a_clip_has_the_published_number_of_frames(encoder, noise):
    samples = {32_000: 174_720, 16_000: 87_360}[encoder.sample_rate]
    wanted = {32_000: (384, 18), 16_000: (1024, 11)}[encoder.sample_rate]
    assert encode_clips(encoder, [noise(SAMPLES)])[0].shape == wanted == (encoder.dim, encoder.frames(samples))


def test_the_level_is_heard_as_the_docstrings_say(encoder, sound):
    x = sound(CLIPS[0], encoder.sample_rate)
    right = encoder.encode(x)[0].mean(-1)
    low, high = (0.095, 0.125) if encoder.sample_rate == 32_000 else (0.055, 0.095)
    for gain in (10 ** (6 / 20), 10 ** (-6 / 20)):
        assert low < relative(encoder.encode(x * gain)[0].mean(-1), right) < high
    assert relative(encoder.encode(x * 10 ** (0.001 / 20))[0].mean(-1), right) < 1e-4


def test_frames_of_mn04_hear_the_whole_clip_and_those_of_yamnet_do_not(mn04, yamnet, sound):
    for encoder, far in ((mn04, True), (yamnet, False)):
        x = sound(CLIPS[0], encoder.sample_rate)
        muted = x.clone()
        muted[..., -3 * encoder.sample_rate // 2 :] = 0
        first = [encoder.encode(one)[0, :, 0] for one in (x, muted)]
        assert relative(first[1], first[0]) > 0.2 if far else relative(first[1], first[0]) < 1e-5


def test_yamnet_encodes_a_long_sound_in_pieces(yamnet, sound):
    x = sound(CLIPS[0], 16_000)
    piece = x[..., 3 * 7680 : 3 * 7680 + 15_600 + 2 * 7680]
    assert relative(yamnet.encode(piece), yamnet.encode(x)[..., 3:6]) < 1e-5


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (15_600, 1), (15_601, 2), (23_280, 2), (23_281, 3)])
def test_yamnet_pads_with_silence_to_whole_patches(yamnet, noise, samples, frames):
    x = torch.from_numpy(noise(samples, 1)[None])
    padded = torch.nn.functional.pad(x, (0, 15_600 + (frames - 1) * 7680 - samples))
    assert yamnet.frames(samples) == frames
    assert torch.equal(yamnet.encode(x), yamnet.encode(padded))


def test_mn04_needs_what_reflecting_takes(mn04, noise):
    assert mn04.encode(torch.from_numpy(noise(514, 1)[None])).shape == (1, 384, 1)
    with pytest.raises(ValueError, match="efficientat-mn04 needs at least 514 samples at 32000 Hz, not 513; pad"):
        mn04.encode(torch.zeros(1, 1, 513))
    with pytest.raises(ValueError, match="yamnet needs at least 1 samples"):
        YAMNet._input(type("Empty", (YAMNet,), {"__init__": lambda self: None})(), torch.zeros(1, 1, 0))


def test_a_click_is_in_the_frame_that_is_centred_on_it(mn04):
    """Frame k of mn04 is centred on 0.32 k s, of YAMNet on 0.48 k s and half a patch."""
    x = torch.zeros(1, 1, 5 * 32_000)
    x[..., int(8 * 0.32 * 32_000)] = 1
    moved = (mn04.encode(x) - mn04.encode(torch.zeros_like(x)))[0].norm(dim=0)
    assert int(moved.argmax()) == 8


def test_silence(mn04, yamnet):
    spectra = Spectra()(torch.zeros(1, 32_000))
    assert torch.allclose(spectra, torch.tensor(-1.40259), atol=1e-5)
    assert [int(mn04.class_scores(torch.zeros(1, 1, samples)).argmax()) for samples in (3200, 320_000)] == [452, 500]
    short, long = (yamnet.encode(torch.zeros(1, 1, samples))[0] for samples in (1, 100_000))
    assert torch.allclose(short, long, atol=1e-6) and float(short.norm()) == pytest.approx(5.34, abs=0.05)
    assert int(yamnet.class_scores(torch.zeros(1, 1, 16_000)).argmax()) == 494


# Front ends and networks from their definitions.


def test_bands_are_triangles_in_mel_without_gaps():
    bands = mel_bands(128, 0, 15_000, 32_000, 1024).numpy()
    mel = 1127 * np.log(1 + np.arange(513) * 31.25 / 700)
    edges = np.linspace(0, 1127 * np.log(1 + 15_000 / 700), 130)
    assert np.allclose(bands, np.array([np.interp(mel, edges[i : i + 3], [0, 1, 0]) for i in range(128)]).T, atol=1e-9)
    assert (bands.max(axis=0) > 0).all() and not bands[-1].any()


def test_the_spectra_of_mn04_are_their_definition(noise):
    x = noise(5000, 1)[0].astype(np.float64)
    sharp = np.pad(x[1:] - 0.97 * x[:-1], 512, mode="reflect")
    window = np.pad(np.hanning(800), 112)
    power = np.abs([np.fft.rfft(sharp[320 * k : 320 * k + 1024] * window) for k in range(16)]) ** 2
    right = (np.log(power @ mel_bands(128, 0, 15_000, 32_000, 1024).numpy() + 1e-5) + 4.5) / 5
    ours = Spectra()(torch.from_numpy(x.astype(np.float32))[None])[0].T
    assert ours.shape == (16, 128) == (4999 // 320 + 1, 128)
    assert np.abs(ours.numpy() - right).max() < 1e-4


def test_the_networks_have_the_published_sizes():
    with torch.device("meta"):
        sizes = [sum(weight.numel() for weight in network().parameters()) for network in (MobileNetV3, MobileNetV1)]
    assert sizes == [983_599, 3_729_481]


# The list.


def test_they_are_listed_and_loaded_by_name(encoder):
    row = list_encoders().loc[encoder.name]
    assert row["present"] and not row["has_decoder"] and row["size_mb"] == pytest.approx(4, abs=0.1)
    assert row["licence"] in ("MIT", "Apache-2.0") and row["weights"].startswith("https://raw.githubusercontent.com/")
    registry.load_built_in.cache_clear()
    loaded = load_encoder(encoder.name, "cpu")
    assert isinstance(loaded, Encoder) and loaded.weights_hash == encoder.weights_hash
    registry.load_built_in.cache_clear()


def test_yamnet_without_the_reader_of_its_file_names_the_extra(published_weights, monkeypatch):
    folder = published_weights("yamnet")
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ImportError, match=r"yamnet needs ai-edge-litert: pip install 'latentfx-nb\[lyra\]'"):
        YAMNet("cpu", folder)
