"""The paper's checkpoints: every published key and shape, and their conversion, which trusts nothing it reads."""

from __future__ import annotations

import csv
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from latentfx_nb.__main__ import main
from latentfx_nb.cache import file_digest
from latentfx_nb.encoders import list_encoders, load_encoder, registry
from latentfx_nb.encoders.nets.encoder1d import Encoder1d
from latentfx_nb.encoders.nets.soundstream import STAGE_1, SoundStreamDecoder, SoundStreamEncoder
from latentfx_nb.encoders.nets.unet import STACKED as STACKED_UNET
from latentfx_nb.encoders.nets.unet import DiffusionUNet
from latentfx_nb.encoders.sources.checkpoints import CHECKPOINTS, DIFFAE, convert, load_network
from latentfx_nb.encoders.sources.weights import SUMS
from tests.conftest import SHARED
from tests.narrow_checkpoints import networks, save_checkpoint, save_converted, state_dict
from tests.speed import PATIENCE_S

PUBLISHED = {  # name -> network, parameters, tensors
    "diffae_encoder": (SoundStreamEncoder, {}, 19_806_304, 134),
    "diffae_unet": (DiffusionUNet, {}, 254_233_098, 930),
    "stacked_stage1_encoder": (SoundStreamEncoder, STAGE_1, 78_442_592, 134),
    "stacked_stage1_decoder": (SoundStreamDecoder, {}, 78_704_706, 134),
    "stacked_stage2_encoder": (Encoder1d, {}, 125_312_480, 276),
    "stacked_unet": (DiffusionUNet, STACKED_UNET, 171_706_920, 508),
}


@pytest.fixture(autouse=True)
def nothing_loaded():
    """What one test loaded is not handed to another, whose files are others."""
    registry.load_built_in.cache_clear()
    yield
    registry.load_built_in.cache_clear()


@pytest.fixture(params=PUBLISHED)
def published(request):
    kind, options, parameters, tensors = PUBLISHED[request.param]
    with torch.device("meta"):
        return request.param, kind(**options), parameters, tensors


def shapes(state):
    return {name: tuple(weight.shape) for name, weight in state.items()}


def test_full_size_networks_have_the_published_numbers(published):
    _, network, parameters, tensors = published
    assert sum(weight.numel() for weight in network.parameters()) == parameters
    assert len(network.state_dict()) == tensors


def test_full_size_networks_have_the_published_keys_and_shapes(published):
    name, network, *_ = published
    table = SHARED / "reference" / "checkpoint-keys" / f"{name}.tsv"
    if not table.is_file():
        pytest.skip(f"needs the published keys in {table}")
    rows = list(csv.DictReader(table.open(encoding="utf-8"), delimiter="\t"))
    wanted = {row["key"]: tuple(map(int, row["shape"].split("x"))) for row in rows}
    assert shapes(network.state_dict()) == wanted
    public = {key: torch.empty(shape, device="meta") for key, shape in wanted.items()}
    network.load_state_dict(public, strict=True)
    assert shapes(type(network).of(public).state_dict()) == wanted


@pytest.mark.parametrize("family", CHECKPOINTS)
def test_sizes_are_read_off_the_weights(family):
    for network in networks(family).values():
        state = network.state_dict()
        assert shapes(type(network).of(state).state_dict()) == shapes(state)


def test_the_decoder_with_two_heads_is_told_from_the_other():
    heads = SoundStreamDecoder(widths=(4, 4, 8), strides=(2, 2), heads=True)
    again = SoundStreamDecoder.of(heads.state_dict())
    assert shapes(again.state_dict()) == shapes(heads.state_dict()) and hasattr(again, "env_gen")


# Conversion.


@pytest.mark.parametrize("family", CHECKPOINTS)
def test_converted_files_hold_the_averaged_weights_bit_by_bit(tmp_path, family):
    state = state_dict(family)
    path = save_checkpoint(family, tmp_path / "its.ckpt", state)
    written = convert(family, path, tmp_path / "out", sha256=file_digest(path))
    assert [one.name for one in written] == [part.file for part in CHECKPOINTS[family].parts]
    for part in CHECKPOINTS[family].parts:
        kept = load_file(tmp_path / "out" / part.file)
        wanted = {k.removeprefix(part.prefix): v for k, v in state.items() if k.startswith(part.prefix)}
        assert kept.keys() == wanted.keys() and all(torch.equal(kept[name], wanted[name]) for name in kept)
    sums = dict(reversed(line.split()) for line in (tmp_path / "out" / SUMS).read_text().splitlines())
    assert sums == {one.name: file_digest(one) for one in written}


