"""Encoding on a Dask cluster: the bits of one machine, whatever happens to the workers."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import xarray as xr

from latentfx_nb.encoders import load_encoder, registry, reloading
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store import blocks, pipeline, verify
from latentfx_nb.store.cluster import OncePerProcess, run_blocks
from latentfx_nb.store.encode import SkippedClips, encode_effects, encode_sweep
from tests.test_latents import LABELS, Quiet, Tiny, content_of, encode, finished_rows, listed_once

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
    pytest.mark.filterwarnings("ignore:Port 8787 is already in use"),
]


@pytest.fixture(scope="module")
def client():
    with two_workers() as client:
        yield client


@contextmanager
def two_workers():
    """Two workers in processes of their own, which are started again when they die."""
    # Dask itself gives up on a block after three deaths: here they are meant.
    with (
        distributed.LocalCluster(
            2, threads_per_worker=1, dashboard_address=None, memory_limit=0, silence_logs="CRITICAL"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 1000))
        yield client


@pytest.fixture(scope="module")
def clips(tmp_path_factory, noise, write_audio):
    """Ten different clips."""
    folder = tmp_path_factory.mktemp("clips")
    sounds = {f"{i}.wav": noise(30_000 + 5000 * i, channels=1, seed=i) for i in range(10)}
    return load_clips(write_audio(folder, sounds))


@pytest.fixture(scope="module")
def whole(clips, tmp_path_factory):
    return encode(clips, Tiny(), tmp_path_factory.mktemp("whole") / "whole.zarr")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 2)


def shards(store):
    return {name: data for name, data in content_of(store).items() if name.startswith("latents/c")}


def test_a_cluster_gives_the_bits_of_one_machine(client, clips, whole, tmp_path):
    array = encode(clips, Tiny(), tmp_path / "s", client=client)
    xr.testing.assert_identical(array.load(), whole.load())
    assert shards(tmp_path / "s") == shards(whole.encoding["source"])
    assert (Quiet.last.total, Quiet.last.count) == (10, 10)
    assert "encode" in Quiet.last.shares
    means = encode(clips, Tiny(fail_at=1), tmp_path / "s", average=True)
    xr.testing.assert_identical(means, encode(clips, Tiny(), whole.encoding["source"], average=True))


def test_a_model_with_weights_is_loaded_on_the_workers_and_gives_the_same_bits(client, bundled_few, tmp_path):
    """Other numbers of threads give other last bits, so the workers take as many as the store began with."""
    encoder = load_encoder("diffae-mini", "cpu")
    here = encode_effects(bundled_few, encoder, ["CLN", "LPF"], tmp_path / "here", bar=Quiet)
    there = encode_effects(bundled_few, encoder, ["CLN", "LPF"], tmp_path / "there", client, bar=Quiet)
    xr.testing.assert_identical(here.load(), there.load())
    assert shards(tmp_path / "here") == shards(tmp_path / "there")


@pytest.fixture(scope="module")
def bundled_few():
    return load_clips("bundled")[[0, 40, 63]]


def test_an_encoder_is_loaded_once_a_worker(client, tmp_path):
    def load():
        with open(tmp_path / "loads", "a") as log:
            log.write(f"{os.getpid()}\n")
        return "model"

    def task(loaded, block):
        thing = loaded.get()
        while len((tmp_path / "loads").read_text().split()) < 2:  # the other worker is still to come
            time.sleep(0.02)
        return os.getpid(), thing, block

    found = list(run_blocks(client, task, range(12), load))
    assert sorted(block for *_, block in found) == list(range(12))
    assert {thing for _, thing, _ in found} == {"model"}
    loads = (tmp_path / "loads").read_text().split()
    assert sorted(loads) == sorted({str(pid) for pid, *_ in found}) and len(loads) == 2


def test_what_is_loaded_is_made_once_by_many_threads():
    made = []

    def load():
        time.sleep(0.02)
        made.append(object())
        return made[-1]

    loaded = OncePerProcess(load)
    threads = [threading.Thread(target=loaded.get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and loaded.get() is made[0]


@pytest.fixture
def spoiled(clips, tmp_path, noise, write_audio):
    """The ten clips, of which the sixth and the last cannot be used."""
    bad, sound = clips[:], noise(30_000, channels=1)
    sound[0, 500] = np.nan
    write_audio(tmp_path / "broken", {"5.wav": sound, "9.wav": -sound})
    bad.table = bad.table.copy()
    for row in (5, 9):
        bad.table.loc[row, "file"] = str(tmp_path / "broken" / f"{row}.wav")
    return bad


def test_bad_clips_are_left_out_and_named(client, spoiled, whole, tmp_path):
    with pytest.warns(SkippedClips, match=r"2 of 10 clips .*/5\.wav holds samples that are NaN.*/9\.wav"):
        array = encode(spoiled, Tiny(), tmp_path / "s", client=client)
    good = [row for row in range(10) if row not in (5, 9)]
    xr.testing.assert_identical(array.load().drop_attrs(), whole[good].load().drop_attrs())
    assert finished_rows(tmp_path / "s") == good
    assert (Quiet.last.total, Quiet.last.count) == (10, 10)
    with pytest.raises(ValueError, match=r"\.wav holds samples that are NaN"):
        encode(spoiled, Tiny(), tmp_path / "s", client=client, on_error="raise")


def test_an_error_keeps_what_other_blocks_have_written(client, clips, whole, tmp_path):
    with pytest.raises(RuntimeError, match="the encoder broke"):
        encode(clips, Tiny(fail_at=4), tmp_path / "s", client=client)
    before = finished_rows(tmp_path / "s")
    assert before and len(before) < 10
    xr.testing.assert_identical(encode(clips, Tiny(), tmp_path / "s", client=client).load(), whole.load())


def test_a_worker_that_sees_other_files_stops_the_run(client, clips, tmp_path):
    """It would be done with each of them in no time, and leave out all."""

    def see_others():
        pipeline.own, pipeline.changed = pipeline.changed, lambda clip, digest: pipeline.ChangedClip("another folder")

    def see_again():
        pipeline.changed = pipeline.__dict__.pop("own")

    client.run(see_others)
    try:
        with pytest.raises(ValueError, match="'clips.*' differ on a worker: all machines must see the same folder"):
            encode(clips, Tiny(), tmp_path / "s", client=client)
    finally:
        client.run(see_again)
    assert finished_rows(tmp_path / "s") == []


@pytest.mark.parametrize("given", ["tcp://10.0.0.1:8786", distributed.LocalCluster, 3])
def test_what_is_no_client_is_refused_with_the_remedy(clips, tmp_path, given):
    with pytest.raises(ValueError, match=r"client = .* is no Dask client: give dask\.distributed\.Client\(\.\.\.\) of"):
        encode(clips, Tiny(), tmp_path / "s", client=given)
    assert not (tmp_path / "s").exists()


def test_without_dask_a_client_names_the_extra(clips, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'latentfx-nb\[dask\]'"):
        encode(clips, Tiny(), tmp_path / "s", client="tcp://10.0.0.1:8786")


def test_workers_refuse_other_libraries_and_weights(clips, monkeypatch):
    encoder = load_encoder("logmel", "cpu")
    way = pipeline.EncodingPlan([], 1, None)
    block = blocks._Block([0], clips[:1], clips[:1].hashes(), way, "another", "")
    with pytest.raises(ValueError, match="another version of pedalboard or pyloudnorm: install the same"):
        blocks._encode_block(OncePerProcess(lambda: encoder), block)
    again = reloading(encoder)
    assert again() is load_encoder("logmel", "cpu")
    monkeypatch.setattr(type(encoder), "weights_hash", "f" * 64)
    with pytest.raises(ValueError, match="logmel has other weights here.*LATENTFX_WEIGHTS"):
        again()
    own = Tiny()
    assert reloading(own)() is own
    monkeypatch.setitem(registry.REGISTERED, "tiny", own)
    assert reloading(own)() is own


def test_stopping_takes_waiting_blocks_off_the_cluster(client, clips, tmp_path):
    class Stop(Exception):
        pass

    class Stopping(Quiet):
        def update(self, n=1):
            raise Stop

    with pytest.raises(Stop):
        encode_effects(clips, Slow(), LABELS, tmp_path / "s", client, bar=Stopping)
    rows = finished_rows(tmp_path / "s")
    assert 0 < len(rows) < 10
    xr.testing.assert_identical(
        encode(clips, Slow(), tmp_path / "s", client=client).load(), encode(clips, Slow(), tmp_path / "t").load()
    )


class Slow(Tiny):
    """As Tiny, and long enough in a block to be killed there."""

    def encode(self, audio):
        time.sleep(0.05)
        return super().encode(audio)


@pytest.mark.ci
@pytest.mark.soak
def test_workers_killed_at_random_moments_lose_nothing(clips, tmp_path, soak):
    """Workers are killed while they encode, and no block is lost, doubled or torn."""
    expected = encode(clips, Slow(), tmp_path / "expected")
    for number, moment in enumerate(np.random.default_rng(1).uniform(0.02, 0.5, soak.rounds(2, 20))):
        store, killed = tmp_path / f"{number}.zarr", []

        def kill(pid, killed=killed):
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

        # A cluster of its own for each: now and then Dask does not start a killed worker again.
        with two_workers() as client:
            killer = threading.Timer(moment, kill, [min(client.run(os.getpid).values())])
            killer.start()
            array = encode(clips, Slow(), store, client=client)
            killer.join()
        assert len(killed) == 1
        xr.testing.assert_identical(array.load(), expected.load())
        assert shards(store) == shards(tmp_path / "expected")
        assert listed_once(store)
        soak.count("Store", "Dask workers killed at random")


# Workers of unlike processors.

OTHER_CPU = {"NPY_DISABLE_CPU_FEATURES": "X86_V3", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
"""What makes a process compute as on an older processor."""


def instructions():
    """Return what numpy and torch use in this process, and the bits of some of their numbers."""
    import torch
    from numpy._core._multiarray_umath import __cpu_features__

    x = np.linspace(0.1, 3, 1000, dtype=np.float32)
    return __cpu_features__["X86_V3"], torch.backends.cpu.get_cpu_capability(), np.exp(x).tobytes()


@pytest.fixture(scope="module")
def unlike_workers(tmp_path_factory):
    """A scheduler and two workers, of which one is told to use other instructions."""
    folder = tmp_path_factory.mktemp("workers")
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs="CRITICAL") as cluster,
        distributed.Client(cluster) as client,
    ):
        command = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address, "--no-nanny"]
        command += ["--nthreads", "1", "--no-dashboard", "--memory-limit", "0", "--local-directory", str(folder)]
        paths = {"PYTHONPATH": os.pathsep.join(map(str, sys.path))}
        workers = [
            subprocess.Popen(command, env={**os.environ, **paths, **other}, stderr=subprocess.DEVNULL)
            for other in ({}, OTHER_CPU)
        ]
        try:
            client.wait_for_workers(2, timeout=600)
            yield client
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()


@pytest.mark.ci
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names of x86's instructions")
def test_workers_of_unlike_processors_share_a_store(unlike_workers, clips, tmp_path):
    """Keys are those of one machine, and latents too, but for their last bits."""
    here, other = unlike_workers.run(instructions).values()
    if here[:2] == other[:2]:
        pytest.skip("this processor has no other instructions to do without")
    encoder, store = load_encoder("logmel", "cpu"), tmp_path / "s"
    with distributed.get_task_stream(unlike_workers) as tasks:
        array = encode_sweep(clips, encoder, "HPF", 3, store=store, client=unlike_workers, bar=Quiet)
    assert len({task["worker"] for task in tasks.data if task["key"].startswith("_run")}) == 2
    verdict = verify.verify(store)
    assert verdict.is_sound and len(verdict.good) == 10 and listed_once(store)
    alone = encode_sweep(clips, encoder, "HPF", 3, store=tmp_path / "alone", bar=Quiet)
    assert array["value"].values.tolist() == alone["value"].values.tolist()
    np.testing.assert_allclose(array, alone, atol=0.1)  # dB, of float16 down to -100
