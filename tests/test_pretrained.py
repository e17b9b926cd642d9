"""Encoders that transformers and diffusers read: through their real `from_pretrained`, tiny and random, and offline."""

from __future__ import annotations

import dataclasses
import re
import shutil
import sys
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from latentfx_nb.cache import file_digest
from latentfx_nb.encoders import entry, list_encoders, load_encoder, registry
from latentfx_nb.encoders.clap import ClapMusic
from latentfx_nb.encoders.dac import Dac44k
from latentfx_nb.encoders.encodec import LEVEL, Encodec24k, Encodec48k
from latentfx_nb.encoders.oobleck import OobleckAceStep, OobleckStableAudio
from latentfx_nb.encoders.sources.weights import HubWeights
from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound import audio

MODELS = {
    model.name: model for model in (Encodec48k, Encodec24k, Dac44k, OobleckAceStep, OobleckStableAudio, ClapMusic)
}
FRAMES = {"encodec-48k": 820, "encodec-24k": 410, "dac-44k": 470, "oobleck-acestep": 136, "oobleck-stable-audio": 117,
          "clap-music": 1}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    monkeypatch.delenv("LATENTFX_WEIGHTS", raising=False)
    registry.load_built_in.cache_clear()
    yield
    registry.load_built_in.cache_clear()


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def encoder(name, tiny_folder):
    return MODELS[name]("cpu", tiny_folder(name))


@pytest.fixture
def own_folder(name, tiny_folder, tmp_path):
    """A copy of a tiny model that a test may change."""
    return shutil.copytree(tiny_folder(name), tmp_path / name)


def sound(encoder, samples=None, batch=2, seed=0):
    samples = audio.samples_at(24_000, 48_000, encoder.sample_rate) if samples is None else samples
    return 0.1 * torch.randn(batch, encoder.channels, samples, generator=torch.Generator().manual_seed(seed))


def weights_file(folder):
    return next(folder.glob("*.safetensors"))


# What they give.


def test_a_clip_has_the_published_number_of_frames(name, encoder):
    samples = audio.samples_at(CLIP_SAMPLES, 48_000, encoder.sample_rate)
    assert encoder.frames(samples) == FRAMES[name]
    assert encoder.encode(sound(encoder, samples, 1)).shape == (1, encoder.dim, FRAMES[name])


def test_the_published_sizes_stand_in_the_list(name):
    row = list_encoders().loc[name]
    dim, rate = {"encodec-48k": (128, 150), "encodec-24k": (128, 75), "dac-44k": (1024, 44_100 / 512),
                 "oobleck-acestep": (64, 25), "oobleck-stable-audio": (64, 44_100 / 2048),
                 "clap-music": (512, float("nan"))}[name]  # fmt: skip
    assert row["dim"] == dim and row["frame_rate_hz"] == pytest.approx(rate, nan_ok=True)
    assert row["has_decoder"] == (name != "clap-music")
    assert "huggingface.co" in row["weights"] and row["size_mb"] > 50 and not row["present"]


def whole(kind, folder):
    return kind.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)