def test_half_precision_is_kept_on_disk_and_run_as_float32(tmp_path):
    state = {name: weight.half() for name, weight in state_dict("diffae").items()}
    path = save_checkpoint("diffae", tmp_path / "its.ckpt", state)
    encoder = convert("diffae", path, tmp_path / "out", sha256=file_digest(path))[0]
    assert {weight.dtype for weight in load_file(encoder).values()} == {torch.float16}
    network = load_network(encoder, SoundStreamEncoder)
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("way", ["zip", "old"])
def test_both_formats_of_torch_save_are_read_and_a_bare_state_dict_too(tmp_path, way):
    path = tmp_path / "its.ckpt"
    torch.save(state_dict("diffae"), path, _use_new_zipfile_serialization=way == "zip")
    assert len(convert("diffae", path, tmp_path / "out", sha256=file_digest(path))) == 2


def test_a_checkpoint_without_decoders_still_encodes(tmp_path):
    state = {name: w for name, w in state_dict("diffae").items() if name.startswith("encoder")}
    path = save_checkpoint("diffae", tmp_path / "its.ckpt", state)
    assert [one.name for one in convert("diffae", path, tmp_path, file_digest(path))] == ["encoder.safetensors"]
    encoder = load_encoder("diffae", "cpu", tmp_path)
    latents = encoder.encode(torch.zeros(1, 2, 1000))
    with pytest.raises(FileNotFoundError, match=r"decoder\.safetensors of diffae .*convert diffae CKPT.*Google Drive"):
        encoder.decode(latents)


def test_only_the_published_file_is_taken_unless_its_owner_names_another(tmp_path, capsys):
    path = save_checkpoint("diffae", tmp_path / "its.ckpt")
    found, wanted = file_digest(path), DIFFAE.sha256
    with pytest.raises(ValueError, match=f"its sha256 is {found}, expected {wanted}.*--sha256 {found}"):
        convert("diffae", path, tmp_path / "out")
    with pytest.raises(ValueError, match=f"expected {'0' * 64}"):
        convert("diffae", path, tmp_path / "out", sha256="0" * 64)
    assert not (tmp_path / "out").exists()
    assert main(["convert", "diffae", str(path), "--sha256", found.upper(), "--out", str(tmp_path / "out")]) == 0
    assert "encoder.safetensors" in capsys.readouterr().out


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("way", ["zip", "old", "plain pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_runs_none(tmp_path, way):
    path, trace = tmp_path / "its.ckpt", tmp_path / "ran"
    content = {"state_dict": state_dict("diffae"), "callbacks": Trap(trace)}
    if way == "plain pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=way == "zip")
    with pytest.raises(ValueError, match="no checkpoint that can be read without running what it holds"):
        convert("diffae", path, tmp_path / "out", sha256=file_digest(path))
    assert not trace.exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x02 nothing", b"not a checkpoint at all" * 100])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "its.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"its\.ckpt is no checkpoint"):
        convert("diffae", path, tmp_path / "out", sha256=file_digest(path))


def test_a_torn_checkpoint_is_refused(tmp_path):
    path = save_checkpoint("diffae", tmp_path / "its.ckpt")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"its\.ckpt is no checkpoint"):
        convert("diffae", path, tmp_path / "out", sha256=file_digest(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {k: v for k, v in s.items() if "encoder_ema" not in k},
            r"no encoder_ema\.\*, but diffusion_ema, enc",
        ),
        (
            lambda s: {k: v for k, v in s.items() if k != "encoder_ema.layers.0.bias"},
            r"encoder_ema\.\* .*layers\.0\.bias",
        ),
        (lambda s: {k: v for k, v in s.items() if k != "encoder_ema.layers.0.weight"}, r"is no SoundStreamEncoder"),
        (lambda s: s | {"encoder_ema.extra": torch.ones(1)}, "extra"),
        (lambda s: s | {"encoder_ema.layers.12.bias": torch.ones(3)}, "size mismatch"),
        (lambda s: s | {"encoder_ema.layers.0.weight": "text"}, "is no SoundStreamEncoder"),
        (lambda s: {}, "holds no encoder_ema"),
    ],
)
def test_another_models_checkpoint_is_refused_and_nothing_is_written(tmp_path, change, message):
    path = tmp_path / "its.ckpt"
    torch.save({"state_dict": change(state_dict("diffae"))}, path)
    with pytest.raises(ValueError, match=message):
        convert("diffae", path, tmp_path / "out", sha256=file_digest(path))
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}])
def test_a_checkpoint_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "its.ckpt")
    with pytest.raises(ValueError, match="holds no state_dict"):
        convert("diffae", tmp_path / "its.ckpt", tmp_path / "out", sha256=file_digest(tmp_path / "its.ckpt"))


