"""Weights that were flipped, torn, packed or made to run code: refused in a sentence, before anything of them runs."""

from __future__ import annotations

import builtins
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from latentfx_nb.cache import file_digest
from latentfx_nb.encoders import load_encoder, registry
from latentfx_nb.encoders.mini import DIFFAE
from latentfx_nb.encoders.sources import weights
from latentfx_nb.encoders.sources.checkpoints import convert
from latentfx_nb.encoders.sources.weights import SHIPPED, HubWeights, check_archive
from latentfx_nb.encoders.vggish import NETWORK_FILE, PCA_FILE
from tests.narrow_checkpoints import save_checkpoint, state_dict
from tests.tiny_models import published_as

pytestmark = pytest.mark.soak

SECTION, REFUSED = "Weights", "tampered files refused"
MINI = DIFFAE.files[0]


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    monkeypatch.delenv("LATENTFX_WEIGHTS", raising=False)
    registry.load_built_in.cache_clear()
    yield
    registry.load_built_in.cache_clear()


@pytest.fixture
def refuses(soak):
    """Assert that a call raises one readable sentence that names the file, and count it."""

    def check(name, load, error=ValueError, words=()):
        registry.load_built_in.cache_clear()
        with pytest.raises(error) as caught:
            load()
        message = str(caught.value)
        for part in (name, *words):
            assert part in message, message
        assert "\n" not in message.strip() and "weights_only" not in message and len(message) < 1500
        soak.count(SECTION, REFUSED)

    return check


def own(folder, source):
    """A copy of a model's folder, to be spoiled."""
    return Path(shutil.copytree(source, folder, dirs_exist_ok=True))


def flip(content, generator):
    spoiled = bytearray(content)
    spoiled[generator.integers(len(spoiled))] ^= 1 << int(generator.integers(8))
    return bytes(spoiled)


def cut(content, generator):
    return content[: int(generator.integers(len(content)))]


def lengthen(content, generator):
    return content + generator.bytes(int(generator.integers(1, 1000)))


def zero(content, generator):
    start = int(generator.integers(len(content) - 1))
    spoiled = bytearray(content)
    spoiled[start : start + 64] = bytes(len(spoiled[start : start + 64]))
    return bytes(spoiled) if bytes(spoiled) != content else flip(content, generator)


DAMAGE = (flip, cut, lengthen, zero)


def damaged(content, rounds, seed=0):
    generator = np.random.default_rng(seed)
    for number in range(rounds):
        yield DAMAGE[number % len(DAMAGE)](content, generator)


# Files whose digest is known: any change at all is refused, wherever it is.


def test_shipped_weights(tmp_path, monkeypatch, soak, refuses):
    content = (SHIPPED / MINI).read_bytes()
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    for spoiled in damaged(content, soak.rounds(8, 200)):
        (tmp_path / MINI).write_bytes(spoiled)
        refuses(MINI, lambda: load_encoder("diffae-mini", "cpu"), words=["was changed", "install the package again"])


def test_published_pickles(tmp_path, tiny_models, soak, refuses):
    folder = own(tmp_path / "vggish", tiny_models("vggish"))
    for name in (NETWORK_FILE, PCA_FILE):
        content = (folder / name).read_bytes()
        for spoiled in damaged(content, soak.rounds(8, 200)):
            (folder / name).write_bytes(spoiled)
            refuses(name, lambda: load_encoder("vggish", "cpu", folder), words=["is not the published file"])
        (folder / name).write_bytes(content)
    assert load_encoder("vggish", "cpu", folder).frames(16_000) == 1


@pytest.mark.parametrize("model", ["lyra-v2", "efficientat-mn04", "yamnet"])
def test_published_files(model, published_weights, tmp_path, soak, refuses):
    weights = registry.BUILT_IN[model].weights
    folder = own(tmp_path / weights.family, published_weights(weights.family))
    for name in weights.sha256:
        (folder / name).chmod(0o644)
        content = (folder / name).read_bytes()
        for spoiled in damaged(content, soak.rounds(4, 60)):
            (folder / name).write_bytes(spoiled)
            refuses(name, lambda: load_encoder(model, "cpu", folder), words=["is not the published file"])
        (folder / name).write_bytes(content)
    assert load_encoder(model, "cpu", folder).name == model


def test_converted_weights(tmp_path, tiny_folder, soak, refuses):
    folder = own(tmp_path / "diffae", tiny_folder("diffae"))
    content = (folder / "encoder.safetensors").read_bytes()
    for spoiled in damaged(content, soak.rounds(8, 200)):
        (folder / "encoder.safetensors").write_bytes(spoiled)
        refuses("encoder.safetensors", lambda: load_encoder("diffae", "cpu", folder), words=["changed after it was"])


