"""How fast full-size encoders run, against the plain loop: `python -m benchmarks.encoders [--device cuda] [NAME ...]`.

Networks have their published sizes and, where their weights are not at hand, random values: time does not depend on
them. The plain loop encodes one clip at a time with the network as its library hands it out, its graph kept, as a
first script would. Rounds alternate between the two, and medians are taken over rounds. Products are counted by torch
(convolutions, matrices, attention; recurrent layers are not) and set against the largest rate that this machine
reaches at multiplying matrices; the error of bfloat16 is relative to float32, over noise.

The last line is `ratio=NUMBER`: the plain loop's time over ours, the median over the networks.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from latentfx_nb.encoders import list_encoders, load_encoder
from latentfx_nb.encoders.devices import choose_device
from latentfx_nb.encoders.nets.soundstream import SoundStreamEncoder
from latentfx_nb.encoders.running import batch_size
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound import audio

NAMES = ("diffae", "encodec-48k", "oobleck-acestep", "oobleck-stable-audio", "diffae-mini")
BATCH = 10  # the renders of one clip


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--device", action="append", help="cpu, cuda (default: the CPU, and CUDA where there is any)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
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