MEASURE = """
import sys, threading, time, psutil
from latentfx_nb.encoders.sources.checkpoints import convert
process, peak, done = psutil.Process(), 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.002)
before = process.memory_info().rss
watcher = threading.Thread(target=watch)
watcher.start()
convert("diffae", *sys.argv[1:])
done = True
watcher.join()
print(peak - before)
"""


def test_memory_stays_below_twice_the_file(tmp_path):
    """Of a checkpoint that is nothing but what is kept, which is the worst case."""
    network = SoundStreamEncoder(widths=(64, 64, 128, 256, 512, 1024))
    state = {f"encoder_ema.{name}": weight for name, weight in network.state_dict().items()}
    path = save_checkpoint("diffae", tmp_path / "its.ckpt", state)
    run = [sys.executable, "-c", MEASURE, str(path), str(tmp_path / "out"), file_digest(path)]
    grown = int(subprocess.run(run, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout)
    assert path.stat().st_size > 50e6
    assert 0 < grown < 2 * path.stat().st_size


# The command, and where encoders look.


def test_the_command_says_where_to_get_what(capsys):
    assert main(["convert"]) == 0
    text = capsys.readouterr().out
    assert (
        "1C3NMdQlmOcArGt1KL7pH32KtXVCOfXKr" in text and "no licence is stated" in text and "no public address" in text
    )
    assert main(["convert", "stacked"]) == 0
    assert "Google Drive" not in capsys.readouterr().out
    assert main(["convert", "vggish", "x.ckpt"]) == 1
    assert "known are diffae, stacked" in capsys.readouterr().err
    assert main(["convert", "diffae", "nowhere.ckpt"]) == 1
    assert "there is no file nowhere.ckpt. The authors' checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["diffae", "stacked-2", "stacked-1", "stacked-1-encoder"])
def test_without_a_conversion_the_remedy_is_named(name, own_cache, monkeypatch):
    monkeypatch.delenv("LATENTFX_WEIGHTS", raising=False)
    row = list_encoders().loc[name]
    assert not row["present"] and "python -m latentfx_nb convert" in row["note"]
    with pytest.raises(FileNotFoundError) as caught:
        load_encoder(name, "cpu")
    family = name.partition("-")[0]
    for part in (f"convert {family} CKPT", str(own_cache / "weights" / family), CHECKPOINTS[family].source):
        assert part in str(caught.value)


def test_what_was_converted_is_found(own_cache, tmp_path, monkeypatch):
    path = save_checkpoint("stacked", tmp_path / "its.ckpt")
    assert main(["convert", "stacked", str(path)]) == 0  # no digest is published for this one
    assert list_encoders().loc[["stacked-2", "stacked-1", "stacked-1-encoder"], "present"].all()
    cached = load_encoder("stacked-2", "cpu")
    mine = save_converted("stacked", tmp_path / "models" / "stacked")
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path / "models"))
    (own_cache / "weights" / "stacked" / "stage-1-encoder.safetensors").unlink()
    assert load_encoder("stacked-2", "cpu", mine).weights_hash == cached.weights_hash
    assert list_encoders().loc["stacked-2", "present"]


def test_parts_of_two_conversions_are_not_mixed(own_cache, tmp_path, monkeypatch):
    save_converted("diffae", own_cache / "weights" / "diffae")
    mine = save_converted("diffae", tmp_path / "models" / "diffae")
    (mine / "decoder.safetensors").unlink()
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path / "models"))
    encoder = load_encoder("diffae", "cpu")
    with pytest.raises(FileNotFoundError, match=f"found in {mine}"):
        encoder.decode(torch.zeros(1, 64, 8))


def test_a_converted_file_that_was_changed_is_refused(tmp_path):
    folder = save_converted("diffae", tmp_path / "diffae")
    file = folder / "encoder.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"encoder\.safetensors was changed after it was converted; convert"):
        load_encoder("diffae", "cpu", folder)


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x08" + bytes(7) + b'{"a":1} ' + bytes(100)])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    (tmp_path / "encoder.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"encoder\.safetensors holds no SoundStreamEncoder .*convert"):
        load_encoder("diffae", "cpu", tmp_path)