def test_checkpoints_of_a_known_digest(tmp_path, soak, refuses):
    path = save_checkpoint("diffae", tmp_path / "its.ckpt")
    wanted, content = file_digest(path), path.read_bytes()
    for spoiled in damaged(content, soak.rounds(8, 200)):
        path.write_bytes(spoiled)
        refuses("its.ckpt", lambda: convert("diffae", path, tmp_path / "out", wanted), words=["--sha256"])
    assert not (tmp_path / "out").exists()


def test_files_of_the_hub(tmp_path, soak, refuses, monkeypatch):
    name = "model.safetensors"
    save_file({"a": torch.arange(100.0)}, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    model = HubWeights("toy", "them/toy", "0" * 40, 1.0, (name,), sha256={name: file_digest(tmp_path / name)})
    monkeypatch.setattr(HubWeights, "_cached", lambda self: tmp_path)
    assert model.fetch() == tmp_path
    for spoiled in damaged(content, soak.rounds(8, 200)):
        (tmp_path / name).write_bytes(spoiled)
        refuses(name, model.fetch, words=["is not the published file", "delete it"])


def test_a_change_that_hides_behind_the_old_time_is_seen(tmp_path):
    """A digest is remembered while a file stays as it is; who changes it in place can set its time back."""
    path = tmp_path / "weights.bin"
    path.write_bytes(b"as published")
    before, status = file_digest(path), path.stat()
    with path.open("r+b") as file:
        file.write(b"AS PUBLISHED")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns and path.stat().st_size == status.st_size
    assert file_digest(path) != before


# Files of one's own, whose digest nobody knows: what cannot be read whole is refused, and nothing of it runs.


def test_torn_files_of_ones_own(tmp_path, tiny_folder, soak, refuses):
    generator = np.random.default_rng(0)
    files = {
        "diffae-mini": (MINI, SHIPPED),
        "diffae": ("encoder.safetensors", tiny_folder("diffae")),
        "encodec-24k": ("model.safetensors", tiny_folder("encodec-24k")),
        "oobleck-acestep": ("diffusion_pytorch_model.safetensors", tiny_folder("oobleck-acestep")),
    }
    for model, (name, source) in files.items():
        folder = own(tmp_path / model, source)
        (folder / weights.SUMS).unlink(missing_ok=True)
        content = (folder / name).read_bytes()
        for spoil in [cut, lengthen] * soak.rounds(1, 25):
            (folder / name).write_bytes(spoil(content, generator))
            refuses(str(folder), lambda model=model, folder=folder: load_encoder(model, "cpu", folder))


HEADERS = {
    "longer than the file": lambda header, body: (struct.pack("<Q", len(body) + 10**6), header, body),
    "an exabyte": lambda header, body: (struct.pack("<Q", 2**60), header, body),
    "negative": lambda header, body: (b"\xff" * 8, header, body),
    "nothing": lambda header, body: (struct.pack("<Q", 0), header, body),
    "no JSON": lambda header, body: (struct.pack("<Q", len(header)), b"x" * len(header), body),
    "a list": lambda header, body: (struct.pack("<Q", 2), b"[]", body),
    "deeply nested": lambda header, body: (struct.pack("<Q", 200_000), b"[" * 100_000 + b"]" * 100_000, body),
}


def lying(change):
    """Return how a header's entries are changed while the file stays as long as it was."""

    def rewritten(header, body):
        entries = json.loads(header)
        name = next(key for key in entries if key != "__metadata__")
        change(entries, name)
        text = json.dumps(entries).encode()
        return struct.pack("<Q", len(text)), text, body

    return rewritten


def set_offsets(first, last):
    return lying(lambda entries, name: entries[name].update(data_offsets=[first, last]))


HEADERS |= {
    "offsets beyond the end": set_offsets(0, 2**40),
    "offsets backwards": set_offsets(100, 0),
    "a shape too large": lying(lambda entries, name: entries[name].update(shape=[2**40])),
    "a shape that overflows": lying(lambda entries, name: entries[name].update(shape=[2**33, 2**33])),
    "another type": lying(lambda entries, name: entries[name].update(dtype="Q64")),
    "entries on top of each other": lying(lambda entries, name: entries.update(copy=dict(entries[name]))),
}


@pytest.mark.parametrize("model", ["diffae-mini", "diffae", "encodec-24k"])
def test_headers_that_lie(model, tmp_path, tiny_folder, refuses):
    name = {"diffae-mini": MINI, "diffae": "encoder.safetensors"}.get(model, "model.safetensors")
    folder = own(tmp_path / "own", SHIPPED if model == "diffae-mini" else tiny_folder(model))
    (folder / weights.SUMS).unlink(missing_ok=True)
    content = (folder / name).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = content[8 : 8 + length], content[8 + length :]
    for how, change in HEADERS.items():
        (folder / name).write_bytes(b"".join(change(header, body)))
        refuses(str(folder), lambda: load_encoder(model, "cpu", folder)), how


def with_metadata(path, **changes):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    save_file(load_file(path), path, metadata | changes)


def test_a_layout_that_lies_takes_no_memory(tmp_path, refuses):
    """A network a million channels wide would be made, and filled at random, before anyone compared."""
    path = own(tmp_path / "own", SHIPPED) / MINI
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    layout = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["layout"])
    with_metadata(path, layout=json.dumps(layout | {"width": 10**6, "decoder_width": 10**6}))
    refuses(MINI, lambda: load_encoder("diffae-mini", "cpu", path.parent))


