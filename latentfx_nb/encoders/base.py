"""What an encoder is, and how clips become what it takes: this is where arrays turn into tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from latentfx_nb.cache import digest
from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound import audio
from latentfx_nb.sound.audio import Clip


@runtime_checkable
class Encoder(Protocol):
    """A frozen model that turns sound into latents. Attributes are fixed; `encode` is a pure function of its input.

    Two clips encoded together give what each gives alone, and the same input always gives the same output.
    """

    name: str
    sample_rate: int  # Hz, of the audio that `encode` takes
    channels: int  # 1 or 2, likewise
    dim: int
    frame_rate: float | None  # Hz; None for a model that gives one vector a clip
    weights_hash: str  # sha256 over what the latents depend on besides the audio
    device: torch.device

    def frames(self, n_samples: int) -> int:
        """Return how many frames `encode` gives for `n_samples` at `sample_rate`."""

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return latents `[batch dim frame]` float32 of `audio [batch channel sample]`."""


@runtime_checkable
class Decoder(Protocol):
    """An encoder that can also turn latents back into sound.

    One that needs minutes for it says so in an attribute `decodes_slowly`, and the pages leave it to be called.
    """

    def decode(self, latents: torch.Tensor, *, seed: int) -> torch.Tensor:
        """Return audio `[batch channel sample]` at `sample_rate` Hz of `latents [batch dim frame]`."""


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Return `device`; "auto" is CUDA if there is any, else Apple's MPS, else the CPU.

    Raises ValueError if this machine's torch cannot use it.
    """
    if device != "auto":
        return _checked_device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def compute_devices() -> dict[str, Any]:
    """Return what encoders may run on here: `device` as "auto" chooses it, CPU `threads`, and the `gpus` by name."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    found = {"device": str(choose_device()), "threads": cpu_threads(), "gpus": gpus}
    return found | ({"cuda": torch.version.cuda} if torch.version.cuda else {})


def cpu_instructions() -> str:
    """Return by which instructions torch computes on this CPU, such as "AVX512": others give other last bits."""
    return torch.backends.cpu.get_cpu_capability()


def _checked_device(name: str | torch.device) -> torch.device:
    """Return the device; raise ValueError if this machine's torch cannot use it."""
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        raise ValueError(f"torch cannot use the device {str(name)!r} here ({error}); use 'auto' or 'cpu'") from error


def check_audio(encoder: Encoder, audio: torch.Tensor) -> None:
    """Raise TypeError unless `audio` is a tensor, and ValueError unless it is float `[batch channel sample]`.

    The channels have to be as many as `encoder` declares.
    """
    if not isinstance(audio, torch.Tensor):
        raise TypeError(f"{encoder.name}.encode takes a torch tensor, not {type(audio)}; encode_clips() takes arrays")
    if audio.ndim != 3 or audio.shape[1] != encoder.channels:
        raise ValueError(
            f"{encoder.name} takes [batch {encoder.channels} sample] at {encoder.sample_rate} Hz, not shape "
            f"{tuple(audio.shape)}; encode_clips() converts any clip"
        )
    if not audio.is_floating_point():
        raise ValueError(f"{encoder.name} takes floating-point audio, not {audio.dtype}; scale it to -1..1")


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


