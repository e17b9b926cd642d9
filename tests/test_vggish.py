"""`vggish` and `vggish-paper`: the front end, the network and what follows it, each against its definition."""

from __future__ import annotations

import dataclasses
import pickle
import warnings

import librosa
import numpy as np
import pytest
import scipy
import torch
from torch.nn import functional

from latentfx_nb.cache import file_digest
from latentfx_nb.encoders import Encoder, vggish
from latentfx_nb.encoders.nets.mel import audioset_filters
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.encoders.vggish import (
    NETWORK_FILE,
    PCA_FILE,
    WEIGHTS,
    VGGish,
    VGGishNetwork,
    VGGishPaper,
    log_mel,
    patches,
    quantise,
)
from latentfx_nb.paper import CLIP_SAMPLES

NARROW = ((4, 6, 8, 8, 10, 10), (32, 24, 128))
RESAMPLED = 87_382  # samples of a clip at 16 kHz


def filled(network, seed=0):
    """Give a network random weights that keep the level from layer to layer."""
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        scale = (2 / weight[0].numel()) ** 0.5 if weight.ndim > 1 else 0.05
        weight.data.uniform_(-1.7 * scale, 1.7 * scale, generator=generator)
    return network.requires_grad_(False)


def pca(seed=0):
    """Return a PCA as the published file holds it: arrays, not tensors."""
    generator = np.random.default_rng(seed)
    matrix = generator.standard_normal((128, 128)) * 0.3
    return {"pca_eigen_vectors": matrix, "pca_means": generator.uniform(0, 0.5, (128, 1))}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the files of a narrow network."""
    folder = tmp_path_factory.mktemp("vggish")
    torch.save(filled(VGGishNetwork(*NARROW)).state_dict(), folder / NETWORK_FILE)
    torch.save(pca(), folder / PCA_FILE)
    return folder


@pytest.fixture
def publish(monkeypatch):
    """Make what a folder holds the published files."""

    def take(folder):
        digests = {name: file_digest(folder / name) for name in (NETWORK_FILE, PCA_FILE)}
        monkeypatch.setattr(vggish, "WEIGHTS", dataclasses.replace(WEIGHTS, sha256=digests))
        return folder

    return take


@pytest.fixture
def folder(written, publish):
    return publish(written)


@pytest.fixture
def own_folder(written, tmp_path):
    """A copy of the files that a test may change."""
    for name in (NETWORK_FILE, PCA_FILE):
        (tmp_path / name).write_bytes((written / name).read_bytes())
    return tmp_path


@pytest.fixture(params=[VGGish, VGGishPaper])
def encoder(request, folder):
    return request.param("cpu", folder)


def sounds(noise, batch=1, samples=40_000, seed=0):
    clips = [noise(samples, 1, seed=seed + i, level=0.05 * (i + 1)) for i in range(batch)]
    return torch.from_numpy(np.stack(clips))


# The front end.


def defined_filters():
    edges = librosa.hz_to_mel(librosa.mel_frequencies(66, fmin=125, fmax=7500, htk=True), htk=True)
    bins = librosa.hz_to_mel(librosa.fft_frequencies(sr=16_000, n_fft=512), htk=True)
    return np.array([np.interp(bins, edges[i : i + 3], [0, 1, 0]) for i in range(64)])


def defined_log_mel(sound):
    frames = librosa.util.frame(sound.astype(np.float64), frame_length=400, hop_length=160)
    window = scipy.signal.get_window("hann", 400, fftbins=True)
    return np.log(defined_filters() @ np.abs(scipy.fft.rfft(frames * window[:, None], 512, axis=0)) + 0.01).T


def test_filters_are_triangles_in_mel():
    filters = audioset_filters()
    assert filters.shape == (257, 64) and filters.dtype == torch.float64
    assert np.allclose(filters.T, defined_filters(), rtol=0, atol=1e-9)
    assert not filters[0].any()
    in_hz = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None)
    assert np.abs(filters.T.numpy() - in_hz).max() > 0.003  # what the comparison has to tell apart


@pytest.mark.parametrize("samples", [400, 559, 560, 15_600, RESAMPLED])
@pytest.mark.parametrize("level", [1e-4, 0.1, 1.0])
def test_log_mel_is_its_definition(noise, samples, level):
    sound = noise(samples, 1, level=level)[0]
    ours = log_mel(torch.from_numpy(sound))
    assert ours.shape == ((samples - 400) // 160 + 1, 64) and ours.dtype == torch.float64
    assert np.allclose(ours, defined_log_mel(sound), rtol=1e-6, atol=1e-9)


def test_a_click_is_heard_in_the_frames_that_hold_it():
    """Frame k holds the samples from 160 k to 160 k + 400, whose first weighs nothing."""
    sound = torch.zeros(4000)
    sound[1000] = 1
    heard = (log_mel(sound) > np.log(0.01) + 1e-6).any(dim=1)
    assert heard.nonzero().flatten().tolist() == [4, 5, 6]


def test_patches_follow_each_other_and_the_tail_is_dropped(noise):
    sound = noise(RESAMPLED, 1)[0]
    ours = patches(torch.from_numpy(sound))
    assert ours.shape == (5, 1, 96, 64) and ours.dtype == torch.float32
    assert np.allclose(ours.reshape(480, 64), defined_log_mel(sound)[:480], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("model", [VGGish, VGGishPaper])
@pytest.mark.parametrize(
    ("samples", "frames"),
    [(0, 0), (399, 0), (15_599, 0), (15_600, 1), (30_959, 1), (30_960, 2), (RESAMPLED, 5), (CLIP_SAMPLES, 17)],
)
def test_frames(folder, noise, model, samples, frames):
    encoder = model("cpu", folder)
    assert encoder.frames(samples) == frames
    if frames:
        assert encoder.encode(sounds(noise, 1, samples)).shape == (1, 128, frames)


# The network.


def defined_network(weights, x):
    def layer(name):
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    for index, pooled in ((0, True), (3, True), (6, False), (8, True), (11, False), (13, True)):
        x = functional.relu(functional.conv2d(x, *layer(f"features.{index}"), padding=1))
        x = functional.max_pool2d(x, 2) if pooled else x
    x = torch.stack([x[:, :, time, band] for time in range(6) for band in range(4)], dim=1).flatten(1)
    for index in (0, 2, 4):
        x = functional.relu(functional.linear(x, *layer(f"embeddings.{index}")))
    return x


def test_the_full_network_has_the_published_keys_and_size():
    with torch.device("meta"):
        state = VGGishNetwork().state_dict()
    features = [f"features.{i}" for i in (0, 3, 6, 8, 11, 13)]
    layers = [*features, *(f"embeddings.{i}" for i in (0, 2, 4))]
    assert list(state) == [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    assert sum(tensor.numel() for tensor in state.values()) == 72_141_184
    assert state["embeddings.0.weight"].shape == (4096, 12_288)


def test_the_network_is_its_definition():
    network = filled(VGGishNetwork(*NARROW))
    x = torch.randn(3, 1, 96, 64, generator=torch.Generator().manual_seed(1))
    ours, expected = network(x.clone()), defined_network(network.state_dict(), x)
    assert ours.shape == (3, 128) and (ours > 0).float().mean() > 0.2
    assert torch.allclose(ours, expected, rtol=1e-5, atol=1e-5 * float(expected.max()))


def test_the_full_network_is_its_definition():
    with torch.device("meta"):
        network = VGGishNetwork()
    network = filled(network.to_empty(device="cpu"))
    x = torch.randn(1, 1, 96, 64, generator=torch.Generator().manual_seed(1))
    ours, expected = network(x.clone()), defined_network(network.state_dict(), x)
    assert ours.shape == (1, 128) and (ours > 0).float().mean() > 0.2
    assert torch.allclose(ours, expected, rtol=1e-5, atol=1e-5 * float(expected.max()))


def test_the_sizes_are_read_from_the_weights():
    network = VGGishNetwork.of(filled(VGGishNetwork(*NARROW)).state_dict())
    assert [network.features[i].out_channels for i in (0, 3, 6, 8, 11, 13)] == list(NARROW[0])
    assert [network.embeddings[i].out_features for i in (0, 2, 4)] == list(NARROW[1])


def test_raw_embeddings_are_the_networks(folder, noise):
    sound = sounds(noise)
    expected = defined_network(torch.load(folder / NETWORK_FILE), patches(sound[0, 0]))
    latents = VGGish("cpu", folder, postprocess=False).encode(sound)
    assert torch.allclose(latents[0].T, expected, rtol=1e-5, atol=1e-5 * float(expected.max()))


# PCA and quantisation.


def test_quantise_on_known_numbers():
    known = [(-9, 0), (-2, 0), (-1.9999, 0), (0, 128), (1, 191), (-1, 64), (1.99, 254), (2, 255), (2.01, 255)]
    values, expected = torch.tensor(known).T
    assert torch.equal(quantise(values), expected)


def test_halves_are_rounded_to_the_even_number():
    values = np.array([(k + 0.5) / 63.75 - 2 for k in range(255)], np.float32)
    scaled = (values + np.float32(2)) * np.float32(63.75)
    halves = scaled % 1 == 0.5
    assert halves.sum() > 50
    assert quantise(torch.from_numpy(values)).tolist() == [round(float(x)) for x in scaled]


def test_latents_are_the_whitened_embeddings_as_whole_numbers(folder, noise):
    sound = sounds(noise, 2)
    raw = VGGish("cpu", folder, postprocess=False).encode(sound).double().numpy()
    whitened = pca()["pca_eigen_vectors"] @ (raw - pca()["pca_means"])
    expected = (np.clip(whitened, -2, 2) + 2) * 255 / 4
    latents = VGGish("cpu", folder).encode(sound).numpy()
    assert latents.dtype == np.float32 and np.array_equal(latents, np.round(latents))
    assert len(np.unique(latents)) > 50 and latents.min() >= 0 and latents.max() <= 255
    assert np.abs(latents - expected).max() < 0.5 + 1e-3


# Contracts.


def test_the_paper_s_numbers_of_features(folder, noise):
    """128 x 17 of a clip heard as if it were 16 kHz (Table 3); 5 frames if it is resampled."""
    clip = noise(CLIP_SAMPLES)
    paper = encode_clips(VGGishPaper("cpu", folder), [clip])[0]
    assert paper.mean(axis=-1).size == 128 and paper.size == 2176
    assert encode_clips(VGGish("cpu", folder), [clip])[0].shape == (128, 5)


def test_vggish_paper_hears_the_same_samples_as_vggish_does(folder, noise):
    sound = sounds(noise)
    resampled, paper = VGGish("cpu", folder), VGGishPaper("cpu", folder)
    assert torch.equal(resampled.encode(sound), paper.encode(sound))
    assert (resampled.sample_rate, paper.sample_rate) == (16_000, 48_000)
    assert (resampled.frame_rate, paper.frame_rate) == (16_000 / 15_360, 3.125)


def test_protocol(encoder):
    assert isinstance(encoder, Encoder) and not hasattr(encoder, "decode")
    assert (encoder.channels, encoder.dim) == (1, 128)


def test_together_as_alone_and_the_same_again(encoder, noise):
    batch = sounds(noise, 3)
    kept = batch.clone()
    together = encoder.encode(batch)
    assert torch.equal(together, torch.cat([encoder.encode(batch[i : i + 1]) for i in range(3)]))
    assert torch.equal(together, encoder.encode(batch)) and torch.equal(batch, kept)
    assert together.dtype == torch.float32 and not torch.equal(together[0], together[1])


@pytest.mark.parametrize("postprocess", [True, False])
def test_silence_and_overs_are_finite(folder, noise, postprocess):
    encoder = VGGish("cpu", folder, postprocess=postprocess)
    silent = torch.zeros(1, 1, 40_000)
    for sound in (silent, sounds(noise) * 1e-30, sounds(noise) * 1e3):
        assert torch.isfinite(encoder.encode(sound)).all()
    latents = encoder.encode(silent)[0]
    assert torch.equal(latents[:, 0], latents[:, 1])
    assert torch.equal(log_mel(silent[0, 0]), torch.full((248, 64), np.log(0.01), dtype=torch.float64))


def test_too_short_a_clip_says_what_is_needed(encoder):
    assert encoder.encode(torch.zeros(1, 1, 15_600)).shape == (1, 128, 1)
    with pytest.raises(ValueError, match=rf"{encoder.name} needs at least 15600 samples .* not 15599; pad the clip"):
        encoder.encode(torch.zeros(1, 1, 15_599))


@pytest.mark.parametrize("shape", [(1, 2, 16_000), (1, 16_000), (16_000,)])
def test_a_mismatch_raises(encoder, shape):
    with pytest.raises(ValueError, match=rf"{encoder.name} takes \[batch 1 sample\] at {encoder.sample_rate} Hz"):
        encoder.encode(torch.zeros(shape))


def test_raw_embeddings_have_a_hash_of_their_own(folder):
    quantised, raw = VGGish("cpu", folder), VGGish("cpu", folder, postprocess=False)
    assert quantised.weights_hash == vggish.WEIGHTS.hash() != WEIGHTS.hash() == VGGish.weights_hash
    assert len(raw.weights_hash) == 64 and raw.weights_hash != quantised.weights_hash


# The files.


def test_other_files_than_the_published_ones_are_refused(written):
    with pytest.raises(ValueError, match=rf"{NETWORK_FILE} is not the published file: its sha256 is"):
        VGGish("cpu", written)


def save_as_older(content, path):
    """Write what torch before 1.6 and NumPy before 1.20 wrote: no archive, another module, numbers for flags."""
    torch.save(content, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    if path.name == PCA_FILE:
        flags = (b"\x89\x88\x87", b"K\x00K\x01\x87")
        assert b"cnumpy._core.multiarray\n" in data and flags[0] in data
        data = data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n").replace(*flags)
    path.write_bytes(data)


def test_files_in_the_older_formats_are_read_alike(own_folder, written, publish, noise):
    expected = VGGish("cpu", publish(written)).encode(sounds(noise))
    for name in (NETWORK_FILE, PCA_FILE):
        save_as_older(torch.load(written / name, weights_only=False), own_folder / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = VGGish("cpu", publish(own_folder))
    assert torch.equal(encoder.encode(sounds(noise)), expected)


@pytest.mark.parametrize("kind", ["tensors", "float32", "flat means"])
def test_the_pca_may_come_in_other_clothes(own_folder, written, publish, noise, kind):
    expected = VGGish("cpu", publish(written)).encode(sounds(noise))
    dress = {
        "tensors": torch.from_numpy,
        "float32": lambda array: array.astype(np.float32),
        "flat means": lambda array: array if array.shape[1] > 1 else array[:, 0],
    }[kind]
    torch.save({name: dress(array) for name, array in pca().items()}, own_folder / PCA_FILE)
    assert torch.equal(VGGish("cpu", publish(own_folder)).encode(sounds(noise)), expected)


class Malicious:
    """Makes a file where it is unpickled without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", [NETWORK_FILE, PCA_FILE])
