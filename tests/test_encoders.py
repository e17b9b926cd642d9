"""Encoders: the contracts that every one of them keeps, then what is particular to each."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from latentfx_nb.encoders import (
    Decoder,
    Encoder,
    base,
    diffae,
    entry,
    list_encoders,
    load_encoder,
    register_encoder,
    registry,
    running,
    stacked,
)
from latentfx_nb.encoders.devices import check_bf16, choose_device
from latentfx_nb.encoders.logmel import BANDS, HOP, LogMel, mel_filters
from latentfx_nb.encoders.running import batch_size, decode_latents, encode_clips, model_input
from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound import audio

pytestmark = pytest.mark.usefixtures("no_encoders_kept")

RATE = 48_000
BUILT_IN = sorted(registry.BUILT_IN)
AT_HAND = ("lyra-v2", "efficientat-mn04", "yamnet")  # beside the checkout lie the published weights of these


@pytest.fixture(params=BUILT_IN)
def encoder(request, tiny_models, monkeypatch):
    """Every encoder there is: with its real weights where they are at hand, else tiny and random, from real files."""
    if request.param in AT_HAND:
        request.getfixturevalue("published_weights")(registry.BUILT_IN[request.param].weights.family)
    if list_encoders().loc[request.param, "present"]:
        return load_encoder(request.param, "cpu")
    for module in (diffae, stacked):
        monkeypatch.setattr(module, "STEPS", 2)
    return load_encoder(request.param, "cpu", tiny_models(request.param))


def sounds(encoder, noise, batch, seconds=0.7, seed=0):
    shortest = getattr(encoder, "shortest", 1)
    samples = max(shortest, int(seconds * encoder.sample_rate)) + 37  # no whole number of any model's frames
    clips = [noise(samples, encoder.channels, seed=seed + i, level=0.05 * (i + 1)) for i in range(batch)]
    return torch.from_numpy(np.stack(clips))


# Contracts.


def test_protocol(encoder):
    assert isinstance(encoder, Encoder)
    assert encoder.channels in (1, 2) and encoder.sample_rate > 0 and encoder.dim > 0
    assert encoder.frame_rate is None or encoder.frame_rate > 0
    assert len(encoder.weights_hash) == 64 and int(encoder.weights_hash, 16) >= 0
    assert list_encoders().loc[encoder.name, "has_decoder"] == isinstance(encoder, Decoder)


def test_two_clips_together_are_the_same_two_alone(encoder, noise):
    batch = sounds(encoder, noise, 3)
    together = encoder.encode(batch)
    alone = torch.cat([encoder.encode(batch[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, rtol=1e-5, atol=1e-5 * float(alone.abs().max()))
    assert not torch.allclose(together[0], together[1])


def test_the_same_input_gives_the_same_output(encoder, noise):
    batch = sounds(encoder, noise, 2)
    kept = batch.clone()
    first = encoder.encode(batch)
    encoder.encode(sounds(encoder, noise, 1, seed=9))  # nothing is left over from another clip
    assert torch.equal(first, encoder.encode(batch))
    assert torch.equal(batch, kept)


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0, CLIP_SAMPLES / RATE])
def test_frames_as_declared(encoder, noise, seconds):
    batch = sounds(encoder, noise, 1, seconds)
    latents = encoder.encode(batch)
    assert latents.dtype == torch.float32
    assert latents.shape == (1, encoder.dim, encoder.frames(batch.shape[-1]))
    if encoder.frame_rate and seconds >= 0.5:
        length_s = batch.shape[-1] / encoder.sample_rate
        assert latents.shape[-1] / encoder.frame_rate == pytest.approx(length_s, abs=2 / encoder.frame_rate)


@pytest.mark.parametrize("level", [0.0, 1e-30, 1.0, 8.0])
def test_nothing_but_finite_values_for_silence_and_for_overs(encoder, noise, level):
    latents = encoder.encode(torch.clamp(sounds(encoder, noise, 2) * 20, -1, 1) * level)
    assert torch.isfinite(latents).all()


def test_latents_depend_on_the_sound(encoder, tone):
    shape = (1, encoder.channels, encoder.sample_rate)
    low, high, silent = (
        encoder.encode(torch.from_numpy(tone(f, shape[-1], p, shape[1], encoder.sample_rate)[None]))
        for f, p in ((200, 0.5), (3000, 0.5), (200, 0.0))
    )
    spread = float((low - silent).abs().max())
    assert spread > 1e-2
    assert float((low - high).abs().max()) > 0.1 * spread


@pytest.mark.parametrize("shape", ["channels", "no batch", "four axes"])
def test_a_mismatch_raises(encoder, shape):
    samples = encoder.sample_rate
    wrong = {
        "channels": torch.zeros(1, 3 - encoder.channels, samples),
        "no batch": torch.zeros(encoder.channels, samples),
        "four axes": torch.zeros(1, 1, encoder.channels, samples),
    }[shape]
    with pytest.raises(ValueError, match=rf"{encoder.name} takes \[batch {encoder.channels} sample\] at"):
        encoder.encode(wrong)


def test_whole_numbers_are_no_audio(encoder):
    with pytest.raises(ValueError, match="floating-point audio, not torch.int16"):
        encoder.encode(torch.zeros(1, encoder.channels, encoder.sample_rate, dtype=torch.int16))


def test_clips_of_48_khz_stereo_are_converted(encoder, noise):
    clips = [noise(CLIP_SAMPLES, doubled=True), noise(CLIP_SAMPLES, seed=1)]
    latents = encode_clips(encoder, clips)
    samples = audio.samples_at(CLIP_SAMPLES, RATE, encoder.sample_rate)
    assert latents.shape == (2, encoder.dim, encoder.frames(samples)) and latents.dtype == np.float32
    by_hand = np.stack([model_input(encoder, clip) for clip in clips])
    assert by_hand.shape == (2, encoder.channels, samples)
    assert np.allclose(latents, encoder.encode(torch.from_numpy(by_hand)).numpy(), rtol=1e-5, atol=1e-4)


def test_decoding_gives_a_stereo_clip_of_the_length_asked_for(encoder, noise):
    latents = encode_clips(encoder, [noise(RATE)])[0]
    if not isinstance(encoder, Decoder):
        with pytest.raises(ValueError, match=f"{encoder.name} has no decoder"):
            decode_latents(encoder, latents, RATE)
        return
    for length in (RATE, RATE // 2, 2 * RATE):
        sound = decode_latents(encoder, latents, length)
        assert sound.shape == (2, length) and sound.dtype == np.float32
        assert np.isfinite(sound).all() and sound.any()
    assert np.array_equal(sound, decode_latents(encoder, latents, 2 * RATE, seed=0))
    with pytest.raises(ValueError, match=str(encoder.dim)):
        encoder.decode(torch.zeros(1, encoder.dim + 1, 5), seed=0)


def test_an_encoder_that_does_not_exist_on_a_device_says_so(encoder):
    if encoder.name == "lyra-v2":
        with pytest.raises(ValueError, match="runs on the CPU only, not on 'cuda'"):
            load_encoder(encoder.name, "cuda")
    assert encoder.device.type == "cpu"


# Devices and batches.


def test_choose_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device() == choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device() == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("free_gb", "expected"), [(0.001, 1), (1, 3), (2.5, 9), (500, 10)])
def test_batches_are_sized_to_memory(monkeypatch, free_gb, expected):
    """A mono clip at 48 kHz is 1 MiB; 128 times that are 134 MB, and half of the memory may be taken."""
    memory = type("Memory", (), {"available": int(free_gb * 1e9)})
    monkeypatch.setattr(running.psutil, "virtual_memory", lambda: memory)
    assert batch_size(LogMel("cpu"), 10, CLIP_SAMPLES) == expected


class Full(LogMel):
    """A log-mel encoder on a device that holds `room` clips."""

    def __init__(self, room, error):
        super().__init__("cpu")
        self.room, self.error, self.sizes = room, error, []

    def encode(self, audio):
        self.sizes.append(len(audio))
        if len(audio) > self.room:
            raise self.error
        return super().encode(audio)


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    MemoryError(),
]


@pytest.mark.parametrize("error", FULL)
def test_a_batch_that_does_not_fit_is_halved_until_it_does(noise, error):
    clips = [noise(5000, 1, seed=i) for i in range(7)]
    encoder = Full(2, error)
    latents = encode_clips(encoder, clips)
    assert encoder.sizes == [7, 3, 1, 2, 4, 2, 2]
    assert np.allclose(latents, encode_clips(LogMel("cpu"), clips), atol=1e-3)


@pytest.mark.parametrize("error", FULL)
def test_a_single_clip_that_does_not_fit_is_an_error_with_its_remedy(noise, error):
    with pytest.raises(MemoryError, match="one clip of 5000 samples is more than logmel can encode .* of cpu; close"):
        encode_clips(Full(0, error), [noise(5000, 1)])


def test_other_trouble_is_not_taken_for_too_little_memory(noise):
    encoder = Full(0, RuntimeError("no such kernel"))
    with pytest.raises(RuntimeError, match="no such kernel"):
        encode_clips(encoder, [noise(5000, 1), noise(5000, 1)])
    assert encoder.sizes == [2]


def test_an_encoder_that_needs_more_memory_gets_smaller_batches(monkeypatch):
    memory = type("Memory", (), {"available": int(10e9)})
    monkeypatch.setattr(running.psutil, "virtual_memory", lambda: memory)
    encoder = LogMel("cpu")
    assert batch_size(encoder, 10, CLIP_SAMPLES) == 10
    encoder.activation_factor = 2000
    assert batch_size(encoder, 10, CLIP_SAMPLES) == 2


# bfloat16.


@pytest.mark.parametrize("name", ["logmel", "lyra-v2", "diffae-mini"])
def test_a_model_without_bf16_says_so(name):
    with pytest.raises(ValueError, match=f"{name} runs in float32 only; leave bf16 out"):
        load_encoder(name, "cpu", bf16=True)


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_frozen_folds_weight_norm_of_both_kinds():
    plain = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 3), torch.nn.ConvTranspose1d(3, 2, 4))
    new = torch.nn.utils.parametrizations.weight_norm
    old = torch.nn.utils.weight_norm
    network = torch.nn.Sequential(new(plain[0]), old(plain[1])).train()
    x = torch.rand(1, 2, 50)
    before = network(x).detach()
    after = base.frozen(network, torch.device("cpu"))
    assert {name.split(".")[-1] for name in after.state_dict()} == {"weight", "bias"}
    assert not after.training and not any(weight.requires_grad for weight in after.parameters())
    assert torch.allclose(after(x), before, atol=1e-6)


# logmel.


def numpy_logmel(sound):
    """The same from its definition: 2048-sample Hann frames centred on (k + 1/2) x 512, HTK mel triangles, dB."""
    frames = len(sound) // 512
    padded = np.concatenate([np.zeros(768), sound, np.zeros(2048)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    edges = 700 * (10 ** (np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 20_000 / 700), 66) / 2595) - 1)
    frequencies = np.fft.rfftfreq(2048, 1 / 48_000)
    filters = np.array([np.interp(frequencies, edges[i : i + 3], [0, 1, 0], 0, 0) for i in range(64)])
    for band in range(64):
        if not filters[band].any():
            filters[band, np.abs(frequencies - edges[band + 1]).argmin()] = 1
    amplitude = [np.abs(np.fft.rfft(padded[512 * k : 512 * k + 2048] * window)) / 512 for k in range(frames)]
    return 10 * np.log10(np.maximum(filters @ np.square(amplitude).T, 1e-10))


@pytest.mark.parametrize("samples", [512, 5000, 24_000])
def test_logmel_is_its_definition_in_numpy(noise, samples):
    sound = noise(samples, 1)
    ours = LogMel("cpu").encode(torch.from_numpy(sound[None]))[0].numpy()
    assert np.abs(ours - numpy_logmel(sound[0])).max() < 2e-3


def test_logmel_gives_512_frames_of_64_bands():
    latents = LogMel("cpu").encode(torch.zeros(1, 1, CLIP_SAMPLES))
    assert latents.shape == (1, BANDS, CLIP_SAMPLES // HOP) == (1, 64, 512)
    assert torch.equal(latents, torch.full_like(latents, -100.0))


@pytest.mark.parametrize("band", [5, 20, 40, 60])
def test_logmel_of_a_full_scale_sine_is_0_db_in_its_band(tone, band):
    """The Hann window spreads a sine over three bins, whose powers sum to 1.8 dB where a band is wide."""
    edges_mel = np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 20_000 / 700), 66)
    centre_hz = 700 * (10 ** (edges_mel[band + 1] / 2595) - 1)
    latents = LogMel("cpu").encode(torch.from_numpy(tone(centre_hz, RATE, 1.0, 1)[None]))[0, :, 20]
    assert int(latents.argmax()) == band
    assert float(latents[band]) == pytest.approx(0, abs=2)
    halved = LogMel("cpu").encode(torch.from_numpy(tone(centre_hz, RATE, 0.5, 1)[None]))[0, band, 20]
    assert float(latents[band] - halved) == pytest.approx(20 * np.log10(2), abs=1e-3)


def test_logmel_shows_when_a_sound_begins(tone):
    sound = tone(1000, RATE, 1.0, 1)
    sound[:, : 40 * HOP] = 0
    loudest = LogMel("cpu").encode(torch.from_numpy(sound[None]))[0].max(dim=0).values
    assert (loudest[:38] == -100).all()
    assert loudest[39] > -30 and (loudest[42:-2] > -2).all()


def test_no_band_of_logmel_is_always_silent():
    filters = mel_filters()
    assert filters.shape == (64, 1025)
    assert (filters.max(axis=1) > 0.3).all() and (filters >= 0).all() and filters.max() <= 1


# lyra-v2.


def si_sdr_db(reference, estimate):
    reference, estimate = (x.astype(np.float64) - x.mean(dtype=np.float64) for x in (reference, estimate))
    target = reference * (estimate @ reference) / (reference @ reference)
    return 10 * np.log10((target @ target) / ((estimate - target) @ (estimate - target)))


def test_lyra_restores_real_recordings_as_published_weights_do(real_clips, lyra_weights):
    """SI-SDR of decode(encode(x)) without the quantiser, within 0.5 dB of 9.5 (guitar), 8.4 (piano), 9.7 (GuitarSet).

    Defined as: the clips as they are, not loudness-normalised; x is the model's own input (16 kHz mono), cut to whole
    frames; means removed; averaged over the clips of a recording, then the median over an instrument's recordings.
    """
    encoder, table = load_encoder("lyra-v2"), real_clips.table.copy()
    inputs = [model_input(encoder, clip) for clip in real_clips]
    latents = encode_clips(encoder, list(real_clips))
    decoded = encoder.decode(torch.from_numpy(latents), seed=0).numpy()
    length = decoded.shape[-1]
    table["si_sdr_db"] = [si_sdr_db(x[0, :length], y[0]) for x, y in zip(inputs, decoded, strict=True)]
    recordings = table.groupby(["instrument", "recording"])["si_sdr_db"].mean()
    medians = recordings.groupby("instrument").median()
    assert medians["guitar"] == pytest.approx(9.5, abs=0.5)
    assert medians["piano"] == pytest.approx(8.4, abs=0.5)
    assert table.set_index("clip").loc["gtr_guitarset_0", "si_sdr_db"] == pytest.approx(9.7, abs=0.5)


def test_lyra_keeps_silence_silent(lyra_weights):
    encoder = load_encoder("lyra-v2")
    decoded = encoder.decode(encoder.encode(torch.zeros(1, 1, 16_000)), seed=0)
    assert decoded.shape == (1, 1, 16_000)
    assert float(decoded.abs().max()) < 1e-3


def test_lyra_needs_one_frame(lyra_weights):
    with pytest.raises(ValueError, match="at least 320 samples"):
        load_encoder("lyra-v2").encode(torch.zeros(1, 1, 319))


def test_lyra_without_its_runtime_names_the_extra(lyra_weights, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setattr(entry, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'latentfx-nb\[lyra\]'"):
        load_encoder("lyra-v2")
    row = list_encoders().loc["lyra-v2"]
    assert not row["present"] and "latentfx-nb[lyra]" in row["note"]


# The list, loading and registering.


def test_list_encoders_tells_without_loading(monkeypatch, lyra_weights):
    def refuse(*_):
        raise AssertionError("a model was loaded")

    for known in registry.BUILT_IN.values():
        monkeypatch.setattr(known.model, "__init__", refuse)
    table = list_encoders()
    assert table.index.name == "name" and set(BUILT_IN) == set(table.index)
    wanted = ["dim", "frame_rate_hz", "sample_rate_hz", "channels", "has_decoder", "variants", "licence",
              "size_mb", "weights"]  # fmt: skip
    assert list(table.columns) == [*wanted, "present", "note"]
    assert table.loc["logmel", ["dim", "sample_rate_hz", "channels", "has_decoder", "present"]].tolist() == [
        64, 48_000, 1, False, True]  # fmt: skip
    assert table.loc["lyra-v2", ["dim", "frame_rate_hz", "sample_rate_hz", "has_decoder", "present"]].tolist() == [
        64, 50.0, 16_000, True, True]  # fmt: skip
    assert "google/lyra" in table.loc["lyra-v2", "weights"] and table.loc["lyra-v2", "size_mb"] > 3
    assert (table["licence"] != "").all() and table["present"].dtype == bool


def test_every_file_that_declares_entries_is_listed():
    folder = Path(registry.__file__).parent
    declaring = {path.stem for path in folder.glob("*.py") if "\nENTRIES = " in path.read_text(encoding="utf-8")}
    assert declaring == set(registry.FAMILIES)


def test_list_encoders_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("LATENTFX_WEIGHTS", raising=False)
    row = list_encoders().loc["lyra-v2"]
    assert not row["present"]
    assert row["note"] == "3.3 MB of weights are fetched at first use"


def test_an_unknown_encoder_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'vggisch'.*known are .*logmel.*lyra-v2"):
        load_encoder("vggisch")


def test_an_encoder_is_loaded_once():
    assert load_encoder("logmel", "cpu") is load_encoder("logmel", "cpu")


def test_an_encoder_without_weights_takes_none(tmp_path):
    with pytest.raises(ValueError, match="logmel has no weights"):
        load_encoder("logmel", weights=tmp_path)


class Mean:
    """About the smallest model there is."""

    name, sample_rate, channels, dim, frame_rate = "mean", 48_000, 2, 2, None
    weights_hash = "0" * 64
    device = torch.device("cpu")

    def frames(self, n_samples):
        return 1

    def encode(self, audio):
        return audio.mean(-1, keepdim=True)


def test_a_registered_encoder_is_listed_and_loaded(noise):
    model = Mean()
    register_encoder(model)
    assert load_encoder("mean") is model
    row = list_encoders().loc["mean"]
    assert row["dim"] == 2 and row["present"] and not row["has_decoder"]
    clip = noise(1000)
    assert np.allclose(encode_clips(model, [clip])[0, :, 0], clip.mean(axis=1), atol=1e-6)
    with pytest.raises(ValueError, match="known are .*mean"):
        load_encoder("median")
    newer = Mean()
    register_encoder(newer)
    assert load_encoder("mean") is newer


LEVELS = """
import torch
import latentfx_nb as lfx

