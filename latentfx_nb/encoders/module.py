"""Turns any torch module into an encoder, which can be registered and then appears wherever encoders are chosen."""

from __future__ import annotations

import hashlib
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from latentfx_nb.encoders.base import TorchEncoder
from latentfx_nb.encoders.contract import settled
from latentfx_nb.encoders.devices import choose_device
from latentfx_nb.nearness import SUMS, Sketch, random_sums

FOLD = 4096
"""Weights of a tensor that are summed together: few enough for a change of one of them to show."""


class ModuleEncoder(TorchEncoder):
    """A module that turns audio `[batch channel sample]` into latents `[batch dim frame]`, under a name.

    `hop` is how many samples make a frame, or None for a module that gives one vector a clip (`[batch dim]` will do).
    Clips are padded at their end to whole frames. `decoder`, another module, turns latents back into audio.
    """

    def __init__(
        self,
        name: str,
        module: torch.nn.Module,
        *,
        sample_rate: int,
        channels: int = 1,
        hop: int | None,
        decoder: torch.nn.Module | None = None,
        device: str = "auto",
    ) -> None:
        """Take the modules themselves, not copies: they are moved to `device` and frozen.

        Raises ValueError if the module gives no `[batch dim frame]` with one frame for each `hop` samples of a second.
        """
        self.name, self.sample_rate, self.channels, self.hop = name, sample_rate, channels, hop or 1
        self.frame_rate = sample_rate / hop if hop else None
        self.device = choose_device(device)
        modules = [part.eval().requires_grad_(False).to(self.device) for part in (module, decoder) if part is not None]
        self._module = module
        self.weights_hash = known_by(name, modules)
        self.dim = self._measured_dim()
        if decoder is not None:
            self.decode = partial(self._decoded_by, decoder)  # other code detects a decoder by this attribute

    def frames(self, n_samples: int) -> int:
        return super().frames(n_samples) if self.frame_rate else 1

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch dim frame]` of `audio [batch channel sample]`; the last frame may be part empty."""
        sound = self._input(audio)
        latents = self._module(torch.nn.functional.pad(sound, (0, -sound.shape[-1] % self.hop)))
        return latents[..., None] if latents.ndim == 2 else latents

    def _measured_dim(self) -> int:
        samples = self.sample_rate // self.hop * self.hop or self.hop
        latents = self.encode(torch.zeros(1, self.channels, samples))
        expected = samples // self.hop if self.frame_rate else 1
        if latents.ndim != 3 or latents.shape[-1] != expected:
            raise ValueError(
                f"{self.name}'s module gives shape {tuple(latents.shape)} for [1 {self.channels} {samples}], not "
                f"[1 dim {expected}]; give its own hop, in samples a frame, or None for one vector a clip"
            )
        return latents.shape[1]

    def _decoded_by(self, decoder: torch.nn.Module, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        return decoder(self._latents(latents))


def known_by(name: str, modules: list[torch.nn.Module]) -> str:
    """Return a hash of modules and their weights, settled because weights may be computed, as mel filters often are."""
    weights = [one for module in modules for one in module.state_dict().values() if one.is_floating_point()]
    sums = [_sums(one) for one in weights] or [np.empty((0, SUMS), np.float32)]
    sketch = Sketch.of(np.concatenate(sums), np.repeat(np.arange(len(sums)), [len(one) for one in sums]))
    return settled(f"{name} {_digest(modules, floats=False)}", sketch, _digest(modules))


def _sums(weight: torch.Tensor) -> NDArray[np.float32]:
    """Return random sums of a tensor's values, `FOLD` at a time, `[row sum]`."""
    values = weight.reshape(-1).float().cpu().numpy()
    values = np.clip(np.nan_to_num(values), -1e30, 1e30)  # masks hold infinities, and a sketch cannot
    width = max(1, min(FOLD, len(values)))
    return random_sums(np.pad(values, (0, -len(values) % width)).reshape(-1, width))


def _digest(modules: list[torch.nn.Module], floats: bool = True) -> str:
    """Return one sha256 over modules and their weights; without `floats`, over all weights but floating-point ones."""
    content = hashlib.sha256()
    for module in modules:
        content.update(repr(module).encode())
        for name, weight in module.state_dict().items():
            content.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
            if floats or not weight.is_floating_point():
                content.update(weight.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()
