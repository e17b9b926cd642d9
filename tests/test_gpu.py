"""On an NVIDIA GPU: `pytest -m gpu`. What needs none of it is tested against a stand-in that runs out of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import __main__ as runner
from benchmarks import gpu
from latentfx_nb.effects import Setting
from latentfx_nb.encoders import list_encoders, load_encoder, registry, running
from latentfx_nb.encoders.running import encode_clips, encode_inputs, model_inputs, placed_inputs
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store.cluster import OncePerProcess
from latentfx_nb.store.pipeline import EncodingPlan, encoded

on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device: needs an NVIDIA GPU"),
]


def decorated(test):
    for mark in on_gpu:
        test = mark(test)
    return test


@pytest.fixture
def sounds(noise):
    return [noise(48_000, 2, seed=seed, doubled=seed % 2 == 0) for seed in range(4)]


def latents_of_store(encoder, clips, batch):
    """Latents of clips through two effects, as a store is filled."""
    plan = EncodingPlan([Setting("CLN"), Setting("RVB")], batch, None)
    return np.concatenate(list(encoded(clips, OncePerProcess(lambda: encoder), plan, {}, workers=2)))


# On the GPU.


@decorated
@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_the_gpu_gives_what_the_cpu_gives(name, sounds):
    if not list_encoders().at[name, "present"]:
        pytest.skip(f"the weights of {name} are not here")
    here, there = load_encoder(name, "cpu"), load_encoder(name, "cuda")
    expected = encode_clips(here, sounds)
    for kind in ("float32", "TF32"):
        with gpu.tf32(kind == "TF32"):
            assert gpu.distance(encode_clips(there, sounds), expected) < gpu.TOLERANCES[kind]
    assert np.array_equal(encode_clips(there, sounds), encode_clips(there, sounds))


@decorated
def test_inputs_are_copied_whole_while_others_are_encoded(sounds):
    encoder = load_encoder("diffae-mini", "cuda")
    placed = placed_inputs(encoder, sounds)
    assert placed.device.type == "cuda"
    assert np.array_equal(placed.cpu().numpy(), model_inputs(encoder, sounds))


@decorated
def test_a_store_is_filled_on_the_gpu():
    clips = load_clips("bundled")[:4]
    here, there = (latents_of_store(load_encoder("diffae-mini", place), clips, 2) for place in ("cpu", "cuda"))
    assert gpu.distance(there, here) < gpu.TOLERANCES["TF32"]


@decorated
def test_a_full_gpu_takes_smaller_batches(sounds):
    found = gpu.recover("diffae-mini", gpu.Gpu(), sounds, 32)
    assert found["batches"][0] == 32 and len(found["batches"]) > 1
    assert found["error"] < gpu.TOLERANCES["TF32"]


# Without one.


def test_a_batch_that_the_stand_in_has_no_room_for_is_halved(sounds):
    found = gpu.recover("diffae-mini", gpu.StandIn(), sounds, 4)
    assert found["batches"] == [4, 2, 2] and found["error"] < 1e-5


def test_a_store_is_filled_where_memory_runs_out():
    device, clips = gpu.StandIn(), load_clips("bundled")[:2]
    expected = latents_of_store(load_encoder("logmel", "cpu"), clips, 2)
    device.room_bytes = 1.5 * 4 * clips[0].shape[-1]  # a clip and a half of logmel's one channel
    encoder = gpu.Watched(load_encoder("logmel", "cpu"), device)
    assert np.array_equal(latents_of_store(encoder, clips, 2), expected)
    assert encoder.sizes == [2, 1, 1] * 2


class Device:
    """A device that says it is CUDA."""

    type = "cuda"


@pytest.mark.parametrize("full", [False, True])
def test_inputs_stay_where_they_are_if_a_gpu_is_full(sounds, monkeypatch, full):
    encoder, copied = load_encoder("logmel", "cpu"), []

    def copy(inputs, device):
        if full:
            raise torch.OutOfMemoryError("CUDA out of memory")
        copied.append(device.type)
        return inputs.clone()

    monkeypatch.setattr(running, "_copied", copy)
    alone = placed_inputs(encoder, sounds)
    assert not copied and alone.device.type == "cpu"
    monkeypatch.setattr(encoder, "device", Device())
    placed = placed_inputs(encoder, sounds)
    assert copied == ([] if full else ["cuda"]) and torch.equal(placed, alone)
    monkeypatch.undo()
    assert np.array_equal(encode_inputs(encoder, placed), encode_clips(encoder, sounds))


def test_what_is_beyond_its_tolerance_is_named():
    figures = {
        "encoders": [
            {"name": "a", "errors": {"float32": 1e-2, "TF32": 1e-2}},
            {"name": "b", "errors": {"TF32": np.nan}},
        ],
        "recovery": {"name": "a", "error": 0.5},
    }
    assert gpu.beyond(figures) == ["a in float32: 1.0e-02", "b in TF32: nan", "a in parts in TF32: 5.0e-01"]


def test_the_whole_run_has_10240_renders():
    assert len(load_clips("bundled")) * len(gpu.settings_of(gpu.VALUES)) == 10_240


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_nothing_is_measured(monkeypatch):
    with pytest.raises(SystemExit, match="no CUDA device here; --dry"):
        gpu.Gpu()
    ran = []
    monkeypatch.setattr(runner, "run", lambda name: ran.append(name) or ("", True))
    monkeypatch.setattr(runner, "write", lambda _found: None)
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    assert runner.main() == 0 and "pca" in ran and "gpu" not in ran


@pytest.mark.ci
def test_the_dry_run_goes_through_every_step(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu", "--dry", "--out", str(tmp_path)]
    root = Path(runner.__file__).parents[1]
    printed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["dry"] and "these figures mean nothing" in printed
    assert printed.splitlines()[-1] == f"ratio={found['ratio']:.2f}"
    assert [one["name"] for one in found["encoders"]] == ["logmel", "diffae-mini"]
    assert found["recovery"]["batches"] == [4, 2, 2] and found["beyond_tolerance"] == []
    assert found["end_to_end"]["renders"] == 40 and 0 < found["end_to_end"]["busy"] <= 1
