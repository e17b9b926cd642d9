"""The convolutional encoder under Stacked's second stage: normalised residual blocks, then a stride, four times over.

Module names follow `Encoder1d` of audio-encoders-pytorch (MIT), so that the public keys load as they are. Sizes are
read off the weights.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.nets.sized import SizedByWeights

GROUPS = 8  # of every norm but the first block's, which has one


class ConvUnit(nn.Module):
    """Normalise, SiLU, then a convolution of three frames."""

    def __init__(self, before: int, after: int, groups: int) -> None:
        super().__init__()
        self.groupnorm = nn.GroupNorm(groups, before)
        self.project = nn.Conv1d(before, after, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.project(functional.silu(self.groupnorm(x)))


class ResidualBlock(nn.Module):
    """Two units, added to what comes in, which is projected where the width changes."""

    def __init__(self, before: int, after: int, groups: int = GROUPS) -> None:
        super().__init__()
        self.block1 = ConvUnit(before, after, groups)
        self.block2 = ConvUnit(after, after, groups)
        self.to_out = nn.Identity() if before == after else nn.Conv1d(before, after, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block2(self.block1(x)) + self.to_out(x)


class Down(nn.Module):
    """A strided convolution that changes the width, then residual blocks: ceil(frame / factor) frames."""

    def __init__(self, before: int, after: int, factor: int, blocks: int) -> None:
        super().__init__()
        self.downsample = nn.Conv1d(before, after, 2 * factor + 1, stride=factor, padding=factor)
        self.blocks = nn.ModuleList(ResidualBlock(after, after) for _ in range(blocks))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.downsample(x)
        for block in self.blocks:
            x = block(x)
        return x


class Encoder1d(SizedByWeights):
    """First-stage latents `[batch channel frame]` to latents before tanh, `[batch latent frame / 16]`."""

    def __init__(
        self,
        channels: int = 32,
        widths: Sequence[int] = (128, 256, 512, 1024, 1024),
        factors: Sequence[int] = (2, 2, 2, 2),
        blocks: Sequence[int] = (8, 8, 8, 8),
        latents: int = 32,
    ) -> None:
        super().__init__()
        self.to_in = nn.Sequential(OrderedDict(block=ResidualBlock(channels, widths[0], groups=1)))
        self.downsamples = nn.Sequential(
            *(Down(a, b, *size) for (a, b), *size in zip(pairwise(widths), factors, blocks, strict=True))
        )
        self.to_out = nn.Conv1d(widths[-1], latents, 1)
        self.latents, self.hop = latents, math.prod(factors)

    @classmethod
    def of(cls, weights: Mapping[str, torch.Tensor]) -> Self:
        first = weights["to_in.block.block1.project.weight"].shape
        downs: list[torch.Size] = []
        blocks: list[int] = []
        while f"downsamples.{len(downs)}.downsample.weight" in weights:
            prefix = f"downsamples.{len(downs)}"
            downs.append(weights[f"{prefix}.downsample.weight"].shape)
            blocks.append(len({name.split(".")[3] for name in weights if name.startswith(f"{prefix}.blocks.")}))
        factors = [down[2] // 2 for down in downs]
        widths = [first[0], *(down[0] for down in downs)]
        return cls(first[1], widths, factors, blocks, weights["to_out.weight"].shape[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.to_out(self.downsamples(self.to_in(x)))
