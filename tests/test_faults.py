"""Faults injected into stores and caches: every number read afterwards is the right one, or is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zarr

from latentfx_nb import cache
from latentfx_nb.__main__ import main
from latentfx_nb.effects import render
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.nearness import Sketch, keep_near, kept_near, random_sums
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store import decoding, folders, verify
from latentfx_nb.store import store as stores
from latentfx_nb.store.decoding import reconstruction
from latentfx_nb.store.encode import encode_effects
from tests.speed import PATIENCE_S
from tests.test_decoding import Decoding
from tests.test_latents import Quiet, Tiny, content_of, encoded, finished_rows

pytestmark = [
    pytest.mark.soak,
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
]

LABELS = ["CLN", "HPF"]
CLIPS = 4


def encode(clips, encoder, store, labels=LABELS, **kwargs):
    return encode_effects(clips, encoder, labels, store, bar=Quiet, **kwargs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, noise, write_audio):
    sounds = {f"{i}.wav": noise(20_000 + 5000 * i, channels=1, seed=i) for i in range(CLIPS)}
    return write_audio(tmp_path_factory.mktemp("clips"), sounds)


@pytest.fixture(scope="module")
def clips(folder):
    return load_clips(folder)


@pytest.fixture(scope="module")
def truth(clips):
    """Latents `[clip effect dim frame]` and averages, made without a store."""
    exact = np.stack([encode_clips(Tiny(), [render(clip, label) for label in LABELS]) for clip in clips])
    return exact.astype(np.float16).astype(np.float32), exact.mean(-1)


@pytest.fixture(scope="module")
def whole(clips, tmp_path_factory):
    store = tmp_path_factory.mktemp("whole") / "whole.zarr"
    encode(clips, Tiny(), store)
    return store


@pytest.fixture
def copy(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "copy.zarr"))


def files_of(store, kind):
    """Return the files of a kind, those whose damage must be seen."""
    kinds = {
        "shard": store.glob("latents/c.*"),
        "ledger, with the averages": store.glob("latents/ledger*"),
        "description": [store / "zarr.json", store / "latents" / "zarr.json"],
        "labels": [path for path in store.rglob("*/*") if path.is_file() and path.parent.name != "latents"],
    }
    return sorted(kinds[kind])


def outcome(clips, truth, store):
    """Open, and read clip by clip: return how many were right and how many refused; a wrong number fails the test."""
    try:
        averages, array = (encode(clips, Tiny(), store, average=average) for average in (True, False))
    except (ValueError, OSError) as error:
        assert store is None or str(store) in str(error), "an error names what is damaged"
        return 0, CLIPS
    np.testing.assert_array_equal(averages.values, truth[1])
    right = refused = 0
    for row in range(CLIPS):
        try:
            np.testing.assert_array_equal(array[row].values, truth[0][row])
            right += 1
        except ValueError as error:
            assert "fails its crc32c checksum" in str(error)
            refused += 1
    return right, refused


def tally(soak, what, right, refused, sign="clips"):
    soak.count("Store", what)
    soak.count("Store", f"{sign} right, some encoded again", right)
    soak.count("Store", f"{sign} refused", refused)


@pytest.mark.parametrize("kind", ["shard", "ledger, with the averages", "description", "labels"])
def test_flipped_bits_never_give_a_wrong_number(clips, truth, whole, tmp_path, kind, soak):
    random = np.random.default_rng(0)
    for number in range(soak.rounds(4, 150)):
        store = Path(shutil.copytree(whole, tmp_path / f"{number}.zarr"))
        path = random.choice(files_of(store, kind))
        flip(path, random)
        verdict = verify.verify(store)
        assert not verdict.is_sound or harmless(store, whole, path), f"{path} is damaged and nothing says so"
        repaired = Path(shutil.copytree(store, tmp_path / "repaired.zarr"))
        right, refused = outcome(clips, truth, store)
        tally(soak, f"bits flipped: {kind}", right, refused)
        if not verdict.fault:
            verify.verify(repaired, repair=True)
            assert outcome(clips, truth, repaired) == (CLIPS, 0)
            after = verify.verify(repaired)
            assert after.is_sound and len(after.good) == CLIPS
            soak.count("Store", "stores repaired by verify")
        shutil.rmtree(store)
        shutil.rmtree(repaired)


def flip(path, random):
    content = bytearray(path.read_bytes())
    content[random.integers(len(content))] ^= 1 << random.integers(8)
    path.write_bytes(content)


def harmless(store, whole, path):
    """Say whether zarr.json means the same: a blank changed, what `checksums` is called, or what zarr may add."""
    if path != store / "zarr.json":
        return False
    ours, theirs = (json.loads((place / "zarr.json").read_bytes()) for place in (store, whole))
    for document in (ours, theirs):
        document.pop("consolidated_metadata", None)
        document["attributes"] = {
            name: value
            for name, value in document["attributes"].items()
            if name in theirs["attributes"] and name != "checksums"
        }
    kept = ("zarr_format", "node_type", "attributes")
    return all(ours.get(name) == theirs[name] for name in kept)


@pytest.mark.parametrize("kind", ["shard", "ledger, with the averages", "description"])
def test_torn_writes_never_give_a_wrong_number(clips, truth, whole, tmp_path, kind, soak):
    """A file ends early, or has its length and zeros from there on, as after a power cut."""
    random = np.random.default_rng(1)
    for number in range(soak.rounds(4, 150)):
        store = Path(shutil.copytree(whole, tmp_path / f"{number}.zarr"))
        path = random.choice(files_of(store, kind))
        content = path.read_bytes()
        left = int(random.integers(len(content)))
        path.write_bytes(content[:left] + bytes(len(content) - left) * (number % 2))
        right, refused = outcome(clips, truth, store)
        assert right + refused == CLIPS
        assert kind != "ledger, with the averages" or right == CLIPS, "what no ledger lists is encoded again"
        tally(soak, f"writes torn: {kind}", right, refused)
        shutil.rmtree(store)


def test_a_changed_shard_that_no_ledger_lists_is_written_over(clips, truth, copy, soak):
    """zarr reads a shard's index before it writes one, and would stop there for ever."""
    (copy / "latents" / "ledger.bin").unlink()
    for path in files_of(copy, "shard"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    assert outcome(clips, truth, copy) == (CLIPS, 0)


def test_one_bit_in_the_layout_would_hide_every_shard_and_is_refused(clips, copy):
    """With '/' for '.', zarr writes files that nothing else looks for: what was written would read as missing."""
    path = copy / "latents" / "zarr.json"
    path.write_text(path.read_text().replace('"separator": "."', '"separator": "/"'))
    with pytest.raises(ValueError, match=r"copy\.zarr fails its checksum in latents/zarr\.json.*restore"):
        encode(clips, Tiny(fail_at=1), copy)
    # A store that was begun before there were checksums has none: there the loss is seen once it is written.
    document = json.loads((copy / "zarr.json").read_text())
    del document["attributes"]["checksums"]
    (copy / "zarr.json").write_text(json.dumps(document))
    (copy / "latents" / "ledger.bin").unlink()
    shutil.rmtree(copy / "latents" / "c", ignore_errors=True)
    for shard in files_of(copy, "shard"):
        shard.unlink()
    with pytest.raises(OSError, match="4 clips were written to .* and are not there, the first in row 0"):
        encode(clips, Tiny(), copy)


def test_a_store_without_checksums_of_its_description_is_read_as_before(clips, truth, copy):
    document = json.loads((copy / "zarr.json").read_text())
    del document["attributes"]["checksums"]
    (copy / "zarr.json").write_text(json.dumps(document))
    assert outcome(clips, truth, copy) == (CLIPS, 0)
    assert verify.verify(copy).is_sound


# A full disk, and one that cannot be written.


@contextmanager
def small_disk(folder):
    """Mount a disk of half a megabyte at the folder, where this process may."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, timeout=PATIENCE_S).returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=PATIENCE_S)


class Filling(Tiny):
    """As Tiny, and something else fills the disk, but for some pages of 4 KB, while the n-th clip is encoded."""

    def __init__(self, disk, n, pages):
        super().__init__()
        self.disk, self.n, self.pages = disk, n, pages

    def encode(self, audio):
        found = super().encode(audio)
        if self.calls == self.n:
            pages = shutil.disk_usage(self.disk).free // 4096 - self.pages
            (self.disk / "filler").write_bytes(bytes(4096 * pages))
        return found


def test_a_full_disk_keeps_what_is_finished(clips, truth, tmp_path, soak):
    full, random = 0, np.random.default_rng(2)
    with small_disk(tmp_path / "disk") as disk:
        for number in range(soak.rounds(3, 60)):
            store = disk / f"{number}.zarr"
            encoder = Filling(disk, int(random.integers(1, CLIPS + 1)), int(random.integers(0, 3)))
            try:
                encode(clips, encoder, store)
            except OSError as error:
                assert error.errno == errno.ENOSPC and "finished clips are kept: free space and run it again" in str(
                    error
                )
                full += 1
            (disk / "filler").unlink(missing_ok=True)
            kept = verify.verify(store)
            assert kept.is_sound, "what did not fit is unfinished, and nothing is bad"
            assert outcome(clips, truth, store) == (CLIPS, 0)
            shutil.rmtree(store)
    assert full
    soak.count("Store", "disks filled", full)


@contextmanager
def read_only(folder):
    """Mount the folder onto itself so that nothing can be written there, where this process may."""
    bound = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "--bind", str(folder), str(folder)], capture_output=True, timeout=PATIENCE_S
        ).returncode
    )
    if not bound:
        pytest.skip("cannot mount a folder read-only here")
    try:
        command = ["mount", "-o", "remount,ro,bind", str(folder)]
        if subprocess.run(command, capture_output=True, timeout=PATIENCE_S).returncode:
            pytest.skip("cannot mount a folder read-only here")
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=PATIENCE_S)


REMEDY = "cannot be written .*: set LATENTFX_CACHE to a folder that can be, or give another store"


def test_a_cache_that_cannot_be_written_is_read_and_says_so(clips, truth, own_cache, soak):
    encode(clips, Tiny(), None)
    encode(clips[:3], Tiny(), None)
    (store,) = [path for path in (own_cache / "latents").glob("*.zarr") if len(finished_rows(path)) == 3]
    shard = store / "latents" / "c.1.0.0.0"
    shard.unlink()
    decoder, z = Decoding(), np.random.default_rng(0).standard_normal((2, 750)).astype(np.float32)
    sound = reconstruction(decoder, z, 48_000)
    before = content_of(own_cache)
    with read_only(own_cache):
        assert outcome(clips, truth, None) == (CLIPS, 0)  # what is complete needs no writing
        for some in (clips[:3], clips[:2]):  # one to go on with, one that is not there
            with pytest.raises(OSError, match=REMEDY) as caught:
                encode(some, Tiny(fail_at=1), None)
            assert caught.value.errno == errno.EROFS
        np.testing.assert_array_equal(reconstruction(decoder, z, 48_000), sound)
        assert decoder.decoded == 1
        with pytest.warns(RuntimeWarning, match="decoded sound is not kept .*LATENTFX_CACHE"):
            other = reconstruction(decoder, 2 * z[::-1], 48_000)
        assert np.isfinite(other).all()
    assert content_of(own_cache) == before
    soak.count("Store", "read-only caches")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_shard_or_a_record_that_may_not_be_written_names_the_remedy(clips, tmp_path, monkeypatch, number):
    async def refuse(self, key, value):
        if key.startswith("latents/c"):
            raise OSError(number, os.strerror(number))
        await real(self, key, value)

    real = zarr.storage.LocalStore.set
    monkeypatch.setattr(zarr.storage.LocalStore, "set", refuse)
    with pytest.raises(OSError, match=REMEDY) as caught:
        encode(clips, Tiny(), tmp_path / "s")
    assert caught.value.errno == number
    assert finished_rows(tmp_path / "s") == []


# Clocks, and files that change.


def test_times_of_files_decide_nothing(clips, truth, copy, soak):
    """A store and its lock from the future, or from long ago, are a store and a lock like any other."""
    for seconds in (0, 1, 4_000_000_000):
        (copy / "latents" / "c.2.0.0.0").unlink()
        lock = Path(f"{copy}.lock")
        lock.touch()
        for path in (lock, *copy.rglob("*")):
            os.utime(path, (seconds, seconds))
        assert outcome(clips, truth, copy) == (CLIPS, 0)
        soak.count("Store", "clocks skewed")


def test_another_file_of_the_same_name_size_and_time_is_another_clip(tmp_path, noise, write_audio, soak):
    sounds = [noise(20_000, channels=1, seed=seed) for seed in range(2)]
    folder = write_audio(tmp_path, {"a.wav": sounds[0]})
    path = folder / "a.wav"
    skews = np.random.default_rng(0).uniform(-1e9, 1e9, soak.rounds(5, 100))
    for number, skew in enumerate(skews):
        os.utime(path, (1.6e9 + skew, 1.6e9 + skew))
        before, hashed = path.stat(), load_clips(folder).hashes()
        content = path.read_bytes()
        write_audio(folder, {"a.wav": sounds[(number + 1) % 2]})
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        assert path.read_bytes() != content and load_clips(folder).hashes() != hashed
        soak.count("Store", "files replaced, with size and time kept")


def test_a_file_that_rests_is_hashed_once_and_again_when_the_kernel_saw_a_change(tmp_path, monkeypatch, clips):
    hashed = []
    real = cache.hashlib.file_digest
    monkeypatch.setattr(cache.hashlib, "file_digest", lambda *a: hashed.append(1) or real(*a))
    monkeypatch.setattr(cache, "SETTLED_S", -10)  # as if the file had been there for long
    path = Path(shutil.copy(clips.table["file"].iat[0], tmp_path / "a.wav"))
    first, second = load_clips(tmp_path).hashes(), load_clips(tmp_path).hashes()
    assert first == second and len(hashed) == 1
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if path.stat().st_ctime_ns == before.st_ctime_ns:
        pytest.skip("this file system keeps no time of its own")
    assert load_clips(tmp_path).hashes() != first and len(hashed) == 2
    monkeypatch.setattr(cache, "SETTLED_S", 2)
    load_clips(tmp_path).hashes()
    load_clips(tmp_path).hashes()
    assert len(hashed) == 4, "what has just changed may change again within one tick of the clock"


def test_a_file_that_changes_while_it_is_encoded_is_refused(folder, tmp_path, noise, write_audio):
    """Its latents would lie under the hash of what it was."""
    own = Path(shutil.copytree(folder, tmp_path / "clips"))
    clips = load_clips(own)

    class Meanwhile(Tiny):
        def encode(self, audio):
            if self.calls == 1:
                write_audio(own, {"2.wav": noise(30_000, channels=1, seed=99)})
            return super().encode(audio)

    with pytest.raises(ValueError, match=r"2\.wav changed while it was encoded, or is gone; load the clips anew"):
        encode(clips, Meanwhile(), tmp_path / "s", on_error="raise")
    assert finished_rows(tmp_path / "s") in ([0, 1], [0, 1, 3])  # the next one may have been on its way
    with pytest.raises(ValueError, match="its clips differ"):
        encode(load_clips(own), Tiny(), tmp_path / "s")
    assert np.array_equal(encode(clips[:2], Tiny(), None).values, zarr.open_group(tmp_path / "s")["latents"][:2])


# Other versions.


@pytest.mark.parametrize("version", [stores.FORMAT - 1, stores.FORMAT + 1, None, "1"])
def test_a_store_of_an_older_or_newer_format_is_refused_and_left_alone(clips, copy, version):
    document = json.loads((copy / "zarr.json").read_text())
    document["attributes"]["format"] = version
    (copy / "zarr.json").write_text(json.dumps(document))
    before = content_of(copy)
    with pytest.raises(ValueError, match=f"was written in format {version} and this version reads format"):
        encode(clips, Tiny(fail_at=1), copy)
    verdict = verify.verify(copy, repair=True)
    assert f"was written in format {version}" in str(verdict) and not verdict.is_sound
    assert content_of(copy) == before


# What is kept beside the stores.


def test_flipped_bits_in_kept_sounds_and_points_are_computed_again(own_cache, soak):
    random = np.random.default_rng(3)
    decoder, z = Decoding(), random.standard_normal((2, 75)).astype(np.float32)
    sound = reconstruction(decoder, z, 4800)
    x = random.standard_normal((40, 5)).astype(np.float32)
    near, points = (own_cache / "umap", "40 points", Sketch.of(random_sums(x), np.zeros(40, int))), x[:, :2]
    keep_near(*near, points, "points", 10)
    for kind, read, right in (
        ("decoded", lambda: reconstruction(decoder, z, 4800), sound),
        ("umap", lambda: kept_near(*near), points),
    ):
        (kept,) = (own_cache / kind).iterdir()
        content = kept.read_bytes()
        for number in range(soak.rounds(20, 500)):
            if number % 2:
                kept.write_bytes(content[: random.integers(len(content))])
            else:
                flip(kept, random)
            found = read()
            if found is not None:
                np.testing.assert_array_equal(found, right)
            for path in kept.parent.iterdir():
                path.unlink()
            kept.write_bytes(content)
            soak.count("Store", f"kept files damaged: {kind}")
    assert decoder.decoded > 1


def test_two_that_make_room_at_once_do_not_meet(own_cache, monkeypatch):
    z = np.random.default_rng(0).standard_normal((2, 75)).astype(np.float32)
    monkeypatch.setattr(decoding, "KEPT", 1)
    real = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: [*real(self), self / "gone.kept"])
    assert np.isfinite(reconstruction(Decoding(), z, 4800)).all()


def test_what_is_kept_is_there_to_the_last_bit_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "x"
    assert cache.kept(path) is None
    cache.keep(path, b"", "nothing")
    assert cache.kept(path) == b""
    path.write_bytes(b"")
    assert cache.kept(path) is None
    cache.keep(path, b"something", "it")
    assert cache.kept(path) == b"something"


# The command.


def test_verify_tells_of_every_store_and_repair_drops_only_what_is_bad(clips, truth, own_cache, tmp_path, capsys):
    assert main(["verify"]) == 0
    assert capsys.readouterr().out == f"{own_cache / 'latents'} holds no store yet\n"
    encode(clips, Tiny(), None)
    with pytest.raises(RuntimeError):
        encode(clips[:3], Tiny(fail_at=3), None)
    assert main(["verify"]) == 0
    lines = sorted(line.partition(".zarr: ")[2] for line in capsys.readouterr().out.splitlines())
    assert lines[0].startswith("clip 3, effect 2, dim 6, frame 64, 0.0 MB: ")
    assert lines[0].endswith(("1 clips good, 0 bad, 2 unfinished", "2 clips good, 0 bad, 1 unfinished"))
    assert lines[1].startswith("clip 4, ") and lines[1].endswith(": 4 clips good, 0 bad, 0 unfinished")

    (store,) = [path for path in (own_cache / "latents").glob("*.zarr") if len(finished_rows(path)) == CLIPS]
    flip(store / "latents" / "c.1.0.0.0", np.random.default_rng(0))
    (store / "latents" / "c.2.0.0.0").unlink()
    shutil.copy(store / "latents" / "c.0.0.0.0", store / "latents" / "c.3.0.0.0")  # whole, and another clip's
    assert main(["verify", str(store)]) == 1
    line = capsys.readouterr().out
    assert "1 clips good, 3 bad, 0 unfinished" in line
    assert "row 1: its file fails its checksum; row 2: its file is gone; row 3: its averages are not those" in line
    assert main(["verify", str(store), "--repair"]) == 1
    assert "what is bad was dropped: encode it again" in capsys.readouterr().out
    assert main(["verify", str(store)]) == 0
    assert "1 clips good, 0 bad, 3 unfinished" in capsys.readouterr().out
    log = tmp_path / "log"
    encode(clips, Tiny(log), None)
    assert len(encoded(log)) == 3
    assert outcome(clips, truth, store) == (CLIPS, 0)


def test_verify_of_what_is_no_store(tmp_path, capsys):
    assert main(["verify", str(tmp_path / "nowhere")]) == 1
    assert "nowhere is not a store of latents" in capsys.readouterr().out


def test_verify_counts_damaged_records_and_repair_takes_them_out(clips, truth, copy):
    ledger = copy / "latents" / "ledger.bin"
    flip(ledger, np.random.default_rng(0))
    encode(clips, Tiny(), copy)
    verdict = verify.verify(copy)
    assert (len(verdict.good), verdict.damaged_records, verdict.is_sound) == (CLIPS, 1, False)
    assert "1 records of the ledger damaged" in str(verdict)
    verify.verify(copy, repair=True)
    assert verify.verify(copy).is_sound
    assert outcome(clips, truth, copy) == (CLIPS, 0)


def test_a_store_at_a_url_is_verified_and_repaired(clips, truth, tmp_path):
    url = f"memory://faults/{tmp_path.name}.zarr"
    encode(clips, Tiny(), url)
    assert verify.verify(url).is_sound
    files = folders.folder_at(url)
    name = "latents/c.1.0.0.0"
    content = bytearray(files.read(name))
    content[100] ^= 1
    files.replace(name, bytes(content))
    with pytest.raises(ValueError, match="(?i)checksum"):
        encode(clips, Tiny(fail_at=1), url)[1].load()
    verdict = verify.verify(url, repair=True)
    assert list(verdict.bad) == [1] and len(verdict.good) == 3
    assert np.array_equal(encode(clips, Tiny(), url).values, truth[0])
    assert verify.verify(url).is_sound
