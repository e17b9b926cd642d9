"""Encoders on an NVIDIA GPU against the same machine's CPU, and the paper's 10 240 renders from files to latents.

    python -m benchmarks.gpu --out build/gpu     on a machine with a GPU: under eight minutes, a table and gpu.json
    python -m benchmarks.gpu --dry               the same steps without one, at tiny sizes: its figures mean nothing

Each encoder encodes the same clips on both; errors are the largest difference over the largest latent, and TOLERANCES
says how large they may be in float32, in TF32 (which torch uses for convolutions unless it is told otherwise) and,
where a model offers it, in bfloat16. Clips a second are of TF32, in batches that half of the free memory holds. Models
whose weights are not at hand run at their published size with random ones: for speed and rounding alone. Then a batch
is encoded in less memory than it takes, and the bundled clips are rendered, copied from pinned memory and encoded at
once. In a dry run a stand-in on the CPU runs out of memory where a GPU would.

The last line is `ratio=NUMBER`: clips a second on the GPU over those on the CPU, the median over the encoders. The exit
status is 1 if an error is beyond its tolerance.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.encoders import save_full_size
from latentfx_nb.cache import atomic_write
from latentfx_nb.effects import TABLE_1, Setting, get_effect, sweep_settings
from latentfx_nb.encoders import list_encoders, load_encoder
from latentfx_nb.encoders.running import batch_size, encode_inputs, model_inputs
from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store.cluster import OncePerProcess
from latentfx_nb.store.pipeline import EncodingPlan, encoded, time_shares

TOLERANCES = {"float32": 1e-3, "TF32": 3e-2, "bfloat16": 1e-1}
RANDOM = ("diffae", "encodec-48k", "oobleck-acestep", "oobleck-stable-audio")  # sizes that are known without weights
END_TO_END = "diffae-mini"
VALUES = 16  # of each effect's knob: 64 clips x 10 effects x 16 are 10 240 renders
GROUP = 40  # settings in one pass over the clips, so that renders made ahead fit into memory
SECONDS = 3.0  # of encoding, for clips a second
BATCH = 256  # at most


class Watched:
    """An encoder that notes how many clips it was given at once, and how long its device took for them."""

    def __init__(self, encoder, device):
        self.encoder, self.device_used = encoder, device
        self.sizes, self.spans = [], []

    def __getattr__(self, name):
        return getattr(self.encoder, name)

    def encode(self, audio):
        self.sizes.append(len(audio))
        self.device_used.check_room(audio)
        begin = self.device_used.mark()
        latents = self.encoder.encode(audio)
        self.spans.append((begin, self.device_used.mark()))
        return latents

    def busy_s(self):
        """Return the seconds from the first to the last operation of each `encode`, by the device's own clock."""
        return sum(self.device_used.seconds(*span) for span in self.spans)


class Gpu:
    """CUDA's current device."""

    place = "cuda"

    def __init__(self):
        if not torch.cuda.is_available():
            raise SystemExit("torch sees no CUDA device here; --dry tries the steps without one")
        self.name = torch.cuda.get_device_name()

    def mark(self):
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, begin, end):
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1000

    def check_room(self, audio):
        """Do nothing: the device itself says when it is full."""

    @contextlib.contextmanager
    def too_small_for(self, encode):
        """Leave three quarters of the memory that `encode` takes."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        encode()
        taken, whole = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()[1]
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(0.75 * taken / whole)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)


class StandIn:
    """The CPU in a GPU's place, with as much room for audio as one says."""

    place, name = "cpu", "a stand-in on the CPU"
    room_bytes = np.inf

    def mark(self):
        return time.perf_counter()

    def seconds(self, begin, end):
        return end - begin

    def check_room(self, audio):
        if 4 * audio.numel() > self.room_bytes:
            raise torch.OutOfMemoryError(f"{4 * audio.numel()} bytes do not fit into {self.room_bytes:.0f}")

    @contextlib.contextmanager
    def too_small_for(self, encode):
        watched, check = [], self.check_room
        self.check_room = lambda audio: watched.append(4 * audio.numel())
        encode()
        self.check_room, self.room_bytes = check, 0.75 * max(watched)
        try:
            yield
        finally:
            self.room_bytes = np.inf


