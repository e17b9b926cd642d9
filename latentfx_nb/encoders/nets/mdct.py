"""A lapped transform of any signal: as many frames as the signal has hops, and its exact inverse.

It is the MDCT (Princen and Bradley, IEEE Trans. ASSP 34, 1986) as rotations of neighbouring blocks into each other and
a DCT-IV of each, except that nothing is folded over the two ends. So n hops give n frames and not n + 1, and the
transform is orthonormal.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

FAST = 256
"""Samples a block from which an FFT takes less time than a product of matrices: ours, measured on two CPUs."""


class DenseDCT(nn.Module):
    """The DCT-IV of the last dim, orthonormal and its own inverse, as a product with a matrix."""

    basis: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        index = np.arange(size) + 0.5
        basis = np.sqrt(2 / size) * np.cos(np.pi / size * np.outer(index, index))
        self.register_buffer("basis", torch.from_numpy(basis.astype(np.float32)), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.basis


class FastDCT(nn.Module):
    """The same by a complex FFT of half the size, float32 under autocast too.

    Even samples are its real parts and odd ones, from the end, its imaginary parts; a turn of the phase before and
    after gives even bins and, from the end, odd ones (Britanak, Yip and Rao, "Discrete Cosine and Sine Transforms",
    2007, chapter 4).
    """

    phase: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        # Half the transform's gain of sqrt(2 / size) goes into each of the two turns.
        angle = np.pi / size * (np.arange(size // 2) + 0.125)
        turns = (2 / size) ** 0.25 * np.stack([np.cos(angle), -np.sin(angle)], -1)
        self.register_buffer("phase", torch.from_numpy(turns.astype(np.float32)), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        phase = torch.view_as_complex(self.phase)
        pairs = torch.complex(x[..., ::2].float(), x.flip(-1)[..., ::2].float())
        bins = torch.fft.fft(pairs * phase) * phase
        return torch.stack([bins.real, -bins.imag.flip(-1)], -1).flatten(-2)


class MDCT(nn.Module):
    """Blocks of `hop` samples, overlapping by half a block on each side under a sine window."""

    inside: torch.Tensor
    outside: torch.Tensor

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.cosines = FastDCT(hop) if hop >= FAST else DenseDCT(hop)
        # Sine and cosine of this angle are the window at distance i + 1/2 from a block's edge, inside and outside it.
        angle = np.pi / 4 * (1 + 2 * (np.arange(hop // 2) + 0.5) / hop)
        for name, value in (("inside", np.sin(angle)), ("outside", np.cos(angle))):
            self.register_buffer(name, torch.from_numpy(value.astype(np.float32)), persistent=False)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return coefficients `[batch channel bin frame]` of `signal [batch channel sample]`, whole blocks of it."""
        blocks = signal.unflatten(-1, (-1, self.hop))
        return self.cosines(self._rotate(blocks, self.outside)).transpose(-1, -2)

    def inverse(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Return the signal `[batch channel sample]` of `coefficients [batch channel bin frame]`."""
        return self._rotate(self.cosines(coefficients.transpose(-1, -2)), -self.outside).flatten(-2)

    def _rotate(self, blocks: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
        """Return blocks `[... block sample]` whose edges are mixed with the mirrored edge of the neighbour."""
        half = self.hop // 2
        head, tail = blocks[..., 1:, :half], blocks[..., :-1, half:].flip(-1)
        new_head = self.inside * head + outside * tail
        new_tail = (self.inside * tail - outside * head).flip(-1)
        left = torch.cat([blocks[..., :1, :half], new_head], dim=-2)
        right = torch.cat([new_tail, blocks[..., -1:, half:]], dim=-2)
        return torch.cat([left, right], dim=-1)