def test_garbage_in_a_checkpoint_never_ends_in_anything_but_a_sentence(tmp_path, soak):
    """Bytes changed in a file of unknown digest may be weights like others; what cannot be read says so."""
    path = save_checkpoint("stacked", tmp_path / "its.ckpt")
    content = path.read_bytes()
    pickled = content.index(b"data.pkl")
    generator = np.random.default_rng(1)
    for number in range(soak.rounds(12, 300)):
        spoiled = bytearray(DAMAGE[number % 4](content, generator))
        at = pickled + int(generator.integers(3000))
        spoiled[at : at + 1] = generator.bytes(1) if at < len(spoiled) else b""  # most often in the pickle itself
        path.write_bytes(spoiled)
        try:
            convert("stacked", path, tmp_path / "out")
        except ValueError as error:
            assert "its.ckpt" in str(error) and "\n" not in str(error)
            soak.count(SECTION, REFUSED)
        else:
            soak.count(SECTION, "spoiled checkpoints of unknown digest that hold weights all the same")
            load_file(tmp_path / "out" / "stage-1-encoder.safetensors")


# Pickles that would run code.


class Call:
    """Unpickled without care, it calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(trace):
    """Return name -> an object whose unpickling, anywhere but here, would leave the file `trace` behind."""
    command = f"import pathlib; pathlib.Path({str(trace)!r}).touch()"
    return {
        "system": Call(os.system, f"touch {trace}"),
        "exec": Call(builtins.exec, command),
        "eval": Call(builtins.eval, f"open({str(trace)!r}, 'w').close()"),
        "open": Call(open, str(trace), "w"),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "touch": Call(Path.touch, Path(trace)),
        "within": Call(torch._utils._rebuild_tensor_v2, Call(builtins.exec, command), 0, (1,), (1,), False, {}),
        "load": Call(pickle.loads, pickle.dumps(Call(builtins.exec, command))),
        "print": Call(print, "unpickled"),
    }


def opcodes(trace):
    """Return pickles written by hand, in the older ways to name a function, which a scan for others would miss."""
    place = str(trace).encode()
    return {
        "GLOBAL": b"\x80\x02cbuiltins\nopen\n(X" + struct.pack("<I", len(place)) + place + b"X\x01\x00\x00\x00wtR.",
        "INST": b"(S'" + place + b"'\nS'w'\niio\nopen\n.",
        "OBJ": b"(cio\nopen\nX" + struct.pack("<I", len(place)) + place + b"X\x01\x00\x00\x00wo.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x02io\x8c\x04open\x93\x8c" + bytes([len(place)]) + place + b"\x8c\x01w\x86R.",
    }


FORMS = {
    "archive": lambda path, content: torch.save(content, path),
    "older": lambda path, content: torch.save(content, path, _use_new_zipfile_serialization=False),
    "plain": lambda path, content: path.write_bytes(pickle.dumps(content, 2)),
}


def archive_of(pickled):
    """Return a torch archive around a pickle written by hand."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return file.getvalue()


def test_the_attacks_work_where_there_is_no_care(tmp_path):
    """Else the tests below would show nothing."""
    for name, pickled in opcodes(tmp_path / "trace").items():
        pickle.loads(pickled).close()
        assert (tmp_path / "trace").exists(), name
        (tmp_path / "trace").unlink()
    for name in ("system", "exec", "eval", "touch", "load"):
        pickle.loads(pickle.dumps(attacks(tmp_path / "trace")[name]))
        assert (tmp_path / "trace").exists(), name
        (tmp_path / "trace").unlink()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("model", ["diffae", "vggish"])
