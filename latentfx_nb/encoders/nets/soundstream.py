"""The convolutional autoencoder under DiffAE and under the first stage of Stacked: causal, without normalisation.

Module names follow the public checkpoints (audio-diffusion and audio-algebra, Harmonai and Z. Evans), so that their
keys load as they are. Sizes are read off the weights: a network of any width is built from its own state dict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.nets.sized import SizedByWeights

DILATIONS = (1, 3, 9, 1, 3, 9)  # of a block's residual units


class CausalConv(nn.Conv1d):
    """A causal convolution: zeros are put before the sound, and ceil(sample / stride) frames come out."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(functional.pad(x, (self.dilation[0] * (self.kernel_size[0] - 1), 0)))


class CausalUpsampling(nn.ConvTranspose1d):
    """A transposed convolution to exactly `stride` times as many frames; frames after the end are dropped."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]  # its size is never given
        return super().forward(x)[..., : -self.stride[0]]


class ResidualUnit(nn.Module):
    """A dilated and a pointwise convolution, added to the input: `[batch channel frame]` in and out."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            CausalConv(channels, channels, 7, dilation=dilation), nn.ELU(), CausalConv(channels, channels, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


class Layers(nn.Module):
    """Modules in a row under the name `layers`, as the checkpoints have them."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def _with_elu(*modules: nn.Module) -> list[nn.Module]:
    return [layer for module in modules for layer in (module, nn.ELU())]


class SoundStreamEncoder(Layers, SizedByWeights):
    """Audio `[batch channel sample]` to latents before tanh, `[batch latent frame]`.

    The defaults are DiffAE's (one frame each 128 samples); `STAGE_1` are those of Stacked's first stage.
    """

    def __init__(
        self,
        channels: int = 2,
        widths: Sequence[int] = (32, 64, 128, 256, 512, 1024),
        strides: Sequence[int] = (4, 4, 2, 2, 2),
        latents: int = 64,
    ) -> None:
        blocks = [
            Layers(*_with_elu(*(ResidualUnit(a, d) for d in DILATIONS)), CausalConv(a, b, 2 * stride, stride=stride))
            for (a, b), stride in zip(pairwise(widths), strides, strict=True)
        ]
        super().__init__(*_with_elu(CausalConv(channels, widths[0], 7), *blocks), CausalConv(widths[-1], latents, 3))
        self.channels, self.latents, self.hop = channels, latents, math.prod(strides)

    @classmethod
    def of(cls, weights: Mapping[str, torch.Tensor]) -> Self:
        downs = [weights[f"layers.{layer}.layers.12.weight"].shape for layer in _block_layers(weights)]
        first, last = weights["layers.0.weight"].shape, weights[f"layers.{2 + 2 * len(downs)}.weight"].shape
        return cls(first[1], [first[0], *(down[0] for down in downs)], [down[2] // 2 for down in downs], last[0])


WIDTHS, STRIDES, LATENTS = (64, 128, 256, 512, 1024, 2048), (2, 2, 2, 2, 2), 32
"""Sizes of Stacked's first stage."""

STAGE_1 = {"widths": WIDTHS, "strides": STRIDES, "latents": LATENTS}


class SoundStreamDecoder(Layers, SizedByWeights):
    """Latents `[batch latent frame]` to audio `[batch channel sample]`, the encoder's mirror; not clipped.

    One public revision ends in two heads instead of a convolution: a waveform under tanh, times an envelope.
    The defaults are Stacked's first stage.
    """

    def __init__(
        self,
        channels: int = 2,
        widths: Sequence[int] = WIDTHS,
        strides: Sequence[int] = STRIDES,
        latents: int = LATENTS,
        heads: bool = False,
    ) -> None:
        blocks = []
        for (b, a), stride in reversed(list(zip(pairwise(widths), strides, strict=True))):
            units = _with_elu(*(ResidualUnit(b, d) for d in DILATIONS))[:-1]  # the ELU after a block follows outside
            blocks.append(Layers(CausalUpsampling(a, b, 2 * stride, stride=stride), nn.ELU(), *units))
        last = [] if heads else [CausalConv(widths[0], channels, 7)]
        super().__init__(*_with_elu(CausalConv(latents, widths[-1], 7), *blocks), *last)
        if heads:
            self.wave_gen = CausalConv(widths[0], channels, 7)
            self.env_gen = CausalConv(widths[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(x)
        if not hasattr(self, "wave_gen"):
            return x
        return torch.tanh(self.wave_gen(x)) * (2 * torch.sigmoid(self.env_gen(x)) ** 2.3 + 1e-7)

    @classmethod
    def of(cls, weights: Mapping[str, torch.Tensor]) -> Self:
        ups = [weights[f"layers.{layer}.layers.0.weight"].shape for layer in _block_layers(weights)]
        heads = "wave_gen.weight" in weights
        last = weights["wave_gen.weight" if heads else f"layers.{2 + 2 * len(ups)}.weight"].shape
        widths = [ups[0][0], *(up[1] for up in ups)][::-1]
        return cls(last[0], widths, [up[2] // 2 for up in ups][::-1], weights["layers.0.weight"].shape[1], heads)


def _block_layers(weights: Mapping[str, torch.Tensor]) -> list[int]:
    """Return the layer numbers that are blocks, in order."""
    layers = {int(name.split(".")[1]) for name in weights if name.count(".") > 2}
    return sorted(layers)
