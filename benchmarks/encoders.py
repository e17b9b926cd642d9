"""How fast encoders run: full-size ones against the plain loop, and shipped ones against how they ran before.

    python -m benchmarks.encoders                 both, on the CPU, and on CUDA where there is any
    python -m benchmarks.encoders diffae          one full-size encoder, or several
    python -m benchmarks.encoders --shipped       the shipped ones alone

Networks have their published sizes and, where their weights are not at hand, random values: time does not depend on
them. The plain loop encodes one clip at a time with the network as its library hands it out, its graph kept, as a
first script would. Rounds alternate between the two, and medians are taken over rounds. Products are counted by torch
(convolutions, matrices, attention; recurrent layers are not) and set against the largest rate that this machine
reaches at multiplying matrices; the error of bfloat16 is relative to float32, over noise.

The shipped ones run on one thread of the CPU beside the way they ran before: side and mid alike, also where the side
is silent, and a product with a dense matrix in place of an FFT. Both take turns clip by clip; what counts is the time
of the thread, which other work on the machine lengthens less than it does the clock's, and the median over pairs.

The last line is `ratio=NUMBER`: the plain loop's time over ours, the median over the networks, or, with `--shipped`,
the smallest gain on doubled mono.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from latentfx_nb.effects import render
from latentfx_nb.encoders import list_encoders, load_encoder
from latentfx_nb.encoders.devices import choose_device, on_threads
from latentfx_nb.encoders.nets.diffusion import FLOOR, DiffusionAutoencoder
from latentfx_nb.encoders.nets.mdct import DenseDCT
from latentfx_nb.encoders.nets.parts import mid_side
from latentfx_nb.encoders.nets.soundstream import SoundStreamEncoder
from latentfx_nb.encoders.running import batch_size
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound import audio
from latentfx_nb.sound.clips import load_clips

NAMES = ("diffae", "encodec-48k", "oobleck-acestep", "oobleck-stable-audio", "diffae-mini")
BATCH = 10  # the renders of one clip
SHIPPED = ("diffae-mini", "stacked-mini-2")
PAIRS = 40
KINDS = {"doubled mono": "CLN", "stereo": "RVB"}  # reverb is the one effect that makes doubled mono stereo


def save_full_size(name, folder):
    """Write a network of the published size with random weights, as its published files are."""
    torch.manual_seed(0)
    if name == "diffae":
        save_file(SoundStreamEncoder().state_dict(), folder / "encoder.safetensors")
    elif name == "encodec-48k":
        from transformers import EncodecConfig, EncodecModel

        config = EncodecConfig(
            sampling_rate=48_000, audio_channels=2, normalize=True, chunk_length_s=1.0, overlap=0.01,
            norm_type="time_group_norm", use_causal_conv=False, target_bandwidths=[3.0, 6.0, 12.0, 24.0],
        )  # fmt: skip
        EncodecModel(config).save_pretrained(folder)
    else:
        from diffusers import AutoencoderOobleck

        rate, ratios = (48_000, [2, 4, 4, 6, 10]) if name == "oobleck-acestep" else (44_100, [2, 4, 4, 8, 8])
        AutoencoderOobleck(downsampling_ratios=ratios, sampling_rate=rate).save_pretrained(folder)


def plain_network(name, folder, device):
    """The same network as its library gives it, in evaluation mode, as a function of audio."""
    if name == "diffae":
        from safetensors.torch import load_file

        network = SoundStreamEncoder()
        network.load_state_dict(load_file(folder / "encoder.safetensors"))
        return network.to(device).eval()
    if name == "encodec-48k":
        from transformers import EncodecModel

        return EncodecModel.from_pretrained(folder).to(device).eval().encoder
    if name.startswith("oobleck"):
        from diffusers import AutoencoderOobleck

        network = AutoencoderOobleck.from_pretrained(folder, low_cpu_mem_usage=False).to(device).eval()
        return lambda x: network.encode(x).latent_dist.mode()
    return None


def seconds(call, device):
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def matrix_rate(device, dtype):
    """Return products and sums a second of the fastest of a few square matrix products.

    On a GPU float32 is multiplied as convolutions do it there, in TF32.
    """
    torch.backends.cuda.matmul.allow_tf32 = True
    best = 0.0
    for size in (2048, 4096) if device.type == "cpu" else (4096, 8192, 16384):
        a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        a @ b
        best = max(best, max(2 * size**3 / seconds(lambda a=a, b=b: a @ b, device) for _ in range(4)))
    return best


def operations(encoder, x):
    """Return products and sums for one clip, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        encoder.encode(x[:1])
    return counter.get_total_flops()


def measure(name, folder, device, rounds, rates):
    options = {} if folder is None else {"weights": folder}
    encoder = load_encoder(name, str(device), **options)
    samples = audio.samples_at(CLIP_SAMPLES, SAMPLE_RATE_HZ, encoder.sample_rate)
    batch = batch_size(encoder, BATCH if device.type == "cuda" else 2, CLIP_SAMPLES)
    x = 0.1 * torch.randn(batch, encoder.channels, samples, generator=torch.Generator().manual_seed(0))
    flops = operations(encoder, x)
    plain = plain_network(name, folder, device)

    def ours():
        with torch.inference_mode():
            return encoder.encode(x).cpu()

    def loop():
        return torch.cat([plain(clip[None].to(device)).detach().cpu() for clip in x])

    half = load_encoder(name, str(device), bf16=True, **options) if encoder.takes_bf16 else None

    def halved():
        with torch.inference_mode():
            return half.encode(x).cpu()

    exact = ours()
    error = float((halved() - exact).norm() / exact.norm()) if half else float("nan")
    times = {"ours": [], "loop": [], "bf16": []}
    for _ in range(rounds):
        times["ours"].append(seconds(ours, device))
        if plain is not None:
            times["loop"].append(seconds(loop, device))
        if half is not None:
            times["bf16"].append(seconds(halved, device))
    each = {way: statistics.median(found) / batch for way, found in times.items() if found}
    ratio = each["loop"] / each["ours"] if "loop" in each else float("nan")
    bf16 = f"{1 / each['bf16']:8.2f} {flops / each['bf16'] / rates[torch.bfloat16]:6.0%}" if half else f"{'-':>15}"
    print(
        f"{name:22s} {batch:5d} {flops / 1e9:8.1f} {1 / each['ours']:9.2f} "
        f"{flops / each['ours'] / rates[torch.float32]:6.0%} {bf16} {error:10.4f} {ratio:9.2f}"
    )
    return ratio


