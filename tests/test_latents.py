"""`store.encode`: labels and values of the arrays, and a store that survives kills, damage and full disks."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import zarr

from latentfx_nb.effects import EFFECTS, Setting, render, rendering
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.paper import CLIP_SAMPLES, TARGET_LUFS
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store import encode as latents
from latentfx_nb.store import folders, ledger, shards, verify
from latentfx_nb.store import store as stores
from latentfx_nb.store.encode import encode_effects, encode_sweep

# The package switches this warning off itself, and pytest switches it on again.
pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

LABELS = ["CLN", "HPF", "TRV"]
LEDGER = "latents/ledger.bin"


class Tiny:
    """Band-like energies of 4096 samples, so that tests do not wait for a model; it can keep a log, and can stop."""

    name = "tiny"
    sample_rate, channels, dim = 48_000, 2, 6
    frame_rate = 48_000 / 4096
    device = torch.device("cpu")

    def __init__(self, log=None, weights_hash="0" * 64, die_at=None, wait_at=None, fail_at=None):
        self.log, self.weights_hash = log, weights_hash
        self.die_at, self.wait_at, self.fail_at = die_at, wait_at, fail_at
        self.calls = 0

    def frames(self, n_samples):
        return n_samples // 4096

    def encode(self, audio):
        if self.log:
            with open(self.log, "a") as log:
                log.write(f"{hashlib.sha256(audio.numpy().tobytes()).hexdigest()} {len(audio)}\n")
        self.calls += 1
        if self.calls == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.calls == self.wait_at:
            time.sleep(600)
        if self.calls == self.fail_at:
            raise RuntimeError("the encoder broke")
        blocks = audio.reshape(len(audio), 2, -1, 4096)
        steps = blocks[..., 1:] - blocks[..., :-1]
        parts = (blocks.square().mean(-1), steps.square().mean(-1), blocks.mean(-1))
        return torch.cat(parts, dim=1) * 100


class Quiet:
    """A progress bar that shows nothing and remembers what it was told."""

    def __init__(self, total, initial, desc, unit):
        self.total, self.initial, self.desc, self.count = total, initial, desc, initial
        Quiet.last = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, n=1):
        self.count += n

    def set_postfix_str(self, text, refresh=True):
        self.shares = text


def encoded(log):
    """Return the batches that were encoded, in order."""
    return [line.split()[0] for line in Path(log).read_text().splitlines()] if Path(log).exists() else []


def finished_rows(store):
    """Return the rows whose records are in the ledger."""
    group = zarr.open_group(store, mode="r")["latents"]
    read = (ledger.read_records(one.read_bytes(), ledger.record_type(group.shape[1:3])) for one in ledgers(store))
    return sorted(row for records in read for row in records)


def listed_once(store):
    """Say whether each clip of a whole store has one record, and no byte beside."""
    group = zarr.open_group(store, mode="r")["latents"]
    size = sum(path.stat().st_size for path in ledgers(store))
    return size == group.shape[0] * ledger.record_type(group.shape[1:3]).itemsize


def ledgers(store):
    return sorted(Path(store).glob("latents/ledger*.bin"))


def content_of(store):
    return {str(path.relative_to(store)): path.read_bytes() for path in Path(store).rglob("*") if path.is_file()}


def encode(clips, encoder, store=None, **kwargs):
    return encode_effects(clips, encoder, LABELS, store, bar=Quiet, **kwargs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, noise, write_audio):
    """Six different clips of three recordings, and a manifest."""
    folder = tmp_path_factory.mktemp("clips")
    sounds = {f"{i}.wav": noise(30_000 + 5000 * i, channels=1, seed=i) for i in range(6)}
    rows = "".join(f"{i}.wav,{'guitar' if i < 4 else 'piano'},take {i // 2},CC0\n" for i in range(6))
    return write_audio(folder, sounds, manifest="file,instrument,recording,licence\n" + rows)


@pytest.fixture(scope="module")
def clips(folder):
    return load_clips(folder)


@pytest.fixture(scope="module")
def whole(clips, tmp_path_factory):
    """A store written without interruption, and the order in which its clips were encoded."""
    folder = tmp_path_factory.mktemp("whole")
    store, log = folder / "whole.zarr", folder / "log"
    encode(clips, Tiny(log), store)
    return store, encoded(log)


def assert_same_as(whole, clips, store):
    """The store at `store` holds, bit for bit, what an uninterrupted run gives: shards, means and labels."""
    for average in (False, True):
        ours, expected = (encode(clips, Tiny(fail_at=1), path, average=average) for path in (store, whole[0]))
        xr.testing.assert_identical(ours.load(), expected.load())
        assert np.isfinite(ours.values).all() and ours.values.any()
    shards = {name: data for name, data in content_of(store).items() if name.startswith("latents/c")}
    assert shards == {name: data for name, data in content_of(whole[0]).items() if name.startswith("latents/c")}


# Labels and values.


def test_labels_units_and_attributes(clips, whole):
    array = encode(clips, Tiny(), whole[0])
    assert array.dims == ("clip", "effect", "dim", "frame")
    assert array.shape == (6, 3, 6, 64)
    assert array.dtype == np.float32
    assert array["clip"].values.tolist() == ["0", "1", "2", "3", "4", "5"]
    assert array["instrument"].values.tolist() == ["guitar"] * 4 + ["piano"] * 2
    assert array["recording"].values.tolist() == ["take 0", "take 0", "take 1", "take 1", "take 2", "take 2"]
    assert array["effect"].values.tolist() == LABELS
    assert array["dim"].values.tolist() == list(range(6))
    assert array["time_s"].dims == ("frame",) and array["time_s"].attrs["units"] == "s"
    assert np.allclose(array["time_s"], (np.arange(64) + 0.5) * 4096 / 48_000)
    assert array.attrs == {"encoder": "tiny", "weights_hash": "0" * 64, "sample_rate_hz": 48_000, "lufs": TARGET_LUFS,
                           "frame_rate_hz": 48_000 / 4096, "hop": 4096, "clip_set": clips.name}  # fmt: skip


def test_averages_carry_the_same_labels_but_those_of_time(clips, whole):
    array, means = encode(clips, Tiny(), whole[0]), encode(clips, Tiny(), whole[0], average=True)
    assert means.dims == ("clip", "effect", "dim")
    assert means.attrs == array.attrs
    assert set(means.coords) == set(array.coords) - {"time_s"}
    for name, coordinate in means.coords.items():
        assert np.array_equal(coordinate.values, array.coords[name].values)


def test_values_are_those_of_each_render_encoded_alone(clips, whole):
    array = encode(clips, Tiny(), whole[0])
    for row in (0, 3):
        for label in LABELS:
            alone = encode_clips(Tiny(), [render(clips[row], label)])[0]
            stored = array.sel(clip=str(row), effect=label).values
            assert np.array_equal(stored, alone.astype(np.float16).astype(np.float32))


def test_averages_are_taken_before_rounding(clips, whole):
    array, means = encode(clips, Tiny(), whole[0]), encode(clips, Tiny(), whole[0], average=True)
    exact = encode_clips(Tiny(), [render(clips[2], "HPF")])[0].mean(axis=-1)
    assert np.array_equal(means[2, 1].values, exact)
    half_ulp = np.abs(array.astype("float64")).mean("frame") * 2.0**-11 + 2.0**-24
    assert (np.abs(array.astype("float64").mean("frame") - means) <= half_ulp).all()


def test_a_seed_and_a_model_without_frames_are_told(clips):
    class Scene(Tiny):
        name, seed, frame_rate, dim = "scene", 7, None, 2

        def frames(self, n_samples):
            return 1

        def encode(self, audio):
            return audio.square().mean(-1, keepdim=True)

    array = encode(clips[:1], Scene())
    assert array.attrs["seed"] == 7
    assert "frame_rate_hz" not in array.attrs and "hop" not in array.attrs
    assert array.shape == (1, 3, 2, 1)


@pytest.mark.parametrize(("effect", "knob", "units"), [("HPF", None, "Hz"), ("DIS", None, "dB"), ("CHS", "mix", "")])
def test_a_sweep_holds_its_values_and_their_unit(clips, effect, knob, units):
    sweep = encode_sweep(clips[:2], Tiny(), effect, 5, knob, bar=Quiet)
    turned = EFFECTS[effect].knob(knob)
    assert sweep.dims == ("clip", "value", "dim", "frame")
    assert np.array_equal(sweep["value"].values, turned.values(5))
    assert sweep["value"].attrs == {"units": units, "effect": effect, "knob": turned.name}
    for i in (0, 2, 4):
        wet = render(clips[1], effect, turned.values(5)[i], knob)
        alone = encode_clips(Tiny(), [wet])[0].astype(np.float16).astype(np.float32)
        assert np.array_equal(sweep[1, i].values, alone)
    means = encode_sweep(clips[:2], Tiny(fail_at=1), effect, 5, knob, average=True)
    assert means.dims == ("clip", "value", "dim") and means["value"].attrs == sweep["value"].attrs


def test_all_ten_effects_are_the_default(clips):
    array = encode_effects(clips[:1], Tiny(), bar=Quiet)
    assert array["effect"].values.tolist() == list(EFFECTS)


def test_latents_are_read_lazily(clips, whole):
    array = encode(clips, Tiny(), whole[0])
    assert not array._in_memory
    array[0].load()
    assert not array._in_memory


def test_any_zarr_reader_opens_the_store(clips, whole):
    expected = encode(clips, Tiny(), whole[0])
    opened = xr.open_zarr(whole[0], consolidated=False)["latents"]
    assert np.array_equal(opened.values, expected.values)
    for name in expected.coords:
        assert opened[name].values.tolist() == expected[name].values.tolist()
    group = zarr.open_group(whole[0], mode="r")
    assert group.attrs["encoder"] == "tiny"
    assert np.array_equal(group["latents"][1, 2], expected.values[1, 2])


def test_the_bar_counts_clips_and_names_the_work(clips, tmp_path):
    with pytest.raises(RuntimeError):
        encode(clips, Tiny(fail_at=3), tmp_path / "s")
    assert (Quiet.last.total, Quiet.last.initial) == (6, 0)
    assert Quiet.last.count in (1, 2)  # the second may be on its way to the disk, where it arrives
    encode(clips, Tiny(), tmp_path / "s")
    assert (Quiet.last.total, Quiet.last.initial, Quiet.last.count) == (6, 2, 6)
    assert Quiet.last.desc == "Listening through 3 effects with tiny"
    shares = re.fullmatch(r"render (\d+) %, encode (\d+) %(?:, write (\d+) %)?", Quiet.last.shares.replace("%", " %"))
    assert shares and abs(sum(int(share or 0) for share in shares.groups()) - 100) <= 2


def test_batches_fit_memory_and_a_resumed_run_keeps_its_batch(clips, tmp_path, monkeypatch):
    store, log = tmp_path / "s", tmp_path / "log"
    with monkeypatch.context() as patch:
        patch.setattr(latents, "batch_size", lambda encoder, wanted, samples: 2)
        with pytest.raises(RuntimeError):
            encode(clips, Tiny(log, fail_at=3), store)
    encode(clips, Tiny(log), store)
    sizes = [int(line.split()[1]) for line in log.read_text().splitlines()]
    assert sizes == [2, 1, 2, *[2, 1] * 5]  # three settings in batches of two, before and after
    assert_values_equal(encode(clips, Tiny(), store), encode(clips, Tiny()))


def assert_values_equal(one, other):
    assert np.array_equal(one.values, other.values)


# Killed and started again.

CONTEXT = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def _processes():
    """Return the way to processes that have imported all this, and so begin at once."""
    context = multiprocessing.get_context(CONTEXT)
    if CONTEXT == "forkserver":
        context.set_forkserver_preload(["latentfx_nb.store.encode", "pytest"])
    return context


def _die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def _run(folder, store, log, moment=None):
    """Encode in a process of its own, which kills itself, or waits to be killed, at the moment that is named."""
    encoder = Tiny(log)
    if moment == "creating":
        create = stores.create_array
        stores.create_array = lambda *args: (create(*args), _die())
    elif moment == "encoding":
        encoder.die_at = 2
    elif moment == "shard written":
        record = stores.Store.record
        stores.Store.record = lambda self, means, part: _die() if 2 in means else record(self, means, part)
    elif moment == "record written":
        syncs = []
        os.fsync = lambda _: (syncs.append(1), len(syncs) == 2 and _die())
    elif moment == "waiting":
        encoder.wait_at = 2
    encode(load_clips(folder), encoder, store)


def assert_goes_on(before, after, rows):
    """Of clips finished `before` and `after`, and `rows` encoded between: none twice, no more than two in flight."""
    left = [row for row in range(6) if row not in before]
    assert rows == left[: len(rows)], "clips are encoded in order, and finished ones never again"
    assert after == sorted([*before, *rows[: len(after) - len(before)]])
    assert len(rows) - (len(after) - len(before)) <= 2, "one being encoded and one being written"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_any_moment_and_started_again(folder, clips, whole, tmp_path):
    """One store, killed five times: each time it goes on, and no finished clip is encoded again."""
    context = _processes()
    store, finished = tmp_path / "killed.zarr", []
    for moment in ("creating", "encoding", "shard written", "record written", "waiting"):
        log = tmp_path / moment
        process = context.Process(target=_run, args=(folder, store, log, moment))
        process.start()
        if moment == "waiting":
            while process.is_alive() and len(encoded(log)) < 2:
                time.sleep(0.02)
            process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, moment
        before, finished = finished, finished_rows(store) if store.exists() else []
        assert_goes_on(before, finished, [whole[1].index(batch) for batch in encoded(log)])
    assert 2 <= len(finished) < 6
    log = tmp_path / "log"
    encode(clips, Tiny(log), store)
    assert_goes_on(finished, list(range(6)), [whole[1].index(batch) for batch in encoded(log)])
    assert_same_as(whole, clips, store)


@pytest.mark.soak
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_random_moments(folder, clips, whole, tmp_path, soak):
    """No block is lost, doubled or torn, however often a run is killed."""
    context, random, wanted = _processes(), np.random.default_rng(0), soak.rounds(3, 100)
    store, log = tmp_path / "killed.zarr", tmp_path / "log"
    kills, finished = 0, []
    while kills < wanted:
        process = context.Process(target=_run, args=(folder, store, log))
        process.start()
        while process.is_alive() and not log.exists():  # it encodes
            time.sleep(0.002)
        process.join(random.uniform(0, 0.2))  # three of the six clips take so long
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        before, finished = finished, finished_rows(store)
        assert_goes_on(before, finished, [whole[1].index(batch) for batch in encoded(log)])
        log.unlink(missing_ok=True)
        verdict = verify.verify(store)
        soak.count("Store", "blocks verified after kills", len(verdict.good))
        soak.count("Store", "bad blocks after kills", len(verdict.bad))
        assert verdict.is_sound and verdict.good == finished
        if len(finished) == 6 or kills == wanted:
            encode(clips, Tiny(), store)
            assert listed_once(store)
            assert_same_as(whole, clips, store)
            soak.count("Store", "stores filled in spite of kills, as if there had been none")
            shutil.rmtree(store)
            finished = []
    soak.count("Store", "runs killed at random", kills)


def test_what_a_killed_run_left_unfinished_goes_when_its_clip_is_written(clips, tmp_path):
    store = tmp_path / "s.zarr"
    with pytest.raises(RuntimeError):
        encode(clips, Tiny(fail_at=3), store)
    left = store / "latents" / f"{Path(shards.shard_name(5)).stem}.0123.partial"
    left.write_bytes(b"torn")
    encode(clips, Tiny(), store)
    assert not left.exists()


# Shares of the clips, for job arrays.


def test_shares_fill_one_store(clips, whole, tmp_path):
    store, log = tmp_path / "s.zarr", tmp_path / "log"
    expected = encode(clips, Tiny(), whole[0])
    for i, rows in ((4, [5]), (2, [2, 3]), (1, [0, 1])):
        share = encode(clips, Tiny(log), store, shard=(i, 4))
        xr.testing.assert_identical(share.load(), expected[rows].load())
        assert Quiet.last.total == len(rows)
    means = encode(clips, Tiny(fail_at=1), store, shard=(2, 4), average=True)
    xr.testing.assert_identical(means, encode(clips, Tiny(), whole[0], average=True)[[2, 3]])
    encode(clips, Tiny(log), store)
    assert [whole[1].index(batch) for batch in encoded(log)] == [5, 2, 3, 0, 1, 4]
    assert [path.name for path in ledgers(store)] == ["ledger.1-of-4.bin", "ledger.2-of-4.bin", "ledger.4-of-4.bin",
                                                      "ledger.bin"]  # fmt: skip
    assert_same_as(whole, clips, store)


def test_shares_at_once_in_processes_of_their_own(folder, clips, whole, tmp_path):
    store, log = tmp_path / "s.zarr", tmp_path / "log"
    context = multiprocessing.get_context(CONTEXT)
    processes = [context.Process(target=_run_share, args=(folder, store, log, (i, 3))) for i in (1, 2, 3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(encoded(log)) == sorted(whole[1])
    assert_same_as(whole, clips, store)


def _run_share(folder, store, log, shard):
    encode(load_clips(folder), Tiny(log), store, shard=shard)


def test_a_share_may_be_empty_and_must_be_there(clips, tmp_path):
    empty = encode(clips[:2], Tiny(fail_at=1), tmp_path / "s", shard=(3, 3))
    assert empty.shape == (0, 3, 6, 64)
    assert encode(clips[:2], Tiny(fail_at=1), tmp_path / "s", shard=(3, 3), average=True).shape == (0, 3, 6)
    for shard in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match=f"shard {shard[0]}/3 is none: the first of 3 is 1/3, the last 3/3"):
            encode(clips[:2], Tiny(), tmp_path / "s", shard=shard)


# At a URL.


def test_a_store_at_a_url_is_filled_read_and_gone_on_with(clips, whole):
    url = f"memory://stores/{time.monotonic_ns()}.zarr"
    log = Path(whole[0]).parent / "url log"
    with pytest.raises(RuntimeError, match="the encoder broke"):
        encode(clips, Tiny(log, fail_at=4), url)
    array = encode(clips, Tiny(log), url)
    assert [whole[1].index(batch) for batch in encoded(log)] == [0, 1, 2, 3, 3, 4, 5]
    for average in (False, True):
        ours, expected = (encode(clips, Tiny(fail_at=1), at, average=average) for at in (url, whole[0]))
        xr.testing.assert_identical(ours.load(), expected.load())
    assert array.encoding["source"] == url
    with pytest.raises(ValueError, match=r"memory://.* holds another data set \(its clips differ\)"):
        encode(clips[:3], Tiny(), url)


def test_two_processes_at_once_share_the_work(folder, clips, whole, tmp_path):
    store, log = tmp_path / "shared.zarr", tmp_path / "log"
    context = multiprocessing.get_context(CONTEXT)
    processes = [context.Process(target=_run, args=(folder, store, log)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert encoded(log) == whole[1]
    assert_same_as(whole, clips, store)


@pytest.mark.soak
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_of_two_at_once_either_may_be_killed_and_the_other_goes_on(folder, clips, whole, tmp_path, soak):
    """The lock of a killed process keeps nobody out, and what it was writing is written again."""
    context = multiprocessing.get_context(CONTEXT)
    for number, moment in enumerate(np.random.default_rng(2).uniform(0, 0.6, soak.rounds(1, 10))):
        store, logs = tmp_path / f"{number}.zarr", [tmp_path / f"log {number} {which}" for which in "ab"]
        killed, other = (context.Process(target=_run, args=(folder, store, log)) for log in logs)
        for process in (killed, other):
            process.start()
        while killed.is_alive() and not store.exists():
            time.sleep(0.002)
        killed.join(moment)
        killed.kill()
        killed.join()
        other.join()
        assert other.exitcode == 0
        verdict = verify.verify(store)
        assert verdict.is_sound and len(verdict.good) == 6
        assert listed_once(store)
        assert_same_as(whole, clips, store)
        soak.count("Store", "two processes on one store, one of them killed")


def test_an_error_keeps_the_clips_before_it(clips, whole, tmp_path):
    store, log = tmp_path / "s", tmp_path / "log"
    for fail_at in (4, 1, 2):
        with pytest.raises(RuntimeError, match="the encoder broke"):
            encode(clips, Tiny(log, fail_at=fail_at), store)
    encode(clips, Tiny(log), store)
    assert [whole[1].index(batch) for batch in encoded(log)] == [0, 1, 2, 3, 3, 3, 4, 4, 5]
    assert_same_as(whole, clips, store)


@pytest.mark.parametrize(("value", "message"), [(np.nan, "not finite"), (1e5, "beyond 65504.*float16")])
def test_latents_that_cannot_be_stored_are_refused(clips, tmp_path, value, message):
    class Broken(Tiny):
        def encode(self, audio):
            return super().encode(audio) + (value if self.calls == 2 else 0)

    with pytest.raises(ValueError, match=f"tiny gave latents .*{message}"):
        encode(clips, Broken(), tmp_path / "s", on_error="raise")
    assert finished_rows(tmp_path / "s") in ([0], [0, 2])  # the next one may have been on its way


def test_latents_of_another_shape_than_declared_are_refused(clips):
    class Wrong(Tiny):
        def encode(self, audio):
            return super().encode(audio)[..., :-1]

    with pytest.raises(ValueError, match=r"shape \(3, 6, 63\), but declares \(3, 6, 64\)"):
        encode(clips, Wrong())


# Damage.


@pytest.fixture
def copy(whole, tmp_path):
    """A complete store to damage."""
    return Path(shutil.copytree(whole[0], tmp_path / "copy.zarr"))


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def record_size(store):
    return (store / LEDGER).stat().st_size // 6


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (lambda store: (store / "latents/c.2.0.0.0").unlink(), [2]),
        (lambda store: os.truncate(store / "latents/c.4.0.0.0", 1000), [4]),
        (lambda store: os.truncate(store / "latents/c.0.0.0.0", 0), [0]),
        (lambda store: os.truncate(store / LEDGER, record_size(store) * 7 // 2), [3, 4, 5]),
        (lambda store: os.truncate(store / LEDGER, 3), [0, 1, 2, 3, 4, 5]),
        (lambda store: flip(store / LEDGER, record_size(store) + 20), [1]),
        (lambda store: flip(store / LEDGER, 2 * record_size(store)), [2]),
        (lambda store: flip(store / LEDGER, 3 * record_size(store) - 1), [2]),
        (lambda store: (store / LEDGER).write_bytes(os.urandom(500)), [0, 1, 2, 3, 4, 5]),
    ],
    ids=["shard deleted", "shard cut", "shard emptied", "ledger cut in a record", "ledger cut at once",
         "means changed", "row changed", "checksum changed", "ledger overwritten"],
)  # fmt: skip
def test_what_is_missing_or_torn_is_encoded_again_and_only_that(copy, whole, clips, tmp_path, damage, lost):
    damage(copy)
    log = tmp_path / "log"
    encode(clips, Tiny(log), copy)
    assert [whole[1].index(batch) for batch in encoded(log)] == lost
    encode(clips, Tiny(log), copy, average=True)
    assert len(encoded(log)) == len(lost), "a repaired store is repaired again"
    assert_same_as(whole, clips, copy)


@pytest.mark.parametrize("position", [0, 100, 800, -1, -50], ids=["first", "early", "middle", "index", "index crc"])
def test_a_changed_byte_in_a_shard_is_an_error_and_never_a_number(copy, whole, clips, position):
    flip(copy / "latents/c.1.0.0.0", position)
    array = encode(clips, Tiny(fail_at=1), copy)
    with pytest.raises(ValueError, match="(?i)checksum|crc32c"):
        array[1].load()
    good = encode(clips, Tiny(), whole[0])
    for row in (0, 2, 3, 4, 5):
        assert_values_equal(array[row], good[row])


def test_a_shard_deleted_behind_our_back_does_not_read_as_zeros(copy, clips):
    array = encode(clips, Tiny(), copy)
    (copy / "latents/c.1.0.0.0").unlink()
    assert np.isnan(array[1].values).all()
    assert np.isfinite(array[2].values).all()


# Keys.


def test_the_key_follows_content_settings_encoder_and_libraries(tmp_path, own_cache, noise, write_audio, monkeypatch):
    log = tmp_path / "log"
    folder = write_audio(tmp_path / "clips", {"a.wav": noise(20_000)})

    def stores(labels=("HPF",), **encoder):
        encode_effects(load_clips(folder), Tiny(log, **encoder), labels, bar=Quiet)
        return len(list((own_cache / "latents").glob("*.zarr"))), len(encoded(log))

    assert stores() == (1, 1)
    assert stores() == (1, 1)  # the same again is found
    assert stores(weights_hash="1" * 64) == (2, 2)
    assert stores(labels=("LPF",)) == (3, 3)
    write_audio(folder, {"a.wav": noise(20_000, seed=1)})
    assert stores() == (4, 4)
    changed = dataclasses.replace(EFFECTS["HPF"], setting={"cutoff_frequency_hz": 1999.0})
    with monkeypatch.context() as patch:
        patch.setitem(EFFECTS, "HPF", changed)
        assert stores() == (5, 5)
    with monkeypatch.context() as patch:
        patch.setattr(rendering, "version", lambda name: "99")
        assert stores() == (6, 6)
    os.rename(folder / "a.wav", folder / "renamed.wav")
    assert stores()[1] == 6  # a name is no content
    encode_sweep(load_clips(folder), Tiny(log), "HPF", 2, bar=Quiet)
    encode_sweep(load_clips(folder), Tiny(log), "HPF", 3, bar=Quiet)
    assert stores() == (8, 8)


def test_labels_corrected_afterwards_are_seen_in_latents_and_averages(folder, whole, tmp_path):
    """The stored numbers do not depend on them, so nothing is encoded again, and no stale label is shown."""
    shutil.copytree(folder, tmp_path / "clips")
    manifest = tmp_path / "clips" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("guitar", "banjo"))
    clips = load_clips(tmp_path / "clips")
    for average in (False, True):
        array = encode(clips, Tiny(fail_at=1), whole[0], average=average)
        assert array["instrument"].values.tolist() == ["banjo"] * 4 + ["piano"] * 2


# Refusals.


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (lambda c, store: encode(c, Tiny(weights_hash="1" * 64), store), "its encoder differ"),
        (lambda c, store: encode_effects(c, Tiny(), ["CLN"], store), "its effects differ"),
        (lambda c, store: encode(c[:5], Tiny(), store), "its clips differ"),
        (lambda c, store: encode(c[::-1], Tiny(), store), "its clips differ"),
        (lambda c, store: encode_sweep(c[:2], Tiny(), "HPF", 4, store=store), "its clips and effects differ"),
    ],
    ids=["weights", "effects", "fewer clips", "another order", "a sweep"],
)
def test_another_data_set_is_refused_by_name_and_left_intact(copy, clips, change, differs):
    before = content_of(copy)
    with pytest.raises(ValueError, match=rf"copy\.zarr holds another data set \({differs}\).*left as it is"):
        change(clips, copy)
    assert content_of(copy) == before


@pytest.mark.parametrize("complete", [True, False])
def test_a_store_of_another_version_is_refused_and_left_intact(copy, clips, complete):
    if not complete:
        (copy / "latents/c.5.0.0.0").unlink()
    metadata = json.loads((copy / "zarr.json").read_text())
    metadata["attributes"]["format"] = stores.FORMAT + 1
    (copy / "zarr.json").write_text(json.dumps(metadata))
    before = content_of(copy)
    message = f"was written in format {stores.FORMAT + 1} and this version reads format {stores.FORMAT}"
    with pytest.raises(ValueError, match=message):
        encode(clips, Tiny(), copy)
    assert content_of(copy) == before


@pytest.mark.parametrize("kind", ["empty", "other files", "other zarr", "torn metadata", "a file"])
def test_a_folder_that_is_no_store_is_refused_and_left_intact(tmp_path, clips, kind):
    path = tmp_path / "precious"
    if kind == "a file":
        path.write_text("mine")
    else:
        path.mkdir()
    if kind == "other files":
        (path / "thesis.txt").write_text("mine")
    elif kind == "other zarr":
        zarr.open_group(path, mode="w").attrs["mine"] = True
    elif kind == "torn metadata":
        (path / "zarr.json").write_text('{"attributes": {"form')
    before = content_of(tmp_path)
    with pytest.raises(ValueError, match="precious is not a store of latents; give another path"):
        encode(clips, Tiny(), path)
    after = content_of(tmp_path)
    after.pop("precious.lock", None)
    assert after == before


def test_nothing_to_do_is_an_error_that_says_so(clips):
    with pytest.raises(ValueError, match="no clips to encode"):
        encode(clips[:0], Tiny())
    with pytest.raises(ValueError, match="no effects to render"):
        encode_effects(clips, Tiny(), [])
    with pytest.raises(ValueError, match="no effect is called 'XYZ'"):
        encode_effects(clips, Tiny(), ["CLN", "XYZ"])
    with pytest.raises(ValueError, match="TRV has no knob"):
        encode_sweep(clips, Tiny(), "TRV")
    with pytest.raises(ValueError, match="at least 2 values"):
        encode_sweep(clips, Tiny(), "HPF", 1)


# A full disk.


@pytest.mark.parametrize("where", ["shard", "ledger"])
def test_a_disk_that_fills_up_keeps_the_finished_clips(clips, whole, tmp_path, monkeypatch, where):
    store, log = tmp_path / "s", tmp_path / "log"
    real_set, real_open = zarr.storage.LocalStore.set, open

    async def full_set(self, key, value):
        if key == "latents/c.2.0.0.0":
            raise OSError(errno.ENOSPC, "No space left on device")
        await real_set(self, key, value)

    class FullFile:
        def __init__(self, *args):
            self.file = real_open(*args)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            if self.file.tell() >= 2 * len(content):
                self.file.write(content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(content)

        def __getattr__(self, name):
            return getattr(self.file, name)

    with monkeypatch.context() as patch:
        if where == "shard":
            patch.setattr(zarr.storage.LocalStore, "set", full_set)
        else:
            patch.setattr(folders, "open", FullFile, raising=False)
        with pytest.raises(OSError, match=r"is full; \d finished clips are kept: free space") as caught:
            encode(clips, Tiny(log), store)
    assert caught.value.errno == errno.ENOSPC
    kept = finished_rows(store)
    assert kept in ([0, 1], [0, 1, 3])  # the third did not fit, and the fourth may have been on its way
    log.unlink()
    encode(clips, Tiny(log), store)
    assert [whole[1].index(batch) for batch in encoded(log)] == [row for row in range(2, 6) if row not in kept]
    assert_same_as(whole, clips, store)


def test_other_write_errors_are_passed_on(clips, tmp_path, monkeypatch):
    async def refuse(self, key, value):
        if key.startswith("latents/c"):
            raise PermissionError(errno.EACCES, "Permission denied")
        await real_set(self, key, value)

    real_set = zarr.storage.LocalStore.set
    monkeypatch.setattr(zarr.storage.LocalStore, "set", refuse)
    with pytest.raises(PermissionError):
        encode(clips, Tiny(), tmp_path / "s")


def test_a_disk_too_small_is_told_before_anything_is_encoded(clips, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    encoder = Tiny()
    with pytest.raises(OSError, match="GB free, but these latents need .*LATENTFX_CACHE") as caught:
        encode(clips, encoder, tmp_path / "s")
    assert caught.value.errno == errno.ENOSPC
    assert not encoder.calls and not (tmp_path / "s").exists()


def test_a_creation_that_fails_leaves_nothing_behind(clips, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(stores, "create_array", fail)
    with pytest.raises(OSError, match="broken"):
        encode(clips, Tiny(), tmp_path / "s")
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_the_sizes_of_clips_and_settings_are_what_the_store_declares(clips, whole):
    group = zarr.open_group(whole[0], mode="r")["latents"]
    assert group.chunks == (1, 1, 6, CLIP_SAMPLES // 4096) and group.shards == (1, 3, 6, CLIP_SAMPLES // 4096)
    table = pd.Series([path.stat().st_size for path in whole[0].glob("latents/c.*")])
    assert len(table) == 6 and table.nunique() == 1  # nothing is compressed, so a shard's size tells if it is whole
    assert [Setting(label).parameters() for label in LABELS] == [{}, {"cutoff_frequency_hz": 2000.0}, {}]