class Levels:
    name, sample_rate, channels, dim, frame_rate = "levels", 24_000, 1, 1, 100.0

    def frames(self, n_samples):
        return n_samples // 240

    def encode(self, audio):
        return audio.unfold(-1, 240, 240).square().mean(-1).sqrt()

lfx.register_encoder(Levels())
"""


def test_an_encoder_in_a_script_outside_the_package_is_listed_and_encodes(tmp_path, noise):
    (tmp_path / "levels.py").write_text(LEVELS)
    before = list(list_encoders().index)
    runpy.run_path(str(tmp_path / "levels.py"))
    assert list(list_encoders().index) == [*before, "levels"]
    assert encode_clips(load_encoder("levels"), [noise(48_000)]).shape == (1, 1, 100)


@pytest.mark.parametrize("attribute", ["name", "sample_rate", "channels", "dim", "frame_rate", "frames", "encode"])
def test_what_is_no_encoder_is_not_registered(attribute):
    class Partial(Mean):
        def __getattribute__(self, name):
            if name == attribute:
                raise AttributeError(name)
            return super().__getattribute__(name)

    with pytest.raises(TypeError, match=rf"Partial is no Encoder: it lacks {attribute} \("):
        register_encoder(Partial())


def test_a_built_in_name_is_taken():
    model = Mean()
    model.name = "logmel"
    with pytest.raises(ValueError, match="'logmel' is a built-in encoder"):
        register_encoder(model)


def test_a_device_that_torch_cannot_use_is_named():
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ValueError, match="device 'cuda' here .*use 'auto' or 'cpu'"):
        load_encoder("logmel", device="cuda")


@pytest.mark.skipif("ONEDNN_MAX_CPU_ISA" not in os.environ, reason="needs process.env's settings: use make test")
def test_bfloat16_is_right_with_the_process_settings():
    check_bf16()


def test_wrong_bfloat16_is_refused(monkeypatch):
    conv1d = torch.nn.functional.conv1d

    def wrong(sound, kernel, **options):
        found = conv1d(sound, kernel, **options)
        return found.flip(1) if found.dtype == torch.bfloat16 else found

    monkeypatch.setattr(torch.nn.functional, "conv1d", wrong)
    with pytest.raises(ValueError, match="wrong results on this processor.*ONEDNN_MAX_CPU_ISA"):
        check_bf16()


def test_clips_that_cannot_be_encoded_together_are_refused(noise):
    encoder = load_encoder("logmel", "cpu")
    for clips, said in (([], "none"), ([noise(100), noise(200)], "of 2 lengths")):
        with pytest.raises(ValueError, match=f"encoded together if they are of one length, and these are {said}"):
            encode_clips(encoder, clips)
    with pytest.raises(ValueError, match="pass clip.T if it is"):
        encode_clips(encoder, [noise(4800).T])
    with pytest.raises(TypeError, match=r"logmel.encode takes a torch tensor, not .*ndarray.*encode_clips\(\) takes"):
        encoder.encode(noise(4800)[None])
    with pytest.raises(TypeError, match="not one of int16"):
        encode_clips(encoder, [(32767 * noise(4800)).astype("int16")])