@pytest.mark.parametrize("form", ["archive", "older", "plain pickle", "array"])
def test_a_pickle_that_would_run_code_is_refused(own_folder, publish, name, form):
    mark, path = own_folder / "ran", own_folder / name
    attack = {"pca_means": Malicious(mark)}
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(attack, protocol=2))
        pickle.loads(path.read_bytes())["pca_means"].close()
        assert mark.exists()  # it works where there is no care
        mark.unlink()
    else:
        content = {"pca_means": np.array(list(attack.values()))} if form == "array" else attack
        torch.save(content, path, _use_new_zipfile_serialization=form != "older")
    with pytest.raises(ValueError, match=rf"{name} holds no weights of VGGish that can be used .*download it from"):
        VGGish("cpu", publish(own_folder))
    assert not mark.exists()


def broken_network(how):
    state = dict(filled(VGGishNetwork(*NARROW)).state_dict())
    if how == "no tensors":
        return dict.fromkeys(state, 1)
    if how == "a list":
        return list(state.values())
    if how == "a key less":
        del state["features.8.bias"]
    if how == "a key more":
        state["pproc.pca_means"] = torch.zeros(128, 1)
    if how == "another shape":
        state["embeddings.2.weight"] = torch.zeros(24, 31)
    if how == "other dims":
        return filled(VGGishNetwork(NARROW[0], (32, 24, 64))).state_dict()
    return state