@pytest.mark.parametrize("name", ["encodec-48k", "encodec-24k"])
def test_encodecs_latents_are_those_that_its_own_encode_quantises(name, encoder, tiny_folder):
    from transformers import EncodecModel

    model, x = whole(EncodecModel, tiny_folder(name)), sound(encoder)
    levelled = x
    if model.config.normalize:
        scale = x.mean(1, keepdim=True).pow(2).mean(-1, keepdim=True).sqrt() + 1e-8
        levelled = x / scale
    expected = model.encoder(levelled)
    assert torch.allclose(encoder.encode(x), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    codes, scales = model._encode_frame(x, model.config.target_bandwidths[0])
    ours = model.quantizer.encode(encoder.encode(x), model.config.target_bandwidths[0]).transpose(0, 1)
    assert torch.equal(codes, ours)
    decoded = encoder.decode(encoder.encode(x), seed=0)
    level = LEVEL if model.config.normalize else 1.0
    assert torch.allclose(decoded, level * model.decoder(expected), rtol=1e-3, atol=1e-5 * float(decoded.abs().max()))
    assert (scales is not None) == model.config.normalize


def test_the_level_is_not_in_encodec_48ks_latents_but_in_24ks(tiny_folder):
    for model, heard in ((Encodec48k, False), (Encodec24k, True)):
        encoder = model("cpu", tiny_folder(model.name))
        x = sound(encoder)
        same = torch.allclose(encoder.encode(x), encoder.encode(x / 4), atol=1e-3)
        assert same != heard


def test_dacs_latents_are_those_before_its_quantiser(tiny_folder):
    from transformers import DacModel

    encoder, model = Dac44k("cpu", tiny_folder("dac-44k")), whole(DacModel, tiny_folder("dac-44k"))
    x = sound(encoder, 512 * 20 + 300)
    expected = model.encoder(x)
    assert expected.shape[-1] == encoder.frames(x.shape[-1]) == 20
    assert torch.allclose(encoder.encode(x), expected, rtol=1e-5, atol=1e-5)
    assert torch.allclose(encoder.decode(expected), model.decoder(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("name", ["oobleck-acestep", "oobleck-stable-audio"])
def test_ooblecks_latents_are_the_means_of_its_posterior(name, encoder, tiny_folder):
    from diffusers import AutoencoderOobleck

    model = AutoencoderOobleck.from_pretrained(tiny_folder(name), low_cpu_mem_usage=False).eval()
    x = sound(encoder)
    with torch.no_grad():
        posterior = model.encode(x).latent_dist
        expected, decoded = posterior.mean, model.decode(posterior.mean).sample
    ours = encoder.encode(x)
    assert torch.allclose(ours, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(ours, posterior.sample(), atol=1e-3)
    assert torch.allclose(encoder.decode(ours), decoded, rtol=1e-3, atol=1e-4 * float(decoded.abs().max()))
    assert torch.equal(ours, encoder.encode(x))


def test_claps_embeddings_are_its_own_audio_features(tiny_folder):
    from transformers import ClapFeatureExtractor, ClapModel

    folder = tiny_folder("clap-music")
    encoder, model = ClapMusic("cpu", folder), whole(ClapModel, folder)
    x = sound(encoder)
    heard = ClapFeatureExtractor.from_pretrained(folder)(
        [one.numpy() for one in x[:, 0]], sampling_rate=48_000, return_tensors="pt"
    )
    expected = model.get_audio_features(input_features=heard["input_features"].float()).pooler_output
    ours = encoder.encode(x)
    assert ours.shape == (2, 512, 1)
    assert torch.allclose(ours[..., 0], expected, atol=1e-6)
    assert torch.allclose(ours.norm(dim=1), torch.ones(2, 1), atol=1e-5)


def test_clap_hears_the_first_ten_seconds_of_a_longer_clip_each_time(tiny_folder):
    encoder = ClapMusic("cpu", tiny_folder("clap-music"))
    x = sound(encoder, 14 * 48_000, 1)
    first = encoder.encode(x)
    assert all(torch.equal(first, encoder.encode(x)) for _ in range(3))
    assert torch.equal(first, encoder.encode(x[..., :480_000]))


def test_clap_that_draws_at_random_is_refused(tiny_folder, tmp_path):
    from transformers import ClapFeatureExtractor

    folder = shutil.copytree(tiny_folder("clap-music"), tmp_path / "clap")
    ClapFeatureExtractor(truncation="fusion").save_pretrained(folder)
    with pytest.raises(ValueError, match="hears clips by 'fusion', which draws at random"):
        ClapMusic("cpu", folder)


def test_clap_with_a_network_that_fuses_views_is_refused(tiny_folder, tmp_path):
    """All its weights are there, so nothing else would stop it before the first clip."""
    from transformers import ClapConfig, ClapModel

    folder = shutil.copytree(tiny_folder("clap-music"), tmp_path / "clap")
    config = ClapConfig.from_pretrained(folder)
    config.audio_config.enable_fusion = True
    ClapModel(config).save_pretrained(folder)
    with pytest.raises(ValueError, match="holds no clap-music that can be used .*it fuses several views"):
        ClapMusic("cpu", folder)


def test_the_text_half_of_clap_is_not_kept(tiny_folder):
    encoder = ClapMusic("cpu", tiny_folder("clap-music"))
    assert not [name for name in encoder._network.state_dict() if name.startswith("text")]


@pytest.mark.parametrize("strange", [None, "audio_model.of_another_model"])
def test_loading_clap_tells_of_no_weights_but_strange_ones(tiny_folder, tmp_path, capfd, caplog, strange):
    folder = shutil.copytree(tiny_folder("clap-music"), tmp_path / "clap")
    file = weights_file(folder)
    if strange:
        save_file(load_file(file) | {strange: torch.zeros(1)}, file, {"format": "pt"})
    capfd.readouterr()
    ClapMusic("cpu", folder)
    said = "".join([*capfd.readouterr(), caplog.text])
    assert ("UNEXPECTED" in said) == bool(strange)
    assert "text_model" not in said
    assert strange or said == ""


@pytest.mark.filterwarnings("error")
def test_loading_is_quiet(name, tiny_folder, capfd):
    """No bar, no table and no warning: the files are here. Bars are as they were afterwards."""
    from transformers.utils import logging

    folder, drawn = tiny_folder(name), logging.is_progress_bar_enabled()
    capfd.readouterr()
    MODELS[name]("cpu", folder)
    assert "".join(capfd.readouterr()) == ""
    assert logging.is_progress_bar_enabled() == drawn


@pytest.mark.parametrize(("seconds", "times"), [(5.46, 1), (4.0, 2), (2.5, 4)])
def test_clap_pads_with_silence_what_does_not_fit_in_twice(tiny_folder, seconds, times):
    encoder = ClapMusic("cpu", tiny_folder("clap-music"))
    x = sound(encoder, int(seconds * 48_000), 1)
    whole = torch.nn.functional.pad(x.repeat(1, 1, times), (0, 480_000 - times * x.shape[-1]))
    assert torch.equal(encoder.encode(x), encoder.encode(whole))


# Weights.


def test_weight_norm_is_folded_and_quantisers_are_dropped(encoder):
    names = list(encoder._network.state_dict())
    assert names and not [n for n in names if "parametrizations" in n or n.endswith(("weight_g", "weight_v"))]
    assert not [n for n in names if n.startswith("quantizer")]
    assert not any(weight.requires_grad for weight in encoder._network.parameters())


def test_encodec_files_of_an_older_torch_are_read(tiny_folder, tmp_path):
    """The published files name weight norm as torch did before 2.0."""
    folder = shutil.copytree(tiny_folder("encodec-24k"), tmp_path / "old")
    state = load_file(folder / "model.safetensors")
    norm = "parametrizations.weight.original"
    old = {name.replace(f"{norm}0", "weight_g").replace(f"{norm}1", "weight_v"): w for name, w in state.items()}
    assert old.keys() != state.keys()
    save_file(old, folder / "model.safetensors", {"format": "pt"})
    new, old = Encodec24k("cpu", tiny_folder("encodec-24k")), Encodec24k("cpu", folder)
    assert torch.equal(new.encode(sound(new)), old.encode(sound(old)))
    assert new.weights_hash != old.weights_hash


def test_sizes_follow_the_configuration(tmp_path):
    from transformers import EncodecConfig, EncodecModel

    config = EncodecConfig(num_filters=2, hidden_size=6, codebook_size=4, num_lstm_layers=1, sampling_rate=8000,
                           audio_channels=1, upsampling_ratios=[4, 2], target_bandwidths=[16.0])  # fmt: skip
    EncodecModel(config).save_pretrained(tmp_path)
    encoder = Encodec48k("cpu", tmp_path)
    assert (encoder.sample_rate, encoder.channels, encoder.dim, encoder.hop, encoder.frame_rate) == (
        8000,
        1,
        6,
        8,
        1000.0,
    )
    assert encoder.encode(torch.zeros(1, 1, 1001)).shape == (1, 6, encoder.frames(1001)) == (1, 6, 126)


@pytest.mark.ci
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("model", [Dac44k, OobleckAceStep])
@pytest.mark.parametrize("strides", [[2, 4, 5, 8], [3, 5, 2, 7]])
def test_odd_strides_keep_to_the_frames_declared(model, strides, tmp_path):
    """The DACs for 16 and 24 kHz have a stride of 5, which sees one sample more than it covers."""
    from diffusers import AutoencoderOobleck
    from transformers import DacConfig, DacModel

    if model is Dac44k:
        network = DacModel(DacConfig(encoder_hidden_size=4, decoder_hidden_size=32, codebook_size=4, codebook_dim=2,
                                     n_codebooks=2, downsampling_ratios=strides))  # fmt: skip
    else:
        network = AutoencoderOobleck(encoder_hidden_size=8, downsampling_ratios=strides, decoder_channels=4,
                                     channel_multiples=[1, 1, 2, 2], decoder_input_channels=4)  # fmt: skip
    network.save_pretrained(tmp_path)
    encoder = model("cpu", tmp_path)
    lengths = range(encoder.hop, 3 * encoder.hop, 7)
    given = [encoder.encode(sound(encoder, samples, 1)).shape[-1] for samples in lengths]
    assert given == [encoder.frames(samples) for samples in lengths]
    assert given != [samples // encoder.hop for samples in lengths]


def test_a_model_never_runs_on_weights_that_its_file_lacks(name, own_folder):
    """Both libraries would fill them at random and say so in a log only."""
    file = weights_file(own_folder)
    state = load_file(file)
    lost = next(key for key in sorted(state) if "encoder" in key and key.endswith("bias"))
    save_file({key: w for key, w in state.items() if key != lost}, file, {"format": "pt"})
    with pytest.raises(ValueError, match=f"holds no {name} that can be used .*huggingface.co"):
        MODELS[name]("cpu", own_folder)


@pytest.mark.parametrize("change", ["missing", "another shape"])
def test_a_weight_that_cannot_be_used_is_named(name, own_folder, change):
    file = weights_file(own_folder)
    state = load_file(file)
    lost = next(key for key in sorted(state) if "encoder" in key and key.endswith("bias"))
    weight = state.pop(lost)
    if change == "another shape":
        state[lost] = torch.zeros(len(weight) + 1)
    save_file(state, file, {"format": "pt"})
    with pytest.raises(ValueError, match=rf"1 of its weights are missing or of another shape, {re.escape(lost)}"):
        MODELS[name]("cpu", own_folder)


@pytest.mark.parametrize("error", [MemoryError("no room"), torch.OutOfMemoryError("CUDA out of memory")])
def test_too_little_memory_is_not_blamed_on_the_folder(tiny_folder, monkeypatch, error):
    monkeypatch.setattr(Dac44k, "_read", lambda *_: refuse(error))
    with pytest.raises(type(error), match=str(error)):
        Dac44k("cpu", tiny_folder("dac-44k"))


@pytest.mark.parametrize("damage", ["torn", "other model", "no json"])
def test_a_damaged_folder_is_refused(name, own_folder, damage):
    file, config = weights_file(own_folder), own_folder / "config.json"
    if damage == "torn":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "other model":
        save_file({"a": torch.ones(2)}, file, {"format": "pt"})
    else:
        config.write_text("{")
    with pytest.raises(ValueError, match=f"{own_folder} holds no {name} that can be used"):
        MODELS[name]("cpu", own_folder)


def test_a_pickle_is_not_taken(name, own_folder):
    weights_file(own_folder).rename(own_folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"does not hold all of config\.json, .*safetensors.*; put them there"):
        MODELS[name]("cpu", own_folder)


def test_bf16_is_near_and_has_a_hash_of_its_own(name, encoder, tiny_folder):
    half = load_encoder(name, "cpu", tiny_folder(name), bf16=True)
    exact, near = encoder.encode(sound(encoder)), half.encode(sound(encoder))
    assert near.dtype == torch.float32 and half.weights_hash != encoder.weights_hash
    # Random networks, and sines of large values, amplify what is rounded: the benchmark has the error at full size.
    assert 0 < (near - exact).norm() / exact.norm() < 0.3


# Finding and fetching.


def test_without_its_library_the_extra_is_named(name, tiny_folder, monkeypatch):
    library = MODELS[name].library
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"{name} needs {library}: pip install 'latentfx-nb\[{library}\]'"):
        load_encoder(name, "cpu", tiny_folder(name))
    monkeypatch.setattr(entry, "find_spec", lambda module: None)
    assert list_encoders().loc[name, "note"] == f"pip install 'latentfx-nb[{library}]'"


def test_the_users_folder_is_searched_first(name, tiny_folder, own_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)  # nobody may call it
    shutil.copytree(tiny_folder(name), own_cache / "weights" / name)
    cached = load_encoder(name, "cpu")
    assert list_encoders().loc[name, "present"]
    folder = shutil.copytree(tiny_folder(name), tmp_path / "models" / name)
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path / "models"))
    registry.load_built_in.cache_clear()
    assert load_encoder(name, "cpu").weights_hash != cached.weights_hash


def downloads(monkeypatch, answer):
    """Let `answer(folder)` stand for the Hub; return what was asked of it."""
    asked = []

    def snapshot_download(repo, **options):
        asked.append(SimpleNamespace(repo=repo, **options))
        return answer()

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def test_the_pinned_commit_is_fetched_and_no_other_file(name, tiny_folder, tmp_path, monkeypatch):
    published: HubWeights = MODELS[name].published
    place = tmp_path / published.subfolder
    shutil.copytree(tiny_folder(name), place, dirs_exist_ok=True)
    asked = downloads(monkeypatch, lambda: str(tmp_path))
    monkeypatch.setattr(MODELS[name], "published", _trusting(published, place))
    load_encoder(name, "cpu")
    (request,) = asked
    assert request.repo == published.repo and len(request.revision) == 40 and int(request.revision, 16) > 0
    prefix = f"{published.subfolder}/" if published.subfolder else ""
    assert request.allow_patterns == [prefix + file for file in published.files]


def _trusting(published, place):
    """`published` with the digests of the files in `place`."""
    return dataclasses.replace(published, sha256={file: file_digest(place / file) for file in published.sha256})


def test_what_the_hub_gives_is_held_against_its_digest(name, tiny_folder, tmp_path, monkeypatch):
    shutil.copytree(tiny_folder(name), tmp_path / "snapshot" / MODELS[name].published.subfolder, dirs_exist_ok=True)
    downloads(monkeypatch, lambda: str(tmp_path / "snapshot"))
    with pytest.raises(ValueError, match="is not the published file: its sha256 is .*, expected"):
        load_encoder(name, "cpu")


def refuse(error):
    raise error


def test_offline_the_remedy_is_named(name, own_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path))
    downloads(monkeypatch, lambda: refuse(LocalEntryNotFoundError("no connection")))
    with pytest.raises(FileNotFoundError) as caught:
        load_encoder(name, "cpu")
    published = MODELS[name].published
    for part in (f"weights of {name}", *published.files, str(tmp_path / name), str(own_cache / "weights" / name),
                 published.url, "no connection", f"LATENTFX_WEIGHTS to a folder that holds {name}/"):  # fmt: skip
        assert part in str(caught.value)


def test_a_gated_model_says_what_to_do_first(monkeypatch):
    response = SimpleNamespace(headers={}, status_code=403, request=None, text="", url="")
    error = GatedRepoError("403", response=response)
    downloads(monkeypatch, lambda: refuse(error))
    step = r"accept its licence at https://huggingface\.co/stabilityai/stable-audio-open-1\.0 .*hf auth login"
    with pytest.raises(FileNotFoundError, match=f"oobleck-stable-audio is gated: {step}"):
        load_encoder("oobleck-stable-audio", "cpu")
    assert re.search(step, list_encoders().loc["oobleck-stable-audio", "note"])
    assert "licence" not in list_encoders().loc["oobleck-acestep", "note"]


def test_a_named_folder_is_the_only_place(name, tmp_path, own_cache, tiny_folder, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    shutil.copytree(tiny_folder(name), own_cache / "weights" / name)
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} does not hold all of config.json"):
        load_encoder(name, "cpu", tmp_path)
