"""`latentfx_nb.encoders.sources.weights`: found, fetched from a server of the test's own, verified, or refused."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pooch
import pytest
import torch

from latentfx_nb.encoders import list_encoders, load_encoder, lyra, registry
from latentfx_nb.encoders.sources.weights import Weights

CONTENT = {"encoder.bin": b"weights of the encoder" * 1000, "decoder.bin": b"weights of the decoder" * 1000}


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and remembers what was asked for."""

    asked: list[str] = []

    def do_GET(self):
        Handler.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def forget_loaded_encoders(monkeypatch):
    monkeypatch.delenv("LATENTFX_WEIGHTS", raising=False)
    registry.load_built_in.cache_clear()
    yield
    registry.load_built_in.cache_clear()


@pytest.fixture
def serve():
    """Serve a folder at an address of this machine; gives the address."""
    servers = []

    def start(folder):
        Handler.asked.clear()
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError("the network is not to be touched")

    monkeypatch.setattr(pooch, "retrieve", refuse)


@pytest.fixture
def published(tmp_path):
    return put(tmp_path / "published")


def put(folder, content=CONTENT):
    folder.mkdir(parents=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return folder


def toy(url="http://127.0.0.1:9"):
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
    return Weights("toy", url, digests, 0.1)


def read(paths):
    return {name: path.read_bytes() for name, path in paths.items()}


def test_fetched_once_verified_and_kept(published, serve, own_cache):
    weights = toy(serve(published))
    assert weights.find() is None
    paths = weights.fetch()
    assert read(paths) == CONTENT
    assert {path.parent for path in paths.values()} == {own_cache / "weights" / "toy"}
    assert len(Handler.asked) == 2
    assert weights.fetch() == weights.find() == paths
    assert len(Handler.asked) == 2


def test_only_the_file_that_is_missing_is_fetched(published, serve, own_cache):
    weights = toy(serve(published))
    weights.fetch()
    (own_cache / "weights" / "toy" / "decoder.bin").unlink()
    assert read(weights.fetch()) == CONTENT
    assert Handler.asked == ["/encoder.bin", "/decoder.bin", "/decoder.bin"]


def test_a_server_that_gives_other_bytes_is_not_believed(published, serve, own_cache):
    (published / "decoder.bin").write_bytes(b"something else")
    weights = toy(serve(published))
    with pytest.raises(FileNotFoundError, match="fetching them from http://127.* failed .*hash"):
        weights.fetch()
    assert weights.find() is None
    assert not (own_cache / "weights" / "toy" / "decoder.bin").exists()


def test_a_server_without_the_files(tmp_path, serve, own_cache):
    url = serve(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        toy(url).fetch()
    message = str(caught.value)
    for part in ("toy", "encoder.bin, decoder.bin", url, "404", str(own_cache / "weights" / "toy"), "LATENTFX_WEIGHTS"):
        assert part in message


def test_without_a_network_the_remedy_is_named(no_network, own_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        toy().fetch()
    message = str(caught.value)
    assert "not to be touched" in message
    assert f"neither in {tmp_path / 'toy'} nor in {own_cache / 'weights' / 'toy'}" in message
    assert "put the files into" in message and "toy/" in message


def test_the_users_folder_comes_before_the_cache(tmp_path, own_cache, monkeypatch, no_network):
    cached, mine = put(own_cache / "weights" / "toy"), put(tmp_path / "models" / "toy")
    assert set(toy().fetch().values()) == {cached / name for name in CONTENT}
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path / "models"))
    assert set(toy().fetch().values()) == {mine / name for name in CONTENT}
    (mine / "encoder.bin").unlink()
    assert set(toy().fetch().values()) == {cached / name for name in CONTENT}  # never half of each


@pytest.mark.parametrize("place", ["variable", "cache", "argument"])
@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: b"X" + data[1:], lambda data: b""])
def test_a_file_with_another_hash_is_refused_wherever_it_lies(
    tmp_path, own_cache, monkeypatch, no_network, place, change
):
    folder = put(own_cache / "weights" / "toy" if place == "cache" else tmp_path / "models" / "toy")
    if place == "variable":
        monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path / "models"))
    (folder / "decoder.bin").write_bytes(change(CONTENT["decoder.bin"]))
    argument = folder if place == "argument" else None
    expected = toy().sha256["decoder.bin"]
    with pytest.raises(ValueError, match=rf"decoder\.bin is not the published file.*expected {expected}; delete it"):
        toy().fetch(argument)


def test_a_folder_that_is_named_is_the_only_place(tmp_path, own_cache, no_network):
    put(own_cache / "weights" / "toy")
    folder = put(tmp_path / "here", {"encoder.bin": CONTENT["encoder.bin"]})
    for named in (folder, str(folder), tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=r"does not hold all of encoder\.bin, decoder\.bin; put them there"):
            toy().fetch(named)
    (folder / "decoder.bin").write_bytes(CONTENT["decoder.bin"])
    assert read(toy().fetch(str(folder))) == CONTENT


def test_the_hash_of_all_files_is_known_without_them_and_follows_each():
    weights = toy()
    other = {**weights.sha256, "decoder.bin": "0" * 64}
    assert weights.hash() == toy("http://elsewhere").hash()
    assert weights.hash() != dataclasses.replace(weights, sha256=other).hash()
    backwards = dict(reversed(weights.sha256.items()))
    assert weights.hash() == dataclasses.replace(weights, sha256=backwards).hash()


# Through `load_encoder`, with the published files.


def test_lyra_is_not_run_without_its_weights(no_network):
    with pytest.raises(FileNotFoundError, match=r"weights of lyra .*LATENTFX_WEIGHTS to a folder that holds lyra/"):
        load_encoder("lyra-v2")


def test_lyra_refuses_weights_that_are_not_the_published_ones(lyra_weights, tmp_path, monkeypatch, no_network):
    folder = tmp_path / "models" / "lyra"
    shutil.copytree(lyra_weights, folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    file = folder / lyra.ENCODER_FILE
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError, match=f"{lyra.ENCODER_FILE} is not the published file"):
        load_encoder("lyra-v2", weights=folder)
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path / "models"))
    with pytest.raises(ValueError, match=f"{lyra.ENCODER_FILE} is not the published file"):
        load_encoder("lyra-v2")
    row = list_encoders().loc["lyra-v2"]
    assert not row["present"] and lyra.ENCODER_FILE in row["note"]


def test_lyra_fetches_its_weights_and_runs_on_them(lyra_weights, monkeypatch, serve, own_cache):
    monkeypatch.delenv("LATENTFX_WEIGHTS")
    served = dataclasses.replace(lyra.WEIGHTS, url=serve(lyra_weights))
    monkeypatch.setattr(lyra, "WEIGHTS", served)
    fetched = load_encoder("lyra-v2")
    assert sorted(Handler.asked) == [f"/{name}" for name in sorted([lyra.DECODER_FILE, lyra.ENCODER_FILE])]
    assert (own_cache / "weights" / "lyra" / lyra.ENCODER_FILE).is_file()
    named = load_encoder("lyra-v2", weights=lyra_weights)
    assert fetched.weights_hash == named.weights_hash == served.hash()
    sound = 0.1 * torch.randn(1, 1, 8000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fetched.encode(sound), named.encode(sound))