@pytest.mark.parametrize("how", ["no tensors", "a list", "a key less", "a key more", "another shape", "other dims"])
def test_another_network_is_named(own_folder, publish, how):
    torch.save(broken_network(how), own_folder / NETWORK_FILE)
    with pytest.raises(ValueError, match=rf"{NETWORK_FILE} holds no network of VGGish .*delete it"):
        VGGish("cpu", publish(own_folder))


@pytest.mark.parametrize(("matrix", "means"), [((128, 128), None), ((64, 128), (128, 1)), ((128, 128), (64, 1))])
def test_another_pca_is_named(own_folder, publish, matrix, means):
    content = {"pca_eigen_vectors": np.zeros(matrix), "pca_means": None if means is None else np.zeros(means)}
    torch.save(content, own_folder / PCA_FILE)
    with pytest.raises(ValueError, match=rf"{PCA_FILE} holds no PCA of VGGish .*delete it"):
        VGGish("cpu", publish(own_folder))


@pytest.mark.parametrize("name", [NETWORK_FILE, PCA_FILE])
@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_torn_file_is_named(own_folder, publish, name, left):
    data = (own_folder / name).read_bytes()
    (own_folder / name).write_bytes(data[: int(left * len(data))])
    with pytest.raises(ValueError, match=rf"{name} holds no weights of VGGish"):
        VGGish("cpu", publish(own_folder))