def test_pickles_that_would_run_code(model, tmp_path, tiny_models, monkeypatch, refuses):
    """The user vouches for the file, or its digest is the published one: it is still not run."""
    trace = tmp_path / "trace"
    folder = own(tmp_path / "vggish", tiny_models("vggish"))
    path = tmp_path / "its.ckpt" if model == "diffae" else folder / NETWORK_FILE

    def load():
        if model == "diffae":
            convert("diffae", path, tmp_path / "out", file_digest(path))
        else:
            monkeypatch.setattr("latentfx_nb.encoders.vggish.WEIGHTS", published_as(folder))
            load_encoder("vggish", "cpu", folder)

    for write in FORMS.values():
        for attack in attacks(trace).values():
            write(path, {"state_dict": {"encoder_ema.a": torch.zeros(1)}, "hyper_parameters": attack})
            refuses(path.name, load)
            assert not trace.exists()
    for pickled in opcodes(trace).values():
        for content in (pickled, archive_of(pickled)):
            path.write_bytes(content)
            refuses(path.name, load)
            assert not trace.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("model", ["encodec-24k", "oobleck-acestep"])
def test_pickles_and_code_beside_a_library_model(model, tmp_path, tiny_folder, refuses):
    """Neither a pickle under the name of a safetensors file nor code that the configuration names is run."""
    trace = tmp_path / "trace"
    folder = own(tmp_path / "own", tiny_folder(model))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = ("AutoConfig", "AutoModel", "EncodecModel", "AutoencoderOobleck")
    config["auto_map"] = dict.fromkeys(names, "code.Model")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "code.py").write_text(f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n", encoding="utf-8")
    assert load_encoder(model, "cpu", folder).name == model  # the safetensors, and nothing else
    assert not trace.exists()
    weights_file = next(folder.glob("*.safetensors"))
    for write in FORMS.values():
        write(weights_file, attacks(trace)["exec"])
        shutil.copy(weights_file, folder / "pytorch_model.bin")
        refuses(str(folder), lambda: load_encoder(model, "cpu", folder))
        assert not trace.exists()


# Files that would fill memory or disk.


def packed(path, size, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/version", "3\n")
        with archive.open("archive/data.pkl", "w", force_zip64=True) as entry:
            for _ in range(size // 2**20):
                entry.write(bytes(2**20))


def test_archives_that_unpack_to_much_more(tmp_path, tiny_models, monkeypatch, refuses, soak):
    path = tmp_path / "its.ckpt"
    packed(path, soak.rounds(64, 2048) * 2**20)
    assert path.stat().st_size < 4e6
    refuses("its.ckpt", lambda: convert("stacked", path, tmp_path / "out"), words=["would unpack to", "MB"])
    folder = own(tmp_path / "vggish", tiny_models("vggish"))
    shutil.copy(path, folder / NETWORK_FILE)
    monkeypatch.setattr("latentfx_nb.encoders.vggish.WEIGHTS", published_as(folder))
    refuses(NETWORK_FILE, lambda: load_encoder("vggish", "cpu", folder))


def test_an_archive_that_counts_one_entry_twice(tmp_path, refuses):
    """Stored, not packed, and still larger than it is: two entries of the directory are the same bytes."""
    path = tmp_path / "its.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
        twin = zipfile.ZipInfo("archive/data/0")
        for name in ("header_offset", "CRC", "compress_size", "file_size"):
            setattr(twin, name, getattr(archive.filelist[0], name))
        archive.filelist.append(twin)
    refuses("its.ckpt", lambda: convert("stacked", path, tmp_path / "out"), words=["would unpack to 2.0 MB"])


def test_what_torch_writes_is_no_such_archive(tmp_path):
    check_archive(save_checkpoint("stacked", tmp_path / "its.ckpt"))
    (tmp_path / "plain").write_bytes(b"no archive")
    check_archive(tmp_path / "plain")


def test_tensors_that_one_number_stands_for(tmp_path, refuses):
    """A kilobyte can claim a terabyte of weights that are all the same number, and would be written out."""
    state = state_dict("diffae")
    wide = torch.zeros(1).expand(10**6, 2, 7)
    state["encoder_ema.layers.0.weight"] = wide
    state = {name: torch.zeros(1).expand(weight.shape) for name, weight in state.items()}
    path = tmp_path / "its.ckpt"
    torch.save({"state_dict": state}, path)
    assert path.stat().st_size < 2e6
    refuses("its.ckpt", lambda: convert("diffae", path, tmp_path / "out", file_digest(path)))
    same = {name: torch.zeros(1).expand(weight.shape) for name, weight in state_dict("diffae").items()}
    torch.save({"state_dict": same}, path)
    refuses("its.ckpt", lambda: convert("diffae", path, tmp_path / "out", file_digest(path)), words=["would be", "MB"])
    assert not (tmp_path / "out").exists()
