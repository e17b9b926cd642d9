"""Parts of both shipped autoencoders: their layout, residual blocks, and companded coefficients of a signal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.nets.mdct import MDCT

DILATIONS = (1, 2, 4)
POWER = 0.6  # of a coefficient's size: companding, so that quiet partials count


@dataclass(frozen=True)
class Layout:
    """The sizes that all shapes of a network follow from; saved beside its weights."""

    channels: int  # of the signal
    hop: int  # samples a frame
    fast: int  # latent dims at the frame rate
    slow: int = 0  # latent dims that are made once in `slow_stride` frames
    slow_stride: int = 4
    slow_blocks: int = 6
    slow_width: int = 192
    bands: int = 64  # of each channel, whose levels the slow dims hear
    side: int = 0  # how many of the fast dims are the side channel's, where they are apart
    width: int = 128
    blocks: int = 6
    decoder_width: int = 192
    decoder_blocks: int = 6
    residual: bool = True  # diffusion adds what a predicted mean lacks; else it makes everything from noise

    @property
    def coefficients(self) -> int:
        return self.channels * self.hop

    @property
    def dim(self) -> int:
        return self.fast + self.slow


class Block(nn.Module):
    """Normalise each frame, look at its dilated neighbours, add; `[batch width frame]` in and out."""

    def __init__(self, width: int, dilation: int, bias: bool = True) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width, 1))
        self.near = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=bias)
        self.mix = nn.Conv1d(width, width, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normal = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-4) * self.gain
        return x + self.mix(functional.silu(self.near(normal)))


def blocks(width: int, count: int, bias: bool = True) -> nn.Sequential:
    """Return `count` blocks that go through the dilations again and again."""
    return nn.Sequential(*(Block(width, DILATIONS[i % len(DILATIONS)], bias) for i in range(count)))


class Spectrum(nn.Module):
    """A signal as companded coefficients `[batch channel*bin frame]`, and back; two channels become mid and side."""

    scale: torch.Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.transform = MDCT(layout.hop)
        self.register_buffer("scale", torch.ones(layout.coefficients, 1))  # set by the training data

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return raw coefficients of `signal [batch channel sample]`, whole frames of it."""
        return self.transform(mid_side(signal)).flatten(1, 2)

    def inverse(self, coefficients: torch.Tensor) -> torch.Tensor:
        return mid_side(self.transform.inverse(coefficients.unflatten(1, (self.layout.channels, -1))))

    def compand(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Return coefficients companded; they may be those of the first channels alone."""
        return coefficients.sign() * (coefficients.abs() / self.scale[: coefficients.shape[1]]) ** POWER

    def expand(self, companded: torch.Tensor) -> torch.Tensor:
        return companded.sign() * companded.abs() ** (1 / POWER) * self.scale


def mid_side(signal: torch.Tensor) -> torch.Tensor:
    """Return left and right as mid and side, or back (the rotation is its own inverse); other signals as they are."""
    if signal.shape[1] != 2:
        return signal
    left, right = signal.unbind(1)
    return torch.stack([left + right, left - right], 1) * 0.5**0.5


def without_silent_side(encode: Callable[[torch.Tensor], torch.Tensor], signal: torch.Tensor) -> torch.Tensor:
    """Return `encode` of `signal [batch channel sample]`, stereo as mid and side, or mid alone where both are equal.

    `encode` takes `[batch channel sample]`, of the first channel alone where the second would be silent. Doubled mono,
    which most clips are, so costs one channel; a batch may hold both kinds.
    """
    parts = mid_side(signal)
    if signal.shape[1] != 2:
        return encode(parts)
    doubled = (signal[:, 0] == signal[:, 1]).all(1)
    if doubled.all():
        return encode(parts[:, :1])
    if not doubled.any():
        return encode(parts)
    rows = torch.cat([doubled.nonzero(), (~doubled).nonzero()]).flatten()
    return torch.cat([encode(parts[doubled, :1]), encode(parts[~doubled])])[rows.argsort()]
