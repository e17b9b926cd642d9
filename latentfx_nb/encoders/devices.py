"""Devices that encoders run on: which there are, on how many threads, and with which instructions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Return `device`; "auto" is CUDA if there is any, else Apple's MPS, else the CPU.

    Raises ValueError if this machine's torch cannot use it.
    """
    if device != "auto":
        return _checked_device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _checked_device(name: str | torch.device) -> torch.device:
    """Return the device; raise ValueError if this machine's torch cannot use it."""
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        raise ValueError(f"torch cannot use the device {str(name)!r} here ({error}); use 'auto' or 'cpu'") from error


def compute_devices() -> dict[str, Any]:
    """Return what encoders can run on here: the `device` that "auto" chooses, CPU `threads`, and the `gpus` by name."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    found = {"device": str(choose_device()), "threads": cpu_threads(), "gpus": gpus}
    return found | ({"cuda": torch.version.cuda} if torch.version.cuda else {})


def cpu_instructions() -> str:
    """Return the instructions by which torch computes on this CPU, such as "AVX512": others give other last bits."""
    return torch.backends.cpu.get_cpu_capability()


def cpu_threads() -> int:
    """Return the number of threads on which encoders run on this machine's CPU."""
    return torch.get_num_threads()


@contextmanager
def on_threads(n: int | None) -> Iterator[None]:
    """Run encoders on `n` threads of the CPU, None for as many as before: another number gives other last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_bf16() -> None:
    """Raise ValueError if this processor's bfloat16 convolutions are wrong, as with AMX and oneDNN in torch 2.13."""
    generator = torch.Generator().manual_seed(0)
    sound, kernel = (torch.randn(shape, generator=generator) for shape in ((1, 16, 1000), (16, 16, 8)))
    exact = torch.nn.functional.conv1d(sound, kernel, stride=4)
    near = torch.nn.functional.conv1d(sound.bfloat16(), kernel.bfloat16(), stride=4).float()
    if (near - exact).norm() > 0.05 * exact.norm():
        raise ValueError(
            "bfloat16 gives wrong results on this processor, by an error of its math library: leave bf16 out, or set "
            "ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 before Python starts, as process.env does"
        )


def out_of_memory(error: Exception) -> bool:
    """Return whether `error` means too little memory: on the CPU torch raises a plain RuntimeError for that too."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