@contextlib.contextmanager
def tf32(allowed):
    """Let convolutions and products of matrices on the GPU round their factors to TF32, or not."""
    backends = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = allowed
    try:
        yield
    finally:
        for backend, value in zip(backends, before):
            backend.allow_tf32 = value


def rate(encoder, sounds, batch, seconds):
    """Return clips a second of `encode_inputs`, to latents in the computer's memory, after a first call."""
    inputs = model_inputs(encoder, [sounds[i % len(sounds)] for i in range(batch)])
    encode_inputs(encoder, inputs)
    begin, done = time.perf_counter(), 0
    while time.perf_counter() < begin + seconds or not done:
        encode_inputs(encoder, inputs)
        done += batch
    return done / (time.perf_counter() - begin)


def distance(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def compare(name, folder, device, sounds, seconds, most):
    """Return one encoder's figures, or None if it runs on the CPU alone."""
    options = {"weights": folder} if folder else {}
    here, there = load_encoder(name, "cpu", **options), load_encoder(name, device.place, **options)
    if there.device.type != device.place:
        return None
    inputs = model_inputs(here, sounds)
    expected = encode_inputs(here, inputs)
    errors = {}
    for kind in ("float32", "TF32"):
        with tf32(kind == "TF32"):
            errors[kind] = distance(encode_inputs(there, inputs), expected)
    half = load_encoder(name, device.place, bf16=True, **options) if getattr(there, "takes_bf16", False) else None
    if half is not None:
        errors["bfloat16"] = distance(encode_inputs(half, inputs), expected)
    batch = batch_size(there, most, sounds[0].shape[-1])
    with tf32(True):
        figures = {
            "name": name, "weights": "random" if folder else "its own", "errors": errors, "batch": batch,
            "cpu_clips_s": rate(here, sounds, min(batch, len(sounds)), seconds),
            "clips_s": rate(there, sounds, batch, seconds),
        }  # fmt: skip
    return figures | ({"bf16_clips_s": rate(half, sounds, batch, seconds)} if half is not None else {})


def recover(name, device, sounds, batch):
    """Return how a batch was encoded in less memory than it takes, and how far off its latents are."""
    encoder = Watched(load_encoder(name, device.place), device)
    inputs = model_inputs(encoder, [sounds[i % len(sounds)] for i in range(batch)])
    expected = encode_inputs(encoder, inputs)
    with device.too_small_for(lambda: encode_inputs(encoder, inputs)):
        encoder.sizes.clear()
        found = encode_inputs(encoder, inputs)
    return {"name": name, "batches": list(encoder.sizes), "error": distance(found, expected)}


def settings_of(values):
    """Return ten effects at `values` settings of their first knob each, or as often as they are if they have none."""
    return [
        setting
        for label in TABLE_1
        for setting in (
            sweep_settings(label, values) if get_effect(label).knobs else [Setting(label) for _ in range(values)]
        )
    ]


def end_to_end(name, device, clips, values):
    """Return the figures of rendering, copying and encoding `clips` through ten effects at `values` settings each."""
    encoder = Watched(load_encoder(name, device.place), device)
    settings, stages = settings_of(values), {}
    batch = batch_size(encoder, GROUP, CLIP_SAMPLES)
    begin, renders = time.perf_counter(), 0
    for first in range(0, len(settings), GROUP):
        plan = EncodingPlan(settings[first : first + GROUP], batch, None)
        for latents in encoded(clips, OncePerProcess(lambda: encoder), plan, stages):
            if isinstance(latents, Exception):
                raise latents
            renders += len(latents)
    seconds = time.perf_counter() - begin
    return {
        "name": name, "renders": renders, "batch": batch, "seconds": seconds, "renders_s": renders / seconds,
        "busy": encoder.busy_s() / seconds, "waited": time_shares(stages),
    }  # fmt: skip


def row(figures):
    """Return one encoder's line of the table."""
    errors = " ".join(f"{figures['errors'].get(kind, float('nan')):9.1e}" for kind in TOLERANCES)
    rates = f"{figures['cpu_clips_s']:9.2f} {figures['clips_s']:9.2f} {figures.get('bf16_clips_s', float('nan')):9.2f}"
    return f"{figures['name']:22s} {figures['weights']:8s} {errors} {figures['batch']:6d} {rates}"


def encoders_here(dry):
    """Return names of encoders by whether their weights are here."""
    table = list_encoders()
    if dry:
        return ["logmel", END_TO_END], []
    return list(table.index[table["present"].astype(bool)]), [name for name in RANDOM if not table.at[name, "present"]]


def measure(device, sounds, dry):
    """Return the figures of every encoder, each printed as it is there."""
    own, random = encoders_here(dry)
    print(
        f"{'':22s} weights  " + " ".join(f"{kind:>9s}" for kind in TOLERANCES) + "  batch     CPU/s  device/s    bf16/s"
    )
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in [*own, *random]:
            folder = Path(scratch, name) if name in random else None
            if folder:
                folder.mkdir()
                save_full_size(name, folder)
            figures = compare(name, folder, device, sounds, 0.0 if dry else SECONDS, 4 if dry else BATCH)
            print(row(figures) if figures else f"{name:22s} runs on the CPU alone", flush=True)
            found += [figures] if figures else []
    return found


def report(dry):
    """Print all lines but the last; return all figures."""
    device = StandIn() if dry else Gpu()
    clips = load_clips("bundled")[:2] if dry else load_clips("bundled")
    print(f"{device.name}, torch {torch.__version__}" + (", a dry run: these figures mean nothing" if dry else ""))
    sounds = [np.array(clips[i])[:, : 16_384 if dry else None] for i in range(2 if dry else 4)]
    figures = {"device": device.name, "torch": str(torch.__version__), "dry": dry, "tolerances": TOLERANCES}
    figures["encoders"] = measure(device, sounds, dry)
    figures["recovery"] = recover(END_TO_END, device, sounds, 4 if dry else 64)
    print(f"in three quarters of its memory, a batch went as {figures['recovery']['batches']} clips")
    figures["end_to_end"] = whole = end_to_end(END_TO_END, device, clips, 2 if dry else VALUES)
    print(
        f"{whole['renders']} renders with {whole['name']}, batches of {whole['batch']}: {whole['seconds']:.1f} s, "
        f"{whole['renders_s']:.1f} renders/s, device busy {whole['busy']:.0%} of the time; waited for "
        f"{whole['waited']}"
    )
    return figures


def beyond(figures):
    """Return what is farther off than TOLERANCES says."""
    errors = [(one["name"], kind, error) for one in figures["encoders"] for kind, error in one["errors"].items()]
    errors.append((f"{figures['recovery']['name']} in parts", "TF32", figures["recovery"]["error"]))
    return [f"{name} in {kind}: {error:.1e}" for name, kind, error in errors if not error <= TOLERANCES[kind]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="try every step without a GPU, at tiny sizes")
    parser.add_argument("--out", type=Path, help="a folder for gpu.json")
    options = parser.parse_args()
    figures = report(options.dry)
    figures["beyond_tolerance"] = beyond(figures)
    figures["ratio"] = statistics.median(one["clips_s"] / one["cpu_clips_s"] for one in figures["encoders"])
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        with atomic_write(options.out / "gpu.json") as file:
            file.write(json.dumps(figures, indent=2).encode() + b"\n")
    for line in figures["beyond_tolerance"]:
        print(f"beyond its tolerance: {line}")
    print(f"ratio={figures['ratio']:.2f}")
    return 1 if figures["beyond_tolerance"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
