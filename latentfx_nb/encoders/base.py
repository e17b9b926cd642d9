"""The protocols of encoders and decoders, and the base class of encoders made of torch networks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import torch

from latentfx_nb.cache import digest
from latentfx_nb.encoders.devices import check_bf16, choose_device
from latentfx_nb.encoders.variants import Possible, checked, name_of, named

N = TypeVar("N", bound=torch.nn.Module)


@runtime_checkable
class Encoder(Protocol):
    """A frozen model that turns sound into latents. Attributes are fixed; `encode` is a pure function of its input.

    Two clips encoded together give what each gives alone, and the same input always gives the same output. A model may
    have `first_frame_s`, the middle of its first frame where that is not half of 1 / frame_rate, and `noise_floor`, a
    text that pages print with numbers of geometry.
    """

    name: str
    sample_rate: int  # Hz, of the audio that `encode` takes
    channels: int  # 1 or 2, of that audio
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

    One that needs minutes for it has an attribute `decodes_slowly`: pages then decode only when they are asked to.
    """

    def decode(self, latents: torch.Tensor, *, seed: int) -> torch.Tensor:
        """Return audio `[batch channel sample]` at `sample_rate` Hz of `latents [batch dim frame]`."""


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


class TorchEncoder:
    """The base of encoders made of torch networks: checks and places the input, counts frames, sets the precision.

    A subclass declares the attributes below, implements `_load` and `encode`, and may have `decode`. One whose
    constructor takes options (`encoders/variants.py`) finds in `variant` those that were given.
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
    variants: ClassVar[Possible] = {}
    variant: Mapping[str, Any] = {}

    def __init__(
        self, device: str = "auto", weights: str | Path | None = None, *, bf16: bool = False, **variant: Any
    ) -> None:
        """Load the model's files from the folder `weights`, else find or fetch them; `bf16` runs under autocast.

        Raises ValueError if torch cannot use `device`, or bfloat16 on it, and for a `variant` that the model does not
        have, ImportError if an extra is missing, and what finding, fetching and reading the weights raise.
        """
        model = self.name
        self.variant = checked(model, self.variants, variant)
        self.name = name_of(model, self.variant)
        self.device = choose_device(device)
        if bf16 and self.device.type == "cpu":
            check_bf16()
        self.bf16 = bf16
        self._load(weights)
        _, self.weights_hash = named(model, self.weights_hash, self.variant)
        if bf16:
            self.weights_hash = digest(f"{self.weights_hash} bf16")

    def _load(self, weights: str | Path | None) -> None:
        """Set the networks, on `self.device`, and `self.weights_hash`."""
        raise NotImplementedError

    def frames(self, n_samples: int) -> int:
        """Return how many frames `encode` gives for `n_samples`: the last one may be part empty."""
        return -(-n_samples // self.hop)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return latents `[batch dim frame]` float32 of `audio [batch channel sample]`."""
        raise NotImplementedError

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


class SlowDecoder:
    """A model whose decoder takes minutes on a CPU and seconds on a GPU."""

    device: torch.device

    @property
    def decodes_slowly(self) -> bool:
        """Whether decoding takes so long that a page should not start it by itself."""
        return self.device.type == "cpu"


def frozen(network: N, device: torch.device) -> N:
    """Return `network` on `device`, in evaluation mode, without gradients and with weight norm folded into weights."""
    for module in network.modules():
        if torch.nn.utils.parametrize.is_parametrized(module, "weight"):
            torch.nn.utils.parametrize.remove_parametrizations(module, "weight")
        elif hasattr(module, "weight_g"):
            torch.nn.utils.remove_weight_norm(module)
    return network.eval().requires_grad_(False).to(device)