class Before:
    """A network of a shipped encoder as it encoded before: a silent side computed, and each transform a product."""

    def __init__(self, network):
        self.network = network
        self.matrix = DenseDCT(network.levels.transform.hop) if hasattr(network, "levels") else None

    def encode(self, signal):
        if not isinstance(self.network, DiffusionAutoencoder):
            mid, side = (self.network.spectrum(signal) / self.network.spectrum.scale).chunk(2, 1)
            return torch.cat([self.network.mid.encode(mid), self.network.side.encode(side)], 1)
        encoder, ratio = self.network.encoder, float(self.network.layout.slow_stride)
        fast = continued(encoder.fast, self.network.spectrum.compand(self.network.spectrum(signal)))
        slow = functional.interpolate(continued(encoder.slow, self.levels(signal)), scale_factor=ratio, mode="linear")
        return torch.tanh(torch.cat([fast, slow], 1))

    def levels(self, signal):
        transform, bands = self.network.levels.transform, self.network.levels.bands
        blocks = mid_side(signal).unflatten(-1, (-1, transform.hop))
        coefficients = self.matrix(transform._rotate(blocks, transform.outside)).transpose(-1, -2)
        around = functional.pad(coefficients, (0, 0, 1, 1))
        power = coefficients.square() + (around[:, :, 2:] - around[:, :, :-2]).square()
        return ((torch.log10(bands @ power + FLOOR**2) + 6) / 2).flatten(1, 2)


def continued(network, x, margin=32):
    return network(functional.pad(x, (margin, margin), mode="replicate"))[..., margin:-margin]


def thread_seconds(call):
    start = time.thread_time()
    call()
    return time.thread_time() - start


def old_beside_new(name, effect, pairs):
    """Return thread seconds a clip before and now, in pairs, and the largest difference of latents (in -1..1)."""
    encoder = load_encoder(name, "cpu")
    networks = [Before(network) for network in encoder._models]

    def before(x):
        for network in networks:
            x = network.encode(x)
        return x

    clips = load_clips("bundled")
    sounds = [torch.from_numpy(np.array(render(clips[i], effect)))[None] for i in range(0, len(clips), 8)]
    with torch.inference_mode():
        difference = max(float((before(x) - encoder.encode(x)).abs().max()) for x in sounds)
        times = [
            (thread_seconds(lambda x=x: before(x)), thread_seconds(lambda x=x: encoder.encode(x)))
            for x in (sounds[i % len(sounds)] for i in range(pairs))
        ]
    return times, difference


def compare_shipped(pairs):
    """Print a line a model and kind of clip; return the smallest gain on doubled mono."""
    gains = []
    with on_threads(1):
        for name in SHIPPED:
            for kind, effect in KINDS.items():
                times, difference = old_beside_new(name, effect, pairs)
                before, now = (1000 * statistics.median(column) for column in zip(*times))
                gain = statistics.median(old / new for old, new in times)
                print(
                    f"{name}, {kind}: {before:.0f} ms before, {now:.0f} ms now of one thread's time, {gain:.2f} times "
                    f"as fast (median of {pairs} pairs); latents differ by {difference:.0e} at most",
                    flush=True,
                )
                gains += [gain] if kind == "doubled mono" else []
    return min(gains)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--device", action="append", help="cpu, cuda (default: the CPU, and CUDA where there is any)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shipped", action="store_true", help="compare the shipped ones alone")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of a shipped encoder's old way and new")
    options = parser.parse_args()
    gain = compare_shipped(options.pairs)
    if options.shipped:
        print(f"ratio={gain:.2f}")
        return
    warnings.filterwarnings("ignore", category=FutureWarning)
    devices = options.device or ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    known = list_encoders()
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        for device in map(choose_device, devices):
            model = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "CPU"
            rates = {dtype: matrix_rate(device, dtype) for dtype in (torch.float32, torch.bfloat16)}
            print(
                f"{device} ({model}), torch {torch.__version__}, {torch.get_num_threads()} threads; matrices: "
                f"{rates[torch.float32] / 1e12:.2f} Tflop/s float32, {rates[torch.bfloat16] / 1e12:.2f} bfloat16"
            )
            print(f"{'':22s} batch  Gflop/clip  clips/s  share  bf16/s  share  bf16 error  plain/ours")
            for name in options.names:
                folder = None if known.at[name, "present"] else Path(scratch, name)
                if folder and not folder.exists():
                    folder.mkdir()
                    save_full_size(name, folder)
                ratios.append(measure(name, folder, device, options.rounds, rates))
    print(f"ratio={statistics.median([ratio for ratio in ratios if ratio == ratio]):.2f}")


if __name__ == "__main__":
    main()
