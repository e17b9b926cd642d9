"""A lapped transform of any signal: as many frames as the signal has hops, and its exact inverse.

It is the MDCT (Princen and Bradley, IEEE Trans. ASSP 34, 1986) as rotations of neighbouring blocks into each other and
a DCT-IV of each, except that nothing is folded over the two ends. So n hops give n frames and not n + 1, and the
transform is orthonormal.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class MDCT(nn.Module):
    """Blocks of `hop` samples, overlapping by half a block on each side under a sine window."""

    basis: torch.Tensor
    inside: torch.Tensor
    outside: torch.Tensor

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        index = np.arange(hop) + 0.5
        basis = np.sqrt(2 / hop) * np.cos(np.pi / hop * np.outer(index, index))
        # Sine and cosine of this angle are the window at distance i + 1/2 from a block's edge, inside and outside it.
        angle = np.pi / 4 * (1 + 2 * index[: hop // 2] / hop)
        for name, value in (("basis", basis), ("inside", np.sin(angle)), ("outside", np.cos(angle))):
            self.register_buffer(name, torch.from_numpy(value.astype(np.float32)), persistent=False)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return coefficients `[batch channel bin frame]` of `signal [batch channel sample]`, whole blocks of it."""
        blocks = signal.unflatten(-1, (-1, self.hop))
        return (self._rotate(blocks, self.outside) @ self.basis).transpose(-1, -2)

    def inverse(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Return the signal `[batch channel sample]` of `coefficients [batch channel bin frame]`."""
        return self._rotate(coefficients.transpose(-1, -2) @ self.basis, -self.outside).flatten(-2)

    def _rotate(self, blocks: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
        """Return blocks `[... block sample]` whose edges are mixed with the mirrored edge of the neighbour."""
        half = self.hop // 2
        head, tail = blocks[..., 1:, :half], blocks[..., :-1, half:].flip(-1)
        new_head = self.inside * head + outside * tail
        new_tail = (self.inside * tail - outside * head).flip(-1)
        left = torch.cat([blocks[..., :1, :half], new_head], dim=-2)
        right = torch.cat([new_tail, blocks[..., -1:, half:]], dim=-2)
        return torch.cat([left, right], dim=-1)