class TorchEncoder:
    """What encoders made of torch networks share: they check and place their input, count frames and set precision.

    A subclass declares the attributes below, implements `_load` and `encode`, and may have `decode`.
    """

    name: str
    sample_rate: int
    channels: int
    dim: int
    hop: int  # samples a frame
    frame_rate: float | None
    weights_hash: str
    shortest = 1  # samples that `encode` needs
    takes_bf16 = False  # whether `encode` runs under `_precision()`

    def __init__(self, device: str = "auto", weights: str | Path | None = None, *, bf16: bool = False) -> None:
        """Load the model's files from the folder `weights`, else find or fetch them; `bf16` runs under autocast.

        Raises ValueError if torch cannot use `device`, or bfloat16 on it, ImportError if an extra is missing, and what
        finding, fetching and reading the weights raise.
        """
        self.device = choose_device(device)
        if bf16 and self.device.type == "cpu":
            check_bf16()
        self.bf16 = bf16
        self._load(weights)
        if bf16:
            self.weights_hash = digest(f"{self.weights_hash} bf16")

    def _load(self, weights: str | Path | None) -> None:
        """Set the networks, on `self.device`, and `self.weights_hash`."""
        raise NotImplementedError

    def frames(self, n_samples: int) -> int:
        """Return how many frames `encode` gives for `n_samples`: the last one may be part empty."""
        return -(-n_samples // self.hop)

    def _input(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `audio` as float32 on the device; raise ValueError unless it is what the model takes."""
        check_audio(self, audio)
        if audio.shape[-1] < self.shortest:
            raise ValueError(
                f"{self.name} needs at least {self.shortest} samples at {self.sample_rate} Hz, not {audio.shape[-1]}; "
                "pad the clip"
            )
        return audio.to(self.device, torch.float32)

    def _latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Return `latents` as float32 on the device; raise ValueError unless they are `[batch dim frame]`."""
        if latents.ndim != 3 or latents.shape[1] != self.dim or latents.shape[2] < 1:
            raise ValueError(f"{self.name} decodes [batch {self.dim} frame], not shape {tuple(latents.shape)}")
        return latents.to(self.device, torch.float32)

    def _precision(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()


def frozen(network: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """Return `network` on `device`, in evaluation mode, without gradients and with weight norm folded into weights."""
    for module in network.modules():
        if torch.nn.utils.parametrize.is_parametrized(module, "weight"):
            torch.nn.utils.parametrize.remove_parametrizations(module, "weight")
        elif hasattr(module, "weight_g"):
            torch.nn.utils.remove_weight_norm(module)
    return network.eval().requires_grad_(False).to(device)


def model_input(encoder: Encoder, clip: Clip, sample_rate: int = SAMPLE_RATE_HZ) -> Clip:
    """Return `clip [channel sample]` mixed, or doubled, and resampled to what `encoder` declares."""
    audio.check_clip(clip)
    return audio.resample(audio.to_channels(clip, encoder.channels), sample_rate, encoder.sample_rate)


def encode_clips(encoder: Encoder, clips: Sequence[Clip], sample_rate: int = SAMPLE_RATE_HZ) -> NDArray[np.float32]:
    """Return latents `[clip dim frame]` float32 of clips `[channel sample]` of one length, in one batch.

    A batch that does not fit into memory is halved until it does. Raises ValueError if the model gives anything that
    is not finite, or another shape than it declares, MemoryError if not even one clip fits, and as `model_inputs` does.
    """
    return encode_inputs(encoder, model_inputs(encoder, clips, sample_rate))


def model_inputs(encoder: Encoder, clips: Sequence[Clip], sample_rate: int = SAMPLE_RATE_HZ) -> NDArray[np.float32]:
    """Return clips `[channel sample]` of one length as `encode_inputs` takes them: work that any thread can do.

    Raises ValueError if there are none, or of several lengths, and as `audio.check_clip` does.
    """
    lengths = {np.shape(clip)[-1:] for clip in clips}
    if len(lengths) != 1:
        found = f"of {len(lengths)} lengths" if lengths else "none"
        raise ValueError(
            f"clips are encoded together if they are of one length, and these are {found}: pass them alone"
        )
    return np.stack([model_input(encoder, clip, sample_rate) for clip in clips])


def encode_inputs(encoder: Encoder, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return latents `[clip dim frame]` of `inputs [clip channel sample]`; raises as `encode_clips` does."""
    with torch.inference_mode():
        latents = _encode_in_memory(encoder, torch.from_numpy(inputs))
    expected = (len(inputs), encoder.dim, encoder.frames(inputs.shape[-1]))
    if latents.shape != expected:
        raise ValueError(f"{encoder.name} gave latents of shape {latents.shape}, but declares {expected}")
    if not np.isfinite(latents).all():
        raise ValueError(f"{encoder.name} gave latents that are not finite; check the audio and its weights")
    return latents


def cpu_threads() -> int:
    """Return the number of threads on which encoders run on this machine's CPU."""
    return torch.get_num_threads()


@contextmanager
def on_threads(n: int | None) -> Iterator[None]:
    """Run encoders on `n` threads of the CPU, None for as many as before: other sums differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _encode_in_memory(encoder: Encoder, inputs: torch.Tensor) -> NDArray[np.float32]:
    """Return latents of `inputs [batch channel sample]`, in halves where all at once are too much."""
    try:
        return encoder.encode(inputs).float().cpu().numpy()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        if len(inputs) == 1:
            place = getattr(encoder, "device", "cpu")
            raise MemoryError(
                f"one clip of {inputs.shape[-1]} samples is more than {encoder.name} can encode in the free memory of "
                f"{place}; close what else runs there, use another device or a smaller encoder"
            ) from error
    # Only here, as the error's traceback keeps alive what filled the memory.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(inputs) // 2
    return np.concatenate([_encode_in_memory(encoder, part) for part in (inputs[:half], inputs[half:])])


def out_of_memory(error: Exception) -> bool:
    """Say whether `error` is of too little memory: on the CPU torch raises a plain RuntimeError for that too."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def decode_latents(encoder: Encoder, latents: NDArray[np.floating], length: int, seed: int = 0, **options: Any) -> Clip:
    """Return the stereo clip `[2 length]` at 48 kHz that `encoder` makes of `latents [dim frame]`.

    What the model gives is resampled, doubled if it is mono, and cut or padded to `length` samples. `options` are
    those of the encoder's own `decode`.

    Raises ValueError if the encoder has no decoder.
    """
    if not isinstance(encoder, Decoder):
        raise ValueError(f"{encoder.name} has no decoder; list_encoders() shows which ones have")
    given = torch.from_numpy(np.ascontiguousarray(latents, np.float32))[None]
    with torch.inference_mode():
        decoded = encoder.decode(given, seed=seed, **options)[0]
    sound = audio.resample(decoded.float().cpu().numpy(), encoder.sample_rate, SAMPLE_RATE_HZ)
    return audio.fit_length(audio.to_channels(sound, 2), length)


ACTIVATION_FACTOR = 128
"""Memory that a convolutional encoder takes in inference over the bytes of its input: measured 60-110, rounded up.

An encoder that takes more says so in an attribute `activation_factor`."""


def batch_size(encoder: Encoder, wanted: int, n_samples: int) -> int:
    """Return how many clips of `n_samples` at 48 kHz to encode at once: `wanted`, or what half of memory holds."""
    samples = audio.samples_at(n_samples, SAMPLE_RATE_HZ, encoder.sample_rate)
    per_clip = 4 * encoder.channels * samples * getattr(encoder, "activation_factor", ACTIVATION_FACTOR)
    device = choose_device(getattr(encoder, "device", "cpu"))
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return int(max(1, min(wanted, free // 2 // per_clip)))
